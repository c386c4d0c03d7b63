"""The meaning of a mismatch: hypotheses, each compared with the numbers.

A wrong gradient is seldom random. It is the right one times a constant, transposed, evaluated at
the output instead of the input, or summed over too little. Each hypothesis predicts all elements
from one idea. It is the diagnosis if it predicts them to five digits, and does so again on twice
the batch with other numbers. If none does, the report says that no known mistake explains it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..backend import Array
from .activations import activation
from .case import CLOSE, MIN_ELEMENTS, SECOND_LOOK_ELEMENTS, Case
from .numerical import difference
from .report import Finding
from .shapes import TRANSPOSE, UNSUMMED, unsummed

SMALL = 1e-3  # an error as small as this is that of a small term

Hypothesis = Callable[[Case], Iterator[Finding]]


def diagnose(case: Case) -> list[Finding]:
    """Return the explanation of the mismatch: one finding, or two mistakes that multiply."""
    second = case.second_look()
    for hypothesis in (zero, activation, constant, transposed, operands, mask, paths):
        if finding := _confirmed(hypothesis, case, second):
            return [finding]
    # Two mistakes in one array: a wrong constant, and one of the above.
    for name, value in CONSTANTS.items():
        c = value(case)
        if c == 1:
            continue
        rest, second_rest = case.divided(c), second.divided(value(second)) if second else None
        for hypothesis in (constant, activation, transposed, operands, mask, paths):
            if hypothesis is constant and name != "sign":
                continue
            finding = _confirmed(hypothesis, rest, second_rest)
            if finding and finding.kind != "sign":
                return [_constant_finding(name, case, c), finding]
    for hypothesis in (factor, nearly, region, rows_or_columns):
        if finding := _confirmed(hypothesis, case, second):
            return [finding]
    return [_unknown(case, second)]


def _confirmed(hypothesis: Hypothesis, case: Case, second: Case | None) -> Finding | None:
    """Return a finding that fits the case and, if there is one, the second look."""
    if second is None:
        # Nothing confirms it, so a few elements are not enough.
        is_enough = np.count_nonzero(case.right) >= MIN_ELEMENTS or hypothesis is zero
        return next(hypothesis(case), None) if is_enough else None
    others = list(hypothesis(second))
    for f in hypothesis(case):
        for other in others:
            if f.kind == other.kind and (f.kind != "factor" or f.sentence == other.sentence):
                evidence = f"{f.evidence}; confirmed on a second batch (N = {second.rows})"
                return replace(f, evidence=evidence)
    return None


def zero(case: Case) -> Iterator[Finding]:
    """Try a gradient of zeros."""
    if not case.analytic.any():
        yield Finding(
            "zero",
            f"{case.d} is zero everywhere, but the output depends on {case.label}.",
            f"the numerical derivative reaches {np.abs(case.right).max():.3g}",
        )


def _outputs(case: Case) -> int:
    return case.a.size if case.subject.is_loss else case.y.size


# Constant factors that have a name, as functions of the case.
CONSTANTS: dict[str, Callable[[Case], float]] = {
    "sign": lambda case: -1.0,
    "averaged": lambda case: 1 / case.rows,
    "doubled 1/N": lambda case: 1 / case.rows,
    "doubled 1/size": lambda case: 1 / _outputs(case),
    "missing 1/N": lambda case: float(case.rows),
    "missing 1/size": lambda case: float(_outputs(case)),
}


def constant(case: Case) -> Iterator[Finding]:
    """Try the right gradient times a constant that has a name."""
    for name, value in CONSTANTS.items():
        is_bias = not case.is_data and case.a.ndim > 0 and case.a.size == max(case.a.shape)
        c = value(case)
        if c != 1 and (name != "averaged" or is_bias) and case.predicts(c * case.right):
            yield _constant_finding(name, case, c)


def factor(case: Case) -> Iterator[Finding]:
    """Try the right gradient times any constant."""
    c = case.multiple
    if c is not None:
        shown = f"{c:.4g}" if abs(c - 1) > 1e-3 else f"1 {'+' if c > 1 else '-'} {abs(c - 1):.1g}"
        yield Finding(
            "factor",
            f"{case.d} is wrong by the constant factor {shown}.",
            f"{case.d} is {c:.9g} times the numerical derivative everywhere",
        )


def nearly(case: Case) -> Iterator[Finding]:
    """See whether the gradient is right but for a small term, such as an epsilon of forward."""
    size, error = np.abs(case.right).max(), np.abs(case.analytic - case.right)[case.known]
    if case.known.all() and 0 < error.max(initial=0.0) <= SMALL * size:
        yield Finding(
            "inexact",
            f"{case.d} is right up to a small term. Does forward add a small number, as in "
            "log(p + eps) or sqrt(var) + eps? Derive it with this number, or write forward "
            "without it.",
            f"the error is {error.max() / size:.1e} of the largest element",
        )


def _constant_finding(name: str, case: Case, c: float) -> Finding:
    d, evidence = case.d, f"{case.d} is {c:.6g} times the numerical derivative everywhere"
    if name == "sign":
        return Finding("sign", f"{d} has the wrong sign.", evidence)
    if name == "averaged":
        sentence = f"{d} is averaged over the rows. Sum over them: every row uses {case.label}."
        return Finding("bias_averaged", sentence, evidence)
    mean = "the loss is a mean, so its gradient contains 1/N once"
    if name.startswith("missing"):
        return Finding("missing_mean", f"{d} lacks a factor 1/N (N = {c:.0f}): {mean}.", evidence)
    reason = mean if case.subject.is_loss else "only the gradient of the loss contains 1/N"
    sentence = f"{d} has one factor 1/N too many (N = {1 / c:.0f}): {reason}."
    return Finding("doubled_mean", sentence, evidence)


def transposed(case: Case) -> Iterator[Finding]:
    """Try the transpose of the right gradient, and a product with a matrix not transposed."""
    right, d = case.right, case.d
    if right.ndim != 2:
        return
    # If elements were left out, their choice must be symmetric.
    is_square = right.shape[0] == right.shape[1] > 1 and bool((case.known == case.known.T).all())
    if is_square and case.predicts(right.T):
        evidence = f"{d} is the transpose of the numerical derivative"
        yield Finding("transpose", f"{TRANSPOSE}, in {d}.", evidence)
    is_complete = bool(case.known.all())
    if min(right.shape) > 1 and is_complete and case.predicts(right.T.reshape(right.shape)):
        yield Finding(
            "transpose",
            f"{d} is reshaped instead of transposed: reshape keeps the order of the elements in "
            "memory, .T does not.",
            f"{d} is the transposed derivative, read row by row into the other shape",
        )
    for name, W in case.subject.arrays.items():
        fits = W.ndim == 2 and case.dy.ndim == 2 and case.dy.shape[1] == W.shape[0]
        if fits and name != case.label and case.is_data and case.predicts(case.dy @ W):
            evidence = f"{d} equals dy @ {name}, but should be dy @ {name}.T"
            yield Finding("transpose", f"{TRANSPOSE}, in {d}.", evidence)


def operands(case: Case) -> Iterator[Finding]:
    """Try a product with the output instead of the input, and wrong sums for a bias."""
    x, y, dy, d = next(iter(case.subject.inputs.values())), case.y, case.dy, case.d
    if case.is_data or x.ndim != 2 or y.ndim != 2:
        return
    if case.a.ndim == 2 and case.predicts(y.T @ dy):
        yield Finding(
            "output_for_input",
            f"{d} uses the output y instead of the input x.",
            f"{d} equals y.T @ dy, but should be x.T @ dy",
        )
    if case.a.ndim != 1:
        return
    yield from _sums(case)
    if any(case.predicts(row) for row in dy):
        yield Finding("bias_not_summed", f"{UNSUMMED}.", f"{d} equals one row of dy")
    everything, over_columns = np.full(case.a.shape, dy.sum()), dy.sum(axis=1)
    for wrong, name in ((everything, "dy.sum()"), (over_columns, "dy.sum(axis=1)")):
        if case.a.size > 1 and case.predicts(wrong):
            sentence = f"{d} is summed over the wrong axes. {UNSUMMED}."
            yield Finding("bias_axis", sentence, f"{d} equals {name}")


def _sums(case: Case) -> Iterator[Finding]:
    """Try wrong sums for a parameter that every row uses by more than adding it."""
    d, terms = case.d, case.terms
    if terms is None or np.allclose(terms, case.dy, rtol=1e-6):
        return
    if any(case.predicts(row) for row in terms):
        evidence = f"{d} equals what one row adds to it"
        yield Finding("bias_not_summed", f"{unsummed(case.label)}.", evidence)
    everything = np.full(case.a.shape, terms.sum())
    for wrong, name in ((everything, "everything"), (terms.sum(axis=1), "each row")):
        if case.a.size > 1 and case.predicts(wrong):
            sentence = f"{d} is summed over the wrong axes. {unsummed(case.label)}."
            yield Finding("bias_axis", sentence, f"{d} equals the sum over {name}")


def mask(case: Case) -> Iterator[Finding]:
    """Try a slope's gradient that sums over all elements, where forward uses it for some."""
    x, a, d = next(iter(case.subject.inputs.values())), case.a, case.d
    if case.is_data or x.shape != case.y.shape:
        return
    for axes in (tuple(range(x.ndim)), (0,), (0, *range(2, x.ndim))):
        everywhere = np.asarray((case.dy * x).sum(axis=axes))
        if everywhere.size == a.size and case.predicts(everywhere.reshape(a.shape)):
            evidence = f"{d} equals the sum of dy * x over all elements"
            if not _is_masked(case, x):
                sentence = f"{d} uses x, but forward multiplies {case.label} with another array."
                yield Finding("input_for_output", sentence, evidence)
                return
            yield Finding(
                "mask",
                f"{d} lacks a mask: sum only over those elements of x where forward uses "
                f"{case.label}.",
                evidence,
            )
            return


