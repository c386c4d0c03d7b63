"""Losses as functions f(x, targets) -> (loss, dx), whatever they were, with inputs that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..copies import deepcopy
from .adapters import (
    CACHE,
    DINPUTS,
    INPUT,
    TARGET,
    arguments,
    attempt,
    first_words,
    is_required,
    normal,
    pass_names,
)
from .functional import CannotCall, D, Fitted, M, N
from .guesses import VALUES, WEIGHTS, fits


def find_loss(function: Callable[..., Any], rng: np.random.Generator, given: dict[str, Any],
              takes: Sequence[str] | None = None) -> Fitted:  # fmt: skip
    """Return a loss f(x, targets) -> (loss, dx), with inputs that fit.

    `takes` are the names of its arguments, if they are not those of the function.
    """
    names = takes or [p.name for p in arguments(function) or [] if is_required(p)]
    has_given = {k: v for k, v in given.items() if k in names}
    problem = "it takes no array"
    for inputs in _loss_inputs(function.__name__, names, rng):
        values = [has_given.get(k, v) for k, v in zip(names, inputs, strict=True)]
        worked, result = attempt(function, *deepcopy(values))
        if not worked:
            problem = first_words(f"{type(result).__name__}: {result}")
            continue
        if not isinstance(result, tuple | list) or len(result) < 2:
            continue
        is_loss = np.size(result[0]) == 1 and np.isfinite(result[0]) and fits(result[1])
        if is_loss and np.shape(result[1]) == np.shape(values[0]):
            return Fitted(function, tuple(values))
    # The gradient has a wrong shape: take the first inputs that give a loss.
    for inputs in _loss_inputs(function.__name__, names, rng):
        values = [has_given.get(k, v) for k, v in zip(names, inputs, strict=True)]
        worked, result = attempt(function, *deepcopy(values))
        if worked and isinstance(result, tuple | list) and np.size(result[0]) == 1:
            return Fitted(function, tuple(values))
    raise CannotCall(problem)


def _loss_inputs(name: str, names: Sequence[str], rng: np.random.Generator) -> Iterator[list[Any]]:
    """Yield inputs for a loss: predictions and targets, or weights, data and labels."""
    logits, p = rng.standard_normal((N, D)), rng.uniform(0.1, 1.0, (N, D))
    p /= p.sum(axis=1, keepdims=True)
    classes = rng.integers(0, D, N)
    one_hot, values = np.eye(D)[classes], rng.standard_normal((N, D))
    column, bits = rng.uniform(0.2, 0.8, (N, 1)), rng.integers(0, 2, (N, 1)).astype(float)
    scores, row, flat = rng.standard_normal((N, 1)), rng.uniform(0.2, 0.8, (1, N)), bits.T
    many = rng.integers(0, 2, (N, D)).astype(float)
    of_logits = [(logits, classes), (logits, one_hot), (logits, values)]
    of_scores = [(scores, bits), (scores[:, 0], bits[:, 0])]
    of_p = [(p, classes), (p, one_hot), (column, bits), (row, flat), (column[:, 0], bits[:, 0])]
    is_log = any(w in normal(name) for w in ("entropy", "bce", "nll", "logloss", "likelihood"))
    is_raw = any(w in normal(name) for w in ("softmax", "logit", "sigmoid", "svm", "hinge"))
    is_binary = any(w in normal(name) for w in ("bce", "binary"))
    order = [*of_p, *of_logits, *of_scores] if is_log and not is_raw else [
        *of_logits, *of_scores, *of_p
    ]  # fmt: skip
    if is_binary:
        pairs = [(column, bits), (rng.uniform(0.2, 0.8, (N, D)), many), (column[:, 0], bits[:, 0])]
        order = [*of_scores, (logits, many), *order] if is_raw else [*pairs, *order]
    roles = [normal(n) for n in names]
    if roles[0] in WEIGHTS and len(roles) > 2:  # softmax_loss_naive(W, X, y, reg)
        W, X = rng.standard_normal((D, M)), rng.standard_normal((N, D))
        rest = [VALUES.get(r, 0.1) for r in roles[3:]]
        yield [W, X, rng.integers(0, M, N), *rest]
        yield [W.T.copy(), X.T.copy(), rng.integers(0, M, N), *rest]
        return
    swapped = roles[0] in TARGET and roles[1:2] != [] and roles[1] not in TARGET - {"y"}
    for x, t in order:
        yield [t if swapped else x, x if swapped else t, *(VALUES.get(r, 0.1) for r in roles[2:])]


def loss_of(layer: Any) -> tuple[Callable[..., Any], list[str], Callable[[], bool]] | None:
    """Return a class of loss as a function f(x, targets) -> (loss, dx), and its arguments.

    The third value says, after a call, whether the class returned a loss for each row.

    As in deep-learning-from-scratch, ``forward(x, t) -> loss`` and ``backward() -> dx``; or as in
    nnfs, ``forward(y_pred, y_true)`` returns a loss for each row and ``backward(dvalues, y_true)``
    sets ``dinputs``, the gradient of their mean.
    """
    names = pass_names(layer)
    if names is None:
        return None
    run, back = getattr(layer, names[0]), getattr(layer, names[1])
    takes = [p.name for p in arguments(run) or [] if is_required(p)]
    if len(takes) != 2 or normal(takes[1]) not in TARGET:
        return None
    roles = [(normal(p.name), is_required(p)) for p in arguments(back) or []]

    sizes: list[int] = []

    def loss(x: Any, t: Any) -> Any:
        value = run(x, t)
        cache = None
        if isinstance(value, tuple):
            value, cache = value[0], value[1] if len(value) == 2 else value[1:]
        sizes[:] = [np.size(value)]
        output = getattr(layer, "output", x)
        known = output if np.shape(output) == np.shape(x) else x
        values: list[Any] = []
        for i, (role, required) in enumerate(roles):
            if not required and not (i == 0 and len(roles) > 1 and roles[1][1]):
                break
            if role in TARGET and (i > 0 or len(roles) == 1):
                values.append(t)
            elif role in CACHE:
                values.append(cache)
            elif role in INPUT or (len(roles) > 1 and role not in {"dout", "dy", "dl"}):
                values.append(known)
            else:
                values.append(1.0)
        result = back(*values)
        if result is None:
            result = next((getattr(layer, n) for n in DINPUTS if hasattr(layer, n)), None)
        if isinstance(result, tuple):
            result = result[0]
        return np.mean(value), result

    loss.__name__ = type(layer).__name__
    return loss, takes, lambda: sizes[:1] not in ([], [1])
