"""The minimax game: its options, its state, sampling, saving.

min_G max_D V(D, G) = E_x ln D(x) + E_z ln(1 - D(G(z)))       (Goodfellow et al. 2014, equation 1)

Algorithm 1 of that paper plays it with minibatches: k steps of D up the gradient of V, one step of
G down; `simultaneous_step` moves both at once instead. Everything a step needs is a function of the
game's state: parameters, optimizers' moments, and one clock.
"""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, Stream, get_backend
from ..checks import fraction, interval, nonnegative, one_of, positive_int, uint64
from ..layers import Layer
from ..losses import OBJECTIVES
from ..network import Sequential
from ..optim import Adam, Optimizer, optimizer_from_config
from . import steps
from .inputs import (
    Labels,
    asked_labels,
    draw_labels,
    feature_columns,
    for_generator,
    with_category,
)
from .together import check_optimizers, check_together

LATENTS = ("normal", "uniform")
UPDATES = ("alternating", "simultaneous")
METRICS = ("d_loss", "g_loss", "d_real", "d_fake")


class GAN:
    """A generator and a discriminator that learn from each other.

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
        Samples that D judges at once, side by side: minibatches must be multiples of it. D then
        sees that fakes are alike, which no sample shows alone (PacGAN).
    classes : int
        Of a conditional game: `fit` then takes a label in 0..classes-1 for each sample, and both
        networks see it, one-hot, in their last columns; see `nngan.game.inputs`. 0: no labels.
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
        Penalise every so many training steps only, and so many times as strongly: the lazy
        regularization of Karras et al., "Analyzing and improving the image quality of StyleGAN",
        CVPR 2020, appendix B.
    latent : str
        Prior of z: "normal", or "uniform" on (-1, 1].
    categories : int
        Let the first so many columns of z be a categorical code, drawn uniformly; 0, or at
        least 2 and less than `latent_dim`. Unlike `classes` they are nothing that the data or D
        know.
    data_range : (float, float)
        What the networks see of data in [0, 1]: (-1, 1) for a generator that ends in Tanh. `fit`
        maps the data to it and `sample` maps back. (0, 1) leaves data alone, whatever its range.
    seed : int
        Of everything random in the game: order of the data, noise, dropout. The networks have
        seeds of their own.
    backend : str or Backend
        "numpy", "numba", "mkl" or "cupy"; the networks are moved there.

    Attributes
    ----------
    G_ema : Sequential or None
        The generator at the moving average of its weights; None where ema = 0.
    latent_dim : int
        Of z: what is left of G's input beside the labels.
    label_counts : int64 array of shape (classes,), on the device
        How many of the data that `fit` was given last have each label; ones before. In these shares
        `sample` draws labels.
    clock : int64 array of shape (1,), on the device
        Training steps done. With `seed` it addresses every random number.
    history : dict of str to list of float
        "d_loss", "g_loss", "d_real" (mean D(x)), "d_fake" (mean D(G(z))): the mean over each epoch.
        D(x) is the sigmoid of D's output, whatever the loss.
    log : array of shape (steps, 4), on the device
        The same four of each step of the epoch under way, which began at `epoch_start`.

    Raises
    ------
    ValueError
        When the networks do not fit together or an option has no such value.
    BackendUnavailable
        When the backend cannot run here.
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
        seed: int = 0,
        backend: str | Backend = "numpy",
    ) -> None:
        check_optimizers(g_optimizer=(g_optimizer, G), d_optimizer=(d_optimizer, D))
        self.G, self.D = G, D
        self.loss = one_of("loss", loss, OBJECTIVES)
        self.k = positive_int("k", k)
        self.update = one_of("update", update, UPDATES)
        self.label_smoothing = fraction("label_smoothing", label_smoothing)
        self.pack = positive_int("pack", pack)
        self.classes = uint64("classes", classes)
        self.ema = fraction("ema", ema)
        self.r1, self.r2 = nonnegative("r1", r1), nonnegative("r2", r2)
        self.gradient_penalty = nonnegative("gradient_penalty", gradient_penalty)
        self.penalty_every = positive_int("penalty_every", penalty_every)
        self.latent = one_of("latent", latent, LATENTS)
        self.categories = uint64("categories", categories)
        self.data_range = interval("data_range", data_range)
        self.seed = uint64("seed", seed)
        check_together(self)
        # What is refused has been refused: from here on the networks are the game's.
        self.backend = get_backend(backend)
        for network in (G, D):
            network.to(self.backend)
        self.G_ema = copy.deepcopy(G) if ema else None
        self.g_optimizer = (Adam() if g_optimizer is None else g_optimizer).bind(G)
        self.d_optimizer = (Adam() if d_optimizer is None else d_optimizer).bind(D)
        self.objective = OBJECTIVES[loss]
        self.latent_dim = (G.n_in or 0) - self.classes
        self.feature_columns = feature_columns(self)
        xp = self.backend.xp
        self.label_counts = xp.ones(self.classes, dtype=np.int64)
        self.clock = xp.zeros(1, dtype=np.int64)
        self.epoch_start = xp.zeros(1, dtype=np.int64)
        self.log = xp.zeros((0, len(METRICS)), dtype=G.dtype)
        self.history: dict[str, list[float]] = {name: [] for name in METRICS}

    # -- Algorithm 1, in nngan/gan/steps.py -----------------------------------------------------

    discriminator_step = steps.discriminator_step
    generator_step = steps.generator_step
    simultaneous_step = steps.simultaneous_step

    def noise(self, n: int, i: int = 0) -> Array:
        """Return the `i`-th minibatch of noise of the step under way, (n, latent_dim)."""
        return self._draw(self._key(Stream.NOISE, i), n)

    def latents(self, n: int, seed: int = 0) -> Array:
        """Return the latent vectors of ``sample(n, seed=seed)``, (n, latent_dim), on the device."""
        n, seed = positive_int("n", n), uint64("seed", seed)
        return self._draw(Key(seed).fold_in(Stream.SAMPLE), n)

    # -- learning and sampling -----------------------------------------------------------------

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
        from ..training import fit  # the loop stands above the game

        return fit(
            self, x, epochs, batch_size, labels=labels, callbacks=callbacks, progress=progress
        )

    def sample(
        self, n: int, *, labels: Labels | None = None, seed: int = 0, averaged: bool = True
    ) -> Array:
        """Return `n` samples, a NumPy array of shape (n, features), whatever the backend.

        The same `seed` gives the same latent vectors, so that pictures of one seed show one latent
        vector learning. The first samples of a longer draw are those of a shorter one.

        Parameters
        ----------
        n : int
            How many, at least 1.
        labels : int or sequence of int, optional
            Of a game with classes: one label for all samples, or one for each. Left out, they are
            drawn at random, each as often as the data have it, so that the samples are of
            p(x) = sum_y p(y) p(x|y).
        seed : int
            Of the latent vectors, and of the labels that are drawn.
        averaged : bool
            Whether from the moving average of G's weights, where there is one; False samples from
            the weights of the last step.
        """
        z = self.latents(n, seed)
        if self.classes and labels is None:
            labels = draw_labels(self, len(z), Key(seed).fold_in(Stream.LABELS))
        return self.generate(z, labels, averaged)

    def generate(self, z: Array, labels: Labels | None = None, averaged: bool = True) -> Array:
        """Return the samples of latent vectors `z` (n, latent_dim), as a NumPy array.

        `labels` and `averaged` are those of `sample`; a game with classes must be told labels.
        """
        low, high = self.data_range
        G = self.G_ema if averaged and self.G_ema is not None else self.G
        z = self.backend.asarray(z, G.dtype)
        samples = G(for_generator(self, z, asked_labels(self, labels, len(z))))
        x = np.ascontiguousarray(self.backend.to_numpy(samples))
        return x if (low, high) == (0, 1) else (x - low) / (high - low)

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return len(self.history["d_loss"])

    # -- saving --------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
        """Write the whole state of the game to one file; see `nngan.checkpoint.save`."""
        from ..checkpoint import save

        save(self, path, extra)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        backend: str | Backend = "numpy",
        layers: Sequence[type[Layer]] = (),
    ) -> GAN:
        """Return the game that `save` wrote; see `nngan.checkpoint.load`."""
        from ..checkpoint import load

        return load(path, backend, layers)[0]

    def config(self) -> dict[str, Any]:
        """Return a description from which `GAN.from_config` makes the same game, untrained."""
        options = {name: getattr(self, name) for name in inspect.signature(GAN).parameters}
        del options["backend"]  # where a game is played is no part of it
        for name in ("G", "D", "g_optimizer", "d_optimizer"):
            options[name] = options[name].config()
        return {**options, "data_range": list(self.data_range)}  # JSON knows no tuples

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        backend: str | Backend = "numpy",
        layers: Sequence[type[Layer]] = (),
    ) -> GAN:
        """Make the game that `config` described; `layers` as in `Sequential.from_config`."""
        arguments = dict(config)
        G, D = (Sequential.from_config(arguments.pop(name), layers=layers) for name in "GD")
        for name in ("g_optimizer", "d_optimizer"):
            arguments[name] = optimizer_from_config(arguments[name])
        return cls(G, D, backend=backend, **arguments)

    def __repr__(self) -> str:
        return (
            f"GAN(G={self.G!r},\nD={self.D!r},\nloss={self.loss!r}, "
            f"g_optimizer={self.g_optimizer!r}, d_optimizer={self.d_optimizer!r}, "
            f"seed={self.seed}, epoch={self.epoch})"
        )

    # -- random numbers ------------------------------------------------------------------------

    def _key(self, stream: Stream, i: int) -> Key:
        return Key(self.seed, step=self.clock).fold_in(stream).fold_in(i)

    def _draw(self, key: Key, n: int) -> Array:
        shape = (n, self.latent_dim)
        if self.latent == "normal":
            z = self.backend.normal(key, shape, self.G.dtype)
        else:
            z = 2 * self.backend.uniform(key, shape, self.G.dtype) - 1
        return with_category(z, self.categories)
