"""A run: its settings, its folder, and its scores while it trains."""

from .folder import RunFolder, load_run
from .measure import Measure
from .settings import RunSettings, describes, read_config, repeats_of, steps_of

__all__ = [
    "Measure",
    "RunFolder",
    "RunSettings",
    "describes",
    "load_run",
    "read_config",
    "repeats_of",
    "steps_of",
]
