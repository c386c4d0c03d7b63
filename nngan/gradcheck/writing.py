"""Write numbers to places, in the form of the objects that are there, and put them back."""

from __future__ import annotations

import array
import contextlib
import copy
from collections.abc import Callable, MutableSequence
from typing import Any

import numpy as np

from ..backend import Array
from .leaves import is_number
from .places import Place


def as_array(value: Any) -> Array:
    """Return a copy of a leaf or a number as an array."""
    is_on_gpu = hasattr(value, "get") and hasattr(value, "dtype")
    return np.array(value.get() if is_on_gpu else value)


def put(target: Any, aliases: tuple[Place, ...], value: Array) -> None:
    """Write an array to all places of one leaf: in place where the object there allows it."""
    made: dict[int, Any] = {}
    for place in aliases:
        try:
            now = place.read(target)
        except Exception:  # a gradient that backward has not made yet
            now = None
        if layer := place.layer(target):
            now[...] = layer.backend.asarray(value)
        elif isinstance(now, np.ndarray) and now.dtype == value.dtype and now.shape == value.shape:
            if now.flags.writeable:
                now[...] = value
            else:
                place.write(target, made.setdefault(id(now), np.array(value)))
        else:
            if id(now) not in made or now is None:
                made[id(now)] = like(now, value)
            if made[id(now)] is not now:
                place.write(target, made[id(now)])


def like(now: Any, value: Array) -> Any:
    """Return an array's numbers in the form of the object that they replace."""
    is_real = value.dtype.kind != "c"
    if isinstance(now, array.array) and is_real and now.typecode in "fd" and len(now) == value.size:
        now[:] = array.array(now.typecode, value.ravel().tolist())
        return now
    if isinstance(now, list) and value.ndim:
        now[:] = value.tolist()
        return now
    if isinstance(now, tuple) and value.ndim:
        return getattr(now, "_make", type(now))(_tuples(value.tolist()))
    if is_number(now) and not value.ndim:
        number = value.item()
        return number if isinstance(now, int | float) and not isinstance(now, np.number) else (
            value.dtype.type(number))  # fmt: skip
    return np.array(value)


def _tuples(value: Any) -> Any:
    return [tuple(_tuples(v)) for v in value] if isinstance(value[0], list) else value


def keep(target: Any, aliases: tuple[Place, ...]) -> Callable[[], None]:
    """Remember what is at some places; the function that is returned puts it back."""
    kept = []
    for place in aliases:
        try:
            now = place.read(target)
        except Exception:
            continue
        copies = np.array(now) if isinstance(now, np.ndarray) else copy.copy(now)
        kept.append((place, now, copies))

    def restore() -> None:
        for place, now, before in kept:
            if isinstance(now, np.ndarray) and now.flags.writeable:
                now[...] = before
            elif isinstance(now, MutableSequence):
                now[:] = before
            with contextlib.suppress(Exception):  # a property that cannot be set
                if place.read(target) is not now:
                    place.write(target, now)

    return restore
