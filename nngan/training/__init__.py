"""The loop around the game, what is shown of it, and the folder that a run leaves behind."""

from .folder import RunFolder
from .loop import fit
from .measure import Measure
from .progress import TrainingDiverged

__all__ = ["Measure", "RunFolder", "TrainingDiverged", "fit"]
