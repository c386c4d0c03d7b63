"""Matrices for tests of products: the same numbers in every layout that memory allows."""

import numpy as np
import pytest

LAYOUTS = {
    "rows": lambda x: x.copy(order="C"),
    "columns": lambda x: x.copy(order="F"),
    "part of a row-major matrix": lambda x: np.pad(x, ((1, 1), (2, 1)))[1:-1, 2:-1],
    "part of a column-major matrix": lambda x: np.pad(x.T, ((1, 1), (2, 1))).T[2:-1, 1:-1],
    "view of a flat buffer": lambda x: np.pad(x.reshape(-1), 3)[3:-3].reshape(x.shape),
    "transpose of such a view": lambda x: np.pad(x.T.reshape(-1), 3)[3:-3].reshape(x.T.shape).T,
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
}
SHAPES = [(4, 3, 5), (5, 7, 1), (5, 1, 4), (1, 6, 4), (1, 1, 1), (1, 5, 1), (3, 1, 1), (2, 2, 2)]
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def numbers(seed, shape, dtype="float64"):
    """Return small whole numbers, whose products are exact."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)
