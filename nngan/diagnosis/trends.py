"""Where the game goes: the history of its losses, the size of its weights, the slope of D."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np

from ..backend import Array, Key, Stream
from ..game.inputs import d_input
from ..network import Sequential
from .case import Case
from .report import Finding, Look, Measurement
from .thresholds import EPOCHS, EXPLODED, GROWN, SWING

NAMES = {"d_real": "D(x)", "d_fake": "D(G(z))"}


def finite(case: Case) -> Look:
    """Look for parameters that are NaN or infinite."""
    for name, network in (("G", case.gan.G), ("D", case.gan.D)):
        bad = int((~np.isfinite(network.params)).sum())
        if bad:
            yield Measurement(f"parameters of {name} that are NaN or infinite", f"{bad:,}", "0")
            yield Finding(
                "divergence", "fault", f"{name} is broken: it has parameters that are not finite.",
                f"{bad:,} of {network.size:,} parameters are NaN or infinite",
                "begin anew with a lower learning rate",
            )  # fmt: skip
            return
    for name, samples in (("G's samples", case.samples), ("G's samples in training", case.fake)):
        if not np.isfinite(samples).all():
            yield Finding(
                "divergence", "fault", f"G is broken: {name} are not finite.",
                "its parameters are finite, and so large that its outputs overflow",
                "begin anew with a lower learning rate",
            )  # fmt: skip
            return


def growth(case: Case) -> Look:
    """Compare the weights with those that the game began with, which the seed makes again."""
    for name, network in (("G", case.gan.G), ("D", case.gan.D)):
        ratio = max(
            (
                float(np.linalg.norm(now)) / size
                for now, size in zip(matrices(network).values(), start_sizes(network), strict=True)
            ),
            default=1.0,
        )
        yield Measurement(
            f"size of {name}'s weights, the layer most grown", f"{ratio:.2f}", "start: 1"
        )
        if ratio > GROWN:
            yield Finding(
                "divergence", "warning", f"{name}'s weights grow without end.",
                f"a layer's weights are {ratio:.0f} times as large as at the start",
                "lower the learning rate, or add the penalty r1 to D",
            )  # fmt: skip


def start_sizes(network: Sequential) -> list[float]:
    """Return the size of each layer's weights at the start, as the seed makes them again.

    Weights that begin tiny have to grow: the least is `random_size`.
    """
    begun = copy.deepcopy(network)
    if begun.seed is not None:
        begun.initialize(Key(begun.seed).fold_in(Stream.WEIGHTS))
    else:
        begun.params.fill(0)
    return [max(float(np.linalg.norm(W)), random_size(W)) for W in matrices(begun).values()]


def relative_size(network: Sequential) -> float:
    """Return the size of the weights of a network's largest layer, over `random_size`.

    A G whose layers are all below 1 begins with samples that are nearly alike, and spreads late.
    """
    sizes = (float(np.linalg.norm(W)) / random_size(W) for W in matrices(network).values())
    return max(sizes, default=1.0)


def random_size(W: Array) -> float:
    """Return the size of random weights of variance 1 / n_in: they keep the size of their input."""
    return math.sqrt(W.shape[-1])


def matrices(network: Sequential) -> dict[int, Array]:
    """Return the weights of each layer that has a matrix of them, by its number from 0 on."""
    return {
        i: getattr(layer, name)
        for i, layer in enumerate(network.leaves())
        for name, shape in layer.shapes.items()
        if len(shape) > 1
    }


def slope_of_d(case: Case) -> Look:
    """Estimate D's slope: the largest change of its output between a row of data and a fake."""
    rules = case.gan.rules
    real, fake = (d_input(rules, part, case.y()) for part in (case.x, case.fake))
    distance = np.sqrt(((real - fake) ** 2).sum(axis=1))
    rise = np.abs(case.real_logits - case.fake_logits)[distance > 0] / distance[distance > 0]
    if len(rise):
        spread = float(np.sqrt(real.var(axis=0).sum()))
        steepest = float(rise.max()) * spread
        yield Measurement(
            "D's slope between data and fakes, at most", f"{steepest:.3g}", "over the data's spread"
        )
        if steepest > EXPLODED:
            yield Finding(
                "divergence", "warning", "D's output grows without end.",
                f"D's output changes by up to {steepest:.3g} over the spread of the data",
                "add a penalty on D's gradient: r1, or gradient_penalty for a Wasserstein game",
            )  # fmt: skip


def history(case: Case) -> Look:
    """Look whether the losses of the epochs so far explode, or D's answers swing."""
    epochs = case.gan.epoch
    if not epochs:
        return
    last = {name: case.gan.history[name][-1] for name in ("d_loss", "g_loss")}
    size = max(map(abs, last.values()))
    yield Measurement(
        "losses of the last epoch", f"{last['d_loss']:.3g}, {last['g_loss']:.3g}", "D, G"
    )
    if not math.isfinite(size) or size > EXPLODED:
        yield Finding(
            "divergence", "fault", "The losses explode.",
            f"after {epochs} epochs D's loss is {last['d_loss']:.3g} and G's {last['g_loss']:.3g}",
            "lower the learning rates, or add a penalty on D's gradient",
        )  # fmt: skip
        return
    rules = case.gan.rules
    if epochs < EPOCHS or rules.loss == "wasserstein":  # whose scores have no zero
        return
    swings = {name: swing(case.gan.history[name][epochs // 2 :]) for name in ("d_real", "d_fake")}
    name = max(swings, key=swings.__getitem__)
    yield Measurement(
        "change of D's answers from epoch to epoch", f"{swings[name]:.3f}", "of 1: all"
    )
    if swings[name] > SWING:
        yield Finding(
            "oscillation", "warning", "The game swings to and fro instead of settling.",
            f"from one epoch to the next the mean of {NAMES[name]} changes by {swings[name]:.2f}",
            "lower both learning rates, add the penalty r1 to D, and keep an average: ema=0.999",
        )  # fmt: skip


def swing(values: Sequence[float]) -> float:
    """Return the typical change from one value to the next."""
    return float(np.median(np.abs(np.diff(values))))
