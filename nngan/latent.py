"""Looking into a trained game: walks between latent vectors, and the gradient of D.

A normal z of d features has |z|^2 near d: nearly all of the prior lies in a thin shell of radius
sqrt(d). The middle of a straight line between two draws, which are nearly orthogonal, has only 0.71
of that norm, where G was never trained; an arc stays in the shell.
"""

from __future__ import annotations

import math

import numpy as np

from .backend import Array, array_module
from .checks import array, array_like, instance, is_whole, positive_int, shortened
from .game import Game
from .layers.activations import sigmoid

OPPOSITE = 1e-6  # radians short of pi below which the plane of an arc is rounding error


def linear_walk(a: Array, b: Array, steps: int) -> Array:
    """Return `steps` points on the straight line from `a` to `b`.

    z(t) = (1 - t) a + t b, with t evenly spaced from 0 to 1.

    Parameters
    ----------
    a, b : float array of shape (latent_dim,)
        The ends, of either backend.
    steps : int
        At least 2; an odd number has the middle among them.

    Returns
    -------
    z : array of shape (steps, latent_dim), of the dtype of `a`
        The first is `a` and the last is `b`, exactly.

    Raises
    ------
    ValueError
        If the ends are no float vectors of one shape and dtype, or there are fewer than two steps.

    Examples
    --------
    >>> linear_walk(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 3).tolist()
    [[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]
    """
    t = _times(a, b, steps)
    return _mix(1 - t, a, t, b)


def spherical_walk(a: Array, b: Array, steps: int) -> Array:
    """Return `steps` points on the arc from `a` to `b`: even angles, and norms between theirs.

    With theta the angle between the ends, and their norms, ``r(t) = (1 - t) |a| + t |b|``::

        z(t) = r(t) [sin((1 - t) theta) a / |a| + sin(t theta) b / |b|] / sin(theta)

    Ends of one norm make it Shoemake's arc on their sphere. Towards theta = 0 the quotients of
    sines become 1 - t and t, and the arc the straight line. At theta = pi every half circle joins
    the ends, and at a zero end there is no angle: both are refused.

    Parameters
    ----------
    a, b, steps
        As in `linear_walk`.

    Returns
    -------
    z : array of shape (steps, latent_dim), of the dtype of `a`
        The first is `a` and the last is `b`, exactly.

    Raises
    ------
    ValueError
        As in `linear_walk`, and if an end is zero or the two point in opposite directions.

    References
    ----------
    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985; White, "Sampling
    generative networks", arXiv 1609.04468, 2016, for latent vectors.

    Examples
    --------
    >>> spherical_walk(np.array([2.0, 0.0]), np.array([0.0, 2.0]), 3).round(3).tolist()
    [[2.0, 0.0], [1.414, 1.414], [0.0, 2.0]]
    """
    t = _times(a, b, steps)
    norm_a, norm_b = _norm(a), _norm(b)
    if not min(norm_a, norm_b) > 0:
        raise ValueError("a spherical walk needs ends that are not zero: zero has no direction")
    u, v = a / norm_a, b / norm_b
    theta = 2 * math.atan2(_norm(u - v), _norm(u + v))  # arccos(u . v) is lost to rounding near 0
    if math.pi - theta < OPPOSITE:
        raise ValueError("a and b point in opposite directions, so that no arc is shortest: turn b")
    r = (1 - t) * norm_a + t * norm_b
    return _mix(r / norm_a * _share(1 - t, theta), a, r / norm_b * _share(t, theta), b)


def input_gradient(game: Game, x: Array) -> tuple[Array, Array]:
    """Return how D's logit changes with the pixels of `x`, and D(x).

    D sees low + (high - low) x, where (low, high) is the game's data_range, so that by the chain
    rule do/dx is (high - low) times the gradient at D's input. D is at inference: no dropout.

    Parameters
    ----------
    game : Game
        Usually a `GAN`.
    x : array of shape (N, features)
        Samples as `GAN.sample` returns them: in [0, 1] where they are images.

    Returns
    -------
    gradient : array of shape (N, features)
        do/dx, of the logit o.
    d : array of shape (N,)
        D(x), the sigmoid of o. Both are NumPy arrays of D's dtype.

    Raises
    ------
    ValueError
        If D does not judge samples one by one, by their features alone.
    """
    features = instance("game", game, Game).G.n_out
    x = array_like("x", x, 2)
    if game.D.n_in != features:
        raise ValueError(
            f"D takes {game.D.n_in} numbers and a sample has {features}: the gradient in a sample "
            "is defined for a D that sees one sample and nothing else"
        )
    D, backend, (low, high) = game.D, game.backend, game.rules.data_range
    logits, cache = D.forward(low + (high - low) * backend.asarray(x, D.dtype), training=False)
    do_dy = D.input_gradient(backend.xp.ones_like(logits), cache)
    return backend.to_numpy((high - low) * do_dy), backend.to_numpy(sigmoid(logits))[:, 0]


def _times(a: Array, b: Array, steps: int) -> Array:
    """Return the times t of a walk, on the host, once its ends are known to be a pair."""
    array("a", a)
    array("b", b)
    if a.ndim != 1 or a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind != "f":
        raise ValueError(
            "a and b, the ends of a walk, must be two float vectors of one shape and dtype, "
            f"got {a.shape} {a.dtype} and {b.shape} {b.dtype}"
        )
    if not is_whole(steps) or steps < 2:
        raise ValueError(f"steps must be a whole number >= 2, got {shortened(steps)}")
    return np.linspace(0, 1, positive_int("steps", steps))


def _mix(share_a: Array, a: Array, share_b: Array, b: Array) -> Array:
    """Return share_a a + share_b b, a row for each share, rounded once to the dtype of the ends."""
    xp = array_module(a)
    z = xp.asarray(np.stack([share_a, share_b], axis=1)) @ xp.stack([a, b]).astype(np.float64)
    rounded: Array = z.astype(a.dtype)
    return rounded


def _norm(a: Array) -> float:
    a = a.astype(np.float64)
    return math.sqrt(float((a * a).sum()))


def _share(t: Array, theta: float) -> Array:
    """Return sin(t theta) / sin(theta), and its limit t at theta = 0."""
    return t * np.sinc(t * theta / math.pi) / np.sinc(theta / math.pi)
