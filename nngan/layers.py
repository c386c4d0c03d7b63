"""Layers: a formula, its derivative, and nothing kept in between.

Every layer keeps one contract::

    y, cache = layer.forward(x)      # cache: exactly what backward needs
    dx = layer.backward(dy, cache)   # dL/dx from dy = dL/dy; adds dL/dW to dW, dL/db to db

The cache belongs to the call and not to the layer, because a discriminator is applied to real and
to fake data before either is differentiated. No pass changes an array that it was handed. Arrays
are (N, features): one sample a row.

Throughout, L is the loss, ``dy`` stands for dL/dy, and "elementwise" means that y_i depends on x_i
alone, so that the chain rule is dL/dx_i = dL/dy_i * dy_i/dx_i.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, Key, NumpyBackend, Stream, array_module

Init = str | Sequence[Any]


class Layer:
    """What all layers share: the contract above, and parameters that are views.

    A layer with parameters lists their `shapes`; `bind` then makes an attribute of each (``W``) and
    of its gradient (``dW``), both views of two flat buffers that a `Sequential` owns. A layer of
    your own needs `forward` and `backward`; it stores its constructor's arguments under their own
    names, so that it can be written to a checkpoint.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of each parameter, by name.
    backend : NumpyBackend
        Where the parameters live and the products are computed.
    """

    shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 (replaced, never changed)
    backend: NumpyBackend = NumpyBackend()

    def forward(self, x: Array, training: bool = True, key: Key | None = None) -> tuple[Array, Any]:
        """Return the output for input `x` and the cache that `backward` needs.

        Parameters
        ----------
        x : array of shape (N, features)
            Input.
        training : bool
            True while learning: Dropout drops only then.
        key : Key, optional
            Address of the random numbers of this call, for layers that draw some.
        """
        raise NotImplementedError

    def backward(
        self, dy: Array, cache: Any, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        """Add the gradients of the parameters to ``dW, db, ...`` and return that of the input.

        Parameters
        ----------
        dy : array of the output's shape
            dL/dy.
        cache : object
            What the `forward` call in question returned.
        input_grad : bool
            Whether dL/dx is wanted; None is returned instead where it is not.
        param_grads : bool
            Whether the gradients of the parameters are wanted.
        """
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        """Return the output in inference: no dropout, nothing kept alive."""
        return self.forward(x, training=False)[0]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def bind(self, params: Array, grads: Array, backend: NumpyBackend) -> None:
        """Make the parameters and their gradients views of flat buffers of `size` elements."""
        self.backend = backend
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            setattr(self, name, params[start:stop].reshape(shape))
            setattr(self, "d" + name, grads[start:stop].reshape(shape))
            start = stop

    def initialize(self, key: Key) -> None:
        """Fill the parameters with their initial values, drawn at `key`."""

    def values(self) -> Array:
        """Return a copy of all parameters, one after the other, as a flat NumPy array."""
        arrays = [self.backend.to_numpy(getattr(self, name)).reshape(-1) for name in self.shapes]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name, for a checkpoint."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters
        shown = []
        for name, value in self.config().items():
            if parameters[name].default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif value != parameters[name].default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Linear(Layer):
    r"""y = x W + b.

    In coordinates y_nj = sum_i x_ni W_ij + b_j, hence

    - dL/dx_ni = sum_j dL/dy_nj W_ij, that is ``dx = dy @ W.T``;
    - dL/dW_ij = sum_n x_ni dL/dy_nj, that is ``dW = x.T @ dy``;
    - dL/db_j = sum_n dL/dy_nj, that is ``db = dy.sum(axis=0)``.

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

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self, n_in: int, n_out: int, weight_init: Init = "glorot", dtype: Any = "float32"
    ) -> None:
        for name, n in (("n_in", n_in), ("n_out", n_out)):
            if n != int(n) or n < 1:
                raise ValueError(f"{name} must be a positive whole number, got {n!r}")
        _initial_scale(weight_init, n_in, n_out)
        self.n_in, self.n_out = int(n_in), int(n_out)
        self.weight_init = weight_init
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
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        x = cache
        self._check("dy", dy, self.n_out)
        if param_grads:
            self.backend.matmul(x.T, dy, out=self.dW, accumulate=True)
            self.db += dy.sum(axis=0)
        return self.backend.matmul(dy, self.W.T) if input_grad else None

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


