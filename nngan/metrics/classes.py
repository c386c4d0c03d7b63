"""How a classifier sees samples: the frequencies of the classes, and its confidence."""

from __future__ import annotations

import math

import numpy as np

from ..backend import Array, array_module
from ..checks import REAL, array, positive_int
from .estimate import GROUPS, Estimate, jackknife, mean_of

CONFIDENT = 0.9  # smallest probability of a confident classification


def histogram(labels: Array, n_classes: int) -> Array:
    """Return how often each class occurs in labels (N,), float64 of shape (n_classes,)."""
    xp = array_module(array("labels", labels, 1, REAL))
    classes = xp.arange(positive_int("n_classes", n_classes))
    counts: Array = (labels[:, None] == classes).sum(axis=0).astype(np.float64)
    return counts


def kl_divergence(counts: Array, reference: Array) -> float:
    """Return sum p ln(p / q), where p is `counts` normalised and q is `reference` normalised.

    A class without samples adds 0. The result is NaN if no class has samples, and infinite if a
    class has samples and no reference.

    Parameters
    ----------
    counts, reference : array of shape (classes,)
        Numbers >= 0. `reference` has one above 0.
    """
    xp = array_module(_check_counts("counts", counts))
    if _check_counts("reference", reference).shape != counts.shape or not float(reference.sum()):
        raise ValueError(
            f"reference must have a count for each of {len(counts)} classes, one of them above 0, "
            f"got {reference.tolist()}"
        )
    if float(counts.sum()) == 0:
        return math.nan
    p, q = counts / counts.sum(), reference / reference.sum()
    seen = p > 0
    if not bool(q[seen].all()):
        return math.inf
    return float((p[seen] * xp.log(p[seen] / q[seen])).sum())


def _check_counts(name: str, counts: Array) -> Array:
    """Return an array of numbers >= 0, one for each class."""
    is_count = array(name, counts, 1, REAL).size and float(counts.min()) >= 0
    if not (is_count and math.isfinite(float(counts.sum()))):
        raise ValueError(f"{name} must be numbers >= 0, one for each class, got {counts.tolist()}")
    return counts


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
    _check_probabilities(probabilities)
    if len(probabilities) < 2 * GROUPS:
        raise ValueError(
            f"probabilities has {len(probabilities)} rows: pass at least {2 * GROUPS} samples"
        )
    classes = probabilities.shape[1:]
    if array("reference", reference, 1, REAL).shape != classes or not float(reference.min()) > 0:
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
    _check_probabilities(probabilities)
    return mean_of((probabilities.max(axis=1) > CONFIDENT).astype(np.float64))


def _check_probabilities(probabilities: Array) -> None:
    if not array("probabilities", probabilities, 2, "f").size:
        raise ValueError(f"probabilities must not be empty, got shape {probabilities.shape}")
