"""The subject of a check: anything with a forward and a backward, behind one interface.

A subject holds its inputs and parameters as float64 copies on the host. After a change to one of
them, `forward` returns the changed output. The wrapped object may live on any backend.
"""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, NumpyBackend
from .numerical import ComplexStep
from .parameters import ParameterRef, arrays_without_gradient, find_parameters, set_dtype
from .report import gradient_name

Gradients = dict[str, Array]


class Broken(Exception):
    """The subject cannot be called, or returns something that the contract forbids.

    Attributes
    ----------
    where : str
        "forward" or "backward" for an exception in that pass, "contract" or "not_finite" for a
        forbidden value.
    detail : str
        The exception or the value.
    place : str
        The line of the checked code that raised the exception, if known.
    """

    def __init__(self, where: str, detail: str, place: str = "") -> None:
        super().__init__(where, detail, place)
        self.where, self.detail, self.place = where, detail, place


class Subject:
    """Forward and backward of one object.

    Attributes
    ----------
    name : str
    inputs, parameters : dict of str to float64 array
        The differentiated arrays, by name.
    is_loss : bool
        True when the output is a number and forward returns the gradients with it.
    without_gradient : list of str
        Arrays that affect the output but have no gradient.
    """

    is_loss = False

    def __init__(self, name: str, inputs: dict[str, Array]) -> None:
        self.name = name
        self.inputs = inputs
        self.parameters: dict[str, Array] = {}
        self.without_gradient: list[str] = []
        self.fitting: set[str] = set()  # arrays whose gradient had the right shape in some call
        self.backend = NumpyBackend()

    @property
    def arrays(self) -> dict[str, Array]:
        """All differentiated arrays."""
        return {**self.inputs, **self.parameters}

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        """Return output and cache, for `inputs` or for copies of the subject's own."""
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        """Return the gradients of the inputs and of the parameters.

        Before the pass, the gradients of the parameters are set to `start`, or to zero.
        """
        raise NotImplementedError

    def output(self) -> Array | None:
        """Return the output in float64, or None if forward fails at these values."""
        try:
            return np.asarray(self.forward()[0], np.float64)
        except Broken:
            return None

    def passes(self, dy: Array) -> tuple[Array, Gradients]:
        """Return the output, as a copy that backward cannot change, and the gradients."""
        y, cache = self.forward()
        y = np.array(y, np.float64)
        return y, self.backward(dy.copy(), cache)

    def with_inputs(self, inputs: dict[str, Array]) -> Subject:
        """Return a copy with other inputs."""
        twin = copy.deepcopy(self)
        twin.inputs = inputs
        return twin

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        """Return a copy with a second batch appended, which `values` makes from the first."""
        n = len(next(iter(self.inputs.values())))
        return self.with_inputs({k: doubled(a, n, values) for k, a in self.inputs.items()})

    def to_complex(self) -> Subject:
        """Return a copy that computes with complex numbers."""
        twin = copy.deepcopy(self)
        twin.inputs = {k: a.astype(complex).view(ComplexStep) for k, a in self.inputs.items()}
        twin.parameters = {k: a.astype(complex) for k, a in self.parameters.items()}
        return twin

    def _copies(self, inputs: Sequence[Array] | None) -> Sequence[Array]:
        """Return `inputs`, or copies of the subject's own, which a pass may overwrite."""
        return [a.copy(order="K") for a in self.inputs.values()] if inputs is None else inputs

    def _call(self, where: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            with np.errstate(all="ignore"):  # NaN and infinity are reported later
                return function(*arguments)
        except (Exception, SystemExit) as error:
            raise Broken(where, f"{type(error).__name__}: {error}", _place(error)) from error

    def _pair(self, result: Any) -> tuple[Array, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise Broken("contract", f"forward must return (y, cache), got {describe(result)}")
        y = self._array("The y of forward", result[0])
        if not y.size:
            raise Broken("contract", f"The y of forward is empty, it has shape {y.shape}")
        return y, result[1]

    def _gradient(self, label: str, value: Any) -> Array:
        # A copy, because the object may reuse its buffer.
        name, shape = f"The {gradient_name(label)} of backward", self.arrays[label].shape
        gradient: Array = self._array(name, value).copy()
        if gradient.shape == shape:
            self.fitting.add(label)
        elif label in self.fitting:
            raise Broken("contract", f"{name} has another shape in a later call: {gradient.shape}")
        return gradient

    def _array(self, name: str, value: Any) -> Array:
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            raise Broken("contract", f"{name} must be an array, got {describe(value)}")
        host: Array = self.backend.to_numpy(value)
        if host.dtype.kind not in "fc":
            raise Broken("contract", f"{name} must hold floats, got {host.dtype}")
        if not np.isfinite(host).all():
            raise Broken("not_finite", f"{name} holds NaN or infinity, but the input is finite")
        return host


class LayerSubject(Subject):
    """A layer, a network, or a student's object with `forward` and `backward`."""

    def __init__(self, target: Any, x: Array) -> None:
        is_library = type(target).__module__.startswith("nngan.")
        name = repr(target) if is_library else type(target).__name__
        super().__init__(name.split("\n")[0].rstrip("("), {"x": x})
        try:
            self.target = copy.deepcopy(target)
        except Exception as error:
            raise Broken("contract", f"The object cannot be copied: {error}") from error
        self.backend = getattr(target, "backend", self.backend)
        self.refs: dict[str, ParameterRef] = {}
        self.refs = find_parameters(self.target, self._rehearse)
        rng = np.random.default_rng(0)
        for label, ref in self.refs.items():
            value = np.array(self.backend.to_numpy(ref.value), np.float64)
            # A parameter that is zero everywhere hides mistakes: W = 0 makes any dx zero.
            self.parameters[label] = value if value.any() else rng.uniform(-0.5, 0.5, value.shape)
        set_dtype(self.target, self.refs, np.float64)
        self.without_gradient = [
            label
            for label, array in arrays_without_gradient(self.target)
            if self._depends_on(array)
        ]

    def _rehearse(self, target: Any) -> None:
        """Run both passes once, to create the attributes that only they create."""
        (x,) = self._copies(None)
        try:
            y, cache = self._pair(self._call("forward", target.forward, x))
            self._call("backward", target.backward, np.ones_like(y), cache)
        except Broken:
            pass  # the check meets it again and reports it

    def _depends_on(self, array: Array) -> bool:
        """Whether the output depends on `array`."""
        before, kept = self.output(), array.copy()
        array += 0.1 * (1 + np.abs(kept))
        after = self.output()
        array[...] = kept
        return before is not None and after is not None and not np.array_equal(before, after)

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        (x,) = self._copies(inputs)
        for label, ref in self.refs.items():
            ref.value[...] = self.backend.asarray(self.parameters[label])
        return self._pair(self._call("forward", self.target.forward, self._on_device(x)))

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        for label, ref in self.refs.items():
            value = np.zeros(self.parameters[label].shape) if start is None else start[label]
            ref.set_gradient(value.astype(ref.value.dtype), self.backend)
        dx = self._call("backward", self.target.backward, self._on_device(dy), cache)
        gradients = {"x": self._gradient("x", dx)}
        for label, ref in self.refs.items():
            gradients[label] = self._gradient(label, ref.gradient)
        return gradients

    def _on_device(self, a: Array) -> Array:
        # On the host nothing is copied: a copy would make a strided input contiguous.
        return a if type(self.backend) is NumpyBackend else self.backend.asarray(a)

    def changed_parameter(self) -> str | None:
        """Return the name of a parameter that the last passes changed, if any."""
        for label, ref in self.refs.items():
            if not np.array_equal(self.backend.to_numpy(ref.value), self.parameters[label]):
                return label
        return None

    def replaced_gradient(self) -> str | None:
        """Return the name of a library layer's gradient that is no longer a view, if any."""
        replaced = (label for label, ref in self.refs.items() if ref.is_replaced)
        return next(map(gradient_name, replaced), None)

    def to_complex(self) -> Subject:
        twin = super().to_complex()
        assert isinstance(twin, LayerSubject)
        set_dtype(twin.target, twin.refs, np.complex128)
        return twin


def describe(value: Any) -> str:
    """Describe a value in a few words."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {value.shape}, {value.dtype}"
    return f"{type(value).__name__} {str(value)[:40]!r}" if value is not None else "None"


def doubled(a: Any, n: int, values: Callable[[Array], Array]) -> Any:
    """Append a second batch, which `values` makes from the first, to an array of n rows."""
    is_batch = isinstance(a, np.ndarray) and a.ndim > 0 and len(a) == n
    return np.concatenate([a, values(a)]) if is_batch else a


def _place(error: BaseException) -> str:
    """Return the line of the checked code that raised an exception."""
    here = os.path.dirname(__file__)
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if not f.filename.startswith(here) and "numpy" not in f.filename
    ]
    return f"line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
