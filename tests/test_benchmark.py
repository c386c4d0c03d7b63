"""The benchmark: it runs without PyTorch, and what it reports is what was measured."""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import nngan as nn
from nngan.backend import BACKENDS, BackendUnavailable, CupyBackend, Key, NumpyBackend

ROOT = Path(__file__).parent.parent
BENCHMARK = ROOT / "examples" / "benchmark"
sys.path.insert(0, str(BENCHMARK))

import race  # noqa: E402
from case import IMAGES, Case, images  # noqa: E402
from contestants import CONTESTANTS  # noqa: E402
from jax_game import JaxGame  # noqa: E402
from tensorflow_game import TensorflowGame  # noqa: E402


def run(*options, cwd=None):
    command = [sys.executable, "-W", "error", str(BENCHMARK / "race.py"), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=600
    )


def test_the_script(tmp_path):
    done = run(
        "--backend", "numpy", "--recipe", "tf_basic", "--rounds", "2", "--seconds", "0.01",
        "--json", "figures.json", "--plot", "figures.png", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "figures.json").read_text())
    [result] = report["results"]
    assert result["batch"] == 100
    for name in ("nngan", "nngan, simultaneous", "matrix products"):
        times = result["contestants"][name]
        assert len(times) == 2
        assert min(times) > 0
        assert f"{np.median(times):.3f}" in done.stdout
    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("options", [["--rounds", "0"], ["--threads", "0"], ["--seconds", "-1"]])
def test_mistakes_get_one_clear_sentence(options):
    done = run(*options)
    assert done.returncode == 2
    assert "must be" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("options", [["--recipe", "tf_basic"], ["--compile"]])
def test_a_sweep_has_games_of_its_own(options):
    done = run("--sweep", "width", *options)
    assert done.returncode == 2
    assert "leave --recipe and --compile out" in done.stderr


@pytest.mark.parametrize(
    ("missing", "fastest"), [([], "mkl"), (["mkl"], "numba"), (["mkl", "numba"], "numpy")]
)
def test_the_fastest_backend_that_is_installed_is_timed(missing, fastest, monkeypatch):
    def missing_one():
        raise BackendUnavailable("not installed")

    for name in ("mkl", "numba"):
        one = missing_one if name in missing else type(name, (NumpyBackend,), {"name": name})
        monkeypatch.setitem(BACKENDS, name, one)
    monkeypatch.setattr(sys, "argv", ["race.py"])
    assert race.parse_options().backend == fastest


def test_our_backends_race_alone(monkeypatch, capsys):
    monkeypatch.setitem(BACKENDS, "mkl", type("mkl", (NumpyBackend,), {"name": "mkl"}))
    monkeypatch.setattr(sys, "argv", ["race.py", "--backend", "mkl", "--ours"])
    names = race.contestants(race.parse_options())
    assert names == ["nngan", "nngan, Numba", "nngan, NumPy"]
    assert capsys.readouterr().out == ""  # nothing about libraries that are not there


def test_a_gpu_that_is_not_there():
    try:
        CupyBackend()
    except BackendUnavailable as error:
        reason = str(error)
    else:
        pytest.skip("there is one")
    done = run("--backend", "cupy")
    assert done.returncode == 2
    assert reason[:30] in " ".join(done.stderr.split())


def dies(case):
    return lambda: sys.exit(0)


def fails(case):
    raise RuntimeError("not today")


LIBRARIES = ("OPENBLAS", "MKL", "OMP", "NUMBA")


@pytest.fixture
def in_threads(monkeypatch):
    """Run the contestants in threads of this process: there a test can watch them."""

    class Started:
        def __init__(self, target, args, daemon):
            name, case, end = args
            self.thread = threading.Thread(
                target=self.run, args=(target, name, case, end), daemon=daemon
            )

        def run(self, target, name, case, end):
            with contextlib.suppress(SystemExit):
                target(name, case, end)
            end.really_close()

        def start(self):
            self.thread.start()

    class Context:
        Process = Started

        def Pipe(self):
            parent, child = multiprocessing.Pipe()
            child = Kept(child)
            return parent, child

    class Kept:  # a thread shares the pipe's end, which the parent closes for itself
        def __init__(self, end):
            self.end, self.send, self.recv = end, end.send, end.recv

        def close(self):
            pass

        def really_close(self):
            self.end.close()

    monkeypatch.setattr(multiprocessing, "get_context", lambda how: Context())
    for library in LIBRARIES:  # a race sets them: as they were afterwards
        monkeypatch.setenv(f"{library}_NUM_THREADS", "7")


