"""The full state of a run in one ``.npz``, written so that a crash cannot spoil it.

A checkpoint holds arrays and one JSON text, never a pickle: parameters, running averages and
optimizer moments of both networks, the clock, the losses so far, and a description from which the
game is made anew. Because random numbers are a function of seed and clock, no generator's state is
needed: a run that was killed and resumed ends with the bytes of the run that was not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array, Backend
from .files import CORRUPT_FILE, atomic_write
from .game import METRICS
from .gan import GAN
from .layers import Layer

FORMAT = "nngan checkpoint 2"  # 1 had other moments of Adam


class CheckpointError(ValueError):
    """A file is not a checkpoint, or not a whole one; the message says which."""


def save(gan: GAN, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
    """Write the whole state of `gan` to `path`, replacing what was there in one instant.

    The file is written under another name, flushed to the disk and then renamed: a reader, or a
    run that is killed at any moment, finds the old file or the new one, never half of one.

    Parameters
    ----------
    gan : GAN
    path : path
        Conventionally ``checkpoint.npz``.
    extra : dict, optional
        Anything that JSON can hold, returned by `load`.

    Raises
    ------
    OSError
        When the file cannot be written; what was at `path` is still there then.
    """
    path = Path(path)
    config = {"format": FORMAT, "gan": gan.config(), "extra": extra or {}}
    to_numpy = gan.backend.to_numpy
    arrays = {name: to_numpy(array) for name, array in _state(gan).items()}
    arrays["history"] = np.array([gan.history[name] for name in METRICS], np.float64)
    arrays["log"] = to_numpy(gan.log)
    arrays["config"] = np.array(as_json(config))
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle


def load(
    path: str | os.PathLike[str],
    backend: str | Backend = "numpy",
    layers: Sequence[type[Layer]] = (),
) -> tuple[GAN, dict[str, Any]]:
    """Return the game that was saved at `path`, on any backend, and its `extra`.

    Parameters
    ----------
    path : path
    backend : str or Backend
        Where it shall go on; it need not be where it came from.
    layers : sequence of Layer subclasses
        Layers of your own that its networks use.

    Raises
    ------
    TypeError
        When `layers` is no sequence of classes.
    FileNotFoundError
        When there is no such file.
    CheckpointError
        When the file is damaged, or is no checkpoint of nngan.
    """
    if not isinstance(layers, Sequence):
        raise TypeError(f"layers must be a sequence of classes, [MyLayer] say, got {layers!r}")
    path = Path(path)
    arrays, config = _read(path)
    try:
        gan = GAN.from_config(config["gan"], backend, layers)
    except (LookupError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: its description is ({error!r})") from error
    # Checkpoints of before labels were counted: all classes alike.
    arrays.setdefault("label_counts", np.ones(gan.classes, np.int64))
    for name, array in _state(gan).items():
        found = arrays[name].shape if name in arrays else "nothing"
        if found != array.shape:
            raise CheckpointError(f"{path} is damaged: {name} must be {array.shape}, got {found}")
        array[...] = gan.backend.asarray(arrays[name])
    gan.log = gan.backend.asarray(arrays["log"])
    gan.history = dict(zip(METRICS, arrays["history"].tolist(), strict=True))
    return gan, config["extra"]


def as_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON. NumPy's numbers are written as Python's; what JSON lacks is named."""

    def plain(item: object) -> object:
        if isinstance(item, np.generic):
            return item.item()
        raise TypeError(f"a checkpoint holds numbers, texts, lists and dicts, not {item!r}")

    return json.dumps(value, indent=indent, default=plain)


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the description in a checkpoint."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        config: dict[str, Any] = json.loads(str(arrays["config"]))
        version = config["format"]
        arrays["log"], arrays["history"]
    except FileNotFoundError:
        raise
    except CORRUPT_FILE as error:
        raise CheckpointError(f"{path} is not a whole checkpoint of nngan ({error})") from error
    if version != FORMAT:
        raise CheckpointError(f"{path} says it is {version!r}, but this version reads {FORMAT!r}")
    return arrays, config


def _state(gan: GAN) -> dict[str, Array]:
    """Return all arrays that training changes in place, by name."""
    state = {"clock": gan.clock, "epoch_start": gan.epoch_start}
    if gan.classes:
        state["label_counts"] = gan.label_counts
    networks = {"G": gan.G, "D": gan.D}
    if gan.G_ema is not None:
        networks["G_ema"] = gan.G_ema
    for name, network in networks.items():
        state[f"{name}.params"] = network.params
        if network.state.size:
            state[f"{name}.state"] = network.state
    for name, optimizer in (("G", gan.g_optimizer), ("D", gan.d_optimizer)):
        state |= {f"{name}.optimizer.{key}": a for key, a in optimizer.state.items()}
    return state
