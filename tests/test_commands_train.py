"""``nngan train`` as a person uses it: files, resume, kill -9, Ctrl-C, every bad input."""

import csv
import gzip
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from processes import LIMIT, is_stopped, wait_for, with_startup

import nngan as nn
import nngan.checkpoint
import nngan.metrics
import nngan.plotting
import nngan.recipes
import nngan.training
from nngan.backend import Key, Stream, get_backend
from nngan.commands import begin
from nngan.commands import train as command

SCRIPT = Path(__file__).parents[1] / "examples" / "train_mnist.py"
SMALL = ["--data", "digits", "--batch-size", "256", "--latent-dim", "16"]


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Run the command in this process; return its exit status."""
    monkeypatch.chdir(tmp_path)
    # An empty data root, so that no file of the person who runs the tests plays a part.
    monkeypatch.setenv("NNGAN_DATA", str(tmp_path / "no-data"))

    def run(*arguments):
        try:
            return command.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code

    return run


def final(folder):
    return (folder / "checkpoint.npz").read_bytes()


def test_a_conditional_run_draws_each_digit_in_its_column(train, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        nn.plotting, "save_sheet", lambda file, *given, titles=None: drawn.append(given)
    )
    monkeypatch.setattr(nn.plotting, "save_gif", lambda *given: None)
    assert train(*SMALL, "--recipe", "conditional", "--epochs", 1, "--out", "run") == 0
    (images, columns, shape), latest = drawn
    np.testing.assert_array_equal(latest[0], images)
    gan = nn.GAN.load("run/checkpoint.npz")
    assert (images.shape, columns, shape) == ((60, 64), 10, (8, 8))
    labels = np.arange(60) % 10
    np.testing.assert_array_equal(images, gan.sample(60, labels=labels))
    assert train("--out", "run", "--resume", "--epochs", 2) == 0


# -- what a run leaves behind ------------------------------------------------------------------


def test_a_run_leaves_what_it_promises(train, tmp_path, capsys):
    assert train(*SMALL, "--epochs", 36, "--out", "run") == 0
    run = tmp_path / "run"
    assert sorted(p.name for p in run.iterdir()) == [
        ".lock", "checkpoint.npz", "config.json", "history.csv", "latest.png", "losses.png",
        "progress.gif", "samples",
    ]  # fmt: skip
    assert (run / "latest.png").read_bytes() == (run / "samples/epoch_0036.png").read_bytes()
    # Without --epochs there would be one for each 33 epochs, which have the steps of one on MNIST.
    sheets = [p.name for p in sorted((run / "samples").iterdir())]
    assert sheets == [f"epoch_{i:04}.png" for i in range(1, 37)]
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    gan = nn.GAN.load(run / "checkpoint.npz")
    assert [int(row["epoch"]) for row in rows] == list(range(1, 37))
    assert [float(row["g_loss"]) for row in rows] == gan.history["g_loss"]
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"] == "default"
    assert config["batch_size"] == 256
    assert config["gan"] == gan.config()
    assert gan.latent_dim == 16
    out = capsys.readouterr().out
    assert "Pictures: run/samples" in out
    assert "Look at latest.png and losses.png there while it trains." in out
    assert "at chance: D loss 1.386" in out


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
    assert drawn == 3 * [{"d_chance": 2 * np.log(2), "g_chance": -np.log(2)}]


def test_options_reach_the_game(train, tmp_path):
    options = ["--recipe", "tf_basic", "--lr", "0.001", "--seed", "5"]
    game = {
        "loss": "minimax", "k": 2, "pack": 4, "r1": 0.5, "r2": 0.25, "ema": 0.9,
        "label_smoothing": 0.1, "penalty_every": 3,
    }  # fmt: skip
    for name, value in game.items():
        options += [f"--{name.replace('_', '-')}", str(value)]
    assert train(*SMALL, *options, "--epochs", 1, "--out", "run") == 0
    gan = nn.GAN.load(tmp_path / "run/checkpoint.npz")
    assert {name: getattr(gan, name) for name in game} == game
    assert (gan.G.n_out, gan.D.n_in) == (64, 4 * 64)
    assert game.items() <= json.loads((tmp_path / "run/config.json").read_text())["gan"].items()
    assert train("--out", "run", "--resume", *options, "--epochs", 2) == 0
    assert gan.g_optimizer.lr == gan.d_optimizer.lr == 0.001
    assert gan.seed == 15
    assert isinstance(gan.G.layers[-1], nn.ReLU)


def test_players_of_different_rates_keep_their_ratio(train):
    options = ["--recipe", "goodfellow2014", "--images", 256, "--epochs", 1]
    assert train(*SMALL, *options, "--lr", 0.2, "--out", "run") == 0
    gan = nn.GAN.load("run/checkpoint.npz")
    assert (gan.g_optimizer.lr, gan.d_optimizer.lr) == (0.2, 0.1)
    config = json.loads(Path("run/config.json").read_text())["gan"]
    assert [config[f"{name}_optimizer"]["lr"] for name in "gd"] == [0.2, 0.1]
    assert train("--out", "run", "--resume", "--lr", 0.2, "--epochs", 2) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--recipe tf_basic", " parameters; into"),
        ("--gradient-penalty 10", ", D penalised by --r1 1 and --gradient-penalty 10; into"),
        ("--r2 .5 --penalty-every 4", ", D penalised by --r1 1 and --r2 0.5 every 4 steps; into"),
    ],
)
def test_the_first_line_says_which_penalties_add_up(train, capsys, monkeypatch, options, said):
    monkeypatch.setattr(nn.training, "fit", lambda *_, **__: None)
    options = [*options.split(), "--backend", "numpy"]
    assert train(*SMALL, *options, "--epochs", 1, "--out", "run") == 0
    assert said in capsys.readouterr().out.splitlines()[0]


def test_the_first_images_alone_are_trained_on(train, tmp_path, monkeypatch):
    seen = []
    original = nn.training.fit
    monkeypatch.setattr(
        nn.training, "fit", lambda gan, x, *a, **k: (seen.append(x), original(gan, x, *a, **k))
    )
    assert train(*SMALL, "--images", 600, "--epochs", 1, "--out", "run") == 0
    assert train("--out", "run", "--resume", "--epochs", 2) == 0
    assert len(seen) == 2
    for x in seen:
        np.testing.assert_array_equal(x, nn.datasets.digits()[0][:600])
    assert json.loads((tmp_path / "run/config.json").read_text())["images"] == 600


def test_a_conditional_game_gets_the_labels_of_its_images(train, monkeypatch):
    seen = []
    monkeypatch.setattr(nn.training, "fit", lambda gan, x, *_, **options: seen.append(options))
    assert train(*SMALL, "--images", 600, "--epochs", 1, "--out", "plain") == 0
    arguments = [*SMALL, "--recipe", "conditional", "--images", 600, "--epochs", 1]
    assert train(*arguments, "--out", "conditional") == 0
    assert seen[0]["labels"] is None
    np.testing.assert_array_equal(seen[1]["labels"], nn.datasets.digits()[1][:600])


def test_a_learning_rate_may_fall_over_the_whole_run(train, tmp_path, monkeypatch, capsys):
    recipe = nn.recipes.RECIPES["default"]
    falling = {**recipe.optimizer, "schedule": ("linear", None)}
    monkeypatch.setitem(nn.recipes.RECIPES, "default", replace(recipe, optimizer=falling))
    assert train(*SMALL, "--k", 2, "--epochs", 4, "--out", "run") == 0
    gan = nn.GAN.load(tmp_path / "run/checkpoint.npz")
    assert gan.g_optimizer.schedule == ("linear", 4 * 3)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):  # D has taken twice as many steps
        assert optimizer.learning_rate(optimizer.state["t"]) == 0
    before = files_of(tmp_path)
    assert train("--out", "run", "--resume", "--epochs", 5) == 2
    assert "falls to zero over its 4 epochs: leave --epochs out" in capsys.readouterr().err
    assert files_of(tmp_path) == before
    assert train("--out", "run", "--resume", "--epochs", 4) == 0


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
    assert sheets == list(range(1, 37))


def test_resuming_a_finished_run_changes_nothing(train, tmp_path, capsys):
    assert train(*SMALL, "--epochs", 2, "--out", "run") == 0
    before = final(tmp_path / "run")
    assert train("--out", "run", "--resume") == 0
    assert "Nothing to do: the run has 2 epochs" in capsys.readouterr().out
    assert final(tmp_path / "run") == before


def test_resume_takes_the_backend_of_the_run(train, tmp_path, monkeypatch, capsys):
    class Other(nn.NumpyBackend):
        name = "numba"

    monkeypatch.setitem(nn.backend.BACKENDS, "numba", Other)
    assert train(*SMALL, "--epochs", 1, "--backend", "numba", "--out", "run") == 0
    assert train("--out", "run", "--resume", "--epochs", 2) == 0
    assert "numba: G" in capsys.readouterr().out
    assert train("--out", "run", "--resume", "--epochs", 3, "--backend", "numpy") == 0
    assert "saved with backend numba, now numpy" in capsys.readouterr().out

    def missing():
        raise nn.BackendUnavailable('Numba is missing: use backend="numpy"')

    assert train(*SMALL, "--epochs", 1, "--backend", "numba", "--out", "other") == 0
    monkeypatch.setitem(nn.backend.BACKENDS, "numba", missing)
    assert train("--out", "other", "--resume", "--epochs", 2) == 2
    assert "Numba is missing: use --backend numpy" in capsys.readouterr().err


@pytest.mark.parametrize(("asked", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_resume_takes_the_threads_of_the_run_unless_it_is_told(train, tmp_path, asked, threads):
    """Two threads add in another order than one, so that the run would end with other bytes."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core has one thread")
    assert train(*SMALL, "--epochs", 1, "--images", 512, "--out", "run") == 0
    config = tmp_path / "run/config.json"
    assert json.loads(config.read_text())["made_with"]["BLAS threads"] == "1"  # as conftest says
    names = [f"{library}_NUM_THREADS" for library in ("OPENBLAS", "OMP", "MKL", "GOTO")]
    environment = {name: value for name, value in os.environ.items() if name not in names}
    words = ["train", "--out", "run", "--resume", "--epochs", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "nngan", *words], capture_output=True, text=True, check=True,
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(SCRIPT.parents[1]), **asked},
    )  # fmt: skip
    assert json.loads(config.read_text())["made_with"]["BLAS threads"] == threads
    assert ("saved with BLAS threads 1, now 2" in done.stdout) == (threads == "2")


