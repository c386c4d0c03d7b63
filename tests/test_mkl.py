"""`MklBackend`: its kernels as Python everywhere, the rest where MKL is installed."""

import ctypes
import inspect
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from games import ALIKE, GAMES, play

import nngan as nn
from nngan.backend import BackendUnavailable, get_backend
from nngan.backend import mkl as mkl_module
from nngan.backend.loops import LOOPS
from nngan.layers import activations

FORMULAS = [
    activations.relu, activations.relu_backward,
    activations.leaky_relu, activations.leaky_relu_backward,
]  # fmt: skip
PRODUCTS = [
    (1, 1, 1),
    (1, 3, 5),
    (5, 3, 1),
    (5, 1, 3),
    (0, 3, 2),
    (2, 3, 0),
    (2, 0, 3),
    (64, 32, 16),
    (300, 784, 257),
]


@pytest.fixture(scope="module")
def mkl():
    try:
        return get_backend("mkl")
    except BackendUnavailable as error:
        pytest.skip(str(error))


def kernel_of(formula):
    return LOOPS[formula]


def case(formula, dtype, slope=0.2):
    """Return arrays of all sizes and signs, each special number beside each, and the numbers."""
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-44, -1e-44]
    if slope == 0:
        special.remove(np.inf)  # 0 * inf is no number in the formula; a kernel does not multiply
    parameters = inspect.signature(formula).parameters
    arrays = [
        np.concatenate([rng.standard_normal(99) * 10.0 ** rng.integers(-8, 3, 99), pairs])
        for pairs in (np.repeat(special, len(special)), np.tile(special, len(special)))
    ][: len(parameters) - ("slope" in parameters)]
    numbers = {"slope": slope} if "slope" in parameters else {}
    return [array.astype(dtype) for array in arrays], numbers


def assert_is_the_formulas(result, formula, arrays, numbers):
    with np.errstate(invalid="ignore"):  # 0 * inf
        expected = formula(*arrays, **numbers)
    np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(expected.dtype).eps, atol=0)


# -- kernels -----------------------------------------------------------------------------------


def test_every_kernel_has_the_arguments_of_its_formula():
    for formula in FORMULAS:
        expected, (*names,) = inspect.signature(formula).parameters, inspect.signature(
            kernel_of(formula)
        ).parameters  # fmt: skip
        arrays = [name for name in expected if name != "slope"]
        assert names[: len(arrays)] == arrays
        assert names[len(arrays) + 1 :] == [name for name in expected if name == "slope"]


@pytest.mark.parametrize("slope", [0, 0.2, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__)
def test_a_kernels_body_computes_its_formula(formula, dtype, slope):
    arrays, numbers = case(formula, dtype, slope)
    result = np.full_like(arrays[0], 9)
    with np.errstate(invalid="ignore"):
        kernel_of(formula)(*arrays, result, *map(np.dtype(dtype).type, numbers.values()))
    assert_is_the_formulas(result, formula, arrays, numbers)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__)
def test_compiled_it_computes_the_same(mkl, formula, dtype, order):
    arrays, numbers = case(formula, dtype)
    arrays = [np.asarray(array.reshape(-1, 2), order=order) for array in arrays]
    result = mkl.elementwise(formula, *arrays, **numbers)
    assert result.dtype == dtype
    assert result.flags.c_contiguous
    assert_is_the_formulas(result, formula, arrays, numbers)


def test_a_formula_without_a_kernel_runs_as_it_is(mkl):
    np.testing.assert_array_equal(mkl.elementwise(lambda x, a: a * x, np.ones(3), a=2.0), [2, 2, 2])


@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("int64", "int64"), (">f4", ">f4")])
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__)
def test_arrays_of_other_dtypes_get_the_formula(mkl, formula, dtypes):
    arrays, numbers = case(formula, "float64", 0.5)
    arrays = [
        np.nan_to_num(array[:100]).astype(dtype)
        for array, dtype in zip(arrays, dtypes, strict=False)
    ]
    try:
        expected = formula(*arrays, **numbers)
    except TypeError:  # which NumPy raises for a fraction in an array of integers
        with pytest.raises(TypeError):
            mkl.elementwise(formula, *arrays, **numbers)
        return
    result = mkl.elementwise(formula, *arrays, **numbers)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_arrays_of_several_shapes_are_refused(mkl):
    with pytest.raises(ValueError, match="arrays of one shape are wanted"):
        mkl.elementwise(activations.relu_backward, np.ones((2, 3)), np.ones((2, 2)))


# -- products ----------------------------------------------------------------------------------


