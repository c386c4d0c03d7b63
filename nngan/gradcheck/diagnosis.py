"""What a mismatch means: hypotheses, each tried against the numbers.

A wrong gradient is seldom random: it is the right one times a constant, transposed, taken at the
output in place of the input, summed over too little. Each hypothesis predicts all elements from
one idea. One that predicts them to five digits, and does so again with twice the batch and other
numbers, is the diagnosis; where none does, the report says that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..backend import Array
from .activations import activation
from .case import ENOUGH, SECOND, Case
from .numerical import difference
from .report import Finding
from .shapes import TRANSPOSE, UNSUMMED

Hypothesis = Callable[[Case], Iterator[Finding]]


def diagnose(case: Case) -> list[Finding]:
    """Return what explains the mismatch: one finding, or two mistakes that multiply."""
    second = case.again()
    for hypothesis in (zero, activation, constant, transposed, operands, paths):
        if finding := _confirmed(hypothesis, case, second):
            return [finding]
    # Two mistakes in one array: a wrong constant, and one of the above.
    for text, of in CONSTANTS.items():
        for hypothesis in (constant, activation, transposed, operands, paths):
            if of(case) == 1 or (hypothesis is constant and text != "sign"):
                continue
            smaller = second.divided(of(second)) if second else None
            finding = _confirmed(hypothesis, case.divided(of(case)), smaller)
            if finding and finding.kind != "sign":
                return [_named(text, case, of(case)), finding]
    for hypothesis in (factor, region, parts):
        if finding := _confirmed(hypothesis, case, second):
            return [finding]
    return [_unknown(case, second)]


def _confirmed(hypothesis: Hypothesis, case: Case, second: Case | None) -> Finding | None:
    """Return what fits the case, and the second look at it as well."""
    if second is None and np.count_nonzero(case.right) < ENOUGH and hypothesis is not zero:
        return None
    again = list(hypothesis(second)) if second else []
    for f in hypothesis(case):
        if second is None:
            return f
        for other in again:
            if f.kind == other.kind and (f.kind != "factor" or f.sentence == other.sentence):
                evidence = f"{f.evidence}; so it is with other numbers (N = {second.rows})"
                return Finding(f.kind, f.sentence, evidence)
    return None


def zero(case: Case) -> Iterator[Finding]:
    """Try nothing."""
    if not case.analytic.any():
        yield Finding(
            "zero",
            f"{case.d} is zero everywhere, but the output depends on {case.label}: the gradient "
            "of this path is missing.",
            f"the numerical derivative reaches {np.abs(case.right).max():.3g}",
        )


def _samples(case: Case) -> float:
    return float(case.rows)


def _outputs(case: Case) -> float:
    return float(case.a.size if case.subject.is_loss else case.y.size)


# Constants that have a name, as functions of the case.
CONSTANTS: dict[str, Callable[[Case], float]] = {
    "sign": lambda case: -1.0,
    "averaged": lambda case: 1 / _samples(case),
    "doubled 1/N": lambda case: 1 / _samples(case),
    "doubled 1/size": lambda case: 1 / _outputs(case),
    "missing 1/N": _samples,
    "missing 1/size": _outputs,
}


def constant(case: Case) -> Iterator[Finding]:
    """Try the right gradient times a number that has a name."""
    for text, of in CONSTANTS.items():
        is_bias = not case.is_data and case.a.ndim == 1
        c = of(case)
        if c != 1 and (text != "averaged" or is_bias) and case.predicts(c * case.right):
            yield _named(text, case, c)


def factor(case: Case) -> Iterator[Finding]:
    """Try the right gradient times any number."""
    c = case.multiple
    if c is not None:
        shown = f"{c:.4g}" if abs(c - 1) > 1e-3 else f"1 {'+' if c > 1 else '-'} {abs(c - 1):.1g}"
        yield Finding(
            "factor",
            f"{case.d} is wrong by the constant factor {shown}.",
            f"{case.d} is {c:.9g} times the numerical derivative everywhere",
        )


def _named(text: str, case: Case, c: float) -> Finding:
    d, evidence = case.d, f"{case.d} is {c:.6g} times the numerical derivative everywhere"
    if text == "sign":
        return Finding("sign", f"{d} has the wrong sign.", evidence)
    if text == "averaged":
        name = d.removeprefix("d")
        said = f"{d} is averaged over the rows. All of them share {name}: their gradients add up."
        return Finding("bias_averaged", said, evidence)
    mean = "the loss is a mean, so its gradient has the same 1/N, once"
    rest = mean if case.subject.is_loss else "the 1/N belongs to the loss, which applies it once"
    if text.startswith("missing"):
        return Finding("missing_mean", f"{d} lacks a 1/N (N = {c:.0f}): {mean}.", evidence)
    return Finding("doubled_mean", f"{d} has a 1/N too many (N = {1 / c:.0f}): {rest}.", evidence)


def transposed(case: Case) -> Iterator[Finding]:
    """Try the right gradient transposed, and a product with a matrix turned round."""
    right = case.right
    if right.ndim != 2:
        return
    # Where some elements were left out: a symmetric choice of them knows its transpose.
    is_square = right.shape[0] == right.shape[1] > 1 and bool((case.known == case.known.T).all())
    if is_square and case.predicts(right.T):
        evidence = f"{case.d} is the transpose of the numerical derivative"
        yield Finding("transpose", f"{TRANSPOSE}, in {case.d}.", evidence)
    whole = bool(case.known.all())
    if min(right.shape) > 1 and whole and case.predicts(right.T.reshape(right.shape)):
        yield Finding(
            "transpose",
            f"{case.d} is reshaped where it should be transposed: reshape keeps the order of the "
            "elements in memory, .T does not.",
            f"{case.d} is the transposed derivative, read row by row into the other shape",
        )
    for name, W in case.subject.arrays.items():
        fits = W.ndim == 2 and case.dy.ndim == 2 and case.dy.shape[1] == W.shape[0]
        if fits and name != case.label and case.is_data and case.predicts(case.dy @ W):
            evidence = f"{case.d} equals dy @ {name}, which dy @ {name}.T is confused with"
            yield Finding("transpose", f"{TRANSPOSE}, in {case.d}.", evidence)


def operands(case: Case) -> Iterator[Finding]:
    """Try products in which the output stands for the input, and wrong sums for a bias."""
    x, y, dy = next(iter(case.subject.inputs.values())), case.y, case.dy
    if case.is_data or x.ndim != 2 or y.ndim != 2:
        return
    d = case.d
    if case.a.ndim == 2 and case.predicts(y.T @ dy):
        yield Finding(
            "output_for_input",
            f"{d} uses the output y where the input x belongs.",
            f"{d} equals y.T @ dy; it should be x.T @ dy",
        )
    if case.a.ndim != 1:
        return
    if any(case.predicts(row) for row in dy):
        yield Finding("bias_not_summed", f"{UNSUMMED}.", f"{d} equals one row of dy")
    for wrong, name in ((dy.sum(), "dy.sum()"), (dy.sum(axis=1), "dy.sum(axis=1)")):
        if case.a.size > 1 and case.predicts(
            np.broadcast_to(wrong, case.a.shape).copy()
            if (wrong.shape in ((), case.a.shape))
            else np.zeros(0)
        ):
            yield Finding("bias_axis", f"{d} sums over too much. {UNSUMMED}.", f"{d} is {name}")


def paths(case: Case) -> Iterator[Finding]:
    """Try one of several ways from an input to the output, where backward goes only that one."""
    x, y, dy, d = case.a, case.y, case.dy, case.d
    if not case.is_data or x.shape != y.shape or case.is_elementwise:
        return
    if case.predicts(case.right - dy):
        yield Finding(
            "path",
            f"{d} lacks the path on which x is passed on unchanged (y = x + ...): add dy.",
            f"{d} is the numerical derivative minus dy",
        )
    if case.predicts(dy):
        yield Finding(
            "path",
            f"{d} passes dy on as it is: the gradient of all that forward does is missing.",
            f"{d} equals dy",
        )
    for axis in range(x.ndim):
        slope = _affine(x, y, axis)
        if slope is not None and case.predicts(dy * slope):
            yield Finding(
                "path",
                f"{d} treats the mean and the scale as constants, but they depend on x: the "
                "gradient of these paths is missing.",
                f"along axis {axis} y is a straight line in x, and {d} is dy times its slope",
            )
    if x.size <= SECOND and case.predicts(dy * _diagonal(case)):
        yield Finding(
            "path",
            f"{d} uses only how each output depends on its own input, but it depends on others "
            "too: the gradient of these paths is missing.",
            f"{d} is dy times the diagonal of the Jacobian",
        )


def _affine(x: Array, y: Array, axis: int) -> Array | None:
    """Return the slope of y in x along an axis where they lie on straight lines, else None."""
    if x.shape[axis] < 3:
        return None
    mx, my = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
    square = (mx * mx).sum(axis, keepdims=True)
    slope: Array = (mx * my).sum(axis, keepdims=True) / np.where(square > 0, square, 1)
    return slope if np.allclose(my, slope * mx, rtol=1e-9, atol=1e-9) else None


def _diagonal(case: Case) -> Array:
    """Return dy_i/dx_i of each element."""
    x, diagonal = case.a, np.zeros(case.a.shape)
    for i in np.ndindex(*x.shape):
        unit = np.zeros(x.shape)
        unit[i] = 1.0
        d = difference(case.subject.output, case.y, unit, x, unit, 1e-4, 0 * unit)
        diagonal[i] = d.value if d else 0.0
    return diagonal


def region(case: Case) -> Iterator[Finding]:
    """See whether an elementwise gradient is wrong on one side of a threshold only."""
    good = case.known & ~case.wrong & (case.right != 0)
    if not case.is_elementwise or not good.any() or not case.wrong.any():
        return
    x_good, x_wrong = case.a[good], case.a[case.wrong]
    for side, low, high in (("below", x_wrong, x_good), ("above", x_good, x_wrong)):
        if low.max() < high.min() and min(len(x_good), len(x_wrong)) > 1:
            yield Finding(
                "region",
                f"{case.d} is wrong only where x lies {side} a threshold, between "
                f"{low.max():.2g} and {high.min():.2g}: look at that branch.",
                f"{len(x_wrong)} elements lie {side} it, {len(x_good)} do not and agree",
            )


def parts(case: Case) -> Iterator[Finding]:
    """See whether only some rows or columns are wrong."""
    wrong, right = case.wrong, case.known & ~case.wrong & (case.right != 0)
    for axis, one in enumerate(("row", "column")[: wrong.ndim]):
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        bad: Array = np.asarray(wrong.any(axis=others))
        good = np.asarray(right.any(axis=others)) & ~bad
        if not bad.any() or not good.any():
            continue
        inside = wrong[case.known & np.expand_dims(bad, others)]
        if inside.mean() <= 0.5:
            continue
        one = one if wrong.ndim > 1 else "element"
        yield Finding(
            "rows_or_columns",
            f"{case.d} is wrong in {_which(one, np.flatnonzero(bad), len(bad))} only: look for an "
            "index, a slice or a loop that leaves something out.",
            f"{int(good.sum())} of {len(bad)} {one}s were compared and agree",
        )


def _which(one: str, bad: Array, n: int) -> str:
    places = [int(i) for i in bad]
    if len(places) == 1:
        special = {0: f"the first {one}", n - 1: f"the last {one}"}
        return special.get(places[0], f"{one} {places[0]}")
    if n > 3 and places in (list(range(0, n, 2)), list(range(1, n, 2))):
        return f"every second {one}, from {one} {places[0]} on,"
    more = f" and {len(places) - 6} more" if len(places) > 6 else ""
    return f"{one}s {', '.join(map(str, places[:6]))}{more}"


def _unknown(case: Case, second: Case | None) -> Finding:
    telling = case.known & (np.abs(case.right) > 1e-3 * np.abs(case.right).max())
    ratio = (case.analytic / np.where(telling, case.right, 1.0))[telling]
    share = float(case.wrong[case.known].mean())
    evidence = f"{share:.0%} of the elements disagree"
    if ratio.size:
        low, middle, high = np.quantile(ratio, [0, 0.5, 1])
        evidence += f"; {case.d} / numerical runs from {low:.3g} to {high:.3g}, median {middle:.3g}"
    if second and second.known.all() and not second.wrong.any():
        evidence += f"; with other numbers (N = {second.rows}) it is right"
    return Finding(
        "unknown",
        f"{case.d} is wrong in a way that none of the known mistakes explains.",
        evidence,
    )
