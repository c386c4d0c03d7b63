"""Matrices for tests of products, in every layout that memory allows, and Fortran's product."""

import ctypes

import numpy as np
import pytest
from scipy.linalg import cython_blas

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


def fortran(name):
    """Return a routine of BLAS that takes addresses, as Fortran's do."""
    capsule = cython_blas.__pyx_capi__[name]
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype = ctypes.c_char_p
    python.PyCapsule_GetName.argtypes = [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(address)


ROUTINES = {letter: fortran(f"{letter.lower()}gemm") for letter in "SD"}


def call_fortran(letter, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """Call sgemm or dgemm. The address of 64 bits is, where bytes start low, one of 32 too."""
    ta, tb = (ctypes.byref(ctypes.c_char(b"NT"[t : t + 1])) for t in (transa, transb))
    m, n, k, lda, ldb, ldc = (ctypes.byref(ctypes.c_int64(i)) for i in (m, n, k, lda, ldb, ldc))
    ROUTINES[letter](ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
