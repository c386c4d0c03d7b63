"""The true gradients of all losses in all passes, each computed once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backend import Array
from .known_losses import losses_of_d, losses_of_g
from .recording import Pass, Recording
from .true_gradients import TrueGradients
from .verdicts import Column


class Columns:
    """The terms that a gradient may be a sum of.

    Attributes
    ----------
    judged, made : list of Pass
        The passes of D and of G, in their order.
    d_losses, g_losses : list
        All known losses.
    is_squashed : bool
        Whether D ends in a sigmoid.
    """

    def __init__(self, recording: Recording, truth: TrueGradients, is_squashed: bool) -> None:
        self.truth, self.is_squashed = truth, is_squashed
        self.d_losses, self.g_losses = losses_of_d(is_squashed), losses_of_g(is_squashed)
        passes = sorted(recording.passes, key=lambda p: p.moment)
        self.judged = [p for p in passes if p.part == "D"]
        self.made = [p for p in passes if p.part == "G"]
        self._columns: dict[Any, Array] = {}
        self._partners: dict[Any, Array | None] = {}

    def losses(self, part: str) -> list[Any]:
        """Return the losses of a player."""
        return list(self.d_losses if part == "D" else self.g_losses)

    def of(self, part: str, loss: Any, window: list[Pass]) -> list[Column]:
        """Return the true gradient of a loss in each pass, of data and of fakes."""
        found = []
        for judged in window if part == "D" else [p for p in window if p.source]:
            sides = ("real", "fake") if part == "D" else ("fake",)
            for side in sides:
                mask = judged.is_fake if side == "fake" else ~judged.is_fake
                if mask.any():
                    column = self.one(part, loss, side, judged, judged, judged.source, mask)
                    if column.any():
                        found.append((judged, side, column))
        return found

    def one(
        self, part: str, loss: Any, side: str, judged: Pass, weighed: Pass, made: Any, mask: Array
    ) -> Array:
        """Return the gradient through `judged` and `made`, with the weights of `weighed`."""
        weights = loss.real if part == "D" and side == "real" else loss.fake
        key = part, id(weights), side, id(judged), id(weighed), id(made)
        if key not in self._columns:
            o = weighed.outputs
            w = np.zeros(len(o))
            other = self._partner(weighed, side)
            w[mask] = weights(o[mask], other) / mask.sum()
            self._columns[key] = (
                self.truth.of_d(judged, w, weighed.params) if part == "D"
                else self.truth.of_g(judged, made, w, weighed)
            )  # fmt: skip
        return self._columns[key]

    def _partner(self, judged: Pass, side: str) -> Array | None:
        """Return the outputs that a loss of pairs compares with those of a pass: the nearest."""
        key = id(judged), side
        if key not in self._partners:
            others = [
                other.outputs[mask]
                for other in sorted(self.judged, key=lambda p: abs(p.moment - judged.moment))
                if (mask := other.is_fake == (side == "real")).any() and other.play == judged.play
            ]
            self._partners[key] = others[0] if others else None
        return self._partners[key]
