"""Compare the gradient of one array with finite differences and with the complex step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from ..backend import Array
from .numerical import (
    DOUBLE,
    FLOOR,
    MAX_SHRINKS,
    ROUNDING,
    SINGLE,
    TINY,
    Difference,
    Gradient,
    Precision,
    difference,
    numerical_gradient,
    rounding,
)
from .report import ArrayResult, gradient_name
from .subject import Broken, Subject

WIDE = 0.1  # a tolerance above this passes a gradient that is wrong by ten per cent
ZERO = 1e-6  # a derivative this much smaller than its natural size is rounding of a zero
SUBNORMAL = 1e-300  # floats below about this size have fewer digits
EXACT = 1e-11  # the largest error against the complex step, which is exact to rounding


@dataclass
class Comparison:
    """One array of a subject, its gradient by backward, and ways to check it."""

    subject: Subject
    label: str  # name of the array
    analytic: Array  # its gradient by backward
    y: Array  # output
    dy: Array  # upstream gradient
    precision: Precision
    jitter: Array  # rounding error of the output
    seed: int = field(default=0, kw_only=True)  # of the direction

    @property
    def a(self) -> Array:
        """The array itself."""
        return self.subject.arrays[self.label]

    @property
    def d(self) -> str:
        """The name of its gradient."""
        return gradient_name(self.label)

    @cached_property
    def direction(self) -> Array:
        """A random direction to move the array along."""
        return random_upstream(self.a, np.random.default_rng([self.a.size, self.seed]))

    @property
    def natural(self) -> float:
        """The size that a derivative of this output has, if it is not zero."""
        terms = float(np.abs(self.dy * self.y).sum())
        return terms / max(float(np.abs(self.a).max(initial=0.0)), TINY) if self.a.any() else terms

    def void(self, analytic: Array | float, numerical: Array | float) -> str:
        """Return why a wide tolerance compares nothing: both are "zero", or it is only "wide"."""
        largest = max(np.abs(analytic).max(initial=0.0), np.abs(numerical).max(initial=0.0))
        return "zero" if largest == 0 or largest <= ZERO * self.natural else "wide"

    def difference(self, direction: Array, h: float) -> Difference | None:
        """Differentiate along `direction`, with the step h."""
        return difference(self.subject.output, self.y, self.dy, self.a, direction, h, self.jitter)

    def numerical_gradient(self, coordinates: Array) -> Gradient:
        """Differentiate at the given flat indices, one by one."""
        return numerical_gradient(
            self.subject.output,
            self.y,
            self.dy,
            self.a,
            self.precision,
            self.jitter,
            coordinates,
            partial(self.subject.outputs, self.label),
        )

    def project(self) -> ArrayResult:
        """Compare along one random direction, with smaller steps in case a kink is near."""
        a, direction = self.a, self.direction
        analytic = float((self.analytic * direction).sum())
        largest = float(np.abs(self.analytic).max(initial=0.0)) * math.sqrt(a.size)
        # One element in a thousand may be wrong, so the sum must agree better than each element.
        tolerance = self.precision.tolerance / 20
        h = self.precision.step * max(1.0, float(np.sqrt((a**2).mean())) if a.size else 1.0)
        best = ArrayResult(self.label, a.shape, "projection", 1.0, tolerance, analytic, math.nan)
        before = 0.0
        for _ in range(MAX_SHRINKS):
            d = self.difference(direction, h)
            h /= 10
            if d is None:
                continue
            size = max(abs(analytic), abs(d.value), largest, TINY)
            allowed = tolerance + d.noise / size
            error = abs(analytic - d.value) / size
            if math.isnan(best.numerical) or error / allowed < best.error / best.tolerance:
                best = replace(
                    best, error=error, tolerance=allowed, numerical=d.value, checked=a.size
                )
            # A smaller step crosses fewer kinks; the error of a mistake stays the same.
            if error <= allowed or abs(error - before) < 0.1 * before + 2 * d.noise / size:
                break
            before = error
        if best.error <= best.tolerance and best.tolerance > WIDE:
            # Rounding alone does not make so many digits equal.
            apart = abs(analytic - best.numerical)
            if 0 < abs(analytic) >= apart / self.precision.tolerance:
                return replace(best, tolerance=self.precision.tolerance)
            size = math.sqrt(max(a.size, 1))
            best = replace(best, void=self.void(analytic / size, best.numerical / size))
        if self.precision is DOUBLE and not math.isnan(best.numerical) and not best.void:
            best = self._with_complex_step(best, largest)
        return best

    def _with_complex_step(self, result: ArrayResult, largest: float) -> ArrayResult:
        """Add the error against the complex step, if it applies."""
        exact, analytic, numerical = self._complex_step(), result.analytic, result.numerical
        size = max(abs(analytic), abs(numerical), largest, TINY)
        if exact is None or abs(exact - numerical) > max(1e-6, 2 * result.tolerance) * size:
            return result  # forward is not analytic, so the complex step gives no derivative
        terms = np.abs(self.dy * self.y).sum() / max(1.0, np.abs(self.a).max(initial=0.0))
        terms += np.abs(self.dy).max()
        return replace(
            result,
            complex_error=abs(analytic - exact) / size,
            complex_tolerance=EXACT + 20 * ROUNDING * float(terms) / size,
        )

    def _complex_step(self) -> float | None:
        """Return the derivative by the complex step, if forward accepts complex numbers."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                twin = self.subject.to_complex()
                twin.arrays[self.label][...] += 1j * TINY * self.direction
                y, _ = twin.forward()
            except Exception:  # forward need not accept complex numbers
                return None
        return float((self.dy * y.imag).sum() / TINY) if y.dtype.kind == "c" else None

    def suspects(self, axis: int) -> list[int]:
        """Return the rows or columns of a matrix, the largest disagreement first."""
        mistakes = []
        for i in range(self.a.shape[axis]):
            one = np.zeros(self.a.shape)
            at = (i, slice(None)) if axis == 0 else (slice(None), i)
            one[at] = self.direction[at]
            d = self.difference(one, DOUBLE.step / 10)
            mistakes.append(abs(float((self.analytic * one).sum()) - d.value) if d else math.inf)
        return [int(i) for i in np.argsort(mistakes)[::-1]]


