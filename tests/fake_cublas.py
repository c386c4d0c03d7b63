"""What the library calls of cuBLAS, on the CPU: in its stead runs Fortran's BLAS, from SciPy.

Like cuBLAS it sees addresses and integers only, and it refuses what cuBLAS refuses. What cuBLAS
would do without a word, on another stream or in memory that is no longer there, raises here.
"""

import ctypes
import itertools
import weakref
from types import SimpleNamespace

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


def multiply(workspace, *arguments):
    """Call Fortran where the workspace is still there; a graph, too, writes into it."""
    if workspace() is None:
        raise RuntimeError("a product whose workspace has been freed")
    call_fortran(*arguments)


class FakeCublas:
    """The library: `calls` lists the names that were called, `fail` the one that shall fail.

    `handles` holds what each handle was told; their numbers are never used again.
    """

    _numbers = itertools.count(0xB1A5)

    def __init__(self):
        self.calls, self.fail, self.handles = [], None, {}

    def _status(self, name, handle, good=True):
        self.calls.append(name)
        if handle.value not in self.handles:
            return 1
        return 13 if name == self.fail else 0 if good else 7

    def cublasGetStatusName(self, status):
        reason = {1: "NOT_INITIALIZED", 7: "INVALID_VALUE", 13: "EXECUTION_FAILED"}[status]
        return f"CUBLAS_STATUS_{reason}".encode()

    def cublasCreate_v2(self, reference):
        handle = ctypes.c_void_p(next(self._numbers))
        self.handles[handle.value] = SimpleNamespace(stream=0, workspace=None)
        status = self._status("create", handle)
        if not status:
            reference._obj.value = handle.value
        return status

    def cublasDestroy_v2(self, handle):
        status = self._status("destroy", handle)
        self.handles.pop(handle.value, None)
        return status

    def cublasSetStream_v2(self, handle, stream):
        status = self._status("stream", handle)
        if not status:
            told = self.handles[handle.value]
            told.stream, told.workspace = stream.value or 0, None
        return status

    def cublasSetWorkspace_v2(self, handle, address, size):
        memory = strict_cupy.memory.get(address.value)
        good = memory is not None and memory.nbytes >= size.value >= 32 << 20
        status = self._status("workspace", handle, good)
        if not status:
            self.handles[handle.value].workspace = weakref.ref(memory)
        return status

    def cublasSgemm_v2(self, handle, *arguments):
        return self._gemm("S", handle, *arguments)

    def cublasDgemm_v2(self, handle, *arguments):
        return self._gemm("D", handle, *arguments)

    def _gemm(self, letter, handle, *arguments):
        transa, transb, m, n, k, _, _, lda, _, ldb, _, _, ldc = arguments
        good = lda >= max(1, k if transa else m) and ldb >= max(1, n if transb else k)
        status = self._status("gemm", handle, good and ldc >= max(1, m))
        if not status:
            told = self.handles[handle.value]
            if told.stream != strict_cupy.cuda.get_current_stream().ptr:
                raise RuntimeError("a product on another stream than the current one")
            if told.workspace is None:  # cuBLAS would take one of its own
                raise RuntimeError("a product without a workspace since the stream was set")
            strict_cupy.launch(multiply, told.workspace, letter, *arguments)
        return status
