"""The progress of a run: a bar, lines of means, and an error if a loss is NaN."""

from __future__ import annotations

import os
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import Array
from ..command_line import say
from ..game import METRICS, Game

LOOK_EVERY = 0.5  # seconds between two looks at the losses, each of which waits for a GPU
LINES = 25  # of a run: short epochs share a line, which has their means
SILENCE = 30  # seconds after which an epoch that ends has a line in any case
NARROW = 80  # columns, below which lines and bar are shorter
TIMED = 5  # seconds of steps, after which the time of the whole run is told
HOPELESS = 5  # lines in a row after which a game that D has won is said to be lost


class TrainingDiverged(ArithmeticError):
    """A loss became NaN or infinite; the message says at which step."""


def read_log(game: Game, done: int) -> Array:
    """Return the first `done` rows of the epoch's log in float64, on the host.

    Raises
    ------
    TrainingDiverged
        If one of them is not finite.
    """
    log = game.backend.to_numpy(game.log)[:done].astype(np.float64)
    bad = ~np.isfinite(log).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        step = int(game.backend.to_numpy(game.epoch_start)[0]) + row + 1
        values = ", ".join(f"{name} {v:.4g}" for name, v in zip(METRICS, log[row], strict=True))
        raise TrainingDiverged(
            f"the loss is no longer finite at step {step} (epoch {game.epoch + 1}): {values}; "
            "lower the learning rate"
        )
    return log


