"""Whether what moves G depends on D at all, whatever the loss is.

The step is played again from the same state, with other parameters in D. If G comes out the same,
bit for bit, then nothing from D reaches it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np

from ...backend import Array
from ..report import Finding
from .playing import Play
from .seen import Seen


def without_d(play: Play, seen: Seen) -> Iterator[Finding]:
    """Yield that G's changes are the same for another D."""
    verdicts = seen.verdicts.get("G", [])
    first = next(iter(seen.recording.of("G")), None)
    if first is None or any(v.kind != "unknown" for v in verdicts):
        return  # a gradient that a loss explains came through D
    judged = [p for p in seen.recording.passes if p.part == "D" and p.moment < first.moment]
    if not judged:
        return
    again = None
    with contextlib.suppress(Exception), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        again = play.record(first.play + 1, other_d=True)
    if again is None:
        return
    other = next(iter(again.of("G")), None)
    passes = [p for p in again.passes if p.part == "D" and p.moment <= judged[-1].moment]
    if other is None or not passes or np.array_equal(passes[-1].y, judged[-1].y):
        return  # the step gives D its parameters anew
    if np.array_equal(other.after, first.after) and _same(other.grads, first.grads):
        yield Finding(
            "g-without-d", "fault",
            "G does not learn from D: nothing of D's backward pass reaches G in its step.",
            f"with other parameters in D, all {first.after.size:,} parameters of G are the same "
            "after their first change",
            "Take the loss of D's output for the fakes, go back through D to its input, and hand "
            "that gradient to G's backward pass.",
        )  # fmt: skip


def _same(a: Array | None, b: Array | None) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)
