"""The progress of a run: a bar, a line for each epoch, and an error if a loss is NaN."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from ..backend import Array
from ..game import METRICS, Game

LOOK_EVERY = 0.5  # seconds between two looks at the losses, each of which waits for a GPU


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
    """A bar over the whole run, in images, and a line for each epoch."""

    def __init__(
        self, game: Game, epochs: int, steps: int, done: int, batch_size: int, enabled: bool
    ) -> None:
        from tqdm import tqdm  # here, so that ``import nngan`` stays light

        self.game, self.epochs, self.steps, self.enabled = game, epochs, steps, enabled
        self.images_per_step = batch_size * game.rules.k
        self.bar: Any = tqdm(
            total=epochs * steps * self.images_per_step,
            initial=self._images(done),
            unit=" images",
            unit_scale=True,
            dynamic_ncols=True,
            disable=None if enabled else True,  # None: no bar if the output is a file
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def begin_epoch(self, done: int) -> None:
        """Start the clock of an epoch, of which `done` steps were done before."""
        self.first = done
        self.started = self.looked = time.perf_counter()
        self.bar.set_description(f"epoch {self.game.epoch + 1}/{self.epochs}")

    def look(self, done: int) -> None:
        """Read the losses and redraw the bar, if it is time to."""
        now = time.perf_counter()
        if now - self.looked < LOOK_EVERY:
            return
        self.looked = now
        recent = read_log(self.game, done)[-50:].mean(axis=0)
        self.bar.set_postfix_str(
            "D loss {:.3f}, G loss {:.3f}, D(x) {:.2f}, D(G(z)) {:.2f}".format(*recent),
            refresh=False,
        )
        self.bar.update(self._images(done) - self.bar.n)

    def end_epoch(self) -> None:
        """Write the line of the epoch that was just added to the history."""
        game, seconds = self.game, time.perf_counter() - self.started
        self.bar.update(self._images(0) - self.bar.n)
        if self.enabled:
            d_loss, g_loss, d_real, d_fake = (game.history[name][-1] for name in METRICS)
            speed = (self.steps - self.first) * self.images_per_step / seconds
            self.bar.write(
                f"epoch {game.epoch:>3}/{self.epochs}  "
                f"D loss {d_loss:.3f}{_at_chance(game.rules.objective.d_chance)}  "
                f"G loss {g_loss:.3f}{_at_chance(game.rules.objective.g_chance)}  "
                f"D(x) {d_real:.2f}  D(G(z)) {d_fake:.2f}  "
                f"{seconds:.1f} s  {speed:,.0f} images/s"
            )
            sys.stdout.flush()  # a log file shows it now

    def _images(self, done: int) -> int:
        return (self.game.epoch * self.steps + done) * self.images_per_step


def _at_chance(loss: float | None) -> str:
    return "" if loss is None else f" (chance {loss:.3f})"
