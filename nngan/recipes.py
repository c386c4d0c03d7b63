"""Recipes: complete games under a name, each readable as a whole.

``python examples/train_mnist.py --recipe NAME`` trains one; ``RECIPES[name].build(features)`` makes
its game in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .backend import NumpyBackend
from .gan import GAN
from .layers import Dropout, Layer, LeakyReLU, Linear, ReLU, Tanh
from .network import Sequential
from .optim import optimizer_from_config


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a run, but the data.

    Attributes
    ----------
    summary : str
        One line.
    latent_dim : int
        Features of z.
    generator : callable
        ``(latent_dim, features) -> layers``.
    discriminator : callable
        ``(features) -> layers``, ending in one logit.
    optimizer : dict
        Of both players, as `Optimizer.config` gives it.
    batch_size, epochs : int
    sample_every : int
        Epochs between two sheets of samples.
    game : dict
        Options of `GAN`: its loss, penalties, averages, data_range, ...
    """

    summary: str
    latent_dim: int
    generator: Callable[[int, int], Sequence[Layer]]
    discriminator: Callable[[int], Sequence[Layer]]
    optimizer: dict[str, Any]
    batch_size: int
    epochs: int
    sample_every: int = 1
    game: dict[str, Any] = field(default_factory=dict)

    def with_game(self, **options: Any) -> Recipe:
        """Return the recipe with other options of the game."""
        return replace(self, game={**self.game, **options})

    def with_lr(self, lr: float) -> Recipe:
        """Return the recipe with another learning rate."""
        return replace(self, optimizer={**self.optimizer, "lr": lr})

    def build(self, features: int, seed: int = 0, backend: str | NumpyBackend = "numpy") -> GAN:
        """Make the game for data of so many features.

        One `seed` decides everything: the game takes 3 seed, G 3 seed + 1, D 3 seed + 2, so that
        no two of them share a number, in this run or between two runs.
        """
        G = self.generator(self.latent_dim, features)
        D = self.discriminator(features)
        return GAN(
            Sequential(*G, seed=3 * seed + 1),
            Sequential(*D, seed=3 * seed + 2),
            g_optimizer=optimizer_from_config(self.optimizer),
            d_optimizer=optimizer_from_config(self.optimizer),
            seed=3 * seed,
            backend=backend,
            **self.game,
        )


SMALL = ("normal", 0.01)

RECIPES = {
    "default": Recipe(
        summary="readable digits in minutes: small weights, LeakyReLU, tanh, dropout in D",
        latent_dim=64,
        generator=lambda z, x: (
            Linear(z, 256, "fan_in"), LeakyReLU(0.2),
            Linear(256, 512, "fan_in"), LeakyReLU(0.2),
            Linear(512, x, "fan_in"), Tanh(),
        ),
        discriminator=lambda x: (
            Linear(x, 512, "fan_in"), LeakyReLU(0.2), Dropout(0.3),
            Linear(512, 256, "fan_in"), LeakyReLU(0.2), Dropout(0.3),
            Linear(256, 1, "fan_in"),
        ),
        optimizer={"type": "Adam", "lr": 4e-4, "beta1": 0.5},
        batch_size=64,
        epochs=20,
        game={"data_range": (-1.0, 1.0)},
    ),
    "tf_basic": Recipe(
        summary="the two-layer game of TensorFlow's early examples: ReLU, weights N(0, 0.01)",
        latent_dim=128,
        generator=lambda z, x: (Linear(z, 256, SMALL), ReLU(), Linear(256, x, SMALL), ReLU()),
        discriminator=lambda x: (Linear(x, 256, SMALL), ReLU(), Linear(256, 1, SMALL)),
        optimizer={"type": "Adam", "lr": 2e-4, "beta1": 0.9},
        batch_size=100,
        epochs=100,
        sample_every=10,
    ),
    "pytorch_mlp": Recipe(
        summary="the deeper game of PyTorch's MLP examples: LeakyReLU, tanh, dropout in D",
        latent_dim=100,
        generator=lambda z, x: (
            Linear(z, 256, "fan_in"), LeakyReLU(0.2),
            Linear(256, 512, "fan_in"), LeakyReLU(0.2),
            Linear(512, 1024, "fan_in"), LeakyReLU(0.2),
            Linear(1024, x, "fan_in"), Tanh(),
        ),
        discriminator=lambda x: (
            Linear(x, 1024, "fan_in"), LeakyReLU(0.2), Dropout(0.3),
            Linear(1024, 512, "fan_in"), LeakyReLU(0.2), Dropout(0.3),
            Linear(512, 256, "fan_in"), LeakyReLU(0.2), Dropout(0.3),
            Linear(256, 1, "fan_in"),
        ),
        optimizer={"type": "Adam", "lr": 2e-4, "beta1": 0.5},
        batch_size=128,
        epochs=50,
        game={"data_range": (-1.0, 1.0)},
    ),
}  # fmt: skip


def _mixture(summary: str, depth: int, epochs: int) -> Recipe:
    """Return a game on a 2-D mixture, with `depth` hidden layers in G, of 400 steps an epoch."""
    return Recipe(
        summary=summary,
        latent_dim=2,
        generator=lambda z, x: (
            Linear(z, 128, "he"), ReLU(),
            *(layer for _ in range(depth - 1) for layer in (Linear(128, 128, "he"), ReLU())),
            Linear(128, x),
        ),
        discriminator=lambda x: (
            Linear(x, 128, "he"), LeakyReLU(0.2),
            Linear(128, 128, "he"), LeakyReLU(0.2),
            Linear(128, 128, "he"), LeakyReLU(0.2),
            Linear(128, 1),
        ),
        optimizer={
            "type": "Adam", "lr": 4e-3, "beta1": 0.5, "beta2": 0.9,
            "schedule": ("linear", 400 * epochs),
        },
        batch_size=250,
        epochs=epochs,
        game={"r1": 0.01, "r2": 0.01, "ema": 0.999},
    )  # fmt: skip


# For the 100,000 points of `nngan.datasets`; docs/mixtures.md says what each part is for.
MIXTURES = {
    "ring": _mixture("eight modes: steep G, weak penalties, fast steps that end in none", 4, 20),
    "grid": _mixture("25 modes: the same game with a steeper G, longer", 5, 24),
}
