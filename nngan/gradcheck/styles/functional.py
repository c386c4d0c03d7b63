"""Functions as in CS231n: pairs such as affine_forward and affine_backward.

Their parameters are their arguments, whose shapes are found by trying.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import numpy as np

from ...backend import Array
from ..copies import deepcopy
from ..sayings import say
from .adapters import (
    CACHE,
    DINPUTS,
    INPUT,
    arguments,
    attempt,
    first_words,
    is_required,
    normal,
    options_of,
    same_randomness,
)
from .guesses import BIASES, N_IN, N_OUT, RECURRENT, SCALES, VALUES, WEIGHTS, fits, numbers
from .made import Settings

N, D, M, C, F, SIDE, T = 5, 4, 3, 4, 2, 6, 2
DICTS = ("param", "params", "hparam", "hparams", "hparameters", "config", "cfg", "options", "conf")
HIDDEN = {"prevh", "hprev", "h0", "h", "hidden", "aprev0", "a0", "hinit"}
# What the dict of parameters of a function holds, where it is not the argument of a class.
ENTRIES = {"f": 2, "kernelsize": 2}


@dataclass
class Fitted:
    """Functions in the form that `check_gradients` takes, with inputs that fit."""

    target: Any
    inputs: tuple[Any, ...]
    batch_axis: int = 0
    notes: list[str] = field(default_factory=list)


class CannotCall(Exception):
    """No inputs were found that the functions accept."""


# -- pairs ----------------------------------------------------------------------------------------


def find_pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    settings: Settings,
    rng: np.random.Generator,
) -> Fitted:
    """Return a pair of functions of arrays alone, with arrays of shapes that fit."""
    given = settings.args
    names = [p for p in arguments(forward) or [] if p.kind != p.VAR_KEYWORD]
    known = {p.name: given[p.name] for p in names if p.name in given}
    known |= {k: v for k, v in options_of(forward).items() if k not in known}
    wanted = [p.name for p in names if is_required(p) and p.name not in known]
    wanted += [
        p.name for p in names
        if p.default is None and normal(p.name) in BIASES | WEIGHTS and p.name not in known
    ]  # fmt: skip
    arrays: list[str] = []
    best, problem = None, "it takes no array"
    for name in wanted:
        if normal(name).endswith(DICTS):
            known[name] = _Entries()
        elif normal(name) in ("activation", "nonlinearity"):
            known[name] = "relu"
        elif normal(name) in VALUES and arrays and normal(name) not in SCALES | BIASES | WEIGHTS:
            known[name] = VALUES[normal(name)]
        else:
            arrays.append(name)
    like = _like(arrays, settings.like)
    for shapes, axis in islice(_worlds(arrays, settings), 400):
        for positive in (False, True):
            inputs = [numbers(shape, rng, positive) for shape in shapes]
            pair = _bound(forward, backward, arrays, known)
            worked, result = attempt(pair[0], *[a.copy() for a in inputs])
            if not worked:
                problem = first_words(f"{type(result).__name__}: {result}")
                break
            if isinstance(result, tuple) and len(result) == 2 and fits(result[0]):
                break
        else:
            continue
        if not worked:
            continue
        pair[0].batch_axis = axis  # type: ignore[attr-defined]
        found = Fitted(pair, tuple(inputs), axis, _notes(known, given))
        # Shapes that are known are not chosen by the gradients, which may have wrong ones.
        if list(shapes) == like or _gradients_fit(pair, inputs, result):
            return found
        best = best or found
    if best is None and len(arrays) == 2 and problem.startswith("IndexError"):
        best = _of_indices(forward, backward, arrays, known, rng)
    if best is None:
        raise CannotCall(problem)
    return best


def _of_indices(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Sequence[str],
    known: dict[str, Any],
    rng: np.random.Generator,
) -> Fitted | None:
    """Return a pair that uses its first argument as indices, as functions of the weights alone."""
    indices = rng.integers(0, D, N)
    pair = _bound(forward, backward, arrays[1:], known | {arrays[0]: indices})
    W = numbers((D, M), rng)
    worked, result = attempt(pair[0], W.copy())
    if not worked or not isinstance(result, tuple) or not fits(result[0]):
        return None
    pair[0].batch_axis = -1  # type: ignore[attr-defined]
    note = say("indices", name=arrays[0])
    return Fitted(pair, (W,), -1, [note])


def _notes(known: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Return a note about the arguments that were guessed."""
    words = []
    for name, value in known.items():
        used = value.used if isinstance(value, _Entries) else value
        if name not in given and used != {}:
            words.append(f"{name}={used!r}")
    return [say("called", pairs=" ".join(words))] if words else []


