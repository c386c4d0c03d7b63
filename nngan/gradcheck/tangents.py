"""Check the passes of a gradient penalty, if a layer has them: `tangent` and `backward_tangent`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from ..layers import Layer
from .backward import check_backward
from .compare import random_upstream
from .contract import SUBNORMAL
from .report import Finding
from .subject import LayerSubject


class Tangent:
    """A layer's tangent along a fixed direction, as a layer with `backward_tangent` as backward.

    So the checks of a backward pass work for `backward_tangent` too.
    """

    def __init__(self, layer: Any, x_dot: Array) -> None:
        # In a tuple, because an array in self would be taken for a parameter.
        self.layer, self.direction, self.backend = layer, (x_dot,), layer.backend

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y_dot."""
        _, cache = self.layer.forward(x)
        return self.layer.tangent(*self.direction, cache), cache

    def backward(self, dy_dot: Array, cache: Any) -> Array:
        """Return ds/dx of s = <dy_dot, y_dot>; zeros if the layer returns None."""
        (x_dot,) = self.direction
        dx: Array | None = self.layer.backward_tangent(dy_dot, x_dot, cache)
        return 0 * x_dot if dx is None else dx


def tangent_findings(subject: LayerSubject, rng: np.random.Generator) -> list[Finding]:
    """Check both passes of a layer whose `backward` is right."""
    layer, (x,) = subject.target, subject.inputs.values()
    if not isinstance(layer, Layer) or type(layer).tangent is Layer.tangent:
        return []
    y, cache = subject.forward()
    dy, x_dot = random_upstream(y, rng), random_upstream(x, rng)
    dx = subject.backward(dy, cache)["x"]
    direction = subject.backend.asarray(x_dot)
    try:
        y_dot = subject.backend.to_numpy(layer.tangent(direction, cache))
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
        layer.backward_tangent(subject.backend.asarray(dy), direction, cache)
    except NotImplementedError:
        return []  # the layer does not support penalties, and a penalty says so
    # Not at the caller's x: in a saturated Tanh, 1 - y**2 is only rounding error.
    tangent = LayerSubject(Tangent(layer, direction), random_upstream(x, rng))
    prefix = "backward_tangent, as the gradient of <dy_dot, tangent(x_dot)>: "
    report = check_backward(tangent, np.random.default_rng(0))
    return [replace(f, sentence=prefix + f.sentence) for f in report.findings if f.mistake]
