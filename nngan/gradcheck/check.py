"""`check_gradients`: structure first, then one random direction, then element by element."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..backend import Array
from .diagnosis import Case, diagnose
from .numerical import DOUBLE, SINGLE, Gradient, Precision, along, elementwise
from .report import ArrayResult, Finding, Report
from .structure import broken, manners, wrong_shapes
from .subject import Broken, Subject, make_subject

MOST = 4000  # elements of one array that are compared one by one, unless thorough
FLOOR = 1e-4  # an element this much smaller than the largest is measured against the largest
TINY = 1e-30  # the imaginary step; any will do, because nothing is subtracted
EXACT = 1e-11  # what the complex step, which is exact to rounding, must agree to


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
          ``dp`` (``W`` and ``dW``);
        - a loss or a penalty, ``f(*inputs) -> (loss, gradient of the first input, ...)``;
        - a pair of functions ``(forward, backward)``.

        It is copied, never changed.
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
        When `target` is none of the above.

    Examples
    --------
    >>> import numpy as np, nngan as nn
    >>> nn.check_gradients(nn.Tanh(), np.array([[0.5, -1.0]])).ok
    True

    References
    ----------
    Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 2018, section 2.1
    (numerical differentiation); Squire and Trapp, "Using complex variables to estimate derivatives
    of real functions", SIAM Review 1998 (the complex step).
    """
    rng = np.random.default_rng(seed)
    name = getattr(target, "__name__", type(target).__name__)
    y: Array | None = None
    try:
        subject = make_subject(target, inputs)
    except Broken as error:
        return Report(name, [], [broken(error, Subject(name, {}))], "")
    try:
        y, cache = subject.forward()
        precision = _precision(subject, y, rng)
        dy = np.ones(()) if subject.is_loss else _upstream(y, rng)
        gradients = subject.backward(dy, cache)
        findings = wrong_shapes(subject, y, gradients)
        if findings:
            return Report(subject.name, [], findings, precision.reason)
        findings = manners(subject, dy, rng, accumulate)
        if any(f.kind in ("not_repeatable", "writes_input") for f in findings):
            return Report(subject.name, [], findings, precision.reason)
        if precision is SINGLE:
            findings.append(
                Finding("float32", "float32 precision, not a mistake.", SINGLE.reason, False)
            )
        _, cache = subject.forward()
        gradients = subject.backward(dy, cache)
        arrays = []
        for label, a in subject.arrays.items():
            result, numerical = _compare(subject, label, dy, gradients[label], precision, thorough)
            arrays.append(result)
            if result.kinks:
                findings.append(_kink(result))
            if not result.ok and numerical is not None:
                case = Case(subject, label, a, gradients[label], numerical, result.wrong, y, dy)
                findings += diagnose(case, [f.kind for f in findings])
    except Broken as error:
        return Report(subject.name, [], [broken(error, subject, y)], "")
    return Report(subject.name, arrays, findings, precision.reason)


def assert_gradients(target: Any, *inputs: Any, **options: Any) -> None:
    """Raise AssertionError with the report unless `check_gradients` finds everything right.

    Parameters are those of `check_gradients`.
    """
    report = check_gradients(target, *inputs, **options)
    if not report.ok:
        raise AssertionError(str(report))


def _upstream(y: Array, rng: np.random.Generator) -> Array:
    """Draw dy: never all ones, and no element so small that it could hide a mistake."""
    upstream: Array = rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape)
    return upstream


def _precision(subject: Subject, y: Array, rng: np.random.Generator) -> Precision:
    """Find out whether forward computes in float32, openly or inside."""
    if y.dtype == np.float32:
        return SINGLE
    moved = [a + rng.uniform(-0.1, 0.1, a.shape) for a in subject.inputs.values()]
    try:
        out = np.asarray(subject.forward(moved)[0], np.float64)
    except Broken:
        return DOUBLE
    telling = out[(out != 0) & (out != np.rint(out))]
    if telling.size and np.array_equal(telling, telling.astype(np.float32)):
        return SINGLE
    return DOUBLE


