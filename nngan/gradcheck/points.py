"""Look again where the first look could not see: at other points, batch sizes and modes.

A gradient can be right at one point only. And at a kink, in a saturated range or in a dead unit,
nothing was compared: a gradient of zero is right there for any function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..backend import Array
from .backward import check_array
from .compare import Comparison, agrees_together, precision_of, random_upstream
from .elsewhere import FAILURES, LARGE_PARAMETERS, PIXELS, ZEROS, Make, other_points
from .extremes import check_overflow, check_single_precision
from .numerical import rounding
from .prepared import check_prepared
from .report import ArrayResult, Finding, Report, gradient_name
from .subject import Broken, Ended, Subject

NEGLIGIBLE = 1e-4  # an error this much smaller than the output, at extreme numbers
ATTEMPTS = 6  # points that are drawn for an array that could not be compared


def look_again(
    subject: Subject, report: Report, accumulate: bool | None, thorough: bool, seed: int
) -> Report:
    """Return the report of a check that found no mistake, with what shows at other points."""
    points = _Points(subject, report, thorough, seed)
    try:
        points.settle()
        if not points.is_wrong:
            points.findings += check_prepared(subject, accumulate, points.rng)
        if not points.is_wrong:
            points.visit()
    except Ended as end:
        if end.finding.kind != "hangs" or not points.is_wrong:
            raise
    return points.report()


class _Points:
    """The second look at one subject."""

    def __init__(self, subject: Subject, report: Report, thorough: bool, seed: int) -> None:
        self.subject, self.first, self.thorough, self.seed = subject, report, thorough, seed
        self.rows = {a.name: a for a in report.arrays}
        self.findings = list(report.findings)
        # Not the generator of the first look, and not a copy of it either.
        self.rng = np.random.default_rng([seed, 1])

    @property
    def is_wrong(self) -> bool:
        return any(f.mistake for f in self.findings)

    def report(self) -> Report:
        findings = sorted(self.findings, key=lambda f: not f.mistake)
        return replace(self.first, arrays=list(self.rows.values()), findings=findings)

    # -- arrays that could not be compared ---------------------------------------------------------

    def settle(self) -> None:
        """Compare at other points the arrays that could not be compared at the first."""
        for name, row in list(self.rows.items()):
            if row.void and row.ok:
                self._settle(name, row)

    def _settle(self, name: str, row: ArrayResult) -> None:
        zeros = 0
        for make in self._draws():
            try:
                compared = self._compare(make(), name)
            except FAILURES:
                continue
            if compared is None:
                continue
            result, found = compared
            if result.ok and result.void:
                zeros += result.void == "zero"
                continue
            if row.void != "zero" or not result.ok:
                self.rows[name] = replace(result, complex_error=None) if result.ok else result
            self.findings += [f for f in found if f.mistake]
            return
        d = gradient_name(name)
        if row.void == "zero" and not self._affects(name):
            # A slope behind a ReLU is idle in a right network; that all of them are is no network.
            others = self.subject.parameters if name in self.subject.parameters else self.rows
            kind = "idle" if any(map(self._affects, others)) else "inconclusive"
            sentence = f"{name} does not affect the output, so {d} could not be compared."
            evidence = f"forward returned the same at all values of {name}"
            self.findings.append(Finding(kind, sentence, evidence, mistake=False))
            return
        if row.void == "zero" and zeros > 1:
            return  # a bias before a normalisation: the gradient is zero
        reason = {
            "zero": f"{d} is zero here, and forward does not work at other points.",
            "kink": f"At every point that was tried, {name} is at a kink or forward fails near it.",
            "wide": f"forward rounds so much that a wrong {d} would pass.",
        }[row.void]
        sentence = f"{d} could not be compared: choose other inputs."
        self.findings.append(Finding("inconclusive", sentence, reason, mistake=False))

    def _affects(self, name: str) -> bool:
        """Whether the output changes with an array, anywhere, if there is more than one column."""
        x = next(iter(self.subject.inputs.values()))
        if not self.subject.arrays[name].size or x.size < 4 or x.shape[-1] == 1:
            return True  # a softmax of one number is 1
        makers: list[Make] = [lambda: self.subject.with_inputs(self._copies()), *self._draws()]

        def more_rows() -> Subject:
            n, _ = self.subject.batch()
            return self.subject.rows(np.arange(4 * n) % n)

        for make in (*makers, more_rows):
            try:
                twin = make()
                before = twin.output()
                a = twin.arrays[name]
                a += self.rng.uniform(-1, 1, a.shape) * (1 + np.abs(a))
                after = twin.output()
            except FAILURES:
                return True
            if before is None or after is None or not np.array_equal(before, after):
                return True
        return False

    def _draws(self) -> Iterator[Make]:
        """Yield makers of subjects at random points, the usual domains first."""
        for i in range(ATTEMPTS):

            def values(a: Array, i: int = i) -> Array:
                scale = (1.0, 1.0, 1.0, 3.0, 0.1, 0.01)[i]
                is_probability = self.subject.is_loss and a.min() >= 0 and a.max() <= 1
                if i % 3 == 1 or is_probability:
                    return np.asarray(self.rng.uniform(0.1, 0.9, a.shape))
                if i % 3 == 2:  # nearby
                    return np.asarray(a * (1 + 0.2 * scale * self.rng.standard_normal(a.shape)))
                return np.asarray(scale * self.rng.standard_normal(a.shape))

            def make(values: Callable[[Array], Array] = values) -> Subject:
                twin = self.subject.with_inputs(
                    {k: values(a) for k, a in self.subject.inputs.items()}
                )
                self._move(twin, 0.5)
                return twin

            yield make

    def _move(self, twin: Subject, size: float) -> None:
        for a in twin.parameters.values():
            a += size * self.rng.uniform(-1, 1, a.shape)

    def _compare(
        self, subject: Subject, name: str, thorough: bool = False
    ) -> tuple[ArrayResult, list[Finding]] | None:
        """Compare one array in another subject."""
        y = np.array(subject.forward()[0])
        precision = precision_of(subject, y, self.rng)
        dy = np.ones(()) if subject.is_loss else random_upstream(y, self.rng)
        y, gradients = subject.passes(dy)
        a = subject.arrays[name]
        if gradients[name].shape != a.shape:
            return None
        jitter = rounding(subject.output, y, subject.arrays.values(), precision.eps)
        array = Comparison(subject, name, gradients[name], y, dy, precision, jitter, seed=self.seed)
        return check_array(array, thorough or self.thorough, [])

    # -- other points ------------------------------------------------------------------------------

    def visit(self) -> None:
        """Check at other parameters, batches and modes, all arrays at once."""
        if (moved := self._with_other_parameters()) is None:
            return
        if self.subject.is_loss and next(iter(self.subject.inputs.values())).ndim < 2:
            return  # not a batch: all parameters of a network, in one array
        refused: dict[str, list[str]] = {"work": [], "one": [], "": []}
        has_one = False
        for words, make, must in other_points(moved, self.rng):
            try:
                other = make()
                other.forward()
                if not self._agrees(other, words):
                    return
                has_one |= must == "one"
            except FAILURES as error:
                detail = error.detail if isinstance(error, Broken) else str(error)
                refused[must].append(f"{words}: {detail}")
        if refused["one"] and not has_one:
            self._refuse("all other inputs of this shape", refused["one"])
        if refused["work"]:
            self._refuse("another number of rows", refused["work"])
        x = next(iter(self.subject.inputs.values()))
        if not self.subject.is_loss:
            self.findings += check_single_precision(moved)
        if not self.subject.is_loss or (x < 0).any():  # a loss of logits, not of probabilities
            self.findings += check_overflow(moved, self.rng)

    def _refuse(self, where: str, refused: list[str]) -> None:
        """Report that one of the passes does not work where it must."""
        shape = next(iter(self.subject.inputs.values())).shape
        sentence = f"The passes work at x of shape {shape}, but fail at {where}: nothing shows "
        sentence += "whether the gradients are right there."
        self.findings.append(Finding("inconclusive", sentence, refused[0], mistake=False))

    def _with_other_parameters(self) -> Subject | None:
        """Return the subject at random parameters; None if a mistake shows there."""
        if not self.subject.parameters:
            return self.subject
        for size in (0.5, 0.1, 0.01):
            twin = self.subject.with_inputs(self._copies())
            self._move(twin, size)
            try:
                twin.forward()
            except Broken as error:
                why = error.detail
                continue
            names = " and ".join(self.subject.parameters)
            words = f"at random values of {names}: the initial values hide it"
            return twin if self._agrees(twin, words) else None
        sentence = (
            "forward raises an exception at all other values of the parameters, so it was checked "
            "at one point only."
        )
        self.findings.append(Finding("inconclusive", sentence, why, mistake=False))
        return None

    def _copies(self) -> dict[str, Array]:
        return {k: a.copy(order="K") for k, a in self.subject.inputs.items()}

    def _agrees(self, other: Subject, words: str) -> bool:
        """Whether all gradients agree in another subject; report those that do not."""
        try:
            y = np.array(other.forward()[0])
            dy = np.ones(()) if other.is_loss else random_upstream(y, self.rng)
            gradients = other.passes(dy)[1]
            wrong = [n for n, a in other.arrays.items() if gradients[n].shape != a.shape]
            if wrong:
                d, shape = gradient_name(wrong[0]), other.arrays[wrong[0]].shape
                sentence = f"Seen only {words}: {d} has another shape."
                evidence = f"it has shape {gradients[wrong[0]].shape}, not {shape}"
                self.findings.append(Finding("shape", sentence, evidence))
                return False
            precision = precision_of(other, y, self.rng)
            # A saturated layer has a gradient of nearly zero, which rounding spoils.
            ignored = NEGLIGIBLE if words in (PIXELS, LARGE_PARAMETERS) else 0.0
            if agrees_together(other, dy, precision, self.rng, words == ZEROS, ignored):
                return True
            for name in other.arrays:
                # Element by element: the mistakes may cancel along the direction of `project`.
                compared = self._compare(other, name, thorough=True)
                if compared and not compared[0].ok:
                    self.rows[name] = compared[0]
                    self.findings += [f for f in compared[1] if f.mistake]
        except Broken as error:
            if error.where != "backward":
                raise
            sentence = f"Seen only {words}: backward raises an exception."
            self.findings.append(Finding("raises", sentence, error.detail))
            return False
        if not self.is_wrong:
            return True
        self.findings.append(Finding("hidden", f"Seen only {words}.", mistake=False))
        return False
