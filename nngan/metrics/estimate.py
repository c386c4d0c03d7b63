"""A measured value with its standard error, and the jackknife that estimates the error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..backend import Array
from ..checks import REAL, array, function, sequence

# Groups of the jackknife. The relative error of the standard error is 1 / sqrt(2 (GROUPS - 1)) =
# 16 %, enough for comparisons. Each group costs `frechet_distance` one more eigenvalue problem.
GROUPS = 20


class Estimate(NamedTuple):
    """A measured value and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        if not 0 < self.error < math.inf:
            return f"{self.value:.4g}"
        decimals = max(
            0, 1 - math.floor(math.log10(self.error))
        )  # two significant digits of the error
        return f"{self.value:.{decimals}f} ± {self.error:.{decimals}f}"


def mean_of(x: Array) -> Estimate:
    """Return the mean of independent values (N,) and its standard error std / sqrt(N)."""
    return Estimate(float(x.mean()), float(x.std()) / math.sqrt(len(x)))


def jackknife(statistic: Callable[[Array], float], parts: Sequence[Array]) -> Estimate:
    """Return a statistic of all samples, and its error from leaving out one group at a time.

    error^2 = (G - 1) / G sum_g (f_g - f.)^2,

    where f_g is the statistic without group g, and f. is the mean of the f_g.

    Parameters
    ----------
    statistic : callable
        A function of a sum over samples, such as counts or moments.
    parts : sequence of array
        That sum for each of G groups of equal size. A subtraction leaves a group out.

    References
    ----------
    Efron and Tibshirani, "An introduction to the bootstrap", 1993, equation 11.5.
    """
    parts = [array("parts", part, kinds=REAL) for part in sequence("parts", parts)]
    if len(parts) < 2:
        raise ValueError(f"parts must be two or more, got {len(parts)}")
    function("statistic", statistic)
    total = sum(parts[1:], start=parts[0])
    left_out = [statistic(total - part) for part in parts]
    mean = sum(left_out) / len(parts)
    variance = (1 - 1 / len(parts)) * sum((f - mean) ** 2 for f in left_out)
    return Estimate(statistic(total), math.sqrt(variance))
