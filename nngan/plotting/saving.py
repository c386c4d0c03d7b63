"""Where a picture is saved: at a path, whose ending is the format, or in an open file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ..checks import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PathLike: TypeAlias = "str | os.PathLike[str]"
Target: TypeAlias = "PathLike | IO[bytes]"


def save(target: Target, formats: Sequence[str], write: Callable[..., Any], **options: Any) -> None:
    """Call ``write(target, format=..., **options)``, on a path or an open binary file.

    The format is the ending of a path, which must be one of `formats`. An open file gets the first
    of `formats`.
    """
    if isinstance(target, str | os.PathLike):
        chosen = Path(target).suffix[1:]
        if chosen not in formats:
            endings = " or ".join(f".{name}" for name in formats)
            raise ValueError(f"path must end in {endings}, got {os.fspath(target)!r}")
    elif hasattr(target, "write"):
        chosen = formats[0]
    else:
        raise TypeError(f"path must be a path or an open binary file, got {shortened(target)}")
    write(target, format=chosen, **options)


def save_figure(figure: Figure, path: Target | None) -> Figure:
    """Save a figure as PNG, SVG or PDF if `path` is not None, and return it."""
    if path is not None:
        save(path, ("png", "svg", "pdf"), figure.savefig)
    return figure
