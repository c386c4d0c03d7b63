"""One game on many processes: the shards of a step, and the same bits on 1, 2 and 4 ranks."""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from games import data, float32_game, game
from games import fit as fit_alone
from processes import LIMIT, wait_for

import nngan as nn
from nngan import distributed
from nngan.commands import main, train
from nngan.training import TrainingDiverged, progress

HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
reason = "MPI is missing: make test-mpi installs it"
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or MPIEXEC is None, reason=reason
)


# -- the shards of one process ---------------------------------------------------------------------


def batchnorm_game(in_d=False, **options):
    """Return a game in float64 with BatchNorm, whose optimizers do not magnify rounding errors."""
    classes, pack = options.get("classes", 0), options.get("pack", 1)
    G = nn.Sequential(
        nn.Linear(5 + classes, 8), nn.BatchNorm(8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm(8),
        nn.ReLU(), nn.Linear(8, 6), nn.Sigmoid(), seed=1, dtype="float64",
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(pack * (6 + classes), 8), *([nn.BatchNorm(8)] if in_d else [nn.Dropout(0.3)]),
        nn.LeakyReLU(0.2), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1), seed=2, dtype="float64",
    )  # fmt: skip
    sgd = {"g_optimizer": nn.SGD(0.01, 0.5), "d_optimizer": nn.SGD(0.01, 0.5)}
    return nn.GAN(G, D, seed=3, **sgd, **options)


def learned(gan):
    """Return all that a game has learned, as one array."""
    networks = [network for network in (gan.G, gan.D, gan.G_ema) if network is not None]
    arrays = [a for network in networks for a in (network.params, network.buffers)]
    return np.concatenate([*arrays, *gan.history.values()])


def play(gan, shards, epochs=2, batch_size=24, **options):
    x = np.random.default_rng(0).random((240, gan.G.n_out))
    labels = np.arange(len(x)) % gan.classes if gan.classes else None
    options = {"labels": labels, "progress": False, **options}
    distributed.fit(gan, x, epochs, batch_size, shards=shards, **options)
    return gan


GAMES = {
    "plain": {},
    "classes": {"classes": 3},
    "packs, average": {"pack": 3, "ema": 0.9},
    "BatchNorm in D": {"in_d": True},
    "R1, R2": {"r1": 1.0, "r2": 0.5},
    "WGAN-GP, k = 2": {"loss": "wasserstein", "gradient_penalty": 10.0, "k": 2},
    "pairs, lazy R1": {"loss": "relativistic", "r1": 1.0, "penalty_every": 3},
    "categories": {"categories": 3, "latent": "uniform", "loss": "hinge"},
}


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("shards", [2, 8])
def test_a_step_in_shards_is_the_step(name, shards):
    batch_size = 24 if name == "packs, average" else 16
    whole = play(batchnorm_game(**GAMES[name]), 1, batch_size=batch_size)
    cut = play(batchnorm_game(**GAMES[name]), shards, batch_size=batch_size)
    np.testing.assert_allclose(learned(cut), learned(whole), rtol=1e-9, atol=1e-11)
    assert not np.array_equal(learned(cut), learned(whole))  # it was cut: the rounding differs


def test_simultaneous_steps_in_shards_are_the_steps():
    whole, cut = (play(game(update="simultaneous"), n, batch_size=8) for n in (1, 4))
    np.testing.assert_allclose(learned(cut), learned(whole), rtol=1e-6, atol=1e-8)


