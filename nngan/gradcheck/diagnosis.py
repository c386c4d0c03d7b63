"""What a mismatch means: hypotheses, each tried against the numbers.

A wrong gradient is seldom random: it is the right one times a constant, transposed, taken at the
output in place of the input, summed over too little. Each hypothesis predicts all elements from
one idea; the first that predicts them to five digits is the diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..backend import Array
from .numerical import Gradient
from .report import Finding
from .structure import TRANSPOSE, UNSUMMED
from .subject import Subject

CLOSE = 1e-5


@dataclass
class Case:
    """One array whose gradient is wrong, and all that can tell why.

    Attributes
    ----------
    subject : Subject
    label : str
        Name of the array.
    a : array
        The array itself.
    analytic : array
        What backward says.
    numerical : Gradient
        What the differences say.
    wrong : bool array
        Where they disagree.
    y, dy : array
        Output and upstream gradient.
    """

    subject: Subject
    label: str
    a: Array
    analytic: Array
    numerical: Gradient
    wrong: Array | None
    y: Array
    dy: Array

    def __post_init__(self) -> None:
        self.known = ~np.isnan(self.numerical.value) & ~self.numerical.kink
        self.right = np.where(self.known, self.numerical.value, 0.0)

    def predicts(self, prediction: Array) -> bool:
        """Whether `prediction` is what backward says, wherever the derivative is known."""
        if prediction.shape != self.analytic.shape:
            return False
        scale = np.abs(self.analytic[self.known]).max(initial=0.0)
        difference = np.abs(prediction - self.analytic)[self.known].max(initial=0.0)
        return bool(scale > 0 and difference <= CLOSE * scale)

    @property
    def is_parameter(self) -> bool:
        """Whether the array is a parameter."""
        return self.label in self.subject.parameters


def diagnose(case: Case, already: list[str]) -> list[Finding]:
    """Return the first diagnosis that explains the mismatch."""
    structural = {"ignores_upstream", "accumulates", "stale_cache", "overwrites"}
    for hypothesis in HYPOTHESES:
        finding = next(hypothesis(case), None)
        if finding is not None:
            return [] if finding.kind in already else [finding]
    # What a structural check has found explains it well enough.
    return [] if structural & set(already) else [_unknown(case)]


def _zero(case: Case) -> Iterator[Finding]:
    if not case.analytic.any():
        yield Finding(
            "zero",
            f"d{case.label} is zero everywhere, but the output depends on {case.label}: the "
            "gradient of this path is missing.",
            f"the numerical derivative reaches {np.abs(case.right).max():.3g}",
        )


def _constant(case: Case) -> Iterator[Finding]:
    """Try the right gradient times one number."""
    square = float((case.right**2).sum())
    if square == 0:
        return
    c = float((np.where(case.known, case.analytic, 0) * case.right).sum()) / square
    if not case.predicts(c * case.right):
        return
    d, evidence = f"d{case.label}", f"backward is {c:.6g} times the numerical derivative everywhere"
    size, n = float(case.a.size if case.subject.is_loss else case.dy.size), float(len(case.a))
    n = n if case.subject.is_loss or not case.is_parameter else float(case.y.shape[0])
    width = float(case.y.shape[-1]) if case.y.ndim else 1.0
    if _near(c, -1):
        yield Finding("sign", f"{d} has the wrong sign.", evidence)
    elif case.is_parameter and case.a.ndim == 1 and n > 1 and _near(c, 1 / n):
        yield Finding("bias_averaged", f"{d} is averaged over the rows: {UNSUMMED}.", evidence)
    elif case.subject.is_loss and size > 1 and (_near(c, size) or _near(c, n)):
        text = f"{d} lacks 1/N (N = {c:.0f}): the loss is a mean, so its gradient has the same 1/N."
        yield Finding("missing_mean", text, evidence)
    elif case.subject.is_loss and size > 1 and (_near(c, 1 / size) or _near(c, 1 / n)):
        text = (
            f"{d} has 1/N twice (N = {1 / c:.0f}): the loss is a mean, its gradient needs it once."
        )
        yield Finding("doubled_mean", text, evidence)
    elif n > 1 and (_near(c, 1 / n) or _near(c, 1 / (n * width))):
        text = f"{d} is divided by N = {1 / c:.0f}: the 1/N belongs to the loss, which applied it."
        yield Finding("doubled_mean", text, evidence)
    elif n > 2 and (_near(c, n) or _near(c, n * width)):
        yield Finding(
            "missing_mean", f"{d} is too large by N = {c:.0f}: a 1/N is missing.", evidence
        )
    else:
        yield Finding("factor", f"{d} is wrong by the constant factor {c:.6g}.", evidence)


def _transposed(case: Case) -> Iterator[Finding]:
    """Try the right gradient, transposed, and a product with a square matrix, turned round."""
    if case.a.ndim == 2 and case.a.shape[0] == case.a.shape[1] and case.predicts(case.right.T):
        evidence = f"d{case.label} is the transpose of the numerical derivative"
        yield Finding("transpose", f"{TRANSPOSE}, in d{case.label}.", evidence)
    for name, W in case.subject.parameters.items():
        fits = W.ndim == 2 and case.dy.ndim == 2 and case.dy.shape[1] == W.shape[0]
        if fits and case.predicts(case.dy @ W):
            evidence = f"d{case.label} equals dy @ {name}; it should be dy @ {name}.T"
            yield Finding("transpose", f"{TRANSPOSE}, in d{case.label}.", evidence)


def _wrong_operand(case: Case) -> Iterator[Finding]:
    """Try products in which the output stands for the input, or dy is missing."""
    x = next(iter(case.subject.inputs.values()))
    if not case.is_parameter or x.ndim != 2 or case.y.ndim != 2:
        return
    if case.predicts(case.y.T @ case.dy):
        yield Finding(
            "output_for_input",
            f"d{case.label} uses the output y where the input x belongs.",
            f"d{case.label} equals y.T @ dy; it should be x.T @ dy",
        )
    ones = np.ones_like(case.dy)
    if case.predicts(x.T @ ones) or case.predicts(ones.sum(axis=0)):
        yield Finding(
            "ignores_upstream",
            f"d{case.label} does not depend on dy: by the chain rule the local derivative is "
            "multiplied by dy.",
            f"d{case.label} is what dy = 1 would give",
        )
    if case.a.ndim == 1 and any(case.predicts(row) for row in case.dy):
        evidence = f"d{case.label} equals one row of dy"
        yield Finding("bias_not_summed", f"{UNSUMMED}.", evidence)


# Derivatives of the activations that the library knows, as functions of the input u = x or of the
# output u = y. The slope of LeakyReLU is read off the numbers.
FROM_INPUT: dict[str, Callable[[Array, float], Array]] = {
    "Sigmoid": lambda u, _: _sigmoid(u) * (1 - _sigmoid(u)),
    "Tanh": lambda u, _: 1 - np.tanh(u) ** 2,
    "ReLU": lambda u, _: (u > 0) * 1.0,
    "LeakyReLU": lambda u, slope: np.where(u > 0, 1.0, slope),
}
FROM_OUTPUT: dict[str, Callable[[Array, float], Array]] = {
    "Sigmoid": lambda u, _: u * (1 - u),
    "Tanh": lambda u, _: 1 - u**2,
}


def _elementwise(case: Case) -> Iterator[Finding]:
    """Try activations: backward / dy is a function of the input or of the output."""
    x, y, dy = case.a, case.y, case.dy
    if case.is_parameter or x.shape != y.shape or x.shape != dy.shape:
        return
    if not _is_diagonal(case):
        return
    true, said = case.right / dy, case.analytic / dy
    slopes = np.unique(true[case.known].round(6))
    slope = float(slopes.min()) if len(slopes) <= 2 else 0.2
    if len(slopes) == 2 and case.predicts(dy * (slopes.sum() - true)):
        yield Finding(
            "slope_swapped",
            f"The two slopes are swapped: {slopes[1]:g} where {slopes[0]:g} belongs, and the "
            "reverse.",
            f"backward / dy is {slopes.sum():g} minus the numerical derivative / dy",
        )
    if case.predicts(true):
        yield Finding(
            "ignores_upstream",
            f"d{case.label} does not depend on dy: by the chain rule the local derivative is "
            "multiplied by dy.",
            "backward is the local derivative alone",
        )
    forward = next((n for n, f in FROM_INPUT.items() if _match(f(x, slope), true, case)), None)
    for name, f in FROM_INPUT.items():
        if name == forward and case.predicts(dy * f(y, slope)):
            yield _mix("output_for_input", name, "the output y", "the input x")
    for name, f in FROM_OUTPUT.items():
        if name == forward and case.predicts(dy * f(x, slope)):
            yield _mix("input_for_output", name, "the input x", "the output y")
    for forms, u in ((FROM_INPUT, x), (FROM_OUTPUT, y), (FROM_INPUT, y), (FROM_OUTPUT, x)):
        for name, f in forms.items():
            if name != forward and case.predicts(dy * f(u, slope)):
                yield Finding(
                    "other_activation",
                    f"This is the derivative of {name}"
                    + (f", but forward is {forward}." if forward else ", not of this forward."),
                    f"backward / dy follows {name}'(x) at every element",
                )
    if np.allclose(said[case.known], said[case.known].flat[0]) and case.predicts(dy):
        yield Finding(
            "zero",
            "The derivative of the activation is missing: dy is passed on as it is.",
            "backward / dy is 1 at every element",
        )


def _mix(kind: str, name: str, used: str, belongs: str) -> Finding:
    return Finding(
        kind,
        f"The derivative of {name} is taken at {used} where {belongs} belongs.",
        f"backward / dy equals the formula with {used} put in, at every element",
    )


def _parts(case: Case) -> Iterator[Finding]:
    """See whether only some rows or columns are wrong."""
    wrong = case.wrong
    if wrong is None or wrong.ndim == 0 or not wrong.any():
        return
    for axis, kind in ((0, "rows"), (1, "columns")):
        if wrong.ndim <= axis or wrong.shape[axis] < 2:
            continue
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        bad = wrong.any(axis=others) if others else wrong
        inside = np.compress(bad, wrong, axis=axis)
        if bad.sum() <= wrong.shape[axis] / 2 and inside.mean() > 0.5:
            which = [int(i) for i in np.flatnonzero(bad)]
            kind = kind if wrong.ndim > 1 else "elements"
            yield Finding(
                "rows_or_columns",
                f"Only {kind} {_some(which)} of d{case.label} are wrong: look for an index or a "
                "slice that leaves them out.",
                f"the other {wrong.shape[axis] - len(which)} agree",
            )


def _unknown(case: Case) -> Finding:
    known = case.known & (np.abs(case.right) > 1e-3 * np.abs(case.right).max(initial=0.0))
    ratio = (case.analytic / np.where(known, case.right, 1.0))[known]
    share = 1.0 if case.wrong is None else float(case.wrong[case.known].mean())
    low, middle, high = np.quantile(ratio, [0, 0.5, 1]) if ratio.size else (np.nan,) * 3
    return Finding(
        "unknown",
        f"d{case.label} is wrong in a way that none of the known mistakes explains.",
        f"{share:.0%} of the elements disagree; backward / numerical ranges from {low:.3g} to "
        f"{high:.3g}, median {middle:.3g}",
    )


HYPOTHESES = (_zero, _elementwise, _constant, _transposed, _wrong_operand, _parts)


def _is_diagonal(case: Case) -> bool:
    """Whether each output depends on its own input alone: move one, see what moves."""
    x = case.a
    y, _ = case.subject.forward()
    for i in {0, x.size // 2, x.size - 1}:
        kept = x.flat[i]
        x.flat[i] = kept + 0.5
        moved = np.flatnonzero(case.subject.forward()[0] != y)
        x.flat[i] = kept
        if any(j != i for j in moved):
            return False
    return True


def _match(prediction: Array, true: Array, case: Case) -> bool:
    return bool(np.allclose(prediction[case.known], true[case.known], rtol=CLOSE, atol=CLOSE))


def _near(c: float, target: float) -> bool:
    return abs(c - target) <= 1e-4 * abs(target)


def _some(which: list[int]) -> str:
    return str(which) if len(which) <= 6 else f"{which[:6]} and {len(which) - 6} more"


def _sigmoid(u: Array) -> Array:
    s: Array = 1 / (1 + np.exp(-np.clip(u, -500, 500)))
    return s
