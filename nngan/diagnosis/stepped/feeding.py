"""Findings about what D is fed, and about what comes out of G."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backend import Array
from ...metrics import energy_distance, nearest
from ...metrics.energy import mean_distance
from ..likeness import Likeness, likeness
from ..report import Finding, Measurement
from ..thresholds import BIASED, CHANGED, NEARER, TINY_CHANGE, UNLIKE
from .playing import as_rows
from .recording import Pass
from .rows import Fed
from .seen import Seen

PART = 100  # rows of D's data that are compared
FEWEST, MOST, RANDOM = 8, 2_000, 30  # rows of a minibatch, of x, and random minibatches
ROUNDED = 1e-4  # of the spread of G's outputs


def feeding(seen: Seen, fed: Fed) -> Iterator[Measurement | Finding]:
    """Look whether the data that D sees are x, and its fakes what G makes."""
    before = _before_updates_of_d(seen)
    fakes = [fed.changes_fakes(p) for p in fed.fakes if id(p) in before]
    are_fakes_exact = bool(fakes) and max(fakes) < ROUNDED
    if len(fed.real):
        exact = sum(len(fed.of(p)) for p in fed.exact) / sum(
            len(fed.of(p)) for p in (*fed.exact, *fed.other)
        )
        yield Measurement("D's data that are rows of x as they are", f"{exact:.0%}", "of x: 100%")
    if fakes:
        yield Measurement(
            "change of fakes between G and D", f"{max(fakes):.3f}", "of their spread: 0"
        )
    if fed.exact:
        yield from _fakes(seen, fed, before, fakes)
    elif fed.other and are_fakes_exact:
        yield from _data(fed)


def minibatches(seen: Seen, fed: Fed) -> Iterator[Measurement | Finding]:
    """Look whether the minibatches that a step draws itself are random rows of x."""
    batches = [fed.of(p)[~p.is_fake].astype(np.float64) for p in fed.exact]
    n = min(map(len, batches), default=0)
    has_labels = any(as_rows(p.x).shape[1] > fed.x.shape[1] for p in fed.exact)
    if seen.gets_data or n < FEWEST or has_labels:
        return
    x, rng = shuffled(fed.x)[:MOST].astype(np.float64), np.random.default_rng(0)
    random = [x[rng.choice(len(x), n, replace=False)] for _ in range(RANDOM)] if n < len(x) else [x]
    chance = max(energy_distance(rows, x) for rows in random)
    least = min(energy_distance(rows[:n], x) for rows in batches)
    # Rows drawn evenly from unlike classes are as far from each other as those of x.
    within = max(mean_distance(rows, rows) * n / (n - 1) for rows in (b[:n] for b in batches))
    yield Measurement(
        "energy distance of D's minibatches to x, the least", f"{least:.3g}",
        f"of {n} random rows, at most: {chance:.3g}",
    )  # fmt: skip
    if least > BIASED * chance and within < NEARER * mean_distance(x, x):
        yield Finding(
            "minibatch-biased", "fault",
            "The minibatches of data are no random rows of x: both players learn one part of the "
            "data and then another, and G forgets the parts before.",
            f"each of {len(batches)} minibatches is at least {least:.3g} from x, in energy "
            f"distance; of {RANDOM} random ones none is more than {chance:.3g}; its rows are "
            "nearer to each other than rows of x",
            "Shuffle the data before each epoch: their order may be that of their classes.",
        )  # fmt: skip


def _before_updates_of_d(seen: Seen) -> set[int]:
    """Return the passes of D that an update of D follows, before any of G."""
    updates = sorted(seen.recording.updates, key=lambda u: u.moment)
    found = set()
    for p in seen.recording.passes:
        after = next((u for u in updates if u.moment >= p.moment and u.play == p.play), None)
        if p.part == "D" and after is not None and after.part == "D":
            found.add(id(p))
    return found


def _data(fed: Fed) -> Iterator[Measurement | Finding]:
    """Yield that what D takes for data is not x, while fakes come as G makes them."""
    if fed.order is not None and not np.array_equal(fed.order, np.arange(len(fed.order))):
        moved = int((fed.order != np.arange(len(fed.order))).sum())
        yield Finding(
            "data-changed", "note",
            "D sees the data with their features in another order, one for all rows: G learns to "
            "draw them so.",
            f"{moved} of {len(fed.order)} features are at another place than in x, and the fakes "
            "come as G makes them",
            "Feed D the rows of x as they are, or put the features of samples back into order.",
        )  # fmt: skip
        return
    if (fed.scale, fed.shift) != (1.0, 0.0) or fed.order is not None:
        return  # the same data in another unit, which G learns
    real, x = fed.real, shuffled(fed.x)
    centred = x - x.mean(axis=0)
    if any(_rest(real, y) < ROUNDED for y in (centred, centred / (x.std(axis=0) + 1e-12))):
        return  # each feature in another unit
    alike = likeness(real, x)
    if alike is None:
        return
    rest = _rest(real, x)
    yield Measurement("D's data, off the nearest row of x", f"{rest:.3f}", "of the spread: 0")
    is_far = (
        alike.nearest > 1.2 * alike.nearest_of_data + TINY_CHANGE
        or alike.energy - alike.energy_of_data > UNLIKE
    )
    yield Finding(
        "data-changed", "fault" if is_far and rest > CHANGED else "note",
        "What D is told are data are not the rows of x, while the fakes come as G makes them: G "
        "learns what is done to the data alone.",
        f"0 of {len(real)} rows are rows of x; distance to the nearest row of x "
        f"{alike.nearest:.3g}, of other rows of x {alike.nearest_of_data:.3g}, in distances of "
        f"two rows of x; they differ from the nearest row by {rest:.0%} of the data's spread",
        "Change both of D's inputs alike (noise, augmentation, scaling), or neither.",
    )  # fmt: skip


def _rest(rows: Array, x: Array) -> float:
    """Return how far rows are from the nearest of x, against the spread of x."""
    rows = rows[:PART].astype(np.float64)
    apart = nearest(rows, x[:10_000].astype(np.float64))[1]
    return float(np.median(apart) / np.sqrt(x.shape[1]) / (x.std() or 1.0))


def _fakes(seen: Seen, fed: Fed, before: set[int], fakes: list[float]) -> Iterator[Finding]:
    """Yield that D learns against other fakes than those that G makes."""
    changed = max(fakes, default=0.0)
    strange = [p for p in fed.other if id(p) in before and not p.is_fake.any()]
    made = [as_rows(p.y) for p in seen.recording.passes if p.part == "G"]
    if fakes and changed > CHANGED:
        yield Finding(
            "fakes-changed", "warning",
            "D sees the fakes changed, and the data as they are: G learns to undo it.",
            f"the fakes in D's input differ from G's output by {changed:.0%} of their spread, the "
            "data are rows of x as they are",
            "Change both of D's inputs alike (noise, augmentation, scaling), or neither.",
        )  # fmt: skip
    elif not fakes and strange and made:
        rows, own = np.concatenate([fed.of(p) for p in strange]), np.concatenate(made)
        if own.shape[1] != rows.shape[1]:
            return
        alike = likeness(rows, shuffled(own))
        if alike is None or not alike.is_unlike:
            return  # fakes of an earlier G
        yield Finding(
            "fakes-changed", "fault",
            "D learns to tell the data from rows that are neither data nor what G makes.",
            f"{len(rows)} rows in D's step; energy distance to what G makes {alike.energy:.3g}, of "
            f"two halves of that {alike.energy_of_data:.3g}",
            "Hand D the output of G, as it is in G's own step.",
        )  # fmt: skip


def outcome(seen: Seen, fed: Fed) -> Likeness | None:
    """Compare what G makes with x, as x is or as D sees it: in a unit or an order of its own."""
    passes: list[Pass] = [p for p in seen.recording.passes if p.part == "G"]
    used = {id(p.source) for p in fed.fakes}
    made = [as_rows(p.y) for p in passes if id(p) in used] or [as_rows(p.y) for p in passes]
    x = shuffled(fed.x)
    found = []
    if made and made[0].shape[1] == x.shape[1]:
        found.append(likeness(shuffled(np.concatenate(made)), x))
    seen_by_d = [fed.of(p)[p.is_fake] for p in fed.fakes]
    if seen_by_d and ((fed.scale, fed.shift) != (1.0, 0.0) or fed.order is not None):
        found.append(likeness(shuffled(np.concatenate(seen_by_d)), fed.mapped(x)))
    return min((f for f in found if f), key=lambda f: f.energy, default=None)


def shuffled(rows: Array) -> Array:
    """Return rows in random order, at most 10,000."""
    order = np.random.default_rng(0).permutation(len(rows))[:10_000]
    result: Array = rows[order]
    return result
