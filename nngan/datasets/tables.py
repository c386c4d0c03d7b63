"""Tables of numbers, with an image per row and perhaps a column of labels."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..stored import DamagedFile, check_memory
from .formats import LABEL_KEYS, Content
from .idx import DatasetError, read_bytes

WIDEST = 2**18  # columns of a table: an image of 512x512 pixels
ROW_KEYS = ("id", "index", "unnamed: 0", "")  # columns that number the rows
PICTURE = re.compile(r"\.(png|jpe?g|bmp|gif|webp|tiff?|p[pg]m)\s*$", re.IGNORECASE)
BACKGROUND = 0.9  # share of one value in a column at the border of images
ADVICE = 'label_column="first", "last", a name or a number'


def read_table(
    path: Path, label_column: str | int | None = None, pixels: int | None = None
) -> Content:
    """Return the pixels and the labels, if any, in a table of numbers.

    Parameters
    ----------
    path : Path
    label_column : str or int, optional
        "first", "last", a name in the head, or a number from 0 on. If left out, it is found by the
        head, the width and the values.
    pixels : int, optional
        Pixels of an image. If left out, images are square.
    """
    lines, delimiter = read_lines(path)
    first, second = (cells(lines[i : i + 1], delimiter) for i in (0, 1))
    if len(first) > WIDEST:
        raise DatasetError(f"{path} has {len(first):,} columns: each line must be one image")
    has_head = _is_head(first, second)
    names = [_word(name) for name in first] if has_head else []
    lines = lines[has_head:]
    if not lines:
        raise DatasetError(f"{path} has no rows: name a table with a row of pixels per image")
    column = _named(path, names, len(first), label_column)
    words = [i for i, cell in enumerate(second or first) if not is_numeric(cell)]
    if any(PICTURE.search(second[i] if second else first[i]) for i in words):
        raise DatasetError(
            f"{path} has names of files and no pixels: name the folder of the images, and pass "
            f'labels="{path.name}" besides'
        )
    if column is None and len(words) == 1 and words[0] in (0, len(first) - 1):
        column = words[0]
    ignored = [i for i, name in enumerate(names) if name in ROW_KEYS and i != column]
    table, texts = _numbers(path, lines, delimiter, column, ignored)
    if table.shape[1] != len(first):
        raise DatasetError(
            f"{path} has {len(first)} columns in its first line and {table.shape[1]} below it: "
            "make all lines alike"
        )
    kept = [i for i in range(len(first)) if i not in ignored]
    if column is None:
        inside = _column_too_many(path, table[:, kept], pixels)
        if inside is None:
            return Content(np.delete(table, ignored, 1))
        column, labels = kept[inside], table[:, kept[inside]]
    else:
        labels = np.array(texts)[table[:, column].astype(int)]
    source = {kept[0]: "first column", kept[-1]: "last column"}.get(column, f"column {column}")
    if names and names[column]:
        source = f"column {names[column]}"
    return Content(np.delete(table, [*ignored, column], 1), labels, source)


def read_lines(path: Path) -> tuple[list[str], str | None]:
    """Return the lines of a table that are not empty, and what separates the cells."""
    content = read_bytes(path)
    try:
        check_memory(4 * len(content))  # the text, its lines, and their numbers
    except DamagedFile as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    text = content.decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and len(lines[0]) > 16 * WIDEST:
        raise DatasetError(f"{path} has a line of {len(lines[0]):,} letters: it must be one image")
    return lines, next((d for d in (",", ";", "\t") if lines and d in lines[0]), None)


def cells(lines: Sequence[str], delimiter: str | None) -> Sequence[str]:
    """Return the cells of the first line, if any."""
    if not delimiter:
        return "".join(lines).split()
    try:
        return next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error as error:
        raise DatasetError(f"a line of the table has no cells ({error}): write it again") from error


def _numbers(
    path: Path,
    lines: Sequence[str],
    delimiter: str | None,
    column: int | None,
    ignored: Sequence[int],
) -> tuple[Array, list[str]]:
    """Return the table as numbers, and the texts of the labels that the numbers stand for."""
    texts: dict[str, float] = {}
    converters: dict[int | str, Callable[[str], float]] = dict.fromkeys(ignored, lambda _: 0.0)
    if column is not None:
        converters[column] = lambda text: texts.setdefault(text, len(texts))
    try:
        table = np.loadtxt(
            lines, np.float32, comments=None, delimiter=delimiter, converters=converters or None,
            ndmin=2, encoding=None, quotechar='"',
        )  # fmt: skip
    except ValueError as error:
        raise DatasetError(
            f"{path} is no table of numbers ({error}): each line must be the pixels of one image"
        ) from error
    return table, list(texts)


def _is_head(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether a line has names: words over numbers, or 0, 1, 2, ..., as pandas writes."""
    words = [i for i, cell in enumerate(first) if not is_numeric(cell)]
    if any(i >= len(second) or is_numeric(second[i]) for i in words):
        return True
    counted = [str(i) for i in range(len(first))]
    return len(first) > 2 and (list(first) == counted or list(first[1:]) == counted[:-1])


