"""The training loop and its progress."""

import sys
from typing import Any

from .loop import fit
from .progress import TrainingDiverged

__all__ = ["TrainingDiverged", "fit"]


def __getattr__(name: str) -> Any:
    """Find `nngan.runs.RunFolder` as ``nngan.training.RunFolder`` too, where users look for it."""
    if name == "RunFolder":  # it is in a room above: the package itself finds it
        return sys.modules["nngan"].runs.RunFolder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
