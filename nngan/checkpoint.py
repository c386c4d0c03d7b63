"""The full state of a game in one ``.npz``, written so that a crash cannot spoil it.

A checkpoint holds arrays and one JSON text, never a pickle: parameters, running averages and
optimizer moments of both networks, the clock, the losses so far, and a description from which the
game is made anew. Because random numbers are a function of seed and clock, no generator's state is
needed: a run that was killed and resumed ends with the bytes of the run that was not.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array
from .files import CORRUPT_FILE, atomic_write
from .game import METRICS, Game
from .game.game import AnyGame
from .layers import Layer
from .network import Sequential
from .optim import Optimizer, optimizer_from_config

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
        not return its constructor's arguments in `config`.
    OSError
        If the file cannot be written. The old file at `path` is still there then.
    """
    path = Path(path)
    try:
        config = {"format": FORMAT, "gan": describe(game), "extra": extra or {}}
    except AttributeError as error:  # a class that does not keep its constructor's arguments
        raise CheckpointError(str(error)) from error
    text = as_json(config)
    layers = (*_types_in(game.G), *_types_in(game.D))
    optimizers = (type(game.g_optimizer), type(game.d_optimizer))
    names = tuple(tuple(o.state) for o in (game.g_optimizer, game.d_optimizer))
    _check_loadable(as_json(config["gan"]), layers, optimizers, names)
    to_numpy = game.backend.to_numpy
    arrays = {name: to_numpy(array) for name, array in arrays_of(game).items()}
    arrays["history"] = np.array([game.history[name] for name in METRICS], np.float64)
    arrays["log"] = to_numpy(game.log)
    arrays["config"] = np.array(text)
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle


def load(
    path: str | os.PathLike[str], make: Callable[[dict[str, Any]], AnyGame]
) -> tuple[AnyGame, dict[str, Any]]:
    """Return the game that was saved at `path`, and its `extra`.

    Parameters
    ----------
    path : path
    make : callable
        Makes a new game from its description: `GAN.from_config`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If the file is damaged, or is no checkpoint of nngan.
    """
    path = Path(path)
    arrays, config = _read(path)
    try:
        game = make(config["gan"])
    except (LookupError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: no game can be made from its description "
            f"({type(error).__name__}: {error})"
        ) from error
    wanted = arrays_of(game)
    if unknown := sorted(arrays.keys() - wanted.keys() - {"config", "log", "history"}):
        raise CheckpointError(f"{path} is damaged: this game has no {', '.join(unknown)}")
    for name, array in wanted.items():
        found = arrays[name].shape if name in arrays else "nothing"
        if found != array.shape:
            raise CheckpointError(f"{path} is damaged: {name} must be {array.shape}, got {found}")
        array[...] = game.backend.asarray(arrays[name])
    game.log = game.backend.asarray(arrays["log"])
    game.history = dict(zip(METRICS, arrays["history"].tolist(), strict=True))
    return game, config["extra"]


def arrays_of(game: Game) -> dict[str, Array]:
    """Return all arrays that training changes in place, by name."""
    arrays = {"clock": game.clock, "epoch_start": game.epoch_start}
    if game.rules.classes:
        arrays["label_counts"] = game.label_counts
    networks = {"G": game.G, "D": game.D}
    if game.G_ema is not None:
        networks["G_ema"] = game.G_ema
    for name, network in networks.items():
        arrays[f"{name}.params"] = network.params
        if network.buffers.size:
            arrays[f"{name}.buffers"] = network.buffers
    for name, optimizer in (("G", game.g_optimizer), ("D", game.d_optimizer)):
        arrays |= {f"{name}.optimizer.{key}": a for key, a in optimizer.state.items()}
    return arrays


def describe(game: Game) -> dict[str, Any]:
    """Return a description of a game, which JSON can hold: networks, optimizers and rules."""
    parts = ("G", "D", "g_optimizer", "d_optimizer")
    networks_and_optimizers = {name: getattr(game, name).config() for name in parts}
    rules = {**asdict(game.rules), "data_range": list(game.rules.data_range)}
    return {**networks_and_optimizers, **rules}


def parts_of(
    config: dict[str, Any], layers: Sequence[type[Layer]], optimizers: Sequence[type[Optimizer]]
) -> tuple[Sequential, Sequential, Optimizer, Optimizer, dict[str, Any]]:
    """Return G, D, their optimizers, and the rules by name, of the game that was described."""
    rules = dict(config)
    G, D = (Sequential.from_config(rules.pop(name), layers=layers) for name in "GD")
    g_optimizer = optimizer_from_config(rules.pop("g_optimizer"), optimizers)
    d_optimizer = optimizer_from_config(rules.pop("d_optimizer"), optimizers)
    return G, D, g_optimizer, d_optimizer, rules


def check_classes(**given: Sequence[type]) -> None:
    """Raise TypeError if an option, given by its name, is no sequence of classes."""
    for name, classes in given.items():
        if not isinstance(classes, Sequence) or not all(isinstance(c, type) for c in classes):
            raise TypeError(f"{name} must be a sequence of classes, [MyClass] say, got {classes!r}")


def as_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON. NumPy's numbers become Python's; TypeError names other values."""

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
        reason = str(error)
        if path.is_file() and not zipfile.is_zipfile(path):  # NumPy would speak of pickles
            reason = "it is no .npz file, or the end of it is missing"
        elif isinstance(error, KeyError):
            reason = f"it has no entry {reason}"
        raise CheckpointError(f"{path} is not a whole checkpoint of nngan ({reason})") from error
    if version != FORMAT:
        raise CheckpointError(f"{path} says it is {version!r}, but this version reads {FORMAT!r}")
    return arrays, config


@lru_cache(maxsize=16)
def _check_loadable(
    text: str,
    layers: tuple[type[Layer], ...],
    optimizers: tuple[type[Optimizer], ...],
    states: tuple[tuple[str, ...], ...],
) -> None:
    """Raise CheckpointError if no game could be made from this description, as JSON.

    Networks and optimizers are made anew from it, and their descriptions and the names of the
    optimizers' arrays compared. A description that has passed is not tried again.
    """
    config = json.loads(text)
    try:
        G, D, g_optimizer, d_optimizer, _ = parts_of(config, layers, optimizers)
        again = {"G": G.config(), "D": D.config()}
        again |= {"g_optimizer": g_optimizer.config(), "d_optimizer": d_optimizer.config()}
        for name, description in again.items():
            if json.loads(as_json(description)) != config[name]:
                raise ValueError(f"{name} made from its config() is another one")
        made = tuple(tuple(o.bind(n).state) for o, n in ((g_optimizer, G), (d_optimizer, D)))
        if made != states:
            raise ValueError(f"initial_state() has the arrays {made}, and the game has {states}")
    except Exception as error:  # the constructors of users' classes may raise anything
        raise CheckpointError(
            f"the game could not be loaded again ({type(error).__name__}: {error}): config() of a "
            "layer or optimizer must return its constructor's arguments by name, as JSON holds "
            "them, and initial_state() all arrays that an optimizer will have"
        ) from error


def _types_in(network: Sequential) -> list[type[Layer]]:
    """Return the class of a network and of each layer in it."""
    types: list[type[Layer]] = [type(network)]
    for layer in network.layers:
        types += _types_in(layer) if isinstance(layer, Sequential) else [type(layer)]
    return types
