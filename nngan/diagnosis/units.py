"""Units: ReLU units that are never active, Sigmoid and Tanh units that are always at an end."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from ..backend import Array
from ..game.inputs import d_input, g_input
from ..layers import Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from ..network import Sequential
from .case import Case
from .report import Finding, Look, Measurement
from .thresholds import DEAD, SATURATED


def units(case: Case) -> Look:
    """Look at the outputs of each hidden layer of both networks."""
    rules = case.gan.rules
    rows = {
        "G": g_input(rules, case.z, case.y()),
        "D": np.concatenate([d_input(rules, part, case.y()) for part in (case.x, case.fake)]),
    }
    # Samples are no wider than what makes them: so many units can draw and tell them.
    enough = min(rows["G"].shape[1], case.x.shape[1])
    for name, network in (("G", case.gan.G), ("D", case.gan.D)):
        shares = list(hidden_shares(network, rows[name]))
        yield from _dead(name, [(i, w, s) for i, w, layer, s in shares if is_relu(layer)], enough)
        yield from _saturated(name, [(i, s) for i, _, layer, s in shares if not is_relu(layer)])
    yield from saturated_output(case)


def is_relu(layer: Layer) -> bool:
    """Tell whether a layer's units can die."""
    return isinstance(layer, ReLU) or (isinstance(layer, LeakyReLU) and layer.slope == 0)


def hidden_shares(network: Sequential, x: Array) -> Iterator[tuple[int, int, Layer, float]]:
    """Yield the number of each hidden layer that can fail, its width, it, and the share that has.

    Of a ReLU it is the share of units that no row makes active; of a Sigmoid or Tanh the share of
    outputs at whose place the slope is below 1/100 of the largest.
    """
    leaves = list(copy.deepcopy(network).leaves())
    training = network.couples_samples  # D is used with the minibatch's statistics alone
    for i, layer in enumerate(leaves[:-1]):
        x, _ = layer.forward(x, training)
        if is_relu(layer):
            yield i, x.shape[1], layer, float((x <= 0).all(axis=0).mean())
        elif isinstance(layer, Sigmoid | Tanh):
            yield i, x.shape[1], layer, float(is_flat(layer, x).mean())


def is_flat(layer: Layer, y: Array) -> Array:
    """Tell at which outputs of a Sigmoid or Tanh the slope is below 1/100 of the largest."""
    slope = 4 * y * (1 - y) if isinstance(layer, Sigmoid) else 1 - y * y
    flat: Array = slope < 0.01
    return flat


def _dead(name: str, shares: list[tuple[int, int, float]], enough: int) -> Look:
    if not shares:
        return
    i, width, worst = max(shares, key=lambda item: item[2])
    work = round(width * (1 - worst))
    yield Measurement(
        f"ReLU units of {name} that never work", f"{worst:.2f}",
        f"in layer {i}, where {work} of {width} work",
    )  # fmt: skip
    if worst > DEAD and work < enough:
        yield Finding(
            "dead-units", "fault" if worst == 1 else "warning",
            f"{'All' if worst == 1 else 'Nearly all'} ReLU units of a layer of {name} are dead: no "
            "sample makes them active, and no gradient reaches their weights.",
            f"{work} of {width} units of layer {i} of {name} work; z or a sample has {enough} "
            "columns",
            'take LeakyReLU(0.2), a lower learning rate, and weights that begin with "he"',
        )  # fmt: skip


def _saturated(name: str, shares: list[tuple[int, float]]) -> Look:
    if not shares:
        return
    i, worst = max(shares, key=lambda pair: pair[1])
    yield Measurement(f"hidden outputs of {name} at an end", f"{worst:.2f}", f"in layer {i}")
    if worst > SATURATED:
        yield Finding(
            "saturated", "warning",
            f"Most units of a layer of {name} are saturated: their slope is nearly 0, and with it "
            "the gradient of the layers before.",
            f"at {worst:.0%} of the outputs of layer {i} of {name} the slope is below 1 % of the "
            "largest",
            "take LeakyReLU(0.2) in hidden layers, begin with smaller weights, or lower the "
            "learning rate",
        )  # fmt: skip


def saturated_output(case: Case) -> Look:
    """Look whether G's output is at the ends of its range more often than the data are."""
    last = list(case.gan.G.leaves())[-1]
    if not isinstance(last, Sigmoid | Tanh):
        return
    fake, real = (float(is_flat(last, rows).mean()) for rows in (case.fake, case.x))
    yield Measurement("outputs of G at an end of its range", f"{fake:.2f}", f"data: {real:.2f}")
    if fake - real > SATURATED:
        yield Finding(
            "saturated", "warning",
            f"G's last layer, {last!r}, is saturated: no gradient goes through most of "
            "its outputs.",
            f"{fake:.0%} of the outputs are at an end of the range, of the data {real:.0%}",
            "lower G's learning rate, and begin with smaller weights in its last Linear",
        )  # fmt: skip
