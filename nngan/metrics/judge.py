"""The judge: a classifier of digits, trained once by a procedure that is always the same."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from .. import datasets
from ..backend import Array, array_module
from ..files import DAMAGE, atomic_write

# ReLU layers and Adam, both scikit-learn's. Three epochs at a tenth of the learning rate settle
# what eight have found: 97.9 % become 98.4 %. A change of anything here is another judge.
PROCEDURE: Mapping[str, Any] = {
    "classifier": {"hidden_layer_sizes": (512, 128), "batch_size": 200, "random_state": 0},
    "stages": (
        {"max_iter": 8, "learning_rate_init": 1e-3},
        {"max_iter": 3, "learning_rate_init": 1e-4},
    ),
}
ACCURACY = 0.98  # on MNIST's test images; who is below it may not judge


class JudgeError(RuntimeError):
    """The classifier is not good enough to judge by; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier: weights on the host, computing where its input lives.

    Attributes
    ----------
    weights, biases : tuple of float32 arrays of shape (n_in, n_out) and (n_out,)
        Of each layer; the last gives the logits.
    accuracy : float
        On MNIST's test images.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    accuracy: float

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Return the features and the class probabilities of images.

        h = ReLU(h W + b) through the hidden layers, of which the last are the features, and the
        softmax of one more h W + b.

        Parameters
        ----------
        x : float array of shape (N, pixels)
            In [0, 1].

        Returns
        -------
        features : array of shape (N, 128)
        probabilities : array of shape (N, 10)

        Raises
        ------
        ValueError
            When `x` has another shape.
        """
        if x.ndim != 2 or x.shape[1] != len(self.weights[0]):
            raise ValueError(
                f"x must have shape (N, {len(self.weights[0])}), the images that the judge was "
                f"trained on, got {x.shape}"
            )
        xp = array_module(x)
        h = x
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = xp.maximum(h @ xp.asarray(W) + xp.asarray(b), 0)
        logits = h @ xp.asarray(self.weights[-1]) + xp.asarray(self.biases[-1])
        e = xp.exp(logits - logits.max(axis=1, keepdims=True))
        return h, e / e.sum(axis=1, keepdims=True)

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits of the weights: two tables compare if these agree."""
        digest = hashlib.sha256()
        for array in (*self.weights, *self.biases):
            digest.update(array.tobytes())
        return digest.hexdigest()[:8]


def load_judge(
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Judge:
    """Return the judge of MNIST: from the cache, or trained now, which takes half a minute.

    The procedure and its seed are fixed, but sums are rounded differently by different machines,
    whose judges therefore differ a little, and with them the metrics: `Judge.fingerprint` tells.

    Parameters
    ----------
    data_dir : path, optional
        Where MNIST is, as for `datasets.mnist`.
    cache_dir : path, optional
        Where the weights are kept; without it the user's cache folder.

    Raises
    ------
    DatasetError
        When it has to be trained and MNIST cannot be had.
    JudgeError
        When it was trained and classifies less than 98 % of the test images correctly.

    Warns
    -----
    RuntimeWarning
        When the weights cannot be kept; they are trained again next time.
    """
    path = judge_path(cache_dir)
    try:
        return _load(path)
    except DAMAGE:  # not there, or not whole: both are mended by training
        pass
    found = train_judge(*datasets.mnist("train", data_dir), *datasets.mnist("test", data_dir))
    if found.accuracy < ACCURACY:
        raise JudgeError(
            f"the judge classifies {found.accuracy:.2%} of the test images correctly, where "
            f"{ACCURACY:.0%} are wanted: update scikit-learn, this version trains worse"
        )
    layers = zip(found.weights, found.biases, strict=True)
    arrays = {
        f"{name}{i}": a
        for i, layer in enumerate(layers)
        for name, a in zip("Wb", layer, strict=True)
    }
    keep(path, lambda file: np.savez(file, accuracy=np.array(found.accuracy), **arrays))  # type: ignore[arg-type]
    return found


def keep(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file of the cache; where that fails, warn: what was computed must not be lost."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            write(file)
    except OSError as error:
        warnings.warn(
            f"{path} cannot be written ({error.strerror}) and is computed anew next time: pass a "
            "cache_dir that can be written",
            RuntimeWarning,
            stacklevel=3,
        )


def judge_path(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return where the judge is kept. The name has a hash of the procedure: another, another."""
    import pooch

    text = json.dumps([PROCEDURE, sorted(datasets.images.MNIST.checksums.values())])
    name = f"judge-{hashlib.sha256(text.encode()).hexdigest()[:8]}.npz"
    return Path(os.path.expanduser(cache_dir or pooch.os_cache("nngan"))) / name


def train_judge(x: Array, labels: Array, x_test: Array, labels_test: Array) -> Judge:
    """Train by `PROCEDURE` on images (N, pixels) in [0, 1] and their labels (N,); NumPy arrays."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(**PROCEDURE["classifier"], warm_start=True)
    with warnings.catch_warnings():
        # The number of epochs is part of the procedure; it is not meant to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # scikit-learn swallows Ctrl-C with a warning, and half a judge would be kept for good.
        warnings.filterwarnings("error", "Training interrupted", UserWarning)
        for stage in PROCEDURE["stages"]:
            try:
                classifier.set_params(**stage).fit(x, labels)
            except UserWarning as warning:
                raise KeyboardInterrupt from warning
    accuracy = float(classifier.score(x_test, labels_test))
    return Judge(tuple(classifier.coefs_), tuple(classifier.intercepts_), accuracy)


def _load(path: Path) -> Judge:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        n = len(file.files) // 2
        weights = tuple(file[f"W{i}"] for i in range(n))
        biases = tuple(file[f"b{i}"] for i in range(n))
        return Judge(weights, biases, float(file["accuracy"]))
