"""Checks of arguments: each function returns the value that it was given, or says which it wants.

All of them raise ValueError, or TypeError for an object of another kind, with one sentence that
names the argument.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# What float32 cannot hold is infinite there, or zero.
LARGEST, SMALLEST = float(np.finfo(np.float32).max), 2.0**-149
ARRAYS = (np.ndarray, np.generic)
REAL = "fiu"  # the kinds of dtypes of real numbers
FLOATS = ("float32", "float64", np.float32, np.float64)
MOST = 2**31  # sizes and counts are below it


def shortened(value: object, length: int = 60) -> str:
    """Return a value as text, not longer than a line."""
    if isinstance(value, int) and abs(value) >= 10**length:  # Python writes no 5,000 digits
        return f"about {'-' if value < 0 else ''}1e{math.log10(abs(value)):.0f}"
    text = json.dumps(value) if isinstance(value, dict) and value else repr(value)
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


def texts(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return `values`, a list or tuple of texts, as a tuple."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be a list of texts, got {shortened(values)}")
    return tuple(values)


def positive_int(name: str, n: int) -> int:
    """Return the whole number n >= 1."""
    if not is_whole(n) or n < 1:
        raise ValueError(f"{name} must be a positive whole number, got {shortened(n)}")
    return _count(name, n)


def nonnegative_int(name: str, n: int) -> int:
    """Return the whole number n >= 0."""
    if not is_whole(n) or n < 0:
        raise ValueError(f"{name} must be a whole number >= 0, got {shortened(n)}")
    return _count(name, n)


def _count(name: str, n: int) -> int:
    """Return a whole number that may be the length of an array."""
    if n >= MOST:
        raise ValueError(f"{name} must be less than 2**31, got {shortened(n)}")
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
    if value < SMALLEST:
        raise ValueError(f"{name} must be at least {SMALLEST:.1e}, got {shortened(value)}")
    return _float(name, value)


def nonnegative(name: str, value: float) -> float:
    """Return the number value >= 0."""
    if not (is_number(value) and 0 <= value < math.inf):
        raise ValueError(f"{name} must be a number >= 0, got {shortened(value)}")
    return _float(name, value)


def number(name: str, value: float) -> float:
    """Return the number `value`, neither NaN nor infinite."""
    if not (is_number(value) and -math.inf < value < math.inf):
        raise ValueError(f"{name} must be a finite number, got {shortened(value)}")
    return _float(name, value)


def _float(name: str, value: float) -> float:
    """Return a finite number that is finite in float32 too."""
    if abs(value) > LARGEST:
        raise ValueError(
            f"{name} must lie between -{LARGEST:.1e} and {LARGEST:.1e}, got {shortened(value)}"
        )
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
    except (TypeError, ValueError, OverflowError):  # no pair, or no numbers, or too large
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
        return not getattr(n, "ndim", 0) and bool(n == int(n))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):  # no number at all, NaN, infinite
        return False


def image_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Return the shape of an image: (height, width), or (height, width, 3) for colour."""
    sizes = tuple(positive_int("shape", n) for n in sequence("shape", shape))
    if len(sizes) not in (2, 3) or sizes[2:] not in ((), (3,)):
        raise ValueError(f"shape must be (height, width) or (height, width, 3), got {sizes}")
    return sizes


def to_unit(low: float, high: float) -> str:
    """Return in Python how to bring values between `low` and `high` into [0, 1]."""
    if low >= -1 and high <= 1:
        return "x" if low >= 0 else "(x + 1) / 2"
    return "x / 255" if low >= 0 and high <= 255 else "(x - x.min()) / (x.max() - x.min())"


def sequence(name: str, values: Iterable[Any]) -> list[Any]:
    """Return the elements of `values`: a list, a tuple, an array, but no text and no mapping."""
    no_list = isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable)
    if no_list or getattr(values, "shape", None) == ():
        raise TypeError(f"{name} must be a sequence, got {shortened(values)}")
    return list(values)


def mapping(name: str, value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return `value`, a dict or another mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping such as a dict, got {shortened(value)}")
    return value


def function(name: str, value: Callable[..., Any]) -> Callable[..., Any]:
    """Return `value`, which can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {shortened(value)}")
    return value


def instance(name: str, value: object, kind: type) -> Any:
    """Return `value`, an object of class `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {shortened(value)}")
    return value


def path(name: str, value: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return the path `value`."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {shortened(value)}")
    return value


def is_array(x: object) -> bool:
    """Tell whether `x` is an array or a scalar of NumPy, or an array of CuPy.

    The variables that `cupy.fuse` hands to a formula count as arrays of CuPy.
    """
    if isinstance(x, ARRAYS):
        return True
    module = sys.modules.get(type(x).__module__.partition(".")[0])
    return module is not np and hasattr(module, "ndarray")


def array(name: str, x: Any, ndim: int | None = None, kinds: str = "fiuc") -> Any:
    """Return the array of numbers `x`, of NumPy or CuPy and with `ndim` dimensions.

    `kinds` are the letters of `numpy.dtype.kind` that are allowed. The default allows complex
    numbers, with which the gradient checker computes derivatives (REAL does not). This is cheap
    enough for every pass through a layer.
    """
    if not is_array(x):
        raise TypeError(f"{name} must be an array, got {type(x).__name__}: pass numpy.asarray(...)")
    if x.dtype.kind not in kinds:
        wanted = "floats" if kinds == "f" else "numbers"
        remedy = f": convert it with {name}.astype('float32')" if x.dtype.kind in "biu" else ""
        raise TypeError(f"{name} must be an array of {wanted}, got dtype {x.dtype}{remedy}")
    if ndim is not None and x.ndim != ndim:
        axes = "dimension" if ndim == 1 else "dimensions"
        raise ValueError(f"{name} must have {ndim} {axes}, got shape {x.shape}")
    return x


def converted(name: str, x: Any) -> Any:
    """Return `x` as an array: lists of numbers, a data frame, ... become one of NumPy."""
    if is_array(x):
        return x
    try:
        return np.asarray(x)
    except ValueError as error:  # rows of different lengths
        raise ValueError(
            f"{name} is no array of numbers ({error}): all rows must have the same length"
        ) from error


def array_like(name: str, x: Any, ndim: int | None = None, kinds: str = REAL) -> Any:
    """Return `x` as an array, as `converted` makes it and `array` wants it."""
    return array(name, converted(name, x), ndim, kinds)


def float_dtype(name: str, dtype: Any) -> Any:
    """Return `dtype`, float32 or float64, by its name or as NumPy has it."""
    if not isinstance(dtype, str | type | np.dtype) or dtype not in FLOATS:
        raise ValueError(f"{name} must be float32 or float64, got {shortened(dtype)}")
    return dtype


def classes(name: str, given: Iterable[type]) -> list[type]:
    """Return the classes in a sequence."""
    kinds = [*given] if isinstance(given, Iterable) else [None]
    if not all(isinstance(kind, type) for kind in kinds):
        raise TypeError(f"{name} must be a sequence of classes, [MyClass] say, got {given!r}")
    return kinds


def optional(check: Callable[[str, Any], Any], name: str, value: Any) -> Any:
    """Return None, or a value that passes `check`."""
    return None if value is None else check(name, value)
