"""One array with a wrong gradient, and a second look at it on another batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from ..backend import Array
from .compare import WIDE, Comparison, disagreement, random_upstream, sample
from .numerical import SINGLE, Gradient, rounding
from .report import ArrayResult
from .subject import Broken, Subject

CLOSE = 1e-5  # the largest error of a prediction, relative to the largest element
STEP = 1e-4
MIN_ELEMENTS = 3  # fewer elements can agree with a wrong idea by chance
SECOND_LOOK_ELEMENTS = 400  # elements that the second look computes


@dataclass
class Case(Comparison):
    """One array that was compared element by element."""

    numerical: Gradient

    @classmethod
    def of(cls, comparison: Comparison, coordinates: Array) -> Case:
        """Compare element by element at the given flat indices."""
        known = {f.name: getattr(comparison, f.name) for f in fields(Comparison)}
        return cls(**known, numerical=comparison.numerical_gradient(coordinates))

    @property
    def is_data(self) -> bool:
        """Whether the array is data, one row for each sample, and not a parameter."""
        return self.subject.is_loss or self.label == next(iter(self.subject.inputs))

    @property
    def rows(self) -> int:
        """The batch size N."""
        batch = self.a if self.subject.is_loss else self.y
        axis = self.subject.batch_axis
        return batch.shape[axis] if batch.ndim > axis >= 0 else 1

    @cached_property
    def known(self) -> Array:
        """True where a derivative exists and was computed."""
        known: Array = ~np.isnan(self.numerical.value) & ~self.numerical.kink
        return known

    @cached_property
    def right(self) -> Array:
        """The numerical gradient, zero where it is not known."""
        return np.where(self.known, self.numerical.value, 0.0)

    @cached_property
    def wrong(self) -> Array:
        """True where backward disagrees with the numerical gradient."""
        error, tolerance = disagreement(self.analytic, self.numerical, self.precision)
        wrong: Array = error > tolerance
        return wrong

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether each output depends only on its own input, tested on three elements."""
        x, y = self.a, self.subject.output()
        if y is None or not self.is_data or self.subject.is_loss or x.shape != y.shape:
            return False
        for i in {0, x.size // 2, x.size - 1}:
            kept = x.flat[i]
            x.flat[i] = kept + 0.5
            moved = self.subject.output()
            x.flat[i] = kept
            if moved is None or any(j != i for j in np.flatnonzero(moved != y)):
                return False
        return True

    @cached_property
    def effect(self) -> Array | None:
        """How much each output moves when all elements of the array do; None if forward fails."""
        a, kept = self.a, self.a.copy()
        moved = []
        for step in (STEP, -STEP):
            a[...] = kept + step
            y = self.subject.output()
            moved.append(None if y is None else y.copy())
        a[...] = kept
        up, down = moved
        if up is None or down is None or not up.shape == down.shape == self.dy.shape:
            return None
        return np.asarray((up - down) / (2 * STEP))

    @cached_property
    def terms(self) -> Array | None:
        """What each row adds to the gradient of a parameter with one element for each feature.

        None unless each output depends on the element of its own feature alone.
        """
        if self.is_data or self.y.ndim != 2 or self.a.shape != self.y.shape[1:]:
            return None
        if self.effect is None:
            return None
        terms: Array = self.dy * self.effect
        error = np.abs(terms.sum(axis=0) - self.right)[self.known].max(initial=0.0)
        return terms if error <= CLOSE * np.abs(self.right).max() else None

    @cached_property
    def multiple(self) -> float | None:
        """The factor between backward and the right gradient, if that is the mistake."""
        square = float((self.right**2).sum())
        product = float((np.where(self.known, self.analytic, 0.0) * self.right).sum())
        c = product / square if square else 0.0
        return c if self.predicts(c * self.right) else None

    def predicts(self, prediction: Array) -> bool:
        """Whether `prediction` equals the gradient by backward, and much better than the truth."""
        if prediction.shape != self.analytic.shape or not self.known.any():
            return False
        scale = np.abs(self.analytic[self.known]).max()
        mistake = np.abs(self.analytic - self.right)[self.known].max()
        error = np.abs(prediction - self.analytic)[self.known].max()
        close = 3 * SINGLE.tolerance if self.precision is SINGLE else CLOSE
        return bool(scale > 0 and error <= min(close * scale, 0.05 * mistake))

    def divided(self, c: float) -> Case:
        """Return the case with the gradient by backward divided by `c`."""
        return replace(self, analytic=self.analytic / c)

    def result(self, projection: ArrayResult, checked: int) -> ArrayResult:
        """Return the result at the element that disagrees most."""
        error, tolerance = disagreement(self.analytic, self.numerical, self.precision)
        index = tuple(map(int, np.unravel_index(int((error / tolerance).argmax()), error.shape)))
        void = ""
        if not self.known.any():
            void = "kink" if self.a.size else ""
        elif not self.wrong.any() and tolerance[self.known].min() > WIDE:
            void = self.void(self.analytic[self.known], self.right[self.known])
        return replace(
            projection,
            method="elements",
            error=float(error[index]),
            tolerance=float(tolerance[index]),
            analytic=float(self.analytic[index]),
            numerical=float(self.numerical.value[index]),
            index=index,
            kinks=int(self.numerical.kink.sum()),
            checked=checked,
            wrong=self.wrong,
            void=void,
        )

    def second_look(self) -> Case | None:
        """Return the same case on twice the batch and other numbers, if that works.

        A mistake with one cause shows it again; an agreement by chance does not. And a factor that
        is N becomes 2N, while a factor 2 stays 2.
        """
        rng = np.random.default_rng([1, self.seed])
        subject = self.subject

        def fresh(a: Array) -> Array:
            return np.asarray(rng.standard_normal(a.shape))

        attempts: list[Callable[[], Subject]] = [
            lambda: subject.doubled(fresh),
            lambda: subject.doubled(np.copy),
            lambda: subject.with_inputs({k: fresh(a) for k, a in subject.inputs.items()}),
            lambda: subject.with_inputs({k: 1.1 * a for k, a in subject.inputs.items()}),
        ]
        for attempt in attempts:
            try:
                return self._on(attempt(), rng)
            except (Broken, IndexError, TypeError, ValueError):
                continue
        return None

    def _on(self, subject: Subject, rng: np.random.Generator) -> Case:
        """Return the case of the same array in another subject."""
        y = np.asarray(subject.forward()[0], np.float64)
        dy = np.ones(()) if subject.is_loss else random_upstream(y, rng)
        analytic = subject.passes(dy)[1][self.label]
        shape = subject.arrays[self.label].shape
        if analytic.shape != shape:
            raise Broken("contract", "another shape")
        # Begin where the first look found mistakes: a doubled batch begins with the same rows.
        first = [[int(i) for i in np.unique(at)] for at in np.nonzero(self.wrong)]
        coordinates = sample(
            shape, SECOND_LOOK_ELEMENTS, rng, first if len(shape) == 2 else ((), ())
        )
        jitter = rounding(subject.output, y, subject.arrays.values(), self.precision.eps)
        look = Comparison(
            subject, self.label, analytic, y, dy, self.precision, jitter, seed=self.seed
        )
        return Case.of(look, coordinates)
