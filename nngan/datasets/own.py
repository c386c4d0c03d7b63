"""Images of one's own, from a folder or a file, as rows of pixels."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from ..checks import boolean, image_shape, is_number, positive_int, sequence, to_unit
from ..checks import path as check_path
from .folders import FRAMES, PICTURES, VIDEOS, read_folder, reduced
from .formats import Content, read_idx_pair, read_numpy, suffix_of
from .idx import DatasetError
from .labels import TABLES, numbered, read_labels
from .tables import read_table, side_of

LEVELS = 16  # whole numbers up to this are levels of grey, of which the greatest is white
NAMED = 10  # classes at most that a summary names
# Files that people try, and that no reader here could understand.
DOCUMENTS = {
    ".docx",
    ".doc",
    ".pdf",
    ".pptx",
    ".xlsx",
    ".xls",
    ".odt",
    ".html",
    ".zip",
    ".tar",
    ".rar",
    ".7z",
    ".h5",
    ".mat",
    ".pt",
    ".pkl",
    ".parquet",
    ".heic",
    ".svg",
}


class Images(NamedTuple):
    """Images as `load` returns them.

    Attributes
    ----------
    x : array of shape (N, features)
        An image per row, line by line: uint8 in 0..255, or float32 in [0, 1]. Whole numbers up to
        16, as in scikit-learn's digits, are levels of grey, of which the greatest is white.
    labels : int64 array of shape (N,), or None
        The class of each image, in 0..classes-1.
    shape : tuple of int
        Height and width, and 3 for colour.
    class_names : tuple of str
        The name of each class: of its folder, or as the labels have it. Empty without labels.
    notes : tuple of str
        What a reader of `summary` must know besides: where the labels were found, what was left
        out or enlarged.
    """

    x: Array
    labels: Array | None
    shape: tuple[int, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return in a line what was read: "500 images of 32x32x3 in 2 classes: a 250, b 250"."""
        n = len(self.x)
        text = f"{n:,} image{'s' * (n != 1)} of {'x'.join(map(str, self.shape))}"
        if self.labels is not None:
            counts = np.bincount(self.labels, minlength=len(self.class_names))
            text += f" in {len(counts)} class{'es' * (len(counts) != 1)}"
            if len(counts) <= NAMED:
                named = zip(self.class_names, counts, strict=True)
                text += ": " + ", ".join(f"{name} {count:,}" for name, count in named)
            else:
                text += f" of {counts.min():,} to {counts.max():,} images"
        return "; ".join([text, *self.notes])


