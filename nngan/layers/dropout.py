"""Dropout: features dropped at random in training."""

from __future__ import annotations

import numpy as np

from ..backend import Array, Key, Stream, fused
from ..checks import array, fraction
from .base import Elementwise, check_like


class Dropout(Elementwise):
    """y = x m / (1 - rate): each m is 0 with probability `rate`, else 1; y = x in inference.

    The division keeps the mean: E[y] = x. The mask m does not depend on x, so, elementwise,
    dy/dx = m / (1 - rate). The mask is a function of the key that `forward` is handed: the same
    key, the same mask.

    Parameters
    ----------
    rate : float
        Share of the features that is dropped, 0 <= rate < 1.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 2014 (there the factor is applied in inference instead).
    """

    is_random = True

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = fraction("rate", rate)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array | None]:
        array("x", x)
        if not training or self.rate == 0:
            return x, None
        if key is None:
            key = Key(0).fold_in(Stream.DROPOUT)
        return self.backend.with_random_bits(dropped, key, x, rate=self.rate)

    def backward(
        self, dy: Array, cache: Array | None, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        if not input_grad or cache is None:
            return dy if input_grad else None
        check_like(self, dy, cache)
        return dy * cache

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.rate})"


@fused
def dropped(bits: Array, x: Array, *, rate: float) -> tuple[Array, Array]:
    """Return x m / (1 - rate) and m / (1 - rate), elementwise, m from 16 random bits each.

    Integers are compared, so that every backend draws the same mask. m is 1 with probability
    1 - rate, to within 2**-17.
    """
    m = bits < np.uint32(round((1 - rate) * 2**16))
    scaled = m.astype(x.dtype) / (1 - rate)
    return x * scaled, scaled
