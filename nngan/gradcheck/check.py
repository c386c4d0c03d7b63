"""`check_gradients`: structure first, then one random direction, then element by element."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from ..network import Sequential
from .case import Case, sample, upstream
from .compare import along, is_float32, passes, precision_of, suspects, worst
from .diagnosis import diagnose
from .numerical import DOUBLE, ROUNDED, SINGLE, Precision, elementwise, rounding
from .report import ArrayResult, Finding, Report, gradient_name
from .shapes import broken, wrong_shapes
from .structure import manners
from .subject import Broken, LayerSubject, Subject
from .tangents import tangents
from .targets import make_subject

MOST = 4000  # elements of one array that are compared one by one, unless thorough
# Mistakes in how a pass behaves that also spoil its values, and what they are mistaken for.
SPOILING = ("ignores_upstream", "not_linear", "writes_input", "accumulates", "cache_consumed")
VAGUE = ("unknown", "rows_or_columns", "region")


def check_gradients(
    target: Any, *inputs: Any, thorough: bool = False, accumulate: bool = True, seed: int = 0
) -> Report:
    """Compare a hand-written backward pass with numerical derivatives, and say what is wrong.

    Parameters
    ----------
    target : object
        One of

        - a layer, a network, or any object with ``forward(x) -> (y, cache)`` and
          ``backward(dy, cache) -> dx``; its parameters are the arrays ``p`` that have a partner
          ``dp`` (``W`` and ``dW``). A `Layer` that has the passes of a gradient penalty, `tangent`
          and `backward_tangent`, has them checked too;
        - a loss or a penalty, ``f(*inputs) -> (loss, gradient of the first input, ...)``;
        - a pair of functions ``(forward, backward)``.

        It is copied, never changed. A parameter that is zero everywhere is checked at random
        values, because zeros hide mistakes.
    *inputs : array
        What it is called with. Everything is computed in float64, whatever is handed in.
    thorough : bool
        Compare every element. Otherwise each array is moved once along a random direction, and
        element by element only where that fails.
    accumulate : bool
        Whether backward shall add to ``dW`` (the contract of this library) or overwrite it.
    seed : int
        Of the random upstream gradient and directions.

    Returns
    -------
    report : Report
        ``report.ok``; ``print(report)`` shows it.

    Raises
    ------
    TypeError
        When `target` is none of the above, or an input is not made of numbers.
    ValueError
        When an input is empty or not finite.

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
    rng = np.random.default_rng(seed)
    subject, y = Subject(getattr(target, "__name__", type(target).__name__), {}), None
    precision = DOUBLE
    try:
        subject = make_subject(target, inputs)
        y = np.array(subject.forward()[0])
        precision = precision_of(subject, y, rng)
        dy = np.ones(()) if subject.is_loss else upstream(y, rng)
        gradients = passes(subject, dy)[1]
        findings = wrong_shapes(subject, y, gradients)
        if not findings:
            findings = manners(subject, dy, rng, accumulate)
            if any(f.kind == "not_repeatable" for f in findings):
                return Report(subject.name, [], findings, precision.reason)
        jitter = rounding(subject.output, y, subject.arrays.values(), precision.eps)
        results = []
        for label, a in subject.arrays.items():
            if gradients[label].shape == a.shape:
                result, found = _array(subject, label, dy, precision, jitter, thorough, findings)
                results.append(result)
                findings = findings + found
        if isinstance(subject, LayerSubject) and not any(f.mistake for f in findings):
            findings = findings + tangents(subject, dy, rng, check_gradients)
    except Broken as error:
        return Report(subject.name, [], [broken(error, subject, y)], precision.reason)
    if precision is SINGLE:
        findings.append(
            Finding("float32", "float32 precision, not a mistake.", SINGLE.reason, False)
        )
    findings += [_unpartnered(label) for label in subject.unpartnered]
    findings.sort(key=lambda f: not f.mistake)
    report = Report(subject.name, results, findings, precision.reason)
    if not report.ok and isinstance(subject, LayerSubject):
        return _blame(report, subject, thorough=thorough, accumulate=accumulate, seed=seed)
    return report