def _is_masked(case: Case, x: Array) -> bool:
    """Whether forward multiplies a parameter with x, at some elements."""
    if case.effect is None:
        return True
    size = 1e-6 * np.abs(x).max(initial=0.0)
    there = np.abs(case.effect - x) <= size + CLOSE * np.abs(x)
    return bool((there | (np.abs(case.effect) <= size)).all())


def paths(case: Case) -> Iterator[Finding]:
    """Try the gradient along one of several paths from an input to the output."""
    x, y, dy, d = case.a, case.y, case.dy, case.d
    if not case.is_data or x.shape != y.shape or case.is_elementwise:
        return
    if case.predicts(case.right - dy):
        yield Finding(
            "path",
            f"{d} lacks the identity path (y = x + ...): add dy.",
            f"{d} is the numerical derivative minus dy",
        )
    if case.predicts(dy):
        yield Finding(
            "path",
            f"{d} is dy unchanged: the gradient of the rest of forward is missing.",
            f"{d} equals dy",
        )
    constants = (
        f"{d} treats the mean and the scale as constants, but they depend on x: the gradient "
        "through them is missing."
    )
    for axis in range(x.ndim):
        slope = _linear_slope(x, y, axis)
        if slope is not None and case.predicts(dy * slope):
            evidence = f"along axis {axis} y is linear in x, and {d} is dy times the slope"
            yield Finding("path", constants, evidence)
    if x.size <= SECOND_LOOK_ELEMENTS and case.predicts(dy * _jacobian_diagonal(case)):
        yield Finding(
            "path",
            f"{d} contains only the effect of each input on its own output, but it affects other "
            "outputs too: their terms are missing.",
            f"{d} is dy times the diagonal of the Jacobian",
        )
    if _is_scaled_only(case):
        yield Finding("path", constants, f"{d} is dy times a parameter, over the spread of its row")


