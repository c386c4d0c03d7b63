"""`matmul`: NumPy's, or in a browser, where NumPy has no BLAS, that of SciPy if SciPy is there."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .keys import Array


def by_blas(gemms: Mapping[Any, Any], a: Array, b: Array, out: Array | None = None) -> Array:
    """Return ``a @ b`` of two matrices by BLAS, in `out` if given.

    BLAS reads memory by columns, where a row-major array is its own transpose: it is asked for
    ``out.T = b.T @ a.T``. A matrix is copied if neither its rows nor its columns are contiguous.

    Parameters
    ----------
    gemms : mapping of dtype to function
        `sgemm` and `dgemm` of `scipy.linalg.blas`. What they do not take is left to NumPy.
    a, b : arrays of shape (m, k) and (k, n)
    out : array of shape (m, n), optional
        It shares no memory with the others.
    """
    gemm = gemms.get(a.dtype)
    takes_both = b.dtype == a.dtype and a.shape[1] == len(b) and a.size and b.size
    takes_out = out is None or (out.dtype == a.dtype and out.flags.carray)
    if gemm is None or not takes_both or not takes_out:
        return np.matmul(a, b, out=out)  # or its reason why not
    (A, trans_a), (B, trans_b) = _by_columns(b), _by_columns(a)
    C = None if out is None else out.T
    product: Array = gemm(1.0, A, B, 0.0, C, trans_a, trans_b, overwrite_c=True).T
    return product if out is None else out


def _by_columns(x: Array) -> tuple[Array, bool]:
    """Return x.T for BLAS: a matrix with contiguous columns, and whether to transpose it."""
    return (x, True) if x.flags.f_contiguous else (x.T, False)


def fastest_matmul() -> Callable[..., Array]:
    """Return the faster of NumPy's and SciPy's products, with the arguments of `numpy.matmul`."""
    if sys.platform != "emscripten":
        return np.matmul
    try:
        from scipy.linalg.blas import dgemm, sgemm
    except ImportError:
        return np.matmul
    return functools.partial(by_blas, {np.dtype("float32"): sgemm, np.dtype("float64"): dgemm})


matmul = fastest_matmul()  # once: all products of a process are rounded in the same way
