"""G's samples in inference, against those that D sees in training: BatchNorm has two modes."""

from __future__ import annotations

from collections.abc import Iterator

from .case import Case
from .report import Finding, Measurement
from .samples import pairwise_distance
from .thresholds import MODES_APART


def batchnorm_statistics(case: Case) -> Iterator[Measurement | Finding]:
    """Look whether samples are as different from each other with BatchNorm's running statistics."""
    if not case.gan.G.couples_samples:
        return
    training = pairwise_distance(case.fake)
    inference = pairwise_distance(case.unaveraged)
    ratio = inference / training if training else 1.0
    yield Measurement(
        "distance of two samples in inference", f"{ratio:.2f}", "with statistics of minibatches: 1"
    )
    if not 1 / MODES_APART < ratio < MODES_APART:
        yield Finding(
            "batchnorm-statistics", "fault",
            "G's samples in inference are not those that D sees in training: BatchNorm's running "
            "statistics do not follow the minibatches.",
            f"two samples in inference are {ratio:.0%} as far apart as two in training",
            "raise BatchNorm's momentum, the share of each new minibatch, and train some more "
            "steps before you sample",
        )  # fmt: skip