def _is_scaled_only(case: Case) -> bool:
    """Whether dx is dy times a number for each row, 1 / its spread, and one for each feature."""
    x = case.a
    if x.ndim != 2 or min(x.shape) < 3 or not case.dy.all():
        return False
    rows, sizes, _ = np.linalg.svd(case.analytic / case.dy)
    spread = np.abs(rows[:, 0]) * x.std(axis=1)
    return bool(sizes[1] <= CLOSE * sizes[0] and np.ptp(spread) <= 0.01 * spread.max())


def _linear_slope(x: Array, y: Array, axis: int) -> Array | None:
    """Return the slope of y in x along an axis if y is linear in x, else None."""
    if x.shape[axis] < 3:
        return None
    mx, my = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
    square = (mx * mx).sum(axis, keepdims=True)
    slope: Array = (mx * my).sum(axis, keepdims=True) / np.where(square > 0, square, 1)
    return slope if np.allclose(my, slope * mx, rtol=1e-9, atol=1e-9) else None


def _jacobian_diagonal(case: Case) -> Array:
    """Return dy_i/dx_i for each element."""
    x, diagonal = case.a, np.zeros(case.a.shape)
    for i in np.ndindex(*x.shape):
        unit = np.zeros(x.shape)
        unit[i] = 1.0
        d = difference(case.subject.output, case.y, unit, x, unit, 1e-4, 0 * unit)
        diagonal[i] = d.value if d else 0.0
    return diagonal


