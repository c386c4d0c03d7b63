"""The folder of a run: sheets of samples, losses, configuration, checkpoint."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import checkpoint, plotting
from ..backend import Backend
from ..files import atomic_write
from ..game import METRICS
from ..gan import GAN

SHEET = 64  # samples on a sheet
# By these a run is known; metrics.json is of examples/evaluate.py.
FILES = (
    "checkpoint.npz", "config.json", "history.csv", "samples", "losses.png", "progress.gif",
    "metrics.csv", "metrics.png", "metrics.json",
)  # fmt: skip


class RunFolder:
    """A callback for `fit` that keeps a run in a folder.

    ========================== =====================================================================
    ``samples/epoch_0001.png`` samples of one fixed noise, every `sample_every` epochs and the last
    ``progress.gif``           those sheets one after the other (at the end)
    ``losses.png``             losses and D's mean outputs over the epochs
    ``history.csv``            the same as numbers
    ``config.json``            everything that the run was made with
    ``checkpoint.npz``         its full state after each epoch, from which it can go on
    ``metrics.csv``            what was measured on the way, see `Measure`
    ``metrics.png``            the same over the epochs
    ========================== =====================================================================

    Parameters
    ----------
    path : path
        The folder; `create` makes it.
    settings : dict
        What the run was made with, as JSON can hold it; goes into ``config.json`` and into the
        checkpoint. ``settings["epochs"]`` is the total.
    sample_every : int
        Sheets are drawn at the epochs 1, 1 + sample_every, ... and at the last.

    Attributes
    ----------
    measured : list of dict of str to float
        A row for each epoch that was measured. It is part of the checkpoint, as the history is: a
        run that goes on from an older epoch has only that epoch's rows.
    """

    def __init__(
        self, path: str | os.PathLike[str], settings: dict[str, Any], sample_every: int = 1
    ) -> None:
        self.path = Path(path)
        self.settings = settings
        self.sample_every = sample_every
        self.measured: list[dict[str, float]] = []

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint."""
        return self.path / "checkpoint.npz"

    def create(self, gan: GAN) -> None:
        """Make the folder of a new run and save its beginning.

        Raises
        ------
        FileExistsError
            When another run is there.
        NotADirectoryError
            When the path is a file.
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
        FileNotFoundError, CheckpointError
            When there is no checkpoint, or a damaged one.
        """
        folder = cls(path, {})
        gan, folder.settings = checkpoint.load(folder.checkpoint, backend, kind=GAN)
        for part in folder.path.rglob(".*.part"):  # of a run that was killed while it wrote
            part.unlink()
        folder.sample_every = folder.settings.get("sample_every", 1)
        folder.measured = folder.settings.pop("measured", [])
        return folder, gan

    def __call__(self, gan: GAN) -> None:
        """Write what belongs to the epoch that has just ended; the checkpoint last."""
        last = gan.epoch >= self.settings["epochs"]
        if last or (gan.epoch - 1) % self.sample_every == 0:
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
        """Write the checkpoint: the game, the settings, and what was measured."""
        gan.save(self.checkpoint, {**self.settings, "measured": self.measured})

    def draw(self, gan: GAN) -> None:
        """Draw the curves and the animation of all sheets so far."""
        if gan.epoch:
            chance = {"d_chance": gan.objective.d_chance, "g_chance": gan.objective.g_chance}
            with atomic_write(self.path / "losses.png") as file:
                plotting.plot_losses(gan.history, file, **chance)
        if self.measured:
            with atomic_write(self.path / "metrics.png") as file:
                plotting.plot_quality(self.measured, file, self.settings.get("real"))
        sheets = sorted((self.path / "samples").glob("epoch_*.png"))
        if sheets:
            captions = [f"epoch {int(sheet.stem.removeprefix('epoch_'))}" for sheet in sheets]
            with atomic_write(self.path / "progress.gif") as file:
                plotting.save_gif(file, sheets, captions)

    def write_config(self, gan: GAN) -> None:
        """Write ``config.json``: the settings, and the game in full."""
        config = {**self.settings, "gan": gan.config()}
        self._write("config.json", checkpoint.as_json(config, indent=2) + "\n")

    def _write(self, name: str, text: str) -> None:
        with atomic_write(self.path / name) as file:
            file.write(text.encode())


def as_csv(names: Sequence[str], rows: Iterable[Sequence[float]]) -> str:
    """Return a table as text, with the names in its first line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *rows])
    return text.getvalue()
