"""What the two networks see: labels beside each row, and D's samples in packs.

A conditional game is one for each label y, with the networks in common (Mirza and Osindero 2014,
equation 2):

min_G max_D V(D, G) = E_{x,y} ln D(x|y) + E_{z,y} ln(1 - D(G(z|y)|y))

Both networks get y as the last `classes` columns of their input, one-hot. A game without classes
has none of them, and y is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..backend import Array, Key, array_module

if TYPE_CHECKING:
    from .game import GAN

Labels: TypeAlias = "int | Sequence[int] | Array"


def for_generator(gan: GAN, z: Array, y: Array | None) -> Array:
    """Return z|y: each latent vector with its label beside it, (N, latent_dim + classes)."""
    return _labelled(gan, z, y)


def for_discriminator(gan: GAN, x: Array, y: Array | None) -> Array:
    """Return x|y, with `pack` neighbours in one row: (N / pack, pack * (features + classes)).

    Each sample stands beside its own label; the first `pack` samples are the first row. (Rows are
    counted off one by one, whatever the layout in memory.)

    References
    ----------
    Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial
    networks", NeurIPS 2018.
    """
    x = _labelled(gan, x, y)
    if gan.pack == 1:
        return x
    if len(x) % gan.pack:
        raise ValueError(f"a minibatch must be a multiple of pack={gan.pack} samples, got {len(x)}")
    packs: Array = x.reshape(len(x) // gan.pack, -1)
    return packs


def from_discriminator(gan: GAN, gradient: Array) -> Array:
    """Return the gradient in the samples, (N, features), of that in what D saw of them.

    The way back of `for_discriminator`: packs are undone, and labels, which are nobody's output,
    take their columns away.
    """
    features = gan.G.n_out or 0
    samples: Array = gradient.reshape(-1, features + gan.classes)
    return samples[:, :features]


def feature_columns(gan: GAN) -> Array | None:
    """Return 1 for each column of D's input that is a feature, 0 for those of labels.

    None in a game without classes: all are features.
    """
    if not gan.classes:
        return None
    sample = np.repeat([1, 0], [gan.G.n_out or 0, gan.classes])
    return gan.backend.asarray(np.tile(sample, gan.pack), gan.G.dtype)


def with_category(z: Array, categories: int) -> Array:
    """Make the first `categories` columns of z a categorical code, drawn uniformly.

    Which one, the largest of these K numbers says, which are alike and independent of each other.
    Its column becomes sqrt(K - 1) and the others -1 / sqrt(K - 1), so that each has the mean 0 and
    the variance 1 of a column of the normal prior.

    G is continuous: what it makes of a prior in one piece is in one piece, and lies between the
    digits, too. This prior is in K pieces.

    References
    ----------
    Chen et al., "InfoGAN", NIPS 2016, whose categorical code this is, without the reward for a
    code that can be read from the image; Khayatkhoei, Singh and Elgammal,
    "Disconnected manifold learning for generative adversarial networks", NeurIPS 2018.
    """
    if not categories:
        return z
    chosen = one_hot(z[:, :categories].argmax(axis=1), categories, z.dtype)
    z[:, :categories] = (categories * chosen - 1) / (categories - 1) ** 0.5
    return z


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Return y (n, classes): 1 in the column of each label, 0 elsewhere. On the device."""
    y: Array = (labels[:, None] == array_module(labels).arange(classes)).astype(dtype)
    return y


def data_labels(gan: GAN, labels: Labels | None, n: int) -> Array | None:
    """Return the labels of `n` samples as int64 on the device; None in a game without classes.

    Raises
    ------
    ValueError
        When the game has classes and these are not `n` of them, or has none and gets labels.
    """
    if not gan.classes:
        if labels is not None:
            raise ValueError("labels are for a game with classes: make it with GAN(..., classes=)")
        return None
    wanted = f"labels must be {n} whole numbers in 0..{gan.classes - 1}, one for each sample"
    if labels is None:
        raise ValueError(f"{wanted}, because the game has classes={gan.classes}; got None")
    labels = gan.backend.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"{wanted}, got shape {labels.shape} of dtype {labels.dtype}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= gan.classes:
        raise ValueError(f"{wanted}, got {low}..{high}")
    return gan.backend.asarray(labels, np.int64)


def asked_labels(gan: GAN, labels: Labels | None, n: int) -> Array | None:
    """Return y for `n` samples that are asked for: one label for all of them, or one for each."""
    if labels is not None:
        labels = gan.backend.asarray(labels)
        labels = gan.backend.xp.broadcast_to(labels, (n,)) if labels.ndim == 0 else labels
    labels = data_labels(gan, labels, n)
    return None if labels is None else one_hot(labels, gan.classes, gan.G.dtype)


def draw_labels(gan: GAN, n: int, key: Key) -> Array:
    """Return `n` labels at random, int64 on the device: y with probability p(y), its share in data.

    They are independent of each other, as data are: labels in turn would fall in step with the
    groups of the jackknife in `nngan.metrics`.
    """
    xp = gan.backend.xp
    u = gan.backend.uniform(key, (n, 1), np.float64)  # in (0, 1]
    bounds = xp.cumsum(gan.label_counts)
    labels: Array = (u * bounds[-1] > bounds).sum(axis=1)
    return labels


def _labelled(gan: GAN, rows: Array, y: Array | None) -> Array:
    wanted = (len(rows), gan.classes) if gan.classes else None
    got = None if y is None else y.shape
    if got != wanted:
        takes = f"one-hot labels y of shape {wanted}" if wanted else "no labels y"
        raise ValueError(f"a game with classes={gan.classes} takes {takes}, got {got}")
    joined: Array = rows if y is None else gan.backend.xp.concatenate([rows, y], axis=1)
    return joined
