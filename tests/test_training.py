"""The loop: every sample once an epoch, one seed one run, interrupts and bad losses."""

import io
import itertools
import os
import re
import signal
import sys
import threading

import numpy as np
import pytest
import scipy.sparse
import tqdm.auto as tqdm_module
from games import FEATURES, data, fit, float32_game, interrupt_at, record_steps, saved_state

import nngan as nn
from nngan.backend import Stream
from nngan.game import METRICS, steps
from nngan.training import TrainingDiverged, loop, progress
from nngan.training.loop import deferred_interrupt


@pytest.fixture
def seen(monkeypatch):
    """Return a list of the steps that the loop takes; D's are shown minibatches."""
    return record_steps(monkeypatch)


def shown_to_d(steps):
    return [step.x for step in steps if step.player == "D"]


@pytest.mark.parametrize("k", [1, 2])
def test_an_epoch_goes_once_through_the_data_in_a_new_order(k, seen):
    fit(float32_game(k=k), epochs=2)
    batches, per_epoch = shown_to_d(seen), 50 // (8 * k) * k
    assert len(batches) == 2 * per_epoch
    first, second = np.concatenate(batches[:per_epoch]), np.concatenate(batches[per_epoch:])
    rows = {row.tobytes() for row in data()}
    for epoch in (first, second):
        shown = [row.tobytes() for row in epoch]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= rows
    assert (first != second).any()


def test_history_has_the_mean_of_each_epoch():
    gan = float32_game()
    logs = []
    history = fit(gan, callbacks=[lambda g: logs.append(g.log.astype(np.float64).mean(axis=0))])
    assert history is gan.history
    assert gan.epoch == 3
    np.testing.assert_array_equal(
        [history[name] for name in ("d_loss", "g_loss", "d_real", "d_fake")], np.transpose(logs)
    )
    assert int(gan.clock[0]) == 3 * (50 // 8)


def test_one_seed_gives_one_run_and_another_seed_another():
    a, b, c = float32_game(seed=1), float32_game(seed=1), float32_game(seed=2)
    for gan in (a, b, c):
        fit(gan)
    assert saved_state(a) == saved_state(b)
    assert saved_state(a)[0] != saved_state(c)[0]


def test_training_in_parts_is_training_at_once():
    whole, parts = float32_game(), float32_game()
    fit(whole, epochs=4)
    fit(parts, epochs=1)
    fit(parts, epochs=3)
    assert saved_state(whole) == saved_state(parts)


def test_backends_learn_the_same(backend):
    a, b = float32_game(), float32_game(backend)
    fit(a)
    fit(b)
    np.testing.assert_allclose(b.backend.to_numpy(b.G.params), a.G.params, rtol=1e-3, atol=1e-6)
    for name, values in a.history.items():
        np.testing.assert_allclose(b.history[name], values, rtol=1e-4)


def test_bytes_are_the_same_data(seen):
    x = np.random.default_rng(1).integers(0, 256, (50, FEATURES), dtype=np.uint8)
    for data_range in ((0, 1), (-1, 1)):
        a, b = float32_game(data_range=data_range), float32_game(data_range=data_range)
        fit(a, x.astype(np.float32) / 255)
        seen.clear()
        fit(b, x)
        assert saved_state(a) == saved_state(b)
        low, high = data_range
        batches = np.stack(shown_to_d(seen))
        assert batches.dtype == np.float32
        assert low <= batches.min() < batches.max() <= high
        assert batches.min() < low + 0.02


def test_bytes_stay_bytes_until_a_minibatch_is_gathered(monkeypatch):
    x, seen = np.arange(50 * FEATURES, dtype=np.uint8).reshape(50, FEATURES), []
    original = loop.make_step

    def make_step(gan, data, *arguments):
        seen.append(data)
        return original(gan, data, *arguments)

    monkeypatch.setattr(loop, "make_step", make_step)
    fit(float32_game(), x, epochs=1)
    assert seen[0].dtype == np.uint8
    assert np.shares_memory(seen[0], x)  # not even copied


def test_each_of_the_k_steps_has_masks_and_noise_of_its_own(monkeypatch):
    gan, calls = float32_game(k=3), []
    original = steps.discriminator_step

    def spy(game, x, z, i, **options):
        key = gan.key(Stream.DISCRIMINATOR_STEP, 3 * i + 1)
        calls.append((i, z.copy(), gan.D.forward(x, key=key)[1][2]))
        return original(game, x, z, i, **options)

    monkeypatch.setattr(steps, "discriminator_step", spy)
    fit(gan, epochs=1)
    assert [i for i, _, _ in calls[:3]] == [0, 1, 2]
    for a, b in itertools.combinations(calls, 2):
        assert (a[1] != b[1]).all()
        assert (a[2] != b[2]).any()


def test_the_game_learns():
    """A cloud in a corner of the cube: G moves there and stays near it, and D cannot tell.

    The networks are wider than those of `games.game`, so that they learn this in a second.
    """
    x = (0.8 + 0.05 * np.random.default_rng(2).standard_normal((256, 4))).clip(0, 1)
    G = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 4), nn.Sigmoid(), seed=1)
    D = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(8, 1), seed=2)
    adam = {"lr": 5e-3, "beta1": 0.5}
    gan = nn.GAN(G, D, g_optimizer=nn.Adam(**adam), d_optimizer=nn.Adam(**adam))
    before = np.abs(gan.sample(500).mean(axis=0) - 0.8).max()
    history = fit(gan, x, epochs=60, batch_size=32)
    after = np.abs(gan.sample(500).mean(axis=0) - 0.8).max()
    assert before > 0.25
    assert after < 0.125
    assert abs(history["d_loss"][-1] - 2 * np.log(2)) < 0.2


