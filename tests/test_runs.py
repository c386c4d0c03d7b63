"""A run: settings that survive a file, a folder whose files are whole, arithmetic of its length."""

import gc
import json
import os
import time
import weakref
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import psutil
import pytest
from games import float32_game
from PIL import Image

import nngan as nn
import nngan.runs.folder
import nngan.runs.measure
from nngan.checkpoint import CheckpointError
from nngan.metrics import Estimate, Judge
from nngan.plotting import sheets
from nngan.runs import Measure, RunFolder, RunSettings, describes, load_run, repeats_of, steps_of
from nngan.runs.settings import config_text, read_config
from nngan.runs.surroundings import surroundings
from nngan.runs.tables import GrowingTable

SETTINGS = RunSettings(
    epochs=3, batch_size=8, data="digits", data_dir="there", images=50, recipe="default", seed=4,
    sample_every=2, measure_every=5, real_scores={"frechet": 1.5},
)  # fmt: skip


game = partial(float32_game, features=4)  # images of 2x2 pixels, which can be drawn


@pytest.fixture
def finished(tmp_path):
    """Return the folder of a run of two epochs on data of its own."""
    run, gan = RunFolder(tmp_path / "run", RunSettings(epochs=2, batch_size=8)), game()
    run.create(gan)
    x = np.random.default_rng(0).uniform(0, 1, (16, 4)).astype(np.float32)
    gan.fit(x, 2, 8, callbacks=[run], progress=False)
    run.draw(gan)
    return run.path


# -- settings ------------------------------------------------------------------------------------


def test_settings_come_back_from_both_files(tmp_path):
    run, gan = RunFolder(tmp_path / "run", SETTINGS), game()
    run.create(gan)
    expected = replace(SETTINGS, made_with=surroundings(gan.backend))
    assert load_run(run.checkpoint)[1] == expected
    assert RunFolder.resume(run.path)[0].settings == expected
    settings, description = read_config(run.config)
    assert settings == expected
    assert describes(description, gan)
    assert not describes(description, game(features=9))
    assert not describes({}, gan)


def test_a_game_that_is_not_of_a_run_has_no_settings(tmp_path):
    game().save(tmp_path / "checkpoint.npz", {"note": "mine"})
    gan, settings = load_run(tmp_path / "checkpoint.npz")
    assert gan.G.n_out == 4
    assert settings is None
    with pytest.raises(ValueError, match=r"without the settings of a run: load it with GAN\.load"):
        RunFolder.resume(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": None}, "the settings of a run lack epochs"),
        ({"colour": "red"}, "unknown settings of a run: colour"),
        ({"batch_size": 0}, "batch_size must be a positive whole number, got 0"),
        ({"seed": -1}, r"seed must be a whole number in \[0, 2\*\*64\), got -1"),
        ({"data": 5}, "data must be a text, got 5"),
        ({"images": 1.5}, "images must be a positive whole number, got 1.5"),
        ({"shape": 8}, r"shape must be \(height, width\) or"),
        ({"shape": "\n"}, r"shape must be \(height, width\) or"),
        ({"shape": [8, 8, 2]}, r"shape must be \(height, width\) or"),
        ({"load": {"grey": "yes"}}, "grey must be True or False, got 'yes'"),
        (
            {"load": {"colour": 1}},
            "load may have key, shape, size, grey, labels, label_column, skip_broken, got",
        ),
        ({"real_scores": [1.0]}, "real_scores must be numbers by their names"),
        ({"measure_every": "often"}, "measure_every must be a positive whole number, got 'often'"),
    ],
)
def test_damaged_settings_are_named(tmp_path, changed, message):
    stored = {n: v for n, v in (asdict(SETTINGS) | changed).items() if v is not None}
    game().save(tmp_path / "checkpoint.npz", {"run": stored})
    with pytest.raises(CheckpointError, match=f"checkpoint.npz is damaged: {message}"):
        load_run(tmp_path / "checkpoint.npz")
    (tmp_path / "config.json").write_text(json.dumps({**stored, "gan": {}}))
    with pytest.raises(ValueError, match=f"config.json is damaged .{message}.*: delete it"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"run": 5}, "the settings of a run must be a dict, got 5"),
        ({"run": None}, "the settings of a run must be a dict, got None"),
        ({"measures": ["epoch"]}, "it has no entry 'measured'"),
        ({"measures": ["epoch"], "measured": [5]}, "'measured' must be an array, got .5."),
        ({"measures": ["epoch"], "measured": np.zeros((2, 3))}, "measured must be rows of 1"),
        ({"measures": 5, "measured": np.zeros((2, 3))}, "'measures' must be a list, got 5"),
    ],
)
def test_an_extra_that_is_not_whole(tmp_path, extra, message):
    game().save(tmp_path / "checkpoint.npz", {"run": asdict(SETTINGS), **extra})
    with pytest.raises(CheckpointError, match=f"checkpoint.npz is damaged: .*{message}"):
        load_run(tmp_path / "checkpoint.npz")


