"""Images and labels in one file: NumPy's formats, tables of numbers, MNIST's format."""

from __future__ import annotations

import csv
import glob
import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..stored import Archive, DamagedFile, check_memory, open_archive, read_npy
from .idx import DatasetError, open_data, read_all, read_bytes, read_idx

# Names of arrays in an .npz file and of columns in a table, in the order of preference.
IMAGE_KEYS = ("x_train", "train_images", "images", "x", "data", "pixels", "arr_0")
LABEL_KEYS = ("y_train", "train_labels", "labels", "label", "y", "target", "class", "arr_1")
WIDEST = 2**18  # columns of a table: an image of 512x512 pixels
ROW_KEYS = ("id", "index", "unnamed: 0", "")  # columns that number the rows


def read_numpy(path: Path, key: str | None) -> tuple[Array, Any]:
    """Return the images and the labels, if any, in an .npy or .npz file; pickles are refused."""
    with open_data(path) as (file, size):
        if size is None:  # gzip's, in which there is no going back
            content = read_all(file)
            file, size = io.BytesIO(content), len(content)
        is_archive = file.read(2) == b"PK" or path.name.endswith(".npz")
        file.seek(0)
        try:
            if not is_archive:
                return read_npy(file, size), None
            return _from_archive(open_archive(file, size), path, key)
        except DamagedFile as error:
            raise DatasetError(
                f"{path} cannot be read as NumPy's file of numbers ({error}): write it again, with "
                "numpy.save or numpy.savez"
            ) from error


def _from_archive(archive: Archive, path: Path, key: str | None) -> tuple[Array, Any]:
    """Return the images and the labels in an .npz file by their names; nothing else is read."""
    shapes = {name: header.shape for name, header in archive.headers.items()}
    if key is not None and key not in shapes:
        raise DatasetError(f"{path} has no array {key!r}: it has {', '.join(shapes) or 'none'}")
    lower = {name.lower(): name for name in shapes}
    images = key or next((lower[name] for name in IMAGE_KEYS if name in lower), None)
    if images is None:
        many = [name for name, shape in shapes.items() if len(shape) >= 2]
        if len(many) != 1:
            raise DatasetError(
                f"{path} holds {', '.join(shapes) or 'nothing'}: name the array of the images, "
                f'such as key="{next(iter(shapes), "x")}"'
            )
        images = many[0]
    n = shapes[images][:1]
    partner = {
        re.sub("images?|data|pixels", "labels", images.lower()): 0,
        re.sub("^x", "y", images.lower()): 0,
        **dict.fromkeys(LABEL_KEYS, 0),
    }
    fitting = (
        lower[name]
        for name in partner
        if name in lower
        and lower[name] != images
        and shapes[lower[name]][:1] == n
        and _is_label(archive, lower[name])
    )
    labels = next(fitting, None)
    return archive.read(images), None if labels is None else archive.read(labels)


def _is_label(archive: Archive, name: str) -> bool:
    """Return whether an array has one class for each image: not attributes, nor images again."""
    shape = archive.headers[name].shape
    if len(shape) == 1 or shape[1:] == (1,):
        return True
    if len(shape) != 2:
        return False
    rows = archive.read(name)
    return rows.dtype.kind in "fiub" and bool((rows.astype(float).sum(axis=1) == 1).all())


