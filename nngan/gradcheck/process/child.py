"""The process of a submission: it executes the student's file and serves what it defines.

The checker is in the other process, see `remote`. It asks; this process answers with numbers. The
student's code can change everything here, so the checker believes nothing of it: no verdict is
reached here. What follows keeps honest code from disturbing the answers by accident.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import random
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..objects import ObjectSubject
from ..report import Finding
from ..sayings import say
from ..styles.guesses import other_arguments
from ..styles.made import Made, Settings, Unrecognised
from ..styles.make import make
from ..styles.source import Checkable, adapter_of, checkable, load
from ..subject import Broken, Subject
from ..targets import make_subject
from . import wire
from .life import end, end_with, limit_memory, take_over
from .values import NoSuchArray, output_at, rehearse
from .watch import watch

PACKAGE = __name__.rpartition(".process.")[0]
Answer = tuple[wire.Header, Sequence[Any]]


def main() -> None:
    """Serve until the checker closes the connection, or is gone."""
    connection, life, last_words = take_over()
    faulthandler.enable(last_words)  # a crash leaves its line too
    threading.Thread(target=end_with, args=(life, os.read, end), daemon=True).start()
    serve(connection, last_words)


def serve(connection: socket.socket, last_words: int) -> None:
    """Answer the checker's questions, one after the other."""
    server, send, receive = _Server(last_words), wire.send, wire.receive
    _keep_numpy()
    send(connection, {"kind": "done", "n": 0})
    while True:
        try:
            question, arrays = receive(connection)
        except wire.Closed:
            end()
        n = question.pop("n")
        try:
            fields, values = server.answer(question, arrays)
            values = [_sendable(a) for a in values]
            answer: wire.Header = {"kind": "done", "n": n, **fields}
        except Broken as error:
            answer, values = {"kind": "broken", "n": n, **_broken(error)}, []
        except Unrecognised as error:
            answer, values = {"kind": "refused", "n": n, **_refused(error.finding)}, []
        except NotImplementedError as error:  # by a tangent, or by the student's code
            answer, values = {"kind": "missing", "n": n, **_raised(error, server.file)}, []
        except BaseException as error:  # sys.exit is one
            server.spare = b""
            answer, values = {"kind": "raised", "n": n, **_raised(error, server.file)}, []
        send(connection, answer, values)


def _keep_numpy() -> None:
    """Give the server its own modules: what the student's code patches is not what runs here."""
    kept = _copied(np)
    kept.random, kept.linalg = _copied(np.random), _copied(np.linalg)
    ours = [name for name in sys.modules if f"{name}.".startswith(f"{PACKAGE}.")]
    for name in ours:
        module = sys.modules.pop(name)  # who imports the package now gets another copy
        if "np" in vars(module):
            vars(module)["np"] = kept
    delattr(sys.modules[PACKAGE.rpartition(".")[0]], PACKAGE.rpartition(".")[2])


def _copied(module: ModuleType) -> Any:
    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module))
    return copy


@dataclass
class _Call:
    """One forward: what it returned, and how its output was."""

    subject: Subject
    cache: Any
    y: Any
    sent: Any


