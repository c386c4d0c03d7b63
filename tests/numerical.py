"""A numerical derivative in its shortest form: central differences, one element at a time."""

import numpy as np


def numerical_gradient(f, a, h=1e-6):
    """Return df/da of the number f(); `f` reads the float64 array `a`."""
    assert a.dtype == np.float64
    gradient = np.zeros_like(a)
    flat, out = a.reshape(-1), gradient.reshape(-1)
    assert np.shares_memory(flat, a)
    for i, kept in enumerate(flat.copy()):
        flat[i] = kept + h
        above = float(f())
        flat[i] = kept - h
        below = float(f())
        flat[i] = kept
        out[i] = (above - below) / (2 * h)
    return gradient


def relative_error(a, b):
    """Return the largest difference between two arrays, relative to their largest element."""
    return np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max(), 1e-300)
