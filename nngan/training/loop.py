"""The loop around the game: minibatches, epochs, history, progress, interrupts.

The loop owns no state. It changes the state of the game alone, so that a run that was saved between
any two steps goes on as if it had not been interrupted.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import is_
from typing import Any

import numpy as np

from ..backend import Array, Key, Stream, fused
from ..checks import boolean, instance, positive_int
from ..game import METRICS, Game
from ..game.game import AnyGame
from ..game.inputs import one_hot
from ..views import check_views
from .data import data_labels, data_samples, steps_per_epoch
from .progress import Progress, read_log


def fit(
    game: AnyGame,
    x: Array,
    epochs: int,
    batch_size: int = 128,
    *,
    labels: Array | None = None,
    callbacks: Sequence[Callable[[AnyGame], object]] = (),
    progress: bool = True,
    maker: Callable[..., Callable[[], None]] | None = None,
) -> dict[str, list[float]]:
    """Train `game` on `x` for `epochs` more epochs.

    An epoch goes once through the data in a new random order, in whole minibatches: the rest
    (fewer than batch_size * k samples) waits for another epoch's order. Ctrl-C lets the step
    under way finish and then raises KeyboardInterrupt; a later `fit` goes on with the next step of
    that epoch.

    Parameters
    ----------
    game : Game
        Usually a `GAN`. It is changed in place.
    x : array of shape (n, features), or (n, height, width) and so on
        Data: floats as D will see them (in [0, 1] if `data_range` is not (0, 1)), or whole numbers
        in 0..255, which are kept as bytes and scaled to [0, 1] a minibatch at a time. Lists, data
        frames and memory maps are arrays too.
    epochs : int
        How many more. An epoch that was begun counts as one.
    batch_size : int
        Samples per minibatch.
    labels : array of shape (n,), optional
        In a game with classes, and only there: the class of each sample, whole numbers in
        0..classes-1. A minibatch takes its labels with its samples, and `GAN.sample` draws
        labels with their frequencies.
    callbacks : sequence of callable
        Each is called with the game after every epoch.
    progress : bool
        Whether to show a progress bar and lines of losses.
    maker : callable, optional
        Makes the function that is called for each step, from the arguments of `make_step`; if left
        out, the game's backend compiles the step of `make_step`. With it, other processes may take
        part in each step: the losses are read after an epoch, where all of them are.

    Returns
    -------
    history : dict of str to list of float
        `game.history`, one value for each epoch since the beginning.

    Raises
    ------
    ValueError
        If `x` or `labels` do not fit the game, or an epoch has not even one step.
    TrainingDiverged
        If a loss became NaN or infinite.
    KeyboardInterrupt
        On Ctrl-C, between two steps.
    """
    epochs, batch_size = positive_int("epochs", epochs), positive_int("batch_size", batch_size)
    callbacks, progress = _callables(callbacks), boolean("progress", progress)
    rules = instance("game", game, Game).rules
    for network in (game.G, game.D, *([game.G_ema] if game.G_ema is not None else [])):
        check_views(network)
    data = data_samples(game, x)
    labels = data_labels(rules, game.backend, labels, len(data))
    steps = steps_per_epoch(game, len(data), batch_size)
    if labels is not None:
        game.label_counts[...] = (labels[:, None] == game.backend.xp.arange(rules.classes)).sum(0)
    total = game.epoch + epochs
    done = resume_epoch(game, steps)
    order = game.backend.xp.zeros(len(data), dtype=np.intp)
    compiled: dict[bool, Callable[[], None]] = {}
    captured: list[object] = []
    with (
        Progress(
            game, total, steps, done, batch_size, enabled=progress, alone=maker is None
        ) as bar,
        deferred_interrupt() as interrupted,
        # `read_log` refuses a loss that is NaN, so the overflow before it needs no warning.
        np.errstate(over="ignore", invalid="ignore"),
    ):
        while game.epoch < total:
            key = Key(rules.seed, step=game.epoch).fold_in(Stream.ORDER)
            order[...] = game.backend.permutation(key, len(order))
            bar.begin_epoch()
            now = captured_state(game)
            if len(captured) != len(now) or not all(map(is_, captured, now)):
                compiled, captured = {}, now
            start = int(game.backend.to_numpy(game.epoch_start)[0])
            while done < steps and not interrupted:
                # A compiled step decides nothing: there is one with D's penalties and one without.
                penalise = (start + done) % rules.penalty_every == 0
                if penalise not in compiled:
                    make = compiled_step if maker is None else maker
                    compiled[penalise] = make(game, data, order, batch_size, labels, penalise)
                compiled[penalise]()
                done += 1
                bar.look(done)
            if done < steps:
                read_log(game, done)  # a caller who saves after Ctrl-C must not save NaN
                raise KeyboardInterrupt
            end_epoch(game)
            bar.end_epoch()
            for callback in callbacks:
                callback(game)
            if game.epoch < total:  # else the game stays as it was saved
                done = resume_epoch(game, steps)
    if interrupted:  # in the last step of all, which was finished like any other
        raise KeyboardInterrupt
    return game.history


def _callables(callbacks: Sequence[Callable[[AnyGame], object]]) -> list[Callable[..., object]]:
    """Return the callbacks as a list; refuse what cannot be called before anything is trained."""
    if callable(callbacks):
        raise TypeError(f"callbacks must be a list of functions: pass callbacks=[{callbacks!r}]")
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of functions, got {callbacks!r}")
    functions = list(callbacks)
    for function in functions:
        if not callable(function):
            raise TypeError(f"callbacks must be functions of the game, got {function!r}")
    return functions


def captured_state(game: Game) -> list[object]:
    """Return everything that a compiled step keeps and a callback may replace between epochs.

    These are the attributes of optimizers and layers (a learning rate, a dropout rate, an array)
    and the log. Rules, networks and optimizers themselves cannot be replaced.
    """
    optimizers = game.g_optimizer, game.d_optimizer
    attributes = [vars(part) for part in (*optimizers, *game.G.leaves(), *game.D.leaves())]
    attributes += [optimizer.state for optimizer in optimizers]
    return [game.log, *(value for values in attributes for value in values.values())]


def compiled_step(game: Game, *arguments: Any) -> Callable[[], None]:
    """Return the step that `make_step` makes, compiled by the game's backend."""
    return game.backend.compile(make_step(game, *arguments))


