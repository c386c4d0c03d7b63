"""Check the passes of a gradient penalty, `tangent` and `backward_tangent`, in any object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from .backward import check_backward
from .compare import SUBNORMAL, random_upstream
from .report import Finding
from .subject import Broken, Gradients, Subject


class TangentSubject(Subject):
    """An object's tangent along a fixed direction, with `backward_tangent` as backward.

    So the checks of a backward pass work for `backward_tangent` too.
    """

    def __init__(self, subject: Subject, x: Array, x_dot: Array) -> None:
        super().__init__(subject.name, dict.fromkeys(subject.inputs, x))
        self.subject, self.direction = subject.with_inputs(self.inputs), x_dot
        self.inputs, self.parameters = self.subject.inputs, self.subject.parameters
        self.backend = subject.backend

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        """Return y_dot."""
        _, cache = self.subject.forward(inputs)
        direction = self.direction
        if inputs is not None and inputs[0].shape != direction.shape:
            direction = np.resize(direction, inputs[0].shape)
        return self.subject.tangent(direction, cache), (cache, direction)

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        """Return the gradients of s = <dy_dot, y_dot>."""
        gradients = self.subject.backward_tangent(dy, cache[1], cache[0], start)
        self.fitting = self.subject.fitting
        return gradients

    def cache_snapshot(self, cache: Any) -> list[bytes]:
        return self.subject.cache_snapshot(cache[0])

    def changed_parameter(self) -> str | None:
        return self.subject.changed_parameter()

    def replaced_gradient(self) -> str | None:
        return self.subject.replaced_gradient()

    def with_inputs(self, inputs: dict[str, Array]) -> Subject:
        return self._over(self.subject.with_inputs(inputs))

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        return self._over(self.subject.doubled(values))

    def to_complex(self) -> Subject:
        return self._over(self.subject.to_complex())

    def _over(self, subject: Subject) -> Subject:
        twin = copy.copy(self)
        twin.subject = subject
        twin.inputs, twin.parameters = subject.inputs, subject.parameters
        (x,) = subject.inputs.values()
        if x.shape != self.direction.shape:
            twin.direction = np.resize(self.direction, x.shape)
        return twin


def tangent_findings(subject: Subject, rng: np.random.Generator) -> list[Finding]:
    """Check both passes of an object whose `backward` is right."""
    if not subject.has_tangent:
        return []
    ((name, x),) = subject.inputs.items()
    y, cache = subject.forward()
    dy, x_dot = random_upstream(y, rng), random_upstream(x, rng)
    dx = subject.backward(dy, cache)[name]
    try:
        y_dot = subject.tangent(x_dot, cache)
        if y_dot.shape != y.shape:
            sentence = "tangent must return an array of the output's shape."
            return [Finding("tangent", sentence, f"it has shape {y_dot.shape}, not {y.shape}")]
        left, right = dy * y_dot, dx * x_dot
        size, eps = np.abs(left).sum() + np.abs(right).sum(), np.finfo(y_dot.dtype).eps
        if abs(left.sum() - right.sum()) > 1e4 * eps * size + SUBNORMAL:
            sentence = (
                "tangent is not the derivative whose transpose backward computes: "
                "<dy, tangent(x_dot)> must equal <backward(dy), x_dot>."
            )
            evidence = f"the two are {left.sum():.6g} and {right.sum():.6g}"
            return [Finding("tangent", sentence, evidence)]
        subject.backward_tangent(dy, x_dot, cache)
    except NotImplementedError:
        return []  # the layer does not support penalties, and a penalty says so
    except Broken as error:
        sentence = f"{error.where} does not work on this forward's cache."
        return [Finding("tangent", sentence, error.detail)]
    # Not at the caller's x: in a saturated Tanh, 1 - y**2 is only rounding error.
    tangent = TangentSubject(subject, random_upstream(x, rng), x_dot)
    prefix = "backward_tangent, as the gradient of <dy_dot, tangent(x_dot)>: "
    report = check_backward(tangent, np.random.default_rng(0))
    return [replace(f, sentence=prefix + f.sentence) for f in report.findings if f.mistake]
