"""Penalties on the gradient of D in its input, differentiated by hand.

All of them are P = mean_n phi(|g_n|^2), where g_n = do(x_n)/dx_n is the gradient of D's logit o
(not of the probability D(x) = sigmoid(o)) at sample n, and D is to descend P: wanted is dP/dtheta,
a derivative of a derivative. By the chain rule

    dP/dtheta = sum_n <v_n, dg_n/dtheta>   with   v_n = 2/N phi'(|g_n|^2) g_n.        (1)

Hold every v_n where it is. Then this is the gradient of s(theta) = sum_n <v_n, g_n>, and s is the
derivative of sum_n o(x_n) as each x_n moves along v_n. So three passes follow the forward pass:

1. down, with ones at the logits: the gradients u_l = do/dy_l at the layers' outputs, g at the
   bottom;
2. up, with v at the bottom: the tangents t_l at each layer's input. Between them is the layer's own
   derivative J_l, s = <u_l, J_l t_l>, and so its parameters get their gradient on the way:
   for y = x W + b it is ``dW = t.T @ u``, and zero for b, which J_l = W does not contain;
3. down again, only below layers that are curved (Sigmoid, Tanh), where J_l depends on x_l: from
   each of these ds/dx_l = u_l t_l f''(x_l) goes down to the parameters like any other gradient.

A network of straight pieces (Linear, ReLU, LeakyReLU, Dropout) needs no third pass. And the
gradient of D's loss costs only its own sums: sum_n w_n o(x_n), with w_n = dL/do_n held
fixed too, has the gradient of the loss, and its gradients are w_n u_l, so that a Linear's two parts
are one product, ``dW = (t + w * x).T @ u``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .backend import Array, Key, array_module, fused, mean_of
from .checks import array, instance, nonnegative
from .layers import Layer
from .network import Sequential

# phi: from the squares |g_n|^2, shape (N, 1), to the values phi and the slopes phi' there.
Phi = Callable[[Array], "tuple[Array, Array | float]"]


def r1(D: Sequential, x: Array, gamma: float = 10.0, *, key: Key | None = None) -> Array:
    """Add the gradient of R1 to D.grads: ``(gamma / 2) mean |grad_x o(x)|^2`` at real data.

    Where G has found the data, a D that is flat there no longer pushes G away from them: with R1
    the game converges locally, without it it may circle for ever.

    Parameters
    ----------
    D : Sequential
        Samples (N, features) to logits (N, 1), of layers that leave samples apart.
    x : array of shape (N, features)
        Real data.
    gamma : float
        Strength; 10 in the paper's experiments.
    key : Key, optional
        Address of D's random numbers, as in `Sequential.forward`.

    Returns
    -------
    penalty : 0-d array

    Raises
    ------
    ValueError
        If D has more than one output per sample, or gamma is negative.
    NotImplementedError
        If a layer of D couples samples, or has no `tangent`; the message names it.

    References
    ----------
    Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?",
    ICML 2018, eq. 9.

    Examples
    --------
    >>> import numpy as np, nngan as nn
    >>> D = nn.Sequential(nn.Linear(2, 1), dtype="float64")
    >>> D.layers[0].W[...] = [[3.0], [4.0]]  # grad_x o = (3, 4) everywhere
    >>> float(nn.penalties.r1(D, np.zeros((5, 2)), gamma=2.0))
    25.0
    >>> D.layers[0].dW.ravel().round(9).tolist()  # of |W|^2: 2 W
    [6.0, 8.0]
    """
    return _penalty(D, "x", x, zero_centred(gamma), key)


def r2(D: Sequential, fake: Array, gamma: float = 10.0, *, key: Key | None = None) -> Array:
    """Add the gradient of R2 to D.grads: R1, at samples of G instead of at data.

    G takes no part: `fake` is held fixed. Parameters, results and errors are those of `r1`.

    References
    ----------
    Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?",
    ICML 2018, eq. 10.
    """
    return _penalty(D, "fake", fake, zero_centred(gamma), key)


def gradient_penalty(
    D: Sequential, x_hat: Array, weight: float = 10.0, *, key: Key | None = None
) -> Array:
    """Add the gradient of the Wasserstein penalty to D.grads: ``weight mean (|grad_x o| - 1)^2``.

    Parameters
    ----------
    D : Sequential
        As in `r1`.
    x_hat : array of shape (N, features)
        Where to look: e x + (1 - e) G(z), for each n an e_n uniform in [0, 1].
    weight : float
        The paper's lambda.
    key : Key, optional
        As in `r1`.

    Returns
    -------
    penalty : 0-d array

    Raises
    ------
    ValueError, NotImplementedError
        As in `r1`.

    References
    ----------
    Gulrajani et al., "Improved training of Wasserstein GANs", NIPS 2017, eq. 3.
    """
    return _penalty(D, "x_hat", x_hat, one_centred(weight), key)


def _penalty(D: Sequential, name: str, x: Array, phi: Phi, key: Key | None) -> Array:
    """Add the gradient of the penalty at `x`, which the caller calls `name`."""
    check_penalised(D)
    logits, cache = D.forward(array(name, x, 2, "f"), key=key)
    return add_penalty(D, logits, cache, phi)


def add_penalty(
    D: Sequential,
    logits: Array,
    cache: list[Any],
    phi: Phi,
    *,
    dlogits: Array | None = None,
    accumulate: bool = True,
    columns: Array | None = None,
) -> Array:
    """Add the gradient of ``P = mean_n phi(|g_n|^2)`` to D.grads, after a forward pass of D.

    Parameters
    ----------
    D : Sequential
    logits, cache
        The result of ``D.forward``.
    phi : callable
        `zero_centred`, `one_centred`, or one of your own.
    dlogits : array of shape (N, 1), optional
        Gradient of a loss in the logits: its gradient in the parameters is added too, as by
        ``D.backward(dlogits, cache)``, but with two products fewer for each Linear.
    accumulate : bool
        False to overwrite D.grads.
    columns : array of shape (features,), optional
        1 for each column of D's input in which the gradient is taken, 0 for the others: labels, for
        example, take no part in g_n.

    Returns
    -------
    penalty : 0-d array

    Raises
    ------
    NotImplementedError
        If a layer of D has no `tangent`, or has parameters and no `backward_tangent`; the message
        names it. The caller checks whether D suits a penalty at all, as `r1` and
        `gradient_penalty` do.
    """
    ones = array_module(logits).ones_like(logits)
    output_gradients = D.output_gradients(ones, cache)
    g = output_gradients[0] if columns is None else output_gradients[0] * columns
    value, slope = phi(squared_norm(g)[:, None])
    v = (2 / len(g) * slope) * g
    D.backward_tangent(
        ones,
        v,
        cache,
        output_gradients=output_gradients,
        input_grad=False,
        sample_weight=dlogits,
        accumulate=accumulate,
    )
    return mean_of(same, value)


@fused
def squared_norm(g: Array) -> Array:
    """Return |g_n|^2 for each row, (N,)."""
    square: Array = array_module(g).sum(g * g, axis=1)
    return square


def same(x: Array) -> Array:
    """Return x."""
    return x


def zero_centred(gamma: float) -> Phi:
    """Return phi(q) = gamma / 2 q, with phi'(q) = gamma / 2."""
    gamma = nonnegative("gamma", gamma)
    return lambda q: (gamma / 2 * q, gamma / 2)


