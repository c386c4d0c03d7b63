"""Matrix products on a GPU: cuBLAS, called directly.

CuPy refuses its own products while a stream is captured (cupy issue 6290); so they are called
here, captured or not, to the same bits. Through ctypes: nvmath-python would spare a few lines of
this file and install a dozen packages for it. BLAS reads memory by columns, where a row-major
array is its own transpose: for a row-major result it is asked for ``out.T = b.T @ a.T``.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, NamedTuple

import numpy as np

from .formulas import array_module
from .keys import Array

# NVIDIA's size for Hopper. Without a workspace of our own, cuBLAS would allocate in a capture.
WORKSPACE = 32 << 20
TF32 = 3  # CUBLAS_TF32_TENSOR_OP_MATH


class Gemm(NamedTuple):
    """The integers that BLAS's gemm takes, in its order: ``C (m, n) = op(A) @ op(B)``."""

    transa: bool
    transb: bool
    m: int
    n: int
    k: int
    lda: int
    ldb: int
    ldc: int


def blas_arguments(a: Array, b: Array, out: Array) -> tuple[Array, Array, Array, Gemm]:
    """Say ``out = a @ b`` to BLAS; nothing here needs a GPU.

    Parameters
    ----------
    a, b, out : arrays of shape (m, k), (k, n), (m, n)
        NumPy's or CuPy's, with contiguous rows or columns; `a` and `b` are copied if they have not.

    Returns
    -------
    A, B, C : arrays
        Whose memory BLAS works on: of a, b, out or of b.T, a.T, out.T.
    gemm : Gemm
        The integers that go with them.

    Raises
    ------
    ValueError
        If shapes do not fit, or `out` would have to be copied.
    """
    if not (a.ndim == b.ndim == 2 and out.shape == (len(a), b.shape[1]) and a.shape[1] == len(b)):
        raise ValueError(f"shapes do not fit: {a.shape} @ {b.shape} into {out.shape}")
    if _leading_dimension(out) is None:
        a, b, out = b.T, a.T, out.T
    ldc = _leading_dimension(out)
    if ldc is None:
        raise ValueError(f"out must have contiguous rows or columns, got strides {out.strides}")
    a, transa, lda = _operand(a)
    b, transb, ldb = _operand(b)
    return a, b, out, Gemm(transa, transb, len(out), b.shape[1], len(b), lda, ldb, ldc)


def _operand(x: Array) -> tuple[Array, bool, int]:
    """Return `x` or a copy, whether BLAS has to transpose it, and its leading dimension."""
    for transposed in (False, True):
        if (distance := _leading_dimension(x.T if transposed else x)) is not None:
            return x, transposed, distance
    return _operand(array_module(x).ascontiguousarray(x))


def _leading_dimension(x: Array) -> int | None:
    """Return the distance from column to column if each is contiguous, in elements."""
    (rows, columns), (down, right) = x.shape, x.strides
    if rows > 1 and down != x.itemsize:
        return None
    distance = right // x.itemsize if columns > 1 else rows  # one column: its stride says nothing
    return max(distance, 1) if distance >= rows else None


class Cublas:
    """cuBLAS with a handle and a workspace, for one stream at a time (RuntimeError if it fails).

    With `tf32`, products of float32 take 10 bits of each operand's fraction instead of 23.
    """

    def __init__(self, cupy: Any, tf32: bool = False) -> None:
        self._cuda, self._library, self._handle = cupy.cuda, load_library(), ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        weakref.finalize(self, self._library.cublasDestroy_v2, self._handle).atexit = False
        if tf32:
            self._call("cublasSetMathMode", self._handle, TF32)
        self._workspace = cupy.empty(WORKSPACE, dtype=np.uint8)

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        """Compute ``out = a @ b``, or ``out += a @ b``, on the current stream.

        `a`, `b`, `out` are of shape (m, k), (k, n), (m, n), all float32 or all float64 (TypeError,
        ValueError); `out` shares no memory with the others.
        """
        kinds = {"float32": ("S", ctypes.c_float), "float64": ("D", ctypes.c_double)}
        if not (a.dtype == b.dtype == out.dtype and out.dtype.name in kinds):
            raise TypeError(f"not all float32 or float64: {a.dtype}, {b.dtype}, {out.dtype}")
        letter, scalar = kinds[out.dtype.name]
        a, b, out, gemm = blas_arguments(a, b, out)
        pa, pb, pc, workspace = map(_address, (a, b, out, self._workspace))
        alpha, beta = ctypes.byref(scalar(1)), ctypes.byref(scalar(accumulate))
        stream = ctypes.c_void_p(self._cuda.get_current_stream().ptr)
        self._call("cublasSetStream_v2", self._handle, stream)  # which takes the workspace away
        self._call("cublasSetWorkspace_v2", self._handle, workspace, ctypes.c_size_t(WORKSPACE))
        operands = alpha, pa, gemm.lda, pb, gemm.ldb, beta, pc, gemm.ldc
        self._call(f"cublas{letter}gemm_v2", self._handle, *gemm[:5], *operands)

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._library, name)(*arguments):
            raise RuntimeError(f"{name}: {self._library.cublasGetStatusName(status).decode()}")


def _address(x: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.data.ptr)


def load_library() -> Any:
    """Return the cuBLAS that CuPy uses as well."""
    from cuda.pathfinder import load_nvidia_dynamic_lib  # CuPy depends on it

    path = load_nvidia_dynamic_lib("cublas").abs_path
    if path is None:  # CDLL(None) would be Python itself
        raise RuntimeError("cuda.pathfinder knows no file of cuBLAS")
    library = ctypes.CDLL(path)
    library.cublasGetStatusName.restype = ctypes.c_char_p
    return library