def make_step(
    game: Game,
    data: Array,
    order: Array,
    batch_size: int,
    labels: Array | None = None,
    penalise: bool = True,
) -> Callable[[], None]:
    """Return the training step: the updates of both players, the log, the clock.

    It takes no arguments and reads nothing back to the host, so that a backend may compile it.
    `labels` are those of the data, on the device, in a game with classes.
    `penalise` says whether D's penalties are due in this step.

    A game whose backend has a part of each minibatch takes the rows of that part.
    """
    xp, dtype, rules = game.backend.xp, game.G.dtype, game.rules
    shard = game.backend.shard
    here = batch_size // shard.count
    rows = xp.arange(shard.index * here, (shard.index + 1) * here, dtype=np.int64)
    low, high = rules.data_range
    whole = 255 if data.dtype == np.uint8 else 1

    def minibatch(i: int) -> tuple[Array, Array | None]:
        next_rows = positions(game.clock, game.epoch_start, rows, k=rules.k, i=i, n=batch_size)
        at = xp.take(order, next_rows.astype(np.intp, copy=False))
        x = in_range(xp.take(data, at, axis=0), dtype=dtype, whole=whole, low=low, high=high)
        if labels is None:
            return x, None
        return x, one_hot(xp.take(labels, at), rules.classes, dtype)

    def step() -> None:
        losses = play(game, minibatch, here, penalise)
        if shard.count > 1:
            losses = [*shard.mean(xp.stack(losses))]
        game.backend.write_row(game.log, next_step(game.clock, game.epoch_start), losses)

    return step


def play(
    game: Game, minibatch: Callable[[int], tuple[Array, Array | None]], n: int, penalise: bool
) -> Sequence[Array]:
    """Update both players, in turn or at once; return both losses, the means of D(x) and D(G(z)).

    ``minibatch(i)`` returns the data and the labels of the i-th of D's k steps, n samples.
    """
    if game.rules.update == "simultaneous":
        x, y = minibatch(0)
        return game.simultaneous_step(x, game.noise(n), y=y)
    for i in range(game.rules.k):
        x, y = minibatch(i)
        d_loss, d_real, d_fake = game.discriminator_step(
            x, game.noise(n, i), i, y=y, penalise=penalise
        )
    g_loss = game.generator_step(game.noise(n, game.rules.k), x, y=y)
    return [d_loss, g_loss, d_real, d_fake]


@fused
def next_step(clock: Array, start: Array) -> Array:
    """Return the number of this step in its epoch, (1,), and let the clock go on, in place."""
    step = clock - start
    clock += 1
    return step


@fused
def positions(clock: Array, start: Array, rows: Array, *, k: int, i: int, n: int) -> Array:
    """Return where the rows of the i-th minibatch of this step are in the epoch's order, (n,)."""
    return ((clock - start) * k + i) * n + rows


@fused
def in_range(x: Array, *, dtype: Any, whole: float, low: float, high: float) -> Array:
    """Return data in [0, whole] as numbers of `dtype` in [low, high]. x may be overwritten."""
    x = x if x.dtype == dtype else x.astype(dtype)
    if whole != 1:
        x /= whole
    if (low, high) != (0, 1):
        x *= high - low
        x += low
    return x


def resume_epoch(game: Game, steps: int) -> int:
    """Return how many steps of the current epoch are done; 0 begins a new one."""
    done = int(game.backend.to_numpy(game.clock - game.epoch_start)[0])
    if len(game.log) == steps and 0 < done < steps:
        return done
    if len(game.log) != steps:
        game.log = game.backend.xp.zeros((steps, len(METRICS)), dtype=game.G.dtype)
    game.epoch_start[...] = game.clock
    return 0


def end_epoch(game: Game) -> None:
    """Add the means of the epoch's log to the history."""
    means = read_log(game, len(game.log)).mean(axis=0)
    for name, mean in zip(METRICS, means, strict=True):
        game.history[name].append(float(mean))


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[list[int]]:
    """Collect Ctrl-C in the list that is yielded, instead of raising in the middle of a step.

    However often it comes, the step is finished first. SIGTERM is collected too, if a function
    handles it, as on the command line. Outside the main thread, where Python delivers no signals,
    and where a signal is ignored, this does nothing.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def handler(number: int, frame: object) -> None:
        caught.append(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    previous = {number: then for number, then in previous.items() if callable(then)}
    for number in previous:
        signal.signal(number, handler)
    try:
        yield caught
    finally:
        for number, then in previous.items():
            signal.signal(number, then)
