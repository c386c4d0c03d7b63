"""Parzen-window log-likelihood: the number in Table 1 of the paper that began it all.

It is reported because that table has it, and never alone: Theis et al. (2016) show that in many
dimensions it says little of a model or of its samples. Real images, 10,000 of them in the place of
samples, score 241 to 245 nats on MNIST, while 10,000 cluster centres of real images score 330: what
exceeds the real score has been smoothed and is not better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..backend import Array, array_module
from .distances import check_points, squared_distances
from .estimate import Estimate, mean_of

SIGMAS = tuple(float(s) for s in np.logspace(-1, 0, 10))  # .1, .129, .167, ... 1
VALIDATION = slice(50_000, 51_000)  # of MNIST's training images


class Parzen(NamedTuple):
    """The log-likelihood (mean and standard error, in nats) and the bandwidth it was found at."""

    log_likelihood: Estimate
    sigma: float


def log_density(x: Array, centers: Array, sigmas: Sequence[float]) -> Array:
    """Return the log-density of `x` under equal round Gaussians at `centers`, for each sigma.

    ln p(x) = ln 1/M sum_j exp(-||x - c_j||^2 / 2 sigma^2) - d ln(sigma sqrt(2 pi))

    The nearest centre's term is taken out of the sum, so that it cannot underflow. All bandwidths
    share the distances: one matrix product, whatever their number.

    Parameters
    ----------
    x : float array of shape (N, d)
    centers : float array of shape (M, d)
    sigmas : sequence of S floats
        Standard deviations, above 0.

    Returns
    -------
    float64 array of shape (S, N), on the backend of `x`

    Raises
    ------
    ValueError
        When an array or a sigma does not fit.

    Notes
    -----
    This is `sklearn.neighbors.KernelDensity` with ``leaf_size >= M``. With more than one leaf its
    bounds cancel in high dimension, where it is wrong by hundreds of nats (scikit-learn #25799).

    References
    ----------
    Parzen, "On estimation of a probability density function and mode", 1962.
    """
    check_points(x=x, centers=centers)
    if len(sigmas) == 0 or not all(0 < s < math.inf for s in sigmas):
        raise ValueError(f"sigmas must be positive numbers, got {list(sigmas)}")
    xp = array_module(x)
    n_centers, d = centers.shape
    density: Array = xp.empty((len(sigmas), len(x)), dtype=np.float64)
    for rows, d2 in squared_distances(x, centers):
        nearest = d2.min(axis=1)
        d2 -= nearest[:, None]
        term = xp.empty_like(d2)
        for i, sigma in enumerate(sigmas):
            scale = -0.5 / sigma**2
            xp.multiply(d2, scale, out=term)
            # Beside the nearest centre's term, 1, exp(-100) is lost; exp of far less is slow.
            xp.exp(xp.maximum(term, -100.0, out=term), out=term)
            density[i, rows] = scale * nearest + xp.log(term.sum(axis=1))
    for i, sigma in enumerate(sigmas):
        density[i] -= math.log(n_centers) + d * math.log(sigma * math.sqrt(2 * math.pi))
    return density


def parzen_log_likelihood(
    samples: Array, validation: Array, test: Array, sigmas: Sequence[float] = SIGMAS
) -> Parzen:
    """Return the test log-likelihood of a Parzen window around samples.

    Goodfellow et al.'s protocol on MNIST: 10,000 samples with pixels in [0, 1]; of ten bandwidths
    from 0.1 to 1, evenly spaced in the logarithm, the one with the highest mean log-density of the
    images `VALIDATION`; then mean and standard error over the 10,000 test images. Two matrix
    products. Their networks were trained on the first 50,000 images only.

    Their adversarial nets: 225 +- 2. Real images: 241 to 245. The number of samples matters as much
    as their quality (1,000 real images: 120; 50,000: 318), so it is always to be stated.

    Parameters
    ----------
    samples : float array of shape (M, d)
        Of the generator: the centres of the window.
    validation, test : float arrays of shape (N, d)
        Real data, on the same backend.
    sigmas : sequence of float
        The bandwidths to choose from.

    Raises
    ------
    ValueError
        When an array or a sigma does not fit.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", NIPS 2014, Table 1.
    Breuleux, Bengio and Vincent, "Quickly generating representative samples from an RBM-derived
    process", Neural Computation 2011: the procedure.
    Theis, van den Oord and Bethge, "A note on the evaluation of generative models", ICLR 2016.
    """
    check_points(samples=samples, validation=validation, test=test)
    scores = log_density(validation, samples, sigmas).mean(axis=1)
    sigma = sigmas[int(scores.argmax())]
    return Parzen(mean_of(log_density(test, samples, [sigma])[0]), float(sigma))
