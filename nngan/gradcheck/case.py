"""One wrong array and all that can tell why; and a second look at it, with other numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..backend import Array
from .numerical import FLOOR, SINGLE, TINY, Gradient, Precision, elementwise, rounding
from .report import gradient_name
from .subject import Broken, Subject

CLOSE = 1e-5  # a prediction must be this near, relative to the largest element
ENOUGH = 3  # fewer elements can agree with a wrong idea by chance
SECOND = 400  # elements that the second look computes


@dataclass
class Case:
    """One array whose gradient is wrong.

    Attributes
    ----------
    subject : Subject
    label : str
        Name of the array.
    analytic : array
        What backward says.
    numerical : Gradient
        What the differences say.
    y, dy : array
        Output and upstream gradient.
    precision : Precision
        What the differences are good for.
    """

    subject: Subject
    label: str
    analytic: Array
    numerical: Gradient
    y: Array
    dy: Array
    precision: Precision

    @property
    def a(self) -> Array:
        """The array itself."""
        return self.subject.arrays[self.label]

    @property
    def d(self) -> str:
        """What its gradient is called."""
        return gradient_name(self.label)

    @property
    def is_data(self) -> bool:
        """Whether the array is data, a row for each sample, and not a parameter."""
        return self.subject.is_loss or self.label == next(iter(self.subject.inputs))

    @property
    def rows(self) -> int:
        """Return N."""
        batch = self.a if self.subject.is_loss else self.y
        return len(batch) if batch.ndim else 1

    @cached_property
    def known(self) -> Array:
        """Where there is a derivative, and it was computed."""
        known: Array = ~np.isnan(self.numerical.value) & ~self.numerical.kink
        return known

    @cached_property
    def right(self) -> Array:
        """The numerical derivative, zero where it is not known."""
        return np.where(self.known, self.numerical.value, 0.0)

    @cached_property
    def wrong(self) -> Array:
        """Where backward disagrees with it."""
        error, tolerance = disagreement(self.analytic, self.numerical, self.precision)
        wrong: Array = error > tolerance
        return wrong

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether each output depends on its own input alone: move one, see what moves."""
        x, y = self.a, self.subject.output()
        if y is None or not self.is_data or self.subject.is_loss or x.shape != y.shape:
            return False
        for i in {0, x.size // 2, x.size - 1}:
            kept = x.flat[i]
            x.flat[i] = kept + 0.5
            there = self.subject.output()
            x.flat[i] = kept
            if there is None or any(j != i for j in np.flatnonzero(there != y)):
                return False
        return True

    @cached_property
    def multiple(self) -> float | None:
        """The number that the right gradient is multiplied by, if that is the mistake."""
        square = float((self.right**2).sum())
        product = float((np.where(self.known, self.analytic, 0.0) * self.right).sum())
        c = product / square if square else 0.0
        return c if self.predicts(c * self.right) else None

    def predicts(self, prediction: Array) -> bool:
        """Whether `prediction` is what backward says, and much nearer to it than the truth is."""
        if prediction.shape != self.analytic.shape or not self.known.any():
            return False
        scale = np.abs(self.analytic[self.known]).max()
        mistake = np.abs(self.analytic - self.right)[self.known].max()
        difference = np.abs(prediction - self.analytic)[self.known].max()
        close = 3 * SINGLE.tolerance if self.precision is SINGLE else CLOSE
        return bool(scale > 0 and difference <= min(close * scale, 0.05 * mistake))

    def divided(self, c: float) -> Case:
        """Return the case in which backward is smaller by `c`."""
        return replace(self, analytic=self.analytic / c)

    def again(self) -> Case | None:
        """Return the same array's case with twice the batch and other numbers, if that works.

        What has one cause shows it again; what agreed by chance does not. And a factor that is N
        becomes 2N, where a factor 2 stays 2.
        """
        rng = np.random.default_rng(1)
        inputs = self.subject.inputs

        def fresh(a: Array) -> Array:
            return np.asarray(rng.standard_normal(a.shape))

        attempts: list[Callable[[], Subject]] = [
            lambda: self.subject.doubled(fresh),
            lambda: self.subject.doubled(np.copy),
            lambda: self.subject.with_inputs({k: fresh(a) for k, a in inputs.items()}),
            lambda: self.subject.with_inputs({k: 1.1 * a for k, a in inputs.items()}),
        ]
        for attempt in attempts:
            try:
                return self._of(attempt(), rng)
            except (Broken, IndexError, TypeError, ValueError):
                continue
        return None

    def _of(self, subject: Subject, rng: np.random.Generator) -> Case:
        y, cache = subject.forward()
        y = np.asarray(y, np.float64)
        dy = np.ones(()) if subject.is_loss else upstream(y, rng)
        analytic = subject.backward(dy.copy(), cache)[self.label]
        a = subject.arrays[self.label]
        if analytic.shape != a.shape:
            raise Broken("contract", "another shape")
        # Where the first look found mistakes; doubled, a batch begins with the same rows.
        first: list[list[int]] = [[int(i) for i in np.unique(at)] for at in np.nonzero(self.wrong)]
        at = sample(a.shape, SECOND, rng, (first[0], first[1]) if a.ndim == 2 else ((), ()))
        jitter = rounding(subject.output, y, subject.arrays.values(), self.precision.eps)
        numerical = elementwise(subject.output, y, dy, a, self.precision, jitter, at)
        return Case(subject, self.label, analytic, numerical, y, dy, self.precision)


def sample(
    shape: tuple[int, ...],
    most: int,
    rng: np.random.Generator,
    first: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Array:
    """Choose at most so many flat indices of an array.

    In a matrix they are those of some rows and columns, the ends and `first` among them; in a
    square one the same rows as columns, so that the transpose is known too.
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


def upstream(y: Array, rng: np.random.Generator) -> Array:
    """Draw dy: never all ones, and no element so small that it could hide a mistake."""
    dy: Array = rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape)
    return dy


def disagreement(analytic: Array, numerical: Gradient, precision: Precision) -> tuple[Array, Array]:
    """Return the relative error of each element, and what it may be."""
    known = ~np.isnan(numerical.value) & ~numerical.kink
    value = np.where(known, numerical.value, 0.0)
    largest = max(np.abs(value).max(initial=0.0), np.abs(analytic).max(initial=0.0, where=known))
    size = np.maximum(np.maximum(np.abs(value), np.abs(analytic)), FLOOR * largest + TINY)
    error = np.where(known, np.abs(analytic - value), 0.0) / size
    return error, precision.tolerance + numerical.noise / size
