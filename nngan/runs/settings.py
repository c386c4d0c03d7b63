"""The settings of a run: one dataclass, and its form in ``config.json`` and in the checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint import CheckpointError, as_json
from ..checks import (
    boolean,
    image_shape,
    is_number,
    optional,
    positive_int,
    shortened,
    text,
    texts,
    uint64,
)
from ..gan import GAN
from ..stored import DamagedFile, entry, read_json

MNIST_SAMPLES = 60_000  # the recipes count their epochs in this size
Check = Callable[[str, Any], Any]


def _setting(check: Check, default: Any = MISSING) -> Any:
    """Return a field of a dataclass: its default, and the check that any value must pass."""
    return field(default=default, metadata={"check": check})


def _optional(check: Check) -> Check:
    return partial(optional, check)


def _shape(name: str, value: Sequence[int]) -> tuple[int, ...]:
    """Return (height, width) or (height, width, 3), which is a list in JSON."""
    if not isinstance(value, list | tuple):
        raise ValueError(
            f"{name} must be (height, width) or (height, width, 3), got {shortened(value)}"
        )
    return image_shape(value)


def _scores(name: str, value: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(value, dict) or not all(map(is_number, value.values())):
        raise ValueError(f"{name} must be numbers by their names, got {shortened(value)}")
    return value


def _texts(name: str, value: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(t, str) for t in value.values()):
        raise ValueError(f"{name} must be texts by their names, got {shortened(value)}")
    return value


def _judges(name: str, value: Mapping[str, str]) -> dict[str, str]:
    if not all(epoch.isdecimal() and epoch.isascii() for epoch in _texts(name, value)):
        raise ValueError(f"{name} must be by epochs, got {shortened(value)}")
    return dict(value)


def _size(name: str, value: Any) -> Any:
    return positive_int(name, value) if not isinstance(value, list | tuple) else _shape(name, value)


HOW: Mapping[str, Check] = {
    "key": text, "shape": _shape, "size": _size, "grey": boolean, "labels": text,
    "label_column": text, "skip_broken": boolean,
}  # fmt: skip


def _how_to_load(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `nngan.datasets.load`."""
    if not isinstance(value, dict) or not value.keys() <= HOW.keys():
        raise ValueError(f"{name} may have {', '.join(HOW)}, got {shortened(value)}")
    return {option: HOW[option](option, given) for option, given in value.items()}


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
    class_names : tuple of str, or None
        The name of each class of the images.
    recipe : str
        Name of the recipe.
    seed : int
        The seed that the recipe was built with.
    shards : int
        The parts that each step is cut into: see `nngan.distributed`.
    sample_every : int
        Sheets of samples are drawn at the epochs 1, 1 + sample_every, ... and at the last.
    measure_every : int or None
        `Measure` measures every this many epochs and at the last; None: not at all.
    real_scores : dict of str to float, or None
        Scores of real images by the same measures; `Measure` sets them.
    judges : dict of str to str, or None
        The fingerprint of the judge that measured, by the epoch from which on it did: scores of
        different judges differ a little. `Measure` sets it.
    made_with : dict of str to str, or None
        Backend, threads and versions of the process that last began or went on with the run, which
        decide its last bits; `RunFolder` sets them.

    Raises
    ------
    ValueError
        If one has no such value.
    """

    epochs: int = _setting(positive_int)
    batch_size: int = _setting(positive_int, 128)
    data: str = _setting(text, "own")
    data_dir: str | None = _setting(_optional(text), None)
    load: dict[str, Any] | None = _setting(_optional(_how_to_load), None)  # noqa: RUF009
    digest: str | None = _setting(_optional(text), None)
    images: int | None = _setting(_optional(positive_int), None)
    shape: tuple[int, ...] | None = _setting(_optional(_shape), None)
    class_names: tuple[str, ...] | None = _setting(_optional(texts), None)
    recipe: str = _setting(text, "own")
    seed: int = _setting(uint64, 0)
    shards: int = _setting(positive_int, 1)
    sample_every: int = _setting(positive_int, 1)
    measure_every: int | None = _setting(_optional(positive_int), None)
    real_scores: dict[str, float] | None = _setting(_optional(_scores), None)  # noqa: RUF009
    judges: dict[str, str] | None = _setting(_optional(_judges), None)  # noqa: RUF009
    made_with: dict[str, str] | None = _setting(_optional(_texts), None)  # noqa: RUF009

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = setting.metadata["check"](setting.name, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)  # as a frozen dataclass sets its fields

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunSettings:
        """Return the settings that were stored under the names of the attributes.

        Raises
        ------
        ValueError
            If one is missing, unknown or out of range.
        """
        if not isinstance(stored, Mapping):
            raise ValueError(f"the settings of a run must be a dict, got {shortened(stored)}")
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        known = [field.name for field in fields(cls)]
        if missing := [name for name in needed if name not in stored]:
            raise ValueError(f"the settings of a run lack {', '.join(missing)}")
        if unknown := [name for name in stored if name not in known]:
            raise ValueError(f"unknown settings of a run: {', '.join(unknown)}")
        return cls(**stored)


def write_extra(settings: RunSettings, measured: list[dict[str, float]]) -> dict[str, Any]:
    """Return the `extra` of a run's checkpoint: its settings, and the rows of `Measure` as numbers.

    Raises
    ------
    ValueError
        If the rows have not all the same names.
    """
    extra: dict[str, Any] = {"run": asdict(settings)}
    if measured:
        names = list(measured[0])
        if any(list(row) != names for row in measured):
            raise ValueError(f"each row of measured must have the names {', '.join(names)}")
        extra["measures"] = names
        extra["measured"] = np.array([list(row.values()) for row in measured], np.float64)
    return extra


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
        settings = RunSettings.from_json(extra["run"])
        if "measures" not in extra:
            return settings, []
        names, table = entry(extra, "measures", list), entry(extra, "measured", np.ndarray)
        if table.ndim != 2 or table.shape[1] != len(names) or "epoch" not in names:
            raise DamagedFile(f"measured must be rows of {len(names)} numbers, one the epoch")
        rows = [
            {str(name): _counted(name, value) for name, value in zip(names, row, strict=True)}
            for row in table.tolist()
        ]
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    return settings, rows


def _counted(name: str, value: float) -> float:
    """Return a number of epochs or samples as a whole one."""
    return int(value) if name in ("epoch", "samples") and math.isfinite(value) else value


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
        stored = read_json(path)
        game = entry(stored, "gan", dict)
        return RunSettings.from_json({k: v for k, v in stored.items() if k != "gan"}), game
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it, it is written anew when the run goes on"
        ) from error


def describes(config: Mapping[str, Any], gan: GAN) -> bool:
    """Tell whether the description of a game in a ``config.json`` is that of `gan`."""
    return bool(config == json.loads(as_json(gan.config())))  # JSON has no tuples


def class_names(gan: GAN, settings: RunSettings | None) -> Sequence[str]:
    """Return the names of the classes of a game, which are numbers if the run has no names."""
    names = (settings and settings.class_names) or ()
    return [*names, *map(str, range(len(names), gan.classes))][: gan.classes]


def repeats_of(images: int) -> int:
    """Return how many epochs of `images` take about the steps of one epoch of MNIST."""
    return max(1, round(MNIST_SAMPLES / images))


def steps_of(epochs: int, images: int, batch_size: int, k: int) -> int:
    """Return the number of training steps of a whole run."""
    return epochs * (images // (batch_size * k))
