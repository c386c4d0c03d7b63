"""The settings of a run: one dataclass, and its form in ``config.json`` and in the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..checkpoint import CheckpointError, as_json
from ..checks import positive_int
from ..gan import GAN

MNIST_SAMPLES = 60_000  # the recipes count their epochs in this size


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run that its game does not know.

    The game's own options (loss, penalties, learning rates, ...) are in `GAN.config`, which
    ``config.json`` and the checkpoint hold as well.

    Attributes
    ----------
    epochs : int
        Number of epochs in total.
    batch_size : int
        Samples per minibatch.
    data : str
        Name of the data set: "mnist", "fashion", "digits", the path of images of one's own, or any
        other name.
    data_dir : str or None
        Folder of the data files; None: where `nngan.datasets.mnist` looks for them.
    load : dict of str to object, or None
        The options of `nngan.datasets.load` for a path.
    digest : str or None
        SHA-256 of the training images of one's own.
    images : int or None
        Number of training images, the first of the data set; None: all.
    shape : tuple of int, or None
        Height and width of an image, and 3 for colour; None: square and grey.
    recipe : str
        Name of the recipe.
    seed : int
        The seed that the recipe was built with.
    sample_every : int
        Sheets of samples are drawn at the epochs 1, 1 + sample_every, ... and at the last.
    measure_every : int or None
        `Measure` measures every this many epochs and at the last; None: not at all.
    real_scores : dict of str to float, or None
        Scores of real images by the same measures; `Measure` sets them.
    nngan : str
        Version of the library that began the run.

    Raises
    ------
    ValueError
        If a count is not a positive whole number.
    """

    epochs: int
    batch_size: int = 128
    data: str = "own"
    data_dir: str | None = None
    load: dict[str, Any] | None = None
    digest: str | None = None
    images: int | None = None
    shape: tuple[int, ...] | None = None
    recipe: str = "own"
    seed: int = 0
    sample_every: int = 1
    measure_every: int | None = None
    real_scores: dict[str, float] | None = None
    nngan: str = ""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "images", "sample_every", "measure_every"):
            if (value := getattr(self, name)) is not None:
                positive_int(name, value)
        if self.shape is not None:
            shape = tuple(positive_int("shape", n) for n in self.shape)
            if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
                raise ValueError(
                    f"shape must be (height, width) or (height, width, 3), got {shape}"
                )
            object.__setattr__(self, "shape", shape)  # JSON has no tuples

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunSettings:
        """Return the settings that were stored under the names of the attributes.

        Raises
        ------
        ValueError
            If one is missing, unknown or out of range.
        """
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        known = [field.name for field in fields(cls)]
        if missing := [name for name in needed if name not in stored]:
            raise ValueError(f"the settings of a run lack {', '.join(missing)}")
        if unknown := [name for name in stored if name not in known]:
            raise ValueError(f"unknown settings of a run: {', '.join(unknown)}")
        return cls(**stored)


def write_extra(settings: RunSettings, measured: list[dict[str, float]]) -> dict[str, Any]:
    """Return the `extra` of a run's checkpoint: its settings and the rows of `Measure`."""
    return {"run": asdict(settings), "measured": measured}


def read_extra(
    extra: Mapping[str, Any], path: Path
) -> tuple[RunSettings | None, list[dict[str, float]]]:
    """Return what `write_extra` wrote; None and no rows if the checkpoint is not of a run.

    Parameters
    ----------
    extra : mapping
        As `nngan.checkpoint.load` returns it.
    path : Path
        The checkpoint, for the error message.

    Raises
    ------
    CheckpointError
        If the settings cannot be read.
    """
    if "run" not in extra:
        return None, []
    try:
        return RunSettings.from_json(extra["run"]), list(extra["measured"])
    except (LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {_reason(error)}") from error


def config_text(settings: RunSettings, gan: GAN) -> str:
    """Return the content of ``config.json``: the settings, and the game under the name "gan"."""
    return as_json({**asdict(settings), "gan": gan.config()}, indent=2) + "\n"


def read_config(path: Path) -> tuple[RunSettings, dict[str, Any]]:
    """Return the settings in a ``config.json`` and the description of its game.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged.
    """
    try:
        stored = dict(json.loads(path.read_text()))
        game = dict(stored.pop("gan"))
        return RunSettings.from_json(stored), game
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged ({_reason(error)}): delete it, "
            "it is written anew when the run goes on"
        ) from error


def describes(config: Mapping[str, Any], gan: GAN) -> bool:
    """Tell whether the description of a game in a ``config.json`` is that of `gan`."""
    return bool(config == json.loads(as_json(gan.config())))  # JSON has no tuples


def repeats_of(images: int) -> int:
    """Return how many epochs of `images` take about the steps of one epoch of MNIST."""
    return max(1, round(MNIST_SAMPLES / images))


def steps_of(epochs: int, images: int, batch_size: int, k: int) -> int:
    """Return the number of training steps of a whole run."""
    return epochs * (images // (batch_size * k))


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, LookupError) else str(error)
