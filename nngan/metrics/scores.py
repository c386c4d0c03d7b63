"""All scores of samples: of MNIST's digits, the quick ones alone, and those of any images."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..backend import Array, Key, Stream, array_module, get_backend
from ..checks import instance, is_number, positive_int
from ..stored import DamagedFile, entry, read_json
from .cache import is_intact, write_cache
from .classes import class_kl, confident_share, histogram
from .distances import check_samples
from .energy import energy_distance
from .estimate import Estimate, mean_of
from .frechet import frechet_distance
from .judge import Judge, judge_path
from .neighbours import nearest, prdc
from .parzen import VALIDATION, parzen_log_likelihood

NEAREST_SAMPLES = 1_000  # samples whose nearest training image is searched
REFERENCE_POOL = 50_000  # training images from which the reference is drawn: all before VALIDATION
TITLES: Mapping[str, str] = {
    "parzen": "Parzen log-likelihood, nats",
    "parzen_sigma": "  at the bandwidth",
    "frechet": "Frechet distance, judge's features",
    "class_kl": "KL of digits from real ones, nats",
    "confident": "share that the judge is sure of",
    "precision": "precision, judge's features",
    "recall": "  recall",
    "density": "  density",
    "coverage": "  coverage",
    "pixel_precision": "precision, pixels",
    "pixel_recall": "  recall",
    "pixel_density": "  density",
    "pixel_coverage": "  coverage",
    "nearest": "distance to nearest training image",
} | {f"digit_{i}": f"share of digit {i}" for i in range(10)}


PIXEL_TITLES: Mapping[str, str] = {
    "energy": "energy distance, pixels",
    **{name: title for name, title in TITLES.items() if name.startswith("pixel_")},
}


def pixel_scores(samples: Array, images: Array) -> dict[str, Estimate]:
    """Return every score of `PIXEL_TITLES` for samples of any images.

    For the scores of real images, which perfect samples would reach, compare one half of the data
    with the other. Distances between pixels say little about large images.

    Parameters
    ----------
    samples : float array of shape (N, features)
        Images in [0, 1], N >= 6.
    images : float array of shape (M, features)
        Real images, M >= 6, on the same backend. Time grows with (N + M)^2.
    """
    check_samples(samples=samples, images=images)
    scores = {"energy": Estimate(energy_distance(samples, images), 0.0)}
    scores |= {f"pixel_{name}": value for name, value in prdc(images, samples)._asdict().items()}
    return scores


def quick_scores(samples: Array, test: Array, judge: Judge) -> dict[str, Estimate]:
    """Return the scores "frechet", "class_kl" and "confident", which are quick to compute.

    2,000 samples take less than a second, so that the scores can be followed during training. The
    Frechet distance of fewer samples is larger: compare it only for equal numbers of samples.

    Parameters
    ----------
    samples : float array of shape (N, 784)
        Images in [0, 1], N >= 40.
    test : float array of shape (M, 784)
        Real images to compare with, on the same backend.
    judge : Judge
    """
    check_samples(samples=samples, test=test)
    features, probabilities = instance("judge", judge, Judge)(samples)
    real_features, real_probabilities = judge(test)
    real = histogram(real_probabilities.argmax(axis=1), real_probabilities.shape[1])
    return {
        "frechet": frechet_distance(features, real_features),
        "class_kl": class_kl(probabilities, real),
        "confident": confident_share(probabilities),
    }


def all_scores(
    samples: Array, train: Array, validation: Array, test: Array, judge: Judge
) -> dict[str, Estimate]:
    """Return every score of `TITLES` for samples of MNIST's digits.

    Protocol: 10,000 samples. The validation images choose the bandwidth of the Parzen window. All
    scores compare with the test images, except for "nearest": the distance to the nearest training
    image, a mean over the first 1,000 samples. A value far below that of real images means copies.
    `reference_scores` returns the scores of real images.

    Parameters
    ----------
    samples : float array of shape (N, 784)
        Images in [0, 1].
    train : float array of shape (M, 784)
        The images that the generator was trained on.
    validation, test : float arrays of shape (M, 784)
        Real images, all on the backend of `samples`.
    judge : Judge
    """
    check_samples(samples=samples, train=train, validation=validation, test=test)
    scores: dict[str, Estimate] = {}
    scores["parzen"], sigma = parzen_log_likelihood(samples, validation, test)
    scores["parzen_sigma"] = Estimate(sigma, 0.0)
    scores |= quick_scores(samples, test, judge)
    features, probabilities = judge(samples)
    scores |= prdc(judge(test)[0], features)._asdict()
    scores |= {f"pixel_{name}": value for name, value in prdc(test, samples)._asdict().items()}
    scores["nearest"] = mean_of(nearest(samples[:NEAREST_SAMPLES], train)[1])
    labels = probabilities.argmax(axis=1)
    for i in range(probabilities.shape[1]):
        scores[f"digit_{i}"] = mean_of((labels == i).astype(np.float64))
    return scores


def reference_scores(
    train: Array,
    test: Array,
    judge: Judge,
    n: int = 10_000,
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Estimate]:
    """Return the scores of `n` real training images, which perfect samples would reach.

    The images are drawn at random from the first 50,000; their nearest neighbours are searched in
    the other training images. The judge was trained on them, so its confidence is higher than on
    test images. The scores are computed once per judge and `n`, then read from the cache folder.

    Parameters
    ----------
    train, test : float arrays of shape (60000, 784) and (10000, 784)
        MNIST, on one backend.
    judge : Judge
    n : int
        The number of samples to compare with, at most 40,000.
    cache_dir : path, optional
        See `load_judge`.

    Warns
    -----
    RuntimeWarning
        If the cache cannot be written.
    """
    if len(train) != 60_000 or not 40 <= positive_int("n", n) <= 40_000:
        raise ValueError(
            "train must be MNIST's 60000 images and n a number from 40 to 40000, got "
            f"{len(train)} and {n}"
        )
    name = hashlib.sha256(f"{judge.fingerprint} {n} {sorted(TITLES)}".encode()).hexdigest()[:8]
    path = judge_path(cache_dir).with_name(f"real-{name}.json")
    try:
        return _stored_scores(path)
    except (OSError, DamagedFile):  # missing or damaged: compute again
        pass
    xp = array_module(train)
    order = get_backend("numpy").permutation(Key(0).fold_in(Stream.DATA), REFERENCE_POOL)
    drawn, rest = (xp.asarray(np.sort(part)) for part in (order[:n], order[n:]))
    others = xp.concatenate([train[rest], train[REFERENCE_POOL:]])
    scores = all_scores(train[drawn], others, train[VALIDATION], test, judge)
    write_cache(path, lambda file: file.write(json.dumps(scores, indent=2).encode()))
    return scores


def _stored_scores(path: Path) -> dict[str, Estimate]:
    """Return the scores in a file of the cache."""
    if not is_intact(path):
        raise DamagedFile("it is missing, or its check-sum is wrong")
    stored = read_json(path)
    scores = {}
    for title in TITLES:
        pair = entry(stored, title, list)
        if len(pair) != 2 or not all(is_number(value) and math.isfinite(value) for value in pair):
            raise DamagedFile(f"its entry {title!r} must be two numbers")
        scores[title] = Estimate(*map(float, pair))
    return scores