def precision_of(subject: Subject, y: Array, rng: np.random.Generator) -> Precision:
    """Find out whether forward computes in float32, openly or internally."""
    if y.dtype == np.float32:
        return SINGLE
    try:
        moved = [a + rng.uniform(-0.1, 0.1, a.shape) for a in subject.inputs.values()]
        return SINGLE if is_float32(subject.forward(moved)[0]) else DOUBLE
    except Broken:
        return DOUBLE


def agrees_together(
    subject: Subject,
    dy: Array,
    precision: Precision,
    rng: np.random.Generator,
    move_zeros: bool = False,
    ignored: float = 0.0,
) -> bool:
    """Compare all arrays at once, each moved along a random direction.

    Unless `move_zeros`, an element that is exactly 0 stays there, because a kink is often at 0. The
    answer is True as well where rounding makes the comparison void, or where the error is at most
    `ignored` times the output.
    """
    y, gradients = subject.passes(dy)
    moves = []
    for a in subject.arrays.values():
        size = max(1.0, float(np.sqrt((a**2).mean())) if a.size else 1.0)
        moves.append((a, a.copy(), size * random_upstream(a, rng) * (move_zeros | (a != 0))))
    parts = [g * d[2] for g, d in zip(gradients.values(), moves, strict=True)]
    analytic = float(sum(p.sum() for p in parts))
    norm = math.sqrt(sum(float((p**2).sum()) for p in parts))
    jitter = rounding(subject.output, y, subject.arrays.values(), precision.eps)
    t = np.zeros(())

    def output() -> Array | None:
        for a, start, direction in moves:
            a[...] = start + t * direction
        return subject.output()

    h, before, agrees = precision.step, 0.0, True
    ignored *= float(np.abs(dy * y).sum())
    for _ in range(MAX_SHRINKS):
        d = difference(output, y, dy, t, np.ones(()), h, jitter)
        h /= 10
        if d is None:
            continue
        size = max(abs(analytic), abs(d.value), norm, TINY)
        error, noise = abs(analytic - d.value) / size, d.noise / size
        agrees = error <= precision.tolerance / 20 + noise or error * size <= ignored
        if agrees or abs(error - before) < 0.1 * before + 2 * noise:
            break
        before = error
    for a, start, _ in moves:
        a[...] = start
    return agrees


def is_float32(a: Array) -> bool:
    """Whether float32 holds every element exactly; those with few digits (0.5, 3) do not count."""
    few = np.ldexp(np.frexp(a)[0], 12)
    telling = a[few != np.rint(few)]
    with np.errstate(over="ignore"):
        return bool(telling.size and np.array_equal(telling, telling.astype(np.float32)))


def disagreement(analytic: Array, numerical: Gradient, precision: Precision) -> tuple[Array, Array]:
    """Return the relative error of each element, and the limit for it."""
    known = ~np.isnan(numerical.value) & ~numerical.kink
    value = np.where(known, numerical.value, 0.0)
    largest = max(np.abs(value).max(initial=0.0), np.abs(analytic).max(initial=0.0, where=known))
    size = np.maximum(np.maximum(np.abs(value), np.abs(analytic)), FLOOR * largest + TINY)
    error = np.where(known, np.abs(analytic - value), 0.0) / size
    return error, precision.tolerance + numerical.noise / size


def random_upstream(y: Array, rng: np.random.Generator) -> Array:
    """Draw dy: not all ones, and no element so small that it hides a mistake."""
    return np.asarray(rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape))


def sample(
    shape: tuple[int, ...],
    most: int,
    rng: np.random.Generator,
    first: Sequence[Sequence[int]] = ((), ()),
) -> Array:
    """Choose at most `most` flat indices of an array.

    In a matrix they form some rows and columns, among them the first, the last and those in
    `first`. In a square matrix rows and columns are the same, so that its transpose is known too.
    """
    size = math.prod(shape)
    if size <= most:
        return np.arange(size)
    if len(shape) != 2:
        return np.sort(rng.choice(size, most, replace=False))
    n, m = shape
    height = min(n, max(math.isqrt(most), most // m))
    rows = _some(n, height, rng, first[0] if n != m else [*first[0][:9], *first[1][:9]])
    columns = _some(m, most // height, rng, first[1]) if n != m else rows
    return (rows[:, None] * m + columns).ravel()


def _some(n: int, k: int, rng: np.random.Generator, first: Sequence[int]) -> Array:
    order = dict.fromkeys([*first[: k // 2], 0, n - 1, *map(int, rng.permutation(n))])
    return np.sort(list(order)[:k])
