"""The judge: a classifier of MNIST's digits, trained once by a fixed procedure, then cached."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import datasets
from ..backend import Array, array_module
from ..checks import array, optional, path
from ..stored import DamagedFile, open_npz
from .cache import is_intact, write_cache

# scikit-learn's ReLU layers and Adam. Three last epochs at a tenth of the learning rate raise the
# accuracy from 97.9 % to 98.4 %. Any change of the procedure makes another judge.
PROCEDURE: Mapping[str, Any] = {
    "classifier": {"hidden_layer_sizes": (512, 128), "batch_size": 200, "random_state": 0},
    "stages": (
        {"max_iter": 8, "learning_rate_init": 1e-3},
        {"max_iter": 3, "learning_rate_init": 1e-4},
    ),
}
ACCURACY = 0.98  # smallest accuracy of a judge on MNIST's test images


class JudgeError(RuntimeError):
    """The accuracy of the trained classifier is too low; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier. Its weights are on the host; it computes on the backend of its input.

    Attributes
    ----------
    weights, biases : tuple of float32 arrays of shape (n_in, n_out) and (n_out,)
        The parameters of each layer. The last layer returns the logits.
    accuracy : float
        Accuracy on MNIST's test images.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    accuracy: float

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Return the features and the class probabilities of images.

        Each hidden layer computes h = ReLU(h W + b). The features are the last h, and the
        probabilities are the softmax of h W + b of the last layer.

        Parameters
        ----------
        x : float array of shape (N, pixels)
            Images in [0, 1].

        Returns
        -------
        features : array of shape (N, 128)
        probabilities : array of shape (N, 10)
        """
        if array("x", x, kinds="f").ndim != 2 or x.shape[1] != len(self.weights[0]):
            raise ValueError(
                f"x must have shape (N, {len(self.weights[0])}), as the judge's training images, "
                f"got {x.shape}"
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
        """Eight hexadecimal digits of a hash of the weights: compare scores only if these agree."""
        digest = hashlib.sha256()
        for part in (*self.weights, *self.biases):
            digest.update(part.tobytes())
        return digest.hexdigest()[:8]


def load_judge(
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Judge:
    """Return the judge of MNIST. Without a cached one it is trained, which takes half a minute.

    The procedure and its seed are fixed, but sums are rounded differently on different machines.
    So judges of two machines differ a little, and the scores with them. `Judge.fingerprint` tells
    judges apart.

    Parameters
    ----------
    data_dir : path, optional
        The folder of MNIST: see `datasets.mnist`.
    cache_dir : path, optional
        The folder of the trained weights; by default the user's cache folder.

    Raises
    ------
    DatasetError
        If there is no cached judge, and MNIST cannot be read or downloaded.
    JudgeError
        If the trained judge classifies less than 98 % of the test images correctly.

    Warns
    -----
    RuntimeWarning
        If the weights cannot be written. The next call will train the judge again.
    """
    path = judge_path(cache_dir)
    try:
        return _load(path)
    except (OSError, DamagedFile):  # missing or damaged: train again
        pass
    judge = train_judge(*datasets.mnist("train", data_dir), *datasets.mnist("test", data_dir))
    if judge.accuracy < ACCURACY:
        raise JudgeError(
            f"the judge classifies {judge.accuracy:.2%} of the test images correctly and must "
            f"reach {ACCURACY:.0%}: update scikit-learn"
        )
    layers = zip(judge.weights, judge.biases, strict=True)
    arrays = {
        f"{name}{i}": a
        for i, layer in enumerate(layers)
        for name, a in zip("Wb", layer, strict=True)
    }
    write_cache(path, lambda file: np.savez(file, accuracy=np.array(judge.accuracy), **arrays))  # type: ignore[arg-type]
    return judge


def judge_path(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of the cached judge. Its name has a hash of the procedure and the data."""
    import pooch

    text = json.dumps([PROCEDURE, sorted(datasets.images.MNIST.checksums.values())])
    optional(path, "cache_dir", cache_dir)
    name = f"judge-{hashlib.sha256(text.encode()).hexdigest()[:8]}.npz"
    return Path(os.path.expanduser(cache_dir or pooch.os_cache("nngan"))) / name


def train_judge(x: Array, labels: Array, x_test: Array, labels_test: Array) -> Judge:
    """Train a judge by `PROCEDURE` on NumPy arrays: images (N, pixels) in [0, 1], labels (N,)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(**PROCEDURE["classifier"], warm_start=True)
    with warnings.catch_warnings():
        # The procedure fixes the number of epochs, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # scikit-learn turns Ctrl-C into a warning and returns. Without this filter a half-trained
        # judge would be cached.
        warnings.filterwarnings("error", "Training interrupted", UserWarning)
        for stage in PROCEDURE["stages"]:
            try:
                classifier.set_params(**stage).fit(x, labels)
            except UserWarning as warning:
                raise KeyboardInterrupt from warning
    accuracy = float(classifier.score(x_test, labels_test))
    return Judge(tuple(classifier.coefs_), tuple(classifier.intercepts_), accuracy)


def _load(path: Path) -> Judge:
    """Read a judge from a file. OSError if it is missing, DamagedFile if it is not whole."""
    if not is_intact(path):
        raise DamagedFile("it is missing, or its check-sum is wrong")
    with open_npz(path) as file:
        n = len(file.headers) // 2
        layers = [(file.read(f"W{i}"), file.read(f"b{i}")) for i in range(n)]
        accuracy = file.read("accuracy")
    widths = [W.shape for W, _ in layers]
    if not layers or any(W.ndim != 2 or b.shape != W.shape[1:] for W, b in layers):
        raise DamagedFile(f"its layers have the shapes {widths}")
    if any(a[1] != b[0] for a, b in itertools.pairwise(widths)) or accuracy.shape != ():
        raise DamagedFile(f"its layers, of shapes {widths}, do not fit together")
    weights, biases = zip(*layers, strict=True)
    return Judge(weights, biases, float(accuracy))
