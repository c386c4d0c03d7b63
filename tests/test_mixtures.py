"""The games on 2-D mixtures, the script that plays them over many seeds, and its picture."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nngan as nn
from nngan.datasets import GRID, RING
from nngan.metrics import count_modes
from nngan.plotting import plot_mixtures
from nngan.recipes import MIXTURES, RECIPES
from nngan.training import TrainingDiverged

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Run ``mixtures.py`` in this process; return its status."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import mixtures

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mixtures.py", *map(str, arguments)])
        try:
            return mixtures.main()
        except SystemExit as stop:
            return stop.code

    return run


# -- the games ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MIXTURES)
def test_the_game_builds_and_takes_steps(name):
    recipe = MIXTURES[name]
    gan = recipe.build(2, seed=1, steps=3)
    before = gan.sample(20)
    x = getattr(nn.datasets, name)(3 * recipe.batch_size)[0]
    history = gan.fit(x, 1, recipe.batch_size, progress=False)
    assert np.isfinite(list(history.values())).all()
    assert (gan.sample(20) != before).any()
    assert len(recipe.summary) < 90
    assert not set(MIXTURES) & set(RECIPES)  # train_mnist.py offers the latter


@pytest.mark.parametrize("name", MIXTURES)
def test_the_learning_rate_ends_with_the_run(name):
    recipe = MIXTURES[name]
    steps = recipe.epochs * (100_000 // recipe.batch_size)
    gan = recipe.build(2, steps=steps)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert optimizer.learning_rate(np.array([steps - 1]))[0] > 0
        assert optimizer.learning_rate(np.array([steps]))[0] == 0


@pytest.mark.slow
def test_the_ring_is_covered_in_a_quarter_of_the_steps():
    recipe, steps = MIXTURES["ring"], 2_000
    gan = recipe.build(2, steps=steps)
    gan.fit(nn.datasets.ring()[0], 5, recipe.batch_size, progress=False)
    found = count_modes(gan.sample(2_500), RING)
    assert found.covered == 8
    assert found.high_quality > 0.5
    assert found.reverse_kl < 0.1


# -- the script --------------------------------------------------------------------------------


def play(folder, *arguments):
    """Run the script as a person does."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "mixtures.py"), *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_short_run_prints_draws_and_writes(tmp_path):
    result = play(
        tmp_path, "grid", "--seeds", 2, "--steps", 3, "--processes", 2,
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


def test_ctrl_c_keeps_the_seeds_that_are_done(tmp_path):
    script = str(EXAMPLES / "mixtures.py")
    arguments = "ring --seeds 500 --steps 20 --processes 1 --json ring.json --plot ring.png"
    process = subprocess.Popen(
        [sys.executable, script, *arguments.split()], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while not (tmp_path / "ring.json").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does, to all of its processes
    out, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (130, "")
    rows = json.loads((tmp_path / "ring.json").read_text())
    n = len([line for line in out.splitlines() if line.startswith("seed ")])
    assert [row["seed"] for row in rows] == list(range(n))
    assert f"Stopped after {n} of 500 seeds, which ring.json has\n" in out
    assert (tmp_path / "ring.png").exists()


def test_a_seed_that_diverges_is_named_and_the_others_go_on(script, monkeypatch, tmp_path, capsys):
    import mixtures

    found = count_modes(RING.sample(100, 0)[0], RING)

    def train(seed, **_):
        if seed == 1:
            raise TrainingDiverged("the loss is no longer finite at step 7: lower it")
        return mixtures.Run(seed, 20, 0.1, np.zeros((3, 2)), found)

    monkeypatch.setattr(mixtures, "train", train)
    monkeypatch.setattr(mixtures, "ProcessPoolExecutor", lambda n, *_: ThreadPoolExecutor(n))
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")  # the script sets it for good
    assert script("ring", "--seeds", 4, "--processes", 1, "--json", "ring.json") == 1
    out = capsys.readouterr().out
    assert "\nseed 1: the loss is no longer finite at step 7: lower it\n" in out
    assert "mean of 3 seeds" in out
    rows = json.loads((tmp_path / "ring.json").read_text())
    assert [row["seed"] for row in rows] == [0, 2, 3]


def test_a_run_is_that_of_its_recipe_and_seed(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from mixtures import train

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
    assert "pip install 'nngan[cuda13]'" in capsys.readouterr().err


# -- the picture -------------------------------------------------------------------------------


def test_each_run_has_a_plane_and_a_zoom():
    data, *runs = (GRID.sample(50, seed)[0] for seed in range(7))
    titles = [f"run {i}" for i in range(6)]
    figure = plot_mixtures(runs, data, GRID.centers, GRID.std, titles=titles, heading="six")
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == 12
    assert [axes.get_title() for axes in panels if axes.get_title()] == titles
    real, generated = panels[0].collections
    np.testing.assert_array_equal(generated.get_offsets(), runs[0])
    np.testing.assert_array_equal(real.get_offsets(), data)
    circle = panels[-1].lines[0].get_xydata()
    np.testing.assert_allclose(np.hypot(*circle.T), 3)


def test_the_zoom_measures_from_the_nearest_centre_in_std():
    points = GRID.centers[[0, 7]] + GRID.std * np.array([[1.0, -2.0], [0.0, 4.0]])
    _, zoom = plot_mixtures([points], points, GRID.centers, GRID.std).axes[:2]
    for drawn in zoom.collections:
        np.testing.assert_allclose(drawn.get_offsets(), [[1, -2], [0, 4]])


def test_a_picture_is_saved():
    file = io.BytesIO()
    points, _ = RING.sample(20, 0)
    plot_mixtures([points], points, RING.centers, RING.std, file)
    assert file.getvalue()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("runs", "titles", "message"),
    [
        ([], [], "runs must be at least one"),
        ([np.zeros((3, 2))], ["a", "b"], "got 1 runs and 2 titles"),
        ([np.zeros((3, 3))], [], r"runs\[0\] must be finite numbers of shape \(N, 2\)"),
        ([np.full((3, 2), np.nan)], [], r"runs\[0\] must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(runs, titles, message):
    with pytest.raises(ValueError, match=message):
        plot_mixtures(runs, RING.centers, RING.centers, RING.std, titles=titles)
