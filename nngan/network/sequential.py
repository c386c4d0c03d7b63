"""`Sequential`: layers one after the other, over one flat buffer of parameters.

It is itself a layer: its cache is the list of its layers' caches, its backward walks that list in
reverse.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import layers as _layers
from ..backend import Array, Key, NumpyBackend, Stream, get_backend
from ..layers import Layer
from ..options import whole
from . import tangents


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
    backend : str or NumpyBackend
        "numpy", "numba" or "cupy".

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
        backend: str | NumpyBackend = "numpy",
    ) -> None:
        _check_layers(layers)
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
            self.seed = whole("seed", seed)
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

    def bind(self, params: Array, grads: Array, backend: NumpyBackend) -> None:
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

    def to(self, backend: str | NumpyBackend) -> Sequential:
        """Move parameters, gradients and state to `backend`, in place; return the network."""
        old, new = self.backend, get_backend(backend)
        if new is not old:
            params, grads, state = (
                new.asarray(old.to_numpy(a)) for a in (self.params, self.grads, self.state)
            )
            self.bind(params, grads, new)
            self.bind_state(state)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Sequential:
        twin = copy.copy(self)  # of the same class, whatever its constructor wants
        for name, value in vars(self).items():
            setattr(twin, name, copy.deepcopy(value, memo))
        # Copied one by one, the layers' arrays are no longer views of the flat buffers.
        twin.bind(twin.params, twin.grads, self.backend)
        twin.bind_state(twin.state)
        return twin

    # -- description ---------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        """The dtype that the network computes in."""
        return self.params.dtype

    @property
    def n_in(self) -> int | None:
        """Features of the input, as the first layer that has an opinion says."""
        return next((n for layer in self.layers if (n := _width(layer, "n_in"))), None)

    @property
    def n_out(self) -> int | None:
        """Features of the output, as the last layer that has an opinion says."""
        return next((n for layer in self.layers[::-1] if (n := _width(layer, "n_out"))), None)

    def config(self) -> dict[str, Any]:
        """Return a description from which `Sequential.from_config` makes the same network."""
        layers = [{"type": _type_name(type(layer)), **layer.config()} for layer in self.layers]
        config = {"layers": layers, "seed": self.seed, "dtype": str(self.dtype)}
        return config if type(self) is Sequential else {"type": _type_name(type(self)), **config}

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        backend: str | NumpyBackend = "numpy",
        layers: Sequence[type[Layer]] = (),
    ) -> Sequential:
        """Make the network that `config` described.

        Parameters
        ----------
        config : dict
            What `config()` returned.
        backend : str or NumpyBackend
            Where it shall live.
        layers : sequence of Layer subclasses
            Layers of your own that it uses, beside the library's.

        Raises
        ------
        ValueError
            When it names a layer that is neither the library's nor among `layers`.
        """
        library = {kind.__name__: kind for kind in _LIBRARY}
        own = {kind.__name__: kind for kind in layers}

        def kind_of(entry: dict[str, Any]) -> type[Layer]:
            full_name = entry.pop("type", Sequential.__name__)
            module, _, name = full_name.rpartition(".")
            kind = own.get(name) if module else library.get(name, own.get(name))
            if kind is None:
                raise ValueError(f"unknown layer {full_name!r}: pass its class in layers=[...]")
            return kind

        made: list[Layer] = []
        for entry in map(dict, config["layers"]):
            kind = kind_of(entry)
            if issubclass(kind, Sequential):
                made.append(
                    Sequential.from_config({"type": _type_name(kind), **entry}, "numpy", layers)
                )
            else:
                made.append(kind(**entry))
        network = kind_of(dict(config))
        assert issubclass(network, Sequential)
        return network(*made, seed=config["seed"], dtype=config["dtype"], backend=backend)

    def __repr__(self) -> str:
        lines = [f"  {layer!r}," for layer in self.layers]
        summary = f"{self.size:,} parameters, {self.dtype}, {self.backend.name}"
        return "\n".join(["Sequential(", *lines, f")  # {summary}"])


_LIBRARY: list[type[Layer]] = [
    *(
        kind
        for kind in vars(_layers).values()
        if isinstance(kind, type) and issubclass(kind, Layer)
    ),
    Sequential,
]


def _type_name(kind: type[Layer]) -> str:
    """Return the name of a layer's class in a description; that of your own has its module's."""
    return kind.__name__ if kind in _LIBRARY else f"{kind.__module__}.{kind.__qualname__}"


def _width(layer: Layer, name: str) -> int | None:
    width: int | None = getattr(layer, name, None)
    return width


def leaves(layer: Layer) -> Iterator[Layer]:
    """Yield the layers of a network, those of networks inside it too; or the one layer."""
    if isinstance(layer, Sequential):
        for inner in layer.layers:
            yield from leaves(inner)
    else:
        yield layer


def _check_layers(layers: Sequence[Layer]) -> None:
    if not layers:
        raise ValueError("a network needs at least one layer")
    width, before = None, ""
    seen: list[Layer] = []
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layer {i} must be a Layer, got {type(layer).__name__}")
        inside = list(leaves(layer))
        if twice := [leaf for leaf in inside if any(leaf is other for other in seen)]:
            name = type(twice[0]).__name__
            raise ValueError(f"layer {i} is there twice: make one {name} for each")
        seen += inside
        for leaf in inside:
            _check_parameters(leaf)
        n_in = _width(layer, "n_in")
        if width is not None and n_in is not None and n_in != width:
            raise ValueError(f"{layer!r} wants {n_in} features, but {before} gives {width}")
        if (n_out := _width(layer, "n_out")) is not None:
            width, before = n_out, repr(layer)


def _check_parameters(layer: Layer) -> None:
    arrays = {name for name, value in vars(layer).items() if isinstance(value, np.ndarray)}
    for p in sorted(arrays - set(layer.shapes)):
        if "d" + p in arrays:
            raise ValueError(
                f"{type(layer).__name__} has {p} and d{p}, but shapes does not: they would be "
                f"neither trained nor saved, so name {p} in self.shapes"
            )
