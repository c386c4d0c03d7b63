"""Numerical derivatives: what backpropagation is compared with.

With L = sum(dy * f(a)), the central difference (L(a + h) - L(a - h)) / 2h errs by a multiple of
h**2; two of them, with h and h/2, combine to (4 D(h/2) - D(h)) / 3, which errs by h**4
(Richardson). With h = 1e-4 that is about 1e-16 of the function's own size, and what remains is
rounding, 1e-16 / h = 1e-12.

The complex step needs no difference: for an analytic f, f(a + ih) = f(a) + ih f'(a) + O(h**2), so
that the imaginary part over h is the derivative, exact to rounding with h = 1e-30.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array

Forward = Callable[[], "Array | None"]
SHRINK = 5  # how many times the step may become ten times smaller
FLOOR = 1e-4  # an element this much smaller than the largest is measured against the largest
SMOOTH = 1e-6  # left and right agree this well where a function is smooth
ROUNDING = 4e-15  # what backward may lose where it subtracts numbers of size 1 (sigmoid(x) - 1)
TINY = 1e-30  # the imaginary step; any will do, because nothing is subtracted


class Precision(NamedTuple):
    """The step of the differences, and what may differ from them for no fault of backward.

    Attributes
    ----------
    step : float
        h for an array of size up to 1; for larger values, relative to them.
    eps : float
        Relative spacing of the floats that forward computes in.
    tolerance : float
        Largest relative error that passes; rounding in the differences is added to it.
    reason : str
        Why this much.
    """

    step: float
    eps: float
    tolerance: float
    reason: str


DOUBLE = Precision(1e-4, 2.2e-16, 2e-8, "in float64 the differences themselves err by 1e-9 or less")
ROUNDED = Precision(1e-4, 2.2e-16, 1e-5, "backward computes in float32, which rounds by 1e-7")
SINGLE = Precision(2e-2, 1.2e-7, 5e-3, "forward computes in float32: the differences err by 1e-4")


class Gradient(NamedTuple):
    """A numerical gradient.

    Attributes
    ----------
    value : float64 array
        dL/da, NaN where it was not computed.
    noise : float64 array
        How far the truth may be from it.
    kink : bool array
        True where the derivatives from the left and from the right differ: there is none.
    """

    value: Array
    noise: Array
    kink: Array


class Difference(NamedTuple):
    """What two steps to the left and two to the right say of one derivative.

    Attributes
    ----------
    value : float
        The derivative.
    gap : float
        How far right minus left is from shrinking with h: at a kink it does not shrink.
    spread : float
        How far the estimates with h and h/2 are apart.
    noise : float
        What rounding may have added.
    """

    value: float
    gap: float
    spread: float
    noise: float

    @property
    def doubt(self) -> float:
        """How far the derivative may be off."""
        return self.gap + self.spread + self.noise


def rounding(forward: Forward, y: Array, arrays: Iterable[Array], eps: float) -> Array:
    """Return how far rounding may take each element of the output.

    That is eps |y|, eps at least for a loss, or more where large numbers cancel inside: then the
    output jitters from point to point. Third differences over tiny steps are the jitter alone.

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
    # A loss of 1e-10 is the logarithm of a number near 1, which has rounded to 1e-16.
    jitter: Array = eps * np.maximum(np.abs(y), 1.0 if np.ndim(y) == 0 else 0.0)
    there = [other for other in outputs if other is not None and other.shape == np.shape(y)]
    if len(there) == len(outputs):
        jitter = np.maximum(jitter, np.abs(np.diff(there, 3, axis=0)).max(axis=0) / 4)
    return jitter


