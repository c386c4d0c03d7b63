"""What test_wasm.py runs in Pyodide beside files of the suite."""

import json
import os
import sys

import numpy as np
import pytest

import nngan as nn


def ring_losses():
    """Return the losses of a short game with R1: the same everywhere, up to rounding."""
    history = ring_game().fit(nn.datasets.ring(2560)[0], 4, 128, progress=False)
    return [*history["d_loss"], *history["g_loss"]]


def ring_game():
    G = nn.Sequential(nn.Linear(2, 32, "he"), nn.LeakyReLU(0.2), nn.Linear(32, 2), seed=1)
    D = nn.Sequential(nn.Linear(2, 32, "he"), nn.LeakyReLU(0.2), nn.Linear(32, 1), seed=2)
    adam = {"lr": 1e-3, "beta1": 0.5}
    return nn.GAN(G, D, r1=0.1, ema=0.9, g_optimizer=nn.Adam(**adam), d_optimizer=nn.Adam(**adam))


@pytest.mark.skipif(sys.platform != "emscripten", reason="compares Pyodide with another Python")
def test_losses_are_those_of_another_python():
    assert ring_losses() == pytest.approx(json.loads(os.environ["LOSSES"]), abs=1e-6)


def test_a_resumed_game_ends_with_the_same_bytes(tmp_path):
    x = nn.datasets.ring(640)[0]
    whole, half = ring_game(), ring_game()
    whole.fit(x, 4, 64, progress=False)
    half.fit(x, 2, 64, progress=False)
    half.save(tmp_path / "half.npz")
    resumed = nn.GAN.load(tmp_path / "half.npz")
    resumed.fit(x, 2, 64, progress=False)
    for game in (whole, resumed):
        game.save(tmp_path / "end.npz")
        game.bytes = (tmp_path / "end.npz").read_bytes()
    assert whole.bytes == resumed.bytes


def test_progress_needs_no_thread(capsys):
    ring_game().fit(nn.datasets.ring(640)[0], 2, 64)
    assert "epoch 2/2" in capsys.readouterr().out


def test_labels_of_classes():
    G = nn.Sequential(nn.Linear(5, 4), nn.Sigmoid(), seed=1)
    D = nn.Sequential(nn.Linear(7, 1), seed=2)
    gan = nn.GAN(G, D, classes=3)
    x = np.random.default_rng(0).integers(0, 256, (60, 4), dtype=np.uint8)
    gan.fit(x, 2, 20, labels=np.arange(60) % 3, progress=False)
    assert gan.sample(6).shape == gan.sample(6, labels=[0, 1, 2, 0, 1, 2]).shape == (6, 4)


class Untransposed(nn.Linear):
    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        self.dW += cache.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W


def test_gradients_are_checked():
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert nn.check_gradients(nn.Linear(3, 3), x).ok
    assert "transpose" in str(nn.check_gradients(Untransposed(3, 3), x))
