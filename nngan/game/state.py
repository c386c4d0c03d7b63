"""The state of a game, which its steps read and change.

min_G max_D V(D, G) = E_x ln D(x) + E_z ln(1 - D(G(z)))       (Goodfellow et al. 2014, equation 1)

Algorithm 1 of that paper plays it with minibatches: k steps of D up the gradient of V, one step of
G down. `nngan.game.steps` has these steps. They are functions of this state alone: parameters,
optimizers' moments, and one clock.
"""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, Stream, get_backend
from ..network import Sequential
from ..optim import Adam, Optimizer
from .inputs import Prior, feature_columns
from .rules import Rules

METRICS = ("d_loss", "g_loss", "d_real", "d_fake")
RULE_NAMES = frozenset(field.name for field in fields(Rules))
SET_ONCE = frozenset(
    {
        "rules", "backend", "G", "D", "G_ema", "g_optimizer", "d_optimizer", "prior", "latent_dim",
        "feature_columns", "label_counts", "clock", "epoch_start",
    }
)  # fmt: skip


class State:
    """Two networks that play by `rules`, and all that their training changes.

    Each rule can be read as an attribute (``game.r1``). Rules, networks and optimizers are set
    once: to assign to them raises AttributeError. An optimizer's learning rate may change
    (``game.g_optimizer.lr = 1e-4``).

    Parameters
    ----------
    G, D : Sequential
        The generator and the discriminator; see `nngan.GAN`.
    rules : Rules
        The rules, which must fit the networks.
    g_optimizer, d_optimizer : Optimizer, optional
        ``Adam(2e-4, beta1=0.5)`` each if left out.
    backend : str or Backend
        Where the game is played; both networks are moved there.

    Attributes
    ----------
    G_ema : Sequential or None
        The generator with the moving average of its weights; None if ema = 0.
    prior : Prior
        The prior of z, whose size is `latent_dim`: G's input width minus the label columns.
    feature_columns : array or None
        1 for each column of D's input that is a feature, 0 for labels; None if all are features.
    label_counts : int64 array of shape (classes,), on the device
        How many samples of the data have each label; ones before the first `fit`.
    clock : int64 array of shape (1,), on the device
        Training steps done. With `seed` it addresses every random number.
    history : dict of str to list of float
        "d_loss", "g_loss", "d_real" (mean D(x)), "d_fake" (mean D(G(z))): the mean over each epoch.
        D(x) is the sigmoid of D's output, whatever the loss.
    log : array of shape (steps, 4), on the device
        The same four for each step of the current epoch, which began at `epoch_start`.
    """

    rules: Rules

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        rules: Rules,
        g_optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        backend: str | Backend = "numpy",
    ) -> None:
        check_optimizers(G, D, g_optimizer, d_optimizer)
        rules.check_networks(G, D)
        # All arguments are valid: only now are the networks changed.
        self.rules = rules
        self.backend = get_backend(backend)
        self.G, self.D = G.to(self.backend), D.to(self.backend)
        self.G_ema = copy.deepcopy(G) if rules.ema else None
        self.g_optimizer = (Adam() if g_optimizer is None else g_optimizer).bind(G)
        self.d_optimizer = (Adam() if d_optimizer is None else d_optimizer).bind(D)
        self.latent_dim = (G.n_in or 0) - rules.classes
        self.prior = Prior(rules.latent, self.latent_dim, rules.categories)
        columns = feature_columns(rules, G.n_out or 0)
        self.feature_columns = None if columns is None else self.backend.asarray(columns, G.dtype)
        xp = self.backend.xp
        self.label_counts = xp.ones(rules.classes, dtype=np.int64)
        self.clock = xp.zeros(1, dtype=np.int64)
        self.epoch_start = xp.zeros(1, dtype=np.int64)
        self.log = xp.zeros((0, len(METRICS)), dtype=G.dtype)
        self.history: dict[str, list[float]] = {name: [] for name in METRICS}

    def __getattr__(self, name: str) -> Any:  # only called if the usual look-up fails
        if name in RULE_NAMES:
            return getattr(self.rules, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        if name in RULE_NAMES:
            raise AttributeError(
                f"{name} is a rule of the game and cannot change: make a new game with "
                f"{name}={value!r} and your other options, which begins with the weights of G and D"
            )
        if name in SET_ONCE and vars(self).get(name, value) is not value:
            raise AttributeError(
                f"{name} cannot be replaced in a game: make a new game with it (an optimizer's lr, "
                "and the numbers in an array, may be set)"
            )
        super().__setattr__(name, value)

    # -- random numbers ------------------------------------------------------------------------

    def key(self, stream: Stream, i: int = 0) -> Key:
        """Return the address of the `i`-th random numbers of one purpose in the current step."""
        return Key(self.rules.seed, step=self.clock).fold_in(stream).fold_in(i)

    def keys(self, stream: Stream, n: int, i: int = 0) -> list[Key]:
        """Return the `n` keys that the `i`-th step of one purpose uses."""
        return [self.key(stream, n * i + j) for j in range(n)]

    def noise(self, n: int, i: int = 0) -> Array:
        """Return the `i`-th minibatch of noise of the current step, (n, latent_dim)."""
        return self.prior.draw(self.backend, self.key(Stream.NOISE, i), n, self.G.dtype)

    # -- description ---------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return len(self.history["d_loss"])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(G={self.G!r},\nD={self.D!r},\nloss={self.rules.loss!r}, "
            f"g_optimizer={self.g_optimizer!r}, d_optimizer={self.d_optimizer!r}, "
            f"seed={self.rules.seed}, epoch={self.epoch})"
        )


def check_optimizers(
    G: Sequential, D: Sequential, g_optimizer: Optimizer | None, d_optimizer: Optimizer | None
) -> None:
    """Refuse a value that is no optimizer, one for both players, or one of another network."""
    given = {"g_optimizer": (g_optimizer, G), "d_optimizer": (d_optimizer, D)}
    for name, (optimizer, _) in given.items():
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{name} must be an optimizer such as nngan.Adam(2e-4), got {optimizer!r}"
            )
    if g_optimizer is not None and g_optimizer is d_optimizer:
        raise ValueError(
            "g_optimizer and d_optimizer are the same object: create one for each player"
        )
    for name, (optimizer, network) in given.items():
        if getattr(optimizer, "network", network) is not network:
            raise ValueError(
                f"{name} is already bound to another network: create a new "
                f"{type(optimizer).__name__} for each game"
            )
