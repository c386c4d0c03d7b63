"""The data: whether G's last layer can reach them, and whether there are enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..backend import Array
from ..checks import to_unit
from .case import Case
from .report import Finding, Measurement
from .thresholds import FEW, TINY, TINY_SPREAD, WIDE_SPREAD


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
    else:
        yield from scaled(case.x, least, most)


def scaled(x: Array, least: float, most: float) -> Iterator[Finding]:
    """Yield that data are tiny or huge for a G whose outputs lie in least .. most."""
    low, high, spread = float(x.min()), float(x.max()), float(x.std())
    share = (high - low) / (most - least)  # 0 for an output without bounds
    if np.isfinite([least, most]).all() and share < TINY:
        yield Finding(
            "range", "fault", "The data use only a tiny part of the range of G's output.",
            f"the data lie in {low:.3g} .. {high:.3g}, G's output in {least:.3g} .. {most:.3g}: "
            f"{share:.1%} of the range",
            "look whether the data are divided twice, by 255 say, and scale them to G's range",
        )  # fmt: skip
    elif not np.isfinite([least, most]).any() and not TINY_SPREAD < spread < WIDE_SPREAD:
        yield Finding(
            "range", "warning",
            f"The data are {'tiny' if spread < 1 else 'huge'}: networks begin with outputs of "
            "about 1.",
            f"standard deviation of the data: {spread:.3g}",
            "scale the data so that their standard deviation is about 1",
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
