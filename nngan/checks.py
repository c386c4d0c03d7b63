"""Checks of options: each function returns the value that it was given, or says which it wants.

All of them raise ValueError with one sentence that names the option.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterable

import numpy as np


def shortened(value: object, length: int = 60) -> str:
    """Return a value as text, not longer than a line."""
    text = json.dumps(value) if isinstance(value, dict) else repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def one_line(error: object) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def one_of(name: str, value: str, known: Iterable[str]) -> str:
    """Return `value`, one of the names in `known`."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {shortened(value)}")
    return value


def boolean(name: str, value: bool) -> bool:
    """Return `value`, True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {shortened(value)}")
    return bool(value)


def text(name: str, value: str) -> str:
    """Return `value`, a text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {shortened(value)}")
    return value


def positive_int(name: str, n: int) -> int:
    """Return the whole number n >= 1."""
    if not is_whole(n) or n < 1:
        raise ValueError(f"{name} must be a positive whole number, got {shortened(n)}")
    return int(n)


def nonnegative_int(name: str, n: int) -> int:
    """Return the whole number n >= 0."""
    if not is_whole(n) or n < 0:
        raise ValueError(f"{name} must be a whole number >= 0, got {shortened(n)}")
    return int(n)


def uint64(name: str, n: int) -> int:
    """Return the whole number 0 <= n < 2**64."""
    if not is_whole(n) or not 0 <= n < 2**64:
        raise ValueError(f"{name} must be a whole number in [0, 2**64), got {shortened(n)}")
    return int(n)


def positive(name: str, value: float) -> float:
    """Return the number value > 0."""
    if not (is_number(value) and 0 < value < math.inf):
        raise ValueError(f"{name} must be a positive number, got {shortened(value)}")
    return float(value)


def nonnegative(name: str, value: float) -> float:
    """Return the number value >= 0."""
    if not (is_number(value) and 0 <= value < math.inf):
        raise ValueError(f"{name} must be a number >= 0, got {shortened(value)}")
    return float(value)


def fraction(name: str, value: float) -> float:
    """Return the number 0 <= value < 1."""
    if not (is_number(value) and 0 <= value < 1):
        raise ValueError(f"{name} must lie in [0, 1), got {shortened(value)}")
    return float(value)


def interval(name: str, ends: tuple[float, float]) -> tuple[float, float]:
    """Return the two numbers (low, high) with low < high."""
    try:
        low, high = map(float, ends)
    except (TypeError, ValueError):  # no pair, or no numbers
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"{name} must be (low, high) with low < high, got {shortened(ends)}")
    return low, high


def is_number(value: object) -> bool:
    """Tell whether `value` is a real number, of whatever type."""
    return isinstance(value, numbers.Real)


def is_whole(n: object) -> bool:
    """Tell whether `n` is a whole number, of whatever type."""
    try:
        return bool(n == int(n))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):  # no number at all, NaN, infinite
        return False


def image_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Return the shape of an image: (height, width), or (height, width, 3) for colour."""
    sizes = tuple(positive_int("shape", n) for n in shape)
    if len(sizes) not in (2, 3) or sizes[2:] not in ((), (3,)):
        raise ValueError(f"shape must be (height, width) or (height, width, 3), got {sizes}")
    return sizes


def to_unit(low: float, high: float) -> str:
    """Return in Python how to bring values between `low` and `high` into [0, 1]."""
    if low >= -1 and high <= 1:
        return "x" if low >= 0 else "(x + 1) / 2"
    return "x / 255" if low >= 0 and high <= 255 else "(x - x.min()) / (x.max() - x.min())"
