"""`check_gradients` and `assert_gradients`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..checks import boolean, optional, uint64
from .backward import check_backward
from .numerical import DOUBLE
from .points import look_again
from .report import Finding, Report
from .shapes import explain_broken
from .styles.make import adapt
from .subject import Broken, Ended, Subject
from .tangents import tangent_findings
from .targets import make_subject, target_name


def check_gradients(
    target: Any,
    *inputs: Any,
    thorough: bool = False,
    accumulate: bool | None = None,
    seed: int = 0,
) -> Report:
    """Compare a hand-written backward pass with numerical derivatives, and name the mistake.

    Parameters
    ----------
    target : object
        One of

        - a layer, a network, or any object with ``forward(x) -> (y, cache)`` and
          ``backward(dy, cache) -> dx``; its parameters are the arrays ``p`` that have a partner
          ``dp`` (``W`` and ``dW``). If a `Layer` has the passes of a gradient penalty, `tangent`
          and `backward_tangent`, they are checked too;
        - a loss or a penalty, ``f(*inputs) -> (loss, gradient of the first input, ...)``;
        - a pair of functions ``(forward, backward)``.

        The check works on a copy of it. A parameter that is zero everywhere is checked at random
        values, because zeros hide mistakes.
    *inputs : array
        Its arguments. The check computes in float64 whatever their dtype.
    thorough : bool
        Compare every element. Otherwise each array is moved once along a random direction, and
        element by element only if that fails.
    accumulate : bool, optional
        Whether backward must add to ``dW`` or overwrite it. By default it must add in this
        library's style, and may do either in other styles.
    seed : int
        Seed of the random upstream gradient and directions.

    Returns
    -------
    report : Report
        ``report.ok`` is the verdict; ``print(report)`` shows it.

    Raises
    ------
    TypeError
        If `target` is none of the above, or an input is not made of numbers.
    ValueError
        If an input is empty or not finite.

    References
    ----------
    Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 2018, section 2.1
    (numerical differentiation); Squire and Trapp, "Using complex variables to estimate derivatives
    of real functions", SIAM Review 1998 (the complex step).

    Examples
    --------
    >>> import numpy as np, nngan as nn
    >>> nn.check_gradients(nn.Tanh(), np.array([[0.5, -1.0]])).ok
    True
    """
    thorough, seed = boolean("thorough", thorough), uint64("seed", seed)
    accumulate = optional(boolean, "accumulate", accumulate)
    target, inputs, habit = adapt(target, inputs)
    accumulate = habit if accumulate is None else accumulate
    try:
        subject = make_subject(target, inputs)
    except Broken as error:
        finding = explain_broken(error, None, None)
        return Report(target_name(target), [], [finding], DOUBLE.reason)
    return check_subject(subject, thorough, accumulate, seed)


def check_subject(
    subject: Subject, thorough: bool = False, accumulate: bool | None = True, seed: int = 0
) -> Report:
    """Check a subject; the options are those of `check_gradients`."""
    rng = np.random.default_rng(seed)
    report = check_backward(subject, rng, thorough, accumulate, seed)
    try:
        if report.verdict != "wrong" and report.arrays:
            report = look_again(subject, report, accumulate, thorough, seed)
        if report.verdict != "wrong" and report.arrays:
            findings = [*tangent_findings(subject, rng), *report.findings]
            report = replace(report, findings=findings)
        return _blame_layers(report, subject, thorough, accumulate, seed)
    except Ended as end:
        if end.finding.kind != "hangs" or not report.arrays:
            raise
        return out_of_time(report, end.finding)


def out_of_time(report: Report, end: Finding) -> Report:
    """Return what a check had found when its time was over; what looked right is inconclusive."""
    sentence = "The check ran out of time before it had looked at all points. Allow more with "
    note = Finding("inconclusive", f"{sentence}--timeout.", end.evidence, mistake=False)
    if any(f.sentence == note.sentence for f in report.findings):
        return report
    return replace(report, findings=[*report.findings, note])


def assert_gradients(target: Any, *inputs: Any, **options: Any) -> None:
    """Raise AssertionError with the report unless `check_gradients` finds no mistake.

    Parameters are those of `check_gradients`.
    """
    report = check_gradients(target, *inputs, **options)
    if not report.ok:
        raise AssertionError(str(report))


def _blame_layers(
    report: Report, subject: Subject, thorough: bool, accumulate: bool | None, seed: int
) -> Report:
    """Replace the mistakes of a network by those of its layers, if they show in one alone."""
    if report.verdict != "wrong":
        return report
    found = []
    try:
        for prefix, layer in subject.layers():
            alone = check_subject(layer, thorough, accumulate, seed)
            found += [replace(f, sentence=prefix + f.sentence) for f in alone.findings if f.mistake]
    except Broken:  # then the network's own report must do
        return report
    notes = [f for f in report.findings if not f.mistake]
    return replace(report, findings=found + notes) if found else report
