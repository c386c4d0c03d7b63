"""What was seen of a step, counted."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ...backend import Array
from ..report import Measurement
from ..thresholds import CLIMBS
from .playing import as_rows
from .recording import Pass, Recording
from .verdicts import Verdict


@dataclass
class Seen:
    """What was seen of a step: the recording, and a verdict on each update of each player."""

    recording: Recording
    x: Array | None
    gets_data: bool
    gets_noise: bool
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    directions: dict[str, float] = field(default_factory=dict)  # of `changes.directions`

    @property
    def plays(self) -> int:
        """How often the step was played."""
        passes, updates = self.recording.passes, self.recording.updates
        return 1 + max([0, *(p.play for p in passes), *(u.play for u in updates)])

    @property
    def climbs(self) -> set[str]:
        """The players whose change goes up along their gradient."""
        return {part for part, cosine in self.directions.items() if cosine < CLIMBS}

    def name_of(self, part: str) -> str:
        """Return the name of the loss that explains most updates of a player."""
        names = Counter(v.loss.name for v in self.verdicts.get(part, []) if v.loss)
        return names.most_common(1)[0][0] if names else "unknown"

    def side_of(self, part: str) -> int:
        """Return which way a player pushes D's outputs: see `Verdict.side`; 0 if that is open.

        The majority of the updates that a loss explains exactly decides. If no update is explained
        exactly, all updates must agree.
        """
        verdicts = self.verdicts.get(part, [])
        exact = [v.side for v in verdicts if v.kind != "mostly"]
        if any(exact):
            return int(np.sign(sum(exact)))
        sides = {v.side for v in verdicts}
        return sides.pop() if len(sides) == 1 else 0

    def exact(self, part: str) -> list[Verdict]:
        """Return the verdicts on updates of a player that a loss explains."""
        return [v for v in self.verdicts.get(part, []) if v.kind == "true"]

    def most(self, part: str, kind: str) -> list[Verdict]:
        """Return the verdicts of a kind on a player if they are usual, not an accident."""
        found = [v for v in self.verdicts.get(part, []) if v.kind == kind]
        plays = {v.update.play for v in self.verdicts.get(part, [])}
        return found if 2 * len({v.update.play for v in found}) >= len(plays) else []

    def batches(self) -> list[Measurement]:
        """Return whether noise and data changed from call to call."""
        rows = []
        for name, inputs in (("noise", self.noise()), ("data", self.data())):
            if inputs:
                same = sum(same_rows(a, b) for a, b in itertools.pairwise(inputs))
                pairs = len(inputs) - 1
                rows.append(Measurement(f"calls with the {name} of the one before", str(same),
                                        f"0 of {pairs}"))  # fmt: skip
        return rows

    def noise(self) -> list[Array]:
        """Return all inputs of G whose samples D has judged, for each call of the step."""
        used = {id(p.source) for p in self.recording.passes if p.source}
        return self._inputs([p for p in self.recording.passes if id(p) in used])

    def data(self) -> list[Array]:
        """Return all data that D has judged, for each call of the step."""
        passes = [p for p in self.recording.passes if p.part == "D" and not p.is_fake.all()]
        return self._inputs(passes)

    def _inputs(self, passes: list[Pass]) -> list[Array]:
        found = []
        for play in range(self.plays):
            rows = [as_rows(p.x)[~p.is_fake] for p in passes if p.play == play]
            if rows:
                found.append(np.concatenate(rows))
        return found


def same_rows(a: Array, b: Array) -> bool:
    """Whether two arrays have the same numbers in each column, in whatever order."""
    return a.shape == b.shape and np.array_equal(np.sort(a, axis=0), np.sort(b, axis=0))
