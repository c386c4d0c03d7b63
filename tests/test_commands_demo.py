"""``nngan demo``: a run like any other, made with settings that were chosen for it."""

import numpy as np
import pytest
from PIL import Image

import nngan as nn
from nngan import commands
from nngan.commands import begin


@pytest.fixture
def demo(monkeypatch, tmp_path):
    """Run the command in an empty folder, for 6 epochs; return its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(begin, "repeats_of", lambda images: 1)

    def run(*arguments):
        try:
            return commands.main(["demo", *arguments])
        except SystemExit as stop:
            return stop.code

    return run


def test_the_demo_ends_with_an_animation_and_says_where(demo, tmp_path, capsys):
    assert demo() == 0
    (folder,) = (tmp_path / "runs").iterdir()
    out = capsys.readouterr().out
    sheet, animation = folder / "latest.png", folder / "progress.gif"
    for path in (sheet, animation):
        assert f" {path}\n" in out
    with Image.open(animation) as gif:
        assert gif.n_frames == 2  # the epochs 1 and 6
    assert f"  nngan latent {folder}\n" in out
    lines = [line for line in out.splitlines() if not line.startswith("Backend: ")]
    assert all(len(line) <= 80 or str(tmp_path) in line for line in lines)
    words = [line.split() for line in out.splitlines() if line.startswith("  nngan ")]
    assert {name for _, name, *_ in words} <= set(commands.COMMANDS)


def test_the_demo_is_a_run_like_any_other(demo, tmp_path):
    assert demo("--out", "run", "--seed", "3") == 0
    gan, settings = nn.runs.load_run(tmp_path / "run")
    assert (settings.data, settings.recipe, settings.seed) == ("digits", "small", 3)
    assert gan.epoch == settings.epochs
    run = ["train", "--out", "run", "--resume", "--epochs", "7", "--sample-every", "2"]
    assert commands.main(run) == 0
    sheets = sorted(path.name for path in (tmp_path / "run" / "samples").iterdir())
    assert sheets[-2:] == ["epoch_0006.png", "epoch_0007.png"]
    assert nn.runs.load_run(tmp_path / "run")[1].sample_every == 2


def test_the_demo_needs_no_data(demo, tmp_path, monkeypatch):
    monkeypatch.setenv("NNGAN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(nn.datasets, "mnist", lambda *given, **options: pytest.fail("a download"))
    assert demo("--out", "run") == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("full", "full is not empty"), ("file", "file is a file")],
)
def test_nothing_is_written_into_a_folder_that_is_not_empty(demo, tmp_path, capsys, name, message):
    (tmp_path / "full").mkdir()
    for path in (tmp_path / "full" / "mine.txt", tmp_path / "file"):
        path.write_text("mine")
    assert demo("--out", name) == 2
    said = f"nngan demo: error: argument --out: {message}: name a new folder\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.slow
def test_what_the_demo_draws_are_the_digits_asked_for(monkeypatch, tmp_path):
    """A classifier that never saw a sample reads them as what they were asked to be."""
    from sklearn.neighbors import KNeighborsClassifier

    monkeypatch.chdir(tmp_path)
    assert commands.main(["demo", "--out", "run"]) == 0
    gan, _ = nn.runs.load_run(tmp_path / "run")
    labels = np.arange(1000) % 10
    read = (
        KNeighborsClassifier(3).fit(*nn.datasets.digits()).predict(gan.sample(1000, labels=labels))
    )
    assert (read == labels).mean() > 0.95
