"""The data: whether G's last layer can reach them, and whether there are enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..checks import to_unit
from .case import Case
from .report import Finding, Measurement
from .thresholds import FEW


def reachable(case: Case) -> Iterator[Measurement | Finding]:
    """Look whether the data lie in the range of G's last layer."""
    least, most = case.gan.G.output_range
    low, high = float(case.x.min()), float(case.x.max())
    yield Measurement("range of the data", f"{low:.3g} .. {high:.3g}", f"G: {least:g} .. {most:g}")
    slack = 1e-3 * (high - low)  # of rounding
    outside = float(np.mean((case.x < least - slack) | (case.x > most + slack)))
    if low == high:
        yield Finding(
            "range", "fault", "The data have one value everywhere: there is nothing to learn.",
            f"all values are {low:g}", "look at how the data were loaded",
        )  # fmt: skip
    elif outside:
        yield Finding(
            "range", "fault",
            f"G cannot reach the data: it ends in {case.gan.G.layers[-1]!r}.",
            f"the data lie in {low:.3g} .. {high:.3g}, G's output in {least:g} .. {most:g}: "
            f"{outside:.0%} of the data's values are outside",
            f"pass {to_unit(low, high)}; or data_range=(-1, 1) with data in [0, 1], for a G that "
            "ends in Tanh; or let G end in Linear",
        )  # fmt: skip


def few_images(case: Case) -> Finding:
    """Return that the data are so few that D can know all of them by heart."""
    return Finding(
        "few-images", "warning",
        "The data are few: D can know them by heart, and G can only repeat them.",
        f"{len(case.pool)} rows in {case.steps:,} steps of training; D ranks {case.d_auc:.1%} of "
        "pairs of such a row and a fake rightly",
        f"pass at least {FEW} samples, better thousands; if you trained with more than you passed "
        "here, pass all of them",
    )  # fmt: skip
