"""Which sum of true gradients is a gradient, and what that says of an update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backend import Array
from .recording import Pass, Update

EXACT = 3e-5  # of a gradient may be left where a loss explains it: the rounding of float32
NEAR = 2e-3  # may be left where nothing else explains it better
LEAST = 0.8  # of a cosine: a loss with this explains most of a gradient


@dataclass
class Verdict:
    """What explains one update.

    Attributes
    ----------
    kind : str
        "true" if a loss explains it, "mostly" if that and something else do, "unknown", or the kind
        of a mistake.
    loss : DLoss, GLoss or None
    sign : int
        -1 if the player climbed the loss.
    shares : list of (Pass, str, float)
        Passes that took part, as "real" or "fake", and the factor of the mean's gradient.
    rest : float
        The part of the gradient that the explanation leaves, as a fraction of its length.
    others : float
        The part that the best sound step leaves.
    detail : str
        What else is known of a mistake.
    absent : tuple of str
        "real" or "fake", if D judged such samples and they have no share, but would show.
    has_extra : bool
        Whether a penalty or weight decay is in the explanation.
    """

    update: Update
    kind: str
    loss: Any = None
    sign: int = 1
    shares: list[tuple[Pass, str, float]] = field(default_factory=list)
    rest: float = 1.0
    others: float = 1.0
    detail: str = ""
    absent: tuple[str, ...] = ()
    has_extra: bool = False

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the gradient and its explanation."""
        return float(np.sqrt(max(0.0, 1 - self.rest * self.rest)))

    @property
    def side(self) -> int:
        """1 if the player raised the outputs that a sound D and G raise, -1 if it lowered them."""
        is_sure = self.loss and self.kind != "unknown" and self.cosine > 0.8
        return self.sign * self.loss.side if is_sure else 0


def is_plain(v: Verdict) -> bool:
    """Whether the factors of an explanation are those of a loss that is written plainly.

    A loss has one factor for data and fakes: 1, 2 or 1/2 for a mean, as many times the minibatch's
    size for a sum. Where outputs hardly vary, losses that differ explain the same gradient, and
    only this tells which it is. Of a change without a gradient only the ratio is known.
    """
    factors = np.abs([factor for _, _, factor in v.shares])
    if not len(factors) or factors.max() > 1.02 * factors.min():
        return False
    if v.update.grads is None or not v.update.grads.any():
        return len(factors) > 1
    sizes = {1, *(n for judged, _, _ in v.shares for n in (len(judged.y), judged.is_fake.sum()))}
    return any(abs(factors[0] / (c * n) - 1) < 0.02 for n in sizes if n for c in (1.0, 2.0, 0.5))


# A pass of D, "real" or "fake", and the true gradient of a loss in these samples.
Column = tuple[Pass, str, Array]


def gradient_of(update: Update, climbs: bool = False) -> tuple[Array, float]:
    """Return the gradient that an update went down, and how much of it is rounding.

    It is the one that the network holds, unless the optimizer has moved by something else; the
    opposite one, if it is known that the optimizer climbs. A gradient that is read from the change
    of the parameters is rounded as they are.
    """
    change, grads = update.after - update.before, update.grads
    if grads is not None and grads.any():
        along = max((cosine(change, g) for g in (grads, np.sign(grads))), key=abs)
        if abs(along) >= 0.05:
            return (-grads if climbs or along > 0.9 else grads), 0.0  # above 0.9 it climbs
    dtype = update.after.dtype if update.after.dtype == np.float64 else np.float32
    size = float(np.linalg.norm(update.after) * np.finfo(dtype).eps)
    moved = float(np.linalg.norm(change))
    return -change, min(0.02, size / moved) if moved else 0.0


def cosine(a: Array, b: Array) -> float:
    """Return the cosine of the angle between two vectors; 0 if one is zero."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


def fit(g: Array, columns: list[Array]) -> tuple[Array, float]:
    """Return the factors of the columns whose sum is nearest to g, and how much of g is left."""
    if not columns:
        return np.zeros(0), 1.0
    a = np.stack(columns, axis=1).astype(np.float64)
    lengths = np.linalg.norm(a, axis=0)
    lengths[lengths == 0] = 1
    factors = np.linalg.lstsq(a / lengths, g, rcond=1e-9)[0]
    rest = float(np.linalg.norm(g - a @ (factors / lengths)) / np.linalg.norm(g))
    factors[np.abs(factors) < 0.01 * np.abs(factors).max()] = 0  # rounding
    return factors / lengths, rest


def fit_of_one_sign(g: Array, columns: list[Array]) -> tuple[Array, float]:
    """Return such a fit in which no two factors have different signs; other columns get 0."""
    kept = list(range(len(columns)))
    while True:
        some, rest = fit(g, [columns[i] for i in kept])
        sizes = [f * np.linalg.norm(columns[i]) for i, f in zip(kept, some, strict=True)]
        if one_sign(some) or not some.any():
            factors = np.zeros(len(columns))
            factors[kept] = some
            return factors, rest
        sign = np.sign(max(sizes, key=abs))
        kept = [i for i, f in zip(kept, some, strict=True) if f * sign > 0]


def one_sign(factors: Array) -> int:
    """Return the sign that all factors share; 0 if they do not."""
    if (factors >= 0).all():
        return int(factors.any())
    return -1 if (factors <= 0).all() else 0


def absent(columns: list[Column], factors: Array, g: Array) -> tuple[str, ...]:
    """Return which kind of samples has no share in a gradient, and would show if it had one."""
    largest, visible = np.abs(factors).max(), 0.05 * np.linalg.norm(g)
    found = []
    for kind in ("real", "fake"):
        own = [i for i, (_, side, _) in enumerate(columns) if side == kind]
        would = max((largest * np.linalg.norm(columns[i][2]) for i in own), default=0.0)
        if would > visible and not factors[own].any():
            found.append(kind)
    return tuple(found)


def shares(columns: list[Column], factors: Array) -> list[tuple[Pass, str, float]]:
    """Return the columns that have a factor, with it and without their gradients."""
    pairs = zip(columns, factors, strict=True)
    return [(judged, side, float(f)) for (judged, side, _), f in pairs if f]
