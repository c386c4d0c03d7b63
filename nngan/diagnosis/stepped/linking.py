"""Which output of G is in an input of D."""

from __future__ import annotations

import numpy as np

from ...backend import Array
from .recording import Pass, Recording


def link(recording: Recording) -> None:
    """Find, for each input of D, the output of G that is in it."""
    made: list[Pass] = []
    rows: set[bytes] = set()
    for current in sorted(recording.passes, key=lambda p: p.moment):
        if current.part == "G":
            made.append(current)
            rows |= {row.tobytes() for row in current.y}
            continue
        any(_note_source(current, source) for source in reversed(made[-20:]))
        current.old_fakes = np.array([row.tobytes() in rows for row in current.x])


def _note_source(current: Pass, source: Pass) -> bool:
    """Note which rows of D's input are G's output, perhaps scaled or with noise, if any are."""
    x, y = current.x.reshape(len(current.x), -1), source.y.reshape(len(source.y), -1)
    n, width = y.shape
    if len(x) < n or x.shape[1] < width:
        return False
    for columns in (slice(0, width), slice(x.shape[1] - width, x.shape[1])):
        part = x[:, columns]
        starts = [0, len(x) - n, *np.flatnonzero((part == y[0]).all(axis=1)).tolist()]
        for start in starts:
            rows = slice(start, start + n)
            if start + n <= len(x) and (factor := _factor(part[rows], y)):
                current.source, current.rows, current.factor = source, rows, factor
                current.columns = columns if x.shape[1] > width else slice(None)
                return True
    return False


def _factor(a: Array, y: Array) -> float:
    """Return the number b of ``a = b y + c + noise``; 0 if that does not explain a."""
    if np.array_equal(a, y):
        return 1.0
    a, y = a - a.mean(axis=0), y - y.mean(axis=0)
    energies = float((y * y).sum()), float((a * a).sum())
    if not all(energies):
        return 0.0
    b = float((a * y).sum()) / energies[0]
    correlation = b * (energies[0] / energies[1]) ** 0.5
    if correlation**2 > 0.9:
        return b
    # With much noise: far more than chance, and not scaled.
    is_noisy = correlation * y.size**0.5 > 8 and 0.8 < b < 1.25
    return 1.0 if is_noisy else 0.0
