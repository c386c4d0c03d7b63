"""`GAN`: a game as a user holds it, with fit, sample, save and load."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import checkpoint, training
from .backend import Array, Backend, Key, Stream, get_backend
from .checks import array_like, boolean, classes, converted, positive_int, uint64
from .game import Game, Rules
from .game.inputs import g_input, one_hot
from .layers import Layer
from .network import Sequential
from .optim import Optimizer
from .training.data import Labels, data_labels


class GAN(Game):
    """A generator and a discriminator that learn from each other.

    The options make up the game's `nngan.game.Rules`. They can be read as attributes (``gan.r1``)
    and cannot change: to assign to one raises AttributeError. An optimizer's `lr` may be set.

    Parameters
    ----------
    G : Sequential
        Generator: latent vectors (N, latent_dim + classes) to samples (N, features).
    D : Sequential
        Discriminator: samples (N, pack * (features + classes)) to logits (N, 1), the log-odds that
        they are real.
    loss : str
        "non_saturating" (default), "minimax", "least_squares", "hinge", "wasserstein" or
        "relativistic"; see `nngan.losses.objectives`.
    g_optimizer, d_optimizer : Optimizer, optional
        ``Adam(2e-4, beta1=0.5)`` each if left out.
    k : int
        Steps of D per step of G.
    update : str
        "alternating": G's step sees the D that has just moved, as in Algorithm 1. "simultaneous":
        both move from where both are, which takes one pass through D instead of two (k = 1, and no
        layer of D may couple samples).
    label_smoothing : float
        One-sided: real data get the label 1 - label_smoothing.
    pack : int
        Samples that D judges together, in one row: minibatches must be multiples of it. D then
        sees that fakes are alike, which no sample shows alone (PacGAN).
    classes : int
        Classes of a conditional game: `fit` then takes a label in 0..classes-1 for each sample, and
        both networks see it, one-hot, in their last columns; see `nngan.game.inputs`. 0: no labels.
    ema : float
        Decay of the moving average of G's weights, in [0, 1), that samples are drawn from; 0 keeps
        none. GANs use 0.99 to 0.9999.
    r1, r2 : float
        Strengths gamma of the penalties on D's gradient, at real data and at fakes, which are part
        of D's loss; see `nngan.penalties`. 0: none.
    gradient_penalty : float
        Weight of the penalty that keeps the norm of D's gradient at 1 between real data and fakes;
        10 in the paper on Wasserstein GANs. 0: none.
    penalty_every : int
        Penalise only every n-th training step, and n times as strongly: the lazy regularization of
        Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020,
        appendix B.
    latent : str
        Prior of z: "normal", or "uniform" on (-1, 1].
    categories : int
        Size of the categorical code, drawn uniformly, that replaces the first columns of z; 0 for
        none, or at least 2 and less than `latent_dim`. Unlike `classes`, neither the data nor D
        know these categories.
    data_range : (float, float)
        The range to which data in [0, 1] are mapped for the networks: (-1, 1) for a generator that
        ends in Tanh. `fit` maps to it and `sample` maps back. (0, 1) leaves data as they are,
        whatever their range.
    check : bool
        Whether to refuse a game that cannot be won: a D that ends in Sigmoid under a loss on
        logits, or data that the last layer of G cannot reach. False plays it, to watch it fail.
    seed : int
        Seed of everything random in the game: order of the data, noise, dropout. The networks have
        seeds of their own.
    backend : str or Backend
        "numpy", "numba", "mkl", "cupy" or "cupy-tf32"; the networks are moved there.

    Attributes
    ----------
    rules : Rules
        All options above but networks, optimizers and backend, as one frozen value.
    G_ema, prior, latent_dim, label_counts, clock, history, log
        See `nngan.game.state.State`.

    Raises
    ------
    ValueError, TypeError
        If the networks do not fit together or an option has no such value.
    BackendUnavailable
        If the backend cannot run here.
    """

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        loss: str = "non_saturating",
        g_optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        k: int = 1,
        update: str = "alternating",
        label_smoothing: float = 0.0,
        pack: int = 1,
        classes: int = 0,
        ema: float = 0.0,
        r1: float = 0.0,
        r2: float = 0.0,
        gradient_penalty: float = 0.0,
        penalty_every: int = 1,
        latent: str = "normal",
        categories: int = 0,
        data_range: tuple[float, float] = (0.0, 1.0),
        check: bool = True,
        seed: int = 0,
        backend: str | Backend = "numpy",
    ) -> None:
        rules = Rules(
            loss=loss,
            label_smoothing=label_smoothing,
            k=k,
            update=update,
            pack=pack,
            classes=classes,
            data_range=data_range,
            latent=latent,
            categories=categories,
            r1=r1,
            r2=r2,
            gradient_penalty=gradient_penalty,
            penalty_every=penalty_every,
            ema=ema,
            check=check,
            seed=seed,
        )
        super().__init__(G, D, rules, g_optimizer, d_optimizer, backend)

    # -- learning ------------------------------------------------------------------------------

    def fit(
        self,
        x: Array,
        epochs: int,
        batch_size: int = 128,
        *,
        labels: Array | None = None,
        callbacks: Sequence[Callable[[GAN], object]] = (),
        progress: bool = True,
    ) -> dict[str, list[float]]:
        """Train for `epochs` more epochs; see `nngan.training.fit`."""
        return training.fit(
            self, x, epochs, batch_size, labels=labels, callbacks=callbacks, progress=progress
        )

    # -- sampling ------------------------------------------------------------------------------

    def sample(
        self, n: int, *, labels: Labels | None = None, seed: int = 0, averaged: bool = True
    ) -> Array:
        """Return `n` samples, a NumPy array of shape (n, features), whatever the backend.

        The same `seed` gives the same latent vectors, so that pictures of one seed show one latent
        vector learning. The latent vectors of a longer draw begin with those of a shorter one; so
        do the samples, up to rounding.

        Parameters
        ----------
        n : int
            How many, at least 1.
        labels : int or sequence of int, optional
            In a game with classes: one label for all samples, or one for each. If left out, they
            are drawn at random with the frequencies of the data, so that the samples are of
            p(x) = sum_y p(y) p(x|y).
        seed : int
            Seed of the latent vectors, and of the labels that are drawn.
        averaged : bool
            Whether to sample from the moving average of G's weights, if the game keeps one; False
            takes the weights of the last step.
        """
        z = self.latents(n, seed)
        if self.rules.classes and labels is None:
            labels = self._draw_labels(len(z), seed)
        return self.generate(z, labels, averaged)

    def latents(self, n: int, seed: int = 0) -> Array:
        """Return the latent vectors of ``sample(n, seed=seed)``, (n, latent_dim), on the device."""
        n, seed = positive_int("n", n), uint64("seed", seed)
        return self.prior.draw(self.backend, Key(seed).fold_in(Stream.SAMPLE), n, self.G.dtype)

    def generate(self, z: Array, labels: Labels | None = None, averaged: bool = True) -> Array:
        """Return the samples of latent vectors `z` (n, latent_dim), as a NumPy array.

        `labels` and `averaged` are those of `sample`; a game with classes needs labels.

        Raises
        ------
        ValueError
            If `z` is not of that shape.
        """
        low, high = self.rules.data_range
        G = self.G_ema if boolean("averaged", averaged) and self.G_ema is not None else self.G
        z = self.backend.asarray(array_like("z", z), G.dtype)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must have shape (n, {self.latent_dim}), got {z.shape}")
        if labels is not None:
            labels = self.backend.asarray(converted("labels", labels))
            labels = self.backend.xp.broadcast_to(labels, len(z)) if labels.ndim == 0 else labels
        labels = data_labels(self.rules, self.backend, labels, len(z))
        y = None if labels is None else one_hot(labels, self.rules.classes, G.dtype)
        samples = G(g_input(self.rules, z, y))
        x = self.backend.to_numpy(samples)
        return x if (low, high) == (0, 1) else (x - low) / (high - low)

    def _draw_labels(self, n: int, seed: int) -> Array:
        """Return `n` labels at random: y with probability p(y), its share in the data.

        They are independent of each other, as data are: labels in turn would fall in step with the
        groups of the jackknife in `nngan.metrics`.
        """
        key = Key(seed).fold_in(Stream.LABELS)
        u = self.backend.uniform(key, (n, 1), np.float64)  # in (0, 1]
        bounds = self.backend.xp.cumsum(self.label_counts)
        labels: Array = (u * bounds[-1] > bounds).sum(axis=1)
        return labels

    # -- saving --------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
        """Write the whole state of the game to one file; see `nngan.checkpoint.save`."""
        checkpoint.save(self, path, extra)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        backend: str | Backend = "numpy",
        layers: Sequence[type[Layer]] = (),
        optimizers: Sequence[type[Optimizer]] = (),
    ) -> GAN:
        """Return the game that `save` wrote; see `nngan.checkpoint.load`."""
        return cls.load_with_extra(path, backend, layers, optimizers)[0]

    @classmethod
    def load_with_extra(
        cls,
        path: str | os.PathLike[str],
        backend: str | Backend = "numpy",
        layers: Sequence[type[Layer]] = (),
        optimizers: Sequence[type[Optimizer]] = (),
    ) -> tuple[GAN, dict[str, Any]]:
        """Return the game that `save` wrote, and the `extra` that was saved with it."""
        layers, optimizers = classes("layers", layers), classes("optimizers", optimizers)
        backend = get_backend(backend)  # may be refused: before the file is read
        make = partial(cls.from_config, backend=backend, layers=layers, optimizers=optimizers)
        return checkpoint.load(path, make)

    def config(self) -> dict[str, Any]:
        """Return a description, which JSON can hold, of the game; the backend is no part of it."""
        return checkpoint.describe(self)

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        backend: str | Backend = "numpy",
        layers: Sequence[type[Layer]] = (),
        optimizers: Sequence[type[Optimizer]] = (),
    ) -> GAN:
        """Make the game that `config` described, untrained.

        Parameters
        ----------
        config : dict
            The result of `config()`.
        backend : str or Backend
            Where it will be played.
        layers : sequence of Layer subclasses
            The layers of your own that its networks use.
        optimizers : sequence of Optimizer subclasses
            The optimizers of your own that it uses.

        Raises
        ------
        ValueError
            If it names a layer or an optimizer that is neither the library's nor given.
        """
        layers, optimizers = classes("layers", layers), classes("optimizers", optimizers)
        G, D, g_optimizer, d_optimizer, rules = checkpoint.parts_of(config, layers, optimizers)
        return cls(G, D, g_optimizer=g_optimizer, d_optimizer=d_optimizer, backend=backend, **rules)