class _Entries(dict[str, Any]):
    """A dict of parameters that guesses what is looked up in it."""

    def __init__(self) -> None:
        super().__init__()
        self.used: dict[str, Any] = {}

    def __missing__(self, key: str) -> Any:
        name = normal(key)
        if name not in VALUES:
            raise KeyError(key)
        self.used[key] = ENTRIES.get(name, VALUES[name])
        return self.used[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> _Entries:
        twin = _Entries()
        twin.update(deepcopy(dict(self), memo))
        twin.used = self.used  # shared: the note names all of them
        return twin


def _bound(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Sequence[str],
    known: dict[str, Any],
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the pair as functions of the arrays alone, and of (dy, cache)."""
    names = list(arrays)
    takes_arguments = _takes_input(backward)

    @functools.wraps(forward)
    def run(*values: Array) -> Any:
        # Some forwards write running averages into the dict, so each call has its own.
        with same_randomness(forward):
            result = forward(**dict(zip(names, values, strict=True)), **deepcopy(known))
        if isinstance(result, np.ndarray) and takes_arguments:
            return result, tuple(v.copy() for v in values)
        if isinstance(result, tuple) and len(result) > 2:
            return result[0], result[1:]
        return result

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    )
    parameters = arguments(backward) or []
    is_swapped = len(parameters) > 1 and normal(parameters[0].name) in CACHE

    @functools.wraps(backward)
    def reverse(dy: Array, cache: Any) -> Any:
        if takes_arguments and isinstance(cache, tuple):
            after = len([p for p in parameters if is_required(p)]) - 1
            result = backward(dy, *cache[:after])
        else:
            more = {p.name: known[p.name] for p in parameters[2:] if p.name in known}
            first, second = (cache, dy) if is_swapped else (dy, cache)
            result = backward(first, second, **deepcopy(more))
        if isinstance(result, dict):
            return _in_order(result, names)
        return result

    return run, reverse


def _takes_input(backward: Callable[..., Any]) -> bool:
    """Whether backward takes the inputs of forward in place of a cache."""
    names = [normal(p.name) for p in arguments(backward) or []][1:]
    return bool(names) and not set(names) & CACHE and bool(set(names) & (INPUT | {"z", "a"}))


def _in_order(result: dict[Any, Any], names: Sequence[str]) -> Any:
    """Return the gradients of a dict in the order of the arguments."""
    named = {normal(str(key)): value for key, value in result.items()}
    values = [named.get(f"d{normal(n)}", named.get(normal(n))) for n in names]
    first = next((named[normal(n)] for n in DINPUTS if normal(n) in named), None)
    return (first if values[0] is None else values[0], *values[1:])


def _gradients_fit(pair: Any, inputs: list[Array], result: Any) -> bool:
    worked, gradients = attempt(pair[1], np.ones(np.shape(result[0])), result[1])
    if not worked:
        return False
    gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
    shapes = [np.shape(g) for g in gradients]
    return shapes == [a.shape for a in inputs]


def _worlds(
    names: Sequence[str], settings: Settings
) -> Iterator[tuple[list[tuple[int, ...]], int]]:
    """Yield shapes for the arguments, the likely ones first, and the axis of the samples."""
    if (like := _like(names, settings.like)) is not None:
        yield like, 0
    sample = settings.shape
    D, M = settings.sizes or (N_IN, N_OUT)
    d = sample[0] if sample and len(sample) == 1 else D
    n, c = (N if d != N else 7), C
    x2, column = (n, d), (d, n)
    images = [(2, c, s, s) for s in (SIDE, 8, 7)]
    lasts = [(2, s, s, c) for s in (SIDE, 8, 7)]
    vector = [(M,), (1, M), (M, 1)]
    worlds: list[tuple[tuple[int, ...], int, list[Any], list[Any], list[Any]]] = [
        (x2, 0, [(d, M)], vector, [(d,), (1, d)]),
        (column, 1, [(M, d)], [(M, 1), (M,)], [(d, 1)]),
        (column, 1, [(d, M)], [(M, 1), (M,)], [(d, 1)]),
        (x2, 0, [(M, d)], vector, [(d,), (1, d)]),
        *((x, 0, [(F, c, 3, 3)], [(F,), (1, F), (F, 1), (1, F, 1, 1)], [(c,), (1, c, 1, 1)])
          for x in images),
        *((x, 0, [(3, 3, c, F)], [(1, 1, 1, F), (F,)], [(c,), (1, 1, 1, c)]) for x in lasts),
        ((n, T, d), 0, [(d, M)], vector, [(d,)]),
        ((2, c, 8), 0, [(F, c, 3)], [(F,), (F, 1)], [(c,), (1, c, 1)]),
        ((d,), -1, [(M, d), (d, M)], [(M,)], [(d,)]),
        ((SIDE, SIDE), -1, [(3, 3)], [(), (1,)], [(1,)]),
    ]  # fmt: skip
    if sample and len(sample) > 1:
        x = (2 if len(sample) > 2 else n, *sample)
        c, last = sample[0], sample[-1]
        worlds = [
            (x, 0, [(F, c, 3, 3), (F, c, 3)], [(F,), (F, 1)], [(c,), (1, c, 1, 1)]),
            (x, 0, [(3, 3, last, F), (last, M)], [(1, 1, 1, F), (M,)], [(last,)]),
            (sample, -1, [(3, 3)], [()], [(c,)]),
        ]
    for x, axis, weights, biases, scales in worlds:
        choices = []
        for i, name in enumerate(names):
            plain = normal(name).rstrip("0123456789")
            if i == 0:
                choices.append([x])
            elif plain in HIDDEN:
                choices.append([(n, M), (M, n)])
            elif plain in RECURRENT:
                choices.append([(M, M)])
            elif plain in WEIGHTS:
                choices.append(weights)
            elif plain in BIASES:
                choices.append(biases)
            elif plain in SCALES:
                choices.append(scales)
            elif plain in INPUT:
                choices.append([x])
            else:
                choices.append([x, *weights, *biases[:1]])
        yield from ((list(shapes), axis) for shapes in islice(product(*choices), 60))


def _like(names: Sequence[str], like: dict[str, tuple[int, ...]]) -> list[tuple[int, ...]] | None:
    """Return the shapes of known arrays for the arguments of these names, None if they do not fit.

    The first is the input, whatever its name.
    """
    known = {normal(label): shape for label, shape in like.items()}
    order = list(like.values())
    if not order or not names:
        return None
    shapes = [order[0], *(known.get(normal(name)) for name in names[1:])]
    if len(names) == len(order):
        shapes = [shape or order[i] for i, shape in enumerate(shapes)]
    return [s for s in shapes if s is not None] if all(s is not None for s in shapes) else None


def is_function_pair(target: Any) -> bool:
    """Whether a target is two functions."""
    return isinstance(target, tuple | list) and len(target) == 2 and all(map(callable, target))


def bind(target: Any, inputs: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
    """Return a pair and its inputs without those that are no arrays, such as a dict."""
    parameters = [p.name for p in arguments(target[0]) or [] if p.kind != p.VAR_KEYWORD]
    if len(parameters) < len(inputs):
        return target, tuple(inputs)
    named = dict(zip(parameters, inputs, strict=False))
    is_setting = {k: isinstance(v, dict | str | bool) or v is None for k, v in named.items()}
    if not any(is_setting.values()) and not _takes_input(target[1]):
        return target, tuple(inputs)
    known = {k: v for k, v in named.items() if is_setting[k]}
    arrays = [k for k in named if not is_setting[k]]
    return _bound(target[0], target[1], arrays, known), tuple(named[k] for k in arrays)
