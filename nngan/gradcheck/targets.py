"""The two ways to hand over functions, and `make_subject`, which tells all targets apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from .subject import Broken, LayerSubject, Subject, copied, describe, double


class PairSubject(Subject):
    """Two functions: ``forward(*inputs) -> (y, cache)`` and ``backward(dy, cache) -> dx, ...``."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Array]
    ) -> None:
        names = _argument_names(forward, len(inputs))
        super().__init__(_name(forward), dict(zip(names, inputs, strict=True)))
        self.functions = forward, backward

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        inputs = [copied(a) for a in self.inputs.values()] if inputs is None else inputs
        return self._pair(self._call("forward", self.functions[0], *inputs))

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        result = self._call("backward", self.functions[1], dy, cache)
        result = tuple(result) if isinstance(result, tuple | list) else (result,)
        if len(result) != len(self.inputs):
            raise Broken(
                "contract",
                f"backward must return a gradient for each of the {len(self.inputs)} inputs, "
                f"it returned {len(result)}",
            )
        return {n: self._gradient(n, g) for n, g in zip(self.inputs, result, strict=True)}


class LossSubject(Subject):
    """A loss or a penalty: ``f(*inputs) -> (loss, gradient of the first, of the second, ...)``."""

    is_loss = True

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        names = _argument_names(function, len(inputs))
        super().__init__(_name(function), {})
        self.function, self.others = function, list(inputs[1:])
        self.inputs = {names[0]: float64(inputs[0])}
        try:
            n = len(self.forward()[1])
        except Broken:  # perhaps a formula for floats that was handed whole numbers
            self.others = [float64(a) if hasattr(a, "dtype") else a for a in inputs[1:]]
            n = len(self.forward()[1])
        # What is not differentiated stays as it is: class labels are whole numbers.
        self.inputs = {k: float64(a) for k, a in zip(names[:n], inputs[:n], strict=True)}
        self.others = list(inputs[n:])

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        inputs = [copied(a) for a in self.inputs.values()] if inputs is None else inputs
        result = self._call("forward", self.function, *inputs, *self.others)
        if not isinstance(result, tuple | list) or len(result) < 2:
            raise Broken(
                "contract",
                f"a loss must return (loss, gradient), it returned {describe(result)}",
            )
        loss = self._array("the loss", np.asarray(result[0]))
        if loss.size != 1:
            raise Broken("contract", f"the loss must be one number, it has shape {loss.shape}")
        return loss.reshape(()), list(result[1:])

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        return {n: self._gradient(n, g) for n, g in zip(self.inputs, cache, strict=True)}

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        # Targets must stay what they are (classes, probabilities), so inputs are repeated too.
        twin = super().doubled(np.copy)
        assert isinstance(twin, LossSubject)
        n = len(next(iter(self.inputs.values())))
        twin.others = [double(a, n, np.copy) for a in self.others]
        return twin


def make_subject(target: Any, inputs: Sequence[Any]) -> Subject:
    """Bring `target` and its inputs into one shape, float64 arrays all."""
    if inspect.isclass(target):
        raise TypeError(f"check an object, not its class: make one, {target.__name__}(...)")
    if hasattr(target, "forward") and hasattr(target, "backward"):
        if len(inputs) != 1:
            raise TypeError(f"a layer takes one input, got {len(inputs)}")
        return LayerSubject(target, float64(inputs[0]))
    if isinstance(target, tuple | list) and len(target) == 2 and all(map(callable, target)):
        if not inputs:
            raise TypeError("a pair of functions needs inputs to be called with")
        return PairSubject(target[0], target[1], [float64(a) for a in inputs])
    if callable(target) and inputs:
        return LossSubject(target, [_host(a) for a in inputs])
    raise TypeError(
        "check an object with forward and backward, a pair of such functions, or a loss, each "
        f"with its inputs; got {describe(target)} and {len(inputs)} inputs"
    )


def float64(a: Any) -> Array:
    """Return a float64 copy on the host of an input that is differentiated."""
    array = np.asarray(_host(a))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"inputs must be arrays of numbers, got {describe(a)}")
    if not array.size:
        raise ValueError(f"an input is empty, its shape is {array.shape}: pass at least one row")
    if not np.isfinite(array).all():
        raise ValueError("an input holds NaN or infinity: pass finite numbers")
    return np.array(array, np.float64)


def _host(a: Any) -> Any:
    host = a.get() if hasattr(a, "get") and hasattr(a, "dtype") else a  # CuPy's way to the host
    is_float = (
        hasattr(host, "shape") and not isinstance(host, np.generic) and host.dtype.kind == "f"
    )
    host64: Any = np.array(host, np.float64) if is_float else host
    return host64


def _name(function: Any) -> str:
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def _argument_names(function: Any, n: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    if len(names) >= n:
        return names[:n]
    return ["x"] if n == 1 else [f"x{i}" for i in range(n)]
