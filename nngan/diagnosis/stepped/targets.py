"""What D is told of each row: the label behind the gradient of each of its outputs.

A loss shows in a gradient of all rows together only if the labels are alike. Labels that are drawn
at random for each row show in the rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backend import Array
from ..report import Finding, Measurement
from ..thresholds import FLIPPED, MIXED
from .known_losses import pulls
from .recording import Recording, Signal
from .seen import Seen

FEWEST = 40  # rows of data and of fakes


def windows(recording: Recording) -> list[list[Signal]]:
    """Return the gradients of D's outputs behind each update of D."""
    found, since = [], -1
    for moment, part in sorted((u.moment, u.part) for u in recording.updates):
        if part == "D":
            found.append([s for s in recording.signals if since < s.moment <= moment])
        since = moment
    return found


def is_score(recording: Recording) -> bool:
    """Whether D's loss is Wasserstein: one gradient for all outputs, however far they are.

    The gradient of a hinge loss ends where an output is beyond 1 or -1.
    """
    signals = [s for window in windows(recording) for s in window if s.dy.any()]
    sizes = [np.abs(s.dy[s.dy != 0]) for s in signals]
    if not signals or any(size.max() > 1.001 * size.min() for size in sizes):
        return False
    beyond = [(-np.sign(s.dy) * s.judged.outputs > 1) & (s.dy != 0) for s in signals]
    return any(rows.any() for rows in beyond)


def told(recording: Recording, is_squashed: bool) -> dict[str, Array]:
    """Return for data and for fakes whether D is told that each row is data, in D's updates."""
    rows: dict[str, list[Array]] = {"real": [], "fake": []}
    for window in windows(recording):
        for side in rows:
            found = []
            for s in window:
                mask = s.judged.is_fake == (side == "fake")
                labels = is_data(s, is_squashed) if mask.any() else None
                if labels is not None and (mask := mask & (s.dy != 0)).any():
                    found.append(labels[mask])
            # A batch of one label beside one of the other: a gradient of the other player, or
            # wrong pairs on purpose, which D is to call fake.
            wholes = {bool(f[0]) for f in found if f.all() or not f.any()}
            if len(wholes) == 2:
                keep = side == "real"
                found = [f for f in found if not (f.all() or not f.any()) or bool(f[0]) == keep]
            rows[side] += found
    return {side: np.concatenate([np.zeros(0, bool), *f]) for side, f in rows.items()}


def is_data(signal: Signal, is_squashed: bool) -> Array | None:
    """Return whether each row is called data; None if that cannot be read."""
    o, dy = signal.judged.outputs, signal.dy.astype(np.float64)
    if not dy.any() or len(dy) < 4:
        return None
    n = len(dy)
    for _, pull, is_double in pulls(is_squashed):
        if is_double:
            continue
        at_0, at_1 = pull(o, 0.0), pull(o, 1.0)
        for scale in (n, n / 2, 2.0 * n):
            with np.errstate(all="ignore"):
                t = (at_0 - scale * dy) / (at_0 - at_1)
            if np.isfinite(t).all() and t.min() > -0.05 and t.max() < 1.05:
                return np.asarray(t > 0.5)
    # A score, or labels of 0 and 1 in a loss of another scale: one number times what they give.
    t = (dy < 0).astype(np.float64)
    for pull in (lambda o, t: 1 - 2 * t, *(pull for _, pull, _ in pulls(is_squashed))):
        with np.errstate(all="ignore"):
            times = np.abs(dy / pull(o, t))[dy != 0]
        if np.isfinite(times).all() and times.max() < 1.05 * times.min():
            return np.asarray(dy < 0)
    return None


def mixed_labels(seen: Seen, is_squashed: bool) -> Iterator[Measurement | Finding]:
    """Look whether D is told the same of all data, and the opposite of all fakes."""
    rows = told(seen.recording, is_squashed)
    if min(len(r) for r in rows.values()) < FEWEST:
        return
    real, fake = (float(rows[side].mean()) for side in ("real", "fake"))
    yield Measurement("data that D is told are data", f"{real:.0%}", f"fakes: {fake:.0%}")
    apart = abs(real - fake)
    is_alike = max(real, fake) in (0.0, 1.0) and real == fake  # one label for both: its own finding
    if apart >= FLIPPED or is_alike:
        return
    yield Finding(
        "labels-random", "fault" if apart < MIXED else "warning",
        "D is told nearly the same of data and of fakes: its labels are mixed up row by row."
        if apart < MIXED else "D is told wrong labels for a good part of its rows.",
        f"{real:.0%} of {len(rows['real'])} rows of data and {fake:.0%} of {len(rows['fake'])} "
        "fakes have the label of data in D's step",
        "Give all data one label and all fakes the other; flip 5 % of them at most.",
    )  # fmt: skip
