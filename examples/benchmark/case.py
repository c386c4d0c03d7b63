"""A game that race.py times, and the images that all contestants learn from."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import nngan as nn
from nngan.layers import Dropout
from nngan.recipes import RECIPES

FEATURES = 784
IMAGES = 60_000
Step = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A game to time.

    Attributes
    ----------
    name : str
        Its recipe, without dropout and without a range of the data.
    batch : int
        Samples per minibatch.
    width, depth : int or None
        If given, both networks have `depth` hidden layers of `width` instead of the recipe's.
    backend : str
        One of `nngan.backend.BACKENDS`; PyTorch runs on the same device.
    threads : int
        Number of threads of the matrix products and of PyTorch.
    flush_denormals : bool
        Whether PyTorch treats subnormal numbers as zero. nngan's optimizers clear them. They appear
        after some number of steps.
    """

    name: str
    batch: int
    width: int | None = None
    depth: int = 1
    backend: str = "numpy"
    threads: int = 2
    flush_denormals: bool = False

    def layers(self) -> tuple[list[Any], list[Any], int]:
        """Return the layers of G, those of D, and the number of latent features."""
        recipe = RECIPES[self.name]
        z = recipe.latent_dim
        if self.width is None:
            G = list(recipe.generator(z, FEATURES))
            D = [
                layer for layer in recipe.discriminator(FEATURES) if not isinstance(layer, Dropout)
            ]
        else:
            hidden = [self.width] * self.depth
            G, D = _perceptron([z, *hidden, FEATURES]), _perceptron([FEATURES, *hidden, 1])
            G.append(nn.ReLU())
        return G, D, z

    @property
    def adam(self) -> dict[str, Any]:
        """The recipe's optimizer, for both players."""
        return RECIPES[self.name].optimizer


def _perceptron(widths: list[int]) -> list[Any]:
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out, "fan_in"), nn.ReLU()]
    return layers[:-1]


def images() -> np.ndarray[Any, Any]:
    """Return the 8x8 digits of scikit-learn at MNIST's size: bytes of shape (60000, 784).

    The images must be real: against noise D wins at once, its gradients vanish, and the race would
    time the processor's slow arithmetic with numbers near zero.
    """
    small, _ = nn.datasets.digits()
    enlarged = np.kron(small.reshape(-1, 8, 8), np.ones((1, 3, 3)))
    digits = np.pad(np.rint(255 * enlarged).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    return digits.reshape(-1, FEATURES)[np.arange(IMAGES) % len(digits)]
