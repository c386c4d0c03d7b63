"""The data that a game learns from: checked, and on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..backend import Array, Backend
from ..checks import converted, to_unit
from ..game import Game, Rules

Labels: TypeAlias = "int | Sequence[int] | Array"


def data_samples(game: Game, x: Any) -> Array:
    """Return `x` on the device as rows: bytes as bytes, all else in the networks' dtype.

    Parameters
    ----------
    game : Game
    x : array of shape (n, features), or (n, height, width) and so on
        Floats, or whole numbers in 0..255, which become bytes (0 and 1 alone: floats). Lists of
        numbers, DataFrames and memory maps are arrays too.

    Raises
    ------
    ValueError
        If `x` holds no such samples, or values that `game` cannot be played with.
    """
    x = data_rows(game, x)
    if x.dtype == np.uint8:
        data = game.backend.asarray(x)
        _check_winnable(game, 0.0, 1.0, is_constant=bool((data == data[0, 0]).all()))
        return data
    data = game.backend.asarray(x, game.G.dtype)
    low, high = float(data.min()), float(data.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("x has values that are NaN or infinite: remove those samples")
    data_range = game.rules.data_range
    if data_range != (0, 1) and not (low >= 0 and high <= 1):
        remedy = f"pass {to_unit(low, high)}"
        if data_range[0] <= low and high <= data_range[1]:
            remedy = f"leave data_range out if x is meant to have these values, or {remedy}"
        raise ValueError(
            f"x must lie in [0, 1] to be mapped to {data_range}, got {low:g}..{high:g}: {remedy}"
        )
    _check_winnable(game, low, high, is_constant=low == high)
    return data


def data_rows(game: Game, x: Any) -> Array:
    """Return an array of shape (n, features), of bytes or of floats."""
    if not isinstance(x, game.backend.xp.ndarray):
        if hasattr(x, "toarray"):
            raise ValueError("x is a sparse matrix: pass x.toarray()")
        x = converted("x", x)
    if isinstance(x, np.ma.MaskedArray):
        if np.ma.is_masked(x):
            raise ValueError("x has masked values: fill them, x.filled(0), or remove those samples")
        x = x.data
    features = game.G.n_out or 0
    if x.ndim < 2 or math.prod(x.shape[1:]) != features:
        raise ValueError(
            f"x must be an array of shape (n, {features}), the features that G makes, got {x.shape}"
        )
    if len(x) == 0:
        raise ValueError("x has no samples")
    rows: Array = x.reshape(len(x), features)
    if (
        rows.dtype.kind in "iu"
        and rows.dtype != np.uint8
        and rows.min() >= 0
        and 1 < rows.max() <= 255
    ):
        rows = rows.astype(np.uint8)
    if rows.dtype.kind == "b":
        rows = rows.astype(game.G.dtype)
    if rows.dtype.kind != "f" and rows.dtype != np.uint8:
        raise ValueError(
            f"x must be floats, or whole numbers in 0..255, got {rows.dtype}: convert it with "
            "x.astype('uint8') if its values are 0..255, else with x.astype('float32')"
        )
    return rows


def _check_winnable(game: Game, low: float, high: float, is_constant: bool) -> None:
    """Refuse data that G cannot learn to draw, unless the game was made with check=False."""
    if not game.rules.check:
        return
    if is_constant:
        raise ValueError(
            "x has one value everywhere, so that there is nothing to learn: look at how it was "
            "loaded (check=False in GAN plays the game anyway)"
        )
    bottom, top = game.rules.data_range
    low, high = bottom + low * (top - bottom), bottom + high * (top - bottom)
    least, most = game.G.output_range
    if low < least or high > most:
        remedy = "let G end in Linear"
        if low >= -1 and high <= 1:
            remedy += " or Tanh"
        raise ValueError(
            f"x has values in {low:g}..{high:g}, and G, which ends in {game.G.layers[-1]!r}, makes "
            f"values in {least:g}..{most:g} alone: pass {to_unit(low, high)}, or {remedy} "
            "(check=False in GAN plays the game anyway)"
        )


def steps_per_epoch(game: Game, samples: int, batch_size: int) -> int:
    """Return the number of training steps in an epoch.

    Raises
    ------
    ValueError
        If an epoch has not even one step, or a minibatch is no multiple of `pack` or has fewer rows
        than a layer needs.
    """
    k, pack = game.rules.k, game.rules.pack
    if batch_size % pack:
        raise ValueError(f"batch_size must be a multiple of pack={pack}, got {batch_size}")
    least = max(game.G.min_rows, game.D.min_rows * pack)
    if batch_size < least:
        raise ValueError(
            f"batch_size must be {least} or more, because a layer such as BatchNorm takes the "
            f"variance of a minibatch; got {batch_size}"
        )
    steps = samples // (batch_size * k)
    if steps == 0:
        most = samples // k // pack * pack
        remedy = f"lower batch_size={batch_size}"
        remedy += f" to {most} or less" if most >= least else ""
        remedy += f" or k={k}" if k > 1 else ""
        raise ValueError(f"x has {samples} samples, and one step takes {batch_size * k}: {remedy}")
    return steps


def data_labels(rules: Rules, backend: Backend, labels: Labels | None, n: int) -> Array | None:
    """Return the labels of `n` samples as int64 on the device; None in a game without classes.

    ValueError if the game has classes and these are not `n` of them, or has none and gets labels.
    """
    if not rules.classes:
        if labels is not None:
            raise ValueError("labels are for a game with classes: make it with GAN(..., classes=)")
        return None
    wanted = f"labels must be {n} whole numbers in 0..{rules.classes - 1}, one for each sample"
    if labels is None:
        raise ValueError(f"{wanted}, because the game has classes={rules.classes}; got None")
    given = converted("labels", labels)
    if given.dtype.kind in "US":
        raise ValueError(f"{wanted}, got texts: pass np.unique(labels, return_inverse=True)[1]")
    labels = backend.asarray(given)
    if labels.shape == (n, rules.classes):
        raise ValueError(f"{wanted}, got one-hot rows: pass labels.argmax(1)")
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"{wanted}, got shape {labels.shape} of dtype {labels.dtype}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= rules.classes:
        raise ValueError(f"{wanted}, got {low}..{high}")
    return backend.asarray(labels, np.int64)
