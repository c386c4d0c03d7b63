"""Labels of images: those in a file of their own, and their numbers 0, 1, 2, ..."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..backend import Array
from .formats import LABEL_KEYS, is_one_hot, read_numpy, suffix_of
from .idx import DatasetError, read_idx
from .tables import cells, is_numeric, read_lines

TABLES = (".csv", ".tsv", ".txt")


def read_labels(labels: Any) -> Any:
    """Return labels as they are, or those in a file: a label per row."""
    if not isinstance(labels, str | os.PathLike):
        return labels
    path = Path(os.path.expanduser(labels))
    if not path.exists():
        raise DatasetError(f"labels names no file: there is no {path}")
    if is_table(path):
        rows, names = _rows(path)
        return np.array([row[_label_column(path, names, rows, 0)] for row in rows])
    is_numpy = suffix_of(path) in (".npy", ".npz")
    return read_numpy(path, None).images if is_numpy else read_idx(path)


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its name."""
    return suffix_of(path) in TABLES


def labels_of_files(labels: Any, files: Sequence[str]) -> Sequence[Any]:
    """Return the label of each file of a folder, None where a table of names has none.

    Parameters
    ----------
    labels : path or array
        A table with a row for each file, one column of which has the file's name, with or without
        folders and suffix. Or labels without names, in the order of `files`.
    files : sequence of str
        Paths in the folder, with slashes.
    """
    if isinstance(labels, str | os.PathLike):
        path = Path(os.path.expanduser(labels))
        if is_table(path):
            rows, names = _rows(path)
            found = [_matches([row[i] for row in rows], files) for i in range(len(rows[0]))]
            column = max(range(len(found)), key=lambda i: len(found[i]))
            if found[column]:
                other = _label_column(path, names, rows, column)
                return [rows[i][other] if (i := found[column].get(f)) is not None else None
                        for f in files]  # fmt: skip
            if len(rows[0]) > 1:
                raise DatasetError(
                    f"{path} names none of the {len(files)} images, such as {files[0]}: it must "
                    "have a column of file names and one of labels"
                )
    values = _as_array(read_labels(labels))
    if len(values.shape) == 0 or len(values) != len(files):
        raise DatasetError(
            f"labels must be {len(files)}, one for each image in the order of the names, got shape "
            f"{values.shape}"
        )
    return list(values)


def _rows(path: Path) -> tuple[list[Sequence[str]], list[str]]:
    """Return the rows of a table of labels, and the names of its columns if it has a head."""
    lines, delimiter = read_lines(path)
    rows: list[Sequence[str]] = [[line.strip()] for line in lines]
    if delimiter:
        rows = [[cell.strip() for cell in cells([line], delimiter)] for line in lines]
    if rows and any(len(row) != len(rows[0]) for row in rows):
        raise DatasetError(f"{path} has rows of different lengths: each must have the same columns")
    names: list[str] = []
    if rows and _is_head(rows):
        names = [name.lower() for name in rows.pop(0)]
    if not rows:
        raise DatasetError(f"{path} has no rows: it must have a label for each image")
    return rows, names


def _is_head(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row has names: a usual one, or a word over numbers."""
    if {cell.lower() for cell in rows[0]} & {*LABEL_KEYS, "file", "filename", "image", "path"}:
        return True
    columns = list(zip(*rows, strict=True))
    return any(not is_numeric(c[0]) and len(c) > 1 and all(map(is_numeric, c[1:])) for c in columns)


def _label_column(path: Path, names: list[str], rows: list[Sequence[str]], names_at: int) -> int:
    """Return the column of the labels, in a table whose files are named in another column."""
    columns = len(rows[0])
    if columns <= 2:
        return columns - 1 if names_at == 0 else 0
    for name in LABEL_KEYS:
        if name in names:
            return names.index(name)
    raise DatasetError(
        f"{path} has {columns} columns: call that of the labels label, or leave two columns, file "
        "names and labels"
    )


def _matches(column: Sequence[str], files: Sequence[str]) -> dict[str, int]:
    """Return the row of each file that a column names, by its path or by its unique name."""
    paths = {file: PurePosixPath(file) for file in files}
    alone = Counter(path.name for path in paths.values())
    stems = Counter(path.stem for path in paths.values())
    known = {path.stem: file for file, path in paths.items() if stems[path.stem] == 1}
    known |= {path.name: file for file, path in paths.items() if alone[path.name] == 1}
    known |= {file: file for file in files}
    found: dict[str, int] = {}
    for i, cell in enumerate(column):
        parts = cell.replace("\\", "/").split("/")
        for start in range(len(parts)):  # of flowers/a/1.png also a/1.png and 1.png
            if (file := known.get("/".join(parts[start:]))) is not None:
                found.setdefault(file, i)
                break
    return found


def numbered(labels: Any, n: int, path: Path) -> tuple[Array, tuple[str, ...]]:
    """Return labels as whole numbers 0, 1, ... in the order of their names, and the names."""
    labels = _as_array(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if is_one_hot(labels):
        labels = labels.argmax(1)
    if labels.shape != (n,) or labels.dtype.kind not in "fiubUS":
        raise DatasetError(
            f"{path} has {n} images and labels of shape {labels.shape}: there must be one for each"
        )
    if labels.dtype.kind in "US" and all(is_numeric(label) for label in labels):
        as_numbers = labels.astype(float)
        if len(np.unique(as_numbers)) == len(np.unique(labels)):  # not so for "1" and "01"
            labels = as_numbers
    classes, numbers = np.unique(labels, return_inverse=True)
    if classes.dtype.kind == "f" and not np.isfinite(classes).all():
        raise DatasetError(f"{path} has labels that are NaN or infinite: give each image a class")
    names = tuple(f"{c:g}" if classes.dtype.kind == "f" else str(c) for c in classes)
    return numbers.reshape(n).astype(np.int64), names


def _as_array(labels: Any) -> Array:
    try:
        return np.asarray(labels)
    except ValueError as error:  # rows of different lengths
        raise DatasetError(f"labels must be one for each image ({error})") from error
