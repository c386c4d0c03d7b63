"""``nngan mixtures``: a line per seed, a table, a file; Ctrl-C keeps what is done."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import joblib
import numpy as np
import psutil
import pytest
from processes import LIMIT, is_stopped, wait_for, with_startup

import nngan as nn
from nngan.commands import mixtures
from nngan.datasets import RING
from nngan.metrics import count_modes
from nngan.recipes import MIXTURES
from nngan.training import TrainingDiverged


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Run the command in this process; return its status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            return mixtures.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code

    return run


def play(folder, *arguments):
    """Run the command as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "nngan", "mixtures", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip


def test_a_short_run_prints_draws_and_writes(tmp_path):
    result = play(
        tmp_path, "grid", "--seeds", 2, "--steps", 3, "--processes", 2, "--backend", "numpy",
        "--plot", "grid.png", "--json", "grid.json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "modes of 25" in lines[0]
    assert {line.partition(",")[0] for line in lines[1:3]} == {"seed 0", "seed 1"}
    assert lines[3].startswith("mean of 2 seeds")
    assert lines[4].startswith("real data, 10 draws")
    assert "24.80 ± 0.20" in lines[5]
    assert (tmp_path / "grid.png").read_bytes()[:4] == b"\x89PNG"
    rows = json.loads((tmp_path / "grid.json").read_text())
    assert [(row["seed"], row["steps"]) for row in rows] == [(0, 3), (1, 3)]
    assert sorted(rows[0]) == ["covered", "high_quality", "minutes", "reverse_kl", "seed", "steps"]


def test_one_seed_of_the_plain_game_has_no_mean(tmp_path):
    result = play(tmp_path, "ring", "--plain", "--seeds", 1, "--steps", 2)
    assert result.returncode == 0, result.stderr
    assert "seed 0, 2 steps" in result.stdout
    assert "mean" not in result.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["samples", "steps", "minutes"])
def test_a_kept_run_that_is_none_is_played_again(script, tmp_path, name):
    words = ["ring", "--seeds", "1", "--steps", "2", "--processes", "1", "--keep"]
    assert script(*words, tmp_path) == 0
    (path,) = tmp_path.iterdir()
    whole = dict(np.load(path))
    for wrong in (
        whole[name].astype("f2"),
        whole[name][..., None],
        whole[name] * 1j,
        whole[name].astype("U9"),
        np.inf,
    ):
        np.savez(path, **(whole | {name: np.asarray(wrong)}))
        assert script(*words, tmp_path) == 0
        np.testing.assert_array_equal(np.load(path)["samples"], whole["samples"])


