"""How a classifier sees samples: the frequencies of the classes, and its confidence."""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from .estimate import GROUPS, Estimate, jackknife, mean_of

CONFIDENT = 0.9  # smallest probability of a confident classification


def histogram(labels: Array, n_classes: int) -> Array:
    """Return how often each class occurs in labels (N,), float64 of shape (n_classes,)."""
    xp = array_module(labels)
    counts: Array = (labels[:, None] == xp.arange(n_classes)).sum(axis=0).astype(np.float64)
    return counts


def kl_divergence(counts: Array, reference: Array) -> float:
    """Return sum p ln(p / q), where p is `counts` normalised and q is `reference` normalised.

    A class without samples adds 0. The result is NaN if no class has samples.
    """
    xp = array_module(counts)
    if float(counts.sum()) == 0:
        return float("nan")
    p, q = counts / counts.sum(), reference / reference.sum()
    return float((p * xp.log(xp.where(p > 0, p, 1.0) / q)).sum())


def class_kl(probabilities: Array, reference: Array) -> Estimate:
    """Return the KL divergence of the samples' classes from those of real data, in nats.

    KL(p || q) = sum p ln(p / q), where p is the histogram of the samples and q is `reference`. It
    is 0 when the classes are as frequent as in real data. It is -ln q_k when all samples are of
    class k: about ln 10 = 2.3 for the ten digits. For N real samples compared with M other real
    samples its mean is about (classes - 1) (1 / N + 1 / M) / 2: 0.0009 for N = M = 10,000 digits.

    Parameters
    ----------
    probabilities : float array of shape (N, classes)
        The classifier's probabilities for the samples, N >= 40. A sample counts for its most
        probable class.
    reference : float array of shape (classes,)
        The number of real samples of each class, by the same classifier: see `histogram`.

    Returns
    -------
    Estimate
        Its error is due to the choice of the samples: the jackknife with 20 groups.

    Raises
    ------
    ValueError
        If there are fewer than 40 samples, or a class has no real data.

    References
    ----------
    Srivastava et al., "VEEGAN: reducing mode collapse in GANs using implicit variational learning",
    NIPS 2017: KL of a classifier's histogram. Dieng et al., "Prescribed generative adversarial
    networks", arXiv 1910.04302, 2019: on MNIST's ten classes.
    """
    if len(probabilities) < 2 * GROUPS:
        raise ValueError(
            f"probabilities has {len(probabilities)} rows: pass at least {2 * GROUPS} samples"
        )
    if reference.shape != probabilities.shape[1:] or not float(reference.min()) > 0:
        raise ValueError(
            f"reference must have a count above 0 for each of {probabilities.shape[1]} classes, "
            f"got {reference.tolist()}: pass more real data"
        )
    labels = probabilities.argmax(axis=1)
    parts = [histogram(labels[i::GROUPS], len(reference)) for i in range(GROUPS)]
    return jackknife(lambda counts: kl_divergence(counts, reference), parts)


def confident_share(probabilities: Array) -> Estimate:
    """Return the share of samples whose most probable class has a probability above 0.9.

    Parameters
    ----------
    probabilities : float array of shape (N, classes)
        The classifier's probabilities for the samples.
    """
    return mean_of((probabilities.max(axis=1) > CONFIDENT).astype(np.float64))