def _compare(
    subject: Subject,
    label: str,
    dy: Array,
    gradient: Array,
    precision: Precision,
    thorough: bool,
) -> tuple[ArrayResult, Gradient | None]:
    """Compare the gradient of one array; elements only where a random direction disagrees."""
    a = subject.arrays[label]
    rng = np.random.default_rng(a.size)

    def loss() -> float:
        return float((dy * np.asarray(subject.forward()[0], np.float64)).sum())

    if not thorough:
        direction = _upstream(a, rng)
        numerical = along(loss, a, direction, precision.step)
        analytic = float((gradient * direction).sum())
        size = float(np.abs(gradient).max(initial=0.0)) * math.sqrt(a.size)
        size = max(abs(analytic), abs(numerical), size, TINY)
        # One element in a thousand may be wrong, so a sum has to agree a hundred times better.
        tolerance = precision.tolerance / 100
        tolerance += 8 * precision.eps * abs(loss()) / precision.step / size
        error = abs(analytic - numerical) / size
        exact = _complex(subject, label, dy, direction, numerical)
        off = None if exact is None else abs(analytic - exact) / size
        if error <= tolerance and (off is None or off <= EXACT):
            result = ArrayResult(
                label, a.shape, "projection", error, tolerance, analytic, numerical,
                checked=a.size, complex_error=off,
            )  # fmt: skip
            return result, None
    coordinates = np.arange(a.size)
    if a.size > MOST and not thorough:
        coordinates = np.sort(rng.choice(a.size, MOST, replace=False))
    g = elementwise(loss, a, precision, coordinates)
    return _worst(label, gradient, g, precision, len(coordinates)), g


def _worst(
    label: str, gradient: Array, g: Gradient, precision: Precision, checked: int
) -> ArrayResult:
    """Find the element that disagrees most."""
    known = ~np.isnan(g.value) & ~g.kink
    value = np.where(known, g.value, 0.0)
    largest = max(np.abs(value).max(initial=0.0), np.abs(gradient[known]).max(initial=0.0))
    size = np.maximum(np.maximum(np.abs(value), np.abs(gradient)), FLOOR * largest + TINY)
    error = np.where(known, np.abs(gradient - value), 0.0) / size
    tolerance = precision.tolerance + g.noise / size
    index = tuple(map(int, np.unravel_index(int((error / tolerance).argmax()), error.shape)))
    return ArrayResult(
        label, gradient.shape, "elements", float(error[index]), float(tolerance[index]),
        float(gradient[index]), float(value[index]), index, int(g.kink.sum()), checked,
        wrong=error > tolerance,
    )  # fmt: skip


def _complex(
    subject: Subject, label: str, dy: Array, direction: Array, numerical: float
) -> float | None:
    """Return the derivative by the complex step, where forward is analytic in code; else None.

    For an analytic f, f(x + ih) = f(x) + ih f'(x) + O(h**2): the imaginary part over h is the
    derivative, and with h = 1e-30 exact to rounding.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            twin = subject.to_complex()
            twin.arrays[label][...] += 1j * TINY * direction
            y, _ = twin.forward()
        except Exception:  # a forward that cannot take complex numbers is no mistake
            return None
    if y.dtype.kind != "c":
        return None
    derivative = float((dy * y.imag).sum() / TINY)
    # |x| and comparisons are not analytic: then this is no derivative, and says so by its value.
    return derivative if abs(derivative - numerical) <= 1e-6 * (1 + abs(numerical)) else None


def _kink(result: ArrayResult) -> Finding:
    return Finding(
        "kink",
        f"{result.kinks} of {result.checked} coordinates of {result.name} lie on a kink, where "
        "there is no derivative: left out.",
        "the differences from the left and from the right do not approach each other",
        False,
    )
