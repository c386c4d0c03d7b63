"""Recipes: complete games under a name, each readable as a whole.

``nngan train --recipe NAME`` trains one; ``RECIPES[name].build(features)`` makes
its game in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .backend import Backend
from .checks import nonnegative, optional, positive_int, uint64
from .gan import GAN
from .layers import (
    BatchNorm,
    Dropout,
    Layer,
    LeakyReLU,
    Linear,
    Maxout,
    ReLU,
    Sigmoid,
    Tanh,
)
from .network import Sequential
from .optim import Optimizer, optimizer_from_config


@dataclass(frozen=True)
class Recipe:
    """All options of a run except the data.

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
        Description of the optimizer of both players, as `Optimizer.config` returns it. A schedule
        ``("linear", None)`` falls to zero over the whole run: `build` needs its `steps`.
    d_optimizer : dict, optional
        Description of D's optimizer, if it is another.
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
    d_optimizer: dict[str, Any] | None = None

    def with_game(self, **options: Any) -> Recipe:
        """Return the recipe with other options of the game."""
        return replace(self, game={**self.game, **options})

    def with_lr(self, lr: float) -> Recipe:
        """Return the recipe with another learning rate of G; that of D keeps its ratio to it."""
        lr = nonnegative("lr", lr)
        scale, d_optimizer = lr / self.optimizer["lr"], self.d_optimizer
        if d_optimizer is not None:
            d_optimizer = {**d_optimizer, "lr": scale * d_optimizer["lr"]}
        return replace(self, optimizer={**self.optimizer, "lr": lr}, d_optimizer=d_optimizer)

    def build(
        self,
        features: int,
        seed: int = 0,
        backend: str | Backend = "numpy",
        steps: int | None = None,
        classes: int | None = None,
    ) -> GAN:
        """Make the game for data with `features` features, to be trained for `steps` steps.

        A conditional recipe is for ten classes, unless `classes` says how many the data have.

        One `seed` decides everything: the game takes 3 seed, G 3 seed + 1, D 3 seed + 2, so that
        no two of them share a number, in this run or between two runs.

        Raises
        ------
        ValueError
            If the optimizer's schedule needs `steps` and none are given.
        """
        features, seed = positive_int("features", features), uint64("seed", seed)
        steps = optional(positive_int, "steps", steps)
        if classes is not None:
            classes = positive_int("classes", classes)
            return self.with_game(classes=classes).build(features, seed, backend, steps)
        G, D = self.layers(features)
        return GAN(
            Sequential(*G, seed=3 * seed + 1),
            Sequential(*D, seed=3 * seed + 2),
            g_optimizer=_optimizer(self.optimizer, steps),
            d_optimizer=_optimizer(
                self.d_optimizer or self.optimizer, steps and steps * self.game.get("k", 1)
            ),
            seed=3 * seed,
            backend=backend,
            **self.game,
        )

    def layers(self, features: int) -> tuple[Sequence[Layer], Sequence[Layer]]:
        """Return the layers of G and D for data with `features` features."""
        classes, pack = self.game.get("classes", 0), self.game.get("pack", 1)
        D = self.discriminator(pack * (features + classes))
        return self.generator(self.latent_dim + classes, features), D

    def sizes(self, features: int) -> tuple[int, int]:
        """Return the numbers of parameters of G and D, without taking the memory.

        Only one layer of each network touches the data, so that its size is a straight line in
        `features`, of which two points are enough.
        """
        one, two = (
            [sum(layer.size for layer in network) for network in self.layers(n)] for n in (1, 2)
        )
        g, d = (a + (features - 1) * (b - a) for a, b in zip(one, two, strict=True))
        return g, d


def _optimizer(config: dict[str, Any], steps: int | None) -> Optimizer:
    """Make the optimizer of a player that takes `steps` steps."""
    if tuple(config.get("schedule", ())) == ("linear", None):
        if steps is None:
            raise ValueError("steps must be given, because the learning rate falls over them")
        config = {**config, "schedule": ("linear", steps)}
    return optimizer_from_config(config)


SMALL = ("normal", 0.01)
TINY = ("uniform", 0.005)
# The momentum grows over 250 epochs of 500 steps.
GOODFELLOW = {"momentum": (0.5, 0.7, 125_000), "schedule": ("exponential", 1 / 1.000004)}


def generator(z: int, x: int) -> Sequence[Layer]:
    """Return the layers of `default`'s G, which most other recipes share."""
    return (
        Linear(z, 256, "he"), BatchNorm(256), ReLU(),
        Linear(256, 512, "he"), BatchNorm(512), ReLU(),
        Linear(512, x, "fan_in"), Tanh(),
    )  # fmt: skip


