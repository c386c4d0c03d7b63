"""Which options and networks make a game together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..losses import OBJECTIVES
from ..network import Sequential
from ..optim import Optimizer
from ..penalties import check_penalised

if TYPE_CHECKING:
    from .game import GAN


def check_together(gan: GAN) -> None:
    """Refuse networks that do not fit together, and options that do not fit them or each other.

    Raises
    ------
    ValueError
        With the first of them.
    NotImplementedError
        When D cannot be penalised; see `nngan.penalties.check_penalised`.
    """
    _check_networks(gan)
    if gan.label_smoothing and not OBJECTIVES[gan.loss].labels:
        raise ValueError(f"label_smoothing must be 0, because loss={gan.loss!r} has no labels")
    latent_dim = (gan.G.n_in or 0) - gan.classes
    if gan.categories == 1 or 0 < latent_dim <= gan.categories:
        raise ValueError(
            f"categories must be 0, or at least 2 and less than latent_dim={latent_dim}, "
            f"got {gan.categories}"
        )
    simultaneous, D = gan.update == "simultaneous", gan.D
    if simultaneous and (gan.k != 1 or D.couples_samples or not D.weighs_samples):
        raise ValueError(
            "update='simultaneous' needs k=1 and a D whose layers leave samples apart "
            "(couples_samples = False) and know sample_weight: use update='alternating'"
        )
    penalties = {name: getattr(gan, name) for name in ("r1", "r2", "gradient_penalty")}
    if any(penalties.values()):
        check_penalised(D)
        if simultaneous:
            got = ", ".join(f"{name}={value}" for name, value in penalties.items() if value)
            raise ValueError(
                f"update='simultaneous' takes no penalties, got {got}: "
                "make it 0, or use update='alternating'"
            )


def check_optimizers(**given: tuple[Optimizer | None, Sequential]) -> None:
    """Refuse optimizers that move another network already, or are none.

    Parameters
    ----------
    **given : (Optimizer or None, Sequential)
        By the name of the option: what was passed, and the network that it shall move.

    Raises
    ------
    TypeError, ValueError
        With the first of them.
    """
    for name, (optimizer, _) in given.items():
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{name} must be an optimizer such as nngan.Adam(2e-4), got {optimizer!r}"
            )
    (g_optimizer, _), (d_optimizer, _) = given.values()
    if g_optimizer is not None and g_optimizer is d_optimizer:
        raise ValueError("g_optimizer and d_optimizer must be two: each has a state of its own")
    for name, (optimizer, network) in given.items():
        if getattr(optimizer, "network", network) is not network:
            raise ValueError(
                f"{name} moves another network already, which would learn no more: make a new "
                f"{type(optimizer).__name__} for each game"
            )


def _check_networks(gan: GAN) -> None:
    G, D, pack, classes = gan.G, gan.D, gan.pack, gan.classes
    for name, network in (("G", G), ("D", D)):
        if not isinstance(network, Sequential):
            raise TypeError(f"{name} must be a Sequential, got {type(network).__name__}")
    if any(layer is other for layer in G.leaves() for other in D.leaves()) and G is not D:
        raise ValueError(
            "G and D have a layer in common: make one for each, it has parameters once"
        )
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
