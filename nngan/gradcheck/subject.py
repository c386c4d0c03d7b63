"""The subject of a check: anything with a forward and a backward, behind one interface.

A subject holds its inputs and parameters as float64 copies on the host. After a change to one of
them, `forward` returns the changed output. The wrapped object may live on any backend.
"""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Backend, NumpyBackend
from .numerical import ComplexStep
from .report import Finding, gradient_name
from .sayings import say
from .unseen import Unseen

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


class Ended(BaseException):
    """The process of the object is at its end: no `except Exception` may stop this.

    Attributes
    ----------
    finding : Finding
        The reason.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


class Left(NamedTuple):
    """Both passes on the gradients that the object has prepared, not on those of the checker.

    Attributes
    ----------
    start, gradients : dict of str to array or None
        The gradients before and after backward; None where there is none.
    error : Broken or None
        The exception that ended the passes.
    shared : tuple of str
        Gradients that belong to the class, and so to every object of it.
    readonly : tuple of str
        Gradients that cannot be written.
    """

    start: dict[str, Array | None]
    gradients: dict[str, Array | None]
    error: Broken | None = None
    shared: tuple[str, ...] = ()
    readonly: tuple[str, ...] = ()


class Subject:
    """Forward and backward of one object: all that the checker knows of it.

    The checker moves numbers in `inputs` and `parameters` and calls the methods below. It never
    looks at the object itself, which may be in another process. A subclass must have `forward` and
    `backward`; every other method has a default that fits an object without the feature.

    Attributes
    ----------
    name : str
        The object's name, for the report.
    inputs, parameters : dict of str to float64 array
        The differentiated arrays, by label. The checker changes them in place, and `forward` reads
        them. A number of a Python object is an array of shape ().
    is_loss : bool
        True when the output is a number and forward returns the gradients with it.
    unseen : list of Unseen
        Numbers that move the output and have no gradient.
    constants : list of str
        Sentences on the plain numbers that move the output, such as "slope = 0.2, not compared".
    batch_axis : int
        The axis of the first input that counts the samples; -1 if it is one sample.
    has_tangent : bool
        Whether the object has the passes of a gradient penalty.
    fitting : set of str
        Arrays whose gradient had the right shape in some call.

    Notes
    -----
    - The inputs of `forward` may be float32, in Fortran order or strided; y is a NumPy float array,
      the cache any token that only this subject reads, and it may be used many times.
    - `backward` returns the gradient of every input and parameter, in the dtype and shape that the
      object left.
    - Copies (`with_inputs`, `rows`, `to_complex`, `in_mode`) are subjects over the same object,
      with `inputs` and `parameters` of their own.
    - `changed_parameter` and `replaced_gradient` are asked after a forward and a backward,
      `overwritten_gradient` after two backwards.

    Each call raises `Broken` if the object raises or returns something forbidden.
    """

    is_loss = False
    has_tangent = False
    batch_axis = 0

    def __init__(self, name: str, inputs: dict[str, Array]) -> None:
        self.name = name
        self.inputs = inputs
        self.parameters: dict[str, Array] = {}
        self.unseen: list[Unseen] = []
        self.constants: list[str] = []
        self.fitting: set[str] = set()
        self.backend: Backend = NumpyBackend()
        self._overflowed = False

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

    def outputs(self, label: str, coordinates: Array, moves: Array) -> Iterator[Array | None]:
        """Yield `output` for each element of an array that moves alone, by its flat index."""
        a = self.arrays[label]
        for i, move in zip(coordinates, moves, strict=True):
            kept = a.flat[i]
            a.flat[i] = kept + move
            output = self.output()
            a.flat[i] = kept
            yield None if output is None else output.copy()  # it may be one buffer

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
        n, axis = self.batch()
        twice = {k: doubled(a, n, values, axis) for k, a in self.inputs.items()}
        return self.with_inputs(twice)

    def cache_snapshot(self, cache: Any) -> list[bytes]:
        """Return the bytes of the arrays in a cache, to see whether backward changes them."""
        return [a.tobytes() for a in arrays_in(cache)]

    def overflows(self) -> bool:
        """Whether a number overflows in forward."""
        self._overflowed = False
        self.forward()
        return self._overflowed

    def modes(self) -> list[str]:
        """Return the names of the other modes, such as "training=False"."""
        return []

    def in_mode(self, mode: str) -> Subject:
        """Return a copy that computes in another mode."""
        raise NotImplementedError

    def as_left(self, dy: Array) -> Left | None:
        """Run both passes on the object's own gradients; None if it has no parameters."""
        return None

    def changed_parameter(self) -> str | None:
        """Return the name of a parameter that the last passes changed, if any."""
        return None

    def replaced_gradient(self) -> str | None:
        """Return the name of a library layer's gradient that is no longer a view, if any."""
        return None

    def overwritten_gradient(self) -> str | None:
        """Return the name of a returned gradient that a later backward has changed, if any."""
        return None

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        """Return the derivative of the output along `x_dot`.

        Raises NotImplementedError if the object has no such pass after all.
        """
        raise NotImplementedError

    def backward_tangent(
        self, dy_dot: Array, x_dot: Array, cache: Any, start: Gradients | None = None
    ) -> Gradients:
        """Return the gradients of <dy_dot, tangent(x_dot)>, like `backward`."""
        raise NotImplementedError

    def layers(self) -> list[tuple[str, Subject]]:
        """Return the layers of a network, each with a name and its own input."""
        return []

    def rows(self, indices: Array) -> Subject:
        """Return a copy with some rows of the batch, which may be repeated."""
        n, axis = self.batch()
        chosen = {k: rows_of(a, n, indices, axis) for k, a in self.inputs.items()}
        return self.with_inputs(chosen)

    def batch(self) -> tuple[int, int]:
        """Return the number of samples and their axis. Raises ValueError for one sample."""
        if self.batch_axis < 0:
            raise ValueError("the input is one sample")
        return next(iter(self.inputs.values())).shape[self.batch_axis], self.batch_axis

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
            # NaN and infinity are reported later.
            with np.errstate(all="ignore", over="call", call=self._overflow):
                return function(*arguments)
        except (Exception, SystemExit) as error:
            raise Broken(where, f"{type(error).__name__}: {error}", line_of(error)) from error

    def _overflow(self, *_: Any) -> None:
        self._overflowed = True

    def _pair(self, result: Any) -> tuple[Array, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise Broken("contract", say("no pair", got=describe(result)))
        y = self._array("The y of forward", result[0])
        if not y.size:
            raise Broken("contract", say("empty", shape=y.shape))
        return y, result[1]

    def _gradient(self, label: str, value: Any) -> Array:
        # A copy, because the object may reuse its buffer.
        name, shape = f"The {gradient_name(label)} of backward", self.arrays[label].shape
        gradient: Array = self._array(name, value).copy()
        if gradient.shape == shape:
            self.fitting.add(label)
        elif label in self.fitting:
            raise Broken("contract", say("another shape", thing=name, shape=gradient.shape))
        return gradient

    def _array(self, name: str, value: Any) -> Array:
        is_array = hasattr(value, "dtype") and hasattr(value, "shape")
        if type(self.backend) is NumpyBackend:  # no object that makes up an array when it is asked
            is_array = isinstance(value, np.ndarray | np.generic)
        if not is_array:
            raise Broken("contract", say("no array", thing=name, got=describe(value)))
        host: Array = self.backend.to_numpy(value)
        if host.dtype.kind not in "fc":
            raise Broken("contract", say("no floats", thing=name, dtype=host.dtype))
        if not np.isfinite(host).all():
            raise Broken("not_finite", say("not finite", thing=name))
        return host


def describe(value: Any) -> str:
    """Describe a value in a few words."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {value.shape}, {value.dtype}"
    return f"{type(value).__name__} {str(value)[:40]!r}" if value is not None else "None"


def arrays_in(tree: Any) -> list[Array]:
    """Return the NumPy arrays in a cache, however it is nested."""
    if isinstance(tree, np.ndarray):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [a for branch in tree for a in arrays_in(branch)]
    return []


def rows_of(a: Any, n: int, indices: Array, axis: int = 0) -> Any:
    """Return some samples of an array of n samples along an axis."""
    is_batch = isinstance(a, np.ndarray) and a.ndim > axis and a.shape[axis] == n
    return a.take(indices, axis) if is_batch else a


def doubled(a: Any, n: int, values: Callable[[Array], Array], axis: int = 0) -> Any:
    """Append a second batch, which `values` makes from the first, to an array of n samples."""
    is_batch = isinstance(a, np.ndarray) and a.ndim > axis and a.shape[axis] == n
    return np.concatenate([a, values(a)], axis) if is_batch else a


HERE = Path(__file__).resolve().parents[1]
NUMPY = Path(np.__file__).resolve().parent


def line_of(error: BaseException) -> str:
    """Return the line of the checked code that raised an exception."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_ours(f.filename)]
    return f"line {frames[-1].lineno}: {frames[-1].line}" if frames else ""


def is_ours(filename: str) -> bool:
    """Whether a file belongs to this library or to NumPy, by its folder and not by its name."""
    # On Windows, one folder has many spellings.
    path = Path(os.path.normcase(os.path.abspath(filename)))
    real = Path(os.path.normcase(os.path.realpath(filename)))
    folders = [Path(os.path.normcase(f)) for f in (HERE, NUMPY)]
    return any(p.is_relative_to(folder) for p in (path, real) for folder in folders)
