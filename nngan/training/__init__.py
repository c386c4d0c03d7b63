"""The training loop and its progress."""

from .loop import fit
from .progress import TrainingDiverged

__all__ = ["TrainingDiverged", "fit"]
