"""``nngan evaluate``: the table it prints and writes, and the images it compares with."""

import json
from dataclasses import asdict

import numpy as np
import pytest

import nngan as nn
from nngan import metrics
from nngan.commands import evaluate
from nngan.metrics import Estimate, Judge
from nngan.runs import RunSettings


@pytest.fixture
def judge():
    """Return a judge of 784 pixels that knows nothing; here nobody asks it."""
    weights = np.zeros((784, 6), "float32"), np.zeros((6, 10), "float32")
    return Judge(weights, (np.zeros(6, "float32"), np.zeros(10, "float32")), 0.5)


@pytest.fixture
def tables(monkeypatch):
    """Replace both tables by one that records its arguments."""
    calls = []

    def table(*arguments):
        calls.append(arguments)
        return {name: Estimate(float(i), 0.5) for i, name in enumerate(metrics.TITLES)}

    monkeypatch.setattr(metrics, "reference_scores", table)
    monkeypatch.setattr(metrics, "all_scores", table)
    return calls


@pytest.fixture
def script(monkeypatch, tmp_path, judge, tables):
    """Run the command in this process, with a stand-in for MNIST; return its exit status."""
    # Each image is its number in every pixel; a view, as 60,000 of them take 188 MB.
    numbers = np.arange(60_000, dtype="float32")[:, None]
    splits = {
        "train": np.broadcast_to(numbers, (60_000, 784)),
        "test": np.zeros((10_000, 784), "float32"),
    }
    monkeypatch.setattr(nn.datasets, "mnist", lambda split, data_dir: (splits[split], None))
    monkeypatch.setattr(metrics, "load_judge", lambda data_dir: judge)

    def run(*arguments):
        try:
            return evaluate.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code

    return run


@pytest.fixture
def run_folder(tmp_path):
    """Return the folder of a run; its settings are the test's to choose, None: only a game."""

    def make(pixels=784, **options):
        G = nn.Sequential(nn.Linear(2, pixels), nn.Sigmoid(), seed=0)
        D = nn.Sequential(nn.Linear(pixels, 1), seed=1)
        settings = RunSettings(epochs=1, batch_size=8, **options)
        extra = {"run": asdict(settings), "measured": []} if options else {}
        nn.GAN(G, D).save(tmp_path / "checkpoint.npz", extra)
        return tmp_path

    return make


def test_the_command_prints_the_table_and_writes_it(script, run_folder, capsys, tables):
    folder = run_folder(data="mnist")
    assert script(folder, "--samples", 50) == 0
    out = capsys.readouterr().out
    report = json.loads((folder / "metrics.json").read_text())
    assert set(report["metrics"]) == set(metrics.TITLES)
    assert report["metrics"]["frechet"] == {"value": 2.0, "error": 0.5, "real": 2.0}
    assert report["samples"] == 50
    assert tables[1][0].shape == (50, 784)
    for title in metrics.TITLES.values():
        assert title in out


def test_the_command_measures_each_against_the_right_images(script, run_folder, tables, judge):
    folder = run_folder(data="mnist", images=300)
    assert script(folder, "--samples", 50, "--seed", 3) == 0
    # The table of real images comes first.
    (real_train, real_test, real_judge, n), (samples, train, validation, test, given) = tables
    assert (real_train.shape, real_test.shape, n) == ((60_000, 784), (10_000, 784), 50)
    gan = nn.GAN.load(folder / "checkpoint.npz")
    np.testing.assert_array_equal(samples, gan.sample(50, seed=3))
    assert train[:, 0].tolist() == list(range(300))
    assert validation[:, 0].tolist() == list(range(50_000, 51_000))
    assert test is real_test
    assert given is real_judge is judge


@pytest.mark.parametrize(("images", "warned"), [(50_000, False), (50_001, True), (None, True)])
def test_the_command_knows_what_was_trained_on(script, run_folder, capsys, tables, images, warned):
    settings = {} if images is None else {"data": "mnist", "images": images}
    assert script(run_folder(**settings), "--samples", 50) == 0
    assert len(tables[1][1]) == (images or 60_000)
    lines = [line for line in capsys.readouterr().out.splitlines() if "--images 50000" in line]
    assert len(lines) == warned


def test_the_command_names_what_it_cannot_measure(script, run_folder, tmp_path, capsys):
    assert script(tmp_path / "nothing") == 2
    assert "there is no run in" in capsys.readouterr().err
    assert script(run_folder(pixels=64)) == 2
    assert "was begun in Python, and its images are not known" in capsys.readouterr().err
    assert script(run_folder(pixels=64, data="cats")) == 2
    assert "was begun in Python, and its images are not known" in capsys.readouterr().err
    assert script(run_folder(pixels=65, data="digits")) == 2
    assert "digits has 64 pixels, and the run 65" in capsys.readouterr().err
    assert script(run_folder(pixels=64, data="digits", images=39)) == 2
    assert "digits has 39 images: 40 are the least" in capsys.readouterr().err
    assert script(run_folder(), "--samples", 39) == 2
    assert "argument --samples: must be a whole number from 40 to 40000" in capsys.readouterr().err
    assert not (tmp_path / "metrics.json").exists()


def test_other_images_are_measured_against_half_of_them(script, run_folder, capsys):
    folder = run_folder(pixels=64, data="digits", images=200)
    assert script(folder, "--seed", 3) == 0
    out = capsys.readouterr().out
    assert "100 samples after epoch 0" in out
    assert "Compared with 100 training images" in out
    report = json.loads((folder / "metrics.json").read_text())
    assert set(report["metrics"]) == {*metrics.PIXEL_TITLES, "nearest"}
    assert report["judge"] is None
    for title in metrics.PIXEL_TITLES.values():
        assert title in out
    energy, density = report["metrics"]["energy"], report["metrics"]["pixel_density"]
    assert energy["real"] < energy["value"] / 10  # nothing was learned
    assert density["value"] == 0
    assert 0.5 < density["real"] < 1.5
