"""Images in a folder, of any size, whose subfolders may be classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..backend import Array
from ..stored import check_memory
from .idx import DatasetError

SIDE = 32  # of the squares that images of different sizes, and large ones, become
LARGEST = 128  # pixels along a side that stay as they are
TRAIN = {"train", "training"}
SPLITS = {*TRAIN, "test", "testing", "val", "valid", "validation"}  # folders that are no classes
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def read_folder(path: Path, size: tuple[int, int] | None, grey: bool) -> tuple[Array, Any]:
    """Return the images in a folder, and the names of their subfolders if these are classes."""
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in PICTURES and not _is_hidden(file, path) and file.is_file()
    )
    if not files:
        others = sorted(file.name for file in path.iterdir() if file.is_file())
        remedy = (
            f"name a file in it, such as {path / others[0]}" if others else "name another folder"
        )
        raise DatasetError(
            f"{path} holds no images ({', '.join(sorted(PICTURES))}), neither in itself nor in its "
            f"subfolders: {remedy}"
        )
    root, files = _root(path, files)
    images: list[Array] = []
    for file in files:
        image = _open(file, grey)
        if size is None and (max(image.shape[:2]) > LARGEST or _differ(image, images)):
            size = (SIDE, SIDE)
            images = [reduced(before, size) for before in images]
        images.append(image if size is None else reduced(image, size))
    if len({image.ndim for image in images}) == 2:
        images = [np.stack([i] * 3, axis=2) if i.ndim == 2 else i for i in images]
    folders = [file.relative_to(root).parts[0] if file.parent != root else "" for file in files]
    return np.stack(images), None if "" in folders or len(set(folders)) == 1 else folders


def _is_hidden(file: Path, root: Path) -> bool:
    """Return whether a file or one of its folders is hidden, or made by an archive of a Mac."""
    return any(part.startswith((".", "__MACOSX")) for part in file.relative_to(root).parts)


def _root(path: Path, files: list[Path]) -> tuple[Path, list[Path]]:
    """Return the folder whose subfolders are the classes, and its files: ``train``, if any."""
    while True:
        inside = {file.relative_to(path).parts[0] for file in files}
        if any(file.parent == path for file in files):
            return path, files
        if all(name.lower() in SPLITS for name in inside):
            inside = {name for name in inside if name.lower() in TRAIN} or inside
        if len(inside) > 1:
            return path, files
        path = path / inside.pop()
        files = [file for file in files if path in file.parents]


def _differ(image: Array, images: list[Array]) -> bool:
    return bool(images) and image.shape[:2] != images[0].shape[:2]


def _open(file: Path, grey: bool) -> Array:
    """Return an image as bytes, upright, on white where it is transparent."""
    try:
        with PIL.Image.open(file) as opened:
            check_memory(4 * opened.width * opened.height)
            image: Any = PIL.ImageOps.exif_transpose(opened)
            image.load()
    except Exception as error:  # of Pillow and its codecs, which may be any
        raise DatasetError(
            f"{file} cannot be read as an image ({error}): replace or delete it"
        ) from error
    if image.mode.startswith(("I", "F")):  # 16 bits a pixel, which convert would cut off at 255
        values = np.asarray(image, np.float64)
        high = values.max(initial=0)
        if not (values.min(initial=0) >= 0 and high <= 65535):
            raise DatasetError(f"{file} has pixels outside 0..65535: rescale it, or delete it")
        top = 65535.0 if high > 255 else 255.0 if high > 1 or image.mode != "F" else 1.0
        eight_bits: Array = (values * (255 / top)).round().astype(np.uint8)
        return eight_bits
    is_grey = grey or image.mode in ("1", "L", "LA")
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)
    pixels: Array = np.asarray(image.convert("L" if is_grey else "RGB"))
    if not is_grey and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]  # grey in a file of colours
    return pixels


def reduced(image: Array, size: tuple[int, int]) -> Array:
    """Return the middle of an image, scaled to a height and a width."""
    height, width = size
    if image.shape[:2] == size:
        return image
    is_float = image.dtype.kind == "f"
    source = np.rint(image * 255).astype(np.uint8) if is_float else image
    fitted = PIL.ImageOps.fit(
        PIL.Image.fromarray(source), (width, height), PIL.Image.Resampling.BOX
    )
    reduced = np.asarray(fitted)
    result: Array = reduced.astype(np.float32) / 255 if is_float else reduced
    return result
