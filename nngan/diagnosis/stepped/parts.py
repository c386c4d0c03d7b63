"""One network of a game that is stepped by hand: its parameters, gradients and layers.

It is a `Sequential`, or any object of the user's own whose arrays can be found.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ...backend import Array
from ...gradcheck.partners import partner_names
from ...gradcheck.places import Place, places
from ...network import Sequential


class Part:
    """What a diagnosis sees of one network.

    Parameters
    ----------
    name : str
        "G" or "D".
    network : object

    Attributes
    ----------
    is_ours : bool
        Whether it is a `Sequential`, whose passes can be repeated exactly.
    layers : list of object
        The objects whose forward and backward are watched: the layers of a `Sequential`, or the
        network itself.
    """

    def __init__(self, name: str, network: Any) -> None:
        self.name, self.network = name, network
        self.is_ours = isinstance(network, Sequential)
        self.layers: list[Any] = [network]
        self.found: list[Place] = []  # the arrays of an object of another kind
        if self.is_ours:
            self.layers = [leaf for leaf in network.leaves() if not isinstance(leaf, Sequential)]
        else:
            self.found = _arrays(network)

    @property
    def has_backward(self) -> bool:
        """Whether its backward pass can be watched."""
        return self.is_ours or callable(getattr(self.network, "backward", None))

    def params(self) -> Array:
        """Return a copy of all parameters, one after the other."""
        if self.is_ours:
            return np.concatenate([layer.values() for layer in self.layers])
        return _joined([place.read(self.network) for place in self.found])

    def has(self, params: Array) -> bool:
        """Whether the parameters are these, which `params` has returned before."""
        if not self.is_ours:
            return np.array_equal(self.params(), params)
        start = 0
        for layer in self.layers:
            for name in layer.shapes:
                value = layer.backend.to_numpy(getattr(layer, name)).ravel()
                if not np.array_equal(value, params[start : start + value.size]):
                    return False
                start += value.size
        return True

    def grads(self) -> Array | None:
        """Return a copy of all gradients; None if an object of another kind does not keep them."""
        if self.is_ours:
            return _joined([
                layer.backend.to_numpy(getattr(layer, "d" + name))
                for layer in self.layers for name in layer.shapes
            ])  # fmt: skip
        arrays = []
        for place in self.found:
            gradient = _gradient_of(self.network, place)
            if gradient is None:  # backward has not made it yet, or it is nowhere
                return None
            arrays.append(gradient)
        return _joined(arrays) if arrays else None

    def set_params(self, values: Array) -> None:
        """Give the network other parameters; an object of another kind in float64."""
        start = 0
        for layer in self.layers if self.is_ours else ():
            for name, shape in layer.shapes.items():
                stop = start + int(np.prod(shape))
                value = layer.backend.asarray(values[start:stop].reshape(shape))
                getattr(layer, name)[...] = value
                start = stop
        for place in self.found:
            shape = np.shape(place.read(self.network))
            stop = start + int(np.prod(shape))
            place.write(self.network, values[start:stop].reshape(shape).astype(np.float64))
            start = stop

    def output(self, x: Array) -> Array:
        """Return the output of an object of another kind."""
        np.random.seed(0)  # noqa: NPY002 (the same dropout each time)
        y = self.network.forward(x)
        return np.asarray(y[0] if isinstance(y, tuple) else y, np.float64)

    def narrow(self, x: Array) -> None:
        """Keep those arrays of an object of another kind that move its output for input `x`."""
        base = self.output(x)
        moving: list[tuple[Place, Array]] = []
        random = np.random.default_rng(0)
        for place in sorted(self.found, key=lambda f: np.size(f.read(self.network))):
            value = place.read(self.network)
            if any(value is other or np.shares_memory(value, other) for _, other in moving):
                continue
            with contextlib.suppress(Exception):
                place.write(self.network, value + random.uniform(0.1, 0.3, np.shape(value)))
                if not np.array_equal(self.output(x), base):
                    moving.append((place, value))
            place.write(self.network, value)
        self.found = sorted((place for place, _ in moving), key=self.found.index)

    def squashes(self, outputs: Array, again: Callable[[float], Array] | None) -> bool:
        """Whether its outputs are bounded by 0 and 1, as those of a sigmoid.

        `outputs` are those of the step, and ``again(factor)`` computes those of an input that is
        larger by a factor.
        """
        if self.is_ours:
            return bool(self.layers[-1].output_range == (0.0, 1.0))
        seen = [outputs] if again is None else [outputs, again(100.0), again(-100.0)]
        return all(bool(((y >= 0) & (y <= 1)).all()) for y in seen)


def _arrays(network: Any) -> list[Place]:
    """Return one place of each array of floats that an object holds."""
    found: dict[int, Place] = {}
    for place, value in places(network):
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not place.outside:
            found.setdefault(id(value), place)
    return list(found.values())


def _gradient_of(network: Any, place: Place) -> Array | None:
    """Return a parameter's gradient, if a name says where it is: dW of W, grads of params."""
    shape = np.shape(place.read(network))
    for i in reversed(range(len(place.steps))):
        way, key = place.steps[i]
        for name in partner_names(key) if isinstance(key, str) else ():
            other = Place((*place.steps[:i], (way, name), *place.steps[i + 1 :]))
            with contextlib.suppress(Exception):
                value: Array = other.read(network)
                if value is not None and np.shape(value) == shape:
                    return value
    return None


def _joined(arrays: list[Any]) -> Array:
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(a, np.float64)) for a in arrays)])
