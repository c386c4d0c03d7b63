"""A critic's bounds: its scores have no end, unless something holds its slope."""

from __future__ import annotations

import copy

import numpy as np

from ..backend import Array
from ..game.inputs import d_input
from ..network import Sequential
from .case import Case
from .report import Finding, Look, Measurement
from .thresholds import STEEP

LEAST = 3  # parameters at both ends of their range, which tell that they are clipped


def slope(D: Sequential, x: Array) -> float:
    """Return the mean of |dD/dx| over rows of D's input."""
    D = copy.deepcopy(D)
    y, cache = D.forward(D.backend.asarray(x))
    dx = D.backend.to_numpy(D.input_gradient(D.backend.asarray(np.ones(y.shape, D.dtype)), cache))
    return float(np.sqrt((dx.astype(np.float64).reshape(len(x), -1) ** 2).sum(axis=1)).mean())


def is_clipped(params: Array) -> bool:
    """Whether weights lie at the end of a range: several have the largest size exactly."""
    size = np.abs(params)
    return int((size == size.max()).sum()) >= max(LEAST, len(params) // 1_000)


def bounds(case: Case) -> Look:
    """Look whether anything holds the slope of the critic of a Wasserstein loss."""
    rules, D = case.gan.rules, case.gan.D
    if rules.loss != "wasserstein" or rules.r1 or rules.r2 or rules.gradient_penalty:
        return
    n = case.batch // rules.pack * rules.pack
    steep = max(
        slope(D, d_input(rules, rows[:n], case.y(slice(n)))) for rows in (case.x, case.fake)
    )
    yield Measurement("D's slope |dD/dx|", f"{steep:.3g}", "of a Wasserstein critic: at most 1")
    if not is_clipped(D.params):
        yield unbounded(steep, "pass gradient_penalty=10 to the game")


def unbounded(steep: float, remedy: str) -> Finding:
    """Return that a critic has no bound."""
    return Finding(
        "unbounded-critic", "fault" if steep > STEEP else "warning",
        "Nothing holds the slope of D, whose Wasserstein loss has no lower bound: neither "
        "a penalty nor clipped weights.",
        f"|dD/dx| = {steep:.3g} on average, where the loss wants at most 1; the gradient is that "
        "of the loss alone, and D's weights have no limit",
        remedy,
    )  # fmt: skip
