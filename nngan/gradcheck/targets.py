"""The subjects made of functions, and `make_subject`, which recognises every kind of target."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from .subject import Broken, Gradients, LayerSubject, Subject, describe, doubled


class PairSubject(Subject):
    """Two functions: ``forward(*inputs) -> (y, cache)`` and ``backward(dy, cache) -> dx, ...``."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Array]
    ) -> None:
        names = _argument_names(forward, len(inputs))
        super().__init__(target_name(forward), dict(zip(names, inputs, strict=True)))
        self.functions = forward, backward

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        return self._pair(self._call("forward", self.functions[0], *self._copies(inputs)))

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        result = self._call("backward", self.functions[1], dy, cache)
        result = tuple(result) if isinstance(result, tuple | list) else (result,)
        if len(result) != len(self.inputs):
            raise Broken(
                "contract",
                f"backward must return a gradient for each of the {len(self.inputs)} inputs, "
                f"got {len(result)}",
            )
        return {n: self._gradient(n, g) for n, g in zip(self.inputs, result, strict=True)}


class LossSubject(Subject):
    """A loss or a penalty: ``f(*inputs) -> (loss, gradient of the first, of the second, ...)``."""

    is_loss = True

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        names = _argument_names(function, len(inputs))
        super().__init__(target_name(function), {names[0]: float64(inputs[0])})
        self.function, self.others = function, list(inputs[1:])
        try:
            n = len(self.forward()[1])
        except Broken:  # perhaps a formula for floats, called with whole numbers
            self.others = [float64(a) if hasattr(a, "dtype") else a for a in inputs[1:]]
            n = len(self.forward()[1])
        # Inputs without a gradient keep their dtype: class labels are whole numbers.
        self.inputs = {k: float64(a) for k, a in zip(names[:n], inputs[:n], strict=True)}
        self.others = list(inputs[n:])

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        result = self._call("forward", self.function, *self._copies(inputs), *self.others)
        if not isinstance(result, tuple | list) or len(result) < 2:
            raise Broken("contract", f"A loss must return (loss, gradient), got {describe(result)}")
        loss = self._array("The loss", np.asarray(result[0]))
        if loss.size != 1:
            raise Broken("contract", f"The loss must be one number, got shape {loss.shape}")
        return loss.reshape(()), list(result[1:])

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        return {n: self._gradient(n, g) for n, g in zip(self.inputs, cache, strict=True)}

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        # Targets must stay valid (classes, probabilities), so the whole batch is repeated.
        twin = super().doubled(np.copy)
        assert isinstance(twin, LossSubject)
        n = len(next(iter(self.inputs.values())))
        twin.others = [doubled(a, n, np.copy) for a in self.others]
        return twin


def make_subject(target: Any, inputs: Sequence[Any]) -> Subject:
    """Wrap `target` and float64 copies of its inputs in a subject."""
    if inspect.isclass(target):
        raise TypeError(f"check an object, not its class: {target.__name__}(...)")
    if hasattr(target, "forward") and hasattr(target, "backward"):
        if len(inputs) != 1:
            raise TypeError(f"a layer takes one input, got {len(inputs)}")
        return LayerSubject(target, float64(inputs[0]))
    if isinstance(target, tuple | list) and len(target) == 2 and all(map(callable, target)):
        if not inputs:
            raise TypeError("a pair of functions needs at least one input, got 0")
        return PairSubject(target[0], target[1], [float64(a) for a in inputs])
    if callable(target) and inputs:
        return LossSubject(target, [_host(a) for a in inputs])
    raise TypeError(
        "check an object with forward and backward, a pair of such functions, or a loss, each "
        f"with its inputs; got {describe(target)} and {len(inputs)} inputs"
    )


def target_name(target: Any) -> str:
    """Return the name of a function, or of an object's class."""
    name: str = getattr(target, "__name__", type(target).__name__)
    return name


def float64(a: Any) -> Array:
    """Return a float64 copy, on the host, of an input that is differentiated."""
    array = np.asarray(_host(a))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"inputs must be arrays of numbers, got {describe(a)}")
    if not array.size:
        raise ValueError(f"an input is empty, its shape is {array.shape}: pass at least one row")
    if not np.isfinite(array).all():
        raise ValueError("an input holds NaN or infinity: pass finite numbers")
    return np.array(array, np.float64)


def _host(a: Any) -> Any:
    host = a.get() if hasattr(a, "get") and hasattr(a, "dtype") else a  # from a GPU
    is_float = isinstance(host, np.ndarray) and host.dtype.kind == "f"
    return np.array(host, np.float64) if is_float else host


def _argument_names(function: Any, n: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    if len(names) >= n:
        return names[:n]
    return ["x"] if n == 1 else [f"x{i}" for i in range(n)]
