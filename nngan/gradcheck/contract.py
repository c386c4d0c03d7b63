"""Checks without a numerical derivative: what a pass may change, and what must not matter."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..backend import Array
from .compare import SUBNORMAL
from .report import Finding, gradient_name
from .subject import Broken, Subject


def contract_findings(
    subject: Subject, dy: Array, rng: np.random.Generator, accumulate: bool | None
) -> list[Finding]:
    """Run the passes in ways that must make no difference, and report those that do."""
    check = _ContractCheck(subject, dy, rng, accumulate)
    if check.forward_repeats() and not subject.is_loss:
        check.backward_repeats()
        if "accumulates" not in check.findings:  # state spoils the other checks
            check.cache_is_its_own()
            check.gradients_are_linear_in_dy()
            if not check.findings:
                check.gradients_add_up()
            check.buffers_are_added_to()
            check.memory_layout_does_not_matter()
            check.results_are_new_arrays()
    return list(check.findings.values())


class _ContractCheck:
    """The checks of one subject. The first finding of each kind is kept."""

    def __init__(
        self, subject: Subject, dy: Array, rng: np.random.Generator, accumulate: bool | None
    ) -> None:
        self.subject, self.dy, self.rng, self.accumulate = subject, dy, rng, accumulate
        self.findings: dict[str, Finding] = {}
        self.y: Array
        self.raw: Array  # an output as forward has returned it, not a copy
        self.gradients: dict[str, Array]

    def find(self, kind: str, sentence: str, evidence: str) -> None:
        self.findings.setdefault(kind, Finding(kind, sentence, evidence))

    def forward_repeats(self) -> bool:
        """Whether forward leaves its input alone and returns the same output twice."""
        inputs = [a.copy() for a in self.subject.inputs.values()]
        self.y = self.subject.forward(inputs)[0].copy()
        for (name, kept), used in zip(self.subject.inputs.items(), inputs, strict=True):
            if not np.array_equal(kept, used):
                self.find(
                    "writes_input",
                    f"forward changes its input {name}: work on a copy.",
                    f"{name} differs after forward",
                )
        self.raw = second = self.subject.forward()[0]
        if same(second, self.y):
            return True
        self.find(
            "not_repeatable",
            "forward returns different outputs for the same input, so there is no derivative to "
            "check: draw its random numbers from a fixed seed.",
            f"the outputs differ by up to {np.abs(second - self.y).max():.2g}"
            if second.shape == self.y.shape
            else f"the shapes of the outputs are {self.y.shape} and {second.shape}",
        )
        return False

    def backward_repeats(self) -> None:
        """See whether backward writes only into the gradients, and whether it can be repeated."""
        _, cache = self.subject.forward()
        dy, cached = self.dy.copy(), self.subject.cache_snapshot(cache)
        self.gradients = first = self.subject.backward(dy, cache)
        if not np.array_equal(dy, self.dy):
            self.find(
                "writes_input", "backward changes dy: work on a copy.", "dy differs after backward"
            )
        after = self.subject.cache_snapshot(cache)
        if len(after) == len(cached) and after != cached:
            self.find(
                "writes_input",
                "backward changes the cache, which may be used again: work on a copy.",
                "an array in the cache differs after backward",
            )
        if name := self.subject.changed_parameter():
            self.find(
                "writes_parameters",
                f"forward or backward changes {name}: only the optimizer may do that.",
                f"{name} differs after forward and backward",
            )
        if name := self.subject.replaced_gradient():
            self.find(
                "replaced",
                f"backward replaces {name} by a new array outside the network's flat buffer: "
                f"write into {name} with += or [...].",
                f"after backward {name} is another object",
            )
        try:
            second, third = (self.subject.backward(self.dy.copy(), cache) for _ in range(2))
        except Broken as error:
            self.find(
                "cache_consumed",
                "backward works only once: it must not change the cache.",
                f"the second backward: {error.detail}",
            )
            return
        if "writes_input" in self.findings or "writes_parameters" in self.findings:
            return  # a second pass differs for that reason
        for n, g in first.items():
            if same(second[n], g):
                continue
            if same(third[n], 2 * second[n] - g):
                self.find(
                    "accumulates",
                    f"{gradient_name(n)} grows with every call: overwrite it, or start from zero.",
                    "each further backward on the same cache adds the same amount",
                )
            else:
                self.find(
                    "cache_consumed",
                    "A second backward on the same cache returns a different gradient: backward "
                    "must not change the cache or draw random numbers.",
                    f"{gradient_name(n)} differs",
                )

    def cache_is_its_own(self) -> None:
        """Run two forwards before the first backward, as a discriminator does."""
        kept, cache = self.subject.forward()
        inputs, later = list(self.subject.inputs.values()), []
        # If the domain is small (log), the second attempt stays close.
        for others in (
            [a + self.rng.standard_normal(a.shape) for a in inputs],
            [1.01 * a for a in inputs],
        ):
            try:
                for _ in range(4):  # a layer may have some buffers that take turns
                    later.append(self.subject.forward(others))
                break
            except Broken:
                continue
        if not same(kept, self.y):
            self.find(
                "stale_cache",
                "forward overwrites the output of the call before: return a new array each time.",
                "after two forwards the output of the first has changed",
            )
            return
        gradients = self.subject.backward(self.dy.copy(), cache)
        if not all(same(gradients[n], g) for n, g in self.gradients.items()):
            self.find(
                "stale_cache",
                "backward uses values of the latest forward instead of its own cache. Return "
                "everything that backward needs in the cache, and store nothing in self.",
                "after two forwards the gradient of the first has changed",
            )

    def gradients_are_linear_in_dy(self) -> None:
        """See whether every gradient is proportional to dy, as the chain rule says."""
        first = self.gradients
        zero, double, opposite, large, small = (
            self.subject.backward(factor * self.dy, self.subject.forward()[1])
            for factor in (0, 2, -1, 1024, 2.0**-20)
        )
        constant = [n for n, g in first.items() if same(double[n], g) and not same(g, 0 * g)]
        shifted = [n for n, g in first.items() if not same(zero[n] + g, g)]
        bent = [
            n
            for n, g in first.items()
            if not same(double[n], 2 * g)
            or not same(opposite[n] + 2 * g, g)
            or not same(large[n], 1024 * g)
            or not same(2.0**20 * small[n], g)
        ]
        if constant:
            names, verb = (
                " and ".join(map(gradient_name, constant)),
                "do" if constant[1:] else "does",
            )
            self.find(
                "ignores_upstream",
                f"{names} {verb} not depend on dy: by the chain rule, multiply the local "
                "derivative by dy.",
                "dy and 2 dy give the same gradient",
            )
        elif shifted:
            self.find(
                "ignores_upstream",
                f"A term of {gradient_name(shifted[0])} lacks the factor dy: the gradient must be "
                "0 for dy = 0.",
                f"for dy = 0 it reaches {np.abs(zero[shifted[0]]).max():.3g}",
            )
        elif bent:
            self.find(
                "not_linear",
                f"{gradient_name(bent[0])} is not proportional to dy: backward must multiply by dy "
                "once and do nothing else to it (no clipping, no square, no sign).",
                "2 dy does not give twice the gradient, or -dy not its negative, or a large or "
                "small multiple of dy not that of the gradient",
            )

    def gradients_add_up(self) -> None:
        """See whether the gradients of two parts of dy, with zeros in them, add up to the whole."""
        part = self.dy.copy()
        part.flat[::2] = 0
        if part.ndim and len(part) > 1:
            part[0] = 0
        halves = [self.subject.backward(p, self.subject.forward()[1])
                  for p in (part.copy(), self.dy - part)]  # fmt: skip
        largest = max(float(np.abs(g).max(initial=0.0)) for g in self.gradients.values())
        for n, g in self.gradients.items():
            # Backward may compute in float32.
            if np.abs(halves[0][n] + halves[1][n] - g).max(initial=0.0) > 1e-4 * largest:
                self.find(
                    "not_linear",
                    f"{gradient_name(n)} is not the sum of the gradients of two parts of dy: "
                    "backward must multiply by dy once, also where dy is 0.",
                    "dy is split in two, and each half has zeros in it",
                )

    def buffers_are_added_to(self) -> None:
        """See whether backward adds to the gradients of the parameters or overwrites them."""
        parameters, first = self.subject.parameters, self.gradients
        start = {n: np.asarray(self.rng.uniform(0.5, 1.5, a.shape)) for n, a in parameters.items()}
        _, cache = self.subject.forward()
        after = self.subject.backward(self.dy.copy(), cache, start)
        for name in parameters:
            d, overwritten = gradient_name(name), same(after[name], first[name])
            added = same(after[name], start[name] + first[name])
            if self.accumulate is None and (added or overwritten):
                continue
            if self.accumulate is not False and not added:
                self.find(
                    "overwrites",
                    f"backward overwrites {d}. It must add to it ({d} += ...), because a "
                    "discriminator sums the gradients of real and fake data.",
                    f"the earlier values of {d} are lost"
                    if overwritten
                    else f"{d} is not the sum of its earlier values and the gradient",
                )
            elif self.accumulate is False and not overwritten:
                self.find(
                    "accumulates",
                    f"backward adds to {d}. It must overwrite it.",
                    f"the earlier values of {d} are still in the result",
                )

    def memory_layout_does_not_matter(self) -> None:
        """Run both passes on column-major arrays with gaps in memory."""
        sentence = "Arrays that are not contiguous in memory (x[::2], x.T) give a different result."
        for form in (_with_gaps, partial(np.array, order="F")):
            inputs = [form(a) for a in self.subject.inputs.values()]
            try:
                y, cache = self.subject.forward(inputs)
                gradients = self.subject.backward(form(self.dy), cache)
            except Broken as error:
                self.find("strided", sentence, error.detail)
                return
            first = self.gradients
            largest = max(float(np.abs(g).max(initial=0.0)) for g in first.values())
            wrong = (n for n in first if not same(gradients[n], first[n], largest))
            if not same(y, self.y):
                self.find("strided", sentence, "the output differs")
            elif name := next(wrong, None):
                self.find("strided", sentence, f"{gradient_name(name)} differs")

    def results_are_new_arrays(self) -> None:
        """See whether one of the passes before has overwritten an earlier result."""
        for _ in range(3):
            try:
                self.subject.forward([1.01 * a for a in self.subject.inputs.values()])
            except Broken:
                break
        if not same(self.raw, self.y):
            self.find(
                "stale_cache",
                "forward overwrites the output of the call before: return a new array each time.",
                "after some forwards an earlier output has changed",
            )
        if name := self.subject.overwritten_gradient():
            self.find(
                "stale_cache",
                f"backward overwrites the {name} of the call before: return a new array each time.",
                f"after another backward the first {name} has changed",
            )


def _with_gaps(a: Array) -> Array:
    gaps: Array = np.repeat(a.T, 2, axis=0)[::2].T if a.ndim else a.copy()
    return gaps


def same(a: Array, b: Array, cancelled: float = 0.0) -> bool:
    """Whether two results are equal up to the order of summation.

    A gradient that is zero, such as that of a bias before BatchNorm, is a sum of rounding errors.
    Their size is that of the numbers that cancel: `cancelled` at most.
    """
    if a.shape != b.shape:
        return False
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    eps = max((np.finfo(v.dtype).eps for v in (a, b) if v.dtype.kind in "fc"), default=0.0)
    limit = eps * (1e4 * scale + 100 * cancelled) + SUBNORMAL
    return bool(np.abs(a - b).max(initial=0.0) <= limit)
