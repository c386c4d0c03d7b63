"""The loop around the game, and what a person sees of it."""

from typing import Any

from .loop import fit
from .progress import TrainingDiverged

__all__ = ["TrainingDiverged", "fit"]

RunFolder: Any  # `nngan.runs.RunFolder`, put here by the package, for it is above this folder
