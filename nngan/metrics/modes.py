"""Mode collapse on 2-D mixtures, by the protocol of PacGAN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..backend import Array, array_module
from ..checks import instance, sequence
from ..datasets import Mixture
from .classes import histogram, kl_divergence
from .distances import check_samples
from .estimate import Estimate

# PacGAN's protocol. Its centres and widths are those of `datasets.RING` and `GRID`.
SAMPLES = 2_500
RUNS = 10
RADIUS = 3.0  # standard deviations within which a sample is of high quality


class Modes(NamedTuple):
    """Covered modes, share of samples of high quality, reverse KL; see `count_modes`.

    `counts` is the number of samples of high quality at each mode, float64 of shape (K,).
    """

    covered: int
    high_quality: float
    reverse_kl: float
    counts: Array


def count_modes(points: Array, mixture: Mixture) -> Modes:
    """Return how many modes the samples cover, and how well.

    A sample belongs to its nearest centre c. It is of high quality if it lies within three standard
    deviations, ||x - c|| < 3 sigma. A mode is covered if it has a sample of high quality. The
    reverse KL is sum p ln(p K), where p is the share of each of the K modes among the samples of
    high quality. If no sample is of high quality, it is NaN.

    Protocol: 2,500 samples; mean and standard error over ten runs (`over_runs`). Of real samples,
    1 - exp(-9/2) = 98.9 % are of high quality; a higher share means that the modes are too narrow.
    Their reverse KL is about (K - 1) / 2N: 0.0014 on the ring, 0.0049 on the grid.

    Parameters
    ----------
    points : float array of shape (N, 2)
        The samples.
    mixture : Mixture
        Such as `datasets.RING` or `datasets.GRID`.

    References
    ----------
    Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial
    networks", NeurIPS 2018, section 4.1 and Table 1.
    """
    check_samples(points=points)
    if points.shape[1] != 2:
        raise ValueError(f"points must have shape (N, 2), got {points.shape}")
    xp = array_module(points)
    centers = xp.asarray(instance("mixture", mixture, Mixture).centers)
    # Differences instead of a matrix product: exact, so that the limit of 3 sigma is sharp.
    d2 = ((points.astype(np.float64)[:, None, :] - centers) ** 2).sum(axis=2)
    good = d2.min(axis=1) < (RADIUS * mixture.std) ** 2
    labels = xp.where(good, d2.argmin(axis=1), -1)  # -1: not of high quality, counts for no mode
    counts = histogram(labels, len(centers))
    return Modes(
        covered=int((counts > 0).sum()),
        high_quality=float(good.mean()),
        reverse_kl=kl_divergence(counts, xp.ones(len(centers), dtype=np.float64)),
        counts=counts,
    )


def over_runs(runs: Sequence[Modes]) -> dict[str, Estimate]:
    """Return "covered", "high_quality" and "reverse_kl" as means over runs, with standard errors.

    Parameters
    ----------
    runs : sequence of Modes
        At least two runs, of different seeds.
    """
    runs = [instance("runs", run, Modes) for run in sequence("runs", runs)]
    if len(runs) < 2:
        raise ValueError(f"runs must be at least two for a standard error, got {len(runs)}")
    table = {}
    for name in ("covered", "high_quality", "reverse_kl"):
        values = np.array([getattr(run, name) for run in runs], np.float64)
        table[name] = Estimate(
            float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
        )
    return table
