"""What the library calls of cuBLAS, on the CPU: in its stead runs Fortran's BLAS, from SciPy.

Like cuBLAS it sees addresses and integers only, and it refuses what cuBLAS refuses.
"""

import ctypes

import strict_cupy
from scipy.linalg import cython_blas


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


class FakeCublas:
    """The library: `calls` lists the names that were called, `fail` the one that shall fail."""

    def __init__(self):
        self.calls, self.fail = [], None

    def _status(self, name, good=True):
        self.calls.append(name)
        return 13 if name == self.fail else 0 if good else 7

    def cublasGetStatusName(self, status):
        return {7: b"CUBLAS_STATUS_INVALID_VALUE", 13: b"CUBLAS_STATUS_EXECUTION_FAILED"}[status]

    def cublasCreate_v2(self, handle):
        return self._status("create")

    def cublasDestroy_v2(self, handle):
        return self._status("destroy")

    def cublasSetStream_v2(self, handle, stream):
        return self._status("stream", stream.value == strict_cupy.cuda.get_current_stream().ptr)

    def cublasSetWorkspace_v2(self, handle, address, size):
        return self._status("workspace", address.value and size.value >= 32 << 20)

    def cublasSgemm_v2(self, handle, *arguments):
        return self._gemm("S", *arguments)

    def cublasDgemm_v2(self, handle, *arguments):
        return self._gemm("D", *arguments)

    def _gemm(self, letter, *arguments):
        transa, transb, m, n, k, _, _, lda, _, ldb, _, _, ldc = arguments
        good = lda >= max(1, k if transa else m) and ldb >= max(1, n if transb else k)
        status = self._status("gemm", good and ldc >= max(1, m))
        if not status:
            strict_cupy.launch(call_fortran, letter, *arguments)
        return status
