"""Layers that a GPU runs as one kernel: a `Linear`, the activation after it, and a `Dropout`.

They compute what the layers compute one by one, from the same formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..backend import Array, Backend, array_module, fused
from .activations import (
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh_backward,
)
from .base import Layer, check_like
from .dropout import Dropout
from .linear import Linear


def tanh(x: Array) -> Array:
    """Return tanh(x), elementwise."""
    y: Array = array_module(x).tanh(x)
    return y


FORMULAS: dict[type[Layer], tuple[Callable[..., Array], Callable[..., Array]]] = {
    ReLU: (relu, relu_backward),
    LeakyReLU: (leaky_relu, leaky_relu_backward),
    Sigmoid: (sigmoid, sigmoid_backward),
    Tanh: (tanh, tanh_backward),
}
PASSES = {"forward", "backward"}


class Above:
    """A layer whose part in the backward pass is done by the layer below it."""

    def backward(self, dy: Array, _: Any, **options: Any) -> Array:
        """Return dy."""
        return dy


class Joint(NamedTuple):
    """A `Linear`, the activation after it, and perhaps the `Dropout` after that."""

    linear: Linear
    activation: Any
    has_dropout: bool

    def forward(self, x: Array) -> tuple[Array, Array, Array]:
        """Return the activation's output, and the caches of the first two layers."""
        linear, activation, _ = self
        linear._check("x", x, linear.n_in)
        formula, _ = FORMULAS[type(activation)]
        product = linear.backend.matmul(x, linear.W)
        y = plus_bias(product, linear.b, formula=formula, **self._numbers())
        return y, x, y

    def backward(
        self,
        dy: Array,
        caches: Sequence[Any],
        *,
        input_grad: bool,
        param_grads: bool,
        accumulate: bool = True,
        sample_weight: Array | None = None,
    ) -> Array | None:
        """Return the gradient of x from that of the last output, as `Linear.backward` does."""
        linear, activation, has_dropout = self
        (x, y), mask = caches[:2], caches[2] if has_dropout else None
        check_like(activation, dy, y)
        linear._check("dy", dy, linear.n_out)
        _, formula = FORMULAS[type(activation)]
        constants, arrays = self._numbers(), [dy, y]
        if mask is not None:
            formula, constants = through_mask, {**constants, "derivative": formula}
            arrays.append(mask)
        if not param_grads or sample_weight is not None:
            return linear.backward(
                formula(*arrays, **constants), x, input_grad=input_grad, param_grads=param_grads,
                accumulate=accumulate, sample_weight=sample_weight,
            )  # fmt: skip
        backend = linear.backend
        du = backend.with_row_sums(formula, arrays, linear.db, accumulate, **constants)
        backend.matmul(x.T, du, out=linear.dW, accumulate=accumulate)
        return backend.matmul(du, linear.W.T) if input_grad else None

    def _numbers(self) -> dict[str, Any]:
        """Return the activation's constants."""
        return {"slope": self.activation.slope} if type(self.activation) is LeakyReLU else {}


@fused
def plus_bias(x: Array, b: Array, *, formula: Callable[..., Array], **numbers: float) -> Array:
    """Return ``formula(x + b, **numbers)``."""
    return formula(x + b, **numbers)


@fused
def through_mask(
    dy: Array, y: Array, m: Array, *, derivative: Callable[..., Array], **numbers: float
) -> Array:
    """Return ``derivative(dy * m, y, **numbers)``."""
    return derivative(dy * m, y, **numbers)


def joint_layers(layers: Sequence[Layer], backend: Backend) -> dict[int, Joint | Above]:
    """Return what this backend runs as one, by the position of the first layer in `layers`.

    Classes of one's own that are derived from these are left alone, and so are layers whose passes
    have been replaced: they may compute anything.
    """
    joint: dict[int, Joint | Above] = {}
    if not backend.joins_layers:
        return joint
    kinds = [None if vars(layer).keys() & PASSES else type(layer) for layer in layers]
    for i, kind in enumerate(kinds[:-1]):
        first, second = layers[i : i + 2]
        if kind is Linear and kinds[i + 1] in FORMULAS:
            has_dropout = kinds[i + 2 : i + 3] == [Dropout]
            joint |= {i: Joint(first, second, has_dropout), i + 1: Above()}  # type: ignore[arg-type]
            joint |= {i + 2: Above()} if has_dropout else {}
    return joint
