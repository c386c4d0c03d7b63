"""`Sequential`: layers one after the other, over one flat buffer of parameters.

It is itself a layer: its cache is the list of its layers' caches, and its backward walks that list
in reverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import indent
from typing import Any

import numpy as np

from . import layers as _layers
from .backend import Array, Backend, Key, Stream, get_backend
from .checks import array, boolean, classes, float_dtype, instance, shortened, uint64
from .description import type_name
from .layers import Layer
from .layers.joint import Joint, joint_layers


class Sequential(Layer):
    """Layers one after the other, over one array of parameters.

    y = f_n(... f_2(f_1(x))), and by the chain rule dL/dx = f_1'(... f_n'(dL/dy)): `backward` hands
    each layer's dx to the layer before it. The network owns `params` and `grads`, one contiguous
    array each, and the ``W, b, dW, db`` of its layers are views of them. So an optimizer step, a
    checkpoint or an average of networks is one operation on one array.

    Parameters
    ----------
    *layers : Layer
        At least one. A layer belongs to one network: a second network takes its parameters away,
        and the first must no longer be used.
    seed : int or None
        Seed of the initial weights. None keeps the weights that the layers have.
    dtype : str
        "float32" to train, "float64" to check gradients.
    backend : str or Backend
        "numpy", "numba", "mkl", "cupy" or "cupy-tf32".

    Attributes
    ----------
    layers : list of Layer
    params, grads : array of shape (size,)
        Parameters and their gradients. Backward passes *add* to `grads`; `zero_grad` empties it.
    buffers : array
        The running averages of all BatchNorm layers, which forward passes change in training.
    couples_samples, is_random, overwrites, weighs_samples : bool
    min_rows : int
    output_range : (float, float)
        As in `Layer`, for all layers together.

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
        _check_layers(layers)
        self.layers = list(layers)
        self.seed = seed
        dtype = float_dtype("dtype", dtype)
        self.shapes = {"params": (sum(layer.size for layer in layers),)}
        self.buffer_shapes = {"buffers": (sum(layer.buffer_size for layer in layers),)}
        with_parameters = [layer for layer in layers if layer.size]
        self.couples_samples = any(layer.couples_samples for layer in layers)
        self.output_range = layers[-1].output_range
        self.min_rows = max((layer.min_rows for layer in layers), default=1)
        self.is_random = any(layer.is_random for layer in layers)
        self.overwrites = all(layer.overwrites for layer in with_parameters)
        self.weighs_samples = all(layer.weighs_samples for layer in with_parameters)
        self._first_with_parameters = next(
            (i for i, layer in enumerate(layers) if layer.size), len(layers)
        )
        backend = get_backend(backend)
        params = backend.asarray(self.values(), dtype)
        self.bind(params, backend.xp.zeros_like(params), backend)
        self.bind_buffers(backend.asarray(self.buffer_values(), dtype))
        if seed is not None:
            self.seed = uint64("seed", seed)
            self.initialize(Key(self.seed).fold_in(Stream.WEIGHTS))

    # -- the two passes ------------------------------------------------------------------------

    def forward(
        self, x: Array, training: bool = True, key: Key | None = None
    ) -> tuple[Array, list[Any]]:
        """Return the output, shape (N, n_out), and the list of the layers' caches."""
        if array("x", x).dtype != self.dtype:
            raise TypeError(
                f"the network computes in {self.dtype}, got x of dtype {x.dtype}: convert it with "
                f"x.astype({str(self.dtype)!r}), or make the network with dtype={str(x.dtype)!r}"
            )
        training = boolean("training", training)
        key = Key(self.seed or 0).fold_in(Stream.DROPOUT) if key is None else key
        instance("key", key, Key)
        caches = []
        joint = joint_layers(self.layers, self.backend)  # on a GPU: several layers as one
        for i, layer in enumerate(self.layers):
            if isinstance(part := joint.get(i), Joint):
                x, *both = part.forward(x)
                caches += both
            elif i == len(caches):  # not done by the part below
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
    ) -> Array | None:
        """Add dL/dparams to `grads` and return dL/dx, each only if it is wanted.

        With ``accumulate=False`` dL/dparams replaces the contents of `grads`, which saves
        `zero_grad` and the addition. With `sample_weight`, of shape (N, 1), each sample's part of
        dL/dparams (but not of dL/dx) is multiplied by its weight.
        """
        if param_grads:
            accumulate = self._accumulate(accumulate)
        joint = joint_layers(self.layers, self.backend)
        # Below the lowest layer whose gradient is wanted there is nothing to compute.
        last = 0 if input_grad else self._first_with_parameters
        for i in reversed(range(last, len(self.layers))):
            # The caches of a joint layer are three: x, y, and the mask of a Dropout if it has one.
            part = joint.get(i, layer := self.layers[i])
            options = _options(layer, accumulate, sample_weight) if param_grads else {}
            dx = part.backward(
                dy, cache[i] if part is layer else cache[i : i + 3],
                input_grad=input_grad or i > last, param_grads=param_grads, **options,
            )  # fmt: skip
            if dx is None and (input_grad or i > last):
                raise TypeError(f"{type(layer).__name__}.backward must return dL/dx, got None")
            dy = dy if dx is None else dx
        return dy if input_grad else None

    def zero_grad(self) -> None:
        """Set `grads` to zero."""
        self.grads.fill(0)

    def _accumulate(self, accumulate: bool) -> bool:
        """Return `accumulate`; empty `grads` first if it must be emptied and layers only add."""
        if not accumulate and not self.overwrites:
            self.zero_grad()
            return True
        return accumulate

    # -- the passes of a gradient penalty; `nngan.penalties` explains them ----------------------

    def output_gradients(self, dy: Array, cache: list[Any]) -> list[Array]:
        """Return the gradients that `backward` hands on: dL/dx, then dL/dy of each layer."""
        gradients = [dy]
        for layer, layer_cache in zip(self.layers[::-1], cache[::-1], strict=True):
            gradients.append(layer.input_gradient(gradients[-1], layer_cache))
        return gradients[::-1]

    def tangent(self, x_dot: Array, cache: list[Any]) -> Array:
        for layer, layer_cache in zip(self.layers, cache, strict=True):
            x_dot = layer.tangent(x_dot, layer_cache)
        return x_dot

    def backward_tangent(
        self,
        dy_dot: Array,
        x_dot: Array,
        cache: list[Any],
        *,
        output_gradients: list[Array] | None = None,
        input_grad: bool = True,
        sample_weight: Array | None = None,
        accumulate: bool = True,
    ) -> Array | None:
        """Differentiate ``s = <dy_dot, tangent(x_dot, cache)>``: in the parameters and in x.

        Each layer's derivative J appears in s once, between the tangent t that enters the layer and
        the gradient u at its output: s = <u, J t>. One pass up, with t, gives each layer's own
        part. In a network of straight pieces (no Sigmoid, no Tanh) that is all. If a layer is
        curved, s depends on the layer's input too, and the gradient of this part goes down from
        there like any other. The arguments are those of `Layer.backward_tangent`, and
        `output_gradients` may be the result of ``self.output_gradients(dy_dot, cache)``.
        """
        accumulate = self._accumulate(accumulate)
        if output_gradients is None:
            output_gradients = self.output_gradients(dy_dot, cache)
        curvature_terms = []
        for layer, layer_cache, u in zip(self.layers, cache, output_gradients[1:], strict=True):
            options = _options(layer, accumulate, sample_weight)
            if layer.size and sample_weight is not None and not layer.weighs_samples:
                options = _options(layer, accumulate, None)
                layer.backward(sample_weight * u, layer_cache, input_grad=False, **options)
                options = _options(layer, True, None)
            curvature_terms.append(layer.backward_tangent(u, x_dot, layer_cache, **options))
            x_dot = layer.tangent(x_dot, layer_cache)
        dx = None
        last = 0 if input_grad else self._first_with_parameters
        for i in reversed(range(last, len(self.layers))):
            if dx is not None:
                dx = self.layers[i].backward(dx, cache[i], input_grad=input_grad or i > last)
            if (term := curvature_terms[i]) is not None:
                dx = term if dx is None else dx + term
        return dx if input_grad else None

    # -- parameters ----------------------------------------------------------------------------

    def bind(self, params: Array, grads: Array, backend: Backend) -> None:
        self.params, self.grads, self.backend = params, grads, backend
        start = 0
        for layer in self.layers:
            stop = start + layer.size
            layer.bind(params[start:stop], grads[start:stop], backend)
            start = stop

    def bind_buffers(self, buffers: Array) -> None:
        self.buffers = buffers
        start = 0
        for layer in self.layers:
            stop = start + layer.buffer_size
            layer.bind_buffers(buffers[start:stop])
            start = stop

    def initialize(self, key: Key) -> None:
        for i, layer in enumerate(self.layers):
            layer.initialize(key.fold_in(i))

    def values(self) -> Array:
        return np.concatenate([layer.values() for layer in self.layers])

    def buffer_values(self) -> Array:
        return np.concatenate([layer.buffer_values() for layer in self.layers])

    def to(self, backend: str | Backend) -> Sequential:
        """Move parameters, gradients and buffers to `backend`, in place; return the network."""
        old, new = self.backend, get_backend(backend)
        if new is not old:
            params, grads, buffers = (
                new.asarray(old.to_numpy(a)) for a in (self.params, self.grads, self.buffers)
            )
            self.bind(params, grads, new)
            self.bind_buffers(buffers)
        return self

    def leaves(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.leaves()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the layers' arrays views again: a deep copy and a pickle copy them one by one."""
        vars(self).update(state)
        self.bind(self.params, self.grads, self.backend)
        self.bind_buffers(self.buffers)

    # -- description ---------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        """The dtype that the network computes in."""
        return self.params.dtype

    @property
    def n_in(self) -> int | None:
        """Features of the input: those of the first layer that fixes a number of them."""
        return next((n for layer in self.layers if (n := _width(layer, "n_in"))), None)

    @property
    def n_out(self) -> int | None:
        """Features of the output: those of the last layer that fixes a number of them."""
        return next((n for layer in self.layers[::-1] if (n := _width(layer, "n_out"))), None)

    def config(self) -> dict[str, Any]:
        """Return a description from which `Sequential.from_config` makes the same network."""
        layers = [{"type": _name_of(type(layer)), **layer.config()} for layer in self.layers]
        config = {"layers": layers, "seed": self.seed, "dtype": str(self.dtype)}
        name = _name_of(type(self))
        return config if name == "Sequential" else {"type": name, **config}

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        backend: str | Backend = "numpy",
        layers: Sequence[type[Layer]] = (),
    ) -> Sequential:
        """Make the network that `config` described; `layers` are the classes of your own in it."""
        own = {kind.__name__: kind for kind in classes("layers", layers)}

        def kind_of(entry: dict[str, Any]) -> type[Layer]:
            full_name = entry.pop("type", "Sequential")
            module, _, name = full_name.rpartition(".")
            kind = own.get(name) if module else _library().get(name, own.get(name))
            if kind is None:
                raise ValueError(
                    f"unknown layer {shortened(full_name, 200)}: pass its class in layers=[...]"
                )
            return kind

        parts: list[Layer] = []
        for entry in map(dict, config["layers"]):
            kind = kind_of(entry)
            if issubclass(kind, Sequential):
                parts.append(cls.from_config({"type": _name_of(kind), **entry}, "numpy", layers))
            else:
                parts.append(kind(**entry))
        kind_of_network: Any = kind_of(dict(config))
        network: Sequential = kind_of_network(
            *parts, seed=config["seed"], dtype=config["dtype"], backend=backend
        )
        return network

    def __repr__(self) -> str:
        lines = [indent(f"{layer!r},", "  ") for layer in self.layers]
        summary = f"{self.size:,} parameters, {self.dtype}, {self.backend.name}"
        return "\n".join([f"{type(self).__name__}(", *lines, f")  # {summary}"])


