"""The game as a user holds it."""

from .game.game import GAN

__all__ = ["GAN"]
