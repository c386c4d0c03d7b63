"""Losses: binary cross-entropy, twice, and the adversarial objectives.

A loss returns its mean over the N outputs and the gradient of that mean, so that both carry the
same 1/N::

    loss, dlogits = bce_with_logits(logits, target)

The loss stays an array (0-d, on the device): reading it is the caller's decision.
"""

from .bce import bce, bce_with_logits, softplus
from .objectives import OBJECTIVES, Objective

__all__ = ["OBJECTIVES", "Objective", "bce", "bce_with_logits", "softplus"]
