"""Numerical derivatives, with which backpropagation is compared.

With L = sum(dy * f(a)), the central difference D(h) = (L(a + h) - L(a - h)) / 2h has an error of
order h**2. Two of them combine to (4 D(h/2) - D(h)) / 3, whose error is of order h**4 (Richardson).
With h = 1e-4 that is about 1e-16 times the size of the function; the rest of the error is rounding,
1e-16 / h = 1e-12.

The complex step subtracts nothing. For an analytic f, f(a + ih) = f(a) + ih f'(a) + O(h**2), so the
imaginary part over h is the derivative, exact to rounding with h = 1e-30.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array

Forward = Callable[[], "Array | None"]
Outputs = Callable[[Array, Array], Iterable["Array | None"]]
STEPS = (-1.0, -0.5, 0.5, 1.0)  # the points of a difference, in units of h
MAX_SHRINKS = 5  # how often the step may become ten times smaller
FLOOR = 1e-4  # an element this much smaller than the largest is measured against the largest
SMOOTH = 1e-6  # where a function is smooth, left and right agree this well
ROUNDING = (
    4e-15  # backward may lose this much where it subtracts numbers of size 1 (sigmoid(x) - 1)
)
TINY = 1e-30  # the imaginary step; any tiny number works, because nothing is subtracted


class Precision(NamedTuple):
    """The step of the differences, and the error that is allowed."""

    step: float  # h for an array of size up to 1; it grows in proportion to larger values
    eps: float  # relative spacing of the floats in which forward computes
    tolerance: float  # largest relative error that passes; rounding in the differences is added
    reason: str  # the source of the tolerance


DOUBLE = Precision(1e-4, 2.2e-16, 2e-8, "finite differences in float64 are accurate to about 1e-9")
ROUNDED = Precision(1e-4, 2.2e-16, 1e-5, "backward computes in float32, which rounds to about 1e-7")
SINGLE = Precision(
    2e-2, 1.2e-7, 5e-3, "forward computes in float32: finite differences are accurate to about 1e-4"
)


class Gradient(NamedTuple):
    """A numerical gradient, element by element."""

    value: Array  # dL/da, NaN where it was not computed
    noise: Array  # bound on its error
    kink: Array  # True where the derivatives from the left and from the right differ


class Difference(NamedTuple):
    """One derivative, from two steps to the left and two to the right."""

    value: float
    gap: float  # |2 (right - left) - (far right - far left)|: near 0 if smooth, not at a kink
    spread: float  # distance between the estimates with h and h/2
    noise: float  # bound on the effect of rounding

    @property
    def doubt(self) -> float:
        """Bound on the error of the derivative."""
        return self.gap + self.spread + self.noise


def rounding(forward: Forward, y: Array, arrays: Iterable[Array], eps: float) -> Array:
    """Return a bound on the rounding error of each element of the output.

    That is eps |y|, and at least eps for a loss. It is more where large numbers cancel inside: then
    the output jitters from point to point. Third differences over tiny steps show only the jitter.

    References
    ----------
    More and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 2011.
    """
    rng, outputs = np.random.default_rng(0), []
    kept = [(a, a.copy(), rng.uniform(0.5, 1.5, a.shape)) for a in arrays]
    for i in range(1, 7):  # to one side of a kink
        for a, start, direction in kept:
            size = float(np.sqrt((start**2).mean())) if start.any() else 1.0
            a[...] = start + i * 1e-9 * size * direction
        outputs.append(forward())
    for a, start, _ in kept:
        a[...] = start
    # A loss of 1e-10 is the logarithm of a number near 1, which was rounded to 1e-16.
    jitter: Array = eps * np.maximum(np.abs(y), 1.0 if np.ndim(y) == 0 else 0.0)
    valid = [other for other in outputs if other is not None and other.shape == np.shape(y)]
    if len(valid) == len(outputs):
        jitter = np.maximum(jitter, np.abs(np.diff(valid, 3, axis=0)).max(axis=0) / 4)
    return jitter


def difference(
    forward: Forward, y: Array, dy: Array, a: Array, direction: Array, h: float, jitter: Array
) -> Difference | None:
    """Differentiate sum(dy * forward()) as the array `a` moves along `direction`.

    `forward` reads `a`, which is moved in place by steps of h and put back, and returns the output,
    or None if it has none. `y` is the output at `a`, `dy` its upstream gradient and `jitter` its
    rounding error. The result is None if the function is not defined on both sides.
    """
    kept, outputs = a.copy(), []
    for step in STEPS:
        a[...] = kept + step * h * direction
        outputs.append(forward())
        a[...] = kept
    return from_outputs(outputs, y, dy, h, jitter)


def from_outputs(
    outputs: Sequence[Array | None], y: Array, dy: Array, h: float, jitter: Array
) -> Difference | None:
    """Return the difference from the outputs at `STEPS` times `h`; see `difference`."""
    slopes, moved = [], np.zeros(np.shape(y), bool)
    for step, output in zip(STEPS, outputs, strict=True):
        if output is None or output.shape != np.shape(y):
            return None
        # Outputs are subtracted before they are summed: those that do not move add no rounding.
        move = output - y
        moved |= move != 0
        slopes.append(float((dy * move).sum()) / (step * h))
    far_left, left, right, far_right = slopes
    # An output that did not move may have moved by less than its last digit.
    size = np.abs(dy) * jitter * np.where(moved, 8.0, 0.5)
    noise = float(size.sum()) / h + ROUNDING * float(np.abs(dy).max())
    fine, coarse = (left + right) / 2, (far_left + far_right) / 2
    gap = abs(2 * (right - left) - (far_right - far_left))
    return Difference((4 * fine - coarse) / 3, gap, abs(fine - coarse), noise)


def numerical_gradient(
    forward: Forward,
    y: Array,
    dy: Array,
    a: Array,
    precision: Precision,
    jitter: Array,
    coordinates: Array,
    outputs: Outputs,
) -> Gradient:
    """Return dL/da at the given coordinates, one by one, and recognise kinks.

    Where left and right disagree, the step shrinks. That excludes a kink nearby, and a function
    that is rough only at a coarse scale. If the gap between left and right is the same at every
    step, the coordinate is at a kink. `coordinates` are flat indices. `outputs(coordinates, moves)`
    returns the output for each element of `a` that moves alone; the other arguments are those of
    `difference`.
    """
    unit = np.zeros(a.shape)

    def attempt(i: int, h: float) -> Difference | None:
        unit.flat[i] = 1.0
        result = difference(forward, y, dy, a, unit, h, jitter)
        unit.flat[i] = 0.0
        return result

    steps = [precision.step * max(1.0, abs(a.flat[i])) for i in coordinates]
    moves = np.outer(steps, STEPS).ravel()
    four = zip(
        *[iter(outputs(np.repeat(coordinates, len(STEPS)), moves))] * len(STEPS), strict=True
    )
    first = [from_outputs(at, y, dy, h, jitter) for at, h in zip(four, steps, strict=True)]
    scale = max((abs(d.value) for d in first if d), default=0.0)
    values, noises = np.full(a.shape, np.nan), np.zeros(a.shape)
    kinks = np.zeros(a.shape, bool)

    def smooth(d: Difference) -> bool:
        limit = SMOOTH * max(abs(d.value), 10 * FLOOR * scale)
        return d.gap + d.spread <= limit + 2 * d.noise

    for i, h, begin in zip(coordinates, steps, first, strict=True):
        now = best = begin
        kink = begin is None
        for _ in range(MAX_SHRINKS):
            # If rounding is the larger part of the doubt, a smaller step makes it worse.
            if best and (smooth(best) or best.noise > best.gap + best.spread):
                kink = False
                break
            h /= 10
            before, now = now, attempt(i, h)
            if now is None:
                continue
            kink = before is not None and now.gap > max(before.gap / 2, 10 * now.noise)
            if best is None or now.doubt < best.doubt:
                best = now
        kinks.flat[i] = kink
        if best:
            values.flat[i] = best.value
            # Richardson removes most of the distance between the two estimates.
            noises.flat[i] = best.noise + best.gap + best.spread * (1e-3 if smooth(best) else 1)
    return Gradient(values, noises, kinks)


class ComplexStep(np.ndarray[Any, Any]):
    """A complex array for the complex step: |x| is x or -x, by the sign of the real part.

    NumPy's own |z| is a length and loses the direction. Comparisons, maximum and minimum already
    compare the real part first.
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [_plain(a) for a in inputs]
        if "out" in options:
            options["out"] = tuple(_plain(a) for a in options["out"])
        if ufunc in (np.absolute, np.fabs) and method == "__call__":
            ufunc, plain = np.multiply, [plain[0], np.where(plain[0].real < 0, -1.0, 1.0)]
        return _wrapped(getattr(ufunc, method)(*plain, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _wrapped(super().__array_function__(function, types, args, kwargs))


def _plain(a: Any) -> Any:
    return a.view(np.ndarray) if isinstance(a, ComplexStep) else a


def _wrapped(result: Any) -> Any:
    if isinstance(result, np.complexfloating):
        result = np.asarray(result)
    is_complex = isinstance(result, np.ndarray) and result.dtype.kind == "c"
    return result.view(ComplexStep) if is_complex else result
