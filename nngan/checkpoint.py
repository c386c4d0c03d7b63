"""The full state of a game in one ``.npz``, written so that a crash cannot spoil it.

A checkpoint holds arrays and one JSON text, never a pickle: parameters, running averages and
optimizer moments of both networks, the clock, the losses so far, and a description from which the
game is made anew. Because random numbers are a function of seed and clock, no generator's state is
needed: a run that was killed and resumed ends with the bytes of the run that was not.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array
from .checks import function, shortened
from .files import atomic_write
from .game import METRICS, Game
from .game.game import AnyGame
from .game.state import RULE_NAMES
from .layers import BatchNorm, Layer, Linear
from .network import Sequential
from .optim import Optimizer, optimizer_from_config
from .stored import JSON_GROWS, Archive, DamagedFile, check_memory, entry, from_json, open_npz
from .views import check_views

FORMAT = "nngan checkpoint 3"
LONGEST = 300  # letters of a message that a file can cause
PARTS = ("G", "D", "g_optimizer", "d_optimizer")
MOST_LAYERS = 10_000  # of a game in a file
EXTRA = "extra."  # before the names of the arrays in `extra`


class CheckpointError(ValueError):
    """A file is not a checkpoint, or not a whole one; the message says which."""


def save(game: Game, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
    """Write the whole state of `game` to `path`, replacing the old file in one instant.

    The file is written under another name, flushed to the disk and then renamed: a reader, or a
    run that is killed at any moment, finds the old file or the new one, never half of one. What
    `load` would refuse is refused here.

    Parameters
    ----------
    game : Game
        Usually a `GAN`.
    path : path
        Conventionally ``checkpoint.npz``.
    extra : dict, optional
        Anything that JSON can hold, and NumPy arrays of numbers; `load` returns it.

    Raises
    ------
    CheckpointError
        If no game could be made from this one's description: a layer or optimizer of your own does
        not return its constructor's arguments in `config`. Or if `extra` is no such dict.
    OSError
        If the file cannot be written. The old file at `path` is still there then.
    """
    path = Path(path)
    extra = {} if extra is None else extra
    if not isinstance(extra, dict) or not all(isinstance(name, str) for name in extra):
        raise CheckpointError(f"extra must be a dict with texts as keys, got {extra!r}")
    columns = {name: array for name, array in extra.items() if isinstance(array, np.ndarray)}
    others = {name: value for name, value in extra.items() if name not in columns}
    try:
        for network in (game.G, game.D):
            check_views(network)
        gan = describe(game)
        text = as_json({"format": FORMAT, "gan": gan, "extra": others}).encode()
        arrays = {name: game.backend.to_numpy(array) for name, array in arrays_of(game).items()}
        arrays["history"] = np.array([game.history[name] for name in METRICS], np.float64)
        arrays["log"] = game.backend.to_numpy(game.log)
        for name, array in columns.items():
            arrays[f"{EXTRA}{name}"] = array
        arrays["config"] = np.frombuffer(text, np.uint8)
        check_description(from_json(text))
        _check_sizes(gan, {name: array.shape for name, array in arrays.items()})
        _check_values(game, arrays)
    except (AttributeError, ValueError, RecursionError) as error:
        # AttributeError: a class that does not keep its constructor's arguments.
        raise CheckpointError(f"the game cannot be saved: {error}") from error
    layers = (*_types_in(game.G), *_types_in(game.D))
    optimizers = (type(game.g_optimizer), type(game.d_optimizer))
    names = tuple(tuple(o.state) for o in (game.g_optimizer, game.d_optimizer))
    _check_loadable(as_json(gan), layers, optimizers, names)
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle


def load(
    path: str | os.PathLike[str], make: Callable[[dict[str, Any]], AnyGame]
) -> tuple[AnyGame, dict[str, Any]]:
    """Return the game that was saved at `path`, and its `extra`.

    The description is checked as a whole, and the sizes that it names are compared with those of
    the arrays in the file, before a network is made.

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
        If the file is damaged, is no checkpoint of nngan, or would fill more memory than the limit
        in `nngan.stored`.
    """
    path, make = Path(path), function("make", make)
    with _open(path) as (file, config):
        try:
            game = make(config["gan"])
        except Exception as error:  # the constructors of users' classes may raise anything
            raise CheckpointError(
                f"no game can be made from the description in {path}: {str(error)[:LONGEST]}"
            ) from error
        _read_state(game, file)
        return game, _read_extra(file, config)


def load_extra(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `extra` that was saved at `path`, without the game. The errors are load's."""
    with _open(Path(path)) as (file, config):
        return _read_extra(file, config)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Archive, dict[str, Any]]]:
    """Open a checkpoint and check its description. Damage, found at any time, is one error."""
    try:
        with open_npz(path) as file:
            config = from_json(_text(file))
            if (version := entry(config, "format", str)) != FORMAT:
                raise CheckpointError(
                    f"{path} says it is {shortened(version)}, but this version reads {FORMAT!r}"
                )
            check_description(config)
            shapes = {name: header.shape for name, header in file.headers.items()}
            _check_sizes(config["gan"], shapes)
            yield file, config
    except DamagedFile as error:
        raise CheckpointError(f"{path} is not a whole checkpoint of nngan: {error}") from error


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
    check_game(config)
    rules = dict(config)
    G, D = (Sequential.from_config(rules.pop(name), layers=layers) for name in "GD")
    g_optimizer = optimizer_from_config(rules.pop("g_optimizer"), optimizers)
    d_optimizer = optimizer_from_config(rules.pop("d_optimizer"), optimizers)
    return G, D, g_optimizer, d_optimizer, rules


