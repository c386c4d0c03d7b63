"""What is checked: anything with a forward and a backward, brought into one shape.

A subject holds float64 copies, on the host, of its inputs and parameters; whoever moves one of
them and calls `forward` again sees the output move. What it wraps may live on any backend.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import Array, NumpyBackend
from .numerical import ComplexStep
from .parameters import Owner, adopt, find_owners, without_partner
from .report import gradient_name


class Broken(Exception):
    """The subject cannot be called, or returns what the contract does not allow.

    Its arguments: where ("forward", "backward", "contract", "not_finite"), what, and the line of
    code that it comes from, if there is one.
    """


class Subject:
    """Forward and backward of one thing.

    Attributes
    ----------
    name : str
    inputs, parameters : dict of str to float64 array
        What is differentiated, by name.
    is_loss : bool
        True when the output is a number and the gradients come with it.
    unpartnered : list of str
        Arrays that look like parameters but have no gradient.
    """

    is_loss = False

    def __init__(self, name: str, inputs: dict[str, Array]) -> None:
        self.name = name
        self.inputs = inputs
        self.parameters: dict[str, Array] = {}
        self.unpartnered: list[str] = []
        self.fitting: set[str] = set()  # arrays whose gradient had the right shape once
        self.backend = NumpyBackend()

    @property
    def arrays(self) -> dict[str, Array]:
        """Everything that is differentiated."""
        return {**self.inputs, **self.parameters}

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        """Return output and cache, for copies of the subject's own inputs or for others."""
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        """Return what backward leaves: dx of each input, and the buffers of the parameters.

        The buffers begin at `start`, or at zero.
        """
        raise NotImplementedError

    def output(self) -> Array | None:
        """Return the output in float64, or None where there is none at these values."""
        try:
            return np.asarray(self.forward()[0], np.float64)
        except Broken:
            return None

    def with_inputs(self, inputs: dict[str, Array]) -> Subject:
        """Return a copy that is called with other inputs."""
        twin = copy.deepcopy(self)
        twin.inputs = inputs
        return twin

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        """Return a copy with two batches, the second made from the first by `values`."""
        n = len(next(iter(self.inputs.values())))
        return self.with_inputs({k: double(a, n, values) for k, a in self.inputs.items()})

    def to_complex(self) -> Subject:
        """Return a copy that computes with complex numbers."""
        twin = copy.deepcopy(self)
        twin.inputs = {k: a.astype(complex).view(ComplexStep) for k, a in self.inputs.items()}
        twin.parameters = {k: a.astype(complex) for k, a in self.parameters.items()}
        return twin

    def _call(self, where: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            with np.errstate(all="ignore"):  # what comes of it, NaN or infinity, is reported
                return function(*arguments)
        except (Exception, SystemExit) as error:
            raise Broken(where, f"{type(error).__name__}: {error}", _place(error)) from error

    def _pair(self, result: Any) -> tuple[Array, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise Broken(
                "contract", f"forward must return (y, cache), it returned {describe(result)}"
            )
        y = self._array("forward's y", result[0])
        if not y.size:
            raise Broken("contract", f"forward's y is empty, it has shape {y.shape}")
        return y, result[1]

    def _gradient(self, label: str, value: Any) -> Array:
        # A copy: the object may use its buffer again.
        name, shape = f"backward's {gradient_name(label)}", self.arrays[label].shape
        gradient: Array = self._array(name, value).copy()
        if gradient.shape == shape:
            self.fitting.add(label)
        elif label in self.fitting:
            raise Broken("contract", f"{name} has another shape in a later call: {gradient.shape}")
        return gradient

    def _array(self, name: str, value: Any) -> Array:
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            raise Broken("contract", f"{name} must be an array, it is {describe(value)}")
        host: Array = self.backend.to_numpy(value)
        if host.dtype.kind not in "fc":
            raise Broken("contract", f"{name} must hold floats, it holds {host.dtype}")
        if not np.isfinite(host).all():
            raise Broken("not_finite", f"{name} holds NaN or infinity, though the input is finite")
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
            raise Broken("contract", f"it cannot be copied: {error}") from error
        self.backend = getattr(target, "backend", self.backend)
        self.owners: dict[str, Owner] = {}
        self.owners = find_owners(self.target, self._rehearse)
        rng = np.random.default_rng(0)
        for label, owner in self.owners.items():
            value = np.array(self.backend.to_numpy(owner.value), np.float64)
            # A parameter that is zero everywhere hides mistakes: W = 0 makes any dx zero.
            self.parameters[label] = value if value.any() else rng.uniform(-0.5, 0.5, value.shape)
        adopt(self.target, self.owners, np.float64)
        self.unpartnered = [
            label for label, array in without_partner(self.target) if self._moves(array)
        ]

    def _rehearse(self, target: Any) -> None:
        """Run both passes once, so that attributes which only they make are there."""
        x = next(iter(self.inputs.values()))
        try:
            y, cache = self._pair(self._call("forward", target.forward, x.copy()))
            self._call("backward", target.backward, np.ones_like(y), cache)
        except Broken:
            pass  # it will be met again, and reported

    def _moves(self, array: Array) -> bool:
        """Whether the output depends on `array`."""
        before, kept = self.output(), array.copy()
        array += 0.1 * (1 + np.abs(kept))
        after = self.output()
        array[...] = kept
        return before is not None and after is not None and not np.array_equal(before, after)

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        (x,) = [copied(a) for a in self.inputs.values()] if inputs is None else inputs
        for label, owner in self.owners.items():
            owner.value[...] = self.backend.asarray(self.parameters[label])
        # A strided input is part of the test: a copy on the host would make it contiguous.
        x = x if type(self.backend) is NumpyBackend else self.backend.asarray(x)
        return self._pair(self._call("forward", self.target.forward, x))

    def backward(self, dy: Array, cache: Any, start: dict[str, Array] | None = None) -> Any:
        for label, owner in self.owners.items():
            value = np.zeros(self.parameters[label].shape) if start is None else start[label]
            owner.begin(value.astype(owner.value.dtype), self.backend)
        dy = dy if type(self.backend) is NumpyBackend else self.backend.asarray(dy)
        dx = self._call("backward", self.target.backward, dy, cache)
        gradients = {"x": self._gradient("x", dx)}
        for label, owner in self.owners.items():
            gradients[label] = self._gradient(label, owner.gradient)
        return gradients

    def written(self) -> str | None:
        """Return the name of a parameter that the last call has changed, if there is one."""
        for label, owner in self.owners.items():
            now = self.backend.to_numpy(owner.value)
            if not np.array_equal(now, self.parameters[label]):
                return label
        return None

    def replaced(self) -> str | None:
        """Return the name of a gradient of a library layer that is no longer a view."""
        return next((label for label, owner in self.owners.items() if owner.replaced), None)

    def to_complex(self) -> Subject:
        twin = super().to_complex()
        assert isinstance(twin, LayerSubject)
        adopt(twin.target, twin.owners, np.complex128)
        return twin


def describe(value: Any) -> str:
    """Say in a few words what a value is."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {value.shape}, {value.dtype}"
    return f"{type(value).__name__} {str(value)[:40]!r}" if value is not None else "None"


def copied(a: Array) -> Array:
    """Copy an input: a pass that writes into it must not spoil the comparison."""
    copy: Array = a.copy(order="K")
    return copy


def double(a: Any, n: int, values: Callable[[Array], Array]) -> Any:
    """Append to a batch of n a second one, made from it by `values`."""
    is_batch = isinstance(a, np.ndarray) and a.ndim > 0 and len(a) == n
    return np.concatenate([a, values(a)]) if is_batch else a


def _place(error: BaseException) -> str:
    """Return the line of the checked code in which an exception began."""
    here = __file__.rpartition("/")[0]
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if not f.filename.startswith(here) and "numpy" not in f.filename
    ]
    return f"line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