def load(
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    shape: Sequence[int] | None = None,
    size: int | Sequence[int] | None = None,
    grey: bool = False,
    label_column: str | int | None = None,
    labels: Any = None,
    skip_broken: bool = False,
) -> Images:
    """Return the images in a folder or a file.

    ================  ==============================================================================
    path              content
    ================  ==============================================================================
    folder            images of any size; if they are in subfolders, each of these is a class, and
                      of ``train`` and ``test`` the first is taken
    ``.npz``          an array of images, and one of labels if there is any
    ``.npy``          an array of images
    ``.csv, .txt``    a row of pixels per line, with a column of labels or without, and with a line
                      of names or without, as Kaggle has them
    others            MNIST's IDX format, with the labels in the file of that name next to it
    ================  ==============================================================================

    Files may be compressed by gzip. What a file fills in memory is limited to 1 GiB, or to the
    environment variable ``NNGAN_MEMORY``, such as ``4G``. An array may have the shape
    (N, features), (N, H, W), (N, H, W, 3) or (N, 3, H, W). Labels may be whole numbers, names, or
    one-hot rows.

    Parameters
    ----------
    path : path
    key : str, optional
        Name of the images' array in an ``.npz`` file.
    shape : sequence of int, optional
        Height, width, and 3 for colour, of images that are rows. If left out, they are square.
    size : int or (int, int), optional
        Height and width to which the images are reduced: the middle is cut out, and scaled. If left
        out they stay as they are; those of a folder become 32x32 if their sizes differ, or if a
        side has more than 128 pixels.
    grey : bool
        Whether to turn colours into grey.
    label_column : str or int, optional
        Column of the labels in a table: "first", "last", its name in the head, or its number, from
        0 on. If left out, it is found by the head, the width and the values.
    labels : path or array, optional
        The labels, if they are not with the images: an ``.npy`` file, a table with a label per
        row, MNIST's format, or an array. For a folder also a table of file names and labels;
        images that it does not name are left out.
    skip_broken : bool
        Whether to leave out files of a folder that cannot be read, instead of refusing it.

    Returns
    -------
    Images

    Raises
    ------
    DatasetError
        If the path does not exist, holds no images, or cannot be understood.
    """
    path = Path(os.path.expanduser(check_path("path", path)))
    to, grey, skip_broken = _size(size), boolean("grey", grey), boolean("skip_broken", skip_broken)
    of_files = {"key": key, "shape": shape, "label_column": label_column}
    if path.is_dir():
        if given := [name for name, value in of_files.items() if value is not None]:
            raise DatasetError(f"{given[0]} is for files, and {path} is a folder: leave it out")
        content = read_folder(path, to, grey, labels, skip_broken)
        return _rows(content, path)
    content = _read_file(path, key, None if shape is None else _shape(shape), label_column)
    if labels is not None:
        source = f"file {Path(labels).name}" if isinstance(labels, str | os.PathLike) else ""
        content = content._replace(labels=read_labels(labels), source=source)
    images = _with_shape(_pixels(content.images, path), shape, path)
    if grey and images.ndim == 4:
        images = _grey(images)
    if to is not None:
        if images.shape[1] < to[0] or images.shape[2] < to[1]:
            content = content._replace(notes=(*content.notes, f"enlarged to {to[0]}x{to[1]}"))
        images = np.stack([reduced(image, to) for image in images])
    return _rows(content._replace(images=images), path)


def _read_file(
    path: Path, key: str | None, shape: tuple[int, ...] | None, label_column: str | int | None
) -> Content:
    """Return the content of one file, by its suffix."""
    suffix = suffix_of(path)
    if suffix in PICTURES:
        raise DatasetError(f"{path} is one image: name the folder that holds it and others")
    if suffix in VIDEOS:
        raise DatasetError(f"{path} is a video, and videos cannot be read: {FRAMES}")
    if key is not None and suffix != ".npz":
        raise DatasetError(f"key is for .npz files, and {path} is none: leave it out")
    if label_column is not None and suffix not in TABLES:
        raise DatasetError(f"label_column is for tables, and {path} is none: leave it out")
    if suffix in (".npz", ".npy"):
        return read_numpy(path, key)
    if suffix in TABLES:
        return read_table(path, label_column, math.prod(shape) if shape else None)
    if suffix in DOCUMENTS:
        raise DatasetError(
            f"{path} is no file of images: name a folder of images, or a file .npz, .npy, .csv or "
            "in MNIST's format"
        )
    return read_idx_pair(path)


def _rows(content: Content, path: Path) -> Images:
    """Return images (N, H, W) or (N, H, W, 3) as rows, with their labels as numbers."""
    images, labels, source, notes = content
    n, picture = len(images), images.shape[1:]
    names: tuple[str, ...] = ()
    if labels is not None:
        labels, names = numbered(labels, n, path)
        notes = (*notes, f"labels: {source}, {len(names)} classes") if source else notes
    return Images(np.ascontiguousarray(images.reshape(n, -1)), labels, tuple(picture), names, notes)


