"""Batch normalisation: each feature normalised over the minibatch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Key, array_module, fused
from ..checks import array, float_dtype, is_number, positive, positive_int
from .base import Layer, check_like


class BatchNorm(Layer):
    r"""y = gamma x_hat + beta: each feature at mean 0 and variance 1, then scaled and shifted.

    In training, over the N samples of a minibatch and for each feature on its own::

        mu = 1/N sum_n x_n        var = 1/N sum_n (x_n - mu)**2
        x_hat_n = (x_n - mu) / s                      s = sqrt(var + eps)
        y_n = gamma x_hat_n + beta

    The parameters: dL/dgamma = sum_n dL/dy_n x_hat_n and dL/dbeta = sum_n dL/dy_n.

    The input: mu and s depend on x_n too. With d_n = gamma dL/dy_n = dL/dx_hat_n, from
    dmu/dx_n = 1/N and ds/dx_n = x_hat_n / N (the part of dvar/dx_n that goes through mu is zero),

        dx_hat_m/dx_n = 1/s ([m = n] - 1/N - x_hat_m x_hat_n / N), hence

    - dL/dx_n = 1/s (d_n - mean(d) - x_hat_n mean(d x_hat)).

    Neither a constant added to the minibatch nor (but for eps) a factor changes y, and so dL/dx is
    orthogonal to both: the terms subtracted are the gradient's parts along 1 and along x_hat.

    In inference mu and var are the running averages, constants: dL/dx_n = gamma dL/dy_n / s, and a
    sample no longer depends on the others.

    Parameters
    ----------
    n : int
        Features.
    momentum : float
        Share of the new minibatch in the running averages, in (0, 1], PyTorch's convention.
    eps : float
        > 0; keeps s away from 0 where a feature is constant.
    dtype : str
        Dtype of a layer used alone; in a network the network decides.

    Attributes
    ----------
    gamma, beta, dgamma, dbeta : array of shape (n,)
        Parameters, at first 1 and 0, and their gradients.
    running_mean, running_var : array of shape (n,)
        Averages of mu and of the unbiased variance N / (N - 1) var, at first 0 and 1. They are
        buffers, no parameters: no gradient moves them, but every `forward` in training does,
        ``running += momentum * (batch - running)``.

    Raises
    ------
    ValueError
        On a minibatch of one sample in training: x_hat would be 0 whatever x is.

    Notes
    -----
    A training step of the game calls G forward k + 1 times, on as many minibatches of noise, and
    each moves G's running averages, as in any framework. In D real and fake data go apart, each
    with its own mu and var; D's running averages mix the two and serve inference only, which the
    game does not ask of D. A bias of the layer before has no effect on y in training: its
    gradient is nothing but rounding errors, and if Adam makes steps of these they do no harm.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015, Algorithm 1 and section 3.
    """

    couples_samples = True
    averages_shards = True
    min_rows = 2
    overwrites = True
    gamma: Array
    beta: Array
    dgamma: Array
    dbeta: Array
    running_mean: Array
    running_var: Array

    def __init__(
        self, n: int, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = "float32"
    ) -> None:
        self.n = positive_int("n", n)
        if not (is_number(momentum) and 0 < momentum <= 1):
            raise ValueError(f"momentum must lie in (0, 1], got {momentum!r}")
        self.momentum, self.eps = float(momentum), positive("eps", eps)
        self.shapes = {"gamma": (self.n,), "beta": (self.n,)}
        self.buffer_shapes = {"running_mean": (self.n,), "running_var": (self.n,)}
        dtype = float_dtype("dtype", dtype)
        self.bind(np.zeros(self.size, dtype), np.zeros(self.size, dtype), self.backend)
        self.bind_buffers(np.zeros(self.buffer_size, dtype))
        self.initialize(Key(0))

    @property
    def n_in(self) -> int:
        """Features of the input."""
        return self.n

    @property
    def n_out(self) -> int:
        """Features of the output."""
        return self.n

    @property
    def dtype(self) -> str:
        """Name of the dtype that the layer computes in."""
        return str(self.gamma.dtype)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, BatchNormCache]:
        if array("x", x).ndim != 2 or x.shape[1] != self.n:
            raise ValueError(f"{self!r} wants x of shape (N, {self.n}), got {x.shape}")
        if x.dtype != self.gamma.dtype:
            raise TypeError(
                f"{self!r} computes in {self.dtype}, got x of dtype {x.dtype}: "
                f"convert it with x.astype({self.dtype!r})"
            )
        shard = self.backend.shard
        samples = len(x) * shard.count
        if training and samples < self.min_rows:
            raise ValueError(
                f"{self!r} wants two samples or more in training, whose mean and variance it "
                "takes, got one: raise the batch size, or pass training=False"
            )
        # Naive: var = (x * x).mean() - mu**2, whose digits cancel where |mu| is large.
        mu = shard.mean(x.mean(axis=0)) if training else self.running_mean
        x_hat = x - mu
        var = shard.mean(mean_square(x_hat, n=len(x))) if training else self.running_var
        inverse = inverse_root(var, eps=self.eps)
        if training:
            # In place, on the device: a captured step and a checkpoint know these arrays.
            unbiased = samples / (samples - 1)
            averages = self.running_mean, self.running_var
            move(*averages, mu, var, share=self.momentum, unbiased=unbiased)
        y = normalised(x_hat, inverse, self.gamma, self.beta)
        return y, BatchNormCache(x_hat, inverse, training)

    def backward(
        self,
        dy: Array,
        cache: BatchNormCache,
        *,
        input_grad: bool = True,
        param_grads: bool = True,
        accumulate: bool = True,
    ) -> Array | None:
        x_hat, inverse, training = cache
        check_like(self, dy, x_hat)
        # mean(d) = gamma dbeta / N and mean(d x_hat) = gamma dgamma / N: one pair of sums for all.
        dgamma, dbeta = sum_of_products(dy, x_hat), dy.sum(axis=0)
        if param_grads:
            self.dgamma[...] = self.dgamma + dgamma if accumulate else dgamma
            self.dbeta[...] = self.dbeta + dbeta if accumulate else dbeta
        if not input_grad:
            return None
        if not training:
            return scaled(dy, self.gamma, inverse)
        shard = self.backend.shard
        if shard.count > 1:  # then the mean of the shards' sums, over the rows of one shard
            dbeta, dgamma = shard.mean(array_module(dy).stack([dbeta, dgamma]))
        return input_gradient(dy, x_hat, self.gamma, inverse, dbeta, dgamma, n=len(dy))

    def initialize(self, key: Key) -> None:
        self.gamma.fill(1)
        self.beta.fill(0)
        self.running_mean.fill(0)
        self.running_var.fill(1)


@fused
def mean_square(x: Array, *, n: int) -> Array:
    """Return the mean of the squares over the n rows, (features,)."""
    mean: Array = array_module(x).sum(x * x, axis=0) / n
    return mean


@fused
def inverse_root(var: Array, *, eps: float) -> Array:
    """Return 1 / s = 1 / sqrt(var + eps)."""
    inverse: Array = 1 / array_module(var).sqrt(var + eps)
    return inverse


@fused
def move(
    mean: Array, var: Array, new_mean: Array, new_var: Array, *, share: float, unbiased: float
) -> None:
    """Move the running averages by a share of the way to the minibatch's, in place."""
    mean += share * (new_mean - mean)
    var += share * (unbiased * new_var - var)


