"""The energy distance: how far two sets of points are apart, without a parameter to choose."""

from __future__ import annotations

from ..backend import Array, array_module
from .distances import check_samples, squared_distances


def energy_distance(x: Array, y: Array) -> float:
    """Return the squared energy distance between the distributions of `x` and of `y`.

    E(x, y) = 2 mean ||x_i - y_j|| - mean ||x_i - x_j|| - mean ||y_i - y_j||,

    where each mean is over all pairs of rows. It is 0 if both sets hold the same points, and
    positive otherwise. For two sets of N and M points from one distribution the expected value is
    (1/N + 1/M) E||X - X'|| with independent X and X' from it: compare values of equal N and M. The
    unit is that of the points: features with a large range decide.

    Parameters
    ----------
    x : float array of shape (N, features)
        The samples, N >= 1.
    y : float array of shape (M, features)
        The data, M >= 1, on the same backend. Time grows with (N + M)^2.

    References
    ----------
    Székely and Rizzo, "Energy statistics: a class of statistics based on distances", Journal of
    Statistical Planning and Inference 143, 2013.
    """
    check_samples(x=x, y=y)
    # A mean of float64 loses the more digits the farther the points are from 0.
    origin = y.mean(axis=0)
    x, y = x - origin, y - origin
    distance = 2 * mean_distance(x, y) - mean_distance(x, x) - mean_distance(y, y)
    return max(0.0, distance)  # rounding can make it negative


def mean_distance(x: Array, y: Array) -> float:
    """Return the mean of ||x_i - y_j|| over all pairs."""
    xp = array_module(x)
    total = sum(float(xp.sqrt(d2, out=d2).sum()) for _, d2 in squared_distances(x, y))
    return total / (len(x) * len(y))
