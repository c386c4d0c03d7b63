"""The passes of a gradient penalty, where a layer has them: `tangent` and `backward_tangent`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from ..layers import Layer
from .case import upstream
from .report import Finding, Report
from .structure import SUBNORMAL
from .subject import LayerSubject


class Tangent:
    """A layer's tangent along a fixed direction, as a layer: `backward_tangent` is its backward.

    So whatever finds mistakes in a backward pass finds them in that of the tangent.
    """

    def __init__(self, layer: Any, x_dot: Array) -> None:
        self.layer, self.direction, self.backend = layer, (x_dot,), layer.backend

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return y_dot."""
        _, cache = self.layer.forward(x)
        return self.layer.tangent(*self.direction, cache), cache

    def backward(self, dy_dot: Array, cache: Any) -> Array:
        """Return ds/dx of s = <dy_dot, y_dot>: zeros where the layer says None."""
        (x_dot,) = self.direction
        dx: Array | None = self.layer.backward_tangent(dy_dot, x_dot, cache)
        return 0 * x_dot if dx is None else dx


def tangents(
    subject: LayerSubject, dy: Array, rng: np.random.Generator, check: Callable[..., Report]
) -> list[Finding]:
    """Check both passes of a layer whose `backward` is right; `check` is `check_gradients`."""
    layer, (x,) = subject.target, subject.inputs.values()
    if not isinstance(layer, Layer) or type(layer).tangent is Layer.tangent:
        return []
    _, cache = subject.forward()
    dx = subject.backward(dy, cache)["x"]
    x_dot = upstream(x, rng)
    direction = subject.backend.asarray(x_dot)
    try:
        y_dot = subject.backend.to_numpy(layer.tangent(direction, cache))
        if y_dot.shape != dy.shape:
            text = "tangent must return an array of the output's shape."
            return [Finding("tangent", text, f"it has shape {y_dot.shape}, not {dy.shape}")]
        left, right = dy * y_dot, dx * x_dot
        size, eps = np.abs(left).sum() + np.abs(right).sum(), np.finfo(y_dot.dtype).eps
        if abs(left.sum() - right.sum()) > 1e4 * eps * size + SUBNORMAL:
            text = (
                "tangent is not the derivative that backward is the transpose of: "
                "<dy, tangent(x_dot)> and <backward(dy), x_dot> must be one number."
            )
            return [Finding("tangent", text, f"they are {left.sum():.6g} and {right.sum():.6g}")]
        layer.backward_tangent(subject.backend.asarray(dy), direction, cache)
    except NotImplementedError:
        return []  # for layers that leave penalties out; a penalty says so
    # Not at the caller's x: where a Tanh is saturated, 1 - y**2 is rounding error alone.
    found = check(Tangent(layer, direction), upstream(x, rng)).findings
    prefix = "backward_tangent, as the gradient of <dy_dot, tangent(x_dot)>: "
    return [replace(f, sentence=prefix + f.sentence) for f in found if f.mistake]