@fused
def normalised(x_hat: Array, inverse: Array, gamma: Array, beta: Array) -> Array:
    """Divide x - mu by s, in place, and return gamma x_hat + beta."""
    x_hat *= inverse
    y = gamma * x_hat
    y += beta
    return y


@fused
def sum_of_products(dy: Array, x_hat: Array) -> Array:
    """Return sum_n dL/dy_n x_hat_n, (features,)."""
    dgamma: Array = array_module(dy).sum(dy * x_hat, axis=0)
    return dgamma


@fused
def scaled(dy: Array, gamma: Array, inverse: Array) -> Array:
    """Return dL/dx in inference."""
    dx: Array = dy * (gamma * inverse)
    return dx


@fused
def input_gradient(
    dy: Array, x_hat: Array, gamma: Array, inverse: Array, dbeta: Array, dgamma: Array, *, n: int
) -> Array:
    """Return dL/dx in training, of n rows."""
    scale = gamma * inverse
    dx: Array = dy * scale
    dx -= scale / n * dbeta
    dx -= x_hat * (scale / n * dgamma)
    return dx


class BatchNormCache(NamedTuple):
    """The cache: the normalised input, 1 / s, and whether the statistics were the minibatch's."""

    x_hat: Array
    inverse: Array
    training: bool
