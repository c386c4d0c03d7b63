"""Products through cuBLAS: what is said to BLAS, and what is done about its answers."""

import ctypes
import gc
import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matrices import LAYOUTS, SHAPES, call_fortran, each_dtype, numbers

from nngan.backend import cublas
from nngan.backend.cublas import Gemm, blas_arguments

COPIED = {
    "neither": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "backwards": lambda x: x[:, ::-1].copy()[:, ::-1],
    "upwards": lambda x: x[::-1].copy()[::-1],
}


def fortran_gemm(a, b, out, accumulate):
    """Hand exactly what `blas_arguments` says to Fortran."""
    A, B, C, gemm = blas_arguments(a, b, out)
    rows = gemm.k if gemm.transa else gemm.m, gemm.n if gemm.transb else gemm.k, gemm.m
    assert all(ld >= max(1, n) for ld, n in zip(gemm[-3:], rows, strict=True))  # BLAS's condition
    number = ctypes.c_float if out.dtype == np.float32 else ctypes.c_double
    alpha, beta = ctypes.byref(number(1)), ctypes.byref(number(accumulate))
    a, b, c = A.ctypes.data, B.ctypes.data, C.ctypes.data
    letter = "S" if out.dtype == np.float32 else "D"
    call_fortran(letter, *gemm[:5], alpha, a, gemm.lda, b, gemm.ldb, beta, c, gemm.ldc)
    return A, B, C


@each_dtype
@pytest.mark.parametrize("shape", SHAPES)
def test_fortran_computes_what_numpy_does(shape, dtype):
    m, k, n = shape
    x, y, z = numbers(0, (m, k), dtype), numbers(1, (k, n), dtype), numbers(2, (m, n), dtype)
    makers = itertools.product(LAYOUTS.values(), LAYOUTS.values(), LAYOUTS.values(), [False, True])
    for of_a, of_b, of_out, accumulate in makers:
        a, b, out = of_a(x), of_b(y), of_out(z)
        A, B, C = fortran_gemm(a, b, out, accumulate)
        np.testing.assert_array_equal(out, x @ y + (z if accumulate else 0))
        assert np.shares_memory(C, out)
        assert all(np.shares_memory(X, a) or np.shares_memory(X, b) for X in (A, B))  # no copies


@pytest.mark.parametrize("of_out", ["rows", "columns"])
@pytest.mark.parametrize("layout", COPIED)
def test_what_blas_cannot_read_is_copied(layout, of_out):
    x, y = numbers(0, (4, 3)), numbers(1, (3, 5))
    out = LAYOUTS[of_out](np.zeros((4, 5)))
    a, b = COPIED[layout](x), COPIED[layout](y)
    A, B, _ = fortran_gemm(a, b, out, False)
    np.testing.assert_array_equal(out, x @ y)
    assert not any(np.shares_memory(X, Y) for X in (A, B) for Y in (a, b))


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 3, 0), (2, 0, 3), (0, 0, 0)])
def test_empty_matrices(shape):
    m, k, n = shape
    out = np.ones((m, n))
    fortran_gemm(np.ones((m, k)), np.ones((k, n)), out, False)
    assert (out == 0).all()


def test_an_axis_of_one_element_may_have_any_stride():
    x, one = np.arange(1.0, 4), np.broadcast_to(2.0, (1, 1))
    for a, b in [(x[:, None], one), (one, x[None]), (x[None], x[:, None]), (one, one)]:
        out = np.zeros((len(a), b.shape[1]))
        fortran_gemm(a, b, out, False)
        np.testing.assert_array_equal(out, np.array(a) @ np.array(b))


def test_a_broadcast_row_is_copied():
    row = np.broadcast_to(np.arange(3.0), (4, 3))
    out = np.zeros((4, 4))
    fortran_gemm(row, row.T, out, False)
    assert (out == 5).all()


def test_the_arguments_of_a_layer():
    """Linear's three products on row-major arrays: y = x W, dW = x.T dy, dx = dy W.T."""
    x, W, y = np.ones((64, 784)), np.ones((784, 256)), np.ones((64, 256))
    assert blas_arguments(x, W, y)[3] == Gemm(False, False, 256, 64, 784, 256, 784, 256)
    assert blas_arguments(x.T, y, W)[3] == Gemm(False, True, 256, 784, 64, 256, 784, 256)
    assert blas_arguments(y, W.T, x)[3] == Gemm(True, False, 784, 64, 256, 256, 256, 784)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 3), (4, 5), (2, 5)], r"do not fit: \(2, 3\) @ \(4, 5\) into \(2, 5\)"),
        ([(2, 3), (3, 5), (5, 2)], r"into \(5, 2\)"),
        ([(3,), (3, 5), (1, 5)], r"do not fit: \(3,\)"),
        ([(2, 2, 3), (3, 5), (2, 5)], "do not fit"),
    ],
)
def test_shapes_that_do_not_fit(shapes, message):
    with pytest.raises(ValueError, match=message):
        blas_arguments(*map(np.ones, shapes))