@pytest.mark.parametrize(
    "text", ["{", "[1]", "{}", '{"gan": 3}', "null", "5", "[" * 9999, "\udcff"]
)
def test_a_damaged_config_is_one_sentence(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"config.json is damaged \(.+\): delete it"):
        read_config(tmp_path / "config.json")


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        SETTINGS.epochs = 5
    run = RunFolder("run", SETTINGS)
    run.change(epochs=5)
    assert run.settings == replace(SETTINGS, epochs=5)


def test_the_config_is_json_with_the_game():
    stored = json.loads(config_text(SETTINGS, game()))
    assert stored["epochs"] == 3
    assert stored["gan"]["loss"] == "non_saturating"


def test_a_recipe_has_more_epochs_of_fewer_images():
    assert [repeats_of(n) for n in (60_000, 50_000, 10_000, 1_797, 100_000)] == [1, 1, 6, 33, 1]
    assert steps_of(epochs=4, images=100, batch_size=8, k=3) == 16


# -- the folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["history.csv", "config.json", "losses.png", "progress.gif"])
def test_a_file_that_cannot_be_finished_is_left_as_it_was(finished, monkeypatch, name):
    run, gan = RunFolder.resume(finished)
    before = (finished / name).read_bytes()

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr("nngan.files.os.fsync", full)
    write = {"history.csv": run, "config.json": run.write_config}.get(name, run.draw)
    gan.history["d_loss"][0] = 9.0
    with pytest.raises(OSError, match="No space"):
        write(gan)
    assert (finished / name).read_bytes() == before
    assert not list(finished.rglob("*.part"))


def test_the_files_of_others_are_left_alone(finished):
    """Not even a name that looks like one of ours."""
    download = finished / "samples" / ".video.part"
    download.write_bytes(b"half")
    RunFolder.resume(finished)
    assert download.exists()


def test_a_folder_is_made_once(finished, tmp_path):
    with pytest.raises(FileExistsError, match=r"already holds a run \(checkpoint.npz\)"):
        RunFolder(finished, SETTINGS).create(game())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file, a run needs a folder"):
        RunFolder(tmp_path / "file", SETTINGS).create(game())
    assert sorted(os.listdir(tmp_path)) == ["file", "run"]


# -- scores --------------------------------------------------------------------------------------


def test_a_run_that_is_not_to_be_measured():
    x = np.zeros((2, 784), np.float32)
    with pytest.raises(ValueError, match="measure_every of the run's settings must be a number"):
        Measure(RunFolder("run", RunSettings(2, 8)), x, x, Judge((), (), 0.5))


def test_a_change_of_the_judge_is_kept_and_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nngan.runs.measure, "quick_scores", lambda *_: {"frechet": Estimate(1, 0)})
    x = np.zeros((2, 784), np.float32)
    first, second = (
        Judge((np.full((784, 2), i, np.float32),), (np.zeros(2, np.float32),), 0.99) for i in (1, 2)
    )
    run = RunFolder(tmp_path, SETTINGS)
    for judge in (first, first):
        Measure(run, x, x, judge)
        assert run.settings.judges == {"1": first.fingerprint}
    run.measured = [{"epoch": 5, "samples": 2000, "frechet": 1.0}]
    assert capsys.readouterr().out == ""
    Measure(run, x, x, second)
    assert run.settings.judges == {"1": first.fingerprint, "6": second.fingerprint}
    said = f"Judge {second.fingerprint} measures from epoch 6 on, and before it judge"
    assert capsys.readouterr().out.startswith(f"{said} {first.fingerprint} did")


