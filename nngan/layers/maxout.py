"""The largest of several features: a learned activation, with a `Linear` layer before it."""

from __future__ import annotations

from ..backend import Array, Key, array_module, fused
from ..checks import array, positive_int
from .base import Layer, check_like


class Maxout(Layer):
    """y_j = max_k x_jk: each of the `n_out` units is the largest of `pieces` features.

    Behind a Linear layer, which holds the weights, that is the maxout unit of the paper,
    max_k (x W + b)_jk: a convex function made of `pieces` straight lines, whose shape is learned.
    Of 2 pieces, one of them zero, it is ReLU. The features are ordered by piece, not by unit:
    x_jk is column k n_out + j of the input.

    The maximum moves with the piece that attains it and with no other: dy_j/dx_jk = [k = k*(j)],
    k*(j) the winning piece, hence dL/dx_jk = dL/dy_j [k = k*(j)]. At the kink, where two pieces
    are equal, we take the first.

    Parameters
    ----------
    n_out : int
        Features of the output; the input has n_out * pieces.
    pieces : int
        At least 1.

    References
    ----------
    Goodfellow et al., "Maxout networks", ICML 2013, section 3.

    Examples
    --------
    >>> import nngan as nn
    >>> net = nn.Sequential(nn.Linear(784, 240 * 5), nn.Maxout(240, 5), nn.Linear(240, 1))
    """

    couples_samples = False

    def __init__(self, n_out: int, pieces: int) -> None:
        self.n_out, self.pieces = positive_int("n_out", n_out), positive_int("pieces", pieces)
        if self.pieces >= 2**15:  # the winner's number is kept in 16 bits
            raise ValueError(f"pieces must be less than {2**15}, got {pieces}")

    @property
    def n_in(self) -> int:
        """Features of the input."""
        return self.n_out * self.pieces

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        if array("x", x).ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(
                f"{self!r} wants x of shape (N, {self.n_in}), {self.pieces} features for each of "
                f"its {self.n_out} units, got {x.shape}"
            )
        return largest(*self._pieces(x))

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        winner = cache
        check_like(self, dy, winner)
        if not input_grad:
            return None
        dx: Array = array_module(dy).empty((len(dy), self.n_in), dtype=dy.dtype)
        to_the_winner(dy, winner, *self._pieces(dx))
        return dx

    def tangent(self, x_dot: Array, cache: Array) -> Array:
        """Return the tangent of the winning piece: y_dot_j = sum_k x_dot_jk [k = k*(j)]."""
        winner = cache
        y_dot: Array = array_module(x_dot).zeros_like(winner, dtype=x_dot.dtype)
        for k, piece in enumerate(self._pieces(x_dot)):
            y_dot += piece * (winner == k)
        return y_dot

    def _pieces(self, x: Array) -> list[Array]:
        """Return the columns of each piece, views of (N, n_out)."""
        return [x[:, k * self.n_out : (k + 1) * self.n_out] for k in range(self.pieces)]


@fused
def largest(*pieces: Array) -> tuple[Array, Array]:
    """Return the largest of the pieces, elementwise, and its number, int16."""
    xp = array_module(pieces[0])
    y = pieces[0].copy()
    winner = (y < y).astype("int16")  # 0 everywhere
    for k, piece in enumerate(pieces[1:], 1):
        xp.maximum(winner, (piece > y) * xp.int16(k), out=winner)  # k grows: the last one stays
        xp.maximum(y, piece, out=y)
    return y, winner


@fused
def to_the_winner(dy: Array, winner: Array, *pieces: Array) -> None:
    """Write dy [k = winner] into the k-th of the pieces."""
    for k, piece in enumerate(pieces):
        piece[...] = dy * (winner == k)
