"""Compiled forms of formulas: the file of a formula registers a loop next to it.

A formula such as `nngan.optim.adam` is a few array operations, each of which goes through memory
once. Its loop does the same in one pass, in the same order, to the same bits. The loop is plain
Python, so that it can be read and tested without Numba; a backend compiles it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Loop = TypeVar("Loop", bound=Callable[..., None])

LOOPS: dict[Callable[..., Any], Callable[..., None]] = {}

each = range  # in a compiled loop it may be Numba's `prange`, which divides it among the cores


def loop_of(formula: Callable[..., Any]) -> Callable[[Loop], Loop]:
    """Return a decorator that registers a function as the loop of `formula`.

    A loop of a formula for `Backend.update_in_place` takes the same arrays and numbers, and last
    `least`, the number below which a moment may be set to zero. A loop of a formula for
    `Backend.elementwise` takes the same arrays and numbers, with the result's array after the
    arrays.
    """

    def register(loop: Loop) -> Loop:
        LOOPS[formula] = loop
        return loop

    return register
