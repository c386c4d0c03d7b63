"""Check one subject: its contract, then each array along a random direction, then by elements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .case import Case
from .compare import Comparison, is_float32, precision_of, random_upstream, sample
from .contract import contract_findings
from .diagnosis import diagnose
from .numerical import DOUBLE, ROUNDED, SINGLE, rounding
from .report import ArrayResult, Finding, Report
from .shapes import explain_broken, shape_findings
from .subject import Broken, Subject

MAX_ELEMENTS = 4000  # elements of one array that are compared one by one, unless thorough
# Mistakes against the contract that also spoil the values, and diagnoses that they cause.
SPOILING = {"ignores_upstream", "not_linear", "writes_input", "accumulates", "cache_consumed"}
VAGUE = {"unknown", "rows_or_columns", "region"}


def check_backward(
    subject: Subject,
    rng: np.random.Generator,
    thorough: bool = False,
    accumulate: bool | None = True,
    seed: int = 0,
) -> Report:
    """Check the backward pass of a subject; the options are those of `check_gradients`."""
    y, precision = None, DOUBLE
    try:
        y = np.array(subject.forward()[0])
        precision = precision_of(subject, y, rng)
        dy = np.ones(()) if subject.is_loss else random_upstream(y, rng)
        findings = shape_findings(subject, y, subject.passes(dy)[1])
        if not findings:
            findings = contract_findings(subject, dy, rng, accumulate)
            if any(f.kind == "not_repeatable" for f in findings):
                return Report(subject.name, [], findings, precision.reason)
        y, gradients = subject.passes(dy)
        jitter = rounding(subject.output, y, subject.arrays.values(), precision.eps)
        results = []
        for label, a in subject.arrays.items():
            if gradients[label].shape == a.shape:
                known = subject, label, gradients[label], y, dy, precision, jitter
                array = Comparison(*known, seed=seed)
                result, found = check_array(array, thorough, findings)
                results.append(result)
                findings = findings + found
    except Broken as error:
        return Report(subject.name, [], [explain_broken(error, subject, y)], precision.reason)
    if precision is SINGLE:
        sentence = "The precision is that of float32; this is not a mistake."
        findings.append(Finding("float32", sentence, SINGLE.reason, mistake=False))
    is_wrong = any(f.mistake for f in findings)
    findings += [
        Finding(
            "inconclusive" if u.kind == "many" else "unchecked",
            u.reason,
            u.evidence,
            mistake=False,
        )
        for u in subject.unseen
        if not (u.outside and is_wrong)
    ]
    findings.sort(key=lambda f: not f.mistake)
    compared, constants = tuple(subject.parameters), tuple(subject.constants)
    return Report(subject.name, results, findings, precision.reason, compared, constants)


def check_array(
    array: Comparison, thorough: bool, earlier: list[Finding]
) -> tuple[ArrayResult, list[Finding]]:
    """Check one array; `earlier` are the findings so far."""
    findings = []
    if array.precision is DOUBLE and is_float32(array.analytic):
        array = replace(array, precision=ROUNDED)
        sentence = f"{array.d} is computed in float32; this is not a mistake."
        findings.append(Finding("float32", sentence, ROUNDED.reason, mistake=False))
    result = array.project()
    if thorough or result.error > result.tolerance:
        result, found = _check_elements(array, result, thorough, earlier)
        findings += found
    if result.is_inexact and result.error <= result.tolerance:
        findings.append(
            Finding(
                "inexact",
                f"{array.d} is nearly right but not exact: look for a constant with too few digits "
                "or a small term that is missing or extra.",
                f"the relative error against the complex step is {result.complex_error:.1e}; "
                "finite differences cannot see it",
            )
        )
    return result, findings


def _check_elements(
    array: Comparison, projection: ArrayResult, thorough: bool, earlier: list[Finding]
) -> tuple[ArrayResult, list[Finding]]:
    """Compare element by element, and diagnose a mismatch."""
    size, is_sampled = array.a.size, array.a.size > MAX_ELEMENTS and not thorough
    is_matrix = array.a.ndim == 2
    first = [array.suspects(0), array.suspects(1)] if is_sampled and is_matrix else ((), ())
    most = MAX_ELEMENTS if is_sampled else size
    coordinates = sample(array.a.shape, most, np.random.default_rng([0, array.seed]), first)
    case = Case.of(array, coordinates)
    result = case.result(projection, len(coordinates))
    findings = [_kink(result)] if result.kinks else []
    if result.error > result.tolerance:
        # A mistake against the contract explains the values, so it is not reported twice.
        spoiling = {f.kind for f in earlier} & SPOILING
        explained = spoiling | VAGUE if spoiling else spoiling
        findings += [f for f in diagnose(case) if f.kind not in explained]
    elif len(coordinates) < size and not findings:
        sentence = (
            f"{array.d} is wrong along a random direction, but right in the {len(coordinates)} "
            "elements that were compared: compare all of them with thorough=True."
        )
        evidence = f"the relative error along the direction is {projection.error:.1e}"
        return projection, [Finding("unknown", sentence, evidence)]
    return result, findings


def _kink(result: ArrayResult) -> Finding:
    if result.kinks == result.checked:
        sentence = (
            f"Every element of {result.name} is at a kink, so nothing could be compared at these "
            "inputs."
        )
    else:
        sentence = (
            f"{result.kinks} of {result.checked} elements of {result.name} are at a kink, where no "
            "derivative exists. They were skipped; this is not a mistake."
        )
    evidence = "the slopes to the left and to the right do not converge to one value"
    return Finding("kink", sentence, evidence, mistake=False)