class _Server:
    """The objects that the checker asks about; each has a number."""

    def __init__(self, last_words: int) -> None:
        self.last_words = last_words
        self.spare = bytes(2**22)  # for the answer, when there is no memory left
        self.file = Path()
        self.things: dict[str, Checkable] = {}
        self.make: Callable[[Checkable, Settings], Made] = make
        self.subjects: dict[int, Subject] = {}
        self.calls: dict[int, _Call] = {}
        self.numbers = 0

    def answer(self, question: wire.Header, arrays: list[Any]) -> Answer:
        for number in question.pop("forget", []):
            self.subjects.pop(number, None)
            self.calls.pop(number, None)
        do: Callable[..., Answer] = getattr(self, "do_" + question.pop("do"))
        return do(arrays, **question)

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    # -- the file ---------------------------------------------------------------------------

    def do_load(
        self, _: list[Any], file: str, seed: int, timeout: float, memory: int | None
    ) -> Answer:
        """Execute the file; answer with the names of what can be checked."""
        # It needs no lock of the interpreter, so it ends a call that never returns, too.
        faulthandler.dump_traceback_later(timeout, exit=True, file=self.last_words)
        if memory is not None:
            limit_memory(memory)
        self.file = Path(file)
        sys.argv = [file]
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (a class may draw its weights from it)
        watch(self.file, self.last_words)
        module = load(self.file)
        self.things = checkable(module)
        notes, adapter = vars(module)["__notes__"], "" if self.things else adapter_of(module)
        return {"names": list(self.things), "notes": notes, "adapter": adapter}, []

    def do_make(self, _: list[Any], name: str, settings: dict[str, Any]) -> Answer:
        """Create the object and a subject of it, with inputs that fit."""
        chosen = Settings(**wire.unpacked(settings))
        made = self.make(self.things[name], chosen)
        subject = make_subject(made.target, made.inputs)
        if isinstance(subject, ObjectSubject):
            subject.work_on_the_object_itself()
        new, values = self._new(subject)
        facts = {
            "subjects": [new],
            "accumulate": made.accumulate,
            "notes": made.notes,
            "input_note": made.input_note,
            "others": self._others(self.things[name], made.args),
            "style": made.style,
        }
        return facts, values

    def do_values(
        self, arrays: list[Any], name: str, settings: dict[str, Any], labels: list[str]
    ) -> Answer:
        """Answer with the outputs of forward where the arrays of these labels have these values."""
        made = self.make(self.things[name], Settings(**wire.unpacked(settings)))
        outputs = []
        rehearse(made.target, made.inputs)
        try:
            for i in range(0, len(arrays), len(labels)):
                values = dict(zip(labels, arrays[i : i + len(labels)], strict=True))
                outputs.append(output_at(made.target, made.inputs, values))
        except NoSuchArray as error:
            return {"unknown": error.label, "has_shape": error.has_shape, "found": error.found}, []
        return {"unknown": None, "has_shape": False, "found": ""}, outputs

    def _others(self, thing: Checkable, args: dict[str, Any]) -> list[tuple[str, int]]:
        return other_arguments(thing.parts[0], args) if thing.kind == "class" else []

    # -- subjects ---------------------------------------------------------------------------

    def do_copy(
        self, arrays: list[Any], subject: int, moved: list[str], how: str, names: list[str],
        mode: str,
        indices: list[int],
    ) -> Answer:  # fmt: skip
        """Copy a subject: with other inputs, as complex, in another mode; or its layers."""
        on = self.subjects[subject]
        rest = self._set(on, moved, arrays)
        if how == "layers":
            named = [(name, self._new(layer)) for name, layer in on.layers()]
            facts = [{**new, "layer": name} for name, (new, _) in named]
            return {"subjects": facts}, [a for _, (_, values) in named for a in values]
        if how == "inputs":
            twin = on.with_inputs(dict(zip(names, rest, strict=True)))
        elif how == "doubled":
            twin = on.doubled(np.copy)
        elif how == "rows":
            twin = on.rows(np.array(indices))
        else:
            twin = on.to_complex() if how == "complex" else on.in_mode(mode)
        new, values = self._new(twin)
        return {"subjects": [new]}, values

    def _new(self, subject: Subject) -> Answer:
        """Give a subject a number; return what the checker must know, and its arrays."""
        number = self._number()
        self.subjects[number] = subject
        facts = {
            "subject": number,
            "layer": None,
            "inputs": list(subject.inputs),
            "parameters": list(subject.parameters),
            "unseen": [list(each) for each in subject.unseen],
            "constants": subject.constants,
            "modes": subject.modes(),
            "is_loss": subject.is_loss,
            "has_tangent": subject.has_tangent,
            "batch_axis": subject.batch_axis,
        }
        return facts, list(subject.arrays.values())

    def _set(self, subject: Subject, names: list[str], arrays: list[Any]) -> list[Any]:
        """Set the arrays of these names; return the rest of `arrays`."""
        for name, a in zip(names, arrays, strict=False):
            subject.arrays[name][...] = a
        return arrays[len(names) :]

    def do_forward(
        self, arrays: list[Any], subject: int, moved: list[str], own: bool, keep: bool
    ) -> Answer:
        """Run forward, after some arrays are set, with the subject's own inputs or those sent."""
        on = self.subjects[subject]
        rest = self._set(on, moved, arrays)
        kept = [a.copy() for a in rest]
        y, cache = on.forward(None if own else rest)
        changed = [not _same(a, k) for a, k in zip(rest, kept, strict=True)]
        overwritten = [n for n, call in self.calls.items() if not _same(call.y, call.sent)]
        for n in overwritten:
            self.calls[n].sent = np.array(self.calls[n].y)
        number = None
        if keep:
            number = self._number()
            self.calls[number] = _Call(on, cache, y, np.array(y))
        return {"call": number, "changed": changed, "overwritten": overwritten}, [y]

    def do_overflows(self, arrays: list[Any], subject: int, moved: list[str]) -> Answer:
        """Answer whether a number overflows in forward."""
        on = self.subjects[subject]
        self._set(on, moved, arrays)
        return {"is_there": on.overflows()}, []

    def do_outputs(self, arrays: list[Any], subject: int, moved: list[str], label: str) -> Answer:
        """Answer with an output for each element of an array that moves alone."""
        on = self.subjects[subject]
        coordinates, moves = self._set(on, moved, arrays)
        outputs = list(on.outputs(label, coordinates, moves))
        shapes = [y.shape for y in outputs if y is not None]
        is_there = [y is not None and y.shape == shapes[0] for y in outputs]
        good = [y for y, there in zip(outputs, is_there, strict=True) if there]
        return {"is_there": is_there}, [np.array(good)] if good else []

    def do_backward(self, arrays: list[Any], call: int, start: list[str] | None) -> Answer:
        """Run backward on the cache of a forward."""
        on, dy = self.calls[call].subject, arrays[0]
        kept = dy.copy()
        gradients = on.backward(dy, self.calls[call].cache, _named(start, arrays[1:]))
        facts = {
            "names": list(gradients),
            "changed_dy": not _same(dy, kept),
            "labels": _labels(on),
        }
        return facts, list(gradients.values())

    def do_cache_snapshot(self, _: list[Any], call: int) -> Answer:
        """Answer with a number that changes when the arrays in a cache do."""
        on, sum_ = self.calls[call].subject, hashlib.sha256()
        for part in on.cache_snapshot(self.calls[call].cache):
            sum_.update(part)
        return {"digest": sum_.hexdigest()}, []

    def do_as_left(self, arrays: list[Any], subject: int, moved: list[str]) -> Answer:
        """Run both passes on the gradients that the object itself has prepared."""
        on = self.subjects[subject]
        (dy,) = self._set(on, moved, arrays)
        left = on.as_left(dy)
        if left is None:
            return {"left": None}, []
        both = left.start, left.gradients
        names = [[k for k, a in side.items() if a is not None] for side in both]
        error = left.error
        facts = {
            "start": names[0],
            "gradients": names[1],
            "missing": [[k for k, a in side.items() if a is None] for side in both],
            "error": error and _broken(error),
            "shared": list(left.shared),
            "readonly": list(left.readonly),
        }
        values = [side[k] for side, some in zip(both, names, strict=True) for k in some]
        return {"left": facts}, values

    def do_tangent(self, arrays: list[Any], call: int) -> Answer:
        """Answer with the derivative of the output along a direction."""
        on = self.calls[call].subject
        return {}, [on.tangent(arrays[0], self.calls[call].cache)]

    def do_backward_tangent(self, arrays: list[Any], call: int, start: list[str] | None) -> Answer:
        """Run the backward pass of the tangent."""
        on, (dy_dot, x_dot, *rest) = self.calls[call].subject, arrays
        begin = _named(start, rest)
        gradients = on.backward_tangent(dy_dot, x_dot, self.calls[call].cache, begin)
        return {"names": list(gradients), "labels": _labels(on)}, list(gradients.values())


