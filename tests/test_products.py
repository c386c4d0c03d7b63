"""Products by SciPy's BLAS: NumPy's up to rounding, for every layout of matrices in memory."""

import functools
import itertools
import sys

import numpy as np
import pytest

from nngan.backend import NumpyBackend, products

blas = pytest.importorskip("scipy.linalg.blas")
matmul = functools.partial(
    products.by_blas, {np.dtype("float32"): blas.sgemm, np.dtype("float64"): blas.dgemm}
)
LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "neither": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "a part": lambda x: np.pad(x, 3)[3:-3, 3:-3],
}
SHAPES = [(1, 1, 1), (1, 3, 5), (5, 3, 1), (5, 1, 3), (0, 3, 2), (2, 3, 0), (2, 0, 3), (64, 98, 33)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_products_are_numpys(m, k, n, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    expected = x.astype("float64") @ y.astype("float64")
    for first, second in itertools.product(LAYOUTS.values(), repeat=2):
        a, b = first(x), second(y)
        flat = np.full(m * n + 2, np.nan, dtype)  # as the gradients of a network are
        outs = [out(np.full((m, n), np.nan, dtype)) for out in LAYOUTS.values()]
        for out in (None, *outs, flat[1:-1].reshape(m, n)):
            product = matmul(a, b, out=out)
            assert out is None or product is out
            assert product.dtype == dtype
            np.testing.assert_allclose(product, expected, rtol=0, atol=100 * np.finfo(dtype).eps)
        assert np.isnan(flat[[0, -1]]).all()
        np.testing.assert_array_equal(a, x)
        np.testing.assert_array_equal(b, y)


def test_other_products_are_left_to_numpy():
    x = np.arange(4.0).reshape(2, 2)
    mixed = matmul(x.astype("float32"), x)
    assert mixed.dtype == np.float64
    np.testing.assert_array_equal(mixed, x @ x)
    assert matmul(x.astype("float16"), x.astype("float16")).dtype == np.float16
    with pytest.raises(ValueError, match="matmul"):
        matmul(x, np.ones((3, 2)))


def test_an_out_of_another_shape_is_refused():
    x = np.ones((2, 2))
    with pytest.raises(ValueError, match="fixed to 2"):
        matmul(x, x, out=np.ones((3, 2)))


def test_the_numpy_backend_takes_blas_where_numpy_has_none():
    in_a_browser = sys.platform == "emscripten"
    assert (products.matmul is not np.matmul) == in_a_browser
    a, b = np.random.default_rng(0).standard_normal((2, 64, 64)).astype("float32")
    product = NumpyBackend().matmul(a, b)
    np.testing.assert_array_equal(product, matmul(a, b) if in_a_browser else a @ b)