def _options(layer: Layer, accumulate: bool, sample_weight: Array | None) -> dict[str, Any]:
    """Return the options of a backward pass that are beyond the contract and that `layer` takes."""
    options = dict[str, Any]()
    if layer.size and layer.overwrites:
        options["accumulate"] = accumulate
    if layer.size and sample_weight is not None:
        options["sample_weight"] = sample_weight
    return options


def _check_layers(layers: Sequence[Layer]) -> None:
    """Refuse layers that make no network: each must be there once, and fit the one before it."""
    if not layers:
        raise ValueError("a network needs at least one layer")
    features: int | None = None
    before: Layer | None = None
    seen: dict[int, int] = {}  # the position of each layer, by its id
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layer {i} must be a Layer, got {type(layer).__name__}")
        for leaf in layer.leaves():
            if (first := seen.setdefault(id(leaf), i)) != i:
                raise ValueError(
                    f"layers {first} and {i} are the same object: make one "
                    f"{type(leaf).__name__} for each"
                )
            _check_parameters(leaf)
        n_in = _width(layer, "n_in")
        if features is not None and n_in is not None and n_in != features:
            raise ValueError(f"{layer!r} wants {n_in} features, but {before!r} gives {features}")
        if (n_out := _width(layer, "n_out")) is not None:
            features, before = n_out, layer


def _check_parameters(layer: Layer) -> None:
    arrays = {name for name, value in vars(layer).items() if isinstance(value, np.ndarray)}
    for p in sorted(arrays - set(layer.shapes)):
        if "d" + p in arrays:
            raise ValueError(
                f"{type(layer).__name__} has {p} and d{p}, but shapes does not: they would be "
                f"neither trained nor saved, so name {p} in self.shapes"
            )


def _width(layer: Layer, name: str) -> int | None:
    """Return a layer's "n_in" or "n_out"; None if it takes any number of features."""
    features: int | None = getattr(layer, name, None)
    return features


def _library() -> dict[str, type[Layer]]:
    """Return the library's layers by name, `Sequential` included."""
    kinds = [getattr(_layers, name) for name in _layers.__all__]
    layers = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Layer)]
    return {kind.__name__: kind for kind in (*layers, Sequential)}


def _name_of(kind: type[Layer]) -> str:
    return type_name(kind, _library().values())