def test_shards_repeat_their_bits():
    one, two = (learned(play(batchnorm_game(r1=1.0, ema=0.9), 4)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_shards_go_on_where_they_stopped():
    whole = play(batchnorm_game(ema=0.9), 4, epochs=3)
    resumed = play(play(batchnorm_game(ema=0.9), 4, epochs=1), 4, epochs=2)
    np.testing.assert_array_equal(learned(whole), learned(resumed))


def test_one_shard_is_the_plain_step(monkeypatch):
    monkeypatch.setattr(distributed, "Meeting", None)  # nobody to meet
    alone, one = float32_game(), float32_game()
    fit_alone(alone, data(), epochs=2)
    distributed.fit(one, data(), 2, 8, shards=1, progress=False)
    np.testing.assert_array_equal(learned(alone), learned(one))


@pytest.mark.parametrize("shards", [2, 4])
def test_an_error_in_a_shard_ends_the_step(shards, monkeypatch):
    calls = []

    def fails_at_last(self, *_, **__):
        calls.append(self)
        if len(calls) == shards:
            raise RuntimeError("an error in one shard")

    monkeypatch.setattr(nn.GAN, "generator_step", fails_at_last)
    with pytest.raises(RuntimeError, match="an error in one shard"):
        play(batchnorm_game(), shards)


@pytest.mark.parametrize(("shards", "steps"), [(1, 1), (2, 10)])
def test_a_loss_that_is_not_finite_ends_an_epoch_of_many_processes(shards, steps, monkeypatch):
    """Not a step, because other processes look at their losses at other times."""
    monkeypatch.setattr(progress, "LOOK_EVERY", 0)
    gan = batchnorm_game()
    gan.D.params[:] = np.nan
    with pytest.raises(TrainingDiverged, match="step 1 "):
        play(gan, shards)
    assert gan.clock == steps


class Coupled(nn.Tanh):
    """A layer that takes the minibatch's mean without its other shards."""

    def forward(self, x, training=True, key=None):
        return super().forward(x - x.mean(axis=0), training, key)


class HalfCut(nn.BatchNorm):
    """A BatchNorm with a backward pass that knows nothing of shards."""

    def backward(self, dy, cache, **options):
        return super().backward(dy, cache, **options)


@pytest.mark.parametrize("layer", [Coupled(), HalfCut(8)], ids=lambda layer: type(layer).__name__)
def test_a_layer_that_cannot_be_cut_is_refused(layer):
    G = nn.Sequential(nn.Linear(5, 8), layer, nn.Linear(8, 6), nn.Sigmoid(), dtype="float64")
    gan = nn.GAN(G, game().D)
    before = gan.G.params.copy()
    with pytest.raises(ValueError, match=f"{type(layer).__name__} couples its samples"):
        play(gan, 2)
    np.testing.assert_array_equal(gan.G.params, before)
    play(gan, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 3}, "shards must be a power of two"),
        ({"shards": 0}, "shards must be"),
        ({"shards": 16}, "batch_size must be a multiple of shards=16, got 24"),
        ({"shards": 2, "size": 4}, "shards must be a multiple of the number of processes, 4"),
        ({"shards": 4, "size": 3}, "number of processes must be a power of two, got 3"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        distributed.check_shards(game(), 24, **options)
    with pytest.raises(ValueError, match="shards=8 times pack=2"):
        distributed.check_shards(game(pack=2), 24, 8)


# -- the command in one process --------------------------------------------------------------------

RUN = ["train", "--data", "digits", "--recipe", "small", "--images", "320"]


def arrays(run):
    with np.load(run / "checkpoint.npz") as stored:
        return {name: stored[name].tobytes() for name in stored.files if name != "config"}


def test_a_run_keeps_its_shards(tmp_path, capsys):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([*RUN, "--epochs", "2", "--shards", "4", "--out", str(whole)]) == 0
    assert main([*RUN, "--epochs", "1", "--shards", "4", "--out", str(run)]) == 0
    again = ["train", "--out", str(run), "--resume", "--epochs", "2"]
    with pytest.raises(SystemExit, match="2"):
        main([*again, "--shards", "2"])
    assert "has shards 4, not 2: leave --shards out" in capsys.readouterr().err
    assert main(again) == 0
    assert arrays(run) == arrays(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shards", "3"], "--shards must be a power of two"),
        (["--shards", "128"], "--batch-size must be a multiple of --shards 128, got 64"),
    ],
)
def test_wrong_shards_are_one_sentence(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*RUN, *options, "--out", str(tmp_path / "run")])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_mpi_the_command_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(SystemExit, match="2"):
        main([*RUN, "--distributed", "--out", str(tmp_path / "run")])
    assert "pip install mpi4py mpich brings mpi4py" in capsys.readouterr().err


