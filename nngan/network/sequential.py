"""`Sequential`: layers one after the other, over one flat buffer of parameters.

It is itself a layer: its cache is the list of its layers' caches, its backward walks that list in
reverse.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, Stream, get_backend
from ..checks import uint64
from ..layers import Layer
from . import description, tangents
from .checks import check_layers, width


class Sequential(Layer):
    """Layers one after the other, over one array of parameters.

    y = f_n(... f_2(f_1(x))), and by the chain rule dL/dx = f_1'(... f_n'(dL/dy)): `backward` hands
    each layer's dx to the layer before it.

    The network owns `params` and `grads`, each one contiguous array; the ``W, b, dW, db`` of its
    layers are views of them. An optimizer step, a checkpoint or an average of networks is then one
    operation on one array.

    Parameters
    ----------
    *layers : Layer
        At least one. A layer belongs to one network: putting it into another one moves its
        parameters there, and the first must no longer be used.
    seed : int or None
        Of the initial weights. None keeps the weights that the layers have.
    dtype : str
        "float32" to train, "float64" to check gradients.
    backend : str or Backend
        "numpy", "numba", "mkl" or "cupy".

    Attributes
    ----------
    layers : list of Layer
    params, grads : array of shape (size,)
        Backward passes *add* to `grads`; `zero_grad` empties it.
    state : array
        What forward passes change while learning: the running averages of all BatchNorm layers.
    weighs_samples : bool
        Whether all layers with parameters know the option `sample_weight` of `backward`.

    Raises
    ------
    ValueError, TypeError
        When the layers do not fit together, or the dtype is neither of the two.

    Examples
    --------
    >>> import numpy as np, nngan as nn
    >>> net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), seed=1)
    >>> y, cache = net.forward(np.ones((2, 3), np.float32))
    >>> dx = net.backward(np.ones_like(y), cache)
    >>> dx.shape, net.grads.shape
    ((2, 3), (21,))
    """

    def __init__(
        self,
        *layers: Layer,
        seed: int | None = 0,
        dtype: Any = "float32",
        backend: str | Backend = "numpy",
    ) -> None:
        check_layers(layers)
        self.layers = list(layers)
        self.seed = seed
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
        sizes = [layer.size for layer in layers]
        self.shapes = {"params": (sum(sizes),)}
        self.state_shapes = {"state": (sum(layer.state_size for layer in layers),)}
        self._first_with_parameters = next((i for i, n in enumerate(sizes) if n), len(sizes))
        self._options = [set(inspect.signature(layer.backward).parameters) for layer in layers]
        self._tangent_options = [
            set(inspect.signature(layer.backward_tangent).parameters) for layer in layers
        ]
        self.couples_samples = any(layer.couples_samples for layer in layers)
        self.draws = any(layer.draws for layer in layers)
        self._overwrites: bool = all(
            "accumulate" in options and "accumulate" in tangent_options
            if not isinstance(layer, Sequential)
            else layer._overwrites
            for layer, options, tangent_options in zip(
                layers, self._options, self._tangent_options, strict=True
            )
            if layer.size
        )
        self.weighs_samples = all(
            "sample_weight" in options and getattr(layer, "weighs_samples", True)
            for layer, options in zip(layers, self._options, strict=True)
            if layer.size
        )
        backend = get_backend(backend)
        params = backend.asarray(self.values(), dtype)
        self.bind(params, backend.xp.zeros_like(params), backend)
        self.bind_state(backend.asarray(self.state_values(), dtype))
        if seed is not None:
            self.seed = uint64("seed", seed)
            self.initialize(Key(self.seed).fold_in(Stream.WEIGHTS))

    # -- the two passes ------------------------------------------------------------------------

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, list[Any]]:
        """Return the output, shape (N, n_out), and the list of the layers' caches."""
        if x.dtype != self.dtype:
            raise TypeError(
                f"the network computes in {self.dtype}, got x of dtype {x.dtype}: convert it with "
                f"x.astype({str(self.dtype)!r}), or make the network with dtype={str(x.dtype)!r}"
            )
        if key is None:
            key = Key(self.seed or 0).fold_in(Stream.DROPOUT)
        caches = []
        for i, layer in enumerate(self.layers):
            x, cache = layer.forward(x, training, key.fold_in(i))
            caches.append(cache)
        return x, caches

    def backward(
        self,
        dy: Array,
        cache: list[Any],
        *,
        input_grad: bool = True,
        param_grads: bool = True,
        accumulate: bool = True,
        sample_weight: Array | None = None,
        input_rows: slice = slice(None),
    ) -> Array | None:
        """Add dL/dparams to `grads` and return dL/dx, each only where it is wanted.

        With ``accumulate=False`` dL/dparams replaces what `grads` held, which saves `zero_grad` and
        the addition. With `sample_weight`, of shape (N, 1), each sample's part of dL/dparams (but
        not of dL/dx) is multiplied by its weight. `input_rows` are the samples whose dL/dx is
        wanted.
        """
        if param_grads and not accumulate and not self._overwrites:
            self.zero_grad()
            accumulate = True
        sliced = "input_rows" in self._options[0]
        # Below the last layer whose gradient somebody reads there is nothing to compute.
        last = 0 if input_grad else self._first_with_parameters
        for i in reversed(range(last, len(self.layers))):
            layer, options = self.layers[i], dict[str, Any]()
            if layer.size and param_grads:
                if not accumulate:
                    options["accumulate"] = False
                if sample_weight is not None:
                    options["sample_weight"] = sample_weight
            if i == 0 and sliced:
                options["input_rows"] = input_rows
            dx = layer.backward(
                dy,
                cache[i],
                input_grad=input_grad or i > last,
                param_grads=param_grads,
                **options,
            )
            if dx is not None:
                dy = dx
        if not input_grad:
            return None
        return dy if sliced else dy[input_rows]

    def zero_grad(self) -> None:
        """Set `grads` to zero."""
        self.grads.fill(0)

    # -- the passes of a gradient penalty, in nngan/network/tangents.py -------------------------

    signals = tangents.signals
    tangent = tangents.tangent
    backward_tangent = tangents.backward_tangent

    # -- parameters ----------------------------------------------------------------------------

    def bind(self, params: Array, grads: Array, backend: Backend) -> None:
        self.params, self.grads, self.backend = params, grads, backend
        start = 0
        for layer in self.layers:
            stop = start + layer.size
            layer.bind(params[start:stop], grads[start:stop], backend)
            start = stop

    def bind_state(self, state: Array) -> None:
        self.state = state
        start = 0
        for layer in self.layers:
            stop = start + layer.state_size
            layer.bind_state(state[start:stop])
            start = stop

    def initialize(self, key: Key) -> None:
        for i, layer in enumerate(self.layers):
            layer.initialize(key.fold_in(i))

    def values(self) -> Array:
        return np.concatenate([layer.values() for layer in self.layers])

    def state_values(self) -> Array:
        return np.concatenate([layer.state_values() for layer in self.layers])

    def to(self, backend: str | Backend) -> Sequential:
        """Move parameters, gradients and state to `backend`, in place; return the network."""
        old, new = self.backend, get_backend(backend)
        if new is not old:
            params, grads, state = (
                new.asarray(old.to_numpy(a)) for a in (self.params, self.grads, self.state)
            )
            self.bind(params, grads, new)
            self.bind_state(state)
        return self

    def leaves(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.leaves()

    def __deepcopy__(self, memo: dict[int, Any]) -> Sequential:
        twin = copy.copy(self)  # of the same class, whatever its constructor wants
        for name, value in vars(self).items():
            setattr(twin, name, copy.deepcopy(value, memo))
        # Copied one by one, the layers' arrays are no longer views of the flat buffers.
        twin.bind(twin.params, twin.grads, self.backend)
        twin.bind_state(twin.state)
        return twin

    # -- description, in nngan/network/description.py ------------------------------------------

    @property
    def dtype(self) -> Any:
        """The dtype that the network computes in."""
        return self.params.dtype

    @property
    def n_in(self) -> int | None:
        """Features of the input, as the first layer that has an opinion says."""
        return next((n for layer in self.layers if (n := width(layer, "n_in"))), None)

    @property
    def n_out(self) -> int | None:
        """Features of the output, as the last layer that has an opinion says."""
        return next((n for layer in self.layers[::-1] if (n := width(layer, "n_out"))), None)

    config = description.config
    from_config = classmethod(description.from_config)

    def __repr__(self) -> str:
        lines = [f"  {layer!r}," for layer in self.layers]
        summary = f"{self.size:,} parameters, {self.dtype}, {self.backend.name}"
        return "\n".join(["Sequential(", *lines, f")  # {summary}"])
