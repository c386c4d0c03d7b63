"""Both players: an output of D that is squashed twice, a D that has won, a D that is too weak."""

from __future__ import annotations

import copy
import math

import numpy as np

from ..backend import Array
from ..game.inputs import d_input, d_input_gradient, g_input
from ..layers import LeakyReLU, Linear
from ..layers.activations import sigmoid
from ..losses import bce_with_logits
from ..network import Sequential
from ..optim import Adam
from .case import BATCH, Case, auc, judge, key, play, twin_of
from .report import Finding, Look, Measurement
from .thresholds import (
    CHANCE,
    CLEARLY,
    LEARNS,
    LOST_GRADIENT,
    MIXED_LOSS,
    OUTCOME_STEPS,
    SURELY,
    WON_FAKE,
    WON_REAL,
    WORSE,
)

FRESH_STEPS = 250  # of the fresh classifier
OWN_STEPS = 50  # of D, while G stands still


def squashed_output(case: Case) -> Look:
    """Look at the range of D's outputs: a loss on logits has a sigmoid of its own."""
    D, rules = case.gan.D, case.gan.rules
    far = np.concatenate([case.real_logits, case.fake_logits, _far_logits(case)])
    low, high = float(far.min()), float(far.max())
    yield Measurement(
        "D's outputs, also far from the data", f"{low:.3g} .. {high:.3g}", "logits: any number"
    )
    least, most = D.output_range
    is_bounded = not math.isinf(least) and not math.isinf(most)
    acts_as_sigmoid = 0 <= low < 0.05 and 0.95 < high <= 1
    if not (is_bounded or acts_as_sigmoid):
        return
    if rules.objective.logits:
        means = sigmoid(case.real_logits).mean(), sigmoid(case.fake_logits).mean()
        yield Finding(
            "double-sigmoid",
            "fault",
            f"D's output is squashed twice: D ends in {D.layers[-1]!r}, and loss={rules.loss!r} "
            "applies a sigmoid of its own.",
            f"D's outputs lie in {low:.3g} .. {high:.3g}, so that D(x) = {means[0]:.3f} and "
            f"D(G(z)) = {means[1]:.3f} can come no nearer to 1 and 0",
            "leave D's last layer out, so that D ends in Linear",
        )
    elif not rules.objective.labels:
        yield Finding(
            "double-sigmoid",
            "warning",
            f"D's output is squashed: D ends in {D.layers[-1]!r}, and loss={rules.loss!r} takes "
            "a score, which must be free to grow.",
            f"D's outputs lie in {low:.3g} .. {high:.3g}",
            "leave D's last layer out, so that D ends in Linear",
        )


def _far_logits(case: Case) -> Array:
    """Return D's outputs for directions of the data and of noise, far out."""
    gan, n = case.gan, case.batch
    spread = float(case.x.std()) or 1.0
    noise = gan.backend.normal(key(1), (n, case.x.shape[1]), gan.D.dtype) * spread
    directions = (case.x[:n], -case.x[:n], noise)
    rows = [1e3 * rows for rows in directions]
    return np.concatenate([judge(gan, r, case.y(slice(n))) for r in rows])


def winner(case: Case) -> Look:
    """Look whether D is so sure that no gradient reaches G."""
    rules = case.gan.rules
    d_real, d_fake = (float(sigmoid(o).mean()) for o in (case.real_logits, case.fake_logits))
    at_output, by_layer = reaching_gradients(case)
    yield Measurement("mean of D(x), of D(G(z))", f"{d_real:.4f}, {d_fake:.4f}", "chance: 0.5")
    yield Measurement("D ranks data above fakes (AUC)", f"{case.d_auc:.3f}", "chance: 0.5, all: 1")
    yield Measurement(
        "gradient that reaches G's output", f"{at_output:.2e}", "times the spread of the data"
    )
    is_sure = rules.objective.labels and d_real > WON_REAL and d_fake < WON_FAKE
    is_lost = at_output < LOST_GRADIENT
    if not is_lost and not is_sure:
        return
    if is_sure or (case.d_auc > 0.9 and is_lost):
        evidence = (
            f"D(x) = {d_real:.4f} and D(G(z)) = {d_fake:.1e}; the gradient of G's loss in G's "
            f"output is {at_output:.1e}, by layers of G from first to last: "
            + ", ".join(f"{size:.1e}" for size in by_layer)
        )
        remedy = "lower D's learning rate, add the penalty r1 to D, or Dropout in D"
        if rules.loss == "minimax":
            remedy = 'use loss="non_saturating", whose gradient does not vanish; or ' + remedy
        yield Finding(
            "d-won",
            "fault" if is_lost else "warning",
            "D has won: it is sure of every sample, and "
            + ("hardly any gradient reaches G." if is_lost else "G no longer gets better."),
            evidence,
            remedy,
        )


def reaching_gradients(case: Case) -> tuple[float, list[float]]:
    """Return the size of the gradient of G's loss at G's output, then by layers of G.

    Each is the mean over samples of |N dL/dy_n|, at the output times the spread of the data: about
    the change of G's loss if a sample moves as far as two rows of the data are apart.
    """
    gan, rules = case.gan, case.gan.rules
    n = case.batch
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    y = case.y(slice(n))
    fake, g_cache = G.forward(g_input(rules, case.z[:n], y))
    logits, d_cache = D.forward(d_input(rules, fake, y), training=D.couples_samples)
    paired = [judge(gan, case.x[:n], y)[:, None]] if rules.objective.pairs else []
    _, dlogits = rules.objective.generator(logits, *paired)
    d_fake = d_input_gradient(rules, D.input_gradient(dlogits, d_cache))
    sizes = [_size(gradient) * n for gradient in G.output_gradients(d_fake, g_cache)[1:]]
    spread = float(np.sqrt(case.x.var(axis=0).sum())) or 1.0
    return sizes[-1] * spread, sizes