def _labels(subject: Subject) -> list[str | None]:
    return [getattr(subject, name)() for name in wire.FACTS]


def _broken(error: Broken) -> wire.Header:
    return {"where": error.where, "detail": error.detail[:2000], "place": error.place[:2000]}


def _refused(finding: Finding) -> wire.Header:
    words = {"reason": finding.kind, "sentence": finding.sentence, "evidence": finding.evidence}
    return {name: text[:4000] for name, text in words.items()}


def _named(names: list[str] | None, arrays: list[Any]) -> dict[str, Any] | None:
    return None if names is None else dict(zip(names, arrays, strict=True))


def _sendable(value: Any) -> Any:
    """Return a plain array of a type that can be sent."""
    a = np.asarray(value)
    if a.dtype.kind in "fc" and f"{a.dtype.kind}{a.dtype.itemsize}" not in wire.TYPES:
        return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)
    if a.dtype.kind not in "biufc":
        raise Broken("contract", say("no numbers", dtype=a.dtype))
    return a


def _same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b))


# -- errors and limits ----------------------------------------------------------------------------


def _raised(error: BaseException, file: Path) -> wire.Header:
    """Describe the exception that ended a question, with its line."""
    what = "exits" if isinstance(error, SystemExit) else "raises"
    if isinstance(error, MemoryError):
        what = "memory"
    if isinstance(error, SyntaxError):
        message = f"{type(error).__name__}: {error.msg}"
        at = f"at {Path(error.filename or file).name}, line {error.lineno or 1}"
    else:
        message = " ".join(traceback.format_exception_only(error)[0].split())
        at = _place(traceback.extract_tb(error.__traceback__), file)
    return {"what": what, "message": message[:2000], "at": at[:2000]}


def _place(stack: traceback.StackSummary, file: Path) -> str:
    """Return the innermost line that is in the file or in one next to it."""
    for frame in reversed(stack):
        if Path(frame.filename).parent == file.parent:
            name = Path(frame.filename).name
            return f"at {name}, line {frame.lineno}, in {frame.name}: {frame.line}"
    return f"outside {file.name}"