class Progress:
    """A bar over the whole run, in samples, and a line for every 25th part of it.

    Unless a game is played by this process alone, no loss ends it within an epoch: other processes
    would wait for the next step.
    """

    def __init__(
        self, game: Game, epochs: int, steps: int, done: int, batch_size: int, enabled: bool,
        alone: bool,
    ) -> None:  # fmt: skip
        self.game, self.epochs, self.steps, self.enabled = game, epochs, steps, enabled
        self.alone = alone
        self.samples_per_step = batch_size * game.rules.k
        self.every = -(-(epochs - game.epoch) // LINES)  # epochs in a line
        self.columns = shutil.get_terminal_size().columns
        self.is_narrow = self.columns < NARROW
        self.told = game.epoch  # epochs that have had their line
        self.told_at = self.looked = time.perf_counter()
        self.timed: tuple[float, int] | None = None  # when the timing began, and at which sample
        self.has_told_time = False
        self.won = 0  # lines in a row in which D was sure of everything
        self.has_warned = False
        self.done_then = self._samples(done)
        self.total = epochs * steps * self.samples_per_step
        self.bar = _bar(
            total=self.total,
            initial=self.done_then,
            enabled=enabled,
            is_narrow=self.is_narrow,
        )
        if enabled:
            say(_at_chance(game, self.is_narrow))

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def begin_epoch(self) -> None:
        """Name the epoch that begins, or goes on, in the bar."""
        self.looked = time.perf_counter()
        self.bar.set_description_str(f"epoch {self.game.epoch + 1}/{self.epochs}", refresh=False)

    def look(self, done: int) -> None:
        """Redraw the bar, with the losses of a game that is played alone, if it is time to."""
        now = time.perf_counter()
        if now - self.looked < LOOK_EVERY:
            return
        self.looked = now
        if self.alone:
            d_loss, g_loss, _, _ = read_log(self.game, done)[-50:].mean(axis=0)
            self.bar.set_postfix_str(f"D {d_loss:.3f} G {g_loss:.3f}", refresh=False)
        self.bar.update(self._samples(done) - self.bar.n)
        self._tell_time(now, self._samples(done))

    def end_epoch(self) -> None:
        """Write a line, if it is time to, of the epochs since the last one."""
        epoch, now = self.game.epoch, time.perf_counter()
        self.bar.update(self._samples(0) - self.bar.n)
        self._tell_time(now, self._samples(0))
        is_due = epoch - self.told >= self.every or now - self.told_at >= SILENCE
        if not self.enabled or not (is_due or epoch == self.epochs):
            return
        means = [float(np.mean(self.game.history[name][self.told :])) for name in METRICS]
        seconds, samples = now - self.told_at, self._samples(0) - self.done_then
        width = len(str(self.epochs))
        losses = [f"{loss:.3f}" if abs(loss) < 1e3 else f"{loss:.0e}" for loss in means[:2]]
        line = "epoch {:>{}}/{}  D loss {}  G loss {}  D(x) {:.2f}  D(G(z)) {:.2f}"
        if self.is_narrow:
            line = "{:>{}}/{} D {} G {} {:.2f} {:.2f}"
        line = line.format(epoch, width, self.epochs, *losses, *means[2:])
        if seconds > 0:  # a clock may stand still
            rate = samples / seconds
            left = short((self.total - self._samples(0)) / rate)
            end = f"  {left} left" if epoch < self.epochs else f"  {rate:,.0f}/s"
            if self.is_narrow:
                end = f" {left}" if epoch < self.epochs else ""
            if len(line + end) < self.columns:
                line += end
        self.won = self.won + 1 if means[2] > 0.995 and means[3] < 0.005 else 0
        with self.bar.external_write_mode():
            say(line)
            if not self.has_warned and (advice := self._advice(means)):
                self.has_warned = True
                say(advice)
        self.told, self.told_at, self.done_then = epoch, now, self._samples(0)

    def _tell_time(self, now: float, samples: int) -> None:
        """Say once how long the run will take, when its first steps have been timed."""
        if self.timed is None:  # the first steps compile, and fill caches
            self.timed = now, samples
        begun, first = self.timed
        if not self.enabled or self.has_told_time or now - begun < TIMED or samples == first:
            return
        self.has_told_time = True
        rate = (samples - first) / (now - begun)
        if (left := (self.total - samples) / rate) < 2 * TIMED:
            return
        text = f"about {duration(left)} to epoch {self.epochs:,}"
        with self.bar.external_write_mode():
            say(text if self.is_narrow else f"{text}, at {rate:,.0f} samples a second")

    def _advice(self, means: Sequence[float]) -> str | None:
        """Return what to try if the game is lost, else None."""
        if max(map(abs, means[:2])) > 1e6:
            return "The losses explode: try a lower learning rate, or the penalty R1 on D."
        if self.game.rules.objective.logits and self.won >= HOPELESS:
            return (
                "D tells all data from all fakes, so that G learns nothing: try a lower learning "
                "rate of D, the penalty R1 on D, or Dropout in D."
            )
        return None

    def _samples(self, done: int) -> int:
        return (self.game.epoch * self.steps + done) * self.samples_per_step


def short(seconds: float) -> str:
    """Return a span of time in a few letters: 45s, 12m, 1h05."""
    if seconds < 100:
        return f"{seconds:.0f}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{60 * hours + minutes}m" if hours < 2 else f"{hours}h{minutes:02}"


def duration(seconds: float) -> str:
    """Return a span of time in words: 45 seconds, 12 minutes, 3.1 hours."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def _bar(total: int, initial: int, enabled: bool, is_narrow: bool) -> Any:
    """Return a bar for a terminal or a notebook; one that shows nothing if output is a file."""
    in_notebook = "ipykernel" in sys.modules
    shown = "{desc} {percentage:3.0f}%|{bar}| {remaining}"
    if not is_narrow:
        shown = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}  {rate_fmt} {postfix}"
    with warnings.catch_warnings():
        # A notebook without widgets has a bar of text; in a browser tqdm cannot start its thread.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm  # here, so that ``import nngan`` stays light

        return tqdm(
            total=total,
            initial=initial,
            unit="",
            unit_scale=True,
            **_width(),
            bar_format=shown,
            # None: no bar if the output is a file.
            disable=(False if in_notebook else None) if enabled and sys.stderr else True,
        )


def _width() -> dict[str, Any]:
    """Return the width of the bar: that of the terminal, or 80 where that is not known."""
    try:
        is_known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError, AttributeError):  # no terminal
        is_known = False
    return {"dynamic_ncols": True} if is_known else {"ncols": shutil.get_terminal_size().columns}


def _at_chance(game: Game, is_narrow: bool) -> str:
    """Return what the numbers are if D cannot tell data and fakes apart."""
    objective = game.rules.objective
    losses = {"D loss": objective.d_chance, "G loss": objective.g_chance}
    known = [f"{name} {loss:.3f}" for name, loss in losses.items() if loss is not None]
    if is_narrow:
        return f"at chance: {' '.join(known)}".replace(" loss", "")
    return f"at chance: {', '.join([*known, 'D(x) 0.50', 'D(G(z)) 0.50'])} (/s: samples)"