def _named(
    path: Path, names: Sequence[str], columns: int, label_column: str | int | None
) -> int | None:
    """Return the column of labels that the caller or the head names, if either does.

    A head names it by a usual word, or by the only name that is not counted like the others.
    """
    if label_column is not None:
        wanted = _word(str(label_column))
        if wanted in names:
            return names.index(wanted)
        places = {"first": 0, "last": columns - 1}
        if wanted in places:
            return places[wanted]
        if re.fullmatch(r"-?\d{1,9}", wanted) and -columns <= int(wanted) < columns:
            return int(wanted) % columns
        raise DatasetError(
            f"{path} has no column {label_column!r} among its {columns} columns: pass {ADVICE} "
            "(columns are counted from 0)"
        )
    if column := [names.index(name) for name in LABEL_KEYS if name in names]:
        return column[0]
    stems = [re.sub(r"\d+", "#", name) for name in names]
    counted = Counter(stem for stem in stems if "#" in stem)
    if not counted:
        return None
    usual = counted.most_common(1)[0][0]
    others = [i for i, stem in enumerate(stems) if stem != usual and names[i] not in ROW_KEYS]
    return others[0] if len(others) == 1 else None


def _column_too_many(path: Path, table: Array, pixels: int | None) -> int | None:
    """Return the column of labels, the first or the last, if the others alone make an image.

    Raises
    ------
    DatasetError
        If both could be.
    """
    n = table.shape[1]
    if not _is_image(n - 1, pixels):
        return None
    likely = [_likelihood(table[:, i], table[:, 1:-1]) for i in (0, -1)]
    side = side_of(n)
    if _is_image(n, pixels) and max(likely) < 2:
        return None
    if _is_image(n, pixels) and max(likely) < 3:
        raise DatasetError(
            f"{path} has {n} columns, so it may or may not have a column of labels: pass "
            f"shape=({side}, {side}) if it has no labels, or {ADVICE}"
        )
    if likely[0] == likely[1]:
        raise DatasetError(
            f"{path} has {n} columns, one more than an image, and both the first and the last "
            f"could be the labels: pass {ADVICE}"
        )
    return 0 if likely[0] > likely[1] else n - 1


def _is_image(n: int, pixels: int | None) -> bool:
    if pixels is not None:
        return n == pixels
    return n > 1 and (
        side_of(n) is not None or (n > 3 and n % 3 == 0 and side_of(n // 3) is not None)
    )


def _likelihood(column: Array, inside: Array) -> int:
    """Return how much a column at the border is like labels: 0 to 3.

    3: it has whole numbers that no pixel inside the images has. 2: it has few whole numbers, with
    hardly a gap. 1: the same with gaps, or nearly all are one number. 0: it has one number alone,
    fractions, or as many different ones as pixels have.
    """
    values, counts = np.unique(column, return_counts=True)
    low, high = float(inside.min(initial=np.inf)), float(inside.max(initial=-np.inf))
    whole = bool((np.isfinite(values) & (values == np.rint(values))).all()) and values[0] >= 0
    outside = bool(values[-1] > high)
    if not whole or (len(values) == 1 and low <= values[0] <= high):
        return 0
    span = float(values[-1] - values[0])
    if outside and len(values) < len(column) and span < 4 * len(values) + 2:
        return 3
    commonest = values[counts.argmax()]
    is_border = counts.max() >= BACKGROUND * len(column) and commonest in (low, high)
    if len(values) > max(2, len(column) / 2, 20) or span > 4 * len(values) + 2 or len(values) > 200:
        return 0
    return 1 if is_border or span > 1.25 * len(values) + 2 else 2


def _word(name: str) -> str:
    return name.strip().strip('"').lower()


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
