"""The training loop and its progress."""

from typing import TYPE_CHECKING, Any

from .loop import fit
from .progress import TrainingDiverged

__all__ = ["TrainingDiverged", "fit"]

if TYPE_CHECKING:
    RunFolder: Any  # that of `nngan.runs`, above this room; ``nngan/__init__.py`` finds it
