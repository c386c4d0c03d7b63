"""The full state of a game in one ``.npz``, written so that a crash cannot spoil it.

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
from .game import METRICS, Game
from .game.game import AnyGame, parts_from_config
from .layers import Layer
from .network import Sequential
from .optim import Optimizer

FORMAT = "nngan checkpoint 2"


class CheckpointError(ValueError):
    """A file is not a checkpoint, or not a whole one; the message says which."""


def save(game: Game, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
    """Write the whole state of `game` to `path`, replacing the old file in one instant.

    The file is written under another name, flushed to the disk and then renamed: a reader, or a
    run that is killed at any moment, finds the old file or the new one, never half of one.

    Parameters
    ----------
    game : Game
        Usually a `GAN`.
    path : path
        Conventionally ``checkpoint.npz``.
    extra : dict, optional
        Anything that JSON can hold, returned by `load`.

    Raises
    ------
    CheckpointError
        If no game could be made from this one's description: a layer or optimizer of your own does
        not return in `config` what its constructor needs.
    OSError
        If the file cannot be written. The old file at `path` is still there then.
    """
    path = Path(path)
    config = {"format": FORMAT, "gan": game.config(), "extra": extra or {}}
    text = as_json(config)
    _check_loadable(game, json.loads(text)["gan"])
    to_numpy = game.backend.to_numpy
    arrays = {name: to_numpy(array) for name, array in game.state().items()}
    arrays["history"] = np.array([game.history[name] for name in METRICS], np.float64)
    arrays["log"] = to_numpy(game.log)
    arrays["config"] = np.array(text)
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle


def load(
    path: str | os.PathLike[str],
    backend: str | Backend = "numpy",
    layers: Sequence[type[Layer]] = (),
    optimizers: Sequence[type[Optimizer]] = (),
    *,
    kind: type[AnyGame],
) -> tuple[AnyGame, dict[str, Any]]:
    """Return the game that was saved at `path`, on any backend, and its `extra`.

    Parameters
    ----------
    path : path
    backend : str or Backend
        Where the game will go on; it need not be the backend that it was saved on.
    layers : sequence of Layer subclasses
        The layers of your own that its networks use.
    optimizers : sequence of Optimizer subclasses
        The optimizers of your own that it uses.
    kind : type
        The class of the game: `GAN`.

    Raises
    ------
    TypeError
        If `layers` or `optimizers` is no sequence of classes.
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If the file is damaged, or is no checkpoint of nngan.
    """
    for name, classes in (("layers", layers), ("optimizers", optimizers)):
        if not isinstance(classes, Sequence):
            raise TypeError(f"{name} must be a sequence of classes, [MyClass] say, got {classes!r}")
    path = Path(path)
    arrays, config = _read(path)
    try:
        game = kind.from_config(config["gan"], backend, layers, optimizers)
    except (LookupError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: its description is ({error!r})") from error
    for name, array in game.state().items():
        found = arrays[name].shape if name in arrays else "nothing"
        if found != array.shape:
            raise CheckpointError(f"{path} is damaged: {name} must be {array.shape}, got {found}")
        array[...] = game.backend.asarray(arrays[name])
    game.log = game.backend.asarray(arrays["log"])
    game.history = dict(zip(METRICS, arrays["history"].tolist(), strict=True))
    return game, config["extra"]


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


def _check_loadable(game: Game, config: dict[str, Any]) -> None:
    """Raise CheckpointError if no game could be made from this description.

    Networks and optimizers are made anew from it; once, until the description changes.
    """
    if config == game.loadable_config:
        return
    layers = [*_types_in(game.G), *_types_in(game.D)]
    optimizers = [type(game.g_optimizer), type(game.d_optimizer)]
    try:
        G, D, _, g_optimizer, d_optimizer = parts_from_config(config, layers, optimizers)
        again = {"G": G.config(), "D": D.config()}
        again |= {"g_optimizer": g_optimizer.config(), "d_optimizer": d_optimizer.config()}
        for name, description in again.items():
            if json.loads(as_json(description)) != config[name]:
                raise ValueError(f"{name} made from its config() is another one")
    except Exception as error:  # the constructors of users' classes may raise anything
        raise CheckpointError(
            f"the game could not be loaded again ({type(error).__name__}: {error}): config() of a "
            "layer or optimizer must return its constructor's arguments by name, as JSON holds them"
        ) from error
    game.loadable_config = config


def _types_in(network: Sequential) -> list[type[Layer]]:
    """Return the class of a network and of each layer in it."""
    types: list[type[Layer]] = [type(network)]
    for layer in network.layers:
        types += _types_in(layer) if isinstance(layer, Sequential) else [type(layer)]
    return types
