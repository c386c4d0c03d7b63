"""The loop around the game: minibatches, epochs, history, progress, interrupts.

The loop owns nothing. All that it changes is the state of the `GAN`, so that a run that was saved
between any two steps goes on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import is_not

import numpy as np

from ..backend import Array, Key, Stream
from ..checks import positive_int
from ..game import METRICS
from ..game.inputs import data_labels, one_hot
from ..gan import GAN
from .progress import Progress, read_log


def fit(
    gan: GAN,
    x: Array,
    epochs: int,
    batch_size: int = 128,
    *,
    labels: Array | None = None,
    callbacks: Sequence[Callable[[GAN], object]] = (),
    progress: bool = True,
) -> dict[str, list[float]]:
    """Train `gan` on `x` for `epochs` more epochs.

    An epoch goes once through the data in a new random order, in whole minibatches: what is left
    over (fewer than batch_size * k samples) waits for another epoch's order. Ctrl-C lets the step
    under way finish and then raises KeyboardInterrupt; a later `fit` goes on with the next step of
    that epoch.

    Parameters
    ----------
    gan : GAN
        Changed in place.
    x : array of shape (n, features)
        Data: floats as D shall see them (in [0, 1] where `gan.data_range` is not (0, 1)), or uint8
        in 0..255, which are kept as bytes and scaled to [0, 1] a minibatch at a time.
    epochs : int
        How many more. An epoch that was begun counts as one.
    batch_size : int
        Samples per minibatch.
    labels : array of shape (n,), optional
        In a game with classes, and only there: the class of each sample, whole numbers in
        0..classes-1. A minibatch takes its labels with its samples, and `gan.sample` draws labels
        in these shares.
    callbacks : sequence of callable
        Each is called with `gan` after every epoch.
    progress : bool
        Whether to show a progress bar and a line for each epoch.

    Returns
    -------
    history : dict of str to list of float
        `gan.history`, one value for each epoch since the beginning.

    Raises
    ------
    ValueError
        When `x`, `labels` or a size does not fit.
    TrainingDiverged
        When a loss became NaN or infinite.
    KeyboardInterrupt
        On Ctrl-C, between two steps.
    """
    epochs, batch_size = positive_int("epochs", epochs), positive_int("batch_size", batch_size)
    data = _prepare(gan, x)
    labels = data_labels(gan, labels, len(data))
    if batch_size % gan.pack:
        raise ValueError(f"batch_size must be a multiple of pack={gan.pack}, got {batch_size}")
    steps = len(data) // (batch_size * gan.k)
    if steps == 0:
        raise ValueError(
            f"x has {len(data)} samples, fewer than one step takes: "
            f"lower batch_size (now {batch_size}) times k (now {gan.k})"
        )
    if labels is not None:
        gan.label_counts[...] = (labels[:, None] == gan.backend.xp.arange(gan.classes)).sum(axis=0)
    total = gan.epoch + epochs
    done = resume_epoch(gan, steps)
    order = gan.backend.xp.zeros(len(data), dtype=np.int64)
    made: dict[bool, Callable[[], None]] = {}
    frozen: list[object] = []
    with (
        Progress(gan, total, steps, done, batch_size, enabled=progress) as bar,
        deferred_interrupt() as interrupted,
        # Losses are looked at, so an overflow on the way to NaN needs no warning of its own.
        np.errstate(over="ignore", invalid="ignore"),
    ):
        while gan.epoch < total:
            key = Key(gan.seed, step=gan.epoch).fold_in(Stream.ORDER)
            order[...] = gan.backend.permutation(key, len(order))
            bar.begin_epoch(done)
            # A compiled step goes on with what it was made of, and a callback may have changed it.
            if len(frozen) != len(now := parts(gan)) or any(map(is_not, frozen, now)):
                made, frozen = {}, now
            start = int(gan.backend.to_numpy(gan.epoch_start)[0])
            while done < steps and not interrupted:
                # A compiled step decides nothing: there is one with D's penalties and one without.
                due = (start + done) % gan.penalty_every == 0
                if due not in made:
                    make = partial(make_step, gan, data, order, batch_size, labels)
                    made[due] = gan.backend.compile(make() if due else make(penalise=False))
                made[due]()
                done += 1
                bar.look(done)
            if done < steps:
                read_log(gan, done)  # what has diverged must not be saved by who catches this
                raise KeyboardInterrupt
            end_epoch(gan)
            bar.end_epoch()
            for callback in callbacks:
                callback(gan)
            done = resume_epoch(gan, steps)
    if interrupted:  # in the last step of all, which was finished like any other
        raise KeyboardInterrupt
    return gan.history


def parts(gan: GAN) -> list[object]:
    """Return all that a training step is made of: options, networks, layers, arrays."""
    optimizers = gan.g_optimizer, gan.d_optimizer
    layers = [layer for network in (gan.G, gan.D) for layer in network.layers]
    attributes = [vars(thing) for thing in (gan, gan.G, gan.D, *optimizers, *layers)]
    states = [optimizer.state for optimizer in optimizers]
    return [part for names in (*attributes, *states) for part in names.values()]


def make_step(
    gan: GAN,
    data: Array,
    order: Array,
    batch_size: int,
    labels: Array | None = None,
    penalise: bool = True,
) -> Callable[[], None]:
    """Return the training step: the updates of both players, the log, the clock.

    It takes no arguments and reads nothing back to the host, so that a backend may compile it.
    `labels` are those of the data, on the device, in a game with classes.
    `penalise` says whether it is one in which D's penalties are due.
    """
    xp, dtype = gan.backend.xp, gan.G.dtype
    low, high = gan.data_range
    rows = xp.arange(batch_size, dtype=np.int64)

    def minibatch(i: int) -> tuple[Array, Array | None]:
        position = (gan.clock - gan.epoch_start) * gan.k + i
        at = xp.take(order, position * batch_size + rows)
        x: Array = xp.take(data, at, axis=0).astype(dtype, copy=False)
        if data.dtype == np.uint8:
            x /= 255
        if (low, high) != (0, 1):
            x *= high - low
            x += low
        if labels is None:
            return x, None
        return x, one_hot(xp.take(labels, at), gan.classes, gan.G.dtype)

    d_step = gan.discriminator_step
    if not penalise:
        d_step = partial(d_step, penalise=False)

    def alternating() -> Sequence[Array]:
        for i in range(gan.k):
            x, y = minibatch(i)
            d_loss, d_real, d_fake = d_step(x, gan.noise(batch_size, i), i, y=y)
        g_loss = gan.generator_step(gan.noise(batch_size, gan.k), x, y=y)
        return [d_loss, g_loss, d_real, d_fake]

    def simultaneous() -> Sequence[Array]:
        x, y = minibatch(0)
        return gan.simultaneous_step(x, gan.noise(batch_size), y=y)

    play = {"alternating": alternating, "simultaneous": simultaneous}[gan.update]

    def step() -> None:
        gan.log[gan.clock - gan.epoch_start] = xp.stack(play())
        gan.clock += 1

    return step


def resume_epoch(gan: GAN, steps: int) -> int:
    """Return how many steps of the epoch under way are done; 0 begins a new one."""
    done = int(gan.backend.to_numpy(gan.clock - gan.epoch_start)[0])
    if len(gan.log) == steps and 0 < done < steps:
        return done
    if len(gan.log) != steps:
        gan.log = gan.backend.xp.zeros((steps, len(METRICS)), dtype=gan.G.dtype)
    gan.epoch_start[...] = gan.clock
    return 0


def end_epoch(gan: GAN) -> None:
    """Add the means of the epoch's log to the history."""
    means = read_log(gan, len(gan.log)).mean(axis=0)
    for name, mean in zip(METRICS, means, strict=True):
        gan.history[name].append(float(mean))


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[list[int]]:
    """Collect Ctrl-C in the list that is yielded, instead of raising in the middle of a step.

    However often it comes, the step is finished first. Outside the main thread, where Python
    delivers no signals, and where Ctrl-C is ignored, this does nothing.
    """
    caught: list[int] = []
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def handler(number: int, frame: object) -> None:
        caught.append(number)

    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, previous)


def _prepare(gan: GAN, x: Array) -> Array:
    """Return `x` on the device: bytes as bytes, all else in the networks' dtype."""
    if getattr(x, "ndim", None) != 2 or x.shape[1] != gan.G.n_out:
        raise ValueError(
            f"x must be an array of shape (n, {gan.G.n_out}), the features that G makes, got "
            f"{getattr(x, 'shape', type(x).__name__)}"
        )
    if len(x) == 0:
        raise ValueError("x has no samples")
    if x.dtype == np.uint8:
        return gan.backend.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(
            f"x must be floats, or uint8 in 0..255, got {x.dtype}: convert it with "
            "x.astype('uint8') if its values are 0..255, else with x.astype('float32')"
        )
    data = gan.backend.asarray(x, gan.G.dtype)
    low, high = float(data.min()), float(data.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("x has values that are NaN or infinite: remove those samples")
    if gan.data_range != (0, 1) and not (low >= 0 and high <= 1):
        raise ValueError(
            f"x must lie in [0, 1] to be mapped to {gan.data_range}, got {low}..{high}"
        )
    return data
