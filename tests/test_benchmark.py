"""The benchmark: it runs without PyTorch, and what it reports is what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


def test_ratios_are_taken_round_by_round():
    times = {"nngan": [1.0, 10.0, 2.0], "torch eager": [2.0, 20.0, 8.0]}
    assert benchmark.ratios(times, "torch eager") == (2, 2, 3)


@pytest.mark.parametrize("case", [Case("tf_basic", 4), Case("pytorch_mlp", 4)])
def test_the_products_are_those_of_a_step(case, monkeypatch):
    """The limit is counted on the step itself: the same shapes, as often."""
    from nngan.backend import NumpyBackend

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