def region(case: Case) -> Iterator[Finding]:
    """See whether an elementwise gradient is wrong only on one side of a threshold."""
    good = case.known & ~case.wrong & (case.right != 0)
    if not case.is_elementwise or not good.any() or not case.wrong.any():
        return
    x_good, x_wrong = case.a[good], case.a[case.wrong]
    for side, low, high in (("below", x_wrong, x_good), ("above", x_good, x_wrong)):
        if low.max() < high.min() and min(len(x_good), len(x_wrong)) > 1:
            yield Finding(
                "region",
                f"{case.d} is wrong only for x {side} a threshold between {low.max():.2g} and "
                f"{high.min():.2g}: check the code for this range.",
                f"{len(x_wrong)} elements {side} it disagree, the other {len(x_good)} agree",
            )


def rows_or_columns(case: Case) -> Iterator[Finding]:
    """See whether only some rows or columns are wrong."""
    wrong, right = case.wrong, case.known & ~case.wrong & (case.right != 0)
    for axis, unit in enumerate(("row", "column")[: wrong.ndim]):
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        bad: Array = np.asarray(wrong.any(axis=others))
        good = np.asarray(right.any(axis=others)) & ~bad
        if not bad.any() or not good.any():
            continue
        inside = wrong[case.known & np.expand_dims(bad, others)]
        if inside.mean() <= 0.5:
            continue
        unit = unit if wrong.ndim > 1 else "element"
        yield Finding(
            "rows_or_columns",
            f"{case.d} is wrong only in {_places(unit, np.flatnonzero(bad), len(bad))}: check "
            "indices, slices and loops.",
            f"{int(good.sum())} of {len(bad)} {unit}s were compared and agree",
        )


def _places(unit: str, bad: Array, n: int) -> str:
    indices = [int(i) for i in bad]
    if len(indices) == 1:
        special = {0: f"the first {unit}", n - 1: f"the last {unit}"}
        return special.get(indices[0], f"{unit} {indices[0]}")
    if n > 3 and indices in (list(range(0, n, 2)), list(range(1, n, 2))):
        return f"every second {unit}, starting with {unit} {indices[0]}"
    more = f" and {len(indices) - 6} more" if len(indices) > 6 else ""
    return f"{unit}s {', '.join(map(str, indices[:6]))}{more}"


def _unknown(case: Case, second: Case | None) -> Finding:
    telling = case.known & (np.abs(case.right) > 1e-3 * np.abs(case.right).max())
    ratio = (case.analytic / np.where(telling, case.right, 1.0))[telling]
    evidence = f"{float(case.wrong[case.known].mean()):.0%} of the elements disagree"
    if ratio.size:
        low, middle, high = np.quantile(ratio, [0, 0.5, 1])
        evidence += f"; {case.d} / numerical: {low:.3g} to {high:.3g}, median {middle:.3g}"
    if second and second.known.all() and not second.wrong.any():
        evidence += f"; on a second batch (N = {second.rows}) {case.d} is right"
    return Finding("unknown", f"{case.d} is wrong, and no known mistake explains it.", evidence)
