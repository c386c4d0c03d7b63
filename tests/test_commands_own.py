"""``nngan train --data PATH``: images of one's own on the command line."""

import shutil

import numpy as np
import pytest
from PIL import Image

import nngan as nn
from nngan.commands import evaluate, latent
from nngan.commands import train as command

RNG = np.random.default_rng(0)
SMALL = ["--backend", "numpy", "--batch-size", 8, "--latent-dim", 16, "--epochs", 1, "--out", "run"]


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Run the command in this process, in a folder that holds images; return its exit status."""
    monkeypatch.chdir(tmp_path)
    for i in range(24):
        file = tmp_path / "faces" / "ab"[i % 2] / f"{i:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (6, 4, 3)).astype(np.uint8)).save(file)
    np.savez(tmp_path / "faces.npz", first=RNG.random((24, 15)), second=RNG.random((24, 16)))

    def run(*arguments):
        try:
            return command.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code

    return run


def test_a_folder_in_colour_becomes_sheets_in_colour(train, tmp_path, capsys):
    assert train("--data", "faces", *SMALL) == 0
    assert "24 images" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "run" / "samples" / "epoch_0001.png"))
    assert sheet.ndim == 3
    assert sheet.shape[0] > sheet.shape[1]  # 6x4 pixels, 8 images each way
    gan, kept = nn.runs.load_run("run")
    assert gan.G.n_out == 72
    assert kept.shape == (6, 4, 3)
    assert kept.data == str(tmp_path / "faces")


def test_grey_and_size_are_kept_for_the_resumed_run(train):
    assert train("--data", "faces", "--grey", "--size", "5", *SMALL) == 0
    assert nn.runs.load_run("run")[0].G.n_out == 25
    assert train("--out", "run", "--resume", "--epochs", 2) == 0
    assert nn.runs.load_run("run")[0].epoch == 2


def test_a_resumed_run_ends_with_the_bytes_of_the_uninterrupted_one(train, tmp_path):
    assert train("--data", "faces", *SMALL[:-4], "--epochs", 3, "--out", "whole") == 0
    assert train("--data", "faces", *SMALL) == 0
    assert train("--out", "run", "--resume", "--epochs", 3) == 0
    whole, parts = (nn.GAN.load(f"{name}/checkpoint.npz") for name in ("whole", "run"))
    np.testing.assert_array_equal(whole.G.params, parts.G.params)
    np.testing.assert_array_equal(whole.D.params, parts.D.params)


def test_subfolders_are_the_classes_of_a_conditional_game(train, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        nn.plotting, "save_sheet", lambda file, *given, titles: drawn.append((*given, titles))
    )
    monkeypatch.setattr(nn.plotting, "save_gif", lambda *given: None)
    assert train("--data", "faces", "--recipe", "conditional", *SMALL) == 0
    assert nn.runs.load_run("run")[0].classes == 2
    images, columns, shape, titles = drawn[0]
    assert (len(images), columns, shape, titles) == (64, 8, (6, 4, 3), ("a", "b"))


def test_images_that_moved_are_known_again(train, tmp_path):
    assert train("--data", "faces", *SMALL) == 0
    shutil.move(tmp_path / "faces", tmp_path / "moved")
    assert train("--out", "run", "--resume", "--epochs", 2) == 2
    assert train("--out", "run", "--resume", "--epochs", 2, "--data", "moved") == 0
    assert train("--out", "run", "--resume", "--epochs", 3) == 0


def test_images_that_moved_can_be_named_to_all_commands(train, tmp_path, capsys):
    assert train("--data", "faces", *SMALL) == 0
    small = ["run", "--out", "pictures", "--pairs", "1", "--steps", "2"]
    shutil.move(tmp_path / "faces", tmp_path / "moved")
    for command_of, line in ((latent, small), (evaluate, ["run"])):
        with pytest.raises(SystemExit):
            command_of.main(line)
        error = capsys.readouterr().err
        assert f"the images of the run are not in {tmp_path / 'faces'}: add --data PATH" in error
    assert not list((tmp_path / "pictures").glob("*.png"))
    assert latent.main([*small, "--data", "moved"]) == 0
    with pytest.raises(SystemExit):  # too few images to measure; but they were found
        evaluate.main(["run", "--data", "moved"])
    assert "has 24 images: 40 are the least" in capsys.readouterr().err


@pytest.mark.parametrize("command_of", [latent, evaluate])
def test_no_command_takes_other_images_for_those_of_the_run(train, tmp_path, capsys, command_of):
    assert train("--data", "faces", *SMALL) == 0
    (tmp_path / "faces" / "a" / "00.png").unlink()
    with pytest.raises(SystemExit):
        command_of.main(["run"])
    assert "are not those that the run learned from" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["faces", "faces/runs/first"])
def test_a_run_does_not_go_among_its_own_images(train, tmp_path, capsys, out):
    before = sorted((tmp_path / "faces").rglob("*"))
    assert train("--data", "faces", *SMALL[:-1], out) == 2
    assert "is in the folder of your images" in capsys.readouterr().err
    assert sorted((tmp_path / "faces").rglob("*")) == before


def test_a_run_of_chosen_length_has_an_animation(train, tmp_path):
    assert train("--data", "faces", *SMALL[:-4], "--epochs", 6, "--out", "run") == 0
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 6


def test_the_first_line_says_how_large_and_how_long(train, capsys):
    assert train("--data", "faces", *SMALL) == 0
    assert "24 images of 6x4x3 (" in (out := capsys.readouterr().out)
    assert "), 1 epochs, numpy: " in out


def test_latent_pictures_of_a_run_in_colour(train, tmp_path):
    assert train("--data", "faces", *SMALL) == 0
    assert latent.main(["run", "--out", "pictures", "--pairs", "2", "--steps", "3"]) == 0
    files = sorted((tmp_path / "pictures").glob("*.png"))
    assert [file.name for file in files] == ["atlas.png", "gradients.png", "walks.png"]
    for file in files:
        pixels = np.asarray(Image.open(file).convert("RGB")).astype(int)
        assert (np.ptp(pixels, axis=2) > 60).any(), file.name  # colours


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "digits"], "the run in run has data "),
        (["--size", "9"], "leave --size out, or choose another --out"),
        (["--grey"], "leave --grey out, or choose another --out"),
    ],
)
def test_what_a_run_has_cannot_change(train, capsys, arguments, words):
    assert train("--data", "faces", *SMALL) == 0
    assert train("--out", "run", "--resume", "--epochs", 2, *arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("change", ["pixels", "fewer", "labels"])
def test_images_that_changed_are_refused(train, tmp_path, capsys, change):
    assert train("--data", "faces", *SMALL) == 0
    file = tmp_path / "faces" / "a" / "00.png"
    if change == "pixels":
        Image.fromarray(np.zeros((6, 4, 3), np.uint8)).save(file)
    elif change == "labels":
        (tmp_path / "faces" / "b").rename(tmp_path / "faces" / "0")
    else:
        file.unlink()
    assert train("--out", "run", "--resume", "--epochs", 2) == 2
    assert "are not those that the run learned from" in capsys.readouterr().err
    assert nn.runs.load_run("run")[0].epoch == 1


# -- what is said, and what the user need not know -------------------------------------------------


def test_a_run_says_what_was_read_and_keeps_the_names_of_the_classes(train, tmp_path, capsys):
    (tmp_path / "faces" / "readme.txt").write_text("none")
    assert train("--data", "faces", *SMALL, "--recipe", "conditional") == 0
    out = capsys.readouterr().out
    assert "Read 24 images of 6x4x3 in 2 classes: a 12, b 12; 1 file skipped" in out
    assert "Columns of a sheet: a 1 to 4, b 5 to 8." in out
    settings = nn.runs.load_run("run")[1]
    assert settings.class_names == ("a", "b")
    sheet = np.asarray(Image.open("run/latest.png").convert("L"))
    assert sheet.shape[0] == 8 * (6 + 1) * 14 - 14 + 20  # a line of names above 8 rows
    assert (sheet[:20] > 200).any()
    assert train("--out", "run", "--resume", "--epochs", 3) == 0
    assert "The run goes on at epoch 2 of 3." in capsys.readouterr().out


def test_walks_of_a_class_by_its_name(train, capsys, monkeypatch):
    assert train("--data", "faces", *SMALL, "--recipe", "conditional") == 0
    seen = []
    monkeypatch.setattr(nn.plotting, "plot_walks", lambda **given: seen.append(given))
    monkeypatch.setattr(nn.plotting, "plot_atlas", lambda **given: seen.append(given))
    line = ["run", "--out", "pictures", "--pairs", "3", "--steps", "2"]
    assert latent.main(line) == 0
    assert latent.main([*line, "--class", "b"]) == 0
    assert [given.get("names") for given in seen] == [["a", "b", "a"], None, ["b"] * 3, None]
    assert seen[1]["title"].endswith(", class a")
    assert seen[3]["title"].endswith(", class b")
    with pytest.raises(SystemExit):
        latent.main([*line, "--class", "c"])
    assert "--class must be one of a, b, got c" in capsys.readouterr().err


def test_the_batch_becomes_smaller_where_there_are_few_images(train, capsys):
    assert train("--data", "faces", "--epochs", 2, "--out", "run") == 0
    out = capsys.readouterr().out
    assert "The batch size is 24 instead of 128, because there are 24 images" in out
    settings = nn.runs.load_run("run")[1]
    assert settings.batch_size == 24


def test_small_is_played_without_classes_where_there_are_none(train, tmp_path):
    for file in (tmp_path / "faces").rglob("*.png"):
        file.rename(tmp_path / "faces" / file.name)
    assert train("--data", "faces", *SMALL, "--recipe", "small") == 0
    assert nn.runs.load_run("run")[0].classes == 0


def test_labels_beside_a_folder_are_kept_for_the_resumed_run(train, tmp_path, capsys):
    for file in (tmp_path / "faces").rglob("*.png"):
        file.rename(tmp_path / "faces" / file.name)
    names = "".join(f"{i:02}.png,{'fox' if i % 3 else 'owl'}\n" for i in range(24))
    (tmp_path / "kinds.csv").write_text("file,label\n" + names)
    given = ["--data", "faces", "--labels", "kinds.csv", "--recipe", "conditional"]
    assert train(*given, *SMALL) == 0
    assert "in 2 classes: fox 16, owl 8; labels: file kinds.csv, 2 classes" in (
        capsys.readouterr().out
    )
    assert train("--out", "run", "--resume", "--epochs", 2) == 0
    assert nn.runs.load_run("run")[1].load == {"labels": str(tmp_path / "kinds.csv")}


def test_a_young_run_says_so(train, capsys):
    assert train("--data", "faces", *SMALL[:-4], "--epochs", 1, "--out", "run") == 0
    run, gan = nn.runs.RunFolder.resume("run")
    run.change(epochs=6)
    run.save(gan)
    assert latent.main(["run", "--out", "pictures", "--pairs", "1", "--steps", "2"]) == 0
    assert "The run is young, at epoch 1 of 6" in capsys.readouterr().out


def test_samples_that_are_all_alike_are_said(train, capsys, monkeypatch):
    assert train("--data", "faces", *SMALL) == 0
    alike = "The samples are still nearly alike"
    monkeypatch.setattr(nn.GAN, "sample", lambda self, n, **_: np.full((n, 72), 0.5, np.float32))
    capsys.readouterr()
    assert train("--data", "faces", *SMALL[:-1], "second") == 0
    assert alike in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((0.95, 1.2, 0.0, 0.08), "alike, or lie in the middle of the data"),
        ((0.95, 1.0, 0.9, 0.9), "near the data and show most of it"),
        ((0.95, 1.0, 0.5, 0.9), "near the data and show a part of it"),
        ((0.1, 0.1, 0.9, 0.9), "much of the data, and many of them are unlike it"),
        ((0.1, 0.1, 0.0, 0.0), "hardly a sample is near the data"),
        ((0.6, 0.4, 0.2, 0.0), "some of the samples are near the data, and they show little of it"),
    ],
)
def test_the_verdict_looks_at_all_four_scores(rows, words):
    names = ("precision", "density", "recall", "coverage")
    scores, real = (
        {
            f"pixel_{name}": nn.metrics.Estimate(v, 0.01)
            for name, v in zip(names, values, strict=True)
        }
        for values in (rows, (0.95, 1.0, 0.95, 0.95))
    )
    text = evaluate.verdict(scores, real)
    assert words in text
    assert f"recall {rows[2]:.2f}, coverage {rows[3]:.2f}" in text


def test_evaluate_ends_with_a_verdict(train, tmp_path, capsys):
    np.savez(tmp_path / "many.npz", images=RNG.random((60, 16)))
    assert train("--data", "many.npz", *SMALL) == 0
    assert evaluate.main(["run"]) == 0
    out = capsys.readouterr().out
    assert "\nVerdict: the samples " in out
    assert "flat samples have a high precision" in out
