"""The folder of a run: sheets of samples, losses, settings, checkpoint."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import checkpoint, plotting
from ..backend import Array, Backend
from ..files import FolderLock, atomic_write
from ..game import METRICS
from ..gan import GAN
from ..plotting.sheets import image_shape
from .settings import RunSettings, config_text, read_extra, write_extra
from .surroundings import changes, surroundings
from .tables import GrowingTable

SHEET = 64  # samples on a sheet
COLUMNS = 16  # classes at most that have columns of their own
FRAMES = 150  # of the animation at most: half a minute
SAVE_EVERY = 10  # seconds between two checkpoints, and two drawings of the curves
# A folder that holds one of these holds a run. `nngan evaluate` writes metrics.json.
FILES = (
    "checkpoint.npz", "config.json", "history.csv", "samples", "latest.png", "losses.png",
    "progress.gif", "metrics.csv", "metrics.png", "metrics.json",
)  # fmt: skip


class RunFolder:
    """A callback for `fit` that keeps a run in a folder.

    ========================== =====================================================================
    ``samples/epoch_0001.png`` samples of one fixed noise, every `sample_every` epochs
    ``progress.gif``           those sheets one after the other (at the end)
    ``latest.png``             the samples of now, to look at while it trains
    ``losses.png``             losses and D's mean outputs over the epochs
    ``history.csv``            the same as numbers
    ``config.json``            the settings of the run and the description of its game
    ``checkpoint.npz``         the full state after an epoch, from which the run can go on
    ``metrics.csv``            the scores that `Measure` took
    ``metrics.png``            the same over the epochs (at the end)
    ========================== =====================================================================

    The files that follow the run are written after an epoch, but not within 10 seconds of the last
    time, and after the last epoch. A run that is killed goes on from there, to the same end. The
    folder belongs to one process at a time, from `create` or `resume` to the end of this object.

    Parameters
    ----------
    path : path
        The folder; `create` makes it.
    settings : RunSettings, or mapping of its attributes
        They go into ``config.json`` and into the checkpoint.
    sample_every, shape
        The same attributes of the settings, to name them here.

    Attributes
    ----------
    measured : list of dict of str to float
        One row per measured epoch. The rows are part of the checkpoint, as the history is: a run
        that goes on from an older epoch has only the rows up to that epoch.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: RunSettings | Mapping[str, Any],
        sample_every: int | None = None,
        *,
        shape: Sequence[int] | None = None,
    ) -> None:
        if not isinstance(settings, RunSettings):
            settings = RunSettings.from_json(settings)
        changed = {"sample_every": sample_every, "shape": shape}
        settings = replace(settings, **{k: v for k, v in changed.items() if v is not None})  # type: ignore[arg-type]
        self.path = Path(path)
        self.settings = settings
        self.measured: list[dict[str, float]] = []
        self.lock: FolderLock | None = None
        self.history = GrowingTable()
        self.metrics = GrowingTable()
        self.written = -math.inf  # when the files were last written, by `time.monotonic`

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
        BlockingIOError
            If another process has a run in it.
        NotADirectoryError
            If the path is a file.
        ValueError
            If the game's samples are no images of the settings' shape.
        """
        image_shape(gan.G.n_out or 0, self.settings.shape)
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file, a run needs a folder")
        self._check_empty()
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = FolderLock(self.path)
        self._check_empty()  # of what another process did before our lock
        self.change(made_with=surroundings(gan.backend))
        self.save(gan)
        self.write_config(gan)

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], backend: str | Backend | None = None
    ) -> tuple[RunFolder, GAN]:
        """Return the folder of a run and its game as they were last saved.

        Parameters
        ----------
        path : path
        backend : str or Backend, optional
            If left out, that of the run.

        Raises
        ------
        FileNotFoundError
            If there is no checkpoint.
        BlockingIOError
            If another process trains the run.
        CheckpointError
            If the checkpoint is damaged.
        ValueError
            If the checkpoint is not of a run.
        BackendUnavailable
            If the backend cannot run here.

        Warns
        -----
        RuntimeWarning
            If the backend, the number of BLAS threads, or versions are not those of the run, so
            that it may end with other bytes.
        """
        file = Path(path) / "checkpoint.npz"
        lock = FolderLock(file.parent) if file.exists() else None
        settings, measured = read_extra(checkpoint.load_extra(file), file)
        if settings is None:
            raise ValueError(
                f"{file} is a saved game without the settings of a run: load it with GAN.load"
            )
        before = settings.made_with or {}
        gan = GAN.load(file, before.get("backend", "numpy") if backend is None else backend)
        folder = cls(path, settings)
        folder.measured, folder.lock = measured, lock
        now = surroundings(gan.backend)
        folder.change(made_with=now)
        if before and (said := changes(before, now)):
            warnings.warn(said, RuntimeWarning, stacklevel=2)
        return folder, gan

    def change(self, **settings: object) -> None:
        """Replace some of the settings."""
        self.settings = replace(self.settings, **settings)  # type: ignore[arg-type]

    def __call__(self, gan: GAN) -> None:
        """Write the files of the epoch that has just ended, as far as they are due."""
        last = gan.epoch >= self.settings.epochs
        if last or (gan.epoch - 1) % self.settings.sample_every == 0:
            (self.path / "samples").mkdir(exist_ok=True)
            self._draw_sheet(gan, f"samples/epoch_{gan.epoch:04d}.png")
        if last or time.monotonic() - self.written >= SAVE_EVERY:
            self._draw_sheet(gan, "latest.png")
            self._draw_losses(gan)
            self.save(gan)
            self.written = time.monotonic()

    def save(self, gan: GAN) -> None:
        """Write the tables, and last the checkpoint: the game, the settings and the scores."""
        if gan.epoch:

            def epochs(done: int) -> Iterable[Sequence[float]]:
                columns = [gan.history[name][done:] for name in METRICS]
                return zip(range(done + 1, gan.epoch + 1), *columns, strict=True)

            self.history.write(self.path / "history.csv", ["epoch", *METRICS], gan.epoch, epochs)
        if self.measured:
            names = list(self.measured[0])
            self.metrics.write(
                self.path / "metrics.csv", names, len(self.measured),
                lambda done: [[*row.values()] for row in self.measured[done:]],
            )  # fmt: skip
        gan.save(self.checkpoint, write_extra(self.settings, self.measured))

    def draw(self, gan: GAN) -> None:
        """Save the game as it is, and draw the curves and the animation of all sheets so far."""
        self.save(gan)
        if gan.epoch:
            self._draw_losses(gan)
        if self.measured:
            with atomic_write(self.path / "metrics.png") as file:
                plotting.plot_quality(self.measured, file, self.settings.real_scores)
        found = {epoch_of(path): path for path in (self.path / "samples").glob("epoch_*.png")}
        if sheets := spread([found[epoch] for epoch in sorted(found) if epoch], FRAMES):
            captions = [f"epoch {epoch_of(sheet)}" for sheet in sheets]
            with atomic_write(self.path / "progress.gif") as file:
                plotting.save_gif(file, sheets, captions)

    def write_config(self, gan: GAN) -> None:
        """Write ``config.json``: the settings, and the game in full."""
        self._write("config.json", config_text(self.settings, gan))

    def _check_empty(self) -> None:
        for name in FILES:
            if (self.path / name).exists():
                raise FileExistsError(f"{self.path} already holds a run ({name})")

    def _draw_sheet(self, gan: GAN, name: str) -> None:
        labels, columns = sheet_labels(gan.classes)
        n = SHEET if labels is None else len(labels)
        images = gan.sample(n, labels=labels)
        names = self.settings.class_names or ()
        titles = names[: gan.classes] if 0 < gan.classes <= min(COLUMNS, len(names)) else None
        with atomic_write(self.path / name) as file:
            plotting.save_sheet(file, images, columns, self.settings.shape, titles=titles)

    def _draw_losses(self, gan: GAN) -> None:
        objective = gan.rules.objective
        chance = {"d_chance": objective.d_chance, "g_chance": objective.g_chance}
        with atomic_write(self.path / "losses.png") as file:
            plotting.plot_losses(gan.history, file, **chance)

    def _write(self, name: str, text: str) -> None:
        with atomic_write(self.path / name) as file:
            file.write(text.encode())


def epoch_of(sheet: Path) -> int:
    """Return the epoch in the name of a sheet; 0 if there is none."""
    number = sheet.stem.removeprefix("epoch_")
    return int(number) if number.isdecimal() and number.isascii() else 0


def spread(items: list[Path], most: int) -> list[Path]:
    """Return at most so many of the items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def sheet_labels(classes: int) -> tuple[Array | None, int]:
    """Return the labels of the samples on a sheet, if any, and the number of its columns.

    Up to 16 classes have columns of their own, as many each as make about 8; more classes are one
    sample each, in their order.
    """
    if not classes:
        return None, math.isqrt(SHEET)
    if classes > COLUMNS:
        return np.arange(classes), math.ceil(math.sqrt(classes))
    row = np.repeat(np.arange(classes), max(1, 8 // classes))
    return np.tile(row, SHEET // len(row)), len(row)


def load_run(
    path: str | os.PathLike[str], backend: str | Backend = "numpy"
) -> tuple[GAN, RunSettings | None]:
    """Return the game and the settings in the folder of a run, or in a checkpoint.

    The settings are None if the checkpoint is not of a run.
    """
    path = Path(path)
    file = path / "checkpoint.npz" if path.is_dir() else path
    gan, extra = GAN.load_with_extra(file, backend)
    return gan, read_extra(extra, file)[0]
