"""Matrix products by Intel's Math Kernel Library, and the loops between them on all cores.

PyTorch multiplies with MKL; the NumPy that pip installs with OpenBLAS, which takes up to a quarter
longer and whose idle threads keep the other cores from anything else for a while. Here products and
loops share one pool of threads, that of GNU OpenMP.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

from .keys import Array
from .on_numba import NumbaBackend, compiled, each
from .on_numpy import BackendUnavailable

# MKL's own numbers, of mkl_types.h, mkl_service.h and mkl_cblas.h.
INTERFACE_LP64, THREADING_GNU, CBWR_OFF, CBWR_AUTO = 0, 3, 1, 2
ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112


class MklBackend(NumbaBackend):
    """`NumbaBackend` on all cores, with Intel's matrix products. For Linux on x86-64.

    MKL adds the terms of a product in another order than OpenBLAS: parameters, losses and samples
    are those of NumPy up to rounding. From run to run they are the same to the bit, on one machine
    and with one number of threads, which ``MKL_NUM_THREADS`` sets.

    Raises
    ------
    BackendUnavailable
        When Numba, MKL or GNU OpenMP is missing.
    """

    name = "mkl"
    parallel = True

    def __init__(self) -> None:
        super().__init__()
        products()

    def matmul(
        self, a: Array, b: Array, out: Array | None = None, accumulate: bool = False
    ) -> Array:
        """Return ``a @ b``, as `NumpyBackend.matmul`, but laid out by rows.

        `out` shares no memory with the others. Products of unlike dtypes are NumPy's.
        """
        product = products().get(a.dtype)
        if product is None or b.dtype != a.dtype:
            return super().matmul(a, b, out, accumulate)
        shape = len(a), b.shape[1]
        result = out
        if result is None or result.dtype != a.dtype or not result.flags.c_contiguous:
            result = np.empty(shape, a.dtype)
        if a.shape[1] != len(b) or result.shape != shape:
            raise ValueError(f"shapes do not fit: {a.shape} @ {b.shape} into {result.shape}")
        product(_contiguous(a), _contiguous(b), result, accumulate and result is out)
        if out is None or result is out:
            return result
        out[...] = out + result if accumulate else result
        return out

    def fused(self, formula: Callable[..., Array], *arrays: Array, **numbers: float) -> Array:
        kernel = KERNELS.get(f"{formula.__module__}.{formula.__qualname__}")
        if kernel is None:
            return super().fused(formula, *arrays, **numbers)
        shape, dtype = arrays[0].shape, arrays[0].dtype.type
        if any(array.shape != shape for array in arrays):  # a loop would go past their ends
            raise ValueError(f"arrays of one shape are wanted, got {[a.shape for a in arrays]}")
        result = np.empty(shape, dtype)
        flat = (array.ravel() for array in (*arrays, result))
        compiled(kernel, self.parallel)(*flat, *map(dtype, numbers.values()))
        return result


def _contiguous(x: Array) -> Array:
    """Return `x`, or a copy if neither its rows nor its columns are contiguous."""
    return x if x.flags.forc else np.ascontiguousarray(x)


@functools.cache
def products() -> dict[Any, Callable[[Array, Array, Array, bool], None]]:
    """Return MKL's matrix product for float32 and for float64."""
    import numba

    mkl = load_library()
    numba.config.THREADING_LAYER = "omp"  # GNU's, as in `load_library`
    numba.set_num_threads(min(numba.config.NUMBA_NUM_THREADS, mkl.MKL_Get_Max_Threads()))
    return {
        np.dtype("float32"): _product(mkl.cblas_sgemm, ctypes.c_float),
        np.dtype("float64"): _product(mkl.cblas_dgemm, ctypes.c_double),
    }


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
        # By columns it is the transpose that lies by rows. lda, ldb, ldc: from row to row, and 1 at
        # least, also where there is nothing.
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
        When something is missing.
    """
    try:
        files = metadata.files("mkl") or []
    except metadata.PackageNotFoundError:
        files = []
    paths = [str(file.locate()) for file in files if file.name.startswith("libmkl_rt.so")]
    instead = 'or use backend="numba"'
    if not paths:
        raise BackendUnavailable(
            f"MKL is not installed: pip install 'nngan[mkl]' (Linux on x86-64), {instead}"
        )
    try:  # MKL would end the process where it is missing
        ctypes.CDLL("libgomp.so.1")
    except OSError as error:
        raise BackendUnavailable(
            f"GNU OpenMP cannot be loaded ({error}): apt-get install libgomp1, {instead}"
        ) from error
    mkl = ctypes.CDLL(paths[0])
    mkl.MKL_Set_Interface_Layer(INTERFACE_LP64)
    mkl.MKL_Set_Threading_Layer(THREADING_GNU)
    mkl.MKL_CBWR_Set(CBWR_AUTO)
    return mkl


# -- kernels: each with the arrays and the numbers of its formula, and where the result goes ------


def relu(x: Array, y: Array) -> None:
    """`nngan.layers.activations.relu`."""
    zero = x.dtype.type(0)
    for i in each(x.size):
        y[i] = zero if x[i] <= zero else x[i]


def relu_backward(dy: Array, y: Array, dx: Array) -> None:
    """`nngan.layers.activations.relu_backward`."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for i in each(y.size):
        dx[i] = dy[i] * (one if y[i] > zero else zero)


def leaky_relu(x: Array, y: Array, slope: float) -> None:
    """`nngan.layers.activations.leaky_relu`."""
    for i in each(x.size):
        y[i] = slope * x[i] if x[i] <= 0 else x[i]


def leaky_relu_backward(dy: Array, y: Array, dx: Array, slope: float) -> None:
    """`nngan.layers.activations.leaky_relu_backward`."""
    for i in each(y.size):
        dx[i] = dy[i] if y[i] > 0 else slope * dy[i]


KERNELS = {
    f"nngan.layers.activations.{kernel.__name__}": kernel
    for kernel in (relu, relu_backward, leaky_relu, leaky_relu_backward)
}