@needs_mpi
def test_the_mpiexec_of_another_mpi_is_one_sentence(tmp_path):
    words = [sys.executable, "-m", "nngan", *RUN, "--distributed", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "OMPI_COMM_WORLD_SIZE": "4", "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "You may be using `mpiexec` or `mpirun` from a different MPI" in done.stderr
    assert done.stderr.count("\n") == 1


# -- many processes --------------------------------------------------------------------------------


def mpiexec(processes, *words, **options):
    """Start a program on several processes, one BLAS thread each."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    return subprocess.Popen(
        [MPIEXEC, "-n", str(processes), sys.executable, *map(str, words)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def nngan(processes, *words, **options):
    """Start a command of nngan on several processes."""
    return mpiexec(processes, "-m", "nngan", *words, "--distributed", **options)


def result(process):
    """Return status, standard output and standard error of a program that ends."""
    try:
        output, errors = process.communicate(timeout=1200)
    finally:
        process.kill()
    return process.returncode, output, errors


@needs_mpi
def test_every_recipe_has_the_same_bits_on_any_number_of_processes(tmp_path):
    files = {n: tmp_path / f"{n}.json" for n in (1, 2, 4)}
    started = [mpiexec(n, HERE / "on_ranks.py", file) for n, file in files.items()]
    assert [result(process)[0] for process in started] == [0, 0, 0]
    found = [json.loads(file.read_text()) for file in files.values()]
    assert set(found[0]) == set(nn.recipes.RECIPES)
    for recipe in found[0].values():
        assert recipe["steps"] == 200
        assert len(recipe["digests"]) == 1  # all processes end with the same game
    assert found[1] == found[0]
    assert found[2] == found[0]


def epochs_in(run):
    path = run / "history.csv"
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def start_and_wait(processes, run):
    """Start a run, and return its process after its first epoch."""
    process = nngan(processes, *RUN, "--epochs", "500", "--shards", "4", "--out", run)
    wait_for(lambda: epochs_in(run) >= 1, process)
    return process


def assert_goes_on(run, processes):
    """Play an epoch more, and compare the run with one that was not interrupted."""
    gan, settings = nn.runs.load_run(run)
    assert settings.epochs == 500
    epochs, whole = ["--epochs", str(gan.epoch + 1)], run.with_name("whole")
    words = ["train", "--out", str(run), "--resume", *epochs]
    if processes == 1:  # then without MPI
        assert main(words) == 0
    else:
        status, output, errors = result(nngan(processes, *words))
        assert status == 0, output + errors
    assert main([*RUN, *epochs, "--shards", "4", "--out", str(whole)]) == 0
    assert arrays(run) == arrays(whole)


@needs_mpi
@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 1)])
def test_a_run_whose_process_was_killed_goes_on_with_another_number(before, after, tmp_path):
    run = tmp_path / "run"
    process = start_and_wait(before, run)
    ranks = []
    for child in psutil.Process(process.pid).children(True):
        with contextlib.suppress(psutil.NoSuchProcess):  # one of MPI's own that has ended
            ranks += [child] if "nngan" in child.cmdline() else []
    assert len(ranks) == before
    ranks[-1].kill()
    status, output, _ = result(process)
    assert status != 0
    assert "If one process ends, all end; go on with:" in output
    assert not psutil.wait_procs(ranks, timeout=LIMIT)[1]
    assert_goes_on(run, after)


@needs_mpi
def test_ctrl_c_saves_the_run_and_ends_all(tmp_path):
    run = tmp_path / "run"
    process = start_and_wait(2, run)
    process.send_signal(signal.SIGINT)
    status, output, errors = result(process)
    assert status != 0
    assert "nothing is lost" in output
    assert f"mpiexec -n 2 {sys.executable} -m nngan train --out {run} --resume" in output
    assert "Traceback" not in errors
    assert_goes_on(run, 1)


class Second:
    """The communicator of the second process, which waits for the end in `Barrier`."""

    rank, size = 1, 2

    def __init__(self, handed):
        self.handed, self.waits = handed, 0

    def bcast(self, _):
        return self.handed

    def Barrier(self):
        self.waits += 1


def test_only_the_first_process_says_that_a_loss_is_not_finite(tmp_path, monkeypatch, capsys):
    def diverges(*_, **__):
        raise TrainingDiverged("the loss is no longer finite at step 1")

    gan, path = batchnorm_game(), tmp_path / "checkpoint.npz"
    gan.save(path)
    settings = nn.runs.RunSettings(data="digits", recipe="small", epochs=1, batch_size=8)
    comm = Second((path.read_bytes(), "numpy", None, None, settings, "saved"))
    monkeypatch.setattr(train, "fit", diverges)
    monkeypatch.setattr(train.signal, "signal", lambda *_: None)
    train.follow(None, train.parser("nngan train"), comm)
    assert capsys.readouterr() == ("", "")
    assert comm.waits == 1


@needs_mpi
def test_an_error_is_said_once_and_ends_all(tmp_path):
    status, output, errors = result(nngan(2, *RUN, "--shards", "3", "--out", tmp_path / "run"))
    assert status == 2
    assert output == ""
    assert errors.count("\n") == 1
    assert "--shards must be a power of two" in errors

    status, output, errors = result(nngan(2, *RUN, "--lr", "1e20", "--out", tmp_path / "run"))
    assert status == 1
    assert output.count("the loss is no longer finite at step") == 1
    assert output.count("has the state after the last epoch that was saved") == 1
    assert "Traceback" not in errors