def test_a_full_disk_ends_one_seed_alone(script, tmp_path, monkeypatch, capsys):
    def full(path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(mixtures, "atomic_write", full)
    words = ["ring", "--seeds", "2", "--steps", "2", "--processes", "1", "--keep"]
    assert script(*words, tmp_path) == 1
    out = capsys.readouterr().out
    assert out.count("No space left on device") == 2
    assert "real data, 10 draws" in out


def test_ctrl_c_keeps_the_seeds_that_are_done(tmp_path):
    arguments = "ring --seeds 9999 --steps 20 --processes 1 --json ring.json --plot ring.png"
    process = subprocess.Popen(
        [sys.executable, "-m", "nngan", "mixtures", *arguments.split()], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    wait_for((tmp_path / "ring.json").exists, process)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does, to all of its processes
    out, error = process.communicate(timeout=LIMIT)
    assert (process.returncode, error) == (130, "")
    rows = json.loads((tmp_path / "ring.json").read_text())
    n = int(re.search(r"Stopped after (\d+) of 9999 seeds, which ring.json has\n", out)[1])
    assert [row["seed"] for row in rows] == list(range(n))
    printed = len([line for line in out.splitlines() if line.startswith("seed ")])
    assert printed in (n - 1, n)  # a seed is kept before it is printed, and Ctrl-C may fall between
    assert (tmp_path / "ring.png").exists()


def processes_of(command: psutil.Process) -> list[psutil.Process]:
    """Return those in which joblib runs the seeds, in the order of their names."""
    found = {}
    for process in command.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            found |= {word: process for word in process.cmdline() if "LokyProcess-" in word}
    return [found[name] for name in sorted(found)]


# A process that has not imported anything yet, and goes on when it is told to.
STOPS = """
import sys
if any("LokyProcess-2" in word for word in sys.orig_argv):
    import psutil
    psutil.Process().suspend()
"""


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGKILL", 15)])
def test_no_process_outlives_its_parent(tmp_path, number, late):
    arguments = "ring --seeds 9999 --steps 20 --processes 2 --json ring.json"
    process = psutil.Popen(
        [sys.executable, "-m", "nngan", "mixtures", *arguments.split()], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=with_startup(tmp_path / "startup", STOPS if late else ""),
    )  # fmt: skip
    wait_for(lambda: len(processes_of(process)) == 2, process)
    _, second = processes_of(process)
    if late:  # it has taken no seed yet when its parent ends
        wait_for(lambda: is_stopped(second), process)
    wait_for((tmp_path / "ring.json").exists, process)
    children = process.children(recursive=True)
    process.send_signal(number)
    with contextlib.suppress(psutil.NoSuchProcess):  # its parent has ended it
        second.resume()
    process.wait(LIMIT)
    assert not psutil.wait_procs(children, timeout=LIMIT)[1]


def test_numbers_that_cannot_be_written_stop_no_seed(script, monkeypatch, tmp_path, capsys):
    found = count_modes(RING.sample(100, 0)[0], RING)
    result = partial(mixtures.Run, steps=20, minutes=0.1, samples=np.zeros((3, 2)), modes=found)
    monkeypatch.setattr(mixtures, "train", lambda seed, **_: result(seed))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nngan.files.os.fsync", full)
    with joblib.parallel_config(backend="threading"):
        assert script("ring", "--seeds", 2, "--json", "ring.json", "--plot", "ring.png") == 1
    out = capsys.readouterr().out
    assert out.count("not written: ring.json: No space left on device") == 2
    assert "mean of 2 seeds" in out


def test_a_seed_that_diverges_is_named_and_the_others_go_on(script, monkeypatch, tmp_path, capsys):
    found = count_modes(RING.sample(100, 0)[0], RING)

    def train(seed, **_):
        if seed == 1:
            raise TrainingDiverged("the loss is no longer finite at step 7: lower it")
        return mixtures.Run(seed, 20, 0.1, np.zeros((3, 2)), found)

    monkeypatch.setattr(mixtures, "train", train)
    assert script("ring", "--seeds", 4, "--processes", 1, "--json", "ring.json") == 1
    out = capsys.readouterr().out
    assert "\nseed 1: the loss is no longer finite at step 7: lower it\n" in out
    assert "mean of 3 seeds" in out
    rows = json.loads((tmp_path / "ring.json").read_text())
    assert [row["seed"] for row in rows] == [0, 2, 3]


def test_a_run_is_that_of_its_recipe_and_seed():
    train = mixtures.train
    a, b = (train(3, "ring", False, 4, "numpy") for _ in range(2))
    np.testing.assert_array_equal(a.samples, b.samples)
    recipe = MIXTURES["ring"]
    optimizer = {**recipe.optimizer, "schedule": ("linear", 4)}
    gan = replace(recipe, optimizer=optimizer).build(2, seed=3)
    gan.fit(nn.datasets.ring()[0][:1000], 1, 250, progress=False)
    np.testing.assert_array_equal(a.samples, gan.sample(2_500, seed=3))
    assert a.modes.covered == count_modes(a.samples, RING).covered
    plain = train(3, "ring", True, 4, "numpy")
    assert (plain.samples != a.samples).any()


def test_no_gpu(script, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert script("ring", "--backend", "cupy") == 2
    error = capsys.readouterr().err
    assert "pip install 'cupy-cuda13x[ctk]<15'" in error
    assert "use --backend numpy" in error
