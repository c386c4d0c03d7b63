"""What is checked: anything with a forward and a backward, brought into one shape.

A subject holds float64 copies, on the host, of its inputs and parameters; whoever moves one of
them and calls `forward` again sees the output move. What it wraps may live on any backend.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..backend import Array, NumpyBackend
from ..layers import Layer
from ..network import Sequential


class Broken(Exception):
    """The subject cannot be called, or returns what the contract does not allow."""


class Subject:
    """Forward and backward of one thing.

    Attributes
    ----------
    name : str
    inputs, parameters : dict of str to float64 array
        What is differentiated, by name.
    is_loss : bool
        True when the output is a number and the gradients come with it.
    """

    is_loss = False

    def __init__(self, name: str, inputs: dict[str, Array]) -> None:
        self.name = name
        self.inputs = inputs
        self.parameters: dict[str, Array] = {}
        self.backend = NumpyBackend()

    @property
    def arrays(self) -> dict[str, Array]:
        """Everything that is differentiated."""
        return {**self.inputs, **self.parameters}

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        """Return output and cache, for the subject's own inputs or for others."""
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        """Return what backward leaves: dx of each input, and the buffers of the parameters.

        The buffers begin at `start`, or at zero.
        """
        raise NotImplementedError

    def to_complex(self) -> Subject:
        """Return a copy that computes with complex numbers."""
        twin = copy.deepcopy(self)
        twin.inputs = {name: a.astype(complex) for name, a in self.inputs.items()}
        twin.parameters = {name: a.astype(complex) for name, a in self.parameters.items()}
        return twin

    def _call(self, where: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            raise Broken(where, f"{type(error).__name__}: {error}") from error

    def _pair(self, result: Any) -> tuple[Array, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise Broken(
                "contract", f"forward must return (y, cache), it returned {_describe(result)}"
            )
        return self._array("forward's y", result[0]), result[1]

    def _array(self, name: str, value: Any) -> Array:
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            raise Broken("contract", f"{name} must be an array, it is {_describe(value)}")
        host = self.backend.to_numpy(value)
        if host.dtype.kind not in "fc":
            raise Broken("contract", f"{name} must hold floats, it holds {host.dtype}")
        if not np.isfinite(host).all():
            raise Broken("not_finite", f"{name} holds NaN or infinity at finite inputs")
        return host


class LayerSubject(Subject):
    """A layer, a network, or a student's object with `forward` and `backward`.

    The parameters of a student's object are its arrays ``p`` that have a partner ``dp``.
    """

    def __init__(self, target: Any, x: Array) -> None:
        name = repr(target) if isinstance(target, Layer) else type(target).__name__
        super().__init__(name.split("\n")[0].rstrip("("), {"x": x})
        self.target = copy.deepcopy(target)
        if isinstance(self.target, Layer):
            self.backend = self.target.backend
        self.owners = {label: (owner, p) for label, owner, p in _parameters(self.target)}
        self.parameters = {
            label: np.array(self.backend.to_numpy(getattr(owner, p)), np.float64)
            for label, (owner, p) in self.owners.items()
        }
        self._prepare()

    def _prepare(self) -> None:
        """Make room for parameters and gradients in the dtype that is used here."""
        dtype = np.result_type(np.float64, *self.parameters.values())
        if isinstance(self.target, Layer):
            buffer = self.backend.xp.zeros(self.target.size, dtype=dtype)
            self.target.bind(buffer, self.backend.xp.zeros_like(buffer), self.backend)
        else:
            for label, (owner, p) in self.owners.items():
                setattr(owner, p, self.parameters[label].astype(dtype))

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        (x,) = self.inputs.values() if inputs is None else inputs
        for label, (owner, p) in self.owners.items():
            getattr(owner, p)[...] = self.backend.asarray(self.parameters[label])
        # A strided input is part of the test: a copy on the host would make it contiguous.
        x = x if type(self.backend) is NumpyBackend else self.backend.asarray(x)
        return self._pair(self._call("forward", self.target.forward, x))

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        for label, (owner, p) in self.owners.items():
            value = np.zeros(self.parameters[label].shape) if start is None else start[label].copy()
            value = value.astype(getattr(owner, p).dtype)
            if isinstance(self.target, Layer):
                getattr(owner, "d" + p)[...] = self.backend.asarray(value)
            else:
                setattr(owner, "d" + p, value)
        dy = dy if type(self.backend) is NumpyBackend else self.backend.asarray(dy)
        dx = self._call("backward", self.target.backward, dy, cache)
        gradients = {"x": self._array("backward's dx", dx)}
        for label, (owner, p) in self.owners.items():
            gradients[label] = self._array(f"d{label}", getattr(owner, "d" + p)).copy()
        return gradients

    def written(self) -> str | None:
        """Return the name of a parameter that the last call has changed, if there is one."""
        for label, (owner, p) in self.owners.items():
            now = self.backend.to_numpy(getattr(owner, p))
            if not np.array_equal(now, self.parameters[label]):
                return label
        return None

    def to_complex(self) -> Subject:
        twin = super().to_complex()
        assert isinstance(twin, LayerSubject)
        twin.owners = {label: (owner, p) for label, owner, p in _parameters(twin.target)}
        twin._prepare()
        return twin


class PairSubject(Subject):
    """Two functions: ``forward(*inputs) -> (y, cache)`` and ``backward(dy, cache) -> dx, ...``."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Array]
    ) -> None:
        names = ["x"] if len(inputs) == 1 else [f"x{i}" for i in range(len(inputs))]
        super().__init__(_name(forward), dict(zip(names, inputs, strict=True)))
        self.functions = forward, backward

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        inputs = tuple(self.inputs.values()) if inputs is None else inputs
        return self._pair(self._call("forward", self.functions[0], *inputs))

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        result = self._call("backward", self.functions[1], dy, cache)
        result = result if isinstance(result, tuple) else (result,)
        if len(result) != len(self.inputs):
            raise Broken(
                "contract", f"backward must return {len(self.inputs)} gradients, got {len(result)}"
            )
        names = self.inputs
        return {n: self._array(f"d{n}", g) for n, g in zip(names, result, strict=True)}


class LossSubject(Subject):
    """A loss or a penalty: ``f(*inputs) -> (loss, gradient of the first, of the second, ...)``."""

    is_loss = True

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        result = self._call("forward", function, *inputs)
        if not isinstance(result, tuple) or len(result) < 2:
            raise Broken(
                "contract",
                f"a loss must return (loss, gradient), it returned {_describe(result)}",
            )
        n = len(result) - 1
        names = _argument_names(function, len(inputs))
        super().__init__(_name(function), dict(zip(names[:n], inputs[:n], strict=True)))
        self.function, self.others = function, inputs[n:]

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        inputs = tuple(self.inputs.values()) if inputs is None else inputs
        loss, *gradients = self._call("forward", self.function, *inputs, *self.others)
        loss = self._array("the loss", np.asarray(loss))
        if loss.size != 1:
            raise Broken("contract", f"the loss must be one number, it has shape {loss.shape}")
        return loss, gradients

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        return {n: self._array(f"d{n}", g) for n, g in zip(self.inputs, cache, strict=True)}


def make_subject(target: Any, inputs: Sequence[Any]) -> Subject:
    """Bring `target` and its inputs into one shape, float64 arrays all."""
    arrays = [_float64(a) for a in inputs]
    if hasattr(target, "forward") and hasattr(target, "backward"):
        if len(arrays) != 1:
            raise TypeError(f"a layer takes one input, got {len(arrays)}")
        return LayerSubject(target, arrays[0])
    if isinstance(target, tuple | list) and len(target) == 2 and all(map(callable, target)):
        return PairSubject(target[0], target[1], arrays)
    if callable(target) and not inspect.isclass(target) and arrays:
        return LossSubject(target, arrays)
    raise TypeError(
        "check an object with forward and backward, a pair of such functions, or a loss, each "
        f"with its inputs; got {_describe(target)} and {len(arrays)} inputs"
    )


def _float64(a: Any) -> Any:
    if isinstance(a, float | int | str) or a is None:
        return a
    host = a.get() if hasattr(a, "get") and hasattr(a, "dtype") else a  # CuPy's way to the host
    array = np.asarray(host)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"inputs must be arrays of numbers, got {_describe(a)}")
    return np.array(array, np.float64)


def _parameters(target: Any, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield (label, owner, attribute) of every parameter array."""
    if isinstance(target, Sequential):
        for i, layer in enumerate(target.layers):
            yield from _parameters(layer, f"{prefix}layers[{i}].")
    elif isinstance(target, Layer):
        for p in target.shapes:
            yield prefix + p, target, p
    else:
        attributes = vars(target) if hasattr(target, "__dict__") else {}
        for p in sorted(attributes):
            is_array = isinstance(attributes[p], np.ndarray) and attributes[p].dtype.kind == "f"
            if is_array and "d" + p in attributes:
                yield prefix + p, target, p


def _name(function: Any) -> str:
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def _argument_names(function: Any, n: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return names[:n] if len(names) >= n else [f"x{i}" for i in range(n)]


def _describe(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {value.shape}, {value.dtype}"
    return f"{type(value).__name__} {str(value)[:40]!r}" if value is not None else "None"
