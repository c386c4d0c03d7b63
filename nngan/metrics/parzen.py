"""Parzen-window log-likelihood: the metric of Table 1 in Goodfellow et al. 2014.

It is here for comparison with that table. Do not report it alone: Theis et al. (2016) show that in
many dimensions it says little about a model or its samples. On MNIST 10,000 real images score 241
to 245 nats, and 10,000 cluster centres of real images score 330. So samples that score more than
real images are smoother, and not better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..backend import Array, array_module
from ..checks import positive, sequence
from .distances import check_samples, squared_distances
from .estimate import Estimate, mean_of

SIGMAS = tuple(float(s) for s in np.logspace(-1, 0, 10))  # .1, .129, .167, ... 1
VALIDATION = slice(50_000, 51_000)  # the part of MNIST's training images that chooses the bandwidth


class Parzen(NamedTuple):
    """The log-likelihood in nats, and the bandwidth at which it was computed."""

    log_likelihood: Estimate
    sigma: float


def log_density(x: Array, centers: Array, sigmas: Sequence[float]) -> Array:
    """Return the log-density of `x` under equal round Gaussians at `centers`, for each sigma.

    ln p(x) = ln 1/M sum_j exp(-||x - c_j||^2 / 2 sigma^2) - d ln(sigma sqrt(2 pi))

    The term of the nearest centre is factored out of the sum, which therefore cannot underflow. All
    bandwidths share the distances: one matrix product for any number of bandwidths.

    Parameters
    ----------
    x : float array of shape (N, d)
        The points at which the density is computed.
    centers : float array of shape (M, d)
        The means of the Gaussians, on the same backend.
    sigmas : sequence of S floats
        Standard deviations, above 0.

    Returns
    -------
    float64 array of shape (S, N), on the backend of `x`

    Notes
    -----
    `sklearn.neighbors.KernelDensity` with ``leaf_size >= M`` computes the same. With more than one
    leaf its bounds cancel in high dimension, and its result is wrong by hundreds of nats
    (scikit-learn #25799).

    References
    ----------
    Parzen, "On estimation of a probability density function and mode", 1962.
    """
    check_samples(x=x, centers=centers)
    sigmas = [positive("sigmas", sigma) for sigma in sequence("sigmas", sigmas)]
    if not sigmas:
        raise ValueError("sigmas must be one number or more, got none")
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
            # The nearest centre's term is 1, so terms below exp(-100) change nothing; the exp of
            # much smaller numbers is slow.
            xp.exp(xp.maximum(term, -100.0, out=term), out=term)
            density[i, rows] = scale * nearest + xp.log(term.sum(axis=1))
    for i, sigma in enumerate(sigmas):
        density[i] -= math.log(n_centers) + d * math.log(sigma * math.sqrt(2 * math.pi))
    return density


def parzen_log_likelihood(
    samples: Array, validation: Array, test: Array, sigmas: Sequence[float] = SIGMAS
) -> Parzen:
    """Return the log-likelihood of the test images under a Parzen window around the samples.

    The protocol of Goodfellow et al. on MNIST: 10,000 samples with pixels in [0, 1]. Ten bandwidths
    from 0.1 to 1 are evenly spaced in the logarithm; the one with the highest mean log-density of
    the images `VALIDATION` is chosen. The result is the mean over the 10,000 test images with its
    standard error. Train on the first 50,000 images only, as they did.

    Their adversarial nets score 225 +- 2, real images 241 to 245. State the number of samples,
    which matters as much as their quality: 1,000 real images score 120, and 50,000 score 318.

    Parameters
    ----------
    samples : float array of shape (M, d)
        Samples of the generator: the centres of the window.
    validation, test : float arrays of shape (N, d)
        Real data, on the same backend.
    sigmas : sequence of float
        The bandwidths to choose from.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", NIPS 2014, Table 1.
    Breuleux, Bengio and Vincent, "Quickly generating representative samples from an RBM-derived
    process", Neural Computation 2011: the procedure.
    Theis, van den Oord and Bethge, "A note on the evaluation of generative models", ICLR 2016.
    """
    check_samples(samples=samples, validation=validation, test=test)
    scores = log_density(validation, samples, sigmas).mean(axis=1)
    sigma = sigmas[int(scores.argmax())]
    return Parzen(mean_of(log_density(test, samples, [sigma])[0]), float(sigma))
