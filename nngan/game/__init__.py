"""The minimax game: `steps` plays it, `game` holds what it is played with."""

from .game import GAN, LATENTS, METRICS, UPDATES

__all__ = ["GAN", "LATENTS", "METRICS", "UPDATES"]
