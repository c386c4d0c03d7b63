"""Formulas that are written once for NumPy's arrays and CuPy's: on a GPU each is one kernel."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..checks import ARRAYS, is_array
from .keys import Array

Formula = TypeVar("Formula", bound=Callable[..., Any])


def array_module(x: Array) -> Any:
    """Return the module that computes with `x`: ``numpy``, or ``cupy`` for a CuPy array.

    Parameters
    ----------
    x : array
        A NumPy array or scalar, or a CuPy array.

    Raises
    ------
    TypeError
        If `x` is not an array (a list, say).
    """
    if isinstance(x, ARRAYS):
        return np
    if not is_array(x):
        raise TypeError(f"x must be an array, got {type(x).__name__}: pass numpy.asarray(...)")
    return sys.modules[type(x).__module__.partition(".")[0]]


def on_host(x: Array) -> Array:
    """Return an array of any backend as a NumPy array."""
    return x if isinstance(x, np.ndarray) else x.get()


def fused(formula: Formula) -> Formula:
    """Make a formula one kernel where it is given CuPy's arrays.

    Elsewhere it is called as it is. It is elementwise, or one sum (``xp.sum``) of what is, which
    may be multiplied by numbers. The first operand is an array. Numbers by keyword are constants
    of the kernel, which is compiled anew for others; what changes in a run is an operand.
    """

    @functools.wraps(formula)
    def call(*operands: Any, **constants: Any) -> Any:
        xp = array_module(operands[0]) if operands else np
        if xp is np:
            return formula(*operands, **constants)
        dtypes = tuple(getattr(operand, "dtype", None) for operand in operands)
        return kernel_of(xp, formula, dtypes, **constants)(*operands)

    return call  # type: ignore[return-value]


def mean_of(formula: Callable[..., Array], x: Array, *operands: Any) -> Array:
    """Return the mean of ``formula(x, *operands)``, elementwise, over all of x: a 0-d array."""
    # With two operands or more CuPy sums in one kernel; with one it takes two, for long sums.
    return _mean(x, 0, *operands, formula=formula, n=x.size)


@fused
def _mean(x: Array, _: int, *operands: Any, formula: Callable[..., Array], n: int) -> Array:
    mean: Array = array_module(x).sum(formula(x, *operands)) / n
    return mean


@functools.cache
def kernel_of(
    xp: Any, formula: Callable[..., Any], dtypes: tuple[Any, ...], /, **constants: Any
) -> Any:
    """Return ``formula(*operands, **constants)`` as one kernel, a function of `operands`.

    There is one for each choice of dtypes, because ``fuse`` goes another and slower way for ever
    once it has refused some operands: complex numbers into an array of real ones, for example.

    References
    ----------
    CuPy's user guide, "Kernel fusion".
    """

    def one_kernel(*operands: Any) -> Any:
        return formula(*operands, **constants)

    one_kernel.__name__ = formula.__name__
    return xp.fuse(one_kernel)


@fused
def multiply_add(a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c, elementwise."""
    return a * b + c


@fused
def unit_interval(words: Array, *, dtype: Any) -> Array:
    """Return words w, uint32, as numbers (w + 1/2) / 2**32."""
    u: Array = words.astype(dtype)
    u += 0.5
    u *= 2.0**-32
    return u


@fused
def box_muller(w1: Array, w2: Array, x1: Array, x2: Array, *, dtype: Any) -> None:
    """Write x1 = sqrt(-2 ln u1) cos(2 pi u2) and x2, the same with sin; all have the shape (n,).

    u1 and u2 are `unit_interval` of the words w1 and w2.
    """
    xp = array_module(w1)
    radius = xp.sqrt(-2.0 * xp.log(unit_interval(w1, dtype=dtype)))
    angle = (2.0 * math.pi) * unit_interval(w2, dtype=dtype)
    x1[...] = radius * xp.cos(angle)
    x2[...] = radius * xp.sin(angle)
