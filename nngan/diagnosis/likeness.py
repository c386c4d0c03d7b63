"""Whether samples are like the data: measured without asking why they are not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backend import Array
from ..metrics import energy_distance, nearest
from ..metrics.energy import mean_distance
from .report import Finding, Measurement
from .thresholds import UNLIKE, UNLIKE_NEAREST

ROWS = 500  # of the samples, and of each of two parts of the data
FEWEST = 20


class Likeness(NamedTuple):
    """How samples compare with one part of the data, and another part of the data with it.

    All distances are measured in the mean distance of two rows of the data.

    Attributes
    ----------
    energy, energy_of_data : float
        Energy distance of the samples, and of the other part.
    nearest, nearest_of_data : float
        Median distance of a sample, and of a row of the other part, to the nearest row.
    spread : float
        Distance of two samples.
    mean : float
        Distance of the two means.
    """

    energy: float
    energy_of_data: float
    nearest: float
    nearest_of_data: float
    spread: float
    mean: float

    @property
    def is_unlike(self) -> bool:
        """Whether the samples are far from the data: more than unfinished."""
        is_far = self.nearest - self.nearest_of_data > UNLIKE_NEAREST
        # Where rows of the data are nearly copies, samples that are none are farther from a row.
        return self.energy - self.energy_of_data > UNLIKE or (
            is_far and self.energy > 2 * self.energy_of_data
        )

    def measurements(self) -> list[Measurement]:
        """Return the numbers, each with that of the data."""
        return [
            Measurement("energy distance of samples to the data", f"{self.energy:.3g}",
                        f"of the data's halves: {self.energy_of_data:.3g}"),
            Measurement("distance of a sample to the nearest row", f"{self.nearest:.3g}",
                        f"of held-out data: {self.nearest_of_data:.3g}"),
        ]  # fmt: skip

    def finding(self, severity: str) -> Finding:
        """Return that the samples are not like the data."""
        return Finding(
            "unlike-data", severity,
            "The samples are not like the data, and nothing that was looked at says why.",
            f"in units of the distance of two rows of the data: energy distance {self.energy:.3g}, "
            f"of two halves of the data {self.energy_of_data:.3g}; distance of a sample to the "
            f"nearest row {self.nearest:.3g}, of held-out data {self.nearest_of_data:.3g}; "
            f"distance of two samples {self.spread:.3g}; of the two means {self.mean:.3g}",
            "train longer, if the samples still get better; else look at what is not measured "
            "here: the widths of G and D, how the data were made, how the samples are drawn",
        )  # fmt: skip


def likeness(samples: Array, x: Array) -> Likeness | None:
    """Compare samples with data, both (N, features), the data in random order.

    None if there are too few to compare, or the data are all alike.
    """
    n = min(ROWS, len(samples), len(x) // 2)
    if n < FEWEST or not np.isfinite(samples).all():
        return None
    samples, one, other = (a.astype(np.float64) for a in (samples[:n], x[:n], x[n : 2 * n]))
    unit = mean_distance(one, other)
    if not unit:
        return None
    return Likeness(
        energy_distance(samples, other) / unit,
        energy_distance(one, other) / unit,
        float(np.median(nearest(samples, other)[1])) / unit,
        float(np.median(nearest(one, other)[1])) / unit,
        mean_distance(samples, samples) * n / (n - 1) / unit,
        float(np.linalg.norm(samples.mean(axis=0) - other.mean(axis=0))) / unit,
    )