# -- interrupts --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 3, 5, 8, 17])
def test_ctrl_c_finishes_the_step_and_fit_goes_on_from_there(step):
    whole, stopped = float32_game(), float32_game()
    fit(whole)
    interrupt_at(stopped, step)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped)
    assert int(stopped.clock[0]) == step + 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if step < 17:  # the last step of all leaves nothing to go on with
        fit(stopped, epochs=3 - stopped.epoch)
    assert saved_state(whole) == saved_state(stopped)


def test_ctrl_c_after_a_loss_has_diverged_is_told_as_that():
    gan = float32_game(d_optimizer=nn.SGD(1e38), g_optimizer=nn.SGD(1e38))
    interrupt_at(gan, 4)
    with pytest.raises(TrainingDiverged):
        fit(gan)


def test_a_second_ctrl_c_waits_for_the_step_too():
    with deferred_interrupt() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert len(interrupted) == 2


def test_a_program_that_ignores_ctrl_c_is_not_stopped():
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupt() as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interrupted
    finally:
        signal.signal(signal.SIGINT, previous)


def test_sigterm_waits_for_the_end_of_a_step_if_a_function_handles_it():
    gan, previous = float32_game(), signal.signal(signal.SIGTERM, signal.default_int_handler)
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a script's background job
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(gan, epochs=9, callbacks=[lambda _: os.kill(os.getpid(), signal.SIGTERM)])
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, previous)
        signal.signal(signal.SIGINT, ignored)
    assert gan.epoch == 1


def test_training_outside_the_main_thread_works():
    gan = float32_game()
    thread = threading.Thread(target=fit, args=(gan,))
    thread.start()
    thread.join()
    assert gan.epoch == 3


def test_another_batch_size_begins_a_new_epoch(seen):
    gan = float32_game()
    interrupt_at(gan, 2)
    with pytest.raises(KeyboardInterrupt):
        fit(gan)
    seen.clear()
    fit(gan, epochs=1, batch_size=10)
    assert len(shown_to_d(seen)) == 5
    assert gan.epoch == 1


# -- losses that are no numbers ----------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(backend):
    gan = float32_game(backend, d_optimizer=nn.SGD(1e38), g_optimizer=nn.SGD(1e38))
    with pytest.raises(
        TrainingDiverged, match=r"no longer finite at step (\d+) \(epoch 1\)"
    ) as error:
        fit(gan)
    step = int(str(error.value).split("step ")[1].split(" ")[0])
    log = gan.backend.to_numpy(gan.log)
    assert np.isfinite(log[: step - 1]).all()
    assert not np.isfinite(log[step - 1]).all()
    assert gan.epoch == 0


def test_callbacks_do_not_see_an_epoch_that_diverged():
    gan, called = float32_game(d_optimizer=nn.SGD(1e38), g_optimizer=nn.SGD(1e38)), []
    with pytest.raises(TrainingDiverged):
        fit(gan, callbacks=[called.append])
    assert called == []


# -- what is shown -----------------------------------------------------------------------------