def test_a_result_cannot_be_a_copy():
    with pytest.raises(ValueError, match="out must have contiguous rows or columns, got strides"):
        blas_arguments(np.ones((2, 3)), np.ones((3, 2)), np.ones((4, 4))[::2, ::2])


# -- the handle ------------------------------------------------------------------------------------


class Recorded:
    """cuBLAS that records the names of its calls; the call named `fail` returns an error."""

    def __init__(self, library):
        self.library, self.calls, self.fail = library, [], None

    def __getattr__(self, name):
        if name == "cublasGetStatusName":
            return self.library.cublasGetStatusName

        def call(*arguments):
            self.calls.append(name)
            return 13 if name == self.fail else getattr(self.library, name)(*arguments)

        return call


@pytest.fixture
def library(gpu, monkeypatch):
    library = Recorded(cublas.load_library())
    monkeypatch.setattr(cublas, "load_library", lambda: library)
    return library


@pytest.fixture
def handle(gpu, library):
    return cublas.Cublas(gpu.xp)


CALLS = ["cublasSetStream_v2", "cublasSetWorkspace_v2", "cublasDgemm_v2"]


def product(gpu, handle):
    a = gpu.xp.ones((2, 2))
    handle.gemm(a, a, gpu.xp.zeros((2, 2)))


def test_the_stream_is_set_before_the_workspace_and_both_before_each_call(gpu, handle, library):
    library.calls.clear()
    for stream in (gpu.xp.cuda.Stream(), gpu.xp.cuda.Stream()):
        with stream:
            product(gpu, handle)
    assert library.calls == CALLS * 2


@pytest.mark.parametrize("name", CALLS)
def test_a_failure_has_cublass_name(gpu, handle, library, name):
    library.fail = name
    with pytest.raises(RuntimeError, match=f"{name}: CUBLAS_STATUS_EXECUTION_FAILED"):
        product(gpu, handle)


def test_a_handle_that_cannot_be_made(gpu, library):
    library.fail = "cublasCreate_v2"
    with pytest.raises(RuntimeError, match="cublasCreate_v2: CUBLAS_STATUS_EXECUTION_FAILED"):
        cublas.Cublas(gpu.xp)


def test_the_handle_is_given_back(gpu, library):
    handle = cublas.Cublas(gpu.xp)
    del handle
    gc.collect()
    assert library.calls == ["cublasCreate_v2", "cublasDestroy_v2"]


@pytest.fixture
def found(monkeypatch):
    """What `load_library` asks for, and where it is told to be."""
    asked = SimpleNamespace(name=None, path="/opt/libcublas.so.13", opened=None)

    def load_nvidia_dynamic_lib(name):
        asked.name = name
        return SimpleNamespace(abs_path=asked.path)

    def open_library(path):
        asked.opened = path
        return SimpleNamespace(cublasGetStatusName=SimpleNamespace(restype=ctypes.c_int))

    pathfinder = SimpleNamespace(load_nvidia_dynamic_lib=load_nvidia_dynamic_lib)
    monkeypatch.setitem(sys.modules, "cuda", SimpleNamespace(pathfinder=pathfinder))
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", pathfinder)
    monkeypatch.setattr(ctypes, "CDLL", open_library)
    return asked


def test_the_library_is_the_one_that_cupy_finds(found):
    library = cublas.load_library()
    assert (found.name, found.opened) == ("cublas", "/opt/libcublas.so.13")
    assert library.cublasGetStatusName.restype is ctypes.c_char_p


def test_a_library_without_a_path_is_not_python_itself(found):
    found.path = None
    with pytest.raises(RuntimeError, match="knows no file of cuBLAS"):
        cublas.load_library()
    assert found.opened is None


def test_cuda_pathfinder_has_what_is_asked_of_it():
    pathfinder = pytest.importorskip("cuda.pathfinder", reason="CuPy (no GPU needed) is missing")
    assert "cublas" in pathfinder.SUPPORTED_NVIDIA_LIBNAMES
    assert "abs_path" in pathfinder.LoadedDL.__dataclass_fields__


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("int64", "int64")])
def test_dtypes_that_are_not_multiplied(gpu, handle, dtypes):
    a, b = (gpu.xp.ones((2, 2), dtype) for dtype in dtypes)
    with pytest.raises(TypeError, match=f"not all float32 or float64: {dtypes[0]}, {dtypes[1]}"):
        handle.gemm(a, b, gpu.xp.zeros((2, 2), dtypes[0]))


def test_the_backends_products_are_row_major(gpu):
    a, b = np.ones((3, 2), "float32"), np.ones((2, 4), "float32")
    assert gpu.matmul(gpu.asarray(a), gpu.asarray(b)).flags.c_contiguous
