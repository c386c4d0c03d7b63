"""Sheets of images: arrays, PNG files, and animations of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from .. import checks
from ..backend import Array
from .saving import PathLike, Target, save

GREY = 0.3  # brightness of the lines between the images of a sheet


def tile(
    images: Array,
    columns: int | None = None,
    shape: Sequence[int] | None = None,
    padding: int = 1,
) -> Array:
    """Return one picture of N images in a grid, row by row.

    Parameters
    ----------
    images : array of shape (N, features), (N, H, W) or (N, H, W, 3)
        Floats, of which those outside [0, 1] are clipped, or uint8 in 0..255.
    columns : int, optional
        Images per row; by default the grid is about square.
    shape : (height, width) or (height, width, 3), optional
        Shape of one image, grey or in colour; by default it is square and grey.
    padding : int
        Grey pixels between two images. Cells without an image are grey too.

    Returns
    -------
    picture : array of shape (height, width), or (height, width, 3) for colour
        In [0, 1], of the dtype of `images` if that is a float.

    Raises
    ------
    ValueError
        If `images` holds NaN or other integers, or its rows are no images of `shape`.

    Examples
    --------
    >>> tile(np.ones((4, 784))).shape
    (57, 57)
    """
    images = _as_images(images, shape)
    n, height, width, *colours = images.shape
    columns = checks.positive_int("columns", math.ceil(n**0.5) if columns is None else columns)
    padding = checks.nonnegative_int("padding", padding)
    rows = math.ceil(n / columns)
    cell = (height + padding, width + padding, *colours)
    grid = np.full((rows, columns, *cell), GREY, images.dtype)
    grid.reshape(-1, *cell)[:n, :height, :width] = images
    picture = grid.swapaxes(1, 2).reshape(rows * cell[0], columns * cell[1], *colours)
    return cast(Array, picture[: len(picture) - padding, : picture.shape[1] - padding])


def save_sheet(
    path: Target,
    images: Array,
    columns: int | None = None,
    shape: Sequence[int] | None = None,
    scale: int | None = None,
    titles: Sequence[str] | None = None,
) -> None:
    """Write N images as one PNG, with grey lines between them; 0 is black and 1 white.

    Parameters
    ----------
    path : path ending in .png, or binary file
    images, columns, shape
        See `tile`.
    scale : int, optional
        Every pixel becomes a square of this width. By default an image becomes about 56 pixels
        wide: the scale is 2 for 28x28 pixels, 7 for 8x8.
    titles : sequence of str, optional
        Texts above the sheet, each over as many columns as the others.

    Examples
    --------
    >>> save_sheet("samples.png", gan.sample(64))  # doctest: +SKIP
    """
    sheet = _image(enlarged(images, columns, shape, scale))
    if titles is not None and (names := checks.texts("titles", titles)):
        sheet = _titled(sheet, names)
    save(path, ("png",), sheet.save, optimize=True)


def enlarged(
    images: Array,
    columns: int | None = None,
    shape: Sequence[int] | None = None,
    scale: int | None = None,
) -> Array:
    """Return the picture that `save_sheet` writes, in [0, 1]. The parameters are the same."""
    images = _as_images(images, shape)
    n, height, width, *colours = images.shape
    scale = max(1, round(56 / width)) if scale is None else checks.positive_int("scale", scale)
    large = images.repeat(scale, axis=1).repeat(scale, axis=2).reshape(n, -1)
    return tile(large, columns, (height * scale, width * scale, *colours), padding=scale)


def save_gif(
    path: Target,
    frames: Sequence[PathLike | Array],
    captions: Sequence[str] | None = None,
    duration: int = 200,
) -> None:
    """Write an animation that loops for ever and shows its last frame two seconds longer.

    Parameters
    ----------
    path : path ending in .gif, or binary file
    frames : sequence of paths, or of float arrays of shape (height, width) or (height, width, 3)
        Pictures of one size: files that `save_sheet` or `plot_2d` wrote, or results of `tile`.
        Greys are rounded to 16 levels, which halves the size of the file.
    captions : sequence of str, optional
        One caption per frame, such as "epoch 12", below the picture.
    duration : int
        Milliseconds per frame.

    Raises
    ------
    ValueError
        If there are no frames, their sizes differ, or a caption is missing.

    Examples
    --------
    >>> from pathlib import Path
    >>> sheets = sorted(Path("samples").glob("epoch_*.png"))
    >>> save_gif("progress.gif", sheets, [sheet.stem for sheet in sheets])  # doctest: +SKIP
    """
    frames = checks.sequence("frames", frames)
    sizes = sorted({_frame_size(frame) for frame in frames})
    if len(sizes) != 1:
        raise ValueError(f"frames must be at least one picture, all of one size, got {sizes}")
    if checks.positive_int("duration", duration) < 20:
        raise ValueError(f"duration must be >= 20 milliseconds, got {duration}")
    if captions is not None:
        captions = [checks.text("captions", text) for text in checks.sequence("captions", captions)]
        if len(captions) != len(frames):
            raise ValueError(f"captions must be {len(frames)}, one per frame, got {len(captions)}")
    add, last = _captioned(sizes[0], captions), len(frames) - 1
    levels = [round(v / 17) * 17 for v in range(256)]

    def image(i: int) -> Any:
        picture = add(_frame(frames[i]), i)
        return picture.point(levels) if picture.mode == "L" else picture

    save(
        path, ("gif",), image(0).save, save_all=True,
        append_images=(image(i) for i in range(1, len(frames))),  # opened one after the other
        duration=[duration] * last + [duration + 2000], loop=0,
    )  # fmt: skip


def _titled(sheet: Any, titles: Sequence[str]) -> Any:
    """Return a sheet with texts above it, over parts of equal width."""
    from PIL import Image, ImageDraw

    font, part, height = _font(13), sheet.width / len(titles), 20
    full = Image.new(sheet.mode, (sheet.width, sheet.height + height))
    full.paste(sheet, (0, height))
    draw = ImageDraw.Draw(full)
    for i, title in enumerate(titles):
        shown = " ".join(title.split())
        while len(shown) > 1 and draw.textlength(shown, font) > part - 4:
            shown = shown.removesuffix("…")[:-1] + "…"
        draw.text(((i + 0.5) * part, height / 2), shown, "white", font, anchor="mm")
    return full


def _font(size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _captioned(size: tuple[int, int], captions: Sequence[str] | None) -> Callable[[Any, int], Any]:
    """Return the function that adds the i-th caption to an image of this size."""
    from PIL import Image, ImageDraw

    if captions is None:
        return lambda image, i: image
    font = _font(16)
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    boxes = [ruler.multiline_textbbox((0, 0), text, font) for text in captions]
    (width, height), margin = size, 6
    full_width = max(width, *(math.ceil(box[2]) + 2 * margin for box in boxes))
    full_height = height + math.ceil(max(box[3] for box in boxes)) + 2 * margin

    def add(image: Any, i: int) -> Any:
        full = Image.new(image.mode, (full_width, full_height))
        full.paste(image)
        draw = ImageDraw.Draw(full)
        draw.multiline_text((margin, height + margin), captions[i], "white", font)
        return full

    return add


def _as_images(images: Array, shape: Sequence[int] | None) -> Array:
    """Return `images`, checked and clipped, of shape (N, height, width) or with colours last."""
    images = checks.array_like("images", images, kinds="fiub")
    if images.ndim in (3, 4) and images.size:
        shape = images.shape[1:] if shape is None else shape
        images = images.reshape(len(images), -1)
    if images.ndim != 2 or images.size == 0:
        raise ValueError(
            "images must have shape (N, features), (N, H, W) or (N, H, W, 3), N >= 1, got "
            f"{images.shape}"
        )
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    if not np.issubdtype(images.dtype, np.floating) or np.isnan(images).any():
        raise ValueError(
            f"images must be floats in [0, 1] without NaN, or uint8 in 0..255, got {images.dtype}"
        )
    clipped: Array = np.clip(images, 0, 1)
    return clipped.reshape(-1, *image_shape(images.shape[1], shape))


def image_shape(features: int, shape: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape of an image of so many features: square and grey if it is None."""
    if shape is None:
        side = math.isqrt(features)
        if side * side != features:
            raise ValueError(
                f"images with {features} features are not square: pass shape=(height, width), or "
                "(height, width, 3) for colour"
            )
        return side, side
    sizes = checks.image_shape(shape)
    if math.prod(sizes) != features:
        raise ValueError(f"shape={sizes} does not fit images with {features} features")
    return sizes


def _image(picture: Array) -> Any:
    """Return a picture in [0, 1], grey or in colour, as an 8-bit Pillow image."""
    from PIL import Image

    return Image.fromarray(np.rint(picture * 255).astype(np.uint8))


def _frame(frame: PathLike | Array) -> Any:
    """Return one frame of an animation as a Pillow image, grey or in colour."""
    from PIL import Image

    if isinstance(frame, str | os.PathLike):
        with Image.open(frame) as image:
            return image.convert("L" if image.mode == "L" else "RGB")
    return _image(tile(np.reshape(frame, (1, -1)), shape=np.shape(frame)))


def _frame_size(frame: PathLike | Array) -> tuple[int, int]:
    """Return the width and height of a frame, without its pixels."""
    from PIL import Image

    if isinstance(frame, str | os.PathLike):
        with Image.open(frame) as image:
            width, height = image.size
    else:
        picture = checks.array_like("frames", frame, kinds="fu")
        if picture.ndim not in (2, 3) or not picture.size:
            raise ValueError(f"frames must be paths or pictures, got an array of {picture.shape}")
        height, width = picture.shape[:2]
    return width, height