def test_without_a_backend_the_fastest_is_taken_and_kept(train, tmp_path, monkeypatch, capsys):
    def broken():
        raise nn.BackendUnavailable('the driver is too old: renew it, or use backend="numpy"')

    class Other(nn.NumpyBackend):
        name = "numba"

    monkeypatch.setitem(nn.backend.BACKENDS, "cupy", broken)
    monkeypatch.setitem(nn.backend.BACKENDS, "numba", Other)
    assert train(*SMALL, "--epochs", 1, "--out", "run") == 0
    said, _ = capsys.readouterr()
    assert said.splitlines()[0] == "Backend: numba, because the driver is too old: renew it"
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["made_with"]["backend"] == "numba"
    monkeypatch.setitem(nn.backend.BACKENDS, "cupy", nn.NumpyBackend)  # renewed
    for choice in ([], ["--backend", "auto"]):
        assert train("--out", "run", "--resume", "--epochs", 2, *choice) == 0
        said, _ = capsys.readouterr()
        assert "numba: G" in said
        assert "saved with backend" not in said


def test_runs_of_one_second_have_folders_of_their_own(train, tmp_path, monkeypatch):
    monkeypatch.setattr(begin.time, "strftime", lambda _: "now")
    for seed in range(3):
        assert train(*SMALL, "--epochs", 1, "--images", 256, "--seed", seed) == 0
    names = [f"digits-default-now{end}" for end in ("", "-2", "-3")]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == names
    seeds = [json.loads((tmp_path / "runs" / n / "config.json").read_text())["seed"] for n in names]
    assert seeds == [0, 1, 2]