def test_a_run_says_the_values_at_chance_once_and_each_epoch_has_a_line(capsys):
    fit(float32_game(), epochs=2, progress=True)
    chance, first, second = capsys.readouterr().out.splitlines()
    assert chance == "at chance: D loss 1.386, G loss 0.693, D(x) 0.50, D(G(z)) 0.50 (/s: samples)"
    assert first.startswith("epoch 1/2  D loss ")
    for part in ("epoch 2/2", "  D loss 1.", "  G loss 0.", "  D(x) 0.", "  D(G(z)) 0.", "/s"):
        assert part in second
    fit(float32_game(), epochs=2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("columns", [80, 40])
def test_bar_and_lines_fit_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    bar, gan = bar_on_screen(monkeypatch, ncols=columns), float32_game()
    fit(gan, epochs=1650, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 2 + progress.LINES  # one tells the time
    assert max(map(len, lines)) < columns
    assert lines[-1].lstrip("epoch ").startswith("1650/1650")
    shown = [part.strip() for part in re.split("[\r\n]", bar.getvalue()) if part.strip()]
    assert max(map(len, shown)) <= columns
    assert "100%" in shown[-1]


def test_a_line_has_the_means_of_its_epochs(capsys):
    gan = float32_game()
    fit(gan, epochs=250, progress=True)
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert [int(line.split("/")[0].split()[-1]) for line in lines][:2] == [10, 20]
    for line, low in zip(lines[:2], (0, 10), strict=True):
        mean = np.mean(gan.history["d_loss"][low : low + 10])
        assert f"D loss {mean:.3f}" in line


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.001, 12.0, 0.999, 0.001), "D tells all data from all fakes, so that G learns nothing"),
        ((4e17, -4e17, 0.5, 0.5), "The losses explode: try a lower learning rate"),
        ((1.386, 0.693, 0.5, 0.5), None),
    ],
    ids=["won", "exploded", "chance"],
)
def test_a_hopeless_game_is_said_once(values, words, capsys, monkeypatch):
    def end_epoch(game):
        for name, value in zip(METRICS, values, strict=True):
            game.history[name].append(value)

    monkeypatch.setattr(loop, "end_epoch", end_epoch)
    fit(float32_game(), epochs=12, progress=True)
    said = [line for line in capsys.readouterr().out.splitlines() if ": try " in line]
    assert len(said) == (words is not None)
    assert all(line.startswith(words) for line in said)


def bar_on_screen(monkeypatch, **options):
    """Show the bars of `fit` although there is no terminal; return what they write."""
    screen, real = io.StringIO(), tqdm_module.tqdm
    options = {"disable": False, "file": screen, "mininterval": 0, **options}
    monkeypatch.setattr(tqdm_module, "tqdm", lambda **given: real(**{**given, **options}))
    monkeypatch.setattr(progress, "LOOK_EVERY", 0)
    return screen


def test_the_bar_runs_over_the_whole_run_and_shows_the_losses(monkeypatch):
    screen, gan = bar_on_screen(monkeypatch, ncols=80), float32_game(k=2)
    fit(gan, epochs=2, progress=True)
    for part in ("epoch 1/2", "epoch 2/2", "D 1.", " G 0.", " 50%", "100%", "/s"):
        assert part in screen.getvalue()
    screen.truncate(0)
    fit(gan, epochs=1, progress=True)
    assert " 67%" in screen.getvalue()  # two of three epochs are done


def test_the_line_tells_samples_per_second(capsys, monkeypatch):
    clock = itertools.count(0, 2.0)  # every look at the clock finds it two seconds later
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(progress.Progress, "look", lambda self, done: None)
    fit(float32_game(k=2), epochs=1, progress=True)
    # Made at 0, the epoch begins at 2 and ends at 4 seconds.
    assert f"  {3 * 16 / 4:,.0f}/s\n" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 40])
def test_a_run_tells_how_long_it_takes_and_how_much_is_left(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])

    def three_seconds(game):
        now[0] += 3

    fit(float32_game(), epochs=100, progress=True, callbacks=[three_seconds])
    _, *lines = capsys.readouterr().out.splitlines()
    about = [line for line in lines if line.startswith("about ")]
    assert len(about) == 1
    assert about[0].startswith("about 5 minutes to epoch 100" if columns == 80 else "about 5 min")
    assert lines.index(about[0]) == 0
    left = [line for line in lines if re.search(r" \d+[sm]( left)?$", line)]
    assert len(left) == len(lines) - 2  # all lines of epochs but the last
    assert left[-1].removesuffix(" left").endswith(" 12s")  # 4 epochs of 3 seconds
    assert max(map(len, lines)) < columns


