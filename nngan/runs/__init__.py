"""A run: its settings, its folder, and its scores while it trains."""

from .folder import RunFolder, load_run
from .measure import Measure
from .settings import RunSettings, describes, read_config, repeats_of, steps_of
from .surroundings import take_threads
from .watch import Watch

__all__ = [
    "Measure",
    "RunFolder",
    "RunSettings",
    "Watch",
    "describes",
    "load_run",
    "read_config",
    "repeats_of",
    "steps_of",
    "take_threads",
]
