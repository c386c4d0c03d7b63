"""How the game moves: updates and learning rates, the average, the penalties."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from ..gan import GAN
from ..metrics import energy_distance
from ..network import Sequential
from ..optim import SGD, Adam, Optimizer
from ..training.loop import play
from .case import Case, twin_of
from .report import Finding, Look, Measurement
from .thresholds import AVERAGE_LAGS, FAST, PENALTY_IDLE, PENALTY_STRONG, SLOW
from .trends import matrices, start_sizes

STEPS = 3  # that are played to see how fast the weights move


def updates(case: Case) -> Look:
    """Play a few steps on a copy, and measure by how much of its size each layer moves."""
    gan = twin_of(case.gan)
    players = (("G", gan.G, gan.g_optimizer), ("D", gan.D, gan.d_optimizer))
    before = {name: copy.deepcopy(matrices(network)) for name, network, _ in players}
    for i in range(STEPS):
        play_step(gan, case, i)
    for name, network, optimizer in players:
        old = before[name]
        ratios = {
            i: float(np.linalg.norm(new - old[i])) / STEPS / (float(np.linalg.norm(old[i])) or 1.0)
            for i, new in matrices(network).items()
        }
        if ratios:
            yield from _judge_updates(name, ratios, optimizer, steps_of_adam(network, optimizer))


def steps_of_adam(network: Sequential, optimizer: Optimizer) -> list[float]:
    """Return the update of each layer that Adam makes at first, against the weights' first size.

    It moves each weight by about lr, whatever the gradient is. That tells a learning rate that is
    too large when the weights have grown already, and a small one from a gradient that has
    vanished. Of other optimizers nothing is known: the list is empty.
    """
    if not isinstance(optimizer, Adam):
        return []
    sizes = zip(matrices(network).values(), start_sizes(network), strict=True)
    return [optimizer.lr * math.sqrt(W.size) / size for W, size in sizes]


def play_step(gan: GAN, case: Case, i: int) -> None:
    """Play one training step of a copy, on the i-th minibatches; penalties where they are due."""
    k, due = gan.rules.k, i % gan.rules.penalty_every == 0
    play(gan, lambda j: case.minibatch(i * k + j), case.batch, due)
    gan.clock += 1


def _judge_updates(
    name: str, ratios: dict[int, float], optimizer: Optimizer, first: list[float]
) -> Look:
    fastest, slowest = max(ratios.values()), min(ratios.values())
    yield Measurement(
        f"update of {name} in a step, by layers", f"{slowest:.1e} .. {fastest:.1e}",
        f"of the weights' size; right: {SLOW:.0e} .. {FAST:.0e}",
    )  # fmt: skip
    option = f"{name.lower()}_optimizer"
    now = rate_now(optimizer)
    if now == 0:
        yield Finding(
            "nothing-moves", "note" if optimizer.lr else "fault",
            f"{name} does not move: "
            + ("its schedule has ended at" if optimizer.lr else "it has")
            + " a learning rate of 0.",
            f"lr={optimizer.lr:g}, schedule={optimizer.schedule}",
            f"set gan.{option}.lr, if {name} is to go on learning",
        )  # fmt: skip
        return
    height = max([*first, fastest * optimizer.lr / now])  # of the schedule
    fastest = max([*first, fastest])
    if fastest > FAST:
        yield Finding(
            "learning-rate", "fault", f"{name}'s learning rate is too large.",
            f"one step moves a layer's weights by {fastest:.0%} of their size",
            f"lower gan.{option}.lr={optimizer.lr:g} ten times",
        )  # fmt: skip
        return
    if slowest == 0:
        still = [str(i) for i, ratio in ratios.items() if ratio == 0]
        some = f"The weights of layer{'s' * (len(still) > 1)} {', '.join(still)} of {name}"
        where = f"{name}'s weights" if len(still) == len(ratios) else some
        yield Finding(
            "nothing-moves", "fault", f"{where} do not move in a step.",
            f"after {STEPS} steps the weights of {len(still)} of {len(ratios)} layers with weights "
            "are what they were",
            "look for gradients that are 0: units that are never active, a layer whose backward "
            "leaves its gradients out",
        )  # fmt: skip
        return
    if height < SLOW:
        yield Finding(
            "learning-rate", "fault", f"{name}'s learning rate is too small.",
            f"one step moves no layer's weights by more than {fastest:.0e} of their size, so that "
            f"to change them takes {1 / fastest:,.0f} steps",
            f"raise gan.{option}.lr={optimizer.lr:g} a hundred times",
        )  # fmt: skip


def rate_now(optimizer: Optimizer) -> float:
    """Return the learning rate of the next step."""
    t: Any = optimizer.state.get("t", np.zeros(1, np.int64))
    return float(np.ravel(optimizer.learning_rate(t))[0])


def average(case: Case) -> Look:
    """Look whether the average's samples are worse than those of the weights of now."""
    gan = case.gan
    if gan.G_ema is None:
        return
    n = min(1_000, len(case.x))
    raw = case.unaveraged
    lag, now = (energy_distance(rows[:n], case.x[:n]) for rows in (case.samples, raw))
    # Of two draws of the data themselves the distance is about this.
    floor = energy_distance(case.x[: n // 2], case.x[n // 2 : n])
    ratio = lag / max(now, floor, 1e-12)
    yield Measurement(
        "energy distance of the average's samples", f"{ratio:.2f}", "of the weights of now: 1"
    )
    if ratio > AVERAGE_LAGS:
        yield Finding(
            "average-lags", "warning",
            "The moving average is far behind G: its samples, which gan.sample draws, are worse "
            "than those of the weights of now.",
            f"energy distance to the data {lag:.3g}, of the weights of now {now:.3g}",
            f"make ema={gan.rules.ema:g} smaller, train longer, or gan.sample(n, averaged=False)",
        )  # fmt: skip


def penalties(case: Case) -> Look:
    """Look how large the penalties' gradient in D is, against that of its loss."""
    rules = case.gan.rules
    on = [name for name in ("r1", "r2", "gradient_penalty") if getattr(rules, name)]
    if not on:
        return
    gan = twin_of(case.gan)
    vars(gan)["d_optimizer"] = SGD(0.0).bind(gan.D)
    x, y = case.minibatch(0)
    z = gan.noise(len(x))
    gradients, losses = [], []
    for penalise in (False, True):
        loss, _, _ = gan.discriminator_step(x, z, y=y, penalise=penalise)
        gradients.append(gan.D.grads.astype(np.float64))
        losses.append(float(loss))
    own = float(np.linalg.norm(gradients[0])) or 1e-300
    # A penalty of every n-th step is n times as strong there.
    ratio = float(np.linalg.norm(gradients[1] - gradients[0])) / own / rules.penalty_every
    cost = (losses[1] - losses[0]) / rules.penalty_every
    yield Measurement(
        f"gradient of the penalty ({', '.join(on)}) in D", f"{ratio:.2g}", "of the loss: 1"
    )
    yield Measurement("penalty in D's loss", f"{cost:.3g}", f"of {losses[0]:.3g}")
    given = ", ".join(f"{name}={getattr(rules, name):g}" for name in on)
    if ratio > PENALTY_STRONG and math.isfinite(ratio):
        yield Finding(
            "penalty-strong", "warning", "The penalty dominates D: D is kept flat instead of "
            "learning.",
            f"the penalty's gradient in D is {ratio:.1f} times that of the loss",
            f"make the penalty smaller, ten times say: now {given}",
        )  # fmt: skip
    elif ratio < PENALTY_IDLE:
        yield Finding(
            "penalty-idle", "warning", "The penalty has no effect.",
            f"its gradient in D is {ratio:.1e} of that of the loss",
            f"make it larger, ten times say: now {given}",
        )  # fmt: skip
