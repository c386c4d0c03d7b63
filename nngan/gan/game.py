"""The minimax game: its options, its state, sampling, saving.

min_G max_D V(D, G) = E_x ln D(x) + E_z ln(1 - D(G(z)))       (Goodfellow et al. 2014, equation 1)

Algorithm 1 of that paper plays it with minibatches: k steps of D up the gradient of V, one step of
G down; `simultaneous_step` moves both at once instead. Everything a step needs is a function of the
game's state: parameters, optimizers' moments, and one clock.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, Key, NumpyBackend, Stream, get_backend
from ..layers import Layer
from ..losses import OBJECTIVES
from ..network import Sequential
from ..optim import Adam, Optimizer, optimizer_from_config
from ..penalties import check_penalised
from . import steps

LATENTS = ("normal", "uniform")
UPDATES = ("alternating", "simultaneous")
METRICS = ("d_loss", "g_loss", "d_real", "d_fake")


class GAN:
    """A generator and a discriminator that learn from each other.

    Parameters
    ----------
    G : Sequential
        Generator: latent vectors (N, latent_dim) to samples (N, features).
    D : Sequential
        Discriminator: samples (N, features) to logits (N, 1), the log-odds that they are real;
        with `pack`, (N, pack * features) to (N, 1).
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
    ema : float
        Decay of the moving average of G's weights, in [0, 1), that samples are drawn from; 0 keeps
        none. GANs use 0.99 to 0.9999.
    r1, r2 : float
        Strengths gamma of the penalties on D's gradient, at real data and at fakes, which are part
        of D's loss; see `nngan.penalties`. 0: none.
    penalty_every : int
        Penalise every so many training steps only, and so many times as strongly ("lazy").
    latent : str
        Prior of z: "normal", or "uniform" on (-1, 1].
    data_range : (float, float)
        What the networks see of data in [0, 1]: (-1, 1) for a generator that ends in Tanh. `fit`
        maps the data to it and `sample` maps back. (0, 1) leaves data alone, whatever its range.
    seed : int
        Of everything random in the game: order of the data, noise, dropout. The networks have
        seeds of their own.
    backend : str or NumpyBackend
        "numpy" or "cupy"; the networks are moved there.

    Attributes
    ----------
    G_ema : Sequential or None
        The generator at the moving average of its weights; None where ema = 0.
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
        ema: float = 0.0,
        r1: float = 0.0,
        r2: float = 0.0,
        penalty_every: int = 1,
        latent: str = "normal",
        data_range: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        backend: str | NumpyBackend = "numpy",
    ) -> None:
        if pack != int(pack) or pack < 1:
            raise ValueError(f"pack must be a positive whole number, got {pack!r}")
        n_in = (G.n_out or 0) * pack
        if G is D or D.n_out != 1 or n_in != D.n_in or G.dtype != D.dtype or not G.n_in:
            features = "features" if pack == 1 else f"{pack} * features"
            raise ValueError(
                f"G must map (N, latent_dim) to (N, features) and D (N, {features}) to (N, 1) in "
                f"one dtype; G maps {G.n_in} to {G.n_out} in {G.dtype}, "
                f"D maps {D.n_in} to {D.n_out} in {D.dtype}"
            )
        if g_optimizer is not None and g_optimizer is d_optimizer:
            raise ValueError("g_optimizer and d_optimizer must be two: each has a state of its own")
        _one_of("loss", loss, OBJECTIVES)
        _one_of("latent", latent, LATENTS)
        _one_of("update", update, UPDATES)
        if k != int(k) or k < 1:
            raise ValueError(f"k must be a positive whole number, got {k!r}")
        if update == "simultaneous" and (k != 1 or D.couples_samples or not D.weighs_samples):
            raise ValueError(
                "update='simultaneous' needs k=1 and a D whose layers leave samples apart "
                "(couples_samples = False) and know sample_weight: use update='alternating'"
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing!r}")
        if label_smoothing and not OBJECTIVES[loss].labels:
            raise ValueError(f"label_smoothing must be 0, because loss={loss!r} has no labels")
        if not 0 <= ema < 1:
            raise ValueError(f"ema must lie in [0, 1), got {ema!r}")
        for name, gamma in (("r1", r1), ("r2", r2)):
            if not 0 <= gamma < np.inf:
                raise ValueError(f"{name} must be a number >= 0, got {gamma!r}")
        if penalty_every != int(penalty_every) or penalty_every < 1:
            raise ValueError(
                f"penalty_every must be a positive whole number, got {penalty_every!r}"
            )
        if r1 or r2:
            check_penalised(D)
            if update == "simultaneous":
                raise ValueError(
                    "update='simultaneous' takes no penalties, "
                    f"got r1={r1!r}, r2={r2!r}: use update='alternating'"
                )
        low, high = map(float, data_range)
        if not low < high:
            raise ValueError(f"data_range must be (low, high) with low < high, got {data_range!r}")
        if seed != int(seed) or not 0 <= seed < 2**64:
            raise ValueError(f"seed must be a whole number in [0, 2**64), got {seed!r}")
        self.backend = get_backend(backend)
        self.G, self.D = G.to(self.backend), D.to(self.backend)
        self.pack = int(pack)
        self.ema, self.G_ema = float(ema), copy.deepcopy(self.G) if ema else None
        self.loss, self.objective = loss, OBJECTIVES[loss]
        self.g_optimizer = (g_optimizer or Adam()).bind(self.G)
        self.d_optimizer = (d_optimizer or Adam()).bind(self.D)
        self.k, self.update, self.label_smoothing = int(k), update, float(label_smoothing)
        self.r1, self.r2, self.penalty_every = float(r1), float(r2), int(penalty_every)
        self.latent, self.data_range, self.seed = latent, (low, high), int(seed)
        self.latent_dim = G.n_in
        xp = self.backend.xp
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

    def _packed(self, x: Array) -> Array:
        """Return samples as D sees them: `pack` neighbours in one row.

        (N, features) becomes (N / pack, pack * features), the first `pack` samples the first row.
        Nothing is computed, so that a gradient goes back by the reverse reshape. (Both count row by
        row, whatever the layout in memory.)

        References
        ----------
        Lin, Khetan, Fanti and Oh, "PacGAN: the power of two samples in generative adversarial
        networks", NeurIPS 2018.
        """
        if self.pack == 1:
            return x
        if len(x) % self.pack:
            raise ValueError(
                f"a minibatch must be a multiple of pack={self.pack} samples, got {len(x)}"
            )
        packs: Array = x.reshape(len(x) // self.pack, -1)
        return packs

    # -- learning and sampling -----------------------------------------------------------------

    def fit(
        self,
        x: Array,
        epochs: int,
        batch_size: int = 128,
        *,
        callbacks: Sequence[Callable[[GAN], object]] = (),
        progress: bool = True,
    ) -> dict[str, list[float]]:
        """Train for `epochs` more epochs; see `nngan.training.fit`."""
        from ..training import fit  # the loop stands above the game

        return fit(self, x, epochs, batch_size, callbacks=callbacks, progress=progress)

    def sample(self, n: int, *, seed: int = 0, averaged: bool = True) -> Array:
        """Return `n` samples, a NumPy array of shape (n, features), whatever the backend.

        The same `seed` gives the same latent vectors, so that pictures of one seed show one latent
        vector learning. The first samples of a longer draw are those of a shorter one.

        Parameters
        ----------
        n : int
            How many, at least 1.
        seed : int
            Of the latent vectors.
        averaged : bool
            Whether from the moving average of G's weights, where there is one; False samples from
            the weights of the last step.
        """
        if n != int(n) or n < 1:
            raise ValueError(f"n must be a positive whole number, got {n!r}")
        if seed != int(seed) or not 0 <= seed < 2**64:
            raise ValueError(f"seed must be a whole number in [0, 2**64), got {seed!r}")
        return self.generate(self._draw(Key(seed).fold_in(Stream.SAMPLE), int(n)), averaged)

    def generate(self, z: Array, averaged: bool = True) -> Array:
        """Return the samples of latent vectors `z` (n, latent_dim), as a NumPy array."""
        low, high = self.data_range
        G = self.G_ema if averaged and self.G_ema is not None else self.G
        y = np.ascontiguousarray(self.backend.to_numpy(G(self.backend.asarray(z, G.dtype))))
        return y if (low, high) == (0, 1) else (y - low) / (high - low)

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
        backend: str | NumpyBackend = "numpy",
        layers: Sequence[type[Layer]] = (),
    ) -> GAN:
        """Return the game that `save` wrote; see `nngan.checkpoint.load`."""
        from ..checkpoint import load

        return load(path, backend, layers)[0]

    def config(self) -> dict[str, Any]:
        """Return a description from which `GAN.from_config` makes the same game, untrained."""
        return {
            "G": self.G.config(),
            "D": self.D.config(),
            "loss": self.loss,
            "g_optimizer": self.g_optimizer.config(),
            "d_optimizer": self.d_optimizer.config(),
            "k": self.k,
            "update": self.update,
            "label_smoothing": self.label_smoothing,
            "pack": self.pack,
            "ema": self.ema,
            "r1": self.r1,
            "r2": self.r2,
            "penalty_every": self.penalty_every,
            "latent": self.latent,
            "data_range": list(self.data_range),
            "seed": self.seed,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        backend: str | NumpyBackend = "numpy",
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
            return self.backend.normal(key, shape, self.G.dtype)
        return 2 * self.backend.uniform(key, shape, self.G.dtype) - 1


def _one_of(name: str, value: str, known: Any) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
