"""A subject in the process of a submission: the checker's side of the questions about it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backend import Array
from ..report import gradient_name
from ..sayings import say
from ..subject import Broken, Gradients, Left, Subject, doubled, rows_of
from ..unseen import REASONS, Unseen
from . import wire
from .process import Process, broken

DEEPEST = 8  # networks inside networks
MANY, MANY_NUMBERS = 2000, 2**18  # outputs in one answer, and numbers in it


@dataclass
class Cache:
    """A cache that is in the other process: its number there."""

    number: int
    release: Callable[[int], None]

    def __del__(self) -> None:
        self.release(self.number)


class RemoteSubject(Subject):
    """A subject in the process of a submission."""

    def __init__(
        self, process: Process, name: str, facts: list[Any], arrays: list[Array], kind: str = "f"
    ) -> None:
        self.number, _, inputs, parameters, *facts = facts
        unseen, constants, modes, self.is_loss, self.has_tangent, self.batch_axis = facts
        self._process, self._modes, self._kind = process, modes, kind
        if len(set(inputs + parameters)) != len(inputs + parameters) or not inputs:
            raise process.garbled(wire.Garbled("one name for two arrays"))
        self._exactly(len(inputs) + len(parameters), arrays)
        for label, a in zip([*inputs, *parameters], arrays, strict=True):
            if a.dtype.kind != kind or not a.size or not np.isfinite(a).all():
                raise Broken("contract", f"{label} must hold finite floats")
        arrays = [a.astype(complex if kind == "c" else float, copy=False) for a in arrays]
        super().__init__(name, dict(zip(inputs, arrays, strict=False)))
        if self.batch_axis >= max(1, arrays[0].ndim):
            raise process.garbled(wire.Garbled("no axis of the input"))
        self.parameters = dict(zip(parameters, arrays[len(inputs) :], strict=True))
        self.unseen = [Unseen(label, why, tuple(more), out) for label, why, more, out in unseen]
        self.constants = constants
        self._depth = 0
        self._facts: dict[str, str | None] = dict.fromkeys(wire.FACTS)
        self._known = {label: a.copy() for label, a in self.arrays.items()}
        self._outputs: weakref.WeakValueDictionary[int, Array] = weakref.WeakValueDictionary()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self._process.forget.append(self.number)

    def _ask(
        self, do: str, fields: dict[str, wire.Check], arrays: Sequence[Array] = (), **question: Any
    ) -> tuple[list[Any], list[Array]]:
        return self._process.ask(do, fields, arrays, **question)

    def _moved(self) -> tuple[list[str], list[Array]]:
        """Return the arrays that changed since the process was told about them."""
        moved = [k for k, a in self.arrays.items() if not np.array_equal(a, self._known[k])]
        for label in moved:
            self._known[label] = self.arrays[label].copy()
        return moved, [self.arrays[label] for label in moved]

    # -- passes -----------------------------------------------------------------------------

    def forward(self, inputs: Sequence[Array] | None = None) -> tuple[Array, Any]:
        return self._forward(inputs, keep=True)

    def output(self) -> Array | None:
        try:
            return np.asarray(self._forward(None, keep=False)[0], np.float64)
        except Broken:
            return None

    def outputs(self, label: str, coordinates: Array, moves: Array) -> Iterator[Array | None]:
        # One question for many outputs: an answer takes longer than a small forward.
        first = self.output()
        size = max(1, min(MANY, MANY_NUMBERS // first.size)) if first is not None else 1
        for begin in range(0, len(coordinates), size):
            part = slice(begin, begin + size)
            yield from self._outputs_of(label, coordinates[part], moves[part])

    def _outputs_of(self, label: str, coordinates: Array, moves: Array) -> Iterator[Array | None]:
        moved, arrays = self._moved()
        (is_there,), answers = self._ask(
            "outputs",
            {"is_there": wire.listed(wire.truth, len(moves))},
            [*arrays, coordinates.astype(np.int64), moves],
            subject=self.number,
            moved=moved,
            label=label,
        )
        n = sum(is_there)
        self._exactly(1 if n else 0, answers)
        if len(is_there) != len(moves) or (n and (len(answers[0]) != n or not answers[0].size)):
            raise self._process.garbled(wire.Garbled("another number of outputs"))
        finite = iter(self._numbers("The y of forward", answers[0]) if n else ())
        yield from (next(finite) if there else None for there in is_there)

    def _forward(self, inputs: Sequence[Array] | None, keep: bool) -> tuple[Array, Any]:
        moved, arrays = self._moved()
        (call, changed, overwritten), answers = self._ask(
            "forward",
            {
                "call": number if keep else wire.nothing,
                "changed": wire.listed(wire.truth, wire.MAX_ARRAYS),
                "overwritten": wire.listed(number, 10**4),
            },
            [*arrays, *(inputs or ())],
            subject=self.number,
            moved=moved,
            own=inputs is None,
            keep=keep,
        )
        # The caller sees these changes as it would in one process: in its own arrays.
        for a, is_changed in zip(inputs or (), changed, strict=False):
            _spoil(a, is_changed)
        for other in overwritten:
            if other in self._outputs:
                _spoil(self._outputs[other], True)
        y = self._numbers("The y of forward", *self._exactly(1, answers))
        if not y.size:
            raise Broken("contract", say("empty", shape=y.shape))
        if self.is_loss and y.shape:
            raise Broken("contract", say("loss shape", shape=y.shape))
        if not keep:
            return y, None
        self._outputs[call] = y
        return y, Cache(call, self._process.forget.append)

    def backward(self, dy: Array, cache: Any, start: Gradients | None = None) -> Gradients:
        (names, changed, labels), arrays = self._ask(
            "backward",
            {
                "names": names_of,
                "changed_dy": wire.truth,
                "labels": labels_of,
            },
            [dy, *(start or {}).values()],
            call=cache.number,
            start=None if start is None else list(start),
        )
        _spoil(dy, changed)
        self._facts = dict(zip(wire.FACTS, labels, strict=True))
        return self._gradients(names, arrays)

    def _gradients(self, names: list[str], arrays: list[Array]) -> Gradients:
        if set(names) != set(self.arrays):
            raise self._process.garbled(wire.Garbled("not the gradients that exist"))
        gradients = dict(zip(names, self._exactly(len(names), arrays), strict=True))
        for label, shape in ((k, a.shape) for k, a in self.arrays.items()):
            name = f"The {gradient_name(label)} of backward"
            gradients[label] = self._numbers(name, gradients[label])
            if gradients[label].shape == shape:
                self.fitting.add(label)
        return {label: gradients[label] for label in self.arrays}

    def _numbers(self, name: str, a: Array) -> Array:
        """Check once more what the process should have checked."""
        if a.dtype.kind not in {"f", self._kind}:
            raise Broken("contract", say("no floats", thing=name, dtype=a.dtype))
        if not np.isfinite(a).all():
            raise Broken("not_finite", say("not finite", thing=name))
        return a

    def _exactly(self, n: int, arrays: list[Array]) -> list[Array]:
        if len(arrays) != n:
            raise self._process.garbled(wire.Garbled("another number of arrays"))
        return arrays

    # -- what else the checker asks ---------------------------------------------------------

    def overflows(self) -> bool:
        moved, arrays = self._moved()
        (is_there,), _ = self._ask(
            "overflows", {"is_there": wire.truth}, arrays, subject=self.number, moved=moved
        )
        return bool(is_there)

    def cache_snapshot(self, cache: Any) -> list[bytes]:
        (digest,), _ = self._ask("cache_snapshot", {"digest": wire.text(64)}, call=cache.number)
        return [digest.encode()]

    def changed_parameter(self) -> str | None:
        return self._facts["changed_parameter"]

    def replaced_gradient(self) -> str | None:
        return self._facts["replaced_gradient"]

    def overwritten_gradient(self) -> str | None:
        return self._facts["overwritten_gradient"]

    def with_inputs(self, inputs: dict[str, Array]) -> Subject:
        return self._copy("inputs", inputs)

    def doubled(self, values: Callable[[Array], Array]) -> Subject:
        if not self.is_loss:
            return super().doubled(values)
        # The targets are in the process alone.
        n, _ = self.batch()
        inputs = {k: doubled(a, n, np.copy) for k, a in self.inputs.items()}
        return self._copy("doubled", inputs)

    def rows(self, indices: Array) -> Subject:
        if not self.is_loss:
            return super().rows(indices)
        n, _ = self.batch()
        inputs = {k: rows_of(a, n, indices) for k, a in self.inputs.items()}
        return self._copy("rows", inputs, indices=[int(i) for i in indices])

    def to_complex(self) -> Subject:
        return self._copy("complex")

    def modes(self) -> list[str]:
        return list(self._modes)

    def in_mode(self, mode: str) -> Subject:
        return self._copy("mode", mode=mode)

    def layers(self) -> list[tuple[str, Subject]]:
        layers = self._twins("layers")
        for layer in layers:
            layer._depth = self._depth + 1
        if layers and self._depth > DEEPEST:
            raise self._process.garbled(wire.Garbled("layers without end"))
        return [(layer.name, layer) for layer in layers]

    def _copy(self, how: str, inputs: Gradients | None = None, **more: Any) -> Subject:
        twins = self._twins(how, inputs, **more)
        if len(twins) != 1 or list(twins[0].arrays) != list(self.arrays):
            raise self._process.garbled(wire.Garbled("not a copy"))
        (twin,) = twins
        # The values are the checker's, whatever the process says.
        kind = complex if twin._kind == "c" else float
        twin.inputs = {k: a.astype(kind) for k, a in self.inputs.items()}
        twin.parameters = {k: a.astype(kind) for k, a in self.parameters.items()}
        if inputs is not None:
            twin.inputs = inputs
        twin.is_loss, twin.has_tangent = self.is_loss, self.has_tangent
        twin.batch_axis = self.batch_axis
        return twin

    def _twins(
        self,
        how: str,
        inputs: Gradients | None = None,
        mode: str = "",
        indices: Sequence[int] = (),
    ) -> list[RemoteSubject]:
        """Ask for copies, or for the layers, which have names of their own."""
        moved, arrays = self._moved()
        (every,), values = self._ask(
            "copy",
            {"subjects": wire.listed(SUBJECT, 1000)},
            [*arrays, *(inputs or {}).values()],
            subject=self.number,
            moved=moved,
            how=how,
            names=list(inputs or {}),
            mode=mode,
            indices=list(indices),
        )
        subjects, at = [], 0
        kind = "c" if how == "complex" else self._kind
        for facts in every:
            n = len(facts[2]) + len(facts[3])
            name = facts[1] if how == "layers" and facts[1] else self.name
            part = self._exactly(n, values[at : at + n])
            subjects.append(RemoteSubject(self._process, name, facts, part, kind))
            at += n
        return subjects

    def as_left(self, dy: Array) -> Left | None:
        moved, arrays = self._moved()
        (left,), values = self._ask(
            "as_left",
            {"left": wire.optional(LEFT)},
            [*arrays, dy],
            subject=self.number,
            moved=moved,
        )
        if left is None:
            return None
        start, gradients, missing, error, shared, readonly = left
        self._exactly(len(start) + len(gradients), values)
        named = {*start, *gradients, *shared, *readonly, *missing[0], *missing[1]}
        if not named <= set(self.parameters):
            raise self._process.garbled(wire.Garbled("not the gradients that exist"))
        sides: list[dict[str, Array | None]] = [
            dict(zip(start, values, strict=False)),
            dict(zip(gradients, values[len(start) :], strict=True)),
        ]
        for side, names in zip(sides, missing, strict=True):
            side.update(dict.fromkeys(names))
        return Left(sides[0], sides[1], error and Broken(*error), tuple(shared), tuple(readonly))

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        _, arrays = self._ask("tangent", {}, [x_dot], call=cache.number)
        return self._numbers("The result of tangent", *self._exactly(1, arrays))

    def backward_tangent(
        self, dy_dot: Array, x_dot: Array, cache: Any, start: Gradients | None = None
    ) -> Gradients:
        (names, labels), arrays = self._ask(
            "backward_tangent",
            {"names": names_of, "labels": labels_of},
            [dy_dot, x_dot, *(start or {}).values()],
            call=cache.number,
            start=None if start is None else list(start),
        )
        self._facts = dict(zip(wire.FACTS, labels, strict=True))
        return self._gradients(names, arrays)


def _spoil(a: Array, is_changed: bool) -> None:
    """Change an array of the caller's, if the process says that its own copy was changed."""
    if is_changed:
        a[...] = a + 1


# -- what the answers consist of ----------------------------------------------------------------

number = wire.whole(0, 2**53)
labels_of = wire.tuple_of(*[wire.optional(wire.label)] * len(wire.FACTS))
names_of = wire.listed(wire.label, wire.MAX_ARRAYS)
SUBJECT = wire.record(
    subject=number,
    layer=wire.optional(wire.said("layer")),
    inputs=names_of,
    parameters=names_of,
    unseen=wire.listed(
        wire.tuple_of(wire.label, wire.one_of(*REASONS), wire.listed(wire.label, 2), wire.truth),
        1000,
    ),
    constants=wire.listed(wire.said("constant"), 1000),
    modes=wire.listed(wire.said("mode"), 1000),
    is_loss=wire.truth,
    has_tangent=wire.truth,
    batch_axis=wire.whole(-1, 1),
)
LEFT = wire.record(
    start=names_of,
    gradients=names_of,
    missing=wire.tuple_of(names_of, names_of),
    error=wire.optional(broken),
    shared=names_of,
    readonly=names_of,
)
