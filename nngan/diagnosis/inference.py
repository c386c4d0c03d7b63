"""G's samples in inference, against those that D sees in training: BatchNorm has two modes."""

from __future__ import annotations

from collections.abc import Iterator

from .case import Case
from .likeness import likeness
from .report import Finding, Measurement
from .samples import pairwise_distance
from .thresholds import MODES_APART, STATISTICS_APART


def batchnorm_statistics(case: Case) -> Iterator[Measurement | Finding]:
    """Look whether samples are the same ones with BatchNorm's running statistics."""
    if not case.gan.G.couples_samples:
        return
    training = pairwise_distance(case.fake)
    inference = pairwise_distance(case.unaveraged)
    ratio = inference / training if training else 1.0
    yield Measurement(
        "distance of two samples in inference", f"{ratio:.2f}", "with statistics of minibatches: 1"
    )
    apart = likeness(case.unaveraged, case.fake)
    if apart:
        yield Measurement(
            "energy distance of the samples in inference to those in training",
            f"{apart.energy:.3g}", f"of the latter's halves: {apart.energy_of_data:.3g}",
        )  # fmt: skip
    is_apart = apart and apart.energy - apart.energy_of_data > STATISTICS_APART
    if is_apart or not 1 / MODES_APART < ratio < MODES_APART:
        yield Finding(
            "batchnorm-statistics", "fault",
            "G's samples in inference are not those that D sees in training: BatchNorm's running "
            "statistics do not follow the minibatches.",
            f"two samples in inference are {ratio:.0%} as far apart as two in training"
            + (f"; the energy distance of both sets is {apart.energy:.3g}, that of two halves of "
               f"the latter {apart.energy_of_data:.3g}" if apart else ""),
            "raise BatchNorm's momentum, the share of each new minibatch, and train some more "
            "steps before you sample",
        )  # fmt: skip
