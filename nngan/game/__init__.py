"""The game: `rules` describes it, `inputs` feeds it, `game` is its state, `steps` plays it."""

from .game import METRICS, Game
from .inputs import Prior
from .rules import LATENTS, UPDATES, Rules

__all__ = ["LATENTS", "METRICS", "UPDATES", "Game", "Prior", "Rules"]
