"""The owner of code: the student, or Python, this library and installed packages.

The answer comes from where the code really is. A name such as ``__module__`` is no evidence,
because any code can set it.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HEAP, IMMUTABLE = 1 << 9, 1 << 8  # flags of a class: made while Python runs, and never changed
FLAGS = vars(type)["__flags__"]
PACKAGES = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
HERE = [str(Path(__file__).parents[1]), str(Path(np.__file__).parent)]


def is_foreign(kind: type) -> bool:
    """Whether a class is Python's, this library's, or that of an installed package."""
    flags = FLAGS.__get__(kind)
    if not flags & HEAP or flags & IMMUTABLE:  # no Python code can make such a class
        return True
    module = sys.modules.get(str(kind.__module__))
    if module is None or not is_library(getattr(module, "__file__", None) or "<built-in>"):
        return False
    found: Any = module
    for name in kind.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    files = (f.__code__.co_filename for f in _functions(kind))
    return found is kind and all(file.startswith("<") or is_library(file) for file in files)


def is_ours(kind: type) -> bool:
    """Whether a class is one of this library."""
    return is_foreign(kind) and kind.__module__.startswith("nngan.")


def _functions(kind: type) -> Iterator[types.FunctionType]:
    for value in vars(kind).values():
        inside = getattr(value, "fget", None) if isinstance(value, property) else (
            getattr(value, "__func__", value)
        )  # fmt: skip
        if isinstance(inside, types.FunctionType):
            yield inside


@functools.cache
def is_library(filename: str) -> bool:
    """Whether a file of code belongs to Python, to this library or to an installed package."""
    if filename.startswith("<"):  # frozen into Python, or written by NumPy; a student has <stdin>
        return filename.startswith(("<frozen ", "<__array_function__", "<built-in>"))
    path = Path(os.path.normcase(os.path.realpath(filename)))
    return any(path.is_relative_to(folder) for folder in _folders())


@functools.cache
def _folders() -> tuple[Path, ...]:
    return tuple(Path(os.path.normcase(os.path.realpath(f))) for f in (*HERE, *PACKAGES))