def one_centred(weight: float) -> Phi:
    """Return phi(q) = weight (r - 1)^2 with r = sqrt(q), and phi'(q) = weight (r - 1) / r.

    At q = 0 the norm r has a kink, and no direction to grow in: g = 0, so that v in equation (1) is
    zero with any finite slope.
    """
    weight = nonnegative("weight", weight)

    return lambda q: _one_centred(q, weight=weight)


@fused
def _one_centred(q: Array, *, weight: float) -> tuple[Array, Array]:
    r = q**0.5
    return weight * (r - 1) ** 2, weight * (r - 1) / (r + (r == 0))


def check_penalised(D: Sequential) -> None:
    """Refuse a D for which a gradient penalty has no meaning here.

    Raises
    ------
    ValueError
        If D has more than one output per sample.
    NotImplementedError
        If a layer couples samples.
    """
    if instance("D", D, Sequential).n_out != 1:
        raise ValueError(f"a gradient penalty needs a D with one output per sample, got {D.n_out}")
    _check_apart(D.layers)


def _check_apart(layers: Sequence[Layer]) -> None:
    for layer in layers:
        if isinstance(layer, Sequential):
            _check_apart(layer.layers)
        elif layer.couples_samples:
            raise NotImplementedError(
                f"a gradient penalty takes each sample's own gradient, but {type(layer).__name__} "
                "couples the samples of a minibatch: leave it out of D (or, if each row of its "
                "output depends on that row of its input alone, set couples_samples = False in it)"
            )
