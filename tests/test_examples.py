"""The command line as a person uses it: files, resume, kill -9, Ctrl-C, every bad input."""

import csv
import gzip
import importlib.util
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nngan as nn
import nngan.checkpoint
import nngan.plotting
import nngan.recipes
import nngan.training

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = ["--data", "digits", "--batch-size", "256", "--latent-dim", "8"]


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Run ``train_mnist.py`` in this process; return its exit status."""
    spec = importlib.util.spec_from_file_location("train_mnist", EXAMPLES / "train_mnist.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "train_mnist", module)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    # An empty data root, so that no file of the person who runs the tests plays a part.
    monkeypatch.setenv("NNGAN_DATA", str(tmp_path / "no-data"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["train_mnist.py", *map(str, arguments)])
        try:
            return module.main()
        except SystemExit as stop:
            return stop.code

    return run


def final(folder):
    return (folder / "checkpoint.npz").read_bytes()


# -- what a run leaves behind ------------------------------------------------------------------


def test_a_run_leaves_what_it_promises(train, tmp_path, capsys):
    assert train(*SMALL, "--epochs", 36, "--out", "run") == 0
    run = tmp_path / "run"
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoint.npz", "config.json", "history.csv", "losses.png", "progress.gif", "samples",
    ]  # fmt: skip
    # Epochs 1 and 34: a sheet after as many steps as on MNIST; 36 is the last.
    sheets = [p.name for p in sorted((run / "samples").iterdir())]
    assert sheets == ["epoch_0001.png", "epoch_0034.png", "epoch_0036.png"]
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    gan = nn.GAN.load(run / "checkpoint.npz")
    assert [int(row["epoch"]) for row in rows] == list(range(1, 37))
    assert [float(row["g_loss"]) for row in rows] == gan.history["g_loss"]
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"] == "default"
    assert config["batch_size"] == 256
    assert config["gan"] == gan.config()
    assert gan.latent_dim == 8
    out = capsys.readouterr().out
    assert "Pictures: run/samples" in out
    assert "(chance 1.386)" in out


def test_the_sheets_show_one_fixed_noise_and_gs_chance(train, tmp_path, monkeypatch):
    drawn = []
    original = nn.plotting.plot_losses
    monkeypatch.setattr(
        nn.plotting, "plot_losses", lambda *a, **k: (drawn.append(k), original(*a, **k))
    )
    assert train(*SMALL, "--loss", "minimax", "--epochs", 3, "--out", "run") == 0
    nn.plotting.save_sheet("last.png", nn.GAN.load("run/checkpoint.npz").sample(64))
    last = (tmp_path / "run/samples/epoch_0003.png").read_bytes()
    assert last == (tmp_path / "last.png").read_bytes()
    assert drawn == [{"d_chance": 2 * np.log(2), "g_chance": -np.log(2)}]


def test_options_reach_the_game(train, tmp_path):
    options = ["--recipe", "tf_basic", "--loss", "minimax", "--lr", "0.001", "--seed", "5"]
    assert train(*SMALL, *options, "--epochs", 1, "--out", "run") == 0
    gan = nn.GAN.load(tmp_path / "run/checkpoint.npz")
    assert gan.loss == "minimax"
    assert gan.g_optimizer.lr == gan.d_optimizer.lr == 0.001
    assert gan.seed == 15
    assert isinstance(gan.G.layers[-1], nn.ReLU)


def test_one_seed_gives_one_run_and_another_seed_another(train, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert train(*SMALL, "--epochs", 3, "--seed", seed, "--out", name) == 0
    assert final(tmp_path / "a") == final(tmp_path / "b")
    params = [nn.GAN.load(tmp_path / name / "checkpoint.npz").G.params for name in "ac"]
    assert (params[0] != params[1]).any()
    for name in ("samples/epoch_0001.png", "losses.png", "progress.gif", "history.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_resume_goes_on_to_a_new_total(train, tmp_path):
    assert train(*SMALL, "--epochs", 5, "--out", "whole") == 0
    assert train(*SMALL, "--epochs", 2, "--out", "parts") == 0
    assert train("--out", "parts", "--resume", "--epochs", 5) == 0
    assert final(tmp_path / "whole") == final(tmp_path / "parts")
    assert json.loads((tmp_path / "parts/config.json").read_text())["epochs"] == 5
    assert train("--out", "parts", "--resume", "--epochs", 36) == 0
    sheets = [int(p.stem[-4:]) for p in sorted((tmp_path / "parts/samples").iterdir())]
    assert sheets == [1, 2, 5, 34, 36]  # the last of each total, and every 33rd


def test_resuming_a_finished_run_changes_nothing(train, tmp_path, capsys):
    assert train(*SMALL, "--epochs", 2, "--out", "run") == 0
    before = final(tmp_path / "run")
    assert train("--out", "run", "--resume") == 0
    assert "Nothing to do: the run has 2 epochs" in capsys.readouterr().out
    assert final(tmp_path / "run") == before


def test_resume_finds_the_data_where_it_was(train, tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (300, 784), dtype=np.uint8)
    asked = []

    def mnist(data_dir, dtype):
        asked.append(data_dir)
        return x, None

    monkeypatch.setattr(nn.datasets, "mnist", mnist)
    assert train("--data-dir", "data", "--epochs", 1, "--out", "run") == 0
    assert train("--out", "run", "--resume", "--epochs", 2) == 0
    assert train("--out", "run", "--resume", "--epochs", 3, "--data-dir", "elsewhere") == 0
    assert asked == ["data", str(tmp_path / "data"), str(tmp_path / "elsewhere")]


def test_fashion_is_not_mnist(train, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (300, 784), dtype=np.uint8)
    monkeypatch.setattr(nn.datasets, "fashion_mnist", lambda **_: (x, None))
    assert train("--data", "fashion", "--epochs", 1, "--out", "run") == 0
    assert json.loads(Path("run/config.json").read_text())["data"] == "fashion"


def test_a_run_without_out_gets_a_folder_of_its_own(train, tmp_path):
    assert train(*SMALL, "--epochs", 1) == 0
    assert len(list(tmp_path.glob("runs/digits-default-*/checkpoint.npz"))) == 1


def test_auto_takes_the_digits_where_mnist_cannot_be_had(train, tmp_path, capsys, monkeypatch):
    def offline(**_):
        raise nn.datasets.DatasetError("no connection: check it")

    monkeypatch.setattr(nn.datasets, "mnist", offline)
    assert train("--epochs", 1, "--out", "run") == 0
    assert "No MNIST here, so the 8x8 digits" in capsys.readouterr().out
    assert train("--data", "mnist", "--epochs", 1, "--out", "other") == 2


def test_recipes_are_listed(train, capsys):
    assert train("--list-recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(nn.recipes.RECIPES)
    assert all(len(line) < 100 for line in lines)


# -- killed, interrupted, diverged -------------------------------------------------------------


def start(*arguments):
    command = [sys.executable, EXAMPLES / "train_mnist.py", *arguments]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.001)


def saved(checkpoint):
    """Return when a checkpoint was written, None if never."""
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else None


def test_kill_9_at_any_moment_and_resume_ends_with_the_same_bytes(train, tmp_path):
    options = [*SMALL, "--epochs", "40", "--out"]
    assert train(*options, tmp_path / "whole") == 0
    run, moments = tmp_path / "run", random.Random()  # not seeded: any moment has to do
    checkpoint = run / "checkpoint.npz"
    kills = 0
    arguments = [*options, run]
    while kills < 5:
        before = saved(checkpoint)
        process = start(*arguments)
        # Once this process has saved something, at any moment of the epochs that follow.
        wait_for(lambda: saved(checkpoint) != before, process)  # noqa: B023
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        if process.wait() != -signal.SIGKILL:
            break  # it was done before the blow fell
        process.stdout.close()
        kills += 1
        arguments = ["--out", run, "--resume"]
        assert nn.GAN.load(checkpoint).epoch <= 40  # whatever the moment, a whole checkpoint
    assert kills >= 3
    assert train("--out", run, "--resume") == 0
    assert final(run) == final(tmp_path / "whole")
    for name in ("history.csv", "losses.png", "progress.gif"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not [p for p in run.rglob("*") if p.name.endswith(".part")]


def test_ctrl_c_saves_and_says_how_to_resume(train, tmp_path):
    options = [*SMALL, "--epochs", "20", "--out"]
    assert train(*options, tmp_path / "whole") == 0
    run = tmp_path / "run"
    process = start(*options, run)
    wait_for(lambda: (run / "history.csv").exists(), process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing is lost" in out
    command = next(line for line in out.splitlines() if "--resume" in line).split()
    assert command[0] == sys.executable
    assert Path(command[1]).resolve() == EXAMPLES / "train_mnist.py"
    gan = nn.GAN.load(run / "checkpoint.npz")
    assert 0 < gan.epoch < 20
    assert (run / "losses.png").exists()
    assert train(*command[2:]) == 0
    assert final(run) == final(tmp_path / "whole")


def test_a_run_that_diverges_keeps_the_last_good_checkpoint(train, tmp_path, capsys):
    assert train(*SMALL, "--lr", "1e30", "--epochs", 3, "--out", "run") == 1
    captured = capsys.readouterr()
    assert "no longer finite at step" in captured.out
    assert "run/checkpoint.npz has the state after the last epoch" in captured.out
    assert "Traceback" not in captured.out + captured.err
    gan = nn.GAN.load(tmp_path / "run/checkpoint.npz")
    assert np.isfinite(gan.G.params).all()


def test_a_full_disk_keeps_the_last_good_checkpoint(train, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(nn.plotting, "save_sheet", full)
    assert train(*SMALL, "--epochs", 3, "--out", "run") == 1
    assert "No space left on device; run/checkpoint.npz has" in capsys.readouterr().out
    assert nn.GAN.load(tmp_path / "run/checkpoint.npz").epoch == 0


# -- bad input ---------------------------------------------------------------------------------


@pytest.fixture
def finished(train, tmp_path):
    assert train(*SMALL, "--epochs", 2, "--out", "finished") == 0
    return tmp_path / "finished"


def files_of(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--recipe nope", "argument --recipe: invalid choice: 'nope'"),
        ("--loss bce", "argument --loss: invalid choice: 'bce'"),
        ("--data cifar", "argument --data: invalid choice: 'cifar'"),
        ("--backend jax", "argument --backend: invalid choice: 'jax'"),
        ("--epochs 0", "argument --epochs: must be a positive whole number, got '0'"),
        ("--epochs many", "argument --epochs: must be a positive whole number, got 'many'"),
        ("--batch-size -3", "argument --batch-size: must be a positive whole number, got '-3'"),
        ("--latent-dim 1.5", "argument --latent-dim: must be a positive whole number, got '1.5'"),
        ("--lr nan", "argument --lr: must be a positive number, got 'nan'"),
        ("--lr 0", "argument --lr: must be a positive number, got '0'"),
        ("--seed -1", "argument --seed: must be a whole number from 0 to 6148914691236517204"),
        ("--seed 6148914691236517205", "argument --seed: must be a whole number from 0 to 61489"),
        ("--out=", "argument --out: must name a folder, got ''"),
        ("--data digits --batch-size 5000", "--batch-size 5000 is more than the 1797 images"),
        ("--data digits --out finished", "already holds a run (checkpoint.npz): add --resume"),
        ("--out finished --resume --recipe tf_basic", "has recipe default, not tf_basic"),
        ("--out finished --resume --latent-dim 9", "has latent dim 8, not 9: leave --latent-dim"),
        ("--out finished --resume --data mnist", "has data digits, not mnist"),
        ("--out finished --resume --batch-size 9", "has batch size 256, not 9: leave --batch-size"),
        ("--out finished --resume --lr 0.5", "has lr 0.0004, not 0.5"),
        ("--out finished --resume --seed 7", "has seed 0, not 7"),
        ("--out finished --resume --loss minimax", "has loss non_saturating, not minimax"),
        ("--out finished --resume --update simultaneous", "has update alternating, not simultan"),
        ("--out nowhere --resume", "nowhere has no checkpoint.npz"),
        ("--resume", "--resume needs --out"),
        ("--out finished --resume --epochs 1", "has 2 epochs already: --epochs N must be more"),
        ("--data mnist --data-dir nowhere", "is neither in nowhere/mnist nor in nowhere"),
        ("--data-dir nowhere", "is neither in nowhere/mnist nor in nowhere"),
        ("--wrong", "unrecognized arguments: --wrong"),
    ],
)
def test_bad_input_gets_one_sentence_and_nothing_is_lost(
    train, finished, tmp_path, capsys, arguments, message
):
    before = files_of(tmp_path)
    capsys.readouterr()
    assert train(*arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["checkpoint.npz", "config.json", "history.csv", "samples", "losses.png"]
)
def test_what_looks_like_a_run_is_not_written_over(train, tmp_path, capsys, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    assert train(*SMALL, "--epochs", 1, "--out", "run") == 2
    assert f"run already holds a run ({name})" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "run").iterdir()] == [name]


@pytest.mark.parametrize("name", ["history.csv", "config.json", "losses.png", "progress.gif"])
def test_a_file_that_cannot_be_finished_is_left_as_it_was(finished, monkeypatch, name):
    run, gan = nn.training.RunFolder.resume(finished)
    before = (finished / name).read_bytes()

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr("nngan.checkpoint.os.fsync", full)
    write = {"history.csv": run, "config.json": run.write_config}.get(name, run.draw)
    gan.history["d_loss"][0] = 9.0
    with pytest.raises(OSError, match="No space"):
        write(gan)
    assert (finished / name).read_bytes() == before
    assert not list(finished.rglob("*.part"))


def test_no_gpu(train, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as where CuPy is not installed
    assert train(*SMALL, "--backend", "cupy", "--out", "run") == 2
    error = capsys.readouterr().err
    assert "pip install 'nngan[cuda13]'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["wrong content", "truncated"])
def test_a_damaged_data_file(train, capsys, tmp_path, damage):
    name = "train-images-idx3-ubyte.gz"
    content = gzip.compress(b"\0\0\x08\x03" + bytes(100))
    (tmp_path / name).write_bytes(content if damage == "wrong content" else content[:20])
    before = files_of(tmp_path)
    assert train("--data-dir", tmp_path, "--out", "run") == 2
    error = capsys.readouterr().err
    assert f"{name} is not {name} of MNIST (wrong check-sum)" in error
    assert error.count("\n") == 1
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("damage", ["truncated", "not a checkpoint"])
def test_a_damaged_checkpoint(train, finished, capsys, damage):
    path = finished / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:5000] if damage == "truncated" else b"hello")
    before = files_of(finished)
    capsys.readouterr()
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    error = capsys.readouterr().err
    assert "checkpoint.npz is not a whole checkpoint of nngan" in error
    assert error.count("\n") == 1
    assert files_of(finished) == before


def test_a_checkpoint_of_another_network(train, finished, capsys, tmp_path):
    """The checkpoint of one run in the folder of another: told by its settings."""
    assert train(*SMALL, "--recipe", "tf_basic", "--epochs", 1, "--out", "other") == 0
    shutil.copy(tmp_path / "other/checkpoint.npz", finished / "checkpoint.npz")
    capsys.readouterr()
    assert train("--out", finished, "--resume", "--recipe", "default", "--epochs", 3) == 2
    assert "has recipe tf_basic, not default" in capsys.readouterr().err
    before = files_of(finished)
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    assert "is of another network than" in capsys.readouterr().err
    assert files_of(finished) == before


def test_a_checkpoint_of_no_run(train, finished, capsys, tmp_path):
    gan = nn.GAN.load(finished / "checkpoint.npz")
    settings = nn.checkpoint.load(finished / "checkpoint.npz")[1]
    gan.save(finished / "checkpoint.npz")
    capsys.readouterr()
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    assert "is not of a run of this script" in capsys.readouterr().err
    other = nn.recipes.RECIPES["default"].build(100)
    other.save(finished / "checkpoint.npz", settings)
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    assert "take 100 pixels, not 64" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(train, capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert train(*SMALL, "--epochs", 1, "--out", tmp_path / "file" / "run") == 2
    assert "file/run: Not a directory" in capsys.readouterr().err
    assert train(*SMALL, "--epochs", 1, "--out", tmp_path / "file") == 2
    error = capsys.readouterr().err
    assert "file is a file, a run needs a folder" in error
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


# -- the other examples ------------------------------------------------------------------------


def test_the_minimal_game_fits_on_a_page_and_runs(tmp_path):
    source = (EXAMPLES / "minimal_gan.py").read_text()
    assert len(source.splitlines()) < 80
    assert "STEPS, BATCH, LATENT = 8000" in source
    (tmp_path / "minimal_gan.py").write_text(source.replace("= 8000,", "= 2000,"))
    result = subprocess.run(
        [sys.executable, "minimal_gan.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "step 2000  D loss 1." in result.stdout
    assert (tmp_path / "minimal_gan.png").stat().st_size > 1000
