"""Compare the gradient of one array with the differences, and with the complex step."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np

from ..backend import Array
from .case import Case, disagreement, upstream
from .numerical import DOUBLE, ROUNDING, SHRINK, SINGLE, TINY, Precision, difference
from .report import ArrayResult
from .subject import Broken, Subject

EXACT = 1e-11  # what the complex step, which is exact to rounding, must agree to


def passes(subject: Subject, dy: Array) -> tuple[Array, dict[str, Array]]:
    """Return the output, a copy that backward cannot write into, and the gradients."""
    y, cache = subject.forward()
    y = np.array(y, np.float64)
    return y, subject.backward(dy.copy(), cache)


def precision_of(subject: Subject, y: Array, rng: np.random.Generator) -> Precision:
    """Find out whether forward computes in float32, openly or inside."""
    if y.dtype == np.float32:
        return SINGLE
    try:
        moved = [a + rng.uniform(-0.1, 0.1, a.shape) for a in subject.inputs.values()]
        return SINGLE if is_float32(subject.forward(moved)[0]) else DOUBLE
    except Broken:
        return DOUBLE


def is_float32(a: Array) -> bool:
    """Whether float32 can hold every element, those aside that few digits can (0.5, 3)."""
    few = np.ldexp(np.frexp(a)[0], 12)
    telling = a[few != np.rint(few)]
    with np.errstate(over="ignore"):
        return bool(telling.size and np.array_equal(telling, telling.astype(np.float32)))


def along(
    subject: Subject,
    label: str,
    y: Array,
    dy: Array,
    gradient: Array,
    precision: Precision,
    jitter: Array,
) -> ArrayResult:
    """Compare along one random direction, with smaller steps where a kink may be near."""
    a = subject.arrays[label]
    direction = upstream(a, np.random.default_rng(a.size))
    analytic = float((gradient * direction).sum())
    largest = float(np.abs(gradient).max(initial=0.0)) * math.sqrt(a.size)
    # One element in a thousand may be wrong, so a sum has to agree better than each element.
    tolerance = precision.tolerance / 20
    h = precision.step * max(1.0, float(np.sqrt((a**2).mean())) if a.size else 1.0)
    best = ArrayResult(label, a.shape, "projection", 1.0, tolerance, analytic, math.nan)
    before = 0.0
    for _ in range(SHRINK):
        d = difference(subject.output, y, dy, a, direction, h, jitter)
        h /= 10
        if d is None:
            continue
        size = max(abs(analytic), abs(d.value), largest, TINY)
        allowed = tolerance + d.noise / size
        error = abs(analytic - d.value) / size
        if math.isnan(best.numerical) or error / allowed < best.error / best.tolerance:
            best = ArrayResult(
                label, a.shape, "projection", error, allowed, analytic, d.value, checked=a.size
            )
        # Kinks that are crossed are fewer with a smaller step; a mistake stays what it is.
        if error <= allowed or abs(error - before) < 0.1 * before + 2 * d.noise / size:
            break
        before = error
    if precision is not DOUBLE or math.isnan(best.numerical):
        return best
    exact = _complex(subject, label, dy, direction)
    size = max(abs(analytic), abs(best.numerical), largest, TINY)
    if exact is None or abs(exact - best.numerical) > max(1e-6, 2 * best.tolerance) * size:
        return best  # forward is not analytic: the imaginary part is no derivative
    terms = float(np.abs(dy * y).sum() / max(1.0, np.abs(a).max(initial=0.0)) + np.abs(dy).max())
    return replace(
        best,
        complex_error=abs(analytic - exact) / size,
        complex_tolerance=EXACT + 20 * ROUNDING * terms / size,
    )


def suspects(
    subject: Subject, label: str, y: Array, dy: Array, gradient: Array, jitter: Array, axis: int
) -> list[int]:
    """Return the rows or columns of a matrix, those that disagree most first."""
    a = subject.arrays[label]
    direction, mistakes = upstream(a, np.random.default_rng(a.size)), []
    for i in range(a.shape[axis]):
        one = direction * (np.arange(a.shape[axis]) == i).reshape((-1, 1) if axis == 0 else (1, -1))
        d = difference(subject.output, y, dy, a, one, DOUBLE.step / 10, jitter)
        mistakes.append(abs(float((gradient * one).sum()) - d.value) if d else math.inf)
    return [int(i) for i in np.argsort(mistakes)[::-1]]


def worst(case: Case, checked: int, along: ArrayResult) -> ArrayResult:
    """Find the element that disagrees most."""
    gradient, g = case.analytic, case.numerical
    error, tolerance = disagreement(gradient, g, case.precision)
    index = tuple(map(int, np.unravel_index(int((error / tolerance).argmax()), error.shape)))
    return replace(
        along,
        method="elements",
        error=float(error[index]),
        tolerance=float(tolerance[index]),
        analytic=float(gradient[index]),
        numerical=float(g.value[index]),
        index=index,
        kinks=int(g.kink.sum()),
        checked=checked,
        wrong=case.wrong,
    )


def _complex(subject: Subject, label: str, dy: Array, direction: Array) -> float | None:
    """Return the derivative by the complex step, where forward takes complex numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            twin = subject.to_complex()
            twin.arrays[label][...] += 1j * TINY * direction
            y, _ = twin.forward()
        except Exception:  # a forward that cannot take complex numbers is no mistake
            return None
    return float((dy * y.imag).sum() / TINY) if y.dtype.kind == "c" else None