def test_short_epochs_share_a_checkpoint(tmp_path, monkeypatch):
    """A file is written after the first epoch and the last, and in between by the clock."""
    clock, saved = [0.0], []
    monkeypatch.setattr(nngan.runs.folder.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(RunFolder, "save", lambda run, gan: saved.append(gan.epoch))

    def tick(gan):
        clock[0] += 4

    run = RunFolder(tmp_path, RunSettings(epochs=8, batch_size=8, sample_every=8))
    gan = game()
    x = np.random.default_rng(0).uniform(0, 1, (16, 4)).astype(np.float32)
    gan.fit(x, 8, 8, callbacks=[tick, run], progress=False)
    assert saved == [1, 4, 7, 8]
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "epoch_0001.png", "epoch_0008.png",
    ]  # fmt: skip


def test_a_game_whose_samples_are_no_images_is_refused_before_it_trains(tmp_path):
    run = RunFolder(tmp_path / "run", SETTINGS)
    with pytest.raises(ValueError, match=r"images with 6 features are not square: pass shape="):
        run.create(float32_game())
    assert not (tmp_path / "run").exists()
    RunFolder(tmp_path / "run", SETTINGS, shape=(2, 3)).create(float32_game())
    assert (tmp_path / "run").is_dir()


def test_what_was_measured_comes_back_and_takes_eight_bytes_a_number(tmp_path):
    run, gan = RunFolder(tmp_path / "run", SETTINGS), game()
    run.create(gan)
    empty = run.checkpoint.stat().st_size
    run.measured = [{"epoch": i, "samples": 2000, "frechet": i / 3} for i in range(1000)]
    run.save(gan)
    assert RunFolder.resume(run.path)[0].measured == run.measured
    assert run.checkpoint.stat().st_size - empty < 1000 * 3 * 8 + 1000
    run.measured.append({"epoch": 5})
    with pytest.raises(ValueError, match="each row of measured must have the names epoch"):
        run.save(gan)


# -- what decides the last bits --------------------------------------------------------------------


def test_a_run_keeps_what_decides_its_last_bits(finished):
    made_with = load_run(finished)[1].made_with
    assert made_with["backend"] == "numpy"
    assert made_with["numpy"] == np.__version__
    assert made_with["BLAS threads"]


def test_a_run_goes_on_with_its_own_backend(tmp_path):
    pytest.importorskip("numba")
    run = RunFolder(tmp_path / "run", SETTINGS)
    run.create(game("numba"))
    assert RunFolder.resume(run.path)[1].backend.name == "numba"
    with pytest.warns(RuntimeWarning, match="saved with backend numba, now numpy.* may differ"):
        RunFolder.resume(run.path, "numpy")


def test_other_threads_or_versions_are_said(finished, monkeypatch):
    other = {**surroundings(game().backend), "BLAS threads": "64", "numpy": "1.0"}
    monkeypatch.setattr(nngan.runs.folder, "surroundings", lambda _: other)
    with pytest.warns(RuntimeWarning, match=r"BLAS threads \w+, now 64; numpy .*, now 1\.0: its"):
        RunFolder.resume(finished)


# -- a run that is long ----------------------------------------------------------------------------


def rows_of(path):
    return path.read_text().splitlines()


def test_tables_are_appended_to_and_cut_back(tmp_path):
    path, table = tmp_path / "history.csv", GrowingTable()
    rows = [[i, i / 3] for i in range(10)]
    asked = []

    def rows_after(done):
        asked.append(done)
        return rows[done:total]

    for total in (3, 5, 5, 10):
        table.write(path, ["epoch", "loss"], total, rows_after)
        assert rows_of(path) == ["epoch,loss", *(f"{a},{b}" for a, b in rows[:total])]
    assert asked == [0, 3, 5, 5]
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b"10,3.")  # half a row, by whomever
    table.write(path, ["epoch", "loss"], 10, rows_after)
    assert path.read_bytes() == whole
    total = 4  # another object: a run that goes on from an older epoch
    GrowingTable().write(path, ["epoch", "loss"], total, rows_after)
    assert len(rows_of(path)) == 5
    path.unlink()
    GrowingTable().write(path, ["epoch", "loss"], total, rows_after)
    assert len(rows_of(path)) == 5


def test_the_animation_shows_sheets_in_the_order_of_their_epochs(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        nngan.runs.folder.plotting, "save_gif", lambda file, *given: drawn.append(given)
    )
    run, gan = RunFolder(tmp_path / "run", SETTINGS), game()
    run.create(gan)
    (run.path / "samples").mkdir()
    for name in ("9601", "10201", "0001", "mine", "²"):
        (run.path / "samples" / f"epoch_{name}.png").touch()
    run.draw(gan)
    assert drawn[0][1] == ["epoch 1", "epoch 9601", "epoch 10201"]