def difference(
    forward: Forward, y: Array, dy: Array, a: Array, direction: Array, h: float, jitter: Array
) -> Difference | None:
    """Differentiate sum(dy * forward()) as the array `a` moves along `direction`.

    Parameters
    ----------
    forward : callable
        Reads `a` and returns an output, or None where it has none.
    y, dy : array
        Output at `a`, and what multiplies it.
    a : float64 array
        Moved in place and put back.
    direction : array of the same shape
    h : float
        Step.
    jitter : array of the output's shape
        Its rounding.

    Returns
    -------
    Difference, or None where the function is not defined on both sides.
    """
    kept, slopes, moved = a.copy(), [], np.zeros(np.shape(y), bool)
    for step in (-h, -h / 2, h / 2, h):
        a[...] = kept + step * direction
        there = forward()
        a[...] = kept
        if there is None or there.shape != np.shape(y):
            return None
        # Outputs are subtracted before they are summed: those that do not move add no rounding.
        move = there - y
        moved |= move != 0
        slopes.append(float((dy * move).sum()) / step)
    far_left, left, right, far_right = slopes
    # An output that did not move may have moved by less than its last digit.
    size = np.abs(dy) * jitter * np.where(moved, 8.0, 0.5)
    noise = float(size.sum()) / h + ROUNDING * float(np.abs(dy).max())
    fine, coarse = (left + right) / 2, (far_left + far_right) / 2
    gap = abs(2 * (right - left) - (far_right - far_left))
    return Difference((4 * fine - coarse) / 3, gap, abs(fine - coarse), noise)


def elementwise(
    forward: Forward,
    y: Array,
    dy: Array,
    a: Array,
    precision: Precision,
    jitter: Array,
    coordinates: Array,
) -> Gradient:
    """Return dL/da at some coordinates, one by one, and recognise kinks.

    Where left and right do not agree the step shrinks. A kink that is merely near is outside then;
    so is whatever makes a function rough at a coarse scale. What has the same gap between left and
    right at every step is a kink.

    Parameters
    ----------
    forward, y, dy, a
        As in `difference`.
    precision : Precision
    jitter : array of the output's shape
        Its rounding.
    coordinates : int array of shape (n,)
        Flat indices.
    """
    unit = np.zeros(a.shape)

    def attempt(i: int, h: float) -> Difference | None:
        unit.flat[i] = 1.0
        result = difference(forward, y, dy, a, unit, h, jitter)
        unit.flat[i] = 0.0
        return result

    steps = [precision.step * max(1.0, abs(a.flat[i])) for i in coordinates]
    first = [attempt(i, h) for i, h in zip(coordinates, steps, strict=True)]
    scale = max((abs(d.value) for d in first if d), default=0.0)
    values, noises = np.full(a.shape, np.nan), np.zeros(a.shape)
    kinks = np.zeros(a.shape, bool)

    def smooth(d: Difference) -> bool:
        limit = SMOOTH * max(abs(d.value), 10 * FLOOR * scale)
        return d.gap + d.spread <= limit + 2 * d.noise

    for i, h, begin in zip(coordinates, steps, first, strict=True):
        now = best = begin
        kink = begin is None
        for _ in range(SHRINK):
            # Where rounding is all the doubt there is, a smaller step makes it worse.
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
            # Richardson has removed most of what the two estimates are apart.
            noises.flat[i] = best.noise + best.gap + best.spread * (1e-3 if smooth(best) else 1)
    return Gradient(values, noises, kinks)


class ComplexStep(np.ndarray[Any, Any]):
    """A complex array for the complex step, in which |x| is x or -x, as the real part says.

    NumPy's own |z| is a length and forgets the direction. Comparisons, maximum and minimum look at
    the real part first, which is what is wanted.
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [_plain(a) for a in inputs]
        if "out" in options:
            options["out"] = tuple(_plain(a) for a in options["out"])
        if ufunc in (np.absolute, np.fabs) and method == "__call__":
            ufunc, plain = np.multiply, [plain[0], np.where(plain[0].real < 0, -1.0, 1.0)]
        return _marked(getattr(ufunc, method)(*plain, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _marked(super().__array_function__(function, types, args, kwargs))


def _plain(a: Any) -> Any:
    return a.view(np.ndarray) if isinstance(a, ComplexStep) else a


def _marked(result: Any) -> Any:
    if isinstance(result, np.complexfloating):
        result = np.asarray(result)
    is_complex = isinstance(result, np.ndarray) and result.dtype.kind == "c"
    return result.view(ComplexStep) if is_complex else result
