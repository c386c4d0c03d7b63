"""The kernels of `NumbaBackend`: as Python everywhere, compiled where Numba is installed."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from games import GAMES, play

import nngan as nn
from nngan import optim
from nngan.backend import BackendUnavailable, get_backend
from nngan.backend.loops import LOOPS
from nngan.game import steps

FORMULAS = {LOOPS[formula]: formula for formula in (optim.adam, optim.sgd, steps.moving_average)}
NUMBERS = {"rate": 2e-4, "eps": 1e-8, "beta1": 0.5, "beta2": 0.999, "lr": 0.1, "momentum": 0.9,
           "share": 0.1}  # fmt: skip


@pytest.fixture(scope="module")
def numba():
    try:
        return get_backend("numba")
    except BackendUnavailable as error:
        pytest.skip(str(error))


def names(kernel):
    """Return the arrays and the numbers that a kernel takes, `least` left out."""
    *parameters, least = inspect.signature(kernel).parameters.items()
    assert least[0] == "least"
    arrays = [name for name, p in parameters if p.annotation == "Array"]
    return arrays, [name for name, _ in parameters if name not in arrays]


def case(kernel, dtype, seed=0):
    """Return arrays and numbers for a kernel: of all sizes, a second moment is positive."""
    rng = np.random.default_rng(seed)
    array_names, number_names = names(kernel)
    arrays = [(rng.standard_normal(99) * 10.0 ** rng.integers(-8, 3, 99)).astype(dtype)
              for _ in array_names]  # fmt: skip
    if kernel is optim.adam_loop:
        arrays[array_names.index("v")] **= 2
    return arrays, [np.array([NUMBERS[name]], dtype) for name in number_names]


def by_formula(kernel, arrays, numbers):
    arrays = [a.copy() for a in arrays]
    nn.NumpyBackend().update_in_place(FORMULAS[kernel], arrays, *numbers)
    return arrays


def test_every_kernel_has_the_arguments_of_its_formula():
    for kernel, formula in FORMULAS.items():
        backend, *expected = inspect.signature(formula).parameters
        assert [*expected, "least"] == list(inspect.signature(kernel).parameters)
        assert backend == "backend"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", FORMULAS, ids=lambda kernel: kernel.__name__)
def test_a_kernels_body_computes_the_formula_to_the_bit(kernel, dtype):
    arrays, numbers = case(kernel, dtype)
    ours = [a.copy() for a in arrays]
    kernel(*ours, *(number[0] for number in numbers), np.dtype(dtype).type(1e-30))
    for a, b in zip(ours, by_formula(kernel, arrays, numbers), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", FORMULAS, ids=lambda kernel: kernel.__name__)
def test_compiled_it_computes_the_same_bits(numba, kernel, dtype):
    arrays, numbers = case(kernel, dtype)
    ours = [a.copy() for a in arrays]
    numba.update_in_place(FORMULAS[kernel], ours, *numbers)
    for a, b in zip(ours, by_formula(kernel, arrays, numbers), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == dtype


def test_a_number_of_pythons_is_taken_in_the_dtype_of_the_arrays(numba):
    arrays, numbers = case(optim.adam_loop, "float32")
    ours = [a.copy() for a in arrays]
    rate, eps, *_ = numbers
    numba.update_in_place(optim.adam, ours, rate, eps, NUMBERS["beta1"], NUMBERS["beta2"])
    for a, b in zip(ours, by_formula(optim.adam_loop, arrays, numbers), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 1e-38), ("float64", 1e-308)])
@pytest.mark.parametrize("optimizer", [nn.Adam(0.1), nn.SGD(0.1, 0.9)], ids=["adam", "sgd"])
def test_moments_that_nobody_feeds_become_zero(numba, optimizer, dtype, tiny):
    net = nn.Sequential(nn.Linear(20, 10), dtype=dtype, backend=numba)
    optimizer.bind(net)
    for name in "mv":
        if name in optimizer.state:
            optimizer.state[name].fill(tiny)
    optimizer.step()
    assert all(not optimizer.state[name].any() for name in "mv" if name in optimizer.state)


def test_what_is_not_a_number_stays_so(numba):
    net = nn.Sequential(nn.Linear(2, 1), backend=numba)
    net.grads[0] = np.nan
    nn.Adam().bind(net).step()
    assert np.isnan(net.params[0])
    assert np.isfinite(net.params[1:]).all()


@pytest.mark.parametrize("game", GAMES)
def test_a_game_is_numpys_game_to_the_bit(numba, game):
    for a, b in zip(play(numba, game, 20), play(nn.NumpyBackend(), game, 20), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("first", ["numba", "numpy"])
def test_a_run_goes_on_with_the_other(numba, tmp_path, first):
    x = np.random.default_rng(0).uniform(0, 1, (64, 64)).astype("float32")

    def run(*backends):
        gan = GAMES["k=2, Adam"](backend=backends[0])
        for i, backend in enumerate(backends):
            if i:
                gan.save(tmp_path / "gan.npz")
                gan = nn.GAN.load(tmp_path / "gan.npz", backend=backend)
            gan.fit(x, epochs=2, batch_size=8, progress=False)
        return gan

    mixed = run(first, {"numba": "numpy", "numpy": "numba"}[first])
    pure = run("numpy", "numpy")
    for name in "GD":
        np.testing.assert_array_equal(getattr(mixed, name).params, getattr(pure, name).params)
    assert mixed.history == pure.history


def test_anothers_function_of_the_same_name_is_his_own(numba):
    def adam(backend, a):
        a += 1

    a = np.zeros(3, "float32")
    numba.update_in_place(adam, [a])
    assert a.tolist() == [1, 1, 1]


def test_arrays_of_several_lengths_are_refused(numba):
    a, b = np.zeros(3, "float32"), np.zeros(2, "float32")
    with pytest.raises(ValueError, match="arrays of one shape are wanted"):
        numba.update_in_place(steps.moving_average, [a, b], np.ones(1, "float32"))


def test_a_moment_that_is_negligible_is_cleared_at_once(numba):
    """NumPy waits until one of its block underflows: that is all in which the two differ."""
    held = {}
    for backend in numba, nn.NumpyBackend():
        net = nn.Sequential(nn.Linear(20, 10), backend=backend)
        optimizer = nn.Adam().bind(net)
        optimizer.state["m"].fill(1e-35)
        optimizer.step()
        held[backend.name] = float(optimizer.state["m"].max())
    assert held == {"numba": 0, "numpy": pytest.approx(5e-36)}


def test_without_numba_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BackendUnavailable, match="pip install numba, or use backend="):
        get_backend("numba")


def test_it_is_imported_when_it_is_asked_for_and_not_before():
    script = "import sys, nngan; nngan.NumpyBackend(); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
