"""The whole table for a generator of MNIST's digits, and the few of its rows that are cheap."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

import numpy as np

from ..backend import Array, Key, Stream, array_module, get_backend
from ..files import DAMAGE
from .classes import class_kl, confident_share, histogram
from .distances import check_points
from .estimate import Estimate, mean_of
from .frechet import frechet_distance
from .judge import Judge, judge_path, keep
from .neighbours import nearest, prdc
from .parzen import VALIDATION, parzen_log_likelihood

COPIES = 1_000  # samples whose nearest training image is looked for
DRAWN_FROM = 50_000  # the training images among which real "samples" are drawn: not VALIDATION
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


def quick(samples: Array, test: Array, judge: Judge) -> dict[str, Estimate]:
    """Return the cheap rows of the table: "frechet", "class_kl", "confident".

    Less than a second for 2,000 samples, to be followed while a game is played. The Frechet
    distance of fewer samples is larger, so such values compare with each other and not with those
    of 10,000.

    Parameters
    ----------
    samples : float array of shape (N, 784), N >= 40
        In [0, 1].
    test : float array of shape (M, 784)
        Real images to compare with, on the same backend.
    judge : Judge

    Raises
    ------
    ValueError
        When an array does not fit.
    """
    check_points(samples=samples, test=test)
    features, probabilities = judge(samples)
    real_features, real_probabilities = judge(test)
    real = histogram(real_probabilities.argmax(axis=1), real_probabilities.shape[1])
    return {
        "frechet": frechet_distance(features, real_features),
        "class_kl": class_kl(probabilities, real),
        "confident": confident_share(probabilities),
    }


def evaluate(
    samples: Array, train: Array, validation: Array, test: Array, judge: Judge
) -> dict[str, Estimate]:
    """Return every row of the table (`TITLES`) for samples of MNIST's digits.

    Protocol: 10,000 samples. `parzen_log_likelihood` has its bandwidth from the validation images;
    all else is measured against the test images, except for the distance to the nearest training
    image, a mean over the first 1,000 samples: far below that of real images it means copies.
    `real_data` returns what real images score.

    Parameters
    ----------
    samples : float array of shape (N, 784)
        In [0, 1].
    train : float array of shape (M, 784)
        What the generator was trained on.
    validation, test : float arrays of shape (M, 784)
        Real images, all on the backend of `samples`.
    judge : Judge

    Raises
    ------
    ValueError
        When an array does not fit.
    """
    check_points(samples=samples, train=train, validation=validation, test=test)
    table: dict[str, Estimate] = {}
    table["parzen"], sigma = parzen_log_likelihood(samples, validation, test)
    table["parzen_sigma"] = Estimate(sigma, 0.0)
    table |= quick(samples, test, judge)
    features, probabilities = judge(samples)
    table |= prdc(judge(test)[0], features)._asdict()
    table |= {f"pixel_{name}": value for name, value in prdc(test, samples)._asdict().items()}
    table["nearest"] = mean_of(nearest(samples[:COPIES], train)[1])
    labels = probabilities.argmax(axis=1)
    for i in range(probabilities.shape[1]):
        table[f"digit_{i}"] = mean_of((labels == i).astype(np.float64))
    return table


def real_data(
    train: Array,
    test: Array,
    judge: Judge,
    n: int = 10_000,
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Estimate]:
    """Return the same table for `n` real training images in the place of samples: the ceilings.

    They are drawn at random from the first 50,000, and the rest is what their nearest training
    image is looked for in. The judge was trained on them: it is surer of them than it is of test
    images. Computed once for a judge and `n`, then read from the cache folder.

    Parameters
    ----------
    train, test : float arrays of shape (60000, 784) and (10000, 784)
        MNIST, on one backend.
    judge : Judge
    n : int
        As many as there are samples in the table beside it, at most 40,000.
    cache_dir : path, optional
        As for `load_judge`.

    Raises
    ------
    ValueError
        When an array or `n` does not fit.

    Warns
    -----
    RuntimeWarning
        When the cache cannot be written.
    """
    if len(train) != 60_000 or not 40 <= n <= 40_000:
        raise ValueError(
            f"train must be MNIST's 60000 images and n lie in 40..40000, got {len(train)} and {n}"
        )
    name = hashlib.sha256(f"{judge.fingerprint} {n} {sorted(TITLES)}".encode()).hexdigest()[:8]
    path = judge_path(cache_dir).with_name(f"real-{name}.json")
    try:
        stored = json.loads(path.read_text())
        return {title: Estimate(*map(float, stored[title])) for title in TITLES}
    except DAMAGE:  # not there, or not whole: computed again
        pass
    xp = array_module(train)
    order = get_backend("numpy").permutation(Key(0).fold_in(Stream.DATA), DRAWN_FROM)
    drawn, rest = (xp.asarray(np.sort(part)) for part in (order[:n], order[n:]))
    others = xp.concatenate([train[rest], train[DRAWN_FROM:]])
    table = evaluate(train[drawn], others, train[VALIDATION], test, judge)
    keep(path, lambda file: file.write(json.dumps(table, indent=2).encode()))
    return table