@pytest.mark.parametrize("broken", [dies, fails])
def test_a_contestant_that_fails_leaves_the_race(broken, capsys, monkeypatch, in_threads):
    """It is said, the others go on, and nothing waits for ever."""
    monkeypatch.setitem(CONTESTANTS, "broken", broken)
    options = argparse.Namespace(threads=1, seconds=0.01, rounds=2)
    times = race.race(Case("tf_basic", 4, width=4), ["broken", "nngan"], options)
    assert list(times) == ["nngan"]
    assert len(times["nngan"]) == 2
    assert "broken cannot run here" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="nngan itself cannot run here"):
        race.race(Case("tf_basic", 4, width=4), ["broken"], options)


def test_a_race_is_run_in_turns(monkeypatch, in_threads):
    """What is measured is a step's time once it has settled, and nobody always begins."""
    turns, clock = [], [0.0]  # a clock of the test's own: no machine is too slow for it
    monkeypatch.setattr(race.time, "perf_counter", lambda: clock[0])

    def sleeper(name, ms):
        def contestant(case):
            assert {os.environ[f"{library}_NUM_THREADS"] for library in LIBRARIES} == {"3"}
            calls = itertools.count()

            def step():
                settling = next(calls) < 5 or turns[-1] != name
                clock[0] += 1.0 if settling else 1e-3 * ms
                turns.append(name)

            return step

        return contestant

    monkeypatch.setitem(CONTESTANTS, "nngan", sleeper("nngan", 5))
    monkeypatch.setitem(CONTESTANTS, "slow", sleeper("slow", 20))
    options = argparse.Namespace(threads=3, seconds=0.1, rounds=4)
    times = race.race(Case("tf_basic", 4), ["nngan", "slow"], options)
    np.testing.assert_allclose(times["nngan"], [5] * 4)
    np.testing.assert_allclose(times["slow"], [20] * 4)
    # A turn of 0.1 s is run twice, once to settle: 40 steps and 10, in two orders.
    steps = [(name, len(list(run))) for name, run in itertools.groupby(turns[-200:])]
    assert steps == [("nngan", 40), ("slow", 20), ("nngan", 80), ("slow", 20), ("nngan", 40)]


@pytest.fixture
def torch():
    """PyTorch, with the settings that a contestant makes undone afterwards."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    yield torch
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


class Watched:
    """What a contestant has made: the optimizers, and with them every parameter."""

    def __init__(self, torch, monkeypatch):
        self.optimizers, made = [], torch.optim.Adam

        def adam(*args, **options):
            self.optimizers.append(made(*args, **options))
            return self.optimizers[-1]

        monkeypatch.setattr(torch.optim, "Adam", adam)

    def params(self):
        """Return the parameters of G and of D, flat, in nngan's order and layout."""
        return [
            np.concatenate([p.detach().numpy().T.ravel() for p in adam.param_groups[0]["params"]])
            for adam in self.optimizers
        ]