def test_resume_finds_the_data_where_it_was(train, tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (300, 784), dtype=np.uint8)
    asked = []

    def mnist(data_dir, dtype):
        asked.append(data_dir)
        return x, np.zeros(300, np.uint8)

    monkeypatch.setattr(nn.datasets, "mnist", mnist)
    assert train("--data-dir", "data", "--epochs", 1, "--out", "run") == 0
    assert train("--out", "run", "--resume", "--epochs", 2) == 0
    assert train("--out", "run", "--resume", "--epochs", 3, "--data-dir", "elsewhere") == 0
    assert asked == ["data", str(tmp_path / "data"), str(tmp_path / "elsewhere")]


def test_fashion_is_not_mnist(train, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (300, 784), dtype=np.uint8)
    monkeypatch.setattr(nn.datasets, "fashion_mnist", lambda **_: (x, np.zeros(300)))
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
    assert "MNIST is not available" in capsys.readouterr().out
    assert train("--data", "mnist", "--epochs", 1, "--out", "other") == 2


def test_recipes_are_listed(train, capsys):
    assert train("--list-recipes") == 0
    table, advice = capsys.readouterr().out.split("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == list(nn.recipes.RECIPES)
    assert all(len(line) < 100 for line in [*table.splitlines(), *advice.splitlines()])


# -- measured on the way -----------------------------------------------------------------------

MEASURED = ["--data", "mnist", "--batch-size", "400", "--recipe", "tf_basic"]


@pytest.fixture
def fake_mnist(train, monkeypatch):
    """Replace MNIST by noise and the judge by a small one; what it says is arbitrary, but fixed."""
    rng = np.random.default_rng(0)
    x = {"train": rng.integers(0, 256, (4200, 784)), "test": rng.integers(0, 256, (300, 784))}

    def mnist(split="train", data_dir=None, dtype="float32"):
        scale = 255 if dtype == "float32" else 1
        return (x[split] / scale).astype(dtype), np.zeros(len(x[split]), "uint8")

    W1, W2 = (rng.normal(size=shape).astype("float32") for shape in ((784, 6), (6, 10)))
    biases = np.zeros(6, "float32"), np.zeros(10, "float32")
    judge = nn.metrics.Judge((W1 - W1.mean(axis=0), W2 - W2.mean(axis=0)), biases, 0.5)
    monkeypatch.setattr(nn.datasets, "mnist", mnist)
    monkeypatch.setattr(nn.metrics, "load_judge", lambda data_dir: judge)
    return mnist("train")[0], mnist("test")[0], judge


def test_a_run_is_measured_on_the_way(train, fake_mnist, tmp_path, capsys):
    assert train(*MEASURED, "--epochs", 5, "--measure-every", 2, "--out", "run") == 0
    x, test, judge = fake_mnist
    with (tmp_path / "run/metrics.csv").open() as file:
        rows = [{name: float(v) for name, v in row.items()} for row in csv.DictReader(file)]
    assert [(row["epoch"], row["samples"]) for row in rows] == [(2, 2000), (4, 2000), (5, 2000)]
    last = nn.GAN.load(tmp_path / "run/checkpoint.npz").sample(2000)
    real = json.loads((tmp_path / "run/config.json").read_text())["real_scores"]
    for name, (value, error) in nn.metrics.quick_scores(last, test, judge).items():
        assert (rows[-1][name], rows[-1][f"{name}_error"]) == (value, error)
    drawn = get_backend("numpy").permutation(Key(0).fold_in(Stream.DATA), len(x))[:2000]
    for name, (value, _) in nn.metrics.quick_scores(x[drawn], test, judge).items():
        assert real[name] == value
    out = capsys.readouterr().out
    assert f"epoch 5: Frechet distance {rows[-1]['frechet']:.1f} (real images " in out
    assert f"KL of digits {rows[-1]['class_kl']:.3f}, sure of " in out
    assert (tmp_path / "run/metrics.png").stat().st_size > 1000
    assert "run/metrics.png" in out


@pytest.mark.parametrize("how", ["Ctrl-C", "killed between two files"])
def test_a_measured_run_that_was_interrupted_ends_with_the_same_bytes(
    train, fake_mnist, tmp_path, monkeypatch, how
):
    options = [*MEASURED, "--epochs", 4, "--measure-every", 1, "--out"]
    assert train(*options, "whole") == 0
    with monkeypatch.context() as patch:
        step, save = nn.GAN.generator_step, nn.GAN.save

        def interrupted(gan, *arguments, **options):
            if int(gan.clock[0]) == 35:  # in the middle of epoch 4
                os.kill(os.getpid(), signal.SIGINT)
            return step(gan, *arguments, **options)

        def killed(gan, *arguments):
            if gan.epoch == 3:
                raise OSError("no more")
            save(gan, *arguments)

        if how == "Ctrl-C":
            patch.setattr(nn.GAN, "generator_step", interrupted)
        else:
            patch.setattr(nn.GAN, "save", killed)
            patch.setattr(nngan.runs.folder, "SAVE_EVERY", 0)  # every epoch
        assert train(*options, "run") != 0
    rows = (tmp_path / "run/metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]
    assert nn.GAN.load("run/checkpoint.npz").epoch == (3 if how == "Ctrl-C" else 2)
    assert train("--out", "run", "--resume") == 0
    for name in ("checkpoint.npz", "config.json", "history.csv", "metrics.csv", "metrics.png"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_how_often_a_run_is_measured_may_change(train, fake_mnist, tmp_path, capsys):
    assert train(*MEASURED, "--epochs", 2, "--out", "run") == 0
    assert not (tmp_path / "run/metrics.csv").exists()
    assert train("--out", "run", "--resume", "--epochs", 5, "--measure-every", 2) == 0
    assert train("--out", "run", "--resume", "--epochs", 9, "--measure-every", 3) == 0
    rows = (tmp_path / "run/metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["4", "5", "6", "9"]
    capsys.readouterr()
    assert train("--data", "digits", "--measure-every", 1, "--out", "other") == 2
    error = capsys.readouterr().err
    assert "--measure-every scores MNIST's digits, and the run is on digits: leave it out" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "other").exists()


def test_a_judge_that_cannot_be_had_is_one_sentence(
    train, fake_mnist, monkeypatch, tmp_path, capsys
):
    def refused(_):
        raise nn.metrics.JudgeError("the judge is not good enough:\nupdate scikit-learn")

    monkeypatch.setattr(nn.metrics, "load_judge", refused)
    monkeypatch.setattr(nn.metrics, "judge_path", lambda: tmp_path / "none")
    assert train(*MEASURED, "--epochs", 1, "--measure-every", 1, "--out", "run") == 2
    captured = capsys.readouterr()
    assert "Training the judge" in captured.out
    assert "error: the judge is not good enough: update" in captured.err
    assert not (tmp_path / "run").exists()


# -- killed, interrupted, diverged -------------------------------------------------------------


def start(*arguments, **options):
    words = [sys.executable, *arguments]
    return subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True, **options)


def saved(checkpoint):
    """Return when a checkpoint was written, None if never."""
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else None


def test_kill_9_at_any_moment_and_resume_ends_with_the_same_bytes(train, tmp_path):
    options = [*SMALL, "--epochs", "25", "--out"]
    assert train(*options, tmp_path / "whole") == 0
    run, moments = tmp_path / "run", random.Random()  # not seeded: any moment has to do
    checkpoint = run / "checkpoint.npz"
    kills = late = 0
    arguments = [*options, run]
    while kills < 5:
        before = saved(checkpoint)
        process = start(SCRIPT, *arguments)
        # Once this process has saved something, at any moment of the epochs that follow.
        wait_for(lambda: saved(checkpoint) != before, process)  # noqa: B023
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.stdout.close()
        if process.wait() != -signal.SIGKILL:  # it was done before the blow fell: begin anew
            late += 1
            assert late < 10
            assert final(run) == final(tmp_path / "whole")
            shutil.rmtree(run)
            arguments = [*options, run]
            continue
        kills += 1
        arguments = ["--out", run, "--resume"]
        assert nn.GAN.load(checkpoint).epoch <= 25  # whatever the moment, a whole checkpoint
    assert train("--out", run, "--resume") == 0
    assert final(run) == final(tmp_path / "whole")
    for name in ("history.csv", "losses.png", "progress.gif"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not [p for p in run.rglob("*") if p.name.endswith(".part")]


# A process that stops in the middle of its third epoch's pictures, and goes on when it is told to.
STOPS = """
import os, signal, sys
def stop(event, words):
    if event == "os.rename" and str(words[1]).endswith("epoch_0003.png"):
        os.kill(os.getpid(), signal.SIGSTOP)
sys.addaudithook(stop)
"""


@pytest.mark.parametrize(
    ("words", "number"),
    [([SCRIPT], signal.SIGINT), (["-m", "nngan", "train"], signal.SIGTERM)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_ctrl_c_saves_and_says_how_to_resume_from_any_folder(train, tmp_path, words, number):
    options = [*SMALL, "--epochs", "6", "--out"]
    assert train(*options, "whole") == 0
    process = start(*words, *options, "run", env=with_startup(tmp_path / "startup", STOPS))
    wait_for(lambda: is_stopped(process), process)
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert "nothing is lost" in out
    resume = next(line for line in out.splitlines() if "--resume" in line).split()
    n = 1 + len(words)
    assert resume[:n] == [sys.executable, *map(str, words)]
    assert resume[n:] == ["--out", str(tmp_path / "run"), "--resume"]
    gan = nn.GAN.load("run/checkpoint.npz")
    assert 0 < gan.epoch < 6
    assert Path("run/losses.png").exists()
    assert train(*resume[n:]) == 0
    assert final(Path("run")) == final(Path("whole"))


@pytest.mark.parametrize("in_path", [True, False])
def test_the_installed_command_is_named_as_it_can_be_called(tmp_path, monkeypatch, in_path):
    script = tmp_path / "bin" / "nngan"
    script.parent.mkdir()
    script.write_text("")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent) if in_path else "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bin/nngan", "train"])
    assert command.this_program() == ["nngan" if in_path else str(script), "train"]


def test_a_run_that_diverges_keeps_the_last_good_checkpoint(train, tmp_path, capsys):
    assert train(*SMALL, "--lr", "1e30", "--epochs", 3, "--out", "run") == 1
    captured = capsys.readouterr()
    assert "no longer finite at step" in captured.out
    assert "run/checkpoint.npz has the state after the last epoch" in captured.out
    assert "Traceback" not in captured.out + captured.err
    gan = nn.GAN.load(tmp_path / "run/checkpoint.npz")
    assert np.isfinite(gan.G.params).all()


def test_weights_that_diverge_in_the_last_step_of_an_epoch(train, tmp_path, capsys):
    options = ["--data", "digits", "--batch-size", 1797, "--lr", "1e38", "--recipe", "tf_basic"]
    assert train(*options, "--epochs", 2, "--out", "run") == 1
    assert "run/checkpoint.npz has the state after the last epoch" in capsys.readouterr().out
    assert nn.GAN.load(tmp_path / "run/checkpoint.npz").epoch == 0


def test_a_full_disk_keeps_the_last_good_checkpoint(train, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
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
        (
            "--data cifar",
            "--data cifar is neither a file or folder nor one of auto",
        ),
        ("--backend jax", "argument --backend: invalid choice: 'jax'"),
        ("--epochs 0", "argument --epochs: must be a positive whole number, got '0'"),
        ("--epochs many", "argument --epochs: must be a positive whole number, got 'many'"),
        ("--batch-size -3", "argument --batch-size: must be a positive whole number, got '-3'"),
        (
            "--data digits --latent-dim 8",
            "--categories must be 0, or at least 2 and less than --latent-dim 8, got 10",
        ),
        ("--categories -1", "argument --categories: must be a whole number from 0 to"),
        ("--out finished --resume --categories 2", "has categories 10, not 2: leave --categories"),
        ("--latent-dim 1.5", "argument --latent-dim: must be a positive whole number, got '1.5'"),
        ("--lr nan", "argument --lr: must be a positive number, got 'nan'"),
        ("--lr 0", "argument --lr: must be a positive number, got '0'"),
        ("--k 0", "argument --k: must be a positive whole number, got '0'"),
        ("--pack -2", "argument --pack: must be a positive whole number, got '-2'"),
        ("--r1 x", "argument --r1: invalid float value: 'x'"),
        ("--images 0", "argument --images: must be a positive whole number, got '0'"),
        ("--measure-every 0", "argument --measure-every: must be a positive whole number, got '0'"),
        ("--seed -1", "argument --seed: must be a whole number from 0 to 6148914691236517204"),
        ("--seed 6148914691236517205", "argument --seed: must be a whole number from 0 to 61489"),
        ("--out=", "argument --out: must name a folder, got ''"),
        (
            "--data digits --batch-size 5000",
            "1797 samples, and one step takes 5000: lower --batch-size 5000 to 1797 or less",
        ),
        (
            "--data digits --batch-size 900 --k 2",
            "takes 1800: lower --batch-size 900 to 898 or less or --k 2",
        ),
        (
            "--data digits --batch-size 256 --pack 3",
            "--batch-size must be a multiple of --pack 3, got 256",
        ),
        ("--data digits --batch-size 1", "--batch-size must be 2 or more, because a lay"),
        ("--penalty-every 0", "argument --penalty-every: must be a positive whole number, got '0'"),
        ("--out finished --resume --penalty-every 2", "has penalty every 1, not 2: leave --penal"),
        ("--data digits --images 1798", "digits has 1797 images, fewer than 1798: check --images"),
        ("--data digits --ema 1", "--ema must lie in [0, 1), got 1.0"),
        ("--data digits --r2 nan", "--r2 must be a number >= 0, got nan"),
        (
            "--data digits --loss hinge --label-smoothing 0.1",
            "--label-smoothing must be 0, because --loss hinge",
        ),
        ("--data digits --update simultaneous --k 2", "--update simultaneous needs --k 1"),
        ("--data digits --out finished", "already holds a run (checkpoint.npz): add --resume"),
        ("--out finished --resume --recipe tf_basic", "has recipe default, not tf_basic"),
        ("--out finished --resume --latent-dim 9", "has latent dim 16, not 9: leave --latent-dim"),
        ("--out finished --resume --data mnist", "has data digits, not mnist"),
        ("--out finished --resume --batch-size 9", "has batch size 256, not 9: leave --batch-size"),
        ("--out finished --resume --lr 0.5", "has lr 0.001, not 0.5"),
        ("--out finished --resume --seed 7", "has seed 0, not 7"),
        ("--out finished --resume --loss minimax", "has loss non_saturating, not minimax"),
        ("--out finished --resume --update simultaneous", "has update alternating, not simultan"),
        ("--out finished --resume --k 2", "has k 1, not 2: leave --k out"),
        ("--out finished --resume --pack 2", "has pack 1, not 2"),
        ("--out finished --resume --r1 2", "has r1 1.0, not 2.0"),
        ("--out finished --resume --label-smoothing .1", "smoothing 0.0, not 0.1: leave --label-s"),
        ("--out finished --resume --images 9", "has images 1797, not 9"),
        ("--out finished --resume --measure-every 1", "--measure-every scores MNIST's digits"),
        ("--out nowhere --resume", "nowhere has no checkpoint.npz"),
        ("--resume", "--resume needs --out"),
        ("--out finished --resume --epochs 1", "has 2 epochs already: --epochs must be 2 or more"),
        ("--data mnist --data-dir nowhere", "is neither in nowhere/mnist nor in nowhere"),
        ("--data-dir nowhere", "put it there, or leave --data-dir out to have it downloaded"),
        ("--wrong", "unrecognized arguments: --wrong"),
        ("--epoch 3", "unrecognized arguments: --epoch 3"),  # nothing is abbreviated
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
    "name",
    ["checkpoint.npz", "config.json", "samples", "losses.png", "metrics.csv", "metrics.json"],
)
def test_what_looks_like_a_run_is_not_written_over(train, tmp_path, capsys, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    assert train(*SMALL, "--epochs", 1, "--out", "run") == 2
    assert f"run already holds a run ({name})" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "run").iterdir()] == [name]


def test_no_gpu(train, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as where CuPy is not installed
    assert train(*SMALL, "--backend", "cupy", "--out", "run") == 2
    error = capsys.readouterr().err
    assert "pip install 'cupy-cuda13x[ctk]<15'" in error
    assert "use --backend numpy" in error
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
    gan, extra = nn.GAN.load_with_extra(finished / "checkpoint.npz")
    gan.save(finished / "checkpoint.npz")
    capsys.readouterr()
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    assert "is a saved game without the settings of a run" in capsys.readouterr().err
    other = nn.recipes.RECIPES["default"].build(100)
    other.save(finished / "checkpoint.npz", extra)
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    assert "take 100 pixels, not 64" in capsys.readouterr().err


def test_a_run_on_data_of_ones_own_goes_on_in_python(train, finished, capsys):
    run, gan = nn.runs.RunFolder.resume(finished)
    run.change(data="cats")
    run.save(gan)
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    error = capsys.readouterr().err
    assert "was begun in Python, with data named 'cats': go on with it in Python" in error
    assert error.count("\n") == 1


def test_a_damaged_config(train, finished, capsys):
    (finished / "config.json").write_text('{"epochs": 7')
    assert train("--out", finished, "--resume", "--epochs", 3) == 2
    error = capsys.readouterr().err
    assert "config.json is damaged (" in error
    assert "delete it, it is written anew when the run goes on" in error
    (finished / "config.json").unlink()
    assert train("--out", finished, "--resume", "--epochs", 3) == 0
    assert json.loads((finished / "config.json").read_text())["epochs"] == 3


def test_a_folder_that_cannot_be_written(train, capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert train(*SMALL, "--epochs", 1, "--out", tmp_path / "file" / "run") == 2
    assert "file/run: Not a directory" in capsys.readouterr().err
    assert train(*SMALL, "--epochs", 1, "--out", tmp_path / "file") == 2
    error = capsys.readouterr().err
    assert "file is a file, a run needs a folder" in error
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


# -- what a shell does -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "after"),
    [
        ({"MPLBACKEND": "TkAgg"}, ""),
        ({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, ""),
        ({"MPLBACKEND": "nonsense"}, ""),
        ({"PYTHONIOENCODING": "ascii"}, ""),
        ({}, "| head -1"),
        ({}, "> /dev/full"),
        ({}, ">&-"),
        ({}, "2>&-"),
    ],
    ids=lambda value: str(value),
)
@pytest.mark.skipif(os.name == "nt", reason="these are a shell's redirections")
def test_nothing_around_a_training_ends_it(tmp_path, environment, after):
    line = " ".join(map(shlex.quote, [sys.executable, "-m", "nngan", "train", *SMALL]))
    line += f" --epochs 2 --recipe tf_basic --out run {after}"
    home = {"PYTHONPATH": str(SCRIPT.parents[1]), "DISPLAY": "", **environment}
    subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env={**os.environ, **home}, capture_output=True
    )
    assert nn.GAN.load(tmp_path / "run" / "checkpoint.npz").epoch == 2
    assert (tmp_path / "run" / "progress.gif").exists()
