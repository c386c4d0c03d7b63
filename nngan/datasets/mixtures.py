"""2-D mixtures of Gaussians, which make mode collapse visible and countable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backend import Array, Key, NumpyBackend, Stream
from ..checks import converted, nonnegative, positive_int, uint64


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of round 2-D Gaussians of equal weight, such as `RING` and `GRID`.

    Attributes
    ----------
    centers : float64 array of shape (K, 2)
        The means of the Gaussians.
    std : float
        The standard deviation of every Gaussian, along each axis.

    References
    ----------
    Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial
    networks", NeurIPS 2018: the centres and widths of `RING` and `GRID`.
    """

    centers: Array
    std: float

    def __post_init__(self) -> None:
        centers = converted("centers", self.centers)
        if centers.dtype.kind not in "fiu" or centers.ndim != 2 or centers.shape[1] != 2:
            raise ValueError(
                f"centers must have shape (K, 2), got {centers.shape} of {centers.dtype}"
            )
        if not len(centers) or not np.isfinite(centers).all():
            raise ValueError("centers must be one or more, and finite")
        object.__setattr__(self, "centers", centers.astype(np.float64))  # it is frozen
        object.__setattr__(self, "std", nonnegative("std", self.std))

    def sample(self, n: int, seed: int) -> tuple[Array, Array]:
        """Draw `n` points, a pure function of `seed`.

        Returns
        -------
        points : float32 array of shape (n, 2)
        components : intp array of shape (n,)
            For each point the row of `centers` around which it was drawn.
        """
        # Data have their own stream, so that they are independent of noise with the same seed.
        n, key = positive_int("n", n), Key(uint64("seed", seed)).fold_in(Stream.DATA)
        backend = NumpyBackend()
        components = backend.bits(key.fold_in(0), n) % len(self.centers)
        points = self.centers[components] + self.std * backend.normal(key.fold_in(1), (n, 2))
        return points.astype(np.float32), components.astype(np.intp)


# The eight angles are 2 pi k / 8. Several public versions use linspace(0, 2 pi, 8), which has 0 and
# 2 pi, the same angle: seven modes, one of them with twice the weight.
_ANGLES = 2 * np.pi * np.arange(8) / 8
_TICKS = (-4.0, -2.0, 0.0, 2.0, 4.0)
RING = Mixture(np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1), std=0.01)
GRID = Mixture(np.array([(a, b) for a in _TICKS for b in _TICKS]), std=0.05)


def ring(n: int = 100_000, seed: int = 0) -> tuple[Array, Array]:
    """Draw from `RING`: eight Gaussians on the unit circle, std 0.01. See `Mixture.sample`."""
    return RING.sample(n, seed)


def grid(n: int = 100_000, seed: int = 0) -> tuple[Array, Array]:
    """Draw from `GRID`: 25 Gaussians at {-4, -2, 0, 2, 4}^2, std 0.05. See `Mixture.sample`."""
    return GRID.sample(n, seed)
