"""The subject of an object in this process: its parameters are found, moved, and put back."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ..backend import Array, Backend
from ..layers import Layer
from .copies import copied
from .leaves import is_number
from .numerical import ComplexStep
from .parameters import Parameter, initialize, set_dtype
from .places import Place, places
from .report import gradient_name
from .sayings import say
from .search import find_parameters
from .subject import Broken, Gradients, Left, Subject, doubled
from .unseen import Unseen
from .writing import as_array, keep, put
from .written import run, unpaired

MANY = 12  # constants that are moved


class ObjectSubject(Subject):
    """An object of this process: its parameters are found, moved, and put back.

    A subclass says how the two passes are called: `_forward` and `_backward`.
    """

    def __init__(
        self, name: str, target: Any, inputs: dict[str, Array], backend: Backend | None = None
    ) -> None:
        super().__init__(name, inputs)
        self.backend = backend or self.backend
        self.original = target  # alive, because weak references may lead to it
        self.mode: tuple[str, Any] | None = None
        self.movable: dict[str, tuple[Place, float]] = {}  # constants, at another value
        self.changed: str | None = None
        self.buffers: dict[str, Any] = {}
        self.returned: dict[str, tuple[Array, bytes]] = {}
        self.overwritten: str | None = None
        self.complex_target: Any = None
        self.target = twin = self._copy(target)
        self.refs: dict[str, Parameter] = {}
        found = find_parameters(self.target, self._trial, self._rehearse, self._run_other_modes)
        self.target, self.unseen, self.constants = found.target, found.unseen, found.constants
        rng = np.random.default_rng(0)
        for label, ref in found.parameters.items():
            value = ref.value(self.target)
            if value.dtype.kind not in "fiub":
                self.unseen.append(Unseen(label, "no floats"))
                continue
            label = f"self.{label}" if label in inputs else label
            value = value.astype(np.float64)
            # A parameter that is zero everywhere hides mistakes: W = 0 makes any dx zero.
            if not value.any():
                value = np.asarray(rng.uniform(-0.5, 0.5, value.shape))
            self.parameters[label] = value
            self.refs[label] = ref
        set_dtype(self.target, np.float64)
        self._bind()
        self.is_prepared = self.target is not twin  # only its first passes make some parameters
        known = {p for ref in self.refs.values() for p in (*ref.places, *ref.gradients)}
        with suppress(Broken):  # the check meets it again and reports it
            self.unseen += unpaired(self.target, self._both_passes, known)
            if found.movable and not self._has_derived(found.still):
                self._move_constants(found.movable)

    def work_on_the_object_itself(self) -> None:
        """Call the object that was given, and not a copy, because a copy may know that it is one.

        It is changed then, so this is for an object that nobody else uses.
        """
        if not self.is_prepared:
            does_copy_work = self.output() is not None
            itself, self.original = self.original, self._copy(self.original)  # for `as_left`
            self.alive, self.target = itself, itself
            initialize(self.target)
            set_dtype(self.target, np.float64)
            self._bind()
            if not does_copy_work and self.output() is not None:
                raise Broken("contract", say("no copy", quote="forward fails on a copy"))

    def _bind(self) -> None:
        """Remember the library's layers that own parameters: reading their paths takes time."""
        self.bound: dict[str, tuple[Layer, str]] = {}
        self.outside = tuple(p for ref in self.refs.values() for p in ref.outside)
        for label, ref in self.refs.items():
            if layer := ref.places[0].layer(self.target):
                self.bound[label] = layer, ref.places[0].steps[-1][1]

    def _set(self, label: str, ref: Parameter) -> None:
        value = self.parameters[label]
        if label in self.bound:
            layer, name = self.bound[label]
            getattr(layer, name)[...] = layer.backend.asarray(value)
        else:
            ref.set_value(self.target, value)

    def _forward(self, target: Any, inputs: Sequence[Array]) -> Any:
        """Call forward of `target`, in the subject's mode."""
        raise NotImplementedError

    def _backward(self, target: Any, dy: Array, cache: Any) -> dict[str, Any]:
        """Call backward of `target`; return the gradients of the inputs."""
        raise NotImplementedError

    def _of_inputs(self, result: Any) -> dict[str, Any]:
        """Return the gradients of several inputs by name."""
        result = tuple(result) if isinstance(result, tuple | list) else (result,)
        if len(result) != len(self.inputs):
            raise Broken("contract", say("gradients", n=len(self.inputs), n2=len(result)))
        return dict(zip(self.inputs, result, strict=True))

    def _copy(self, target: Any) -> Any:
        try:
            return copied(target)
        except Exception as error:
            raise Broken("contract", say("no copy", quote=error)) from error

    def __deepcopy__(self, memo: dict[int, Any]) -> ObjectSubject:
        twin = copy.copy(self)
        twin.inputs, twin.parameters = copy.deepcopy((self.inputs, self.parameters))
        twin.target, twin.buffers, twin.returned = copied(self.target), {}, {}
        twin.complex_target = None
        twin._bind()
        return twin

    def with_inputs(self, inputs: dict[str, Array]) -> Subject:
        # The object is shared: each forward sets its parameters anew.
        twin = copy.copy(self)
        twin.inputs, twin.parameters = inputs, copy.deepcopy(self.parameters)
        twin.fitting, twin.returned, twin.buffers = set(), {}, {}
        return twin

    # -- what the search for parameters calls ------------------------------------------------------

    def _rehearse(self, target: Any) -> None:
        """Run both passes once, to create the attributes that only they create."""
        try:
            y, cache = self._pair(self._forward(target, self._copies(None)))
            self._backward(target, np.ones_like(y), cache)
        except Broken:
            pass  # the check meets it again and reports it

    def _trial(self, target: Any, i: int) -> Array | None:
        """Return an output of `target` for the inputs, or for others."""
        inputs = self._copies(None)
        if i:
            rng = np.random.default_rng(i)
            inputs = [rng.standard_normal(a.shape) * max(1.0, np.abs(a).max()) for a in inputs]
        try:
            return np.array(self._pair(self._forward(target, inputs))[0])
        except Broken:
            return None

    def _both_passes(
        self, target: Any, factor: float, twice: bool, between: Callable[[], None]
    ) -> Iterable[Any]:
        """Run both passes, on its own gradients; return dy and what backward returns."""
        inputs, axis = self._copies(None), self.batch_axis
        if twice:
            n = inputs[0].shape[axis] if axis >= 0 and inputs[0].ndim > axis else -1
            inputs = [doubled(a, n, lambda b: 0.5 * b, axis) for a in inputs]
        y, cache = self._pair(self._forward(target, inputs))
        between()
        dy = factor * np.linspace(0.5, 1.5, y.size).reshape(y.shape).astype(y.dtype)
        returned = self._backward(target, dy.copy(), cache)
        return [dy, *(self._array("A gradient", a) for a in returned.values())]

    def _has_derived(self, still: Sequence[Place]) -> bool:
        """Whether backward reads a number that forward does not: it may follow from a constant."""
        first = run(self.target, self._both_passes).passed
        for place in still[:MANY]:
            twin = copied(self.target)
            restore = keep(twin, (place,))
            try:
                put(twin, (place,), np.asarray(as_array(place.read(twin)) * 1.5 + 0.1))
                second = run(twin, self._both_passes).passed
                if not all(map(np.array_equal, first, second)):
                    return True
            except Exception:
                return True
            finally:
                restore()
        return False

    def _move_constants(self, constants: Sequence[Place]) -> None:
        for place in constants[:MANY]:
            moved = float(f"{1.7 * place.read(self.target) + 0.1:.6g}")
            self.movable[f"{place.label} = {moved:.6g}"] = place, moved

    def _with_constant(self, mode: str) -> Subject:
        """Return a copy with a constant at another value. Raises Broken if that does not fit."""
        twin = copy.deepcopy(self)
        place, value = self.movable[mode]
        y = np.array(self.forward()[0])
        try:
            place.write(twin.target, type(place.read(twin.target))(value))
        except Exception as error:
            raise Broken("contract", say("mode not set", mode=mode)) from error
        twin.passes(np.ones_like(y))
        first, second = (np.array(twin.forward()[0]) for _ in range(2))
        if first.shape != y.shape or not np.array_equal(first, second):
            raise Broken("contract", say("other layer", mode=mode))
        return twin

    def _run_other_modes(self, target: Any) -> None:
        for mode in self.modes():
            twin = copy.copy(self)
            twin.mode = self._split(mode)
            twin._trial(target, 0)

    # -- the passes --------------------------------------------------------------------------------

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        copies = self._copies(inputs)
        with self._borrowed():
            return self._pair(self._forward(self.target, copies))

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        return self._gradients(dy, start, lambda: self._backward(self.target, dy, cache))

    def _gradients(
        self, dy: Array, start: Gradients | None, run: Callable[[], dict[str, Any]]
    ) -> Gradients:
        """Return the gradients that `run` returns and leaves in the object."""
        with self._borrowed(set_internal=False):
            for label, ref in self.refs.items():
                value = np.zeros(self.parameters[label].shape) if start is None else start[label]
                if self.parameters[label].dtype.kind == "c":
                    value = value.astype(complex)
                ref.set_gradient(self.target, value)
                if label in self.bound:
                    self.buffers[label] = ref.gradient(self.target)
            returned = run()
            gradients = {n: self._gradient(n, g) for n, g in returned.items()}
            for name, (array, before) in self.returned.items():
                same = array is returned[name] or np.shares_memory(array, returned[name])
                if same and array.tobytes() != before:
                    self.overwritten = gradient_name(name)
            self.returned = {
                n: (g, g.tobytes())
                for n, g in returned.items()
                if isinstance(g, np.ndarray) and not np.shares_memory(g, dy)
            }
            for label, ref in self.refs.items():
                try:
                    left = ref.gradient(self.target)
                except Exception:
                    left = None
                if is_number(left) or isinstance(left, list | tuple):
                    left = np.asarray(left)
                gradients[label] = self._gradient(label, left)
            self.changed = self._changed_now()
        return gradients

    @contextmanager
    def _borrowed(self, set_internal: bool = True) -> Iterator[None]:
        """Set the parameters; put back those that belong to a class, a module or a function."""
        restore = keep(self.target, self.outside) if self.outside else None
        try:
            for label, ref in self.refs.items():
                if set_internal or any(p.outside for p in ref.places):
                    try:
                        self._set(label, ref)
                    except Exception as error:
                        sentence = say("not set", label=label, quote=error)
                        raise Broken("contract", sentence) from error
            yield
        finally:
            if restore:
                restore()

    def _changed_now(self) -> str | None:
        for label, ref in self.refs.items():
            if not np.array_equal(ref.value(self.target), self.parameters[label]):
                return label
        return None

    def changed_parameter(self) -> str | None:
        return self.changed

    def overwritten_gradient(self) -> str | None:
        return self.overwritten

    def replaced_gradient(self) -> str | None:
        for label, ref in self.refs.items():
            if label in self.buffers and ref.gradient(self.target) is not self.buffers[label]:
                return gradient_name(label)
        return None

    def to_complex(self) -> Subject:
        if self.complex_target is None:
            self.complex_target = copied(self.target)
            set_dtype(self.complex_target, np.complex128)
        twin = copy.copy(self)
        twin.target = self.complex_target
        twin.inputs = {k: a.astype(complex).view(ComplexStep) for k, a in self.inputs.items()}
        twin.parameters = {k: a.astype(complex) for k, a in self.parameters.items()}
        twin._bind()
        return twin

    # -- gradients as the object prepares them -----------------------------------------------------

    def as_left(self, dy: Array) -> Left | None:
        refs = {k: r for k, r in self.refs.items() if k not in self.bound}
        if not refs:
            return None
        target = self._copy(self.original)
        initialize(target)
        set_dtype(target, np.float64)
        shared_places = tuple(p for p, _ in places(target) if p.outside)
        restore = keep(target, shared_places)
        start: dict[str, Array | None] = {}
        left: dict[str, Array | None] = {}
        try:
            self._trial(target, 0)  # makes what the first forward makes
            for label, ref in self.refs.items():
                with suppress(Exception):
                    now = ref.value(target)
                    if not np.array_equal(now, self.parameters[label]):
                        ref.set_value(target, self.parameters[label].astype(
                            now.dtype if now.dtype.kind == "f" else np.float64))  # fmt: skip
            for name in ("zero_grad", "zero_grads", "zero_gradients", "zero_gradient"):
                method = getattr(target, name, None)
                if callable(method):
                    with suppress(Exception):
                        method()
            readonly = []
            for label, ref in refs.items():
                start[label] = ref.gradient_left(target)
                with suppress(Exception):  # a copy can always be written
                    if not ref.gradient(self.original).flags.writeable:
                        ref.gradient(target).flags.writeable = False
                        readonly.append(label)
            try:
                _, cache = self._pair(self._forward(target, self._copies(None)))
                self._backward(target, dy, cache)
            except Broken as error:
                return Left(start, {}, error, readonly=tuple(readonly))
            for label, ref in refs.items():
                left[label] = ref.gradient_left(target)
            held = (k for k in refs if start[k] is not None)
            shared = [k for k in held if refs[k].shares_gradient(target)]
            return Left(start, left, None, tuple(shared))
        finally:
            restore()

    # -- modes -------------------------------------------------------------------------------------

    @staticmethod
    def _split(mode: str) -> tuple[str, Any]:
        name, _, value = mode.partition("=")
        return name, ast.literal_eval(value)

    def in_mode(self, mode: str) -> Subject:
        if mode in self.movable:
            return self._with_constant(mode)
        twin = copy.deepcopy(self)
        twin.mode = self._split(mode)
        return twin