@pytest.mark.parametrize(
    "name", [name for name in CONTESTANTS if "eager" in name or "fused" in name]
)
@pytest.mark.parametrize("case", [Case("tf_basic", 32), Case("pytorch_mlp", 32)])
def test_the_same_game_in_pytorch(name, case, torch, monkeypatch):
    """From one start, one minibatch and one noise, the same update of both players."""
    same_fakes, games, noise, watched = "same" in name, [], [], Watched(torch, monkeypatch)
    order = torch.from_numpy(NumpyBackend().permutation(Key(0), IMAGES))
    monkeypatch.setattr(torch, "randperm", lambda n, device: order)
    monkeypatch.setattr(torch, "randn", lambda *shape, device: torch.from_numpy(noise.pop(0)))

    class Game(nn.GAN):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            games.append(self)

        def noise(self, n, i=0):
            z = super().noise(n, 0 if same_fakes else i)
            noise.append(z)
            return z

    monkeypatch.setattr(nn, "GAN", Game)
    ours, theirs = CONTESTANTS["nngan"](case), CONTESTANTS[name](case)
    [gan] = games
    for adam, net in zip(watched.optimizers, (gan.G, gan.D), strict=True):
        assert adam.defaults["fused"] is ("fused" in name)
        assert adam.defaults["eps"] == gan.d_optimizer.eps
        assert adam.defaults["betas"] == (gan.d_optimizer.beta1, gan.d_optimizer.beta2)
        assert adam.defaults["lr"] == gan.d_optimizer.lr
        assert net.params.dtype == np.float32
    before = [net.params.copy() for net in (gan.G, gan.D)]
    for start, params in zip(before, watched.params(), strict=True):
        np.testing.assert_array_equal(params, start)
    for step in range(2):  # in the second, gradients of the first would be left
        ours()
        drawn = len(noise)
        losses = theirs()
        assert (drawn, len(noise)) == (2, 1 if same_fakes else 0)
        noise.clear()
        np.testing.assert_allclose(losses, gan.log[step, :2], rtol=1e-4)
    for net, start, params in zip((gan.G, gan.D), before, watched.params(), strict=True):
        # Adam moves by lr times the sign of the gradient at first: where that is zero but for
        # rounding, the two go apart.
        assert np.mean(np.abs(params - net.params) > 1e-5) < 1e-4
        assert np.mean(np.abs(params - start) > 1e-5) > 0.5


WATCHED = []


