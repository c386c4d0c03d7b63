"""A parameter of an object, where its array and its gradient are, and what a search has found."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import Array, Key, Stream
from .places import Place, layers_in
from .unseen import Unseen
from .writing import as_array, put

Alone = tuple[Place, ...]  # all places of one array
LOOSE = ("global", "module", "cell", "default", "kwdefault")


@dataclass(frozen=True)
class Parameter:
    """One parameter: all places of its array, and all places of its gradient."""

    label: str
    places: Alone
    gradients: Alone

    @property
    def outside(self) -> Alone:
        """The places that other objects share, and that must be put back."""
        return tuple(p for p in (*self.places, *self.gradients) if p.outside)

    def value(self, target: Any) -> Array:
        """Return a copy of the parameter."""
        return host(target, self.places[0])

    def set_value(self, target: Any, value: Array) -> None:
        """Set the parameter."""
        put(target, self.places, value)

    def gradient(self, target: Any) -> Any:
        """Return its gradient: whatever backward has put there."""
        return self.gradients[0].read(target)

    def gradient_left(self, target: Any) -> Array | None:
        """Return a copy of the gradient that the object holds, or None if it holds none."""
        try:
            value = self.gradient(target)
        except Exception:
            return None
        return None if value is None else as_array(value)

    def shares_gradient(self, target: Any) -> bool:
        """Whether the gradient is an array of the class, which all its objects share."""
        place = self.gradients[0]
        (way, name), above = place.steps[-1], Place(place.steps[:-1])
        if way != "attr" or is_loose(place):
            return False
        with suppress(Exception):
            owner, value = above.read(target), place.read(target)
            kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
            own = [vars(k)[name] for k in kinds if name in vars(k)]
            return isinstance(value, np.ndarray) and any(v is value for v in own)
        return False

    def set_gradient(self, target: Any, value: Array) -> None:
        """Set the gradient, before a backward pass."""
        put(target, self.gradients, value)


@dataclass
class Found:
    """What was found in an object.

    Attributes
    ----------
    target : object
        The object that has all parameters: the given one, or a copy after its first passes if only
        they make some parameters.
    movable : list of Place
        Constants of the object itself.
    still : list of Place
        Floats that do not move the output.
    """

    target: Any
    parameters: dict[str, Parameter] = field(default_factory=dict)
    unseen: list[Unseen] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    movable: list[Place] = field(default_factory=list)
    still: list[Place] = field(default_factory=list)


def host(target: Any, place: Place) -> Array:
    """Return a copy of the array at a place, on the host."""
    layer, value = place.layer(target), place.read(target)
    return np.array(layer.backend.to_numpy(value)) if layer else as_array(value)


def initialize(target: Any) -> None:
    """Give weights to the library's layers that belong to no network yet."""
    for layer in layers_in(target):
        if any(not hasattr(layer, name) for name in layer.shapes):
            layer.bind(np.zeros(layer.size), np.zeros(layer.size), layer.backend)
            layer.initialize(Key(0).fold_in(Stream.WEIGHTS))


def set_dtype(target: Any, dtype: Any) -> None:
    """Convert the library's layers in an object to `dtype`, and keep their values."""
    for layer in layers_in(target):
        values = layer.backend.asarray(layer.values(), dtype)
        layer.bind(values, layer.backend.xp.zeros_like(values), layer.backend)


def is_loose(place: Place) -> bool:
    """Whether a place is a global or a variable of a function."""
    return any(way in LOOSE for way, _ in place.steps)
