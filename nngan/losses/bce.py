"""Binary cross-entropy, twice: of probabilities as in the textbook, and of logits, exact."""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module, fused, mean_of
from ..checks import array
from ..layers.activations import sigmoid


def bce(p: Array, target: Array | float) -> tuple[Array, Array]:
    """Binary cross-entropy of probabilities, as in the textbook.

    With N = p.size, L = -1/N sum [t ln p + (1 - t) ln(1 - p)], hence
    dL/dp = -1/N [t / p - (1 - t) / (1 - p)] = 1/N (p - t) / (p (1 - p)).

    Both are evaluated at p clipped to [eps, 1 - eps], eps the spacing of floats at 1 (1.2e-7 in
    float32), so that they are finite. That is the weakness of this form: behind a Sigmoid the
    gradient p (1 - p) dL/dp is lost if p has rounded to 1, or is nearer to 0 than eps.
    `bce_with_logits` keeps it.

    Parameters
    ----------
    p : array, usually of shape (N, 1)
        Probabilities in [0, 1].
    target : array of the same shape, or float
        Labels in [0, 1].

    Returns
    -------
    loss : 0-d array
    dp : array of p's shape

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep learning", MIT Press 2016, section 6.2.2.2.
    """
    target = _as_target(target, "p", p)
    xp = array_module(p)
    eps = float(np.finfo(p.dtype).eps)
    p = xp.clip(p, eps, 1 - eps)
    loss = -(target * xp.log(p) + (1 - target) * xp.log(1 - p)).mean()
    dp = (p - target) / (p * (1 - p)) / p.size
    return loss, dp


def bce_with_logits(logits: Array, target: Array | float) -> tuple[Array, Array]:
    """Binary cross-entropy of sigmoid(logits), exact for any finite logits.

    With p = 1 / (1 + exp(-o)): ln p = o - softplus(o) and ln(1 - p) = -softplus(o), where
    softplus(o) = ln(1 + exp(o)). Put into the textbook's formula, N = logits.size,
    L = 1/N sum [softplus(o) - t o]. Because softplus' = sigmoid, dL/do = 1/N (sigmoid(o) - t).

    Parameters
    ----------
    logits : array, usually of shape (N, 1)
        Log-odds o = ln(p / (1 - p)).
    target : array of the same shape, or float
        Labels in [0, 1].

    Returns
    -------
    loss : 0-d array
    dlogits : array of logits' shape

    Examples
    --------
    >>> import numpy as np, nngan as nn
    >>> loss, dlogits = nn.bce_with_logits(np.zeros((4, 1)), np.ones((4, 1)))
    >>> float(loss)  # chance: ln 2
    0.6931471805599453
    >>> dlogits.ravel().tolist()
    [-0.125, -0.125, -0.125, -0.125]
    """
    target = _as_target(target, "logits", logits)
    return mean_of(_bce_of_each, logits, target), _bce_gradient(logits, target, logits.size)


def _bce_of_each(o: Array, t: Array | float) -> Array:
    """Return softplus(o) - t o, elementwise."""
    # softplus(o) = max(o, 0) + ln(1 + exp(-|o|)). In this order max(o, 0) cancels against t o
    # before the small logarithm is added.
    xp = array_module(o)
    cost: Array = (xp.maximum(o, 0) - t * o) + xp.log1p(xp.exp(-xp.abs(o)))
    return cost


@fused
def _bce_gradient(o: Array, t: Array | float, n: int) -> Array:
    """Return (sigmoid(o) - t) / n, the gradient of the mean over the n elements."""
    return (sigmoid(o) - t) / n


@fused
def softplus(x: Array) -> Array:
    """Return ln(1 + exp(x)), elementwise, for any finite x without overflow."""
    # Naive: log(1 + exp(x)), where exp(x) overflows for x above 88.7 in float32.
    xp = array_module(array("x", x))
    y: Array = xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))
    return y


def _as_target(target: Array | float, name: str, outputs: Array) -> Array | float:
    """Return the labels in the dtype of `outputs`, so that the gradient stays in it."""
    if not array(name, outputs, kinds="f").size:
        raise ValueError(f"{name} must not be empty, got shape {outputs.shape}")
    if isinstance(target, int | float | np.number):
        return float(target)
    if getattr(target, "shape", None) != outputs.shape:
        got = getattr(target, "shape", type(target).__name__)
        raise ValueError(f"target must have the shape of {name}, {outputs.shape}, got {got}")
    return target.astype(outputs.dtype, copy=False)
