"""Images in a folder, of any size, whose subfolders may be classes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..backend import Array
from ..checks import one_line
from ..stored import check_memory, memory_limit, readable
from .formats import Content
from .idx import DatasetError
from .labels import labels_of_files

SIDE = 32  # of the squares that images of different sizes, and large ones, become
LARGEST = 128  # pixels along a side that stay as they are
TRAIN = {"train", "training"}
SPLITS = {*TRAIN, "test", "testing", "val", "valid", "validation"}  # folders that are no classes
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"}
FRAMES = "extract its frames into a folder, as ffmpeg -i FILE frames/%05d.png does"
NAMED = 10  # broken files at most that a message names


def read_folder(
    path: Path,
    size: tuple[int, int] | None,
    grey: bool,
    labels: Any = None,
    skip_broken: bool = False,
) -> Content:
    """Return the images in a folder, and their classes: those given, or the names of subfolders."""
    there = [file for file in path.rglob("*") if not _is_hidden(file, path) and file.is_file()]
    files = sorted(file for file in there if file.suffix.lower() in PICTURES)
    if not files:
        raise DatasetError(
            f"{path} holds no images ({', '.join(sorted(PICTURES))}), neither in itself nor in its "
            f"subfolders: {_instead(there)}"
        )
    notes = [f"{_files(others)} skipped" for others in [len(there) - len(files)] if others]
    root, files = _root(path, files)
    names = [file.relative_to(root).as_posix() for file in files]
    folders = [name.rpartition("/")[0].partition("/")[0] for name in names]
    classes: Sequence[Any] | None = folders
    source = "subfolders"
    if labels is not None:
        classes = labels_of_files(labels, [file.relative_to(path).as_posix() for file in files])
        source = f"file {Path(labels).name}" if isinstance(labels, str | os.PathLike) else ""
        if without := sum(label is None for label in classes):
            notes.append(f"{_files(without)} without a label left out")
        files = [file for file, label in zip(files, classes, strict=True) if label is not None]
        classes = [label for label in classes if label is not None]
    elif "" in folders or len(set(folders)) == 1:
        classes = None
    images, broken, smaller = _read(files, size, grey)
    if broken:
        few = ", ".join(str(file) for file in [*broken][:NAMED])
        more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        if not skip_broken or not images:
            what = f"{few}{more} cannot be read as an image"
            if len(broken) > 1:
                what = f"{len(broken)} of {len(files)} files cannot be read as images, {few}{more}"
            raise DatasetError(
                f"{what} ({next(iter(broken.values()))}): replace or delete them, or pass "
                "skip_broken=True to do without them"
            )
        notes.append(f"{_files(len(broken))} left out, because they cannot be read: {few}{more}")
        if classes is not None:
            classes = [c for c, file in zip(classes, files, strict=True) if file not in broken]
    height, width = images[0].shape[:2]
    if smaller:
        whose = "" if smaller == len(images) else f"{smaller} of them "
        notes.append(f"{whose}enlarged to {height}x{width}")
    if len({image.ndim for image in images}) == 2:
        images = [np.stack([i] * 3, axis=2) if i.ndim == 2 else i for i in images]
    return Content(np.stack(images), classes, source, tuple(notes))


COPIES = 20  # bytes of a pixel while an image is read: as measured, for Pillow's copies and ours


def _read(
    files: Sequence[Path], size: tuple[int, int] | None, grey: bool
) -> tuple[list[Array], dict[Path, str], int]:
    """Return images of one size, the reasons of broken files, and how many images were smaller."""
    images: list[Array] = []
    sizes: list[tuple[int, ...]] = []
    broken: dict[Path, str] = {}
    if size is not None:
        _check_all(len(files), size)
    for file in files:
        try:
            image = _open(file, grey)
        except DatasetError as error:
            broken[file] = str(error)
            continue
        sizes.append(image.shape[:2])
        if size is None and (max(image.shape[:2]) > LARGEST or _differ(image, images)):
            size = (SIDE, SIDE)
            images = [reduced(before, size) for before in images]
        images.append(image if size is None else reduced(image, size))
        if len(images) == 1:
            _check_all(len(files), image.shape if size is None else images[0].shape)
    smaller = sum(h < size[0] or w < size[1] for h, w in sizes) if size else 0
    return images, broken, smaller


def _check_all(n: int, shape: Sequence[int]) -> None:
    """Refuse images that together fill more than the limit of memory."""
    if n * math.prod(shape) > (limit := memory_limit()):
        raise DatasetError(
            f"{n:,} images of {'x'.join(map(str, shape))} fill {readable(n * math.prod(shape))} of "
            f"memory, and the limit is {readable(limit)}: lower size={max(shape[:2])}, or set the "
            "environment variable NNGAN_MEMORY"
        )


def _files(n: int) -> str:
    return f"{n} file{'s' * (n > 1)}"


def _instead(files: Sequence[Path]) -> str:
    """Return what to do with a folder that holds these files and no images."""
    if any(file.suffix.lower() in VIDEOS for file in files):
        return f"videos cannot be read: of each, {FRAMES}"
    arrays = sorted(f for f in files if f.suffix.lower() in {".npy", ".npz", ".csv", ".gz", ""})
    return f"name a file in it, such as {arrays[0]}" if arrays else "name another folder"


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
    """Return an image as bytes, upright, on white where it is transparent.

    A DatasetError says why it cannot be read, without the name of the file.
    """
    try:
        with PIL.Image.open(file) as opened:
            check_memory(COPIES * opened.width * opened.height)
            image: Any = PIL.ImageOps.exif_transpose(opened)
            image.load()
    except Exception as error:  # of Pillow and its codecs, which may be any
        raise DatasetError(one_line(error)) from error
    if image.mode.startswith(("I", "F")):  # 16 bits a pixel, which convert would cut off at 255
        values = np.asarray(image, np.float64)
        high = values.max(initial=0)
        if not (values.min(initial=0) >= 0 and high <= 65535):
            raise DatasetError("it has pixels outside 0..65535")
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