def _pixels(images: Array, path: Path) -> Array:
    """Return images as bytes in 0..255 or as float32 in [0, 1]."""
    if images.dtype.kind not in "fiub" or images.ndim < 2 or not images.size:
        raise DatasetError(
            f"{path} holds an array of shape {images.shape} of {images.dtype}: images must be "
            "numbers, one image per row"
        )
    if images.dtype.kind == "b":
        images = images.astype(np.uint8) * 255
    if images.dtype == np.uint8 and images.max() > LEVELS:
        return images
    low, high = float(images.min()), float(images.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DatasetError(f"{path} holds NaN or infinity: remove those images")
    is_whole = images.dtype.kind != "f" or np.array_equal(images, np.rint(images))
    if low < 0 or high > 255 or (high > 1 and not is_whole):
        raise DatasetError(
            f"{path} holds values from {low:g} to {high:g}, and pixels must be whole numbers in "
            f"0..255 or numbers in [0, 1]: rescale them, {to_unit(low, high)}"
        )
    if high <= LEVELS:
        fractions: Array = images.astype(np.float32) / np.float32(max(high if is_whole else 1, 1))
        return fractions
    converted: Array = images.astype(np.uint8)
    return converted


def _grey(images: Array) -> Array:
    """Return the luminance, by the weights of ITU-R BT.601, which Pillow uses as well."""
    luminance = images @ np.array([0.299, 0.587, 0.114])
    if images.dtype == np.uint8:
        luminance = np.rint(luminance)
    grey: Array = luminance.astype(images.dtype)
    return grey


def _with_shape(images: Array, shape: Sequence[int] | None, path: Path) -> Array:
    """Return images as (N, H, W) or (N, H, W, 3)."""
    n = len(images)
    if shape is not None:
        wanted = _shape(shape)
        if math.prod(wanted) != images[0].size:
            raise DatasetError(
                f"{path} has {images[0].size} pixels per image, which do not fit shape={wanted}"
            )
        if images.shape[1:] == (3, *wanted[:2]):
            return np.moveaxis(images, 1, 3)
        return _colours(images, *wanted[:2]) if len(wanted) == 3 else images.reshape(n, *wanted)
    if images.ndim == 4:
        first, last = images.shape[1], images.shape[3]
        if last not in (1, 3) and (first in (1, 3) or (first == 4 and last != 4)):
            images = np.moveaxis(images, 1, 3)
        if images.shape[3] in (1, 3, 4):  # the fourth is transparency
            return images[..., 0] if images.shape[3] == 1 else images[..., :3]
    if images.ndim == 3:
        return images
    pixels = images[0].size
    if (side := side_of(pixels)) is not None:
        return images.reshape(n, side, side)
    if pixels % 3 == 0 and (side := side_of(pixels // 3)) is not None:
        return _colours(images, side, side)
    raise DatasetError(
        f"{path} has {pixels} pixels per image, which are no square: say shape=(height, width)"
    )


def _colours(rows: Array, height: int, width: int) -> Array:
    """Return rows as (N, H, W, 3): with the colours of a pixel together, or one after the other.

    Neighbouring pixels are alike, so the right order is the smoother one. CIFAR's rows have all
    reds first, then all greens.
    """
    n = len(rows)
    together = rows.reshape(n, height, width, 3)
    if width == 1:
        return together
    apart = np.moveaxis(rows.reshape(n, 3, height, width), 1, 3)
    roughness = [
        np.abs(np.diff(x[:200].astype(np.float32), axis=2)).mean() for x in (together, apart)
    ]
    return apart if roughness[1] < 0.8 * roughness[0] else together


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        return image_shape(shape)
    except ValueError as error:
        raise DatasetError(str(error)) from error


def _size(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    numbers: tuple[Any, ...] = (size, size)
    if not is_number(size):
        numbers = tuple(sequence("size", size))  # type: ignore[arg-type]
    if len(numbers) != 2:
        raise ValueError(f"size must be a whole number or (height, width), got {size!r}")
    return positive_int("size", numbers[0]), positive_int("size", numbers[1])