@pytest.fixture
def no_product_by_numpy(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("NumPy was asked for a product")

    monkeypatch.setattr(nn.NumpyBackend, "matmul", refuse)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize(("m", "k", "n"), PRODUCTS)
@pytest.mark.usefixtures("no_product_by_numpy")
def test_products_in_every_layout(mkl, m, k, n, dtype, rtol):
    rng = np.random.default_rng(0)
    A, B = rng.uniform(0.5, 1, (m, k)), rng.uniform(0.5, 1, (k, n))
    wide_a, wide_b = np.zeros((m, k + 3), dtype), np.zeros((k + 2, n), dtype)
    wide_a[:, :k], wide_b[:k] = A, B
    for a in (*(np.asarray(A, dtype, order=order) for order in "CF"), wide_a[:, :k]):
        for b in (*(np.asarray(B, dtype, order=order) for order in "CF"), wide_b[:k]):
            product = mkl.matmul(a, b)
            assert (product.dtype, product.flags.c_contiguous) == (dtype, True)
            np.testing.assert_allclose(product, A @ B, rtol=rtol)
            for order in "CF":
                out = np.full((m, n), np.nan, dtype, order=order)
                assert mkl.matmul(a, b, out=out) is out
                np.testing.assert_allclose(out, A @ B, rtol=rtol)
                assert mkl.matmul(a, b, out=out, accumulate=True) is out
                np.testing.assert_allclose(out, 2 * (A @ B), rtol=rtol)


def test_products_that_do_not_fit_are_refused(mkl):
    a, b = np.ones((2, 3), "float32"), np.ones((3, 4), "float32")
    with pytest.raises(ValueError, match=r"shapes do not fit: \(2, 3\) @ \(2, 3\)"):
        mkl.matmul(a, a)
    with pytest.raises(ValueError, match=r"do not fit: .* into \(4, 2\)"):
        mkl.matmul(a, b, out=np.empty((4, 2), "float32"))


def test_what_is_read_only_stays_as_it_is(mkl):
    out = np.zeros((2, 4), "float32")
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        mkl.matmul(np.ones((2, 3), "float32"), np.ones((3, 4), "float32"), out=out)
    assert not out.any()


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("out", [None, "float32", "float64"])
@pytest.mark.parametrize(
    ("a", "b"),
    [("float32", "float64"), ("float64", "float32"), ("float32", "float32"), ("int64", "float64")],
)
def test_dtypes_that_differ(mkl, a, b, out, accumulate):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-5, 5, (40, 30)).astype(a), rng.integers(-5, 5, (30, 20)).astype(b)
    if out is None:
        product = mkl.matmul(a, b)
        assert product.dtype == (a @ b).dtype
        np.testing.assert_array_equal(product, a @ b)
        return
    out = np.ones((40, 20), out)
    try:
        expected = nn.NumpyBackend().matmul(a, b, out.copy(), accumulate)
    except TypeError:  # NumPy rounds to float32 only when it is told to
        with pytest.raises(TypeError):
            mkl.matmul(a, b, out, accumulate)
        return
    assert mkl.matmul(a, b, out, accumulate) is out
    np.testing.assert_array_equal(out, expected)


def test_operands_that_are_read_only_or_not_aligned(mkl):
    memory = np.zeros(4 * 6 + 1, np.uint8)
    a = memory[1:].view("float32").reshape(2, 3)
    a[...] = [[1, 2, 3], [4, 5, 6]]
    b = np.eye(3, dtype="float32")
    b.flags.writeable = False
    np.testing.assert_array_equal(mkl.matmul(a, b), [[1, 2, 3], [4, 5, 6]])
    assert not a.flags.aligned


