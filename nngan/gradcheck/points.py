"""Look again where the first look could not see: at other points, batch sizes and modes.

A gradient can be right at one point only. And at a kink, in a saturated range or in a dead unit,
nothing was compared: a gradient of zero is right there for any function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from .backward import check_array
from .compare import Comparison, agrees_together, precision_of, random_upstream
from .contract import same
from .elsewhere import HUGE, huge, other_shapes, pixels
from .numerical import SINGLE, rounding
from .report import ArrayResult, Finding, Report, gradient_name
from .subject import Broken, Ended, Subject

Make = Callable[[], Subject]
FAILURES = (Broken, IndexError, TypeError, ValueError)  # forward was not made for such numbers


class Point(NamedTuple):
    """Other numbers at which both passes run.

    Attributes
    ----------
    words : str
        Where this is, for the report.
    make : callable
        Returns the subject there.
    must : str
        "work" if forward must accept such numbers, "one" if it must accept one such point at least,
        "" if it may refuse them.
    """

    words: str
    make: Make
    must: str = ""


MANY = (132, 300)  # rows of large batches: even numbers, and no multiples of a usual block
ZEROS = "where inputs are 0"
PIXELS, LARGE_PARAMETERS = "at inputs from 0 to 255", "at large parameters"
MOST = 100_000  # elements of a large batch
NEGLIGIBLE = 1e-4  # an error this much smaller than the output, at extreme numbers
LARGE = 40.0  # the factor of large parameters
ATTEMPTS = 6  # points that are drawn for an array that could not be compared


def look_again(
    subject: Subject, report: Report, accumulate: bool | None, thorough: bool, seed: int
) -> Report:
    """Return the report of a check that found no mistake, with what shows at other points."""
    points = _Points(subject, report, thorough, seed)
    try:
        points.settle()
        if not points.is_wrong:
            points.prepared_gradients(accumulate)
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
            except (Broken, IndexError, TypeError, ValueError):
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
            except (Broken, IndexError, TypeError, ValueError):
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

    # -- the gradients as the object prepares them -------------------------------------------------

    def prepared_gradients(self, accumulate: bool | None) -> None:
        """See whether backward also works on the gradients that the object itself has made."""
        y = self.subject.forward()[0]
        dy = np.ones(()) if self.subject.is_loss else random_upstream(y, self.rng)
        left = self.subject.as_left(dy)
        if left is None:
            return
        clean = self.subject.passes(dy)[1]
        for name, start in left.start.items():
            d, a = gradient_name(name), self.subject.arrays[name]
            what = f"make it with np.zeros({a.shape})" if a.shape else "make it 0.0"
            if start is not None and start.shape != a.shape and start.size and start.ndim:
                sentence = f"{d} has another shape than {name} before backward: {what}."
                evidence = f"{d} has shape {start.shape}, {name} has shape {a.shape}"
            elif left.error is not None and name in left.readonly:
                sentence = f"{d} cannot be written before backward: {what}."
                evidence = left.error.detail
            elif left.error is not None and start is not None and start.dtype.kind in "iu":
                sentence = f"{d} holds whole numbers before backward: {what}."
                evidence = left.error.detail
            elif left.error is not None and start is None:
                sentence = (
                    f"{d} is None before the first backward, and backward adds to it: {what}."
                )
                evidence = left.error.detail
            elif name in left.shared:
                sentence = (
                    f"{d} belongs to the class, so all objects of the class add to one array: make "
                    "it in __init__."
                )
                evidence = f"after backward {d} is the array of the class"
            elif left.error is None and not _is_sum(start, left.gradients[name], clean[name],
                                                    accumulate):  # fmt: skip
                sentence = f"{d} is wrong on the arrays that the object itself has made: {what}."
                g = left.gradients[name]
                evidence = f"before backward it holds {_kind(start)}, and afterwards {_kind(g)}"
            else:
                continue
            self.findings.append(Finding("buffer", sentence, evidence))
        if left.error is not None and not self.is_wrong:
            sentence = f"{left.error.where} fails on a new object, before any gradient was set."
            self.findings.append(Finding("buffer", sentence, left.error.detail))

    # -- other points ------------------------------------------------------------------------------

    def visit(self) -> None:
        """Check at other parameters, batches and modes, all arrays at once."""
        if (moved := self._with_other_parameters()) is None:
            return
        if self.subject.is_loss and next(iter(self.subject.inputs.values())).ndim < 2:
            return  # not a batch: all parameters of a network, in one array
        refused: dict[str, list[str]] = {"work": [], "one": [], "": []}
        has_one = False
        for words, make, must in self._elsewhere(moved):
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
            self._single_precision(moved)
        if not self.subject.is_loss or (x < 0).any():  # a loss of logits, not of probabilities
            self._overflow(moved)

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

    def _elsewhere(self, at: Subject) -> Iterator[Point]:
        inputs, first = at.inputs, next(iter(at.inputs))
        x = inputs[first]

        def with_x(words: str, values: Any, must: str = "") -> Point:
            return Point(words, partial(at.with_inputs, {**inputs, first: values}), must)

        for mode in at.modes():
            yield Point(f"with {mode}", partial(at.in_mode, mode))
        if at.batch_axis >= 0 and x.ndim > at.batch_axis:
            rows = x.shape[at.batch_axis]
            if rows > 1:
                yield Point("with one row (N = 1)", partial(at.rows, np.array([0])))
            most = max(2, MOST * rows // x.size)
            for n in sorted({min(m, most) for m in MANY}):
                many = partial(at.rows, np.arange(n) % rows)
                yield Point(f"with many rows (N = {n})", many, "work")
        rms = float(np.sqrt((x**2).mean())) or 1.0
        if not at.is_loss:
            yield with_x("at another input", self.rng.standard_normal(x.shape), "one")
            positive = np.abs(self.rng.standard_normal(x.shape)) + 0.01
            yield with_x("at positive inputs", positive, "one")
            negative = -np.abs(self.rng.standard_normal(x.shape)) - 0.01
            yield with_x("at negative inputs", negative, "one")
            yield with_x("at large inputs", x * 10 / rms, "one")
            yield with_x("at very large inputs", x * 100 / rms)
            yield with_x("at small inputs", x * 1e-3 / rms, "one")
            if x.ndim and len(x) > 1:
                zeros = x.copy()
                zeros[::2] = 0
                yield with_x("with rows of zeros", zeros)
                some = x.copy()
                some.flat[:: max(2, x.size // 3)] = 0
                yield with_x(ZEROS, some)
            yield with_x(PIXELS, pixels(x, self.rng))
            yield from (with_x(words, other) for words, other in other_shapes(at, self.rng))
            if at.parameters:
                yield Point(LARGE_PARAMETERS, partial(_with_large_parameters, at))
            # Inside any domain.
            near = np.asarray(x * (1 + 0.01 * self.rng.standard_normal(x.shape)))
            yield with_x("at a nearby input", near, "one")
        elif x.ndim:  # between the rows, so in the loss's domain
            yield with_x("at another input", 0.9 * x + 0.1 * np.roll(x, 1, axis=0), "one")

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

    def _overflow(self, at: Subject) -> None:
        """See what happens where an exponential overflows."""
        first, *_ = at.inputs
        where = f"at inputs of -{HUGE:.0f} and {HUGE:.0f}"
        try:
            other = at.with_inputs({**at.inputs, first: huge(at.inputs[first], self.rng)})
            y, cache = other.forward()
        except Broken as error:
            if error.where == "not_finite":
                sentence = (
                    f"forward is not finite {where}: an exponential overflows, or a logarithm is "
                    "taken of 0. If the true value is finite, write it so that no large number "
                    "is in an exponential (a softmax subtracts the largest element of each row)."
                )
                self.findings.append(Finding("overflow", sentence, error.detail, mistake=False))
            return
        except (IndexError, TypeError, ValueError):
            return
        try:
            dy = np.ones(()) if at.is_loss else random_upstream(np.array(y), self.rng)
            other.backward(dy, cache)
        except Broken as error:
            if error.where == "not_finite":
                sentence = f"Seen only {where}: {error.detail}."
                self.findings.append(Finding("not_finite", sentence, "there forward is finite"))
            return
        if other.overflows():
            sentence = f"A number in forward overflows {where}, though the result is finite."
            self.findings.append(Finding("overflow", sentence, mistake=False))

    def _single_precision(self, at: Subject) -> None:
        """See whether inputs of float32 give nearly the same gradients."""
        rounded = [a.astype(np.float32) for a in at.inputs.values()]
        results = []
        for dtype in (np.float32, np.float64):
            try:
                y, cache = at.forward([a.astype(dtype) for a in rounded])
                y = np.array(y, np.float64)
                dy = np.where(np.indices(y.shape).sum(0) % 3, 1.0, -0.5)
                results.append((y, at.backward(dy.astype(y.dtype), cache)))
            except Broken:
                return
        (y, gradients), (y64, gradients64) = results
        for name, g in gradients.items():
            a, b = np.asarray(g, np.float64), gradients64[name]
            if a.shape != b.shape or y.shape != y64.shape:
                return
            size = max(np.abs(b).max(initial=0.0), SINGLE.tolerance)
            if np.abs(a - b).max(initial=0.0) > 2e-3 * size and _close(y, y64):
                d = gradient_name(name)
                sentence = f"Seen only with inputs of float32: {d} differs from that in float64."
                evidence = f"they differ by up to {np.abs(a - b).max():.3g}"
                self.findings.append(Finding("unknown", sentence, evidence))
                return


def _with_large_parameters(at: Subject) -> Subject:
    """Return a copy at parameters that a bound on them would cut off."""
    twin = at.with_inputs({k: a.copy(order="K") for k, a in at.inputs.items()})
    for a in twin.parameters.values():
        rms = float(np.sqrt((a**2).sum() / max(1, a.size)))
        a[...] = LARGE * np.where(a < 0, -1, 1) * np.maximum(np.abs(a), rms)
    return twin


def _close(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-5 * max(1e-30, np.abs(b).max(initial=0.0)))


def _kind(a: Array | None) -> str:
    return "None" if a is None else f"an array of shape {a.shape}, {a.dtype}"


def _is_sum(
    start: Array | None, after: Array | None, clean: Array, accumulate: bool | None
) -> bool:
    """Whether a gradient is what backward adds to its start, or overwrites it with."""
    if after is None or after.dtype.kind not in "fiu":
        return False
    begin = np.zeros(()) if start is None or not start.size else start
    wanted: Sequence[Array] = [begin + clean, clean]
    if accumulate is not None:
        wanted = wanted[:1] if accumulate else wanted[1:]
    eps = np.finfo(after.dtype).eps if after.dtype.kind == "f" else 1e-12
    return any(
        (
            after.shape == w.shape
            and float(np.abs(after - w).max(initial=0.0))
            <= 1e4 * eps * max(float(np.abs(clean).max(initial=0.0)), 1e-10)
        )
        or same(np.asarray(after, np.float64), w)
        for w in wanted
    )