@pytest.mark.parametrize(
    ("seconds", "words", "letters"),
    [(45, "45 seconds", "45s"), (720, "12 minutes", "12m"), (7500, "2.1 hours", "2h05")],
)
def test_spans_of_time(seconds, words, letters):
    assert (progress.duration(seconds), progress.short(seconds)) == (words, letters)


def test_output_that_is_closed_ends_no_training(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    for stream in (None, Closed()):
        monkeypatch.setattr(sys, "stdout", stream)
        gan = float32_game()
        fit(gan, epochs=2, progress=True)
        assert gan.epoch == 2
    monkeypatch.setattr(sys, "stderr", None)
    fit(gan, epochs=1, progress=True)
    assert gan.epoch == 3


# -- what is data ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        lambda x, d: x.tolist(),
        lambda x, d: x.reshape(-1, 2, 3),
        lambda x, d: x.reshape(-1, 2, 3, 1),
        lambda x, d: np.ma.masked_array(x),
        lambda x, d: np.asfortranarray(x),
        lambda x, d: on_disk(d / "x.npy", x),
        lambda x, d: Frame(x),
    ],
    ids=["list", "images", "channels", "mask", "columns", "memmap", "frame"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_arrays_of_every_kind_are_data(kind, dtype, tmp_path):
    x = data() if dtype.startswith("f") else (255 * data())
    x, expected, gan = x.astype(dtype), float32_game(), float32_game()
    fit(expected, x.astype("uint8" if dtype == "int64" else dtype), epochs=1)
    fit(gan, kind(x, tmp_path), epochs=1)
    np.testing.assert_array_equal(gan.G.params, expected.G.params)


class Frame:
    """A table that becomes an array, as a DataFrame does."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x


def on_disk(path, x):
    np.save(path, x)
    return np.load(path, mmap_mode="r")


# -- mistakes of the caller --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (data()[:, :3], {}, r"x must be an array of shape \(n, 6\).* got \(50, 3\)"),
        ([[1, 2, 3, 4]], {}, r"got \(1, 4\)"),
        ([[1, 2], [1]], {}, "x is no array of numbers .*: all rows must have the same length"),
        ([["a"] * 6] * 20, {}, "x must be floats, or whole numbers in 0..255, got <U1"),
        (scipy.sparse.eye_array(20, 6), {}, r"x is a sparse matrix: pass x\.toarray\(\)"),
        (np.ma.masked_less(data(), 0.5), {}, "x has masked values: fill them"),
        (np.full((20, 6), 300), {}, "x must be floats, or whole numbers in 0..255, got int64"),
        (data(5), {}, "x has 5 samples, and one step takes 8: lower batch_size=8 to 5 or less"),
        (data() * np.nan, {}, "NaN or infinite"),
        (data(), {"epochs": 0}, "epochs must be a positive whole number, got 0"),
        (data(), {"batch_size": -1}, "batch_size must be a positive whole number, got -1"),
    ],
)
def test_mistakes_get_one_clear_sentence(x, options, message):
    with pytest.raises(ValueError, match=message):
        fit(float32_game(), x, **options)


def test_data_outside_0_1_cannot_be_mapped_to_a_range():
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\] to be mapped to \(-1.0, 1.0\)"):
        fit(float32_game(data_range=(-1, 1)), 2 * data())


@pytest.mark.parametrize("dtype", ["int64", "complex64", "datetime64[s]"])
def test_data_of_another_type_than_bytes_and_floats_are_refused(dtype):
    with pytest.raises(ValueError, match=r"x must be floats, or whole numbers in 0\.\.255"):
        fit(float32_game(), np.round(data()).astype(dtype))


def test_true_and_false_are_1_and_0():
    fit(bits := float32_game(), data() < 0.5, epochs=1)
    fit(numbers := float32_game(), (data() < 0.5).astype("float32"), epochs=1)
    np.testing.assert_array_equal(bits.G.params, numbers.G.params)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_no_data_are_refused(dtype):
    with pytest.raises(ValueError, match="x has no samples"):
        fit(float32_game(), data(n=0).astype(dtype))


def test_a_clock_that_stands_still(monkeypatch, capsys):
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 1.0)
    fit(float32_game(), epochs=1, progress=True)
    assert "epoch 1/1" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [print, [None], 5, [print, "print"]])
def test_callbacks_are_checked_before_anything_is_trained(wrong):
    gan = float32_game()
    before = saved_state(gan)
    with pytest.raises(TypeError, match="callbacks must be"):
        fit(gan, callbacks=wrong)
    assert saved_state(gan) == before
