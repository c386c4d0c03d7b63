"""The benchmark: it runs without PyTorch, and what it reports is what was measured."""

import argparse
import contextlib
import json
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from nngan.backend import BackendUnavailable, CupyBackend, NumpyBackend

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

import benchmark  # noqa: E402
from benchmark_games import CONTESTANTS, Case, images  # noqa: E402


def run(*options, cwd=None):
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "benchmark.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def test_the_script(tmp_path):
    done = run(
        "--recipe", "tf_basic", "--rounds", "2", "--seconds", "0.01",
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


@pytest.mark.parametrize("broken", [dies, fails])
def test_a_contestant_that_fails_leaves_the_race(broken, capsys, monkeypatch):
    """It is said, the others go on, and nothing waits for ever."""

    class Started:  # without processes: a thread of the same program
        def __init__(self, target, args, daemon):
            name, case, end = args
            self.thread = threading.Thread(target=self.run, args=(target, name, case, end))

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

    monkeypatch.setitem(CONTESTANTS, "broken", broken)
    monkeypatch.setattr(multiprocessing, "get_context", lambda how: Context())
    options = argparse.Namespace(threads=1, seconds=0.01, rounds=2)
    times = benchmark.race(Case("tf_basic", 4, width=4), ["broken", "nngan"], options)
    assert list(times) == ["nngan"]
    assert len(times["nngan"]) == 2
    assert "broken cannot run here" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="nngan itself cannot run here"):
        benchmark.race(Case("tf_basic", 4, width=4), ["broken"], options)


def test_the_same_game_in_pytorch():
    pytest.importorskip("torch")
    for name in ("torch eager", "torch eager, fused Adam"):
        d_loss, g_loss = CONTESTANTS[name](Case("pytorch_mlp", 4))()
        assert abs(d_loss.item() - 1.386) < 0.1  # at chance, as every game begins
        assert abs(g_loss.item() - 0.693) < 0.1


def test_pytorchs_limit_has_the_products_of_a_step_and_one_adam(monkeypatch):
    torch = pytest.importorskip("torch")
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
    assert benchmark.ratios(times, "torch eager") == (2, 2, 3)


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
        assert not any(layer.draws for layer in D)  # no dropout


def test_images_are_bytes_of_mnists_size():
    x = images()
    assert x.shape == (60_000, 784)
    assert x.dtype == np.uint8
    assert 20 < x.mean() < 100
