"""Where the parameters of an object are: the arrays ``p`` that have a partner ``dp``."""

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
class Owner:
    """One parameter: the object that has it, and the name it has there."""

    object: Any
    name: str
    buffer: Any = None

    @property
    def value(self) -> Array:
        """The parameter."""
        array: Array = getattr(self.object, self.name)
        return array

    @property
    def gradient(self) -> Any:
        """Its gradient, whatever backward has put there."""
        return getattr(self.object, "d" + self.name)

    @property
    def replaced(self) -> bool:
        """Whether backward has put a new array where a view of a network's buffer was."""
        return isinstance(self.object, Layer) and self.gradient is not self.buffer

    def begin(self, value: Array, backend: Backend) -> None:
        """Set the gradient to what it shall be before a backward pass."""
        if isinstance(self.object, Layer):
            self.buffer = self.gradient
            self.buffer[...] = backend.asarray(value)
        else:
            setattr(self.object, "d" + self.name, value.copy())


def find_owners(target: Any, rehearse: Callable[[Any], None]) -> dict[str, Owner]:
    """Return the parameters of `target` and of the layers that it is made of, by label.

    Parameters
    ----------
    target : object
    rehearse : callable
        Runs both passes of a copy: a gradient may be made by backward only, and an array that
        forward itself puts in place (``self.x = x``) is no parameter.
    """
    for _, part in _parts(target):
        if isinstance(part, Layer) and any(not hasattr(part, name) for name in part.shapes):
            part.bind(np.zeros(part.size), np.zeros(part.size), part.backend)
            part.initialize(Key(0).fold_in(Stream.WEIGHTS))
    rehearsed = copy.deepcopy(target)
    adopt(rehearsed, {}, np.float64)
    before = [dict(_attributes(part)) for _, part in _parts(rehearsed)]
    rehearse(rehearsed)
    owners: dict[str, Owner] = {}
    for (prefix, part), then, (_, twin) in zip(
        _parts(target), before, _parts(rehearsed), strict=False
    ):
        if isinstance(part, Layer):
            names = list(part.shapes)
        else:
            now = _attributes(twin)
            names = [p for p in _arrays(part) if now.get(p) is then[p] and _has_partner(now, p)]
        owners |= {prefix + p: Owner(part, p) for p in names}
    return owners


def adopt(target: Any, owners: dict[str, Owner], dtype: Any) -> None:
    """Make parameters and gradients arrays of `dtype`, the values kept."""
    for _, part in _parts(target, into_networks=False):
        if isinstance(part, Layer):
            values = part.backend.asarray(part.values(), dtype)
            part.bind(values, part.backend.xp.zeros_like(values), part.backend)
    for owner in owners.values():
        if not isinstance(owner.object, Layer):
            setattr(owner.object, owner.name, owner.value.astype(dtype))


def without_partner(target: Any) -> Iterator[tuple[str, Array]]:
    """Yield (label, array) of the float arrays of a student's object that have no gradient."""
    for prefix, part in _parts(target):
        attributes = {} if isinstance(part, Layer) else _attributes(part)
        for p in _arrays(part) if attributes else ():
            is_gradient = p[:1] == "d" and p[1:] in attributes
            if not is_gradient and "d" + p not in attributes and attributes[p].dtype.kind == "f":
                yield prefix + p, attributes[p]


def _parts(target: Any, prefix: str = "", into_networks: bool = True) -> list[tuple[str, Any]]:
    """Return `target` and the layers that it is made of, each with the prefix of its labels."""
    if isinstance(target, Sequential) and not into_networks:
        return [(prefix, target)]
    # A network's own parameters are those of its layers.
    parts = [] if isinstance(target, Sequential) else [(prefix, target)]
    for name, value in _attributes(target).items():
        several = isinstance(value, list | tuple)
        for i, child in enumerate(value if several else [value]):
            if hasattr(child, "forward") and hasattr(child, "backward"):
                label = f"{prefix}{name}[{i}]." if several else f"{prefix}{name}."
                parts += _parts(child, label, into_networks)
    return parts


def _attributes(part: Any) -> dict[str, Any]:
    return vars(part) if hasattr(part, "__dict__") else {}


def _arrays(part: Any) -> list[str]:
    is_array = {p: isinstance(a, np.ndarray) for p, a in _attributes(part).items()}
    return sorted(p for p in is_array if is_array[p] and _attributes(part)[p].dtype.kind in "fiu")


def _has_partner(attributes: dict[str, Any], p: str) -> bool:
    """Whether ``dp`` is there: an array, or nothing yet (None, 0)."""
    partner = attributes.get("d" + p, "missing")
    is_empty = partner is None or (isinstance(partner, int | float) and partner == 0)
    return is_empty or hasattr(partner, "shape")
