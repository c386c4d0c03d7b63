"""The subject of a layer, a network, or a student's object with both passes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ..backend import Array, Backend, NumpyBackend
from ..layers import Layer
from ..network import Sequential
from .objects import ObjectSubject
from .owners import is_ours
from .places import Wrapper
from .sayings import MODES, say
from .styles.adapters import argument_names
from .subject import Broken, Gradients, Subject


class LayerSubject(ObjectSubject):
    """A layer, a network, or a student's object with `forward` and `backward`."""

    def __init__(self, target: Any, *inputs: Array) -> None:
        is_library = is_ours(type(target)) or isinstance(target, Wrapper)
        name = repr(target) if is_library else type(target).__name__
        backend = getattr(target, "backend", None)
        backend = backend if isinstance(backend, Backend) else None
        self.batch_axis = getattr(target, "batch_axis", 0) if is_library else 0
        takes = ["x"] if len(inputs) == 1 else getattr(target, "takes", None) or (
            argument_names(target.forward, len(inputs))
        )  # fmt: skip
        named = dict(zip(takes, inputs, strict=True))
        super().__init__(name.split("\n")[0].rstrip("("), target, named, backend)
        self.has_tangent = len(inputs) == 1 and _has_tangent(target)

    def _forward(self, target: Any, inputs: Sequence[Array]) -> Any:
        xs = [self._on_device(x) for x in inputs]
        if self.mode is None:
            return self._call("forward", target.forward, *xs)
        name, value = self.mode
        if name.startswith("self."):
            setattr(target, name[5:], value)
            return self._call("forward", target.forward, *xs)
        return self._call("forward", partial(target.forward, **{name: value}), *xs)

    def _backward(self, target: Any, dy: Array, cache: Any) -> dict[str, Any]:
        result = self._call("backward", target.backward, self._on_device(dy), cache)
        return {"x": result} if [*self.inputs] == ["x"] else self._of_inputs(result)

    def _on_device(self, a: Array) -> Array:
        # On the host nothing is copied: a copy would make a strided input contiguous.
        return a if type(self.backend) is NumpyBackend else self.backend.asarray(a)

    def modes(self) -> list[str]:
        modes = []
        with suppress(TypeError, ValueError):
            for name, p in inspect.signature(self.target.forward).parameters.items():
                if name in MODES and isinstance(p.default, bool):
                    modes.append(f"{name}={not p.default}")
                elif name == "mode" and p.default in ("train", "test"):
                    other = "test" if p.default == "train" else "train"
                    modes.append(f"{name}={other!r}")
        for name in MODES:
            value = getattr(self.target, "__dict__", {}).get(name)
            if isinstance(value, bool):
                modes.append(f"self.{name}={not value}")
        return [*modes, *self.movable]

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        with self._borrowed():
            y_dot = self._tangent("tangent", x_dot, cache)
            return self._array("The y_dot of tangent", y_dot)

    def backward_tangent(
        self, dy_dot: Array, x_dot: Array, cache: Any, start: Gradients | None = None
    ) -> Gradients:
        def run() -> dict[str, Any]:
            dx = self._tangent("backward_tangent", dy_dot, x_dot, cache)
            return {"x": self._on_device(0 * x_dot) if dx is None else dx}

        return self._gradients(dy_dot, start, run)

    def _tangent(self, name: str, *arguments: Any) -> Any:
        *arrays, cache = arguments
        try:
            return self._call(
                name, getattr(self.target, name), *map(self._on_device, arrays), cache
            )
        except Broken as error:
            # A tangent that is inherited while forward is not belongs to another forward.
            is_foreign = not _owns_tangent(type(self.target))
            if is_foreign or isinstance(error.__cause__, NotImplementedError):
                raise NotImplementedError from error
            raise

    def layers(self) -> list[tuple[str, Subject]]:
        if not isinstance(self.target, Sequential):
            return []
        (x,) = self._copies(None)
        subjects: list[tuple[str, Subject]] = []
        for i, layer in enumerate(self.target.layers):
            subject = LayerSubject(layer, np.asarray(x, np.float64))
            subjects.append((say("layer", n=i, name=type(layer).__name__), subject))
            x = subject.forward()[0]
        return subjects


def _has_tangent(target: Any) -> bool:
    """Whether an object has the passes of a gradient penalty."""
    kind = type(target)
    if isinstance(target, Layer) and kind.tangent is Layer.tangent:
        return False
    has_both = hasattr(kind, "tangent") and hasattr(kind, "backward_tangent")
    return has_both and (isinstance(target, Layer) or _owns_tangent(kind))


def _owns_tangent(kind: type) -> bool:
    """Whether tangent is defined in the class of forward, or in one derived from it."""
    order = list(kind.__mro__)

    def owner(name: str) -> int:
        return next((i for i, base in enumerate(order) if name in vars(base)), len(order))

    return owner("tangent") <= owner("forward")
