"""What D is fed: whether its data are the user's, and its fakes what G makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backend import Array
from ...metrics import nearest
from .playing import as_rows
from .recording import Pass, Recording

MOST = 10_000  # rows of x among which an unknown row is searched
LOOKED_UP = 200  # rows of D that are searched
SOME = 0.2  # share of a minibatch that are rows of x as they are: data, some of them flipped or so
ROUNDING = 1e-3  # of the spread, of a row that is scaled


@dataclass
class Fed:
    """What D judged, with x beside it; all rows flat.

    Attributes
    ----------
    x : array of shape (N, features)
    columns : slice
        Where a sample is in D's input; the rest of it is a label.
    exact, other : list of Pass
        Passes with rows of x as they are, and those with rows that neither x nor G has.
    fakes : list of Pass
        Passes with G's output.
    scale, shift : float
        What maps x to the data that D sees; 1 and 0 if nothing does.
    order : array or None
        The column of x for each column of the data that D sees, if it is another order.
    """

    x: Array
    columns: slice
    exact: list[Pass] = field(default_factory=list)
    other: list[Pass] = field(default_factory=list)
    fakes: list[Pass] = field(default_factory=list)
    scale: float = 1.0
    shift: float = 0.0
    order: Array | None = None

    def of(self, judged: Pass) -> Array:
        """Return the samples in an input of D."""
        return as_rows(judged.x)[:, self.columns]

    @property
    def real(self) -> Array:
        """The rows in D's input that are not G's: rows of x if there are any, else the others."""
        rows = [self.of(p)[~p.is_fake] for p in self.exact or self.other]
        return np.concatenate(rows) if rows else self.x[:0]

    def mapped(self, x: Array) -> Array:
        """Return rows of x as D sees data."""
        return self.scale * (x if self.order is None else x[:, self.order]) + self.shift

    def changes_fakes(self, judged: Pass) -> float:
        """Return how far fakes in D's input are from G's output, in its spread, but for a scale."""
        assert judged.source is not None
        fed, made = as_rows(judged.x)[judged.rows, self.columns], as_rows(judged.source.y)
        rest = fed - judged.factor * made
        rest = rest - rest.mean()
        return float(rest.std() / (fed.std() or 1.0))


def fed(recording: Recording, x: Any) -> Fed | None:
    """Sort the passes of D; None if x does not fit D's input."""
    if x is None:
        return None
    x = as_rows(x)
    width = x.shape[1]
    judged = [p for p in recording.passes if p.part == "D" and as_rows(p.x).shape[1] >= width]
    made = next((p for p in judged if p.source and as_rows(p.source.y).shape[1] == width), None)
    if not judged:
        return None
    found = Fed(x, slice(0, width) if made is None else made.columns)
    if as_rows(judged[0].x).shape[1] == width:
        found.columns = slice(0, width)
    known = {hash(row.tobytes()) for row in np.asarray(x, np.float32)}
    for p in judged:
        rows = found.of(p)[~p.is_fake]
        if p.source and as_rows(p.source.y).shape[1] == width:
            found.fakes.append(p)
        if len(rows) < 4:
            continue
        own = np.mean([hash(row.tobytes()) in known for row in np.asarray(rows, np.float32)])
        if own >= SOME:
            found.exact.append(p)
        else:
            found.other.append(p)
    found.other = [p for p in found.other if not _is_between(found, p, judged)]
    if not found.exact and found.other:
        _map(found)
    return found


def _is_between(found: Fed, p: Pass, judged: list[Pass]) -> bool:
    """Whether the rows of a pass lie between those of two others, as for a gradient penalty."""
    rows = found.of(p).astype(np.float64)
    near = [q for q in judged if q.play == p.play and q is not p and len(q.x) == len(p.x)][:12]
    for i, a in enumerate(near):
        for b in near[i + 1 :]:
            one, two = found.of(a), found.of(b)
            way = (two - one).astype(np.float64)
            if not way.any():
                continue
            share = ((rows - one) * way).sum(axis=1) / np.maximum((way * way).sum(axis=1), 1e-30)
            rest = rows - one - share[:, None] * way
            if np.abs(rest).max() < 1e-4 * (np.abs(way).max() or 1) and np.ptp(share) > 0:
                return True
    return False


def _map(found: Fed) -> None:
    """Find a scale and shift, or an order of the columns, that makes rows of x of D's data."""
    rows, x = found.real[:LOOKED_UP].astype(np.float64), found.x[:MOST].astype(np.float64)
    for a, b in _guesses(rows, x):
        for _ in range(6):
            matched = x[nearest(rows, a * x + b)[0]]
            if not matched.std():
                break
            a, b = np.polyfit(matched.ravel(), rows.ravel(), 1)
        rest = np.sqrt(((rows - a * matched - b) ** 2).mean(axis=1))
        if np.median(rest) < ROUNDING * rows.std():
            found.scale, found.shift = float(a), float(b)
            return
    order = _order(rows, x)
    if order is not None:
        found.order = order


def _guesses(rows: Array, x: Array) -> list[tuple[float, float]]:
    """Return scales and shifts: from both ranges, and from both means and spreads."""
    guesses = []
    for low, high, least, most in (
        (x.min(), x.max(), rows.min(), rows.max()),
        (x.mean(), x.mean() + x.std(), rows.mean(), rows.mean() + rows.std()),
    ):
        if high > low and most > least:
            a = (most - least) / (high - low)
            guesses.append((float(a), float(least - a * low)))
    return guesses


def _order(rows: Array, x: Array) -> Array | None:
    """Return the column of x for each column of rows that are x's with columns exchanged."""
    by_values = {np.sort(row).astype(np.float32).tobytes(): i for i, row in enumerate(x)}
    pairs = [
        (i, at) for i, row in enumerate(rows)
        if (at := by_values.get(np.sort(row).astype(np.float32).tobytes())) is not None
    ]  # fmt: skip
    if len(pairs) < max(4, SOME * len(rows)):
        return None
    ours, theirs = (np.array(side) for side in zip(*pairs, strict=True))
    columns = {x[theirs, j].astype(np.float32).tobytes(): j for j in range(x.shape[1])}
    order = [columns.get(rows[ours, j].astype(np.float32).tobytes(), -1)
             for j in range(rows.shape[1])]  # fmt: skip
    return None if -1 in order else np.array(order)