def _size(rows: Array) -> float:
    """Return the mean Euclidean norm of rows."""
    return float(np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1)).mean())


def fresh_classifier(case: Case) -> Look:
    """Train a small classifier of data and fakes for a moment, and compare it with D.

    A D that is at chance may be so for a moment, because G has just moved: then it learns the
    difference in a few steps of its own, while G stands still. A D that is too weak does not.
    """
    fresh = fresh_auc(case)
    yield Measurement(
        "a fresh classifier ranks data above fakes", f"{fresh:.3f}", f"D: {case.d_auc:.3f}"
    )
    if fresh < CLEARLY or case.d_auc > 0.5 + CHANCE:
        return
    later = auc_after(case, OWN_STEPS)
    yield Measurement(
        f"D ranks data above fakes after {OWN_STEPS} steps alone", f"{later:.3f}", "chance: 0.5"
    )
    if later < LEARNS:
        what = "at chance" if case.d_auc > 0.5 - CHANCE else "worse than chance"
        yield Finding(
            "weak-d",
            "fault",
            f"D is {what} on data and fakes that a small classifier tells apart: G learns from a D "
            "that does not see what is wrong.",
            f"a fresh classifier, {FRESH_STEPS} steps old, ranks {fresh:.1%} of held-out pairs "
            f"rightly and D {case.d_auc:.1%}, after {OWN_STEPS} more steps of its own {later:.1%}; "
            "50 % is chance",
            "raise D's learning rate or its width, take k=2 or more steps of D, and look at D's "
            "last layer and at its labels",
        )
    elif case.d_auc < WORSE and fresh > SURELY and case.steps >= OUTCOME_STEPS:
        yield Finding(
            "weak-d",
            "warning",
            "D is too slow: it has learned less than a small classifier learns in a moment, and G "
            "has moved on before D sees what is wrong.",
            f"D ranks {case.d_auc:.1%} of pairs rightly, where 50 % is chance, and a fresh "
            f"classifier, {FRESH_STEPS} steps old, {fresh:.1%}; after {OWN_STEPS} steps alone D "
            f"has {later:.1%}",
            "raise D's learning rate or lower G's, or take k=2 or more steps of D",
        )


def auc_after(case: Case, steps: int) -> float:
    """Return D's AUC after steps of its own, on a copy, while G stands still."""
    gan = twin_of(case.gan)
    for i in range(steps):
        x, y = case.minibatch(i)
        due = i % gan.rules.penalty_every == 0
        gan.discriminator_step(x, gan.noise(len(x)), y=y, penalise=due)
        gan.clock += 1
    return auc(judge(gan, case.x, case.y()), judge(gan, case.fake, case.y()))


def fresh_auc(case: Case) -> float:
    """Return the AUC of a fresh classifier on held-out data and fakes, single samples."""
    gan = case.gan
    rows = []
    for part in (case.x, case.fake):
        y = case.y()
        rows.append(part if y is None else np.concatenate([part, y], axis=1))
    both = np.concatenate(rows)
    center, scale = both.mean(axis=0), float(both.std()) or 1.0
    real, fake = ((part - center) / scale for part in rows)
    half = 7 * len(real) // 10
    net = Sequential(
        Linear(both.shape[1], 64, "he"), LeakyReLU(0.2),
        Linear(64, 64, "he"), LeakyReLU(0.2),
        Linear(64, 1),
        seed=5, dtype=str(gan.G.dtype),
    )  # fmt: skip
    adam = Adam(3e-3, beta1=0.9).bind(net)
    n = min(BATCH, half) // 2
    for step in range(FRESH_STEPS):
        at = gan.backend.permutation(key(2).fold_in(step), half)[:n]
        for part, target, accumulate in ((real, 1.0, False), (fake, 0.0, True)):
            logits, cache = net.forward(part[at])
            _, dlogits = bce_with_logits(logits, target)
            net.backward(dlogits, cache, input_grad=False, accumulate=accumulate)
        adam.step()
    return auc(net(real[half:])[:, 0], net(fake[half:])[:, 0])


def mixed_batches(case: Case) -> Look:
    """Look whether a D with BatchNorm tells single samples apart, or whole minibatches alone."""
    gan = case.gan
    if not gan.D.couples_samples:
        return
    n = len(case.real_logits)
    D = copy.deepcopy(gan.D)
    rows = [d_input(gan.rules, part, case.y()) for part in (case.x, case.fake)]
    half = max(BATCH // 2, gan.D.min_rows)
    mixed = [
        play(D, np.concatenate([part[i : i + half] for part in rows]))[:, 0]
        for i in range(0, n - half + 1, half)
    ]
    mixed_auc = auc(
        np.concatenate([m[:half] for m in mixed]), np.concatenate([m[half:] for m in mixed])
    )
    yield Measurement(
        "D's AUC if data and fakes share minibatches",
        f"{mixed_auc:.3f}",
        f"apart: {case.d_auc:.3f}",
    )
    if case.d_auc - mixed_auc > MIXED_LOSS:
        yield Finding(
            "batchnorm-mixed",
            "warning",
            "D judges minibatches and not samples: with BatchNorm it tells data from fakes only "
            "while each minibatch is of one kind.",
            f"D's AUC is {case.d_auc:.2f} with data and fakes apart, and {mixed_auc:.2f} with both "
            "in one minibatch",
            "leave BatchNorm out of D",
        )
