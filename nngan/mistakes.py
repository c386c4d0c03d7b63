"""Mistakes that GANs written by hand have, as networks that make them on purpose.

Each raises no error: the game runs, and learns badly or not at all. They are for lessons and for
tests of what finds mistakes; nothing else in the library uses them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .backend import Array, Key
from .layers import Layer, Sigmoid
from .network import Sequential


class NeverZeroed(Sequential):
    """A network whose `grads` are never set to zero: each step moves along the sum of all."""

    def _accumulate(self, accumulate: bool) -> bool:
        return True


class OneCache(Sequential):
    """A network with one cache, which each `forward` overwrites.

    D sees data, then fakes. The gradient of the data is then taken at the activations of the fakes.
    """

    def __init__(self, *layers: Layer, **options: Any) -> None:
        super().__init__(*layers, **options)
        self.couples_samples = True  # else data and fakes go through D in one minibatch
        self.cache: list[Any] = []

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, list[Any]]:
        y, self.cache[:] = super().forward(x, training, key)
        return y, self.cache


class WrongSign(Sequential):
    """A network that goes up its loss: its backward pass begins with -dy."""

    def backward(self, dy: Array, cache: list[Any], **options: Any) -> Array | None:
        return super().backward(-dy, cache, **options)


class SigmoidAtTheEnd(Sequential):
    """A network whose outputs are probabilities, for a loss that expects logits.

    The loss has a sigmoid of its own. It sees numbers in 0..1, so that D(x) lies in 0.5..0.73.
    """

    def __init__(self, *layers: Layer, **options: Any) -> None:
        super().__init__(*layers, Sigmoid(), **options)


class Mistake(NamedTuple):
    """A mistake, the player who makes it ("G" or "D"), and how it shows."""

    player: str
    network: type[Sequential]
    title: str
    shows: str


MISTAKES = {
    "sigmoid": Mistake(
        "D", SigmoidAtTheEnd, "a sigmoid at the end of D",
        "D(x) and D(G(z)) stay between 0.5 and 0.73, because the loss applies a second sigmoid.",
    ),
    "not_zeroed": Mistake(
        "D", NeverZeroed, "D's gradients are not set to zero",
        "D moves along the sum of all gradients since the start, and hardly follows the fakes.",
    ),
    "stale_cache": Mistake(
        "D", OneCache, "D keeps one cache for data and fakes",
        "The gradient of the data is taken at the fakes, so that both parts of D's gradient "
        "work against each other at the same points.",
    ),
    "wrong_sign": Mistake(
        "G", WrongSign, "the sign of G's gradient is wrong",
        "The fakes move against the arrows, to where D is sure that they are fakes.",
    ),
}  # fmt: skip
