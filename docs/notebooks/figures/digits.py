"""Digits of 28x28 pixels on every computer, without a download."""

from __future__ import annotations

import os
import warnings

import numpy as np

from nngan.backend import Array
from nngan.datasets import DatasetError, digits, mnist


def digits_28(n: int) -> tuple[Array, Array]:
    """Return n images of handwritten digits, and their labels.

    They are the first n training images of MNIST if MNIST is on this computer: in the folder
    NNGAN_DATA or in nngan's cache. Otherwise they are the 1,797 digits of scikit-learn, enlarged
    from 8x8 pixels, and repeated if n is larger.

    Returns
    -------
    x : float32 array of shape (n, 784)
        In [0, 1]. 0 is black.
    labels : uint8 array of shape (n,)
        The digits 0 to 9.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # in a notebook pooch's progress bar misses its widget
            import pooch

            folder = os.environ.get("NNGAN_DATA") or pooch.os_cache("nngan")
            x, labels = mnist(data_dir=folder, dtype="uint8")
        return (x[:n] / 255).astype(np.float32), labels[:n]
    except (DatasetError, ModuleNotFoundError):  # a browser has no pooch
        x, labels = digits()
        rows = np.arange(n) % len(x)
        return enlarge(x)[rows], labels[rows]


def enlarge(x: Array) -> Array:
    """Return images of 8x8 pixels in 28x28: three times as large, in a black frame."""
    at = (np.arange(24) - 1) / 3  # the centres of the new pixels, in old ones
    weights = np.stack([np.interp(at, np.arange(8), pixel) for pixel in np.eye(8)], axis=1)
    large = weights @ x.reshape(-1, 8, 8) @ weights.T
    sharp = np.clip(1.5 * large - 0.25, 0, 1)  # linear interpolation blurs the strokes
    return np.pad(sharp, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784).astype(np.float32)
