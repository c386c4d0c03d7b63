"""Which values hold the numbers of a parameter: arrays, lists of numbers, and their like."""

from __future__ import annotations

import array
import ctypes
import types
from collections.abc import Mapping, MutableSequence, Set
from typing import Any

import numpy as np

from ..backend import Array
from ..layers import Layer
from .owners import is_foreign

CONTAINERS = (str, bytes, bool, MutableSequence, tuple, type, Mapping, Set, Layer,
              types.ModuleType, types.FunctionType, types.MethodType)  # fmt: skip
Number = int | float | complex | np.number


def is_number(value: Any) -> bool:
    """Whether a value is one number, but not a truth value."""
    return isinstance(value, Number) and not isinstance(value, bool)


def is_leaf(value: Any) -> bool:
    """Whether a value is an array, or a list or tuple (of lists) of numbers."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        return False  # its fields are
    if isinstance(value, np.ndarray | array.array):
        return not (isinstance(value, np.ndarray) and value.dtype == object and _objects(value))
    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "get"):  # on a GPU
        return not isinstance(value, type)
    return isinstance(value, list | tuple) and numbers_in(value) is not None


def odd_numbers(value: Any) -> Array | None:
    """Return the numbers in a Fraction, a poly1d, an array of ctypes, ...; None if it has none."""
    kind = type(value)
    if isinstance(value, CONTAINERS) or is_number(value) or is_leaf(value) or value is None:
        return None
    if not is_foreign(kind) and not isinstance(value, ctypes.Array):
        return None
    try:
        return np.array(value, np.float64)
    except Exception:
        return None


def _objects(value: Array) -> bool:
    """Whether an array of objects holds arrays or layers, and is a container."""
    return any(not is_number(v) for v in value.flat)


def numbers_in(value: Any) -> Array | None:
    """Return a regular nested list or tuple of numbers as an array, or None if it is not one."""
    if not value or not isinstance(value, list | tuple):
        return None
    if all(map(is_number, value)):
        return np.array(value)
    if isinstance(value[0], list | tuple):
        rows = [numbers_in(row) for row in value]
        first = rows[0]
        if first is not None and all(r is not None and r.shape == first.shape for r in rows):
            return np.array(rows)
    return None
