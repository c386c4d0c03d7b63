"""The subjects made of functions, and `make_subject`, which recognises every kind of target."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array
from ..checks import converted
from .layers import LayerSubject
from .objects import ObjectSubject
from .sayings import SOFT, say
from .styles.adapters import argument_names
from .styles.functional import is_function_pair
from .subject import (
    Broken,
    Gradients,
    Subject,
    describe,
    doubled,
    rows_of,
)


class PairSubject(ObjectSubject):
    """Two functions: ``forward(*inputs) -> (y, cache)`` and ``backward(dy, cache) -> dx, ...``."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Array]
    ) -> None:
        names = argument_names(forward, len(inputs))
        named = dict(zip(names, inputs, strict=True))
        self.batch_axis = getattr(forward, "batch_axis", 0)
        super().__init__(target_name(forward), (forward, backward), named)

    def _forward(self, target: Any, inputs: Sequence[Array]) -> Any:
        return self._call("forward", target[0], *inputs)

    def _backward(self, target: Any, dy: Array, cache: Any) -> dict[str, Any]:
        result = self._call("backward", target[1], dy, cache)
        return self._of_inputs(result)


class LossSubject(Subject):
    """A loss or a penalty: ``f(*inputs) -> (loss, gradient of the first, of the second, ...)``."""

    is_loss = True

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
        names = argument_names(function, len(inputs))
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
        is_batch = _is_batch(next(iter(self.inputs.values())), inputs[1:])
        if getattr(function, "batch_axis", 0) < 0 or not is_batch:  # the weights of a network
            self.batch_axis = -1
        self.unseen = list(getattr(function, "unseen", ()))

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        result = self._call("forward", self.function, *self._copies(inputs), *self.others)
        if not isinstance(result, tuple | list) or len(result) < 2:
            raise Broken("contract", say("no loss", got=describe(result)))
        loss = self._array("The loss", np.asarray(result[0]))
        if loss.size != 1:
            raise Broken("contract", say("loss shape", shape=loss.shape))
        return loss.reshape(()), list(result[1:])

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        return {n: self._gradient(n, g) for n, g in zip(self.inputs, cache, strict=True)}

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        # Targets must stay valid (classes, probabilities), so the whole batch is repeated.
        twin = super().doubled(np.copy)
        assert isinstance(twin, LossSubject)
        n, _ = self.batch()
        twin.others = [doubled(a, n, np.copy) for a in self.others]
        return twin

    def modes(self) -> list[str]:
        soft = self._softened(np.random.default_rng(0))
        return [SOFT] if soft is not None and _is_straight(self, soft) else []

    def in_mode(self, mode: str) -> Subject:
        twin = self.with_inputs({k: a.copy() for k, a in self.inputs.items()})
        assert isinstance(twin, LossSubject)
        twin.others = self._softened(np.random.default_rng(1)) or twin.others
        return twin

    def _softened(self, rng: np.random.Generator) -> list[Any] | None:
        """Return targets that are probabilities, not 0 and 1; None if that is impossible."""
        targets = self.others[0] if self.others else None
        if not isinstance(targets, np.ndarray) or targets.dtype.kind != "f" or not targets.ndim:
            return None
        if not np.isin(targets, (0, 1)).all():
            return None
        soft = np.asarray(rng.uniform(0.05, 0.95, targets.shape))
        if targets.ndim == 2 and targets.shape[1] > 1 and (targets.sum(axis=1) == 1).all():
            soft = np.asarray(soft / soft.sum(axis=1, keepdims=True))
        return [soft, *self.others[1:]]

    def rows(self, indices: Array) -> Subject:
        twin = super().rows(indices)
        assert isinstance(twin, LossSubject)
        n, _ = self.batch()
        twin.others = [rows_of(a, n, indices) for a in self.others]
        return twin


def _is_batch(first: Array, others: Sequence[Any]) -> bool:
    """Whether the first input of a loss has a sample for each target."""
    arrays = [a for a in others if isinstance(a, np.ndarray) and a.ndim]
    return bool(first.ndim) and (not arrays or any(len(a) == len(first) for a in arrays))


def _is_straight(subject: LossSubject, soft: list[Any]) -> bool:
    """Whether a loss moves along a straight line as its targets do: then they may be soft.

    A loss that takes the largest target as the class stays where it is, and a hinge has a bend.
    """
    hard, others, losses = subject.others[0], subject.others, []
    for t in (0.0, 0.25, 0.5, 1.0):
        subject.others = [hard + t * (soft[0] - hard), *soft[1:]]
        losses.append(subject.output())
    subject.others = others
    if any(loss is None for loss in losses):
        return False
    a, b, c, d = (float(loss) for loss in losses if loss is not None)
    size = 1e-9 * (abs(a) + abs(d))
    bends = max(abs(b - 0.75 * a - 0.25 * d), abs(c - 0.5 * a - 0.5 * d))
    return abs(d - a) > 1e3 * size >= 1e3 * bends


def make_subject(target: Any, inputs: Sequence[Any]) -> Subject:
    """Wrap `target` and float64 copies of its inputs in a subject."""
    if inspect.isclass(target):
        raise TypeError(f"check an object, not its class: {target.__name__}(...)")
    if hasattr(target, "forward") and hasattr(target, "backward"):
        if not inputs:
            raise TypeError("a layer takes at least one input, got 0")
        return LayerSubject(target, *(float64(a) for a in inputs))
    if is_function_pair(target):
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
    array = converted("inputs", _host(a))
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