class Watching(nn.GAN):
    """A game that keeps the noise that it has drawn."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.drawn = []
        WATCHED.append(self)

    def noise(self, n, i=0):
        self.drawn.append(super().noise(n, i))
        return self.drawn[-1]


def flat(arrays):
    return np.concatenate([np.asarray(a).ravel() for a in arrays])


def assert_same_game(case, monkeypatch, make, steps=2):
    """From one start, one minibatch and one noise, the same update of both players.

    ``make(noise, order)`` makes the other game, which draws these numbers, and returns its step and
    a function that returns its weights.
    """
    monkeypatch.setattr(nn, "GAN", Watching)
    ours = CONTESTANTS["nngan"](case)
    gan = WATCHED.pop()
    before = flat([gan.G.params, gan.D.params])
    for _ in range(steps):
        ours()
    theirs, weights = make(gan.drawn, NumpyBackend().permutation(Key(0), IMAGES))
    np.testing.assert_array_equal(weights(), before)
    for step in range(steps):
        np.testing.assert_allclose(theirs(), gan.log[step, :2], rtol=1e-4)
    after = flat([gan.G.params, gan.D.params])
    # Adam moves by lr times the sign of the gradient at first: where that is zero but for rounding,
    # the two go apart.
    assert np.mean(np.abs(weights() - after) > 1e-5) < 1e-4
    assert np.mean(np.abs(after - before) > 1e-5) > 0.5


@pytest.mark.parametrize("optax", [False, True])
@pytest.mark.parametrize("case", [Case("tf_basic", 32), Case("pytorch_mlp", 32)])
def test_the_same_game_in_jax(optax, case, monkeypatch):
    jnp = pytest.importorskip("jax.numpy")
    if optax:
        pytest.importorskip("optax")

    def make(noise, order):
        pairs = jnp.asarray(noise).reshape(2, 2, case.batch, -1)
        monkeypatch.setattr(JaxGame, "noise", lambda self, key, number: pairs[number])
        monkeypatch.setattr(JaxGame, "permutation", lambda self: jnp.asarray(order))
        game = JaxGame(case, optax)
        return game, lambda: flat(
            array for state in game.states for layer in game.params(state) for array in layer
        )

    assert_same_game(case, monkeypatch, make)


@pytest.mark.parametrize("case", [Case("tf_basic", 32), Case("pytorch_mlp", 32)])
def test_the_same_game_in_tensorflow(case, monkeypatch):
    tf = pytest.importorskip("tensorflow")

    def make(noise, order):
        tf.config.run_functions_eagerly(True)
        monkeypatch.setattr(TensorflowGame, "noise", lambda self: tf.constant(noise.pop(0)))
        monkeypatch.setattr(TensorflowGame, "permutation", lambda self: order)
        game = TensorflowGame(case)
        return game, lambda: flat(v for n in (game.G, game.D) for v in n.trainable_variables)

    try:
        # In the first step this is nngan's 1e-8: Keras adds it before the moment is corrected.
        monkeypatch.setattr(TensorflowGame, "epsilon", 1e-8 * (1 - 0.999) ** 0.5)
        assert_same_game(case, monkeypatch, make, steps=1)
    finally:
        tf.config.run_functions_eagerly(False)


SETTINGS = """
from case import Case
from contestants import CONTESTANTS
CONTESTANTS[{name!r}](Case("tf_basic", 4, threads=3, flush_denormals={flush}))
import torch
bits = torch.ones(1_000_000, dtype=torch.int32)  # the smallest number; a float is flushed
product = bits.view(torch.float32) * 1  # on all threads
print(torch.get_num_threads(), (product.view(torch.int32) != 0).sum().item())
"""


@pytest.mark.parametrize(("flush", "left"), [(True, 0), (False, 1_000_000)])
@pytest.mark.parametrize("name", ["torch eager", "torch, products and Adam"])
def test_pytorchs_threads_and_subnormal_numbers(name, flush, left):
    """In a process of its own, as in a race: threads keep what they were started with."""
    pytest.importorskip("torch")
    code = SETTINGS.format(name=name, flush=flush)
    path = os.pathsep.join([str(ROOT), str(BENCHMARK)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.stdout.split() == ["3", str(left)], done.stderr


def test_pytorchs_limit_has_the_products_of_a_step_and_one_adam(torch, monkeypatch):
    case, shapes, steps = Case("pytorch_mlp", 4), {}, []
    mm, adam = torch.mm, torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: steps.append(1) or adam(self))
    for name, module, product in (
        ("matrix products", NumpyBackend, NumpyBackend.matmul),
        ("torch, products and Adam", torch, mm),
    ):
        shapes[name] = []

        def spy(*args, out=None, made=shapes[name], product=product):
            made.append((*args[-2].shape, args[-1].shape[1]))
            return product(*args, out=out)

        step = CONTESTANTS[name](case)
        with monkeypatch.context() as patch:
            patch.setattr(module, product.__name__, spy)
            step()
    assert shapes["torch, products and Adam"] == shapes["matrix products"] != []
    assert len(steps) == 1


def test_ratios_are_taken_round_by_round():
    times = {"nngan": [1.0, 10.0, 2.0], "torch eager": [2.0, 20.0, 8.0]}
    assert race.ratios(times, "torch eager") == (2, 2, 3)


@pytest.mark.parametrize("case", [Case("tf_basic", 4), Case("pytorch_mlp", 4)])
def test_the_products_are_those_of_a_step(case, monkeypatch):
    """The limit is counted on the step itself: the same shapes, as often."""
    counted = {}
    for name in ("nngan", "matrix products"):
        step, shapes = CONTESTANTS[name](case), []
        matmul = NumpyBackend.matmul

        def spy(self, a, b, *args, shapes=shapes, matmul=matmul, **options):
            shapes.append((*a.shape, b.shape[1]))
            return matmul(self, a, b, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(NumpyBackend, "matmul", spy)
            step()
        counted[name] = sorted(shapes)
    assert counted["nngan"] == counted["matrix products"]


def test_every_sweep_has_its_networks():
    for case, layers in (
        (Case("tf_basic", 8, width=32), 2),
        (Case("tf_basic", 8, width=32, depth=3), 4),
        (Case("pytorch_mlp", 8), 4),
    ):
        G, D, z = case.layers()
        linear = [[layer for layer in net if layer.size] for net in (G, D)]
        assert [len(net) for net in linear] == [layers, layers]
        assert linear[0][0].n_in == z
        assert not any(layer.is_random for layer in D)  # no dropout


def test_images_are_bytes_of_mnists_size():
    x = images()
    assert x.shape == (60_000, 784)
    assert x.dtype == np.uint8
    assert 20 < x.mean() < 100
