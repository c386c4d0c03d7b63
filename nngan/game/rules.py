"""The rules of a game: everything that a user chooses about it, one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from ..backend import Array
from ..checks import fraction, interval, nonnegative, one_of, positive_int, uint64
from ..losses import OBJECTIVES, Objective
from ..network import Sequential
from ..penalties import check_penalised

LATENTS = ("normal", "uniform")
UPDATES = ("alternating", "simultaneous")


@dataclass(frozen=True)
class Rules:
    """The rules of a game, which `nngan.GAN` describes one by one.

    The values are checked here, one by one, and by `check` against each other and the networks.
    After that they cannot change.

    Raises
    ------
    ValueError
        If a rule has no such value.
    """

    # The two losses.
    loss: str = "non_saturating"
    label_smoothing: float = 0.0
    # Who moves when.
    k: int = 1
    update: str = "alternating"
    # The rows that the networks see.
    pack: int = 1
    classes: int = 0
    data_range: tuple[float, float] = (0.0, 1.0)
    # The prior of z.
    latent: str = "normal"
    categories: int = 0
    # The penalties on D's gradient.
    r1: float = 0.0
    r2: float = 0.0
    gradient_penalty: float = 0.0
    penalty_every: int = 1
    # The moving average of G's weights.
    ema: float = 0.0
    # The seed of everything random.
    seed: int = 0

    def __post_init__(self) -> None:
        checked = {
            "loss": one_of("loss", self.loss, OBJECTIVES),
            "label_smoothing": fraction("label_smoothing", self.label_smoothing),
            "k": positive_int("k", self.k),
            "update": one_of("update", self.update, UPDATES),
            "pack": positive_int("pack", self.pack),
            "classes": uint64("classes", self.classes),
            "data_range": interval("data_range", self.data_range),
            "latent": one_of("latent", self.latent, LATENTS),
            "categories": uint64("categories", self.categories),
            "r1": nonnegative("r1", self.r1),
            "r2": nonnegative("r2", self.r2),
            "gradient_penalty": nonnegative("gradient_penalty", self.gradient_penalty),
            "penalty_every": positive_int("penalty_every", self.penalty_every),
            "ema": fraction("ema", self.ema),
            "seed": uint64("seed", self.seed),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # as a frozen dataclass sets its own fields

    @property
    def objective(self) -> Objective:
        """The losses of both players, by the name `loss`."""
        return OBJECTIVES[self.loss]

    def discriminator_loss(
        self, real_logits: Array, fake_logits: Array
    ) -> tuple[Array, Array, Array]:
        """Return D's loss and its gradients in both logits."""
        return self.objective.discriminator(real_logits, fake_logits, self.label_smoothing)

    @property
    def penalties(self) -> dict[str, float]:
        """The penalties on D's gradient that are not zero, by name."""
        penalties = {"r1": self.r1, "r2": self.r2, "gradient_penalty": self.gradient_penalty}
        return {name: value for name, value in penalties.items() if value}

    def check(self, G: Sequential, D: Sequential) -> None:
        """Refuse networks that do not fit together, and rules that do not fit them or each other.

        Raises
        ------
        TypeError, ValueError
            With the first misfit and its remedy.
        NotImplementedError
            If D cannot be penalised; see `nngan.penalties.check_penalised`.
        """
        self._check_networks(G, D)
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
        if self.penalties:
            check_penalised(D)
            if simultaneous:
                got = ", ".join(f"{name}={value}" for name, value in self.penalties.items())
                raise ValueError(
                    f"update='simultaneous' takes no penalties, got {got}: "
                    "make it 0, or use update='alternating'"
                )

    def _check_networks(self, G: Sequential, D: Sequential) -> None:
        pack, classes = self.pack, self.classes
        for name, network in (("G", G), ("D", D)):
            if not isinstance(network, Sequential):
                raise TypeError(f"{name} must be a Sequential, got {type(network).__name__}")
        if G is not D and any(layer is other for layer in G.leaves() for other in D.leaves()):
            raise ValueError("G and D share a layer: create a separate layer for each")
        fit = G.n_out and pack * (G.n_out + classes) == D.n_in and (G.n_in or 0) > classes
        if G is D or D.n_out != 1 or not fit or G.dtype != D.dtype:
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
