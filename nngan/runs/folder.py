"""The folder of a run: sheets of samples, losses, settings, checkpoint."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import plotting
from ..backend import Backend
from ..files import atomic_write
from ..game import METRICS
from ..gan import GAN
from .settings import RunSettings, config_text, read_extra, write_extra

SHEET = 64  # samples on a sheet
# A folder that holds one of these holds a run. `nngan evaluate` writes metrics.json.
FILES = (
    "checkpoint.npz", "config.json", "history.csv", "samples", "losses.png", "progress.gif",
    "metrics.csv", "metrics.png", "metrics.json",
)  # fmt: skip


class RunFolder:
    """A callback for `fit` that keeps a run in a folder.

    ========================== =====================================================================
    ``samples/epoch_0001.png`` samples of one fixed noise, every `sample_every` epochs
    ``progress.gif``           those sheets one after the other (at the end)
    ``losses.png``             losses and D's mean outputs over the epochs (at the end)
    ``history.csv``            the same as numbers
    ``config.json``            the settings of the run and the description of its game
    ``checkpoint.npz``         the full state after each epoch, from which the run can go on
    ``metrics.csv``            the scores that `Measure` took
    ``metrics.png``            the same over the epochs (at the end)
    ========================== =====================================================================

    Parameters
    ----------
    path : path
        The folder; `create` makes it.
    settings : RunSettings
        They go into ``config.json`` and into the checkpoint.

    Attributes
    ----------
    measured : list of dict of str to float
        One row per measured epoch. The rows are part of the checkpoint, as the history is: a run
        that goes on from an older epoch has only the rows up to that epoch.
    """

    def __init__(self, path: str | os.PathLike[str], settings: RunSettings) -> None:
        if not isinstance(settings, RunSettings):
            raise TypeError(
                f"settings must be a RunSettings, got {type(settings).__name__}: "
                "RunSettings(epochs=10, batch_size=128)"
            )
        self.path = Path(path)
        self.settings = settings
        self.measured: list[dict[str, float]] = []

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint."""
        return self.path / "checkpoint.npz"

    @property
    def config(self) -> Path:
        """Path of ``config.json``."""
        return self.path / "config.json"

    def create(self, gan: GAN) -> None:
        """Make the folder of a new run and save its beginning.

        Raises
        ------
        FileExistsError
            If the folder already holds a run.
        NotADirectoryError
            If the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file, a run needs a folder")
        for name in FILES:
            if (self.path / name).exists():
                raise FileExistsError(f"{self.path} already holds a run ({name})")
        self.path.mkdir(parents=True, exist_ok=True)
        self.save(gan)
        self.write_config(gan)

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], backend: str | Backend = "numpy"
    ) -> tuple[RunFolder, GAN]:
        """Return the folder of a run and its game as they were last saved.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint.
        CheckpointError
            If the checkpoint is damaged.
        ValueError
            If the checkpoint is not of a run.
        """
        file = Path(path) / "checkpoint.npz"
        gan, extra = GAN.load_with_extra(file, backend)
        settings, measured = read_extra(extra, file)
        if settings is None:
            raise ValueError(
                f"{file} is a saved game without the settings of a run: load it with GAN.load"
            )
        folder = cls(path, settings)
        folder.measured = measured
        for part in folder.path.rglob(".*.part"):  # left by a run that was killed while it wrote
            part.unlink()
        return folder, gan

    def change(self, **settings: object) -> None:
        """Replace some of the settings."""
        self.settings = replace(self.settings, **settings)  # type: ignore[arg-type]

    def __call__(self, gan: GAN) -> None:
        """Write the files of the epoch that has just ended; the checkpoint last."""
        last = gan.epoch >= self.settings.epochs
        if last or (gan.epoch - 1) % self.settings.sample_every == 0:
            sheets = self.path / "samples"
            sheets.mkdir(exist_ok=True)
            with atomic_write(sheets / f"epoch_{gan.epoch:04d}.png") as file:
                columns = gan.classes or math.isqrt(SHEET)  # a column for each class
                n = columns * max(1, SHEET // columns)
                images = gan.sample(n, labels=np.arange(n) % columns if gan.classes else None)
                plotting.save_sheet(file, images, columns)
        epochs = zip(*(gan.history[name] for name in METRICS), strict=True)
        means = [[i, *values] for i, values in enumerate(epochs, 1)]
        self._write("history.csv", as_csv(["epoch", *METRICS], means))
        if self.measured:
            rows = [list(row.values()) for row in self.measured]
            self._write("metrics.csv", as_csv(list(self.measured[0]), rows))
        self.save(gan)

    def save(self, gan: GAN) -> None:
        """Write the checkpoint: the game, the settings and the scores."""
        gan.save(self.checkpoint, write_extra(self.settings, self.measured))

    def draw(self, gan: GAN) -> None:
        """Draw the curves and the animation of all sheets so far."""
        if gan.epoch:
            chance = {
                "d_chance": gan.rules.objective.d_chance,
                "g_chance": gan.rules.objective.g_chance,
            }
            with atomic_write(self.path / "losses.png") as file:
                plotting.plot_losses(gan.history, file, **chance)
        if self.measured:
            with atomic_write(self.path / "metrics.png") as file:
                plotting.plot_quality(self.measured, file, self.settings.real_scores)
        sheets = sorted((self.path / "samples").glob("epoch_*.png"))
        if sheets:
            captions = [f"epoch {int(sheet.stem.removeprefix('epoch_'))}" for sheet in sheets]
            with atomic_write(self.path / "progress.gif") as file:
                plotting.save_gif(file, sheets, captions)

    def write_config(self, gan: GAN) -> None:
        """Write ``config.json``: the settings, and the game in full."""
        self._write("config.json", config_text(self.settings, gan))

    def _write(self, name: str, text: str) -> None:
        with atomic_write(self.path / name) as file:
            file.write(text.encode())


def load_run(
    path: str | os.PathLike[str], backend: str | Backend = "numpy"
) -> tuple[GAN, RunSettings | None]:
    """Return the game in a checkpoint and the settings of its run; None if it is not of a run."""
    gan, extra = GAN.load_with_extra(path, backend)
    return gan, read_extra(extra, Path(path))[0]


def as_csv(names: Sequence[str], rows: Iterable[Sequence[float]]) -> str:
    """Return a table as text, with the names in its first line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *rows])
    return text.getvalue()
