"""The gradients that the steps of a game leave behind, against numerical derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..backend import Array
from ..network import Sequential
from ..optim import SGD
from ..views import check_views
from .case import Case, twin_of
from .report import Finding, Look, Measurement
from .thresholds import GRADIENT_ERROR

ROWS = 32  # of the minibatch of the check
# Of the central difference, against the size of the parameters. A penalty jumps where a ReLU unit
# begins to work: the smaller a step, the rarer it meets such a place.
STEPS = (1e-7, 1e-8, 1e-9)
# Of the loss, in its difference, and of 1 - D(x), in a gradient.
ROUNDING = 100 * float(np.finfo(np.float64).eps)


def views(case: Case) -> Look:
    """Look whether the layers compute with the arrays that the optimizer moves."""
    for name, network in (("G", case.original.G), ("D", case.original.D)):
        try:
            check_views(network)
        except ValueError as error:
            yield Finding(
                "nothing-moves", "fault",
                f"The optimizer moves other arrays than {name} computes with.",
                str(error), f"write into the arrays of {name}'s layers: layer.W[...] = values",
            )  # fmt: skip


def true_gradients(case: Case) -> Look:
    """Play one step of each player in float64, with a learning rate of 0, and check its gradient.

    Along the gradient g that the step leaves in the network, the loss must change as much as
    |g|: the central difference of the step's own loss says whether it does. Whatever was in
    `grads` before must not matter.
    """
    gan = twin_of(case.gan, np.float64)
    for name in ("g_optimizer", "d_optimizer"):
        network = gan.G if name == "g_optimizer" else gan.D
        vars(gan)[name] = SGD(0.0).bind(network)  # a game lets it not be replaced
    pack, least = gan.rules.pack, max(gan.G.min_rows, gan.D.min_rows)
    n = min(max(ROWS // pack, least) * pack, len(case.x))
    x, y = case.x[:n].astype(np.float64), case.y(slice(n))
    y = None if y is None else y.astype(np.float64)
    z = case.z[:n].astype(np.float64)
    players: dict[str, tuple[Sequential, Callable[[], Array]]] = {
        "D": (gan.D, lambda: gan.discriminator_step(x, z, 0, y=y)[0]),
        "G": (gan.G, lambda: gan.generator_step(z, x, y=y)),
    }
    for name, (network, step) in players.items():
        yield from _check(name, network, step)


def _check(name: str, network: Sequential, step: Callable[[], Array]) -> Look:
    network.grads.fill(0)
    loss = float(step())
    g = network.grads.copy()
    step()
    again = network.grads.copy()
    size = float(np.linalg.norm(g))
    if not math.isfinite(size) or size == 0:
        yield Measurement(f"gradient in {name}'s parameters", f"{size:.3g}", "must not be 0")
        yield Finding(
            "nothing-moves", "fault", f"The gradient of {name}'s loss in its parameters is "
            f"{'0' if size == 0 else 'not finite'}: {name} cannot learn.",
            f"size of the gradient after one step: {size:.3g}",
            f"look at {name}'s layers for ReLU units that are never active, and at what its step "
            "differentiates",
        )  # fmt: skip
        return
    reach = STEPS[0] * float(np.linalg.norm(network.params)) or STEPS[0]
    if size < ROUNDING * max(1.0, abs(loss) / reach):
        yield Measurement(f"gradient in {name}'s parameters", f"{size:.3g}", "too small to check")
        return
    slopes = (_slope(network, step, g / size, h) for h in STEPS)
    slope = min(slopes, key=lambda slope: abs(slope - size))
    error = abs(slope - size) / size
    yield Measurement(
        f"slope of {name}'s loss along its gradient", f"{slope / size:.4f}", "right: 1"
    )
    grown = float(np.linalg.norm(again - g)) / size
    if grown > GRADIENT_ERROR:
        yield Finding(
            "gradients-add-up", "fault",
            f"{name}'s gradients are not set to zero between steps: each step moves along the sum "
            "of all.",
            f"the same step twice leaves gradients that differ by {grown:.0%}",
            "call zero_grad() before each backward pass, or pass accumulate=False",
        )  # fmt: skip
    elif error > GRADIENT_ERROR:
        is_up = slope < 0 and abs(slope + size) / size < GRADIENT_ERROR
        what = (
            f"{name} goes up its own loss: the sign of its gradient is wrong."
            if is_up
            else f"The gradient in {name}'s parameters is not the derivative of {name}'s loss."
        )
        yield Finding(
            "wrong-gradient", "fault", what,
            f"along the gradient the loss changes {slope / size:.3f} times as much as the gradient "
            "says",
            f"nn.check_gradients finds the layer; a cache that a later forward pass of {name} "
            "overwrites does this too",
        )  # fmt: skip


def _slope(network: Sequential, step: Callable[[], Array], direction: Array, share: float) -> float:
    """Return the central difference of a step's loss along a direction."""
    start = network.params.copy()
    h = share * (float(np.linalg.norm(start)) or 1.0)
    losses = []
    for sign in (1, -1):
        network.params[...] = start + sign * h * direction
        losses.append(float(step()))
    network.params[...] = start
    return (losses[0] - losses[1]) / (2 * h)
