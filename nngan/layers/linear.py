"""The one layer with weights, and how weights begin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import Array, Key, NumpyBackend, Stream
from ..checks import positive_int
from .base import Layer

Init = str | Sequence[Any]


class Linear(Layer):
    r"""y = x W + b.

    In coordinates y_nj = sum_i x_ni W_ij + b_j, hence

    - dL/dx_ni = sum_j dL/dy_nj W_ij, that is ``dx = dy @ W.T``;
    - dL/dW_ij = sum_n x_ni dL/dy_nj, that is ``dW = x.T @ dy``;
    - dL/db_j = sum_n dL/dy_nj, that is ``db = dy.sum(axis=0)``.

    Along x_dot the output moves by ``y_dot = x_dot @ W``, wherever x is. So <dy_dot, y_dot> has the
    gradient ``x_dot.T @ dy_dot`` in W, and none in b and x. With a loss whose samples have the
    weights w, that is two products with dy_dot, and they are one: ``(x_dot + w * x).T @ dy_dot``.

    Parameters
    ----------
    n_in, n_out : int
        Features of the input and of the output.
    weight_init : str or (str, float)
        How W begins; b begins at zero. One of

        - ``"glorot"``: uniform within +-sqrt(6 / (n_in + n_out)) [1]_;
        - ``"he"``: normal with variance 2 / n_in [2]_;
        - ``"fan_in"``: uniform within +-1 / sqrt(n_in), what PyTorch's Linear begins with;
        - ``("normal", std)`` and ``("uniform", limit)``.
    dtype : str
        Of a layer used alone; in a network the network decides.

    Attributes
    ----------
    W, dW : array of shape (n_in, n_out)
    b, db : array of shape (n_out,)

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
       networks", AISTATS 2010, eq. 16.
    .. [2] He et al., "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """

    couples_samples = False
    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self, n_in: int, n_out: int, weight_init: Init = "glorot", dtype: Any = "float32"
    ) -> None:
        self.n_in, self.n_out = positive_int("n_in", n_in), positive_int("n_out", n_out)
        law_and_scale = _initial_scale(weight_init, self.n_in, self.n_out)
        self.weight_init = weight_init if isinstance(weight_init, str) else law_and_scale
        self.shapes = {"W": (self.n_in, self.n_out), "b": (self.n_out,)}
        self.bind(np.zeros(self.size, dtype), np.zeros(self.size, dtype), self.backend)
        self.initialize(Key(0).fold_in(Stream.WEIGHTS))

    @property
    def dtype(self) -> str:
        """Name of the dtype that the layer computes in."""
        return str(self.W.dtype)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        self._check("x", x, self.n_in)
        y = self.backend.matmul(x, self.W)
        y += self.b
        return y, x

    def backward(
        self,
        dy: Array,
        cache: Array,
        *,
        input_grad: bool = True,
        param_grads: bool = True,
        accumulate: bool = True,
        sample_weight: Array | None = None,
        input_rows: slice = slice(None),
    ) -> Array | None:
        x = cache
        self._check("dy", dy, self.n_out)
        if param_grads:
            weighted = dy if sample_weight is None else sample_weight * dy
            self.backend.matmul(x.T, weighted, out=self.dW, accumulate=accumulate)
            db = weighted.sum(axis=0)
            self.db[...] = self.db + db if accumulate else db
        return self.backend.matmul(dy[input_rows], self.W.T) if input_grad else None

    def tangent(self, x_dot: Array, cache: Array) -> Array:
        self._check("x_dot", x_dot, self.n_in)
        return self.backend.matmul(x_dot, self.W)

    def backward_tangent(
        self,
        dy_dot: Array,
        x_dot: Array,
        cache: Array,
        *,
        sample_weight: Array | None = None,
        accumulate: bool = True,
    ) -> None:
        x, db = cache, 0
        self._check("dy_dot", dy_dot, self.n_out)
        if sample_weight is not None:
            x_dot = x_dot + sample_weight * x
            db = (sample_weight * dy_dot).sum(axis=0)
        self.backend.matmul(x_dot.T, dy_dot, out=self.dW, accumulate=accumulate)
        self.db[...] = self.db + db if accumulate else db

    def initialize(self, key: Key) -> None:
        # Drawn on the host whatever the backend, so that both begin with the same bytes.
        law, scale = _initial_scale(self.weight_init, self.n_in, self.n_out)
        draw = NumpyBackend().normal if law == "normal" else _symmetric_uniform
        weights = scale * draw(key, (self.n_in, self.n_out), self.W.dtype)
        self.W[...] = self.backend.asarray(weights)
        self.b.fill(0)

    def _check(self, name: str, array: Array, width: int) -> None:
        if array.ndim != 2 or array.shape[1] != width:
            raise ValueError(f"{self!r} wants {name} of shape (N, {width}), got {array.shape}")
        if array.dtype != self.W.dtype:
            raise TypeError(
                f"{self!r} computes in {self.W.dtype}, got {name} of dtype {array.dtype}: "
                f"convert it with {name}.astype({str(self.W.dtype)!r})"
            )


def _symmetric_uniform(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
    return 2 * NumpyBackend().uniform(key, shape, dtype) - 1


def _initial_scale(init: Init, n_in: int, n_out: int) -> tuple[str, float]:
    """Return the law ("normal" or "uniform") of an initialisation and its std or limit."""
    named = {
        "glorot": ("uniform", math.sqrt(6 / (n_in + n_out))),
        "he": ("normal", math.sqrt(2 / n_in)),
        "fan_in": ("uniform", 1 / math.sqrt(n_in)),
    }
    if isinstance(init, str) and init in named:
        return named[init]
    if not isinstance(init, str) and len(init) == 2 and init[0] in ("normal", "uniform"):
        scale = float(init[1])
        if math.isfinite(scale) and scale >= 0:
            return str(init[0]), scale
    raise ValueError(
        f"weight_init must be one of {', '.join(map(repr, named))}, ('normal', std) or "
        f"('uniform', limit) with a number >= 0, got {init!r}"
    )
