"""Networks without an activation between their layers: linear maps, however deep they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from .case import Case, key
from .likeness import Likeness, likeness
from .report import Finding, Look
from .thresholds import EARLY_STEPS, LIKE, LIKE_NEAREST

ROWS = 64
EXACT = 1e-4  # of the spread of outputs: the rounding of float32
SIZES = (1.0, 10.0, 100.0)  # of the inputs: a ReLU bends somewhere


def is_linear(f: Callable[[Array], Array], z: Array) -> bool:
    """Whether f of the middle of two inputs is the middle of both outputs, for inputs like z."""
    with np.errstate(all="ignore"):
        for size in SIZES:
            a = size * z
            b = np.roll(a, 1, axis=0)
            one, other, middle = (np.asarray(f(rows), np.float64) for rows in (a, b, (a + b) / 2))
            spread = np.abs(one - other).max()
            if not spread > 1e-5 * np.abs(one).max():
                return False  # constant, or not finite
            if not np.abs(one + other - 2 * middle).max() < EXACT * spread:
                return False
    return True


def body(layers: Sequence[Any]) -> Callable[[Array], Array] | None:
    """Return what layers compute before the activation at their end; None without weights."""
    kept = list(layers)
    while kept and not getattr(kept[-1], "size", 1):
        kept.pop()
    if not kept:
        return None

    def f(x: Array) -> Array:
        for layer in kept:
            x = layer.forward(x, training=False)[0]
        return x

    return f


def linear_networks(case: Case) -> Look:
    """Look whether G or D is a linear map of its input."""
    n = min(ROWS, len(case.x))
    normal = case.gan.backend.normal
    for name, network in (("G", case.gan.G), ("D", case.gan.D)):
        f = body(list(network.leaves()))
        width = network.n_in
        if f is None or not width:
            continue
        z = normal(key(4), (n, width), network.dtype)
        if is_linear(f, z):
            alike = likeness(case.samples, case.x)
            yield finding(name, alike if case.steps >= EARLY_STEPS else None)


def finding(name: str, alike: Likeness | None) -> Finding:
    """Return that a network is linear: a note if the samples are like the data all the same.

    It is a warning as long as the samples say nothing about that: linear maps fit some data.
    """
    is_enough = alike is not None and (
        alike.energy - alike.energy_of_data < LIKE
        and alike.nearest - alike.nearest_of_data < LIKE_NEAREST
    )
    limits = {
        "G": "it can only stretch, turn and move the shape of z",
        "D": "it can only compare the means of data and fakes",
    }
    return Finding(
        "linear", "note" if is_enough else "fault" if alike else "warning",
        f"{name} is linear: there is no activation between its layers, so that {limits[name]}.",
        f"the output for the middle of two inputs is the middle of both outputs, as for a straight "
        f"line, to {EXACT:g} of their spread, in {ROWS} pairs at 3 distances",
        f"put LeakyReLU(0.2) or ReLU after each layer of {name} but the last",
    )  # fmt: skip
