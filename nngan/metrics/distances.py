"""Euclidean distances between two sets of points as one matrix product, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Array, array_module

# Distances in one block: 16 MB. A larger block does not fit the cache, a smaller one makes the
# matrix product slow.
BLOCK = 1 << 21


def squared_distances(x: Array, y: Array) -> Iterator[tuple[slice, Array]]:
    """Yield the squared distances of the rows of `x` to those of `y`, a block of `x` at a time.

    ||x - y||^2 = ||x||^2 - 2 x.y + ||y||^2, in float64: the three terms cancel where x and y are
    close, which would leave too few of the seven digits of float32.

    Parameters
    ----------
    x : array of shape (N, features)
        The points whose distances are computed.
    y : array of shape (M, features)
        The points to which they are computed, on the same backend.

    Yields
    ------
    rows : slice
        The rows of `x` in this block.
    d2 : float64 array of shape (rows, M)
        Their squared distances, never below 0. The caller may overwrite it.
    """
    xp = array_module(x)
    x, y = x.astype(np.float64), y.astype(np.float64)
    x_norm, y_norm = (x * x).sum(axis=1, keepdims=True), (y * y).sum(axis=1)
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        d2 = (-2.0 * x[rows]) @ y.T
        d2 += x_norm[rows]
        d2 += y_norm
        yield rows, xp.maximum(d2, 0.0, out=d2)


def check_samples(**samples: Any) -> None:
    """Raise ValueError unless all are finite float arrays (N, features), N > 0, of one width.

    The keywords are the names in the message.
    """
    first, width = "", 0
    for name, x in samples.items():
        shape: tuple[int, ...] = getattr(x, "shape", ())
        dtype = getattr(x, "dtype", type(x).__name__)
        if len(shape) != 2 or 0 in shape or dtype not in (np.float32, np.float64):
            raise ValueError(
                f"{name} must be a float32 or float64 array of shape (N, features), got {dtype} "
                f"{shape}: pass one row per sample, images in [0, 1]"
            )
        first, width = first or name, width or shape[1]
        if shape[1] != width:
            raise ValueError(
                f"{name} has {shape[1]} features and {first} has {width}: pass equal widths"
            )
        if not array_module(x).isfinite(x).all():
            raise ValueError(f"{name} has values that are NaN or infinite: remove those rows")
