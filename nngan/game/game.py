"""The game: its state, and the steps that play it."""

from __future__ import annotations

from typing import TypeVar

from ..backend import Array
from . import steps
from .state import State

AnyGame = TypeVar("AnyGame", bound="Game")


class Game(State):
    """The state of a game with the steps of `nngan.game.steps`, which a subclass may replace."""

    def discriminator_step(
        self, x: Array, z: Array, i: int = 0, *, y: Array | None = None, penalise: bool = True
    ) -> tuple[Array, Array, Array]:
        """Move D once, on data x and noise z; see `nngan.game.steps.discriminator_step`.

        If both minibatches can go through D as one, they do, which takes 6 to 9 % less time.
        """
        joined = steps.may_join(self, penalise)
        step = steps.joined_discriminator_step if joined else steps.discriminator_step
        return step(self, x, z, i, y=y, penalise=penalise)

    def generator_step(self, z: Array, x: Array | None = None, *, y: Array | None = None) -> Array:
        """Move G once, on noise z; see `nngan.game.steps.generator_step`."""
        return steps.generator_step(self, z, x, y=y)

    def simultaneous_step(
        self, x: Array, z: Array, *, y: Array | None = None
    ) -> tuple[Array, Array, Array, Array]:
        """Move both players once, in one pass; see `nngan.game.steps.simultaneous_step`."""
        return steps.simultaneous_step(self, x, z, y=y)