def test_a_product_has_the_same_bits_at_every_address(mkl):
    rng = np.random.default_rng(0)

    def at(offset, values):
        memory = np.empty(values.size + 16, values.dtype)
        start = (-(memory.ctypes.data // 4) % 16 + offset) % 16
        placed = memory[start : start + values.size].reshape(values.shape)
        placed[...] = values
        return placed

    a, b = (rng.standard_normal(shape, dtype="float32") for shape in ((61, 300), (300, 47)))
    first = mkl.matmul(a, b)
    for offset in range(16):
        out = at(15 - offset, first)
        mkl.matmul(at(offset, a), at(3 * offset % 16, b), out=out)
        np.testing.assert_array_equal(out, first)


def test_mkl_was_told_to_keep_to_its_bits(mkl):
    """On some processors it would anyway: the test above cannot tell."""
    assert mkl_module.load_library().MKL_CBWR_Get(mkl_module.CBWR_BRANCH) == mkl_module.CBWR_AUTO


# -- games -------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", ALIKE)
def test_a_game_is_numpys_up_to_rounding(mkl, game):
    for a, b in zip(play(mkl, game, 20), play(nn.NumpyBackend(), game, 20), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("game", GAMES)
def test_a_game_is_the_same_to_the_bit_every_time(mkl, game):
    for a, b in zip(play(mkl, game, 10), play(mkl, game, 10), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_asks_numpys_backend_for_no_product(mkl, no_product_by_numpy):
    clock, *_ = play(mkl, "pytorch_mlp", 2)
    assert clock == 2


# -- threads, and what is missing ---------------------------------------------------------------


def run(script, **environment):
    kept = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False,
        env={**kept, **environment}, timeout=600,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


PLAY = """
import numpy as np, nngan as nn
from nngan.backend import mkl as mkl_module

def play():
    backend = nn.MklBackend()
    backend.matmul(np.ones((500, 500)), np.ones((500, 500)))
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), backend=backend)
    nn.Adam().bind(net).step()
    return net
"""


@pytest.mark.usefixtures("mkl")
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"MKL_NUM_THREADS": "1"},
        {"NUMBA_NUM_THREADS": "1"},
        {"NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "2"},
    ],
)
def test_products_and_loops_share_one_pool_of_threads(variables):
    layer, loops, products, *maps = run(
        PLAY + "import numba; play(); maps = open('/proc/self/maps').read();"
        "print(numba.threading_layer(), numba.get_num_threads(),"
        "mkl_module.load_library().MKL_Get_Max_Threads(),"
        "*(name in maps for name in ('libmkl_gnu_thread', 'libmkl_intel_thread', 'libiomp5')))",
        **variables,
    )
    assert (layer, *maps) == ("omp", "True", "False", "False")
    assert loops == products
    assert loops == "1" if variables else int(loops) <= len(os.sched_getaffinity(0))


@pytest.mark.usefixtures("mkl")
@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("use", ["nn.MklBackend()", "net.forward(x)", "adam.step()"])
def test_after_a_fork_it_says_so(use, twice):
    said = run(
        PLAY
        + f"""
import os
net, x = play(), np.ones((2, 3), "float32")
adam = nn.Adam().bind(net)
if os.fork() == 0:
    if {twice} and os.fork() != 0:
        os.wait()
        os._exit(0)
    try:
        {use}
    except nn.BackendUnavailable as error:
        print("spawn" in str(error), flush=True)
    os._exit(0)
os.wait()
net.forward(x)
"""
    )
    assert said == ["True"]


@pytest.mark.usefixtures("mkl")
def test_a_fork_before_it_was_made_is_no_matter():
    script = """
import os
if os.fork() == 0:
    print(play().backend.name, flush=True)
    os._exit(0)
os.wait()
"""
    assert run(PLAY + script) == ["mkl"]


@pytest.mark.usefixtures("mkl")
def test_where_numba_has_other_threads_it_says_so():
    said = run(
        PLAY
        + """
import numba
numba.config.THREADING_LAYER = "workqueue"

@numba.njit(parallel=True)
def loop(x):
    for i in numba.prange(x.size):
        x[i] += 1

loop(np.zeros(9))
try:
    nn.MklBackend()
except nn.BackendUnavailable as error:
    print("workqueue" in str(error))
"""
    )
    assert said == ["True"]


@pytest.mark.usefixtures("mkl")
def test_where_mkl_has_other_threads_it_says_so():
    said = run(
        PLAY
        + """
import ctypes
from importlib import metadata
path = next(file.locate() for file in metadata.files("mkl") if "libmkl_rt.so" in file.name)
mkl = ctypes.CDLL(str(path))
mkl.MKL_Set_Threading_Layer(1)  # MKL_THREADING_SEQUENTIAL
mkl.MKL_Get_Max_Threads()
try:
    nn.MklBackend()
except nn.BackendUnavailable as error:
    print("in use" in str(error))
"""
    )
    assert said == ["True"]


def test_without_numba_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BackendUnavailable, match="pip install numba, or use backend="):
        get_backend("mkl")


@pytest.mark.parametrize("files", [None, []])
def test_without_mkl_it_says_what_to_type(monkeypatch, files):
    def installed(name):
        if files is None:
            raise metadata.PackageNotFoundError(name)
        return files

    monkeypatch.setattr(metadata, "files", installed)
    with pytest.raises(BackendUnavailable, match=r"pip install mkl \(Linux"):
        mkl_module.load_library()


def test_without_gnus_openmp_it_says_what_to_type(monkeypatch):
    class File:
        name = "libmkl_rt.so.3"

        def locate(self):
            return self.name

    def load(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(metadata, "files", lambda name: [File()])
    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(BackendUnavailable, match=r"\(libgomp.so.1: .*apt-get install libgomp1"):
        mkl_module.load_library()


def test_it_is_loaded_when_it_is_asked_for_and_not_before():
    script = "import nngan; nngan.NumpyBackend(); print('libmkl' in open('/proc/self/maps').read())"
    assert run(script) == ["False"]
