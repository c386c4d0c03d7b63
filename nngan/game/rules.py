"""The rules of a game: everything that a user chooses about it, one frozen value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from ..checks import (
    boolean,
    fraction,
    interval,
    nonnegative,
    nonnegative_int,
    one_of,
    positive_int,
    uint64,
)
from ..losses import OBJECTIVES, Objective
from ..network import Sequential
from ..penalties import check_penalised

LATENTS = ("normal", "uniform")
UPDATES = ("alternating", "simultaneous")
T = TypeVar("T")


def _rule(default: T, check: Callable[..., T], *known: Any) -> T:
    """Return a field of a dataclass: a default, and the check that any value must pass."""
    rule: T = field(default=default, metadata={"check": check, "known": known})
    return rule


@dataclass(frozen=True)
class Rules:
    """The rules of a game; `nngan.GAN` describes each of them.

    Each value is checked when it is set, and `check_networks` compares the values with each other
    and with the networks. After that nothing can change.
    """

    # The two losses.
    loss: str = _rule("non_saturating", one_of, OBJECTIVES)
    label_smoothing: float = _rule(0.0, fraction)
    # Who moves when.
    k: int = _rule(1, positive_int)
    update: str = _rule("alternating", one_of, UPDATES)
    # The rows that the networks see.
    pack: int = _rule(1, positive_int)
    classes: int = _rule(0, nonnegative_int)
    data_range: tuple[float, float] = _rule((0.0, 1.0), interval)
    # The prior of z.
    latent: str = _rule("normal", one_of, LATENTS)
    categories: int = _rule(0, nonnegative_int)
    # The penalties on D's gradient.
    r1: float = _rule(0.0, nonnegative)
    r2: float = _rule(0.0, nonnegative)
    gradient_penalty: float = _rule(0.0, nonnegative)
    penalty_every: int = _rule(1, positive_int)
    # The moving average of G's weights.
    ema: float = _rule(0.0, fraction)
    # The seed of everything random.
    seed: int = _rule(0, uint64)
    # Whether a game that cannot be won is refused; networks that do not fit together always are.
    check: bool = _rule(True, boolean)

    def __post_init__(self) -> None:
        for rule in fields(self):
            check, known = rule.metadata["check"], rule.metadata["known"]
            value = check(rule.name, getattr(self, rule.name), *known)
            object.__setattr__(self, rule.name, value)  # as a frozen dataclass sets its own fields

    @property
    def objective(self) -> Objective:
        """The losses of both players, by the name `loss`."""
        return OBJECTIVES[self.loss]

    def check_networks(self, G: Sequential, D: Sequential) -> None:
        """Refuse networks that do not fit together, and rules that do not fit them or each other.

        TypeError, ValueError or (if D cannot be penalised) NotImplementedError say the first misfit
        and its remedy.
        """
        self._check_sizes(G, D)
        if self.check and self.objective.logits and D.output_range != (-math.inf, math.inf):
            raise ValueError(
                f"D must end in logits, which can be any number, and its last layer is "
                f"{D.layers[-1]!r}: leave it out, because loss={self.loss!r} has its own sigmoid "
                "(check=False plays the game anyway)"
            )
        if self.label_smoothing and not self.objective.labels:
            raise ValueError(f"label_smoothing must be 0, because loss={self.loss!r} has no labels")
        latent_dim = (G.n_in or 0) - self.classes
        if self.categories == 1 or 0 < latent_dim <= self.categories:
            raise ValueError(
                f"categories must be 0, or at least 2 and less than latent_dim={latent_dim}, "
                f"got {self.categories}"
            )
        simultaneous = self.update == "simultaneous"
        if simultaneous and (self.k != 1 or D.couples_samples or not D.weighs_samples):
            raise ValueError(
                "update='simultaneous' needs k=1 and a D whose layers keep samples apart "
                "(couples_samples = False) and take sample_weight (weighs_samples = True): use "
                "update='alternating'"
            )
        names = ("r1", "r2", "gradient_penalty")
        if penalties := [f"{name}={value}" for name in names if (value := getattr(self, name))]:
            check_penalised(D)
            if simultaneous:
                raise ValueError(
                    f"update='simultaneous' takes no penalties, got {', '.join(penalties)}: "
                    "make it 0, or use update='alternating'"
                )

    def _check_sizes(self, G: Sequential, D: Sequential) -> None:
        pack, classes = self.pack, self.classes
        for name, network in (("G", G), ("D", D)):
            if not isinstance(network, Sequential):
                raise TypeError(f"{name} must be a Sequential, got {type(network).__name__}")
        if any(layer is other for layer in G.leaves() for other in D.leaves()):
            raise ValueError("G and D share a layer: create a separate layer for each")
        fit = G.n_out and pack * (G.n_out + classes) == D.n_in and (G.n_in or 0) > classes
        if D.n_out != 1 or not fit or G.dtype != D.dtype:
            latent_dim, judged = "latent_dim", "features"
            if classes:
                latent_dim, judged = f"latent_dim + {classes}", f"features + {classes}"
            if pack > 1:
                judged = f"{pack} * ({judged})" if classes else f"{pack} * {judged}"
            raise ValueError(
                f"G must map (N, {latent_dim}) to (N, features) and D (N, {judged}) to (N, 1) in "
                f"one dtype; G maps {G.n_in} to {G.n_out} in {G.dtype}, "
                f"D maps {D.n_in} to {D.n_out} in {D.dtype}"
            )
