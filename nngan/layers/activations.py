"""Elementwise functions: y_i depends on x_i alone."""

from __future__ import annotations

import math

from ..backend import Array, Key, array_module, each, fused, loop_of
from ..checks import array, is_number
from .base import Elementwise, check_like


class ReLU(Elementwise):
    """y = max(x, 0).

    Elementwise, dy/dx = 1 where x > 0 and 0 where x < 0; at the kink x = 0 we take 0.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    """

    output_range = (0.0, math.inf)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        y = self.backend.elementwise(relu, array("x", x))
        return y, y  # y is positive exactly where x is, and the layer above keeps it anyway

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        y = cache
        check_like(self, dy, y)
        return self.backend.elementwise(relu_backward, dy, y) if input_grad else None


@fused
def relu(x: Array) -> Array:
    """Return max(x, 0), elementwise."""
    y: Array = array_module(array("x", x)).maximum(x, 0)
    return y


@loop_of(relu)
def relu_loop(x: Array, y: Array) -> None:
    """Compute `relu` in one pass."""
    zero = x.dtype.type(0)
    for i in each(x.size):
        y[i] = zero if x[i] <= zero else x[i]


@fused
def relu_backward(dy: Array, y: Array) -> Array:
    """Return dL/dx = dL/dy [x > 0], elementwise, where y = relu(x)."""
    return dy * (y > 0)


@loop_of(relu_backward)
def relu_backward_loop(dy: Array, y: Array, dx: Array) -> None:
    """Compute `relu_backward` in one pass."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for i in each(y.size):
        dx[i] = dy[i] * (one if y[i] > zero else zero)


class LeakyReLU(Elementwise):
    """y = x where x > 0, slope * x elsewhere.

    Elementwise, dy/dx = 1 where x > 0 and slope where x < 0; at the kink x = 0 we take slope. In
    one formula, dy/dx = slope + (1 - slope) [x > 0].

    Parameters
    ----------
    slope : float
        0 <= slope <= 1. GANs use 0.2 (Radford et al. 2016).

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013.
    """

    def __init__(self, slope: float = 0.2) -> None:
        if not (is_number(slope) and 0 <= slope <= 1):
            raise ValueError(f"slope must lie in [0, 1], got {slope!r}")
        self.slope = float(slope)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        y = self.backend.elementwise(leaky_relu, array("x", x), slope=self.slope)
        return y, y  # y is positive exactly where x is, and the layer above keeps it anyway

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        y = cache
        check_like(self, dy, y)
        if not input_grad:
            return None
        return self.backend.elementwise(leaky_relu_backward, dy, y, slope=self.slope)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.slope})"


@fused
def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where x > 0, slope * x elsewhere."""
    # Of x and slope * x the larger is x exactly where x > 0, because slope <= 1.
    y: Array = array_module(array("x", x)).maximum(x, slope * x)
    return y


@loop_of(leaky_relu)
def leaky_relu_loop(x: Array, y: Array, slope: float) -> None:
    """Compute `leaky_relu` in one pass."""
    for i in each(x.size):
        y[i] = slope * x[i] if x[i] <= 0 else x[i]


@fused
def leaky_relu_backward(dy: Array, y: Array, slope: float) -> Array:
    """Return dL/dx = dL/dy (slope + (1 - slope) [x > 0]), elementwise, of y = leaky_relu(x)."""
    # Arithmetic takes a tenth of the time of `where`, because signs are hard to predict.
    dx = (y > 0).astype(y.dtype)
    dx *= 1 - slope
    dx += slope
    dx *= dy
    return dx


@loop_of(leaky_relu_backward)
def leaky_relu_backward_loop(dy: Array, y: Array, dx: Array, slope: float) -> None:
    """Compute `leaky_relu_backward` in one pass."""
    for i in each(y.size):
        dx[i] = dy[i] if y[i] > 0 else slope * dy[i]


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)), see `sigmoid`.

    Elementwise, dy/dx = exp(-x) / (1 + exp(-x))**2 = y (1 - y), and once more, by the chain rule,
    d2y/dx2 = (1 - 2 y) dy/dx = y (1 - y) (1 - 2 y).
    """

    output_range = (0.0, 1.0)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        y = sigmoid(x)
        return y, y

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        y = cache
        check_like(self, dy, y)
        return sigmoid_backward(dy, y) if input_grad else None

    def backward_tangent(self, dy_dot: Array, x_dot: Array, cache: Array) -> Array:
        y = cache
        dx: Array = dy_dot * x_dot * y * (1 - y) * (1 - 2 * y)
        return dx


@fused
def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Return dL/dx = dL/dy y (1 - y), elementwise, where y = sigmoid(x)."""
    dx: Array = dy * y * (1 - y)
    return dx


class Tanh(Elementwise):
    """y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Elementwise, by the quotient rule, dy/dx = 1 - y**2, and once more, by the chain rule,
    d2y/dx2 = -2 y dy/dx = -2 y (1 - y**2).
    """

    output_range = (-1.0, 1.0)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        y = array_module(array("x", x)).tanh(x)
        return y, y

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        y = cache
        check_like(self, dy, y)
        return tanh_backward(dy, y) if input_grad else None

    def backward_tangent(self, dy_dot: Array, x_dot: Array, cache: Array) -> Array:
        y = cache
        dx: Array = dy_dot * x_dot * -2 * y * (1 - y * y)
        return dx


@fused
def tanh_backward(dy: Array, y: Array) -> Array:
    """Return dL/dx = dL/dy (1 - y**2), elementwise, where y = tanh(x)."""
    dx: Array = dy * (1 - y * y)
    return dx


@fused
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), elementwise, for any finite x without overflow."""
    # Naive: 1 / (1 + exp(-x)), where exp(-x) overflows for x below -88.7 in float32. With
    # e = exp(-|x|) <= 1 the same number is 1 / (1 + e) for x >= 0 and, multiplying above and
    # below by exp(x), e / (1 + e) for x < 0. The numerator is max(e, [x >= 0]).
    xp = array_module(array("x", x))
    e = xp.exp(-xp.abs(x))
    y: Array = xp.maximum(e, (x >= 0).astype(x.dtype)) / (1 + e)
    return y
