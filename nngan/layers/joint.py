"""Layers that a GPU runs as one kernel: the bias of a `Linear` with the activation after it.

They compute what the layers compute one by one, from the same formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..backend import Array, Backend, array_module, fused
from .activations import LeakyReLU, ReLU, Sigmoid, Tanh, leaky_relu, relu, sigmoid
from .base import Layer
from .linear import Linear


def tanh(x: Array) -> Array:
    """Return tanh(x), elementwise."""
    y: Array = array_module(x).tanh(x)
    return y


FORMULAS: dict[type[Layer], Callable[..., Array]] = {
    ReLU: relu, LeakyReLU: leaky_relu, Sigmoid: sigmoid, Tanh: tanh,
}  # fmt: skip


class Joint(NamedTuple):
    """A `Linear` and the activation after it."""

    linear: Linear
    activation: Any

    def forward(self, x: Array) -> tuple[Array, Array, Array]:
        """Return the output and the caches of both layers."""
        linear, activation = self
        linear.check("x", x, linear.n_in)
        numbers = {"slope": activation.slope} if isinstance(activation, LeakyReLU) else {}
        product = linear.backend.matmul(x, linear.W)
        y = plus_bias(product, linear.b, formula=FORMULAS[type(activation)], **numbers)
        return y, x, y


@fused
def plus_bias(x: Array, b: Array, *, formula: Callable[..., Array], **numbers: float) -> Array:
    """Return ``formula(x + b, **numbers)``."""
    return formula(x + b, **numbers)


def joint_layers(layers: Sequence[Layer], backend: Backend) -> dict[int, Joint]:
    """Return the pairs that this backend runs as one, by the position of the first in `layers`.

    Classes of one's own that are derived from these are left alone: they may compute anything.
    """
    if not backend.joins_layers:
        return {}
    pairs = enumerate(zip(layers[:-1], layers[1:], strict=True))
    return {
        i: Joint(first, second)
        for i, (first, second) in pairs
        if type(first) is Linear and type(second) in FORMULAS
    }
