"""A student's file: execute it, find its classes, and check one of them."""

from __future__ import annotations

import argparse
import inspect
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .check import check_gradients
from .report import Finding, Report


def load_classes(file: Path) -> dict[str, type]:
    """Execute the file; return the classes with both passes that it defines, by name."""
    # Executed, not imported: no stale bytecode, and the file's name hides no other module.
    module = ModuleType(f"{file.stem} (checked)")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(file.parent))
    sys.dont_write_bytecode = True
    exec(compile(file.read_bytes(), file, "exec", dont_inherit=True), vars(module))
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    return {
        name: cls
        for name, cls in classes.items()
        if cls.__module__ == module.__name__ and not inspect.isabstract(cls)
        if hasattr(cls, "forward") and hasattr(cls, "backward")
    }


def check_class(cls: type, options: argparse.Namespace) -> Report:
    """Create the class and check it, at its initial parameters and then at random ones.

    A parameter that starts at 0 hides mistakes in whatever it multiplies; one that starts at 1
    hides that it was left out.
    """
    try:
        layer: Any = cls()
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # raised inside the constructor, not by the call
        sentence = "The class must work without arguments: give each of them a default."
        return Report(cls.__name__, [], [Finding("needs_arguments", sentence, str(error))], "")
    rng = np.random.default_rng(options.seed)
    width, source = _width(layer, options.width)
    x = rng.standard_normal((options.batch or (5 if width != 5 else 7), width))
    settings = {"thorough": options.thorough, "accumulate": not options.overwrite}
    check = partial(check_gradients, layer, x, seed=options.seed, **settings)
    report, notes = check(), []
    names = [a.name for a in report.arrays[1:] if hasattr(layer, a.name)]
    if report.ok and names:
        for p in names:
            setattr(layer, p, getattr(layer, p) + rng.uniform(-0.5, 0.5, getattr(layer, p).shape))
        moved = check()
        if moved.arrays and not moved.ok:  # no arrays: the values may be outside forward's domain
            report, values = moved, " and ".join(names)
            sentence = f"Seen only at random values of {values}: the initial values hide it."
            notes = [Finding("hidden", sentence, mistake=False)]
    if not report.arrays:
        sentence = f"x has shape {x.shape}; its width comes from {source}. --width N changes it."
        notes = [Finding("input", sentence, mistake=False)]
    # A gradient never written counts as wrong.
    found = [replace(f, mistake=f.mistake or f.kind == "unchecked") for f in report.findings]
    return replace(report, findings=[*found, *notes])


def _width(layer: Any, given: int | None) -> tuple[int, str]:
    """Return the width of the input, and its source."""
    n_in, W = getattr(layer, "n_in", None), getattr(layer, "W", None)
    if given is not None:
        return given, "--width"
    if isinstance(n_in, int | np.integer) and n_in > 0:
        return int(n_in), "n_in"
    if isinstance(W, np.ndarray) and W.ndim and len(W):
        return len(W), "W.shape[0]"
    return 4, "a default, because there is no n_in and no W"
