"""How parameters change with the gradient: up or down, too far or hardly at all."""

from __future__ import annotations

import contextlib
import copy
import math
import warnings
from collections.abc import Iterator

import numpy as np

from ...backend import Array, Key, Stream
from ..report import Finding, Measurement
from ..thresholds import FAST, SLOW
from .parts import Part
from .playing import Play
from .recording import Recording
from .seen import Seen
from .verdicts import cosine


def directions(play: Play, recording: Recording) -> dict[str, float]:
    """Return how each player's change follows its gradient: above 0 down, below 0 up.

    A change holds momentum and scales too, so that it may differ from the gradient of now. So the
    step is played again with D's gradient turned round, which turns those of both players. What a
    change gains must be opposite to what its gradient gains, in any optimizer that descends.
    """
    first = {part: us[0] for part in ("D", "G") if (us := recording.of(part))}
    if not first:
        return {}
    again = None
    with contextlib.suppress(Exception), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        again = play.record(1 + max(u.play for u in first.values()), turned=True)
    found: dict[str, float] = {}
    if again is None:
        return found
    for part, u in first.items():
        v = next(iter(again.of(part)), None)
        if v is None or v.play != u.play or u.grads is None or v.grads is None:
            continue
        gained = (v.after - v.before) - (u.after - u.before)
        turned = v.grads - u.grads
        if np.isfinite(gained).all() and np.isfinite(turned).all() and turned.any():
            found[part] = -cosine(gained, turned)
    return found


def age(seen: Seen, part: Part) -> int:
    """Return about how many steps have moved a network from what its seed made.

    The distance in updates is the least number. The path is taken to be ten times as long: it is
    not straight.
    """
    updates = seen.recording.of(part.name)
    if not updates or not part.is_ours or part.network.seed is None:
        return 0
    start = copy.deepcopy(part.network)
    start.initialize(Key(start.seed).fold_in(Stream.WEIGHTS))
    way = updates[0].before - Part(part.name, start).params()
    step = float(np.median([np.linalg.norm(u.after - u.before) for u in updates]))
    return int(10 * np.linalg.norm(way) / step) if step else 0


def climbing(seen: Seen) -> Iterator[Finding]:
    """Yield that both players move up their losses; of one alone its side shows it."""
    climbs = seen.climbs
    verdicts = seen.exact("D") or seen.verdicts.get("D", [])
    has_labels = [v for v in verdicts if v.sign < 0 and v.loss and v.loss.labels]
    if climbs != {"D", "G"} or 2 * len(has_labels) <= len(verdicts):
        return
    yield Finding(
        "wrong-sign", "fault", "Both players move up their losses: each change goes uphill.",
        "cosine between the change and the change down its gradient: "
        + ", ".join(f"{part} {seen.directions[part]:.2f}" for part in ("D", "G")),
        "Look at the sign of the learning rate (a schedule that runs past its end makes it "
        "negative), and subtract the gradient.",
    )  # fmt: skip


def sizes(seen: Seen, parts: list[Part]) -> Iterator[Measurement | Finding]:
    """Look how far an update moves the weights, against their size."""
    found: dict[str, tuple[float, float]] = {}
    for part in parts:
        updates = seen.recording.of(part.name)
        ratios = [r for u in updates if (r := _ratios(part, u.before, u.after))]
        if ratios:
            low, high = (float(np.median([f(r) for r in ratios])) for f in (min, max))
            found[part.name] = low, high
            yield Measurement(
                f"update of {part.name} in a step, by layers", f"{low:.1e} .. {high:.1e}",
                f"of the weights' size; right: {SLOW:.0e} .. {FAST:.0e}",
            )  # fmt: skip
    slow = [name for name, (_, high) in found.items() if high < SLOW]
    for name, (_, high) in found.items():
        if high > FAST:
            yield Finding(
                "learning-rate", "fault", f"{name}'s learning rate is too large.",
                f"one step moves a layer's weights by {high:.0%} of their size",
                f"Lower {name}'s learning rate ten times.",
            )  # fmt: skip
        elif high < SLOW:
            yield Finding(
                "learning-rate", "fault" if len(slow) < len(parts) else "note",
                f"{name} hardly moves: its learning rate or its gradient is too small.",
                f"one step moves no layer's weights by more than {high:.0e} of their size",
                f"Raise {name}'s learning rate, if its schedule has not ended.",
            )  # fmt: skip


def _ratios(part: Part, before: Array, after: Array) -> list[float]:
    """Return the change of each layer's weights, against their size."""
    if not part.is_ours:
        size = float(np.linalg.norm(before))
        return [float(np.linalg.norm(after - before)) / size] if size else []
    ratios, start = [], 0
    for layer in part.layers:
        for shape in layer.shapes.values():
            stop = start + int(np.prod(shape))
            if len(shape) > 1:
                size = max(float(np.linalg.norm(before[start:stop])), math.sqrt(shape[-1]))
                ratios.append(float(np.linalg.norm((after - before)[start:stop])) / size)
            start = stop
    return ratios