def read_table(path: Path) -> tuple[Array, Any]:
    """Return the pixels and the labels, if any, in a table of numbers."""
    content = read_bytes(path)
    try:
        check_memory(4 * len(content))  # the text, its lines, and their numbers
    except DamagedFile as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    text = content.decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    delimiter = next((d for d in (",", ";", "\t") if lines and d in lines[0]), None)
    if lines and len(lines[0]) > 16 * WIDEST:
        raise DatasetError(f"{path} has a line of {len(lines[0]):,} letters: it must be one image")
    first, second = ([*_cells(lines[i : i + 1], delimiter)] for i in (0, 1))
    if len(first) > WIDEST:
        raise DatasetError(f"{path} has {len(first):,} columns: each line must be one image")
    words = [i for i, cell in enumerate(second or first) if not is_numeric(cell)]
    has_head = _is_head(first, second)
    names = [_word(name) for name in first] if has_head else []
    ignored = [i for i, name in enumerate(names) if name in ROW_KEYS]
    lines = lines[has_head:]
    if not lines:
        raise DatasetError(f"{path} has no rows: name a table with a row of pixels per image")
    # Cells that are words get numbers, and so does a column that is called by a name of labels.
    numbers: dict[str, float] = {}
    column = next((names.index(name) for name in LABEL_KEYS if name in names), None)
    if column is None and words and words[0] in (0, len(first) - 1) and len(words) == 1:
        column = words[0]
    converters: dict[int | str, Callable[[str], float]] = dict.fromkeys(ignored, lambda _: 0.0)
    if column is not None:
        converters[column] = lambda text: numbers.setdefault(text, len(numbers))
    try:
        table = np.loadtxt(
            lines, np.float32, comments=None, delimiter=delimiter, converters=converters or None,
            ndmin=2, encoding=None, quotechar='"',
        )  # fmt: skip
    except ValueError as error:
        raise DatasetError(
            f"{path} is no table of numbers ({error}): each line must be the pixels of one image"
        ) from error
    table = np.delete(table, ignored, 1)
    if column is not None:
        column -= sum(i < column for i in ignored)
        labels = np.array(list(numbers))[table[:, column].astype(int)]
        return np.delete(table, column, 1), labels
    if (column := _column_too_many(table)) is not None:
        return np.delete(table, column, 1), table[:, column]
    return table, None


def _cells(lines: Sequence[str], delimiter: str | None) -> Sequence[str]:
    """Return the cells of the first line, if any."""
    return next(csv.reader(lines, delimiter=delimiter), []) if delimiter else "".join(lines).split()


def _is_head(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether a line has names: words over numbers, or 0, 1, 2, ..., as pandas writes."""
    words = [i for i, cell in enumerate(first) if not is_numeric(cell)]
    if any(i >= len(second) or is_numeric(second[i]) for i in words):
        return True
    counted = [str(i) for i in range(len(first))]
    return len(first) > 2 and (list(first) == counted or list(first[1:]) == counted[:-1])


def _column_too_many(table: Array) -> int | None:
    """Return the column of labels, if the others are a square: the first or the last.

    Pixels on the border are often all 0, and labels are fewer different numbers than pixels are.
    """
    n = table.shape[1]
    if n < 2 or side_of(n) is not None or side_of(n - 1) is None:
        return None
    different = {i: len(np.unique(table[:, i])) for i in (0, n - 1)}
    varying = {i: count for i, count in different.items() if count > 1} or different
    return min(varying, key=lambda i: varying[i])


def _word(name: str) -> str:
    return name.strip().strip('"').lower()


def read_idx_pair(path: Path) -> tuple[Array, Any]:
    """Return the images and, from the file next to it, the labels in MNIST's format."""
    images = read_idx(path)
    if images.ndim < 2:
        raise DatasetError(
            f"{path} has shape {images.shape}, which is no shape of images: name the file of images"
        )
    prefix, word, _ = path.name.partition("images")
    found = sorted(path.parent.glob(f"{glob.escape(prefix)}labels*")) if word else []
    labels = read_idx(found[0]) if found else None
    if labels is not None and labels.ndim == 2 and labels.dtype.itemsize > 1:
        labels = labels[:, 0]  # QMNIST's other columns say who wrote the digit
    if "emnist" in path.name.lower() and images.ndim == 3:
        images = images.transpose(0, 2, 1)  # EMNIST's images are column by column
    return images, labels


def side_of(pixels: int) -> int | None:
    """Return the side of the square with so many pixels, if there is one."""
    side = math.isqrt(max(pixels, 0))
    return side if side * side == pixels and side > 0 else None


def is_numeric(text: Any) -> bool:
    """Return whether a cell of a table is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
