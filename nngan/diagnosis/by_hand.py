"""What is wrong with a game that a user steps by hand.

Most faults of such games do not show in the networks. So the user's own step is played a few times,
each pass and each change of a parameter is noted, and what moved a player is compared with the true
gradients of the losses that are known.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from .report import SEVERITIES, Finding, Measurement, Report
from .stepped.changes import age, climbing, directions, sizes
from .stepped.columns import Columns
from .stepped.conditions import conditions
from .stepped.explaining import explain
from .stepped.feeding import feeding, minibatches, outcome
from .stepped.findings import find
from .stepped.networks import critic, linear
from .stepped.numbers import breaks, broken, out_of_reach
from .stepped.parts import Part
from .stepped.playing import Play
from .stepped.rows import fed
from .stepped.seen import Seen
from .stepped.targets import mixed_labels
from .stepped.true_gradients import Exact, Measured
from .stepped.without_d import without_d
from .thresholds import EARLY_STEPS, OUTCOME_STEPS

CONSEQUENCES = {
    "data-changed": ("range",),
    "not-zeroed": ("learning-rate",),
    "same-data": ("minibatch-biased",),
    "wrong-sign": ("unbounded-critic",),
}


def diagnose_step(
    step: Callable[..., Any],
    G: Any,
    D: Any,
    x: Array | None = None,
    labels: Any = None,
    *,
    steps: int = 3,
    batch_size: int = 32,
    latent_dim: int | None = None,
    seed: int = 0,
) -> Report:
    """Play a step of a game that is written by hand, and say what is wrong with it.

    The step is played on the user's own objects, because a function keeps using them whatever is
    copied. Before, everything that it can reach is kept: the arrays, lists, dictionaries and
    attributes in its variables, closures, globals and in both networks, and all random states,
    NumPy's and Python's global ones too. Afterwards all of it is put back, bit for bit, also if the
    step fails. What it prints is not shown. A file that it writes stays written.

    Parameters
    ----------
    step : callable
        Plays one step of the game. Its arguments are recognised by their names: ``G``, ``D``, ``x``
        (a minibatch of data), ``z`` (noise), ``y`` (labels). It may have none and use variables
        around it.
    G, D : Sequential or object
        The networks that the step moves. An object of another kind needs its parameters in NumPy
        arrays; with a method `forward` it is compared with true gradients too, which are measured.
    x : array of shape (N, features), optional
        The data.
    labels : array of shape (N, ...), optional
        Their labels, for a step with an argument ``y``, and to compare those that D is shown.
    steps : int
        How often the step is played; up to 12 times, if a player has not moved by then.
    batch_size : int
        Samples of a minibatch that the step is handed.
    latent_dim : int, optional
        Width of the noise that the step is handed, if G does not say it.
    seed : int
        Of what the step is handed.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If an argument of the step is not recognised, a network has no parameters that can be found,
        the step reads an iterator, from which nothing can be put back, or `x` is not finite.
    """
    play = Play(step, G, D, x, labels, batch_size, latent_dim, seed)
    if findings := list(broken(play.parts)):
        return Report(tuple(findings), ())  # nothing else can be measured
    recording = play.record(steps)
    seen = Seen(recording, play.x, play.gets_data, play.gets_noise)
    if findings := list(breaks(recording)):
        return Report(tuple(findings), tuple(_measurements(seen)))
    seen.directions = directions(play, recording)
    rows = fed(recording, play.x)
    alike = outcome(seen, rows) if rows is not None else None
    before = play.age or age(seen, play.parts[0])
    kept = play.restoring()
    try:
        is_squashed = _explain(play, seen)
        findings += out_of_reach(recording, play.parts[0])
        findings += linear(seen, play.parts, alike if before >= EARLY_STEPS else None)
    finally:
        kept.restore()
    alone = list(without_d(play, seen))
    findings += [*alone, *climbing(seen), *find(seen, is_alone=bool(alone))]
    measurements = _measurements(seen)
    looks = [sizes(seen, play.parts), critic(seen, play.parts[1])]
    if rows is not None:
        looks += [feeding(seen, rows), minibatches(seen, rows), conditions(seen, rows, labels)]
    if is_squashed is not None:
        looks.append(mixed_labels(seen, is_squashed))
    for item in itertools.chain(*looks):
        if isinstance(item, Measurement):
            measurements.append(item)
        else:
            findings.append(item)
    if alike is not None:
        measurements += alike.measurements()
        measurements.append(Measurement("steps of training before, about", f"{before:,}"))
        has_cause = any(f.severity != "note" for f in findings)
        if alike.is_unlike and before >= EARLY_STEPS and not has_cause:
            findings.append(alike.finding("note" if before < OUTCOME_STEPS else "warning"))
    findings = without_consequences(findings)
    return Report(tuple(findings), tuple(measurements))


def without_consequences(findings: list[Finding]) -> list[Finding]:
    """Return findings, worst first, without those that another one explains."""
    kinds = {f.kind for f in findings if f.severity != "note"}
    explained = {kind for cause in kinds for kind in CONSEQUENCES.get(cause, ())}
    kept = [as_sentence(f) for f in findings if f.kind not in explained]
    return sorted(kept, key=lambda f: SEVERITIES.index(f.severity))


def as_sentence(finding: Finding) -> Finding:
    """Return a finding whose remedy is a sentence, also if it is one of a game of the library."""
    remedy = finding.remedy.removesuffix(".")
    return replace(finding, remedy=f"{remedy[:1].upper()}{remedy[1:]}.")


def _explain(play: Play, seen: Seen) -> bool | None:
    """Give what was seen a verdict on each update where that can be had.

    Return whether D ends in a sigmoid; None if that cannot be had.
    """
    recording = seen.recording
    judged = [p for p in recording.passes if p.part == "D"]
    sources = [p for p in judged if p.source]
    if not sources or any(p.y.size != len(p.y) for p in judged):
        return None
    G, D = play.parts
    truth = Exact(G, D) if G.is_ours and D.is_ours else Measured(G, D)
    outputs = np.concatenate([p.y.ravel() for p in judged])
    again = None if D.is_ours else _scaled(D, judged[0].x)
    columns = Columns(recording, truth, D.squashes(outputs, again))
    seen.verdicts = {
        part: explain(recording, columns, part, part in seen.climbs) for part in ("D", "G")
    }
    return columns.is_squashed


def _scaled(part: Part, x: Array) -> Callable[[float], Array]:
    return lambda factor: part.output(factor * x.astype(np.float64))


def _measurements(seen: Seen) -> list[Measurement]:
    """Return everything that was looked at."""
    rows = []
    for part in ("D", "G"):
        updates = seen.recording.of(part)
        rows.append(
            Measurement(
                f"updates of {part}", str(len(updates)), f"in {seen.plays} calls of the step"
            )
        )
        verdicts = seen.verdicts.get(part, [])
        if any(v.loss for v in verdicts):
            worst = min((v for v in verdicts if v.loss), key=lambda v: v.cosine)
            rows.append(
                Measurement(
                    f"cosine of what moved {part} with a true gradient, the lowest",
                    f"{worst.cosine:.4f}",
                    f"1, with the loss {seen.name_of(part)}",
                )
            )
    rows += [
        Measurement(f"cosine of {part}'s change with the way down its gradient", f"{way:.2f}",
                    "above 0: down")
        for part, way in seen.directions.items()
    ]  # fmt: skip
    rows += seen.batches()
    return rows
