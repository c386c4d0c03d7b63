"""What all looks at a game share: a copy of it on NumPy, rows of its data, its samples.

Nothing here changes the game that is looked at: every look works on copies.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, Stream, get_backend
from ..game import Game
from ..game.inputs import d_input, g_input, one_hot
from ..gan import GAN
from ..network import Sequential
from ..training.data import Labels, data_labels, data_rows
from ..training.loop import in_range

ROWS = 2_000  # of the data, and as many samples
POOL = 10_000  # rows among which copies are searched
FEWEST = 10  # rows that can be looked at
BATCH = 128  # of the steps that are played on copies
SEED = 20_141  # of the samples: not the ones that a user gets with seed 0


def twin_of(gan: GAN, dtype: Any = None) -> GAN:
    """Return a copy of a game on NumPy that shares nothing with it, in another dtype if given.

    Its steps are those of the game's own class, so that a step that a subclass redefines is played.
    """
    twin = copy.deepcopy(gan)
    backend = get_backend("numpy")
    dtype = np.dtype(twin.G.dtype if dtype is None else dtype)

    def moved(array: Array) -> Array:
        array = np.array(gan.backend.to_numpy(array))
        return array.astype(dtype) if array.dtype.kind == "f" else array

    for network in (twin.G, twin.D, twin.G_ema):
        if network is not None:
            _rebind(network, moved(network.params), moved(network.buffers), backend)
    for optimizer in (twin.g_optimizer, twin.d_optimizer):
        optimizer.state = {name: moved(array) for name, array in optimizer.state.items()}
    state = vars(twin)  # a game lets none of these be replaced
    state["backend"] = backend
    for name in ("clock", "epoch_start", "label_counts", "log", "feature_columns"):
        if state[name] is not None:
            state[name] = moved(state[name])
    return twin


def _rebind(network: Sequential, params: Array, buffers: Array, backend: Backend) -> None:
    network.bind(params, np.zeros_like(params), backend)
    network.bind_buffers(buffers)


class Case:
    """A game and its data as they are looked at.

    Parameters
    ----------
    gan : GAN
    x : array of shape (n, features), or (n, height, width) and so on
        The data, as `GAN.fit` takes them.
    labels : array of shape (n,), optional
        The class of each sample.
    most, pool_size : int
        Rows that `x` and `pool` have at most.

    Attributes
    ----------
    original : GAN
        The game itself, which nothing here changes.
    gan : GAN
        A copy of it, on NumPy.
    x : array of shape (N, features)
        Rows of the data, drawn at random, as the networks see them.
    pool : array of shape (M, features)
        More rows, the first of which are `x`.
    labels : intp array of shape (N,), or None
        The class of each row of `x`: 0 .. `classes` - 1.
    classes : int
        How many classes the labels have; 0 without labels.
    steps : int
        Steps that the game has trained.
    """

    def __init__(
        self,
        gan: GAN,
        x: Any,
        labels: Labels | None = None,
        most: int = ROWS,
        pool_size: int = POOL,
    ) -> None:
        rows = data_rows(gan, x)
        order = get_backend("numpy").permutation(key(0), len(rows))[:pool_size]
        if isinstance(rows, np.ndarray):
            pool = rows[order]
        else:
            pool = gan.backend.to_numpy(rows[gan.backend.asarray(order)])
        low, high = gan.rules.data_range
        whole = 255 if pool.dtype == np.uint8 else 1
        self.pool = in_range(pool, dtype=gan.G.dtype, whole=whole, low=low, high=high)
        if not np.isfinite(self.pool).all():
            raise ValueError("x has values that are NaN or infinite: remove those samples")
        self.original, self.gan = gan, twin_of(gan)
        n = min(most, len(self.pool)) // gan.rules.pack * gan.rules.pack
        if n < max(FEWEST, 2 * gan.rules.pack * max(gan.D.min_rows, gan.G.min_rows)):
            raise ValueError(f"x has {len(rows)} samples, which are too few to look at: pass more")
        self.x = self.pool[:n]
        self.labels, self.classes = self._labels(gan, labels, len(rows), order[:n])
        counters = [gan.clock, *(o.state.get("t") for o in (gan.g_optimizer, gan.d_optimizer))]
        self.steps = max(int(gan.backend.to_numpy(c)[0]) for c in counters if c is not None)

    def _labels(self, gan: GAN, labels: Any, n: int, order: Array) -> tuple[Array | None, int]:
        """Return the label of each row of `x`, from 0 on, and how many classes there are."""
        if gan.rules.classes:
            on_device = data_labels(gan.rules, gan.backend, labels, n)
            assert on_device is not None
            return gan.backend.to_numpy(on_device)[order], gan.rules.classes
        if labels is None:
            return None, 0
        labels = np.asarray(labels)
        if labels.shape != (n,):
            raise ValueError(f"labels must be {n}, one for each sample, got shape {labels.shape}")
        names, indices = np.unique(labels, return_inverse=True)
        return indices[order], len(names)

    def y(self, rows: slice = slice(None)) -> Array | None:
        """Return the labels of rows of `x`, one-hot, in a game with classes; else None."""
        if not self.gan.rules.classes or self.labels is None:
            return None
        return one_hot(self.labels[rows], self.gan.rules.classes, self.gan.G.dtype)

    @property
    def batch(self) -> int:
        """Rows of a minibatch of the steps that are played, a multiple of `pack`."""
        pack = self.gan.rules.pack
        return min(max(BATCH // pack, 1) * pack, len(self.x))

    def minibatch(self, i: int) -> tuple[Array, Array | None]:
        """Return the i-th minibatch of `x` and its labels; they begin anew after the last."""
        start = i * self.batch % max(1, len(self.x) - self.batch + 1)
        rows = slice(start, start + self.batch)
        return self.x[rows], self.y(rows)

    # -- samples -------------------------------------------------------------------------------

    @functools.cached_property
    def z(self) -> Array:
        """Latent vectors, one for each row of `x`."""
        return self.gan.latents(len(self.x), SEED)

    @functools.cached_property
    def fake(self) -> Array:
        """What G makes of `z`, as D sees it in training: the weights of now, labels of `x`."""
        return play(self.gan.G, g_input(self.gan.rules, self.z, self.y()))

    @functools.cached_property
    def samples(self) -> Array:
        """What a user gets for `z`: of the average, if there is one, and in inference."""
        return self.sample(self.z, self.y())

    @functools.cached_property
    def unaveraged(self) -> Array:
        """What the weights of now make of `z` in inference."""
        if self.gan.G_ema is None:
            return self.samples
        return self.sample(self.z, self.y(), averaged=False)

    def sample(self, z: Array, y: Array | None, averaged: bool = True) -> Array:
        """Return samples in inference, in the range of `x`."""
        gan = self.gan
        G = gan.G_ema if averaged and gan.G_ema is not None else gan.G
        return G(g_input(gan.rules, z, y))

    # -- what D says ---------------------------------------------------------------------------

    @functools.cached_property
    def real_logits(self) -> Array:
        """D's outputs for `x`, (N / pack,)."""
        return judge(self.gan, self.x, self.y())

    @functools.cached_property
    def fake_logits(self) -> Array:
        """D's outputs for `fake`, (N / pack,)."""
        return judge(self.gan, self.fake, self.y())

    @functools.cached_property
    def d_auc(self) -> float:
        """How often D ranks a sample of the data above a fake."""
        return auc(self.real_logits, self.fake_logits)


def play(network: Sequential, x: Array) -> Array:
    """Return a network's output as in training if it couples samples, else as in inference."""
    network = copy.deepcopy(network)  # whose running averages may move
    if not network.couples_samples:
        return network(x)
    # In minibatches, as in training.
    parts = np.array_split(x, max(1, len(x) // BATCH))
    return np.concatenate([network.forward(part)[0] for part in parts])


def judge(gan: Game, x: Array, y: Array | None) -> Array:
    """Return D's outputs, (N / pack,), for data or fakes alone."""
    return play(gan.D, d_input(gan.rules, x, y))[:, 0]


def auc(above: Array, below: Array) -> float:
    """Return how often a number of `above` is larger than one of `below`; equal ones count half."""
    below = np.sort(below)
    places = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(places.mean() / (2 * len(below)))


def key(purpose: int) -> Key:
    """Return the address of random numbers of the library's own kind."""
    return Key(SEED).fold_in(Stream.DATA).fold_in(purpose)
