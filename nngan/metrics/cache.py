"""Files that can be computed again, each with its check-sum in a file next to it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..files import atomic_write
from ..stored import DamagedFile, open_plain


def write_cache(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file of the cache, then its check-sum.

    A failure only warns: the caller still has the result.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            write(file)
        with atomic_write(_sum_of(path)) as file:
            file.write(f"{_digest(path)}  {path.name}\n".encode())
    except OSError as error:
        warnings.warn(
            f"{path} cannot be written ({error.strerror}) and will be computed again next time: "
            "pass a cache_dir that can be written",
            RuntimeWarning,
            stacklevel=3,
        )


def is_intact(path: Path) -> bool:
    """Tell whether a file of the cache is there, and is the one that was written."""
    try:
        with open_plain(_sum_of(path)) as (file, _):
            expected = file.read(64).decode("latin-1")
        return _digest(path) == expected
    except (OSError, DamagedFile):
        return False


def _sum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> str:
    with open_plain(path) as (file, _):
        digest = hashlib.sha256()
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
