"""The inputs of both networks: draws of the prior, labels next to each row, D's samples in packs.

A conditional game is one for each label y, with the networks in common (Mirza and Osindero 2014,
equation 2):

min_G max_D V(D, G) = E_{x,y} ln D(x|y) + E_{z,y} ln(1 - D(G(z|y)|y))

Both networks get y as the last `classes` columns of their input, one-hot. A game without classes
has no such columns, and y is None.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Backend, Key, array_module
from ..checks import array, positive_int
from .rules import Rules


class Prior(NamedTuple):
    """The prior of z.

    Attributes
    ----------
    latent : str
        The law of each column: "normal", or "uniform" on (-1, 1].
    latent_dim : int
        Columns of z.
    categories : int
        The number of first columns that are a categorical code instead; 0 for none.
    """

    latent: str
    latent_dim: int
    categories: int = 0

    def draw(self, backend: Backend, key: Key, n: int, dtype: Any) -> Array:
        """Return `n` latent vectors, shape (n, latent_dim), drawn at `key`."""
        shape = (n, self.latent_dim)
        if self.latent == "normal":
            z = backend.normal(key, shape, dtype)
        else:
            z = 2 * backend.uniform(key, shape, dtype) - 1
        return categorical_code(z, self.categories)

    def quantiles(self, n: int) -> Array:
        """Return the quantiles (i + 1/2) / n of one column, float64: n equally likely values."""
        from statistics import NormalDist  # here, so that ``import nngan`` stays light

        p = (np.arange(positive_int("n", n)) + 0.5) / n
        return 2 * p - 1 if self.latent == "uniform" else np.array([*map(NormalDist().inv_cdf, p)])


def categorical_code(z: Array, categories: int) -> Array:
    """Replace the first `categories` columns of z by a categorical code, drawn uniformly.

    The largest of these K numbers, which are independent and identically distributed, chooses it.
    Its column becomes sqrt(K - 1) and the others -1 / sqrt(K - 1), so that each has the mean 0 and
    the variance 1 of a column of the normal prior. G is continuous: it maps a prior in one piece to
    samples in one piece, which include images between the digits. This prior has K separate parts.

    References
    ----------
    Chen et al., "InfoGAN", NIPS 2016, for the categorical code, used here without their reward for
    a code that can be read from the image; Khayatkhoei, Singh and Elgammal,
    "Disconnected manifold learning for generative adversarial networks", NeurIPS 2018.
    """
    if not categories:
        return z
    chosen = one_hot(z[:, :categories].argmax(axis=1), categories, z.dtype)
    z[:, :categories] = (categories * chosen - 1) / (categories - 1) ** 0.5
    return z


def g_input(rules: Rules, z: Array, y: Array | None) -> Array:
    """Return z|y: each latent vector with its label next to it, (N, latent_dim + classes)."""
    return _with_labels(rules, array("z", z, 2, "f"), y)


def d_input(rules: Rules, x: Array, y: Array | None) -> Array:
    """Return x|y, with `pack` neighbours in one row: (N / pack, pack * (features + classes)).

    Each sample is next to its own label; the first `pack` samples are the first row.

    References
    ----------
    Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial
    networks", NeurIPS 2018.
    """
    x = _with_labels(rules, array("x", x, 2, "f"), y)
    if len(x) % rules.pack:
        raise ValueError(
            f"a minibatch must be a multiple of pack={rules.pack} samples, got {len(x)}"
        )
    packs: Array = x if rules.pack == 1 else x.reshape(len(x) // rules.pack, -1)
    return packs


def d_input_gradient(rules: Rules, gradient: Array) -> Array:
    """Return the gradient in the samples, (N, features), from the gradient in D's input.

    It undoes `d_input`: packs are taken apart, and the columns of the labels, which G did not make,
    are left out.
    """
    width = gradient.shape[1] // rules.pack
    samples: Array = gradient.reshape(-1, width)
    return samples[:, : width - rules.classes]


def feature_columns(rules: Rules, features: int) -> Array | None:
    """Return 1 for each column of D's input that is a feature, 0 for labels; None if all are."""
    if not rules.classes:
        return None
    return np.tile(np.repeat([1, 0], [features, rules.classes]), rules.pack)


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Return y (n, classes): 1 in the column of each label, 0 elsewhere. On the device."""
    y: Array = (labels[:, None] == array_module(labels).arange(classes)).astype(dtype)
    return y


def _with_labels(rules: Rules, rows: Array, y: Array | None) -> Array:
    wanted = (len(rows), rules.classes) if rules.classes else None
    got = None if y is None else array("y", y).shape
    if got != wanted:
        takes = f"one-hot labels y of shape {wanted}" if wanted else "no labels y"
        raise ValueError(f"a game with classes={rules.classes} takes {takes}, got {got}")
    joined: Array = rows if y is None else array_module(rows).concatenate([rows, y], axis=1)
    return joined