def as_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON. NumPy's numbers become Python's; TypeError names other values."""

    def plain(item: object) -> object:
        if isinstance(item, np.generic):
            return item.item()
        raise TypeError(f"a checkpoint holds numbers, texts, lists and dicts, not {item!r}")

    return json.dumps(value, indent=indent, default=plain)


# -- what a file holds -----------------------------------------------------------------------------


def check_description(config: Any) -> None:
    """Refuse what is no description of a game and its `extra`, as `save` writes it, in JSON.

    Names and types are checked here, the values by the classes that they belong to.

    Raises
    ------
    DamagedFile
        The message names the entry.
    """
    entry(config, "extra", dict)
    check_game(entry(config, "gan", dict))


def check_game(gan: Any) -> None:
    """Refuse what is no description of a game, as `describe` returns it, likewise."""
    if not isinstance(gan, dict):
        raise DamagedFile(f"config, a game's description, must be a dict, got {shortened(gan)}")
    if unknown := sorted(gan.keys() - RULE_NAMES - {*PARTS}):
        raise DamagedFile(f"a game has no {', '.join(map(shortened, unknown))}")
    for name in ("g_optimizer", "d_optimizer"):
        entry(entry(gan, name, dict), "type", str)
    layers = [layer for name in "GD" for layer in _layers_in(entry(gan, name, dict))]
    if len(layers) > MOST_LAYERS:
        raise DamagedFile(f"its game has more than {MOST_LAYERS:,} layers")


def _layers_in(network: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the description of each layer of a network, checked as far as they are alike."""
    entry(network, "seed", int, type(None))
    if entry(network, "dtype", str) not in ("float32", "float64"):
        raise DamagedFile(f"its networks cannot compute in {shortened(network['dtype'])}")
    if "type" in network:
        entry(network, "type", str)
    for layer in entry(network, "layers", list):
        if "layers" in (layer if isinstance(layer, dict) else ()):
            yield from _layers_in(layer)
        else:
            entry(layer, "type", str)
            yield layer


# The number of parameters of a layer of the library, by its description.
SIZES: Mapping[str, Callable[[dict[str, Any]], int]] = {
    Linear.__name__: lambda layer: entry(layer, "n_out", int) * (entry(layer, "n_in", int) + 1),
    BatchNorm.__name__: lambda layer: 2 * int(entry(layer, "n", int)),
}


def _check_sizes(gan: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse networks that are larger than their parameters in the file, before they are made."""
    for name in "GD":
        sizes = [SIZES[kind](la) for la in _layers_in(gan[name]) if (kind := la["type"]) in SIZES]
        there = math.prod(shapes.get(f"{name}.params", (0,)))
        if any(size < 0 for size in sizes) or sum(sizes) > there:
            raise DamagedFile(
                f"the layers of {name} have {sum(sizes):,} parameters, and {name}.params {there:,}"
            )


def _text(file: Archive) -> bytes:
    """Return the JSON in a checkpoint."""
    header = file.headers.get("config")
    if header is None or header.dtype != np.uint8:
        raise DamagedFile("it has no entry 'config' of bytes")
    check_memory(JSON_GROWS * header.nbytes)
    return file.read("config").tobytes()


def _read_extra(file: Archive, config: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` in a checkpoint: the JSON, and the arrays."""
    names = [name for name in file.headers if name.startswith(EXTRA)]
    return {**config["extra"], **{name.removeprefix(EXTRA): file.read(name) for name in names}}


def _read_state(game: Game, file: Archive) -> None:
    """Read the arrays of a game from a file."""
    state = arrays_of(game)
    extra = [name for name in file.headers if name.startswith(EXTRA)]
    wanted = {name: (array.shape, str(array.dtype)) for name, array in state.items()}
    wanted["history"] = ((len(METRICS), None), "float64")
    wanted["log"] = ((None, len(METRICS)), str(game.G.dtype))
    if unknown := sorted(file.headers.keys() - wanted.keys() - {"config", *extra}):
        raise DamagedFile(f"this game has no {', '.join(map(shortened, unknown))}")
    for name, (shape, dtype) in wanted.items():
        header = file.headers.get(name)
        got = "nothing" if header is None else f"{header.shape} of {header.dtype}"
        if header is None or header.dtype != dtype or not _fits(header.shape, shape):
            raise DamagedFile(f"{name} must be {shape} of {dtype}, got {got}".replace("None", "n"))
    arrays = {name: file.read(name) for name in wanted}
    _check_values(game, arrays)
    for name, array in state.items():
        array[...] = game.backend.asarray(arrays[name])
    game.log = game.backend.asarray(arrays["log"])
    game.history = dict(zip(METRICS, arrays["history"].tolist(), strict=True))


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Tell whether a shape is the wanted one, in which None is any number."""
    return len(shape) == len(wanted) and all(
        m in (n, None) for n, m in zip(shape, wanted, strict=True)
    )


def _check_values(game: Game, arrays: Mapping[str, Array]) -> None:
    """Refuse a state that no training leaves behind."""
    clock, start = arrays["clock"][0], arrays["epoch_start"][0]
    if not 0 <= start <= clock or arrays["history"].shape[1] > clock:
        raise DamagedFile(
            f"its clock has {clock} steps, the current epoch began at {start}, and "
            f"{arrays['history'].shape[1]} epochs are done"
        )
    if not np.isfinite(arrays["history"]).all():
        raise DamagedFile("its history has values that are NaN or infinite")
    if game.rules.classes and (
        arrays["label_counts"].min() < 0 or not arrays["label_counts"].any()
    ):
        raise DamagedFile("its label_counts must be >= 0, and not all of them 0")
    for name, array in arrays.items():
        if name.startswith(EXTRA) and (array.dtype.kind not in "biuf" or not array.ndim):
            raise DamagedFile(f"{name} must be an array of numbers, got {shortened(array)}")


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