def assert_gradients(target: Any, *inputs: Any, **options: Any) -> None:
    """Raise AssertionError with the report unless `check_gradients` finds everything right.

    Parameters are those of `check_gradients`.
    """
    report = check_gradients(target, *inputs, **options)
    if not report.ok:
        raise AssertionError(str(report))


def _array(
    subject: Subject,
    label: str,
    dy: Array,
    precision: Precision,
    jitter: Array,
    thorough: bool,
    already: list[Finding],
) -> tuple[ArrayResult, list[Finding]]:
    """Check one array: along a random direction, and by elements where that fails."""
    y, gradients = passes(subject, dy)
    a, gradient, findings = subject.arrays[label], gradients[label], []
    if precision is DOUBLE and is_float32(gradient):
        precision = ROUNDED
        note = f"{gradient_name(label)} is computed in float32: precision, not a mistake."
        findings.append(Finding("float32", note, ROUNDED.reason, False))
    result = along(subject, label, y, dy, gradient, precision, jitter)
    if result.error > result.tolerance or thorough:
        first: tuple[list[int], list[int]] = ([], [])
        if a.size > MOST and a.ndim == 2 and not thorough:
            rows, columns = (
                suspects(subject, label, y, dy, gradient, jitter, axis) for axis in (0, 1)
            )
            first = (rows, columns)
        at = sample(a.shape, a.size if thorough else MOST, np.random.default_rng(0), first)
        numerical = elementwise(subject.output, y, dy, a, precision, jitter, at)
        case = Case(subject, label, gradient, numerical, y, dy, precision)
        rough, result = result, worst(case, len(at), result)
        if result.kinks:
            findings.append(_kink(result))
        elif len(at) < a.size and result.error <= result.tolerance:
            findings.append(
                Finding(
                    "unknown",
                    f"{gradient_name(label)} is wrong along a random direction, but right in the "
                    f"{len(at)} elements that were compared: check all, with thorough=True.",
                    f"the relative error is {rough.error:.1e}",
                )
            )
            return rough, findings
        if result.error > result.tolerance:
            # What is known of how the passes behave explains what nothing else does.
            hidden = VAGUE if any(f.kind in SPOILING for f in already) else ()
            known = [f.kind for f in already if f.kind in SPOILING]
            findings += [f for f in diagnose(case) if f.kind not in (*hidden, *known)]
            return result, findings
    if result.is_inexact:
        findings.append(
            Finding(
                "inexact",
                f"{gradient_name(label)} is nearly right, but not exact: look for a constant with "
                "too few digits, or a small term that is missing or too many.",
                "the differences cannot see it, the complex step does: it differs by a relative "
                f"{result.complex_error:.1e}",
            )
        )
    return result, findings


def _blame(report: Report, subject: LayerSubject, **options: Any) -> Report:
    """Say which layer of a network is wrong, where one is wrong by itself."""
    if not isinstance(subject.target, Sequential):
        return report
    found, x = [], next(iter(subject.inputs.values()))
    for i, layer in enumerate(subject.target.layers):
        try:
            alone = check_gradients(layer, x, **options)
            x = subject.backend.to_numpy(layer.forward(subject.backend.asarray(x))[0])
        except Exception:  # the network's own report stands
            return report
        for f in alone.findings:
            if f.mistake:
                text = f"layers[{i}], {type(layer).__name__}: {f.sentence}"
                found.append(replace(f, sentence=text))
    notes = [f for f in report.findings if not f.mistake]
    return replace(report, findings=found + notes) if found else report


def _kink(result: ArrayResult) -> Finding:
    if result.kinks == result.checked:
        text = (
            f"Every coordinate of {result.name} lies on a kink, so nothing could be compared: "
            "choose other inputs."
        )
    else:
        text = (
            f"{result.kinks} of {result.checked} coordinates of {result.name} lie on a kink, "
            "where there is no derivative: left out, no mistake."
        )
    evidence = "the slopes to the left and to the right do not approach each other"
    return Finding("kink", text, evidence, False)


def _unpartnered(label: str) -> Finding:
    return Finding(
        "unchecked",
        f"{label} moves the output but has no gradient {gradient_name(label)}: if it is a "
        "parameter, backward must fill one.",
        "its name has no partner, so it was not checked",
        False,
    )
