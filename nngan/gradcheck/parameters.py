"""The parameters of an object: its arrays ``p`` that have a partner ``dp``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, Stream
from ..layers import Layer
from ..network import Sequential


@dataclass
class ParameterRef:
    """A reference to one parameter: an object and the name of its attribute."""

    owner: Any
    name: str
    buffer: Any = None

    @property
    def value(self) -> Array:
        """The parameter."""
        array: Array = getattr(self.owner, self.name)
        return array

    @property
    def gradient(self) -> Any:
        """Its gradient: whatever backward has put there."""
        return getattr(self.owner, "d" + self.name)

    @property
    def is_replaced(self) -> bool:
        """Whether backward has replaced the view of a network's buffer by a new array."""
        return isinstance(self.owner, Layer) and self.gradient is not self.buffer

    def set_gradient(self, value: Array, backend: Backend) -> None:
        """Set the gradient, before a backward pass."""
        if isinstance(self.owner, Layer):
            self.buffer = self.gradient
            self.buffer[...] = backend.asarray(value)
        else:
            setattr(self.owner, "d" + self.name, value.copy())


def find_parameters(target: Any, rehearse: Callable[[Any], None]) -> dict[str, ParameterRef]:
    """Return the parameters of `target` and of the layers inside it, by label.

    Parameters
    ----------
    target : object
    rehearse : callable
        Runs both passes of a copy. Some gradients exist only after backward, and an array that
        forward itself stores (``self.x = x``) is not a parameter.
    """
    for _, part in _parts(target):
        if isinstance(part, Layer) and any(not hasattr(part, name) for name in part.shapes):
            part.bind(np.zeros(part.size), np.zeros(part.size), part.backend)
            part.initialize(Key(0).fold_in(Stream.WEIGHTS))
    rehearsed = copy.deepcopy(target)
    set_dtype(rehearsed, {}, np.float64)
    before = [dict(_attributes(part)) for _, part in _parts(rehearsed)]
    rehearse(rehearsed)
    found: dict[str, ParameterRef] = {}
    for (prefix, part), old, (_, twin) in zip(
        _parts(target), before, _parts(rehearsed), strict=False
    ):
        if isinstance(part, Layer):
            names = list(part.shapes)
        else:
            new = _attributes(twin)
            names = [p for p in _arrays(part) if new.get(p) is old[p] and _has_partner(new, p)]
        found |= {prefix + p: ParameterRef(part, p) for p in names}
    return found


def set_dtype(target: Any, parameters: dict[str, ParameterRef], dtype: Any) -> None:
    """Convert parameters and gradients to `dtype`, and keep the values."""
    for _, part in _parts(target, into_networks=False):
        if isinstance(part, Layer):
            values = part.backend.asarray(part.values(), dtype)
            part.bind(values, part.backend.xp.zeros_like(values), part.backend)
    for parameter in parameters.values():
        if not isinstance(parameter.owner, Layer):
            setattr(parameter.owner, parameter.name, parameter.value.astype(dtype))


def arrays_without_gradient(target: Any) -> Iterator[tuple[str, Array]]:
    """Yield (label, array) for each float array of a student's object that has no gradient."""
    for prefix, part in _parts(target):
        attributes = {} if isinstance(part, Layer) else _attributes(part)
        for p in _arrays(part) if attributes else ():
            is_gradient = p[:1] == "d" and p[1:] in attributes
            if not is_gradient and "d" + p not in attributes and attributes[p].dtype.kind == "f":
                yield prefix + p, attributes[p]


def _parts(target: Any, prefix: str = "", into_networks: bool = True) -> list[tuple[str, Any]]:
    """Return `target` and the layers inside it, each with the prefix of its labels."""
    if isinstance(target, Sequential) and not into_networks:
        return [(prefix, target)]
    # A network's parameters are those of its layers.
    parts = [] if isinstance(target, Sequential) else [(prefix, target)]
    for name, value in _attributes(target).items():
        is_list = isinstance(value, list | tuple)
        for i, child in enumerate(value if is_list else [value]):
            if hasattr(child, "forward") and hasattr(child, "backward"):
                label = f"{prefix}{name}[{i}]." if is_list else f"{prefix}{name}."
                parts += _parts(child, label, into_networks)
    return parts


def _attributes(part: Any) -> dict[str, Any]:
    return getattr(part, "__dict__", {})


def _arrays(part: Any) -> list[str]:
    """Return the names of the attributes that are arrays of numbers."""
    arrays = {p: a for p, a in _attributes(part).items() if isinstance(a, np.ndarray)}
    return sorted(p for p, a in arrays.items() if a.dtype.kind in "fiu")


def _has_partner(attributes: dict[str, Any], p: str) -> bool:
    """Whether ``dp`` exists: an array, or a placeholder (None, 0)."""
    partner = attributes.get("d" + p, "missing")
    is_empty = partner is None or (isinstance(partner, int | float) and partner == 0)
    return is_empty or hasattr(partner, "shape")
