"""Numerical derivatives: what backpropagation is compared with.

The central difference (L(a + h) - L(a - h)) / 2h errs by a multiple of h**2; two of them, with h
and h/2, combine to (4 D(h/2) - D(h)) / 3, which errs by h**4 (Richardson). With h = 1e-4 that is
about 1e-16 of the function's own size, and what remains is rounding, 1e-16 / h = 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..backend import Array

Loss = Callable[[], float]


class Precision(NamedTuple):
    """The step of the differences, and what may differ from them for no fault of backward.

    Attributes
    ----------
    step : float
        h for a coordinate of size up to 1; for a larger one, relative to it.
    eps : float
        Relative spacing of the floats that forward computes in.
    tolerance : float
        Largest relative error that passes.
    reason : str
        Why this much.
    """

    step: float
    eps: float
    tolerance: float
    reason: str


DOUBLE = Precision(1e-4, 2.2e-16, 1e-6, "in float64 the differences themselves err by 1e-9 or less")
SINGLE = Precision(2e-2, 1.2e-7, 5e-3, "forward computes in float32: the differences err by 1e-4")


class Gradient(NamedTuple):
    """A numerical gradient.

    Attributes
    ----------
    value : float64 array
        dL/da, NaN where it was not computed.
    noise : float64 array
        What rounding may have added to it.
    kink : bool array
        True where the derivatives from the left and from the right differ: there is none.
    """

    value: Array
    noise: Array
    kink: Array


def along(loss: Loss, a: Array, direction: Array, step: float) -> float:
    """Return the derivative of `loss` when the array `a` moves along `direction`.

    Parameters
    ----------
    loss : callable
        Reads `a` and returns a number.
    a : float64 array
        Moved in place and put back.
    direction : array of the same shape
    step : float
        h.
    """
    kept = a.copy()

    def central(h: float) -> float:
        a[...] = kept + h * direction
        above = loss()
        a[...] = kept - h * direction
        below = loss()
        a[...] = kept
        return (above - below) / (2 * h)

    return (4 * central(step / 2) - central(step)) / 3


def elementwise(loss: Loss, a: Array, precision: Precision, coordinates: Array) -> Gradient:
    """Return dL/da at some coordinates, one by one, and recognise kinks.

    The gap between the differences to the right and to the left is proportional to h where the
    function is smooth, and stays as it is where it has a kink. A kink that is merely near lies
    outside once h is small enough, and that h is taken.

    Parameters
    ----------
    loss : callable
        Reads `a` and returns a number.
    a : float64 array
        Moved in place and put back.
    precision : Precision
    coordinates : int array of shape (n,)
        Flat indices.
    """
    flat, middle = a.reshape(-1), loss()

    def sides(i: int, h: float) -> tuple[float, float]:
        kept = flat[i]
        flat[i] = kept + h
        right = (loss() - middle) / h
        flat[i] = kept - h
        left = (middle - loss()) / h
        flat[i] = kept
        return left, right

    def attempt(i: int, h: float) -> tuple[float, float]:
        """Return the derivative, and how far from smooth the function is between -h and h."""
        left, right = sides(i, h / 2)
        far_left, far_right = sides(i, h)
        fine, coarse = (left + right) / 2, (far_left + far_right) / 2
        gap = 2 * (right - left) - (far_right - far_left)
        return (4 * fine - coarse) / 3, max(abs(gap), abs(fine - coarse))

    first = [precision.step * max(1.0, abs(flat[i])) for i in coordinates]
    results = [attempt(i, h) for i, h in zip(coordinates, first, strict=True)]
    scale = max((abs(value) for value, _ in results), default=0.0)
    shape = a.shape
    values, noises = np.full(flat.shape, np.nan), np.zeros(flat.shape)
    kinks = np.zeros(flat.shape, bool)
    for i, h, (value, rough) in zip(coordinates, first, results, strict=True):
        smallest = h / 1000
        while True:
            noise = 8 * precision.eps * abs(middle) / h
            kinks[i] = rough > 100 * precision.step**2 * scale + noise
            if not kinks[i] or h <= smallest:
                break
            h /= 10
            value, rough = attempt(i, h)
        values[i], noises[i] = value, noise
    return Gradient(values.reshape(shape), noises.reshape(shape), kinks.reshape(shape))
