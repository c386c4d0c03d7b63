"""`diagnose`: all looks at a game, in the order in which one fault causes another."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..gan import GAN
from ..training.data import Labels
from . import (
    critic,
    data,
    gradients,
    inference,
    linear,
    motion,
    players,
    samples,
    trends,
    units,
)
from .by_hand import diagnose_step
from .case import Case
from .report import SEVERITIES, Finding, Look, Measurement, Report
from .thresholds import EARLY_STEPS, OUTCOME_STEPS

Looking = Callable[[Case], Look]
# What is built wrong, then what keeps a player from learning, then how the players stand, then what
# comes out. A fault of one row shows in the rows below it.
BUILT: Sequence[Looking] = (
    trends.finite, gradients.views, data.reachable, players.squashed_output,
    gradients.true_gradients, linear.linear_networks, critic.bounds,
)  # fmt: skip
LEARNING: Sequence[Looking] = (
    motion.updates, units.units, motion.penalties, players.mixed_batches,
)  # fmt: skip
STANDING: Sequence[Looking] = (
    players.winner, players.fresh_classifier, trends.growth, trends.slope_of_d, trends.history,
    motion.average, inference.batchnorm_statistics,
    samples.labels_ignored,
)  # fmt: skip
OUTCOME: Sequence[Looking] = (
    samples.collapse, samples.class_collapse, samples.copies, samples.like_data,
)  # fmt: skip


def diagnose(
    gan: GAN | tuple[Any, Any],
    x: Any,
    labels: Labels | None = None,
    *,
    step: Callable[..., Any] | None = None,
) -> Report:
    """Look at a game, and say what is wrong with it.

    Losses alone prove nothing: a D that is squashed twice, a D that is too weak, dead units and a
    perfect end all sit at chance. So the game is measured: its samples against the data, D against
    a fresh classifier, its steps against numerical derivatives. All of that happens on copies on
    NumPy, with random numbers of its own: the game is not changed, and the same game has the same
    report. For 2,000 images of MNIST's size it takes a few seconds.

    Parameters
    ----------
    gan : GAN or (G, D)
        Trained, or in training; two networks of any kind, if they are moved by `step`.
    x : array of shape (n, features), or (n, height, width) and so on
        The data that it learns from, as `GAN.fit` takes them. At most 2,000 samples are looked at,
        and 10,000 where copies are searched.
    labels : array of shape (n,), optional
        The class of each sample. A game with classes needs them; without classes they show which
        class has no samples.
    step : callable, optional
        A function of your own that plays one step. Then it is looked at instead:
        `nngan.diagnosis.diagnose_step` says how, and takes more options.

    Returns
    -------
    Report
        Its findings, worst first, and everything that was looked at; print it.

    Raises
    ------
    ValueError
        If `x` or `labels` do not fit the game, or there are too few samples.

    Examples
    --------
    >>> import nngan as nn
    >>> x, _ = nn.datasets.ring(2000)
    >>> G = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2), seed=1)
    >>> D = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid(), seed=2)
    >>> gan = nn.GAN(G, D, check=False)
    >>> nn.diagnose(gan, x).kinds
    ('double-sigmoid',)
    """
    if step is not None:
        G, D = (gan.G, gan.D) if isinstance(gan, GAN) else gan
        return diagnose_step(step, G, D, x, labels)
    if not isinstance(gan, GAN):
        raise TypeError(
            f"gan must be a GAN, got {type(gan).__name__}: two networks are diagnosed with the "
            "step that moves them, diagnose((G, D), x, step=...)"
        )
    return report_of(Case(gan, x, labels))


def report_of(case: Case) -> Report:
    """Take all looks at a game, and return what they found."""
    findings: list[Finding] = []
    looked_at: list[Measurement] = [Measurement("steps of training", f"{case.steps:,}")]
    is_early = case.steps < EARLY_STEPS
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, on few or equal rows
        for looks in (BUILT, LEARNING, STANDING, OUTCOME):
            has_cause = any(f.severity != "note" for f in findings)
            found = []
            for look in looks:
                items = list(look(case))
                looked_at += [item for item in items if isinstance(item, Measurement)]
                found += [item for item in items if isinstance(item, Finding)]
                if look is units.units and "dead-units" in {f.kind for f in found}:
                    # The weights before dead units cannot move.
                    found = [
                        replace(f, severity="note") if f.kind == "nothing-moves" else f
                        for f in found
                    ]
                if look is trends.finite and found:
                    return Report(tuple(found), tuple(looked_at))  # nothing else can be measured
            if is_early and looks in (STANDING, OUTCOME):
                found = []
            is_note = has_cause or (looks is OUTCOME and case.steps < OUTCOME_STEPS)
            findings += [replace(f, severity="note") if is_note else f for f in found]
    if any(f.kind != "unlike-data" and f.severity != "note" for f in findings):
        findings = [f for f in findings if f.kind != "unlike-data"]  # it is explained
    if is_early:
        findings.append(
            Finding(
                "too-early",
                "note",
                "It is too early to say how the game stands.",
                f"{case.steps} steps of training",
                f"train for {EARLY_STEPS} steps or more",
            )
        )
    findings.sort(key=lambda f: SEVERITIES.index(f.severity))
    return Report(tuple(findings), tuple(looked_at))