def discriminator(x: int) -> Sequence[Layer]:
    """Return the layers of `default`'s D. No BatchNorm: it would couple the samples."""
    return (
        Linear(x, 1024, "he"), ReLU(),
        Linear(1024, 512, "he"), ReLU(),
        Linear(512, 1, "fan_in"),
    )  # fmt: skip


DEFAULT = Recipe(
    summary="the best all-round game here: BatchNorm in G, categories in z, R1, an average of G",
    latent_dim=64,
    generator=generator,
    discriminator=discriminator,
    optimizer={"type": "Adam", "lr": 1e-3, "beta1": 0.5, "beta2": 0.99},
    batch_size=128,
    epochs=50,
    # Up to step 45,000 the average is over a ninth of the run: see `update_average`.
    game={"categories": 10, "r1": 1.0, "ema": 0.9998, "data_range": (-1.0, 1.0)},
)

RECIPES = {
    "default": DEFAULT,
    "conditional": replace(
        DEFAULT.with_game(classes=10, categories=0),
        summary="default, told which digit: sample(n, labels=...) draws those asked for",
        epochs=25,
    ),
    "small": replace(
        DEFAULT.with_game(classes=10, categories=0, ema=0.998),
        summary="conditional with a quarter of the width: the game of nngan demo, half a minute",
        latent_dim=32,
        generator=lambda z, x: (
            Linear(z, 128, "he"), BatchNorm(128), ReLU(),
            Linear(128, 128, "he"), BatchNorm(128), ReLU(),
            Linear(128, x, "fan_in"), Tanh(),
        ),
        discriminator=lambda x: (
            Linear(x, 256, "he"), ReLU(),
            Linear(256, 128, "he"), ReLU(),
            Linear(128, 1, "fan_in"),
        ),
        batch_size=64,
        epochs=6,
    ),
    "r1": replace(
        DEFAULT.with_game(ema=0.0, categories=0),
        summary="R1 alone: default without BatchNorm, categories and average",
        generator=lambda z, x: (
            Linear(z, 256, "he"), ReLU(),
            Linear(256, 512, "he"), ReLU(),
            Linear(512, x, "fan_in"), Tanh(),
        ),
        epochs=25,
    ),
    "rpgan": replace(
        DEFAULT.with_game(loss="relativistic", r2=1.0),
        summary="D judges pairs of real and fake (RpGAN), with R1 and R2",
        epochs=25,
    ),
    "wgan_gp": replace(
        DEFAULT.with_game(
            loss="wasserstein", r1=0.0, gradient_penalty=10.0, k=5, categories=0
        ),
        summary="Wasserstein GAN with gradient penalty, five steps of D for one of G",
        optimizer={"type": "Adam", "lr": 1e-4, "beta1": 0.0, "beta2": 0.9},
    ),
    "goodfellow2014": Recipe(
        summary="the first GAN, nearly as its authors' code has it: Maxout, dropout, plain SGD",
        latent_dim=100,
        # There z was uniform on +-sqrt(3): here the first weights are as much larger, so that G
        # begins as theirs did. (They move a third as fast, though.)
        generator=lambda z, x: (
            Linear(z, 1200, ("uniform", 0.05 * 3**0.5)), ReLU(),
            Linear(1200, 1200, ("uniform", 0.05)), ReLU(),
            Linear(1200, x, ("uniform", 0.05)), Sigmoid(),
        ),
        discriminator=lambda x: (
            Dropout(0.2), Linear(x, 1200, TINY), Maxout(240, 5),
            Dropout(0.5), Linear(240, 1200, TINY), Maxout(240, 5),
            Dropout(0.5), Linear(240, 1, TINY),
        ),
        optimizer={"type": "SGD", "lr": 0.1, **GOODFELLOW},
        # Their loss of D is half of ours.
        d_optimizer={"type": "SGD", "lr": 0.05, **GOODFELLOW},
        batch_size=100,
        epochs=250,
        sample_every=10,
        game={"latent": "uniform", "update": "simultaneous"},
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
    """Return a game on a 2-D mixture, with `depth` hidden layers in G."""
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
            "schedule": ("linear", None),
        },
        batch_size=250,
        epochs=epochs,
        game={"r1": 0.01, "r2": 0.01, "ema": 0.999},
    )  # fmt: skip


# For 100,000 points, which are 400 steps an epoch: ``build(2, steps=400 * epochs)``.
# docs/mixtures.md explains each part.
MIXTURES = {
    "ring": _mixture(
        "eight modes: steep G, weak penalties, a high learning rate that falls to zero", 4, 20
    ),
    "grid": _mixture("25 modes: the same game with a steeper G, longer", 5, 24),
}