TENTH, LAST = slice(9, 1009), slice(-1000, None)


@pytest.mark.slow
def test_the_last_of_20000_epochs_costs_what_the_tenth_does(tmp_path, monkeypatch):
    """The unit is the time that some samples take then: others may use the machine as well."""
    monkeypatch.setattr(nngan.runs.folder, "SAVE_EVERY", 0.5)
    epochs = 20_000
    run = RunFolder(tmp_path / "run", RunSettings(epochs, 8, sample_every=1000))
    gan, other, taken, units, sizes = game(), game(), [], [], {}
    run.create(gan)
    begun = [time.process_time()]

    def look(gan):
        now = time.process_time()
        taken.append(now - begun.pop())
        for _ in range(5):
            other.sample(64)
        units.append(time.process_time() - now)
        begun.append(time.process_time())
        if gan.epoch in (epochs // 2, epochs):
            gc.collect()
            sizes[gan.epoch] = memory_in_use()

    x = np.random.default_rng(0).uniform(0, 1, (16, 4)).astype(np.float32)
    gan.fit(x, epochs, 8, callbacks=[run, look], progress=False)
    early, late = (np.median(taken[p]) / np.median(units[p]) for p in (TENTH, LAST))
    ms = ", ".join(f"{1e3 * np.median(taken[part]):.3f} ms" for part in (TENTH, LAST))
    print(f"epoch: {ms}, {early:.3f} and {late:.3f} units; memory: {sizes}")
    assert late <= 1.1 * early
    assert sizes[epochs] - sizes[epochs // 2] < 10e6  # of which the history takes 1.3 MB
    assert len(rows_of(run.path / "history.csv")) == epochs + 1
    assert run.checkpoint.stat().st_size < 64 * epochs + 20_000


def memory_in_use():
    """Return the bytes of this process in memory."""
    return psutil.Process().memory_info().rss


def test_frames_of_an_animation_are_in_memory_one_at_a_time(tmp_path, monkeypatch):
    for i in range(5):
        nn.plotting.save_sheet(tmp_path / f"{i}.png", np.full((4, 64), i / 5, np.float32))
    opened, alive, read = [], [], sheets._frame

    def frame(path):
        image = read(path)
        opened.append(weakref.ref(image))
        alive.append(sum(image() is not None for image in opened))
        return image

    monkeypatch.setattr(sheets, "_frame", frame)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    nn.plotting.save_gif(tmp_path / "out.gif", paths, ["caption"] * 5)
    assert len(alive) == 5
    assert max(alive) <= 2  # the one before is let go when the next is there


@pytest.mark.parametrize(
    ("classes", "columns", "rows"), [(0, 8, 8), (2, 8, 8), (3, 6, 10), (10, 10, 6), (47, 7, 7)]
)
def test_a_sheet_can_be_looked_at_whatever_the_number_of_classes(classes, columns, rows):
    labels, width = nngan.runs.folder.sheet_labels(classes)
    assert width == columns
    if classes:
        assert -(-len(labels) // columns) == rows
        assert set(labels) == set(range(classes))
    if 0 < classes <= 16:
        table = labels.reshape(rows, columns)
        assert (table == table[0]).all()  # a column has one class
        assert (np.diff(table[0]) >= 0).all()


def test_draw_saves_a_run_that_stopped_early(tmp_path):
    run, gan = RunFolder(tmp_path / "run", RunSettings(epochs=1000, batch_size=8)), game()
    run.create(gan)
    x = np.random.default_rng(0).uniform(0, 1, (16, 4)).astype(np.float32)
    gan.fit(x, 3, 8, callbacks=[run], progress=False)
    run.draw(gan)
    assert load_run(run.path)[0].epoch == 3


def test_an_animation_has_frames_from_all_of_a_long_run(tmp_path):
    run, gan = RunFolder(tmp_path / "run", RunSettings(epochs=400, batch_size=8)), game()
    run.create(gan)
    (run.path / "samples").mkdir()
    for epoch in range(1, 401):
        nn.plotting.save_sheet(run.path / f"samples/epoch_{epoch:04}.png", gan.sample(4))
    run.draw(gan)
    with Image.open(run.path / "progress.gif") as animation:
        assert animation.n_frames <= nngan.runs.folder.FRAMES
    chosen = nngan.runs.folder.spread(list(range(400)), 150)
    assert (len(chosen), chosen[0], chosen[-1]) == (150, 0, 399)
    assert set(np.diff(chosen)) == {2, 3}
