"""Matrix products by Intel's Math Kernel Library, and the loops between them on all cores.

PyTorch multiplies with MKL; the NumPy that pip installs with OpenBLAS, which takes up to a quarter
longer and whose idle threads keep the other cores from anything else for a while. Here products and
loops share one pool of threads, that of GNU OpenMP.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .base import BackendUnavailable
from .keys import Array
from .loops import LOOPS
from .numba import NumbaBackend, compiled

# MKL's own numbers, of mkl_types.h, mkl_service.h and mkl_cblas.h.
INTERFACE_LP64, THREADING_GNU, CBWR_BRANCH, CBWR_AUTO = 0, 3, 1, 2
ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112
INSTEAD = 'or use backend="numba"'


class MklBackend(NumbaBackend):
    """`NumbaBackend` on all cores, with Intel's matrix products. For Linux on x86-64.

    MKL adds the terms of a product in another order than OpenBLAS: a step is NumPy's up to
    rounding, which grows from step to step. Two runs on one machine with the same number of threads
    are equal to the bit. ``MKL_NUM_THREADS`` sets that number; in a thread that did not make the
    backend, ``NUMBA_NUM_THREADS`` sets it for the loops.

    Raises
    ------
    BackendUnavailable
        If Numba, MKL or GNU OpenMP is missing; if Numba or MKL already runs on other threads; or if
        it is used in a process that was forked after a backend had been made, because GNU's threads
        are lost in a fork.
    """

    name = "mkl"
    parallel = True

    def __init__(self) -> None:
        super().__init__()
        products()

    def matmul(
        self, a: Array, b: Array, out: Array | None = None, accumulate: bool = False
    ) -> Array:
        """Return ``a @ b``, see `Backend.matmul`; `out` shares no memory with the others.

        Products of unlike dtypes are NumPy's.
        """
        product = products().get(a.dtype)
        if product is None or b.dtype != a.dtype:
            return super().matmul(a, b, out, accumulate)
        shape = len(a), b.shape[1]
        result = out
        if result is None or result.dtype != a.dtype or not result.flags.carray:
            result = np.empty(shape, a.dtype)
        if a.shape[1] != len(b) or result.shape != shape:
            raise ValueError(f"shapes do not fit: {a.shape} @ {b.shape} into {result.shape}")
        product(_contiguous(a), _contiguous(b), result, accumulate and result is out)
        if out is None or result is out:
            return result
        out[...] = out + result if accumulate else result
        return out

    def update_in_place(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        products()  # or its reason why not
        super().update_in_place(formula, arrays, *numbers)

    def elementwise(self, formula: Callable[..., Array], *arrays: Array, **numbers: float) -> Array:
        loop = LOOPS.get(formula)
        dtypes = {array.dtype for array in arrays}
        if loop is None or len(dtypes) > 1 or not dtypes <= products().keys():
            return super().elementwise(formula, *arrays, **numbers)
        shape, dtype = arrays[0].shape, arrays[0].dtype.type
        if any(array.shape != shape for array in arrays):  # a loop would go past their ends
            raise ValueError(f"arrays of one shape are wanted, got {[a.shape for a in arrays]}")
        result = np.empty(shape, dtype)
        flat = (array.ravel() for array in (*arrays, result))
        in_dtype = {name: dtype(number) for name, number in numbers.items()}
        compiled(loop, self.parallel)(*flat, **in_dtype)
        return result


def _contiguous(x: Array) -> Array:
    """Return `x`, or a copy if neither its rows nor its columns are contiguous."""
    return x if x.flags.forc else np.ascontiguousarray(x)


@functools.cache
def products() -> dict[Any, Callable[[Array, Array, Array, bool], None]]:
    """Return MKL's matrix product for float32 and for float64, on as many threads as Numba's loops.

    Raises
    ------
    BackendUnavailable
        As `MklBackend` does.
    """
    import numba

    if _forked:
        raise BackendUnavailable(
            "the threads of OpenMP did not come along when this process was forked: start it by "
            'multiprocessing.get_context("spawn"), ' + INSTEAD
        )
    mkl = load_library()
    threads = min(numba.config.NUMBA_NUM_THREADS, mkl.MKL_Get_Max_Threads())
    mkl.MKL_Set_Num_Threads(threads)
    mkl.MKL_Set_Dynamic(0)  # or it may take fewer, and round in another way
    numba.config.THREADING_LAYER = "omp"  # GNU's, as in `load_library`
    try:
        numba.set_num_threads(threads)
        layer = numba.threading_layer()
    except ValueError as error:
        raise BackendUnavailable(f"Numba has no threads of OpenMP ({error}), {INSTEAD}") from error
    if layer != "omp":
        raise BackendUnavailable(
            f"Numba runs on threads of {layer!r} already: make the backend before any parallel "
            f"function of Numba runs, {INSTEAD}"
        )
    return {
        np.dtype("float32"): _product(mkl.cblas_sgemm, ctypes.c_float),
        np.dtype("float64"): _product(mkl.cblas_dgemm, ctypes.c_double),
    }


_forked = False


def _after_fork() -> None:
    global _forked
    # Before the first backend there are no threads to be lost.
    _forked = _forked or bool(products.cache_info().currsize)
    products.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _product(gemm: Any, scalar: Any) -> Callable[[Array, Array, Array, bool], None]:
    """Return ``out = a @ b + accumulate * out``, compiled: a call costs less than one of NumPy's.

    All three are of gemm's dtype; `out` is contiguous by rows, `a` and `b` by rows or by columns.
    """
    import numba

    integer, pointer = ctypes.c_int, ctypes.c_void_p
    gemm.restype = None
    gemm.argtypes = [*[integer] * 6, scalar, *[pointer, integer] * 2, scalar, pointer, integer]

    def product(a: Array, b: Array, out: Array, accumulate: bool) -> None:
        m, k = a.shape
        n = b.shape[1]
        # The transpose of a column-major array is row-major. lda, ldb, ldc are the distances from
        # row to row, at least 1 even in an empty array.
        transa, lda = (NO_TRANS, max(k, 1)) if a.flags.c_contiguous else (TRANS, max(m, 1))
        transb, ldb = (NO_TRANS, max(n, 1)) if b.flags.c_contiguous else (TRANS, max(k, 1))
        A, B, C, ldc = a.ctypes.data, b.ctypes.data, out.ctypes.data, max(n, 1)
        beta = 1.0 if accumulate else 0.0
        gemm(ROW_MAJOR, transa, transb, m, n, k, 1.0, A, lda, B, ldb, beta, C, ldc)

    compiled_product: Callable[[Array, Array, Array, bool], None] = numba.njit(product)
    return compiled_product


def load_library() -> ctypes.CDLL:
    """Return MKL on GNU's OpenMP, with the same bits whatever the addresses of its operands.

    Raises
    ------
    BackendUnavailable
        If MKL or GNU's OpenMP is missing.
    """
    from importlib import metadata  # here, so that ``import nngan`` stays light

    try:
        files = metadata.files("mkl") or []
    except metadata.PackageNotFoundError:
        files = []
    paths = [str(file.locate()) for file in files if file.name.startswith("libmkl_rt.so")]
    if not paths:
        raise BackendUnavailable(
            "no libmkl_rt.so of PyPI's package mkl is installed: pip install mkl (Linux "
            f"on x86-64), {INSTEAD}"
        )
    try:
        ctypes.CDLL("libgomp.so.1")  # MKL would end the process where it is missing
        mkl = ctypes.CDLL(paths[0])
    except OSError as error:
        raise BackendUnavailable(
            f"a library cannot be loaded ({error}): apt-get install libgomp1, pip install "
            f"--force-reinstall mkl, {INSTEAD}"
        ) from error
    layers = mkl.MKL_Set_Interface_Layer(INTERFACE_LP64), mkl.MKL_Set_Threading_Layer(THREADING_GNU)
    mkl.MKL_CBWR_Set(CBWR_AUTO)
    if (*layers, mkl.MKL_CBWR_Get(CBWR_BRANCH)) != (INTERFACE_LP64, THREADING_GNU, CBWR_AUTO):
        raise BackendUnavailable(
            "MKL is in use in this process, set up in another way: make the backend first, "
            + INSTEAD
        )
    return mkl
