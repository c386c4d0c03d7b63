"""The losses that are known to a diagnosis, as weights w = dL/do of D's outputs o.

A label loss pulls an output towards a label t: D pulls data to one label and fakes to another, G
pulls fakes to the label of data, or pushes them away from their own. A score has no labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...backend import Array
from ...layers.activations import sigmoid

Weights = Callable[[Array, "Array | None"], Array]
Pull = Callable[[Array, float], Array]


class DLoss(NamedTuple):
    """A loss of D.

    Attributes
    ----------
    name : str
    real, fake : callable
        Weights of the outputs of data and of fakes, from these outputs and, where a loss pairs
        samples, from those of the other kind.
    side : int
        1 if D raises its outputs of data above those of fakes, -1 if it lowers them, 0 if both
        have the same label.
    labels : (float, float) or None
        Those of data and fakes.
    is_double : bool
        Whether a sigmoid is taken twice.
    """

    name: str
    real: Weights
    fake: Weights
    side: int
    labels: tuple[float, float] | None = None
    is_double: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether a game is likely to have it: mistakes are looked for with these."""
        return not self.is_double and self.side != 0 and self.labels in USUAL


class GLoss(NamedTuple):
    """A loss of G: the weights of fakes' outputs, and whether it raises them (1) or not (-1)."""

    name: str
    fake: Weights
    side: int
    label: float | None = None
    is_double: bool = False

    @property
    def is_usual(self) -> bool:
        """As that of D."""
        return not self.is_double and self.label in (None, 1.0, 0.0)


def pulls(is_squashed: bool) -> list[tuple[str, Pull, bool]]:
    """Return the label losses for a D that ends in a sigmoid, or in a logit: name, w, is_double."""
    if is_squashed:
        return [
            ("cross-entropy", lambda p, t: (p - t) / np.maximum(p * (1 - p), 1e-12), False),
            ("least squares", lambda p, t: p - t, False),
            ("cross-entropy of logits", lambda p, t: sigmoid(p) - t, True),
        ]
    return [
        ("cross-entropy", lambda o, t: sigmoid(o) - t, False),
        ("least squares", lambda o, t: o - t, False),
        ("least squares of probabilities", lambda o, t: (sigmoid(o) - t) * _slope(o), False),
        ("cross-entropy", lambda o, t: sigmoid(sigmoid(o)) - t, True),
        ("cross-entropy", lambda o, t: (sigmoid(sigmoid(o)) - t) * _slope(o), True),
    ]


def _slope(o: Array) -> Array:
    p = sigmoid(o)
    slope: Array = p * (1 - p)
    return slope


USUAL = (None, (1.0, 0.0), (0.0, 1.0), (0.9, 0.0), (1.0, -1.0))
SOUND_LABELS = (
    (1.0, 0.0),
    (0.9, 0.0),
    (0.9, 0.1),
    (0.8, 0.0),
    (0.8, 0.2),
    (0.7, 0.3),
    (0.95, 0.05),
)
ALL_LABELS = (
    *SOUND_LABELS, (1.0, -1.0), *((f, r) for r, f in SOUND_LABELS), (-1.0, 1.0), (1.0, 1.0),
    (0.0, 0.0),
)  # fmt: skip


def losses_of_d(is_squashed: bool) -> list[DLoss]:
    """Return the losses of D, sound and usual ones first."""
    found = []
    for name, pull, is_double in pulls(is_squashed):
        for labels in ALL_LABELS:
            if -1.0 in labels and name == "cross-entropy":
                continue
            real, fake = _towards(pull, labels[0]), _towards(pull, labels[1])
            side = int(np.sign(labels[0] - labels[1]))
            found.append(DLoss(name, real, fake, side, labels, is_double))
    found += [
        DLoss("Wasserstein", lambda r, _: -np.ones_like(r), lambda f, _: np.ones_like(f), 1),
        DLoss("Wasserstein", lambda r, _: -np.ones_like(r), lambda f, _: -np.ones_like(f), 0),
        DLoss("hinge", lambda r, _: -1.0 * (r < 1), lambda f, _: 1.0 * (f > -1), 1),
        DLoss("hinge", lambda r, _: 1.0 * (r > -1), lambda f, _: -1.0 * (f < 1), -1),
        DLoss("relativistic", lambda r, f: -_sigmoid(f, r), lambda f, r: _sigmoid(f, r), 1),
        DLoss("relativistic", lambda r, f: _sigmoid(r, f), lambda f, r: -_sigmoid(r, f), -1),
    ]
    usual = [loss for loss in found if loss.side == 1 and not loss.is_double]
    rest = [loss for loss in found if loss.side != 1 and not loss.is_double]
    return [*usual, *rest, *(loss for loss in found if loss.is_double)]


def losses_of_g(is_squashed: bool) -> list[GLoss]:
    """Return the losses of G, usual ones first."""
    found = []
    for name, pull, is_double in pulls(is_squashed):
        for label in (1.0, 0.0, 0.9, 0.1, -1.0):
            if label < 0 and name == "cross-entropy":
                continue
            side = 1 if label > 0.5 else -1
            found.append(GLoss(name, _towards(pull, label), side, label, is_double))
    found += [
        GLoss("score", lambda f, _: -np.ones_like(f), 1),
        GLoss("relativistic", lambda f, r: -_sigmoid(r, f), 1),
        GLoss("relativistic", lambda f, r: _sigmoid(f, r), -1),
    ]
    return sorted(found, key=lambda loss: loss.is_double)


def _towards(pull: Pull, label: float) -> Weights:
    return lambda o, _: pull(o, label)


def _sigmoid(a: Array | None, b: Array | None) -> Array:
    """Return sigmoid(a - b) of paired outputs; nothing if they are not as many."""
    if a is None or b is None or a.shape != b.shape:
        return np.zeros_like(a if b is None else b)
    result: Array = sigmoid(a - b)
    return result