class ReLU(Layer):
    """y = max(x, 0).

    Elementwise, dy/dx = 1 where x > 0 and 0 where x < 0; at the kink x = 0 we take 0.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    """

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        return array_module(x).maximum(x, 0), x

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        x = cache
        _check_like(self, dy, x)
        return dy * (x > 0) if input_grad else None


class LeakyReLU(Layer):
    """y = x where x > 0, slope * x elsewhere.

    Elementwise, dy/dx = 1 where x > 0 and slope where x < 0; at the kink x = 0 we take slope.

    Parameters
    ----------
    slope : float
        0 <= slope <= 1. GANs use 0.2 (Radford et al. 2016).

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013.
    """

    def __init__(self, slope: float = 0.2) -> None:
        if not 0 <= slope <= 1:
            raise ValueError(f"slope must lie in [0, 1], got {slope!r}")
        self.slope = float(slope)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        # Of x and slope * x the larger is x exactly where x > 0, because slope <= 1.
        return array_module(x).maximum(x, self.slope * x), x

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        x = cache
        _check_like(self, dy, x)
        return array_module(x).where(x > 0, dy, self.slope * dy) if input_grad else None


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)), see `sigmoid`.

    Elementwise, dy/dx = exp(-x) / (1 + exp(-x))**2 = y (1 - y).
    """

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        y = sigmoid(x)
        return y, y

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        y = cache
        _check_like(self, dy, y)
        return dy * y * (1 - y) if input_grad else None


class Tanh(Layer):
    """y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Elementwise, by the quotient rule, dy/dx = 1 - y**2.
    """

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array]:
        y = array_module(x).tanh(x)
        return y, y

    def backward(
        self, dy: Array, cache: Array, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        y = cache
        _check_like(self, dy, y)
        return dy * (1 - y * y) if input_grad else None


class Dropout(Layer):
    """y = x m / (1 - rate): each m is 0 with probability `rate`, else 1; y = x in inference.

    The division keeps the mean: E[y] = x. The mask m does not depend on x, so, elementwise,
    dy/dx = m / (1 - rate). The mask is a function of the key that `forward` is handed: the same
    key, the same mask.

    Parameters
    ----------
    rate : float
        Share of the features that is dropped, 0 <= rate < 1.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 2014 (there the factor is applied in inference instead).
    """

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"rate must lie in [0, 1), got {rate!r}")
        self.rate = float(rate)

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, Array | None]:
        if not training or self.rate == 0:
            return x, None
        if key is None:
            key = Key(0).fold_in(Stream.DROPOUT)
        m = self.backend.bernoulli(key, x.shape, 1 - self.rate)
        scaled = m.astype(x.dtype) / (1 - self.rate)
        return x * scaled, scaled

    def backward(
        self, dy: Array, cache: Array | None, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        if not input_grad or cache is None:
            return dy if input_grad else None
        _check_like(self, dy, cache)
        return dy * cache


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), elementwise, for any finite x without overflow."""
    # Naive: 1 / (1 + exp(-x)), where exp(-x) overflows for x below -88.7 in float32. With
    # e = exp(-|x|) <= 1 the same number is 1 / (1 + e) for x >= 0 and, multiplying above and
    # below by exp(x), e / (1 + e) for x < 0.
    xp = array_module(x)
    e = xp.exp(-xp.abs(x))
    y: Array = xp.where(x >= 0, 1, e) / (1 + e)
    return y


def _check_like(layer: Layer, dy: Array, cached: Array) -> None:
    # Without this, dy of shape (N, 1) would be broadcast in silence.
    if dy.shape != cached.shape:
        raise ValueError(f"{layer!r} wants dy of its output's shape {cached.shape}, got {dy.shape}")


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
