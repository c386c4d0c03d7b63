"""``nngan diagnose``, and ``nngan train --watch``."""

import numpy as np
import pytest
from games_diagnosed import IMAGES, digits_game

import nngan as nn
from nngan.commands import diagnose, train
from nngan.runs import Watch, watch


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in this process; return its exit status."""
    monkeypatch.chdir(tmp_path)

    def run(command, *arguments):
        try:
            return command.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code

    return run


OPTIONS = ("--data", "digits", "--images", 400, "--batch-size", 50, "--recipe", "r1")


def test_a_run_is_looked_at_and_the_status_says_how_it_is(run, capsys):
    assert run(train, *OPTIONS, "--epochs", 2, "--out", "short") == 0
    capsys.readouterr()
    assert run(diagnose, "short", "--backend", "numpy") == 0
    out = capsys.readouterr().out
    assert out.startswith("nothing found\n  note: It is too early")
    gan = nn.GAN.load("short/checkpoint.npz")
    gan.G.params[0] = np.inf
    _, extra = nn.GAN.load_with_extra("short/checkpoint.npz")
    gan.save("short/checkpoint.npz", extra)
    assert run(diagnose, "short") == 1
    assert "G is broken" in capsys.readouterr().out


def test_what_cannot_be_looked_at_is_said_in_a_sentence(run, capsys, tmp_path):
    assert run(diagnose, "nothing") == 2
    assert "nothing" in capsys.readouterr().err
    (tmp_path / "own").mkdir()
    digits_game().save("own/checkpoint.npz")
    assert run(diagnose, "own") == 2
    assert "was begun in Python" in capsys.readouterr().err


def test_a_run_is_watched_and_each_kind_has_one_line(monkeypatch, capsys):
    monkeypatch.setattr(watch, "SHARE", 1e9)
    looked = Watch(IMAGES)
    gan = digits_game()
    looked(gan)
    assert capsys.readouterr().out == ""
    gan.D.params[0] = np.nan
    for _ in range(2):
        looked(gan)
    out = capsys.readouterr().out
    assert out.count("\n") == out.count("[divergence]") == 1
    assert out.startswith("epoch 0, fault: D is broken")


def test_watching_takes_a_small_share_of_the_time(monkeypatch):
    """A clock that a test winds: a look takes 4 s, an epoch 20 s."""
    now = [0.0]
    monkeypatch.setattr(watch.time, "perf_counter", lambda: now[0])
    looks = []

    def look(case):
        looks.append(now[0])
        now[0] += 4
        return nn.diagnose(digits_game(), IMAGES[:100])

    monkeypatch.setattr(watch, "report_of", look)
    looked, gan = Watch(IMAGES), digits_game()
    for _ in range(60):
        now[0] += 20
        looked(gan)
    assert 1 < len(looks) < 12
    assert 4 * len(looks) <= watch.SHARE * now[0]


def test_train_watches(run, monkeypatch, capsys):
    monkeypatch.setattr(watch, "SHARE", 1e9)
    assert run(train, *OPTIONS, "--lr", 3, "--epochs", 2, "--watch", "--out", "bad") in (0, 1)
    assert ": " in capsys.readouterr().out
