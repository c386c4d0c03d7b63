"""The game: `rules` describes it, `inputs` feeds it, `state` is its state, `steps` plays it."""

from .game import Game
from .inputs import Prior
from .rules import LATENTS, UPDATES, Rules
from .state import METRICS, State

__all__ = ["LATENTS", "METRICS", "UPDATES", "Game", "Prior", "Rules", "State"]
