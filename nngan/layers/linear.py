"""The layer with weights: y = x W + b."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array, Key, Stream, multiply_add
from ..checks import array, float_dtype, positive_int
from .base import Layer
from .init import WeightInit, check_weight_init, initial_weights


class Linear(Layer):
    r"""y = x W + b.

    In coordinates y_nj = sum_i x_ni W_ij + b_j, hence

    - dL/dx_ni = sum_j dL/dy_nj W_ij, that is ``dx = dy @ W.T``;
    - dL/dW_ij = sum_n x_ni dL/dy_nj, that is ``dW = x.T @ dy``;
    - dL/db_j = sum_n dL/dy_nj, that is ``db = dy.sum(axis=0)``.

    Along x_dot the output moves by ``y_dot = x_dot @ W``, wherever x is. So <dy_dot, y_dot> has the
    gradient ``x_dot.T @ dy_dot`` in W, and none in b and x. A loss whose samples have the weights w
    adds ``(w * x).T @ dy_dot``, and the two are one product: ``(x_dot + w * x).T @ dy_dot``.

    Parameters
    ----------
    n_in, n_out : int
        Features of the input and of the output.
    weight_init : str or (str, float)
        How W begins: "glorot", "he", "fan_in", ("normal", std) or ("uniform", limit); see
        `nngan.layers.init`. b begins at zero.
    dtype : str
        Dtype of a layer used alone; in a network the network decides.

    Attributes
    ----------
    W, dW : array of shape (n_in, n_out)
    b, db : array of shape (n_out,)
    """

    couples_samples = False
    overwrites = True
    weighs_samples = True
    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self, n_in: int, n_out: int, weight_init: WeightInit = "glorot", dtype: Any = "float32"
    ) -> None:
        self.n_in, self.n_out = positive_int("n_in", n_in), positive_int("n_out", n_out)
        self.weight_init = check_weight_init(weight_init)
        self.shapes = {"W": (self.n_in, self.n_out), "b": (self.n_out,)}
        dtype = float_dtype("dtype", dtype)
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
    ) -> Array | None:
        x = cache
        self._check("dy", dy, self.n_out)
        if len(dy) != len(x):
            raise ValueError(f"{self!r} wants dy of {len(x)} rows, as x had, got {len(dy)}")
        if param_grads:
            weighted = dy if sample_weight is None else sample_weight * dy
            self.backend.matmul(x.T, weighted, out=self.dW, accumulate=accumulate)
            self.backend.sum_rows(weighted, self.db, accumulate)
        return self.backend.matmul(dy, self.W.T) if input_grad else None

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
        x = cache
        self._check("dy_dot", dy_dot, self.n_out)
        if sample_weight is not None:
            x_dot = multiply_add(sample_weight, x, x_dot)
            self.backend.sum_rows(dy_dot, self.db, accumulate, sample_weight)
        elif not accumulate:
            self.db.fill(0)
        self.backend.matmul(x_dot.T, dy_dot, out=self.dW, accumulate=accumulate)

    def initialize(self, key: Key) -> None:
        weights = initial_weights(self.weight_init, key, self.n_in, self.n_out, self.W.dtype)
        self.W[...] = self.backend.asarray(weights)
        self.b.fill(0)

    def _check(self, name: str, given: Array, width: int) -> None:
        if array(name, given).ndim != 2 or given.shape[1] != width:
            raise ValueError(f"{self!r} wants {name} of shape (N, {width}), got {given.shape}")
        if given.dtype != self.W.dtype:
            raise TypeError(
                f"{self!r} computes in {self.W.dtype}, got {name} of dtype {given.dtype}: "
                f"convert it with {name}.astype({str(self.W.dtype)!r})"
            )
