"""Check a submission: its code runs in a process of its own, the checker in this one.

The checker draws the numbers, asks the process for outputs and gradients, and compares. So what the
submission's code does to its own process can change the numbers that are compared, and nothing
else. A submission that goes around its process (it may write files, as its user may) is not held
back: that takes a container.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ...backend import Array
from ..backward import check_backward
from ..check import check_subject, out_of_time
from ..report import Finding, Report, gradient_name
from ..sayings import NOTES, PATTERNS, SAYINGS
from ..shapes import explain_broken
from ..styles.made import STYLES, Settings
from ..subject import Broken, Ended
from . import wire
from .process import Process
from .served import SUBJECT, RemoteSubject

MADE: dict[str, wire.Check] = {
    "subjects": wire.listed(SUBJECT, 1),
    "accumulate": wire.optional(wire.truth),
    "notes": wire.listed(wire.said(*NOTES), 100),
    "input_note": wire.optional_said("input", "arguments", "arguments of a pair"),
    "others": wire.listed(wire.tuple_of(wire.identifier, wire.whole(0, 10**6)), 40),
    "style": wire.one_of(*STYLES),
}

VALUES: dict[str, wire.Check] = {
    "has_shape": wire.truth,
    "found": wire.text(),
}


Point = Mapping[str, Array]  # the values of some inputs and parameters, by label


@dataclass(frozen=True)
class Passes:
    """The gradients of both passes at some points.

    Attributes
    ----------
    gradients : list of dict of str to array
        By label, for each point.
    batch_axis : int
        The axis of the first input that counts the samples; -1 if it is one sample.
    """

    gradients: list[dict[str, Array]]
    batch_axis: int


SMALL = re.compile(r"(?<![\w.])(\d+\.?\d*[eE]-\d+|0?\.00\d+)")  # 1e-7, 0.0001
# What is to be checked: names of which the first that is there is taken, or everything in the file.
Name = str | Sequence[str] | None


class Unusable(Exception):
    """A file from which nothing can be checked.

    Attributes
    ----------
    finding : Finding
        The reason.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


def check_file(
    file: Path, name: Name, settings: Settings, timeout: float, memory: int | None = None
) -> list[Report]:
    """Check what a file defines, each in a fresh process.

    Parameters
    ----------
    file : Path
    name : str or sequence of str, optional
        The class, or the pair of functions; of several names the first that is there; everything in
        the file without it. An adapter of this class is taken in its place.
    settings : Settings
    timeout : float
        Seconds for each process, the import included.
    memory : int, optional
        Megabytes that a process may take, in addition to Python and NumPy (Linux).

    Returns
    -------
    reports : list of Report
        If nothing could be checked, one report whose finding says why.
    """
    try:
        return list(check_each(file, name, settings, timeout, memory))
    except Unusable as error:
        return [_without_check(_listed(name)[0] if name else file.name, error.finding)]


def check_each(
    file: Path, name: Name, settings: Settings, timeout: float, memory: int | None = None
) -> Iterator[Report]:
    """Yield the reports of `check_file`, each when it is there.

    Raises
    ------
    Unusable
        If nothing can be checked.
    """
    file = file.resolve()
    with Process(file, timeout) as process:
        names = _load(process, name, settings, memory)
        first = _check(process, names[0], settings)
    yield first
    for each in names[1:]:
        with Process(file, timeout) as process:
            try:
                _load(process, each, settings, memory)
            except Unusable as error:
                report = _without_check(each, error.finding)
            else:
                report = _check(process, each, settings)
        yield report


def _load(process: Process, name: Name, settings: Settings, memory: int | None) -> list[str]:
    """Execute the file; return the name to check, or all."""
    try:
        names, advice = process.load(_told(settings).seed, memory)
    except Ended as end:
        finding = end.finding
        if finding.kind == "raises":
            sentence = "The file cannot be imported."
            finding = replace(finding, kind="cannot_import", sentence=sentence)
        raise Unusable(finding) from None
    wanted = _listed(name)
    chosen = [n for each in wanted for n in (f"{each}Adapter", each) if n in names]
    if not names or (wanted and not chosen):
        if failed := PATTERNS["line"].match(advice):
            where = f"at {process.file.name}, line {failed[1]}, in <module>"
            evidence = f"{failed[2]}, {where}{process.source(process.file.name, int(failed[1]))}"
            raise Unusable(Finding("cannot_import", "The file cannot be imported.", evidence))
        what = f"class {' or '.join(wanted)}" if wanted else "class"
        sentence = f"The file defines no {what} with forward and backward."
        has = wire.printable(f"it has {', '.join(names)}") if names else ""
        raise Unusable(Finding("no_class", sentence, "\n".join(filter(None, [has, advice]))))
    return chosen[:1] or names


def _listed(name: Name) -> list[str]:
    return [name] if isinstance(name, str) else list(name or ())


def _check(process: Process, name: str, settings: Settings) -> Report:
    """Check one thing; whatever happens, the answer is a report."""
    try:
        with np.errstate(all="ignore"):
            subject, accumulate, notes, input_note, others, style = _make(process, name, settings)
            report = check_subject(subject, settings.thorough, accumulate, settings.seed)
            report = with_small_numbers(with_notes(report, notes, input_note), process.file)
            report = replace(report, style=style)
            if style == "a network with a loss":  # its inputs are what it learns
                report = replace(report, parameters=tuple(subject.inputs))
    except Ended as end:
        return _without_check(name, end.finding)
    except Broken as error:
        return _without_check(name, explain_broken(error, None, None))
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        sentence = (
            "The checker failed on the numbers that the process sent. This may be a fault of the "
            "checker: report it with the file."
        )
        evidence = wire.printable(f"{type(error).__name__}: {error}")
        return _without_check(name, Finding("checker", sentence, evidence))
    if process.ended and process.ended.kind == "hangs" and report.arrays:
        return report  # it says so
    if process.ended:  # somebody may have caught the exception
        return _without_check(name, process.ended)
    if report.verdict == "right":
        return _with_other_arguments(process, name, settings, report, others)
    return report


def _without_check(name: str, finding: Finding) -> Report:
    """Return the report of a check that came to no end; it is never right."""
    report = Report(name, [], [finding], "")
    return replace(report, findings=[replace(finding, mistake=True)]) if report.ok else report


def _with_other_arguments(
    process: Process, name: str, settings: Settings, report: Report, others: list[tuple[str, int]]
) -> Report:
    """Return the report, or that of the class with another argument if that is wrong."""
    for argument, value in others:
        other = replace(settings, args={**settings.args, argument: value})
        try:
            with np.errstate(all="ignore"):
                subject, accumulate, *_ = _make(process, name, other)
                rng = np.random.default_rng(settings.seed)
                again = check_backward(subject, rng, accumulate=accumulate)
        except (Ended, Broken, ArithmeticError, LookupError, TypeError, ValueError):
            continue  # not every number fits the others
        if not all(a.ok for a in again.arrays):  # an exception may mean that the sizes do not fit
            note = f"Seen only with {argument}={value}."
            findings = [*again.findings, Finding("hidden", note, mistake=False)]
            return replace(again, findings=findings, style=report.style)
    # A class may refuse the other number, but not end the process or fall silent.
    if process.ended and process.ended.kind in ("garbled", "exits", "memory", "inconclusive"):
        return _without_check(name, process.ended)
    if process.ended and process.ended.kind == "hangs":
        return out_of_time(report, process.ended)
    return report


def _make(
    process: Process, name: str, settings: Settings
) -> tuple[RemoteSubject, bool | None, list[str], str, list[tuple[str, int]], str]:
    """Create the object in the process; return its subject, at inputs that are drawn here."""
    (every, accumulate, notes, input_note, others, style), arrays = process.ask(
        "make", MADE, name=name, settings=wire.packed(asdict(_told(settings)))
    )
    if len(every) != 1:
        raise process.garbled(wire.Garbled("not one subject"))
    if settings.accumulate is not None:
        accumulate = settings.accumulate
    subject = RemoteSubject(process, name, every[0], arrays)
    if not subject.is_loss:  # its targets belong to its inputs
        kept = {k: a.copy() for k, a in subject.inputs.items()}
        rng = np.random.default_rng(settings.seed)
        for a in subject.inputs.values():
            a[...] = _fresh(a, rng)
        if subject.output() is None:  # outside the domain of forward
            subject.inputs.update(kept)
        if subject.batch_axis < 0:
            subject.batch_axis = _axis_of_samples(subject)
    return subject, accumulate, notes, input_note, others, style


def _told(settings: Settings) -> Settings:
    """Return the settings that the process learns: with another seed, of which nothing follows."""
    digest = hashlib.sha256(f"submission {settings.seed}".encode()).digest()
    return replace(settings, seed=int.from_bytes(digest[:4], "little"))


def _axis_of_samples(subject: RemoteSubject) -> int:
    """Return the axis along which both passes take a second batch, -1 if there is none.

    The process says that the input is one sample, which would spare it the looks at other batches.
    """
    first, x = next(iter(subject.inputs.items()))
    y = subject.output()
    for axis in range(x.ndim):
        try:
            twin = subject.with_inputs({**subject.inputs, first: np.concatenate([x, x], axis)})
            doubled, cache = twin.forward()
            is_batch = y is not None and y.ndim > axis and np.allclose(
                doubled, np.concatenate([y, y], axis), rtol=1e-9)  # fmt: skip
            gradients = twin.backward(np.ones_like(doubled), cache)
        except (Broken, IndexError, TypeError, ValueError):
            continue
        if is_batch and all(gradients[k].shape == a.shape for k, a in twin.arrays.items()):
            return axis
    return -1


def _fresh(a: Array, rng: np.random.Generator) -> Array:
    """Draw other numbers of the same kind: of both signs, or near those that have one sign."""
    if (a >= 0).all() or (a <= 0).all():
        return np.asarray((a + (a == 0)) * rng.uniform(0.8, 1.2, a.shape))
    return np.asarray(np.sqrt((a**2).mean()) * rng.standard_normal(a.shape))


def with_notes(report: Report, notes: Sequence[str], input_note: str) -> Report:
    """Return the report with a note about each guess."""
    more = [Finding("style", note, mistake=False) for note in notes]
    if not report.arrays and input_note:
        more.append(Finding("input", input_note, mistake=False))
    return replace(report, findings=[*report.findings, *more])


def with_small_numbers(report: Report, file: Path) -> Report:
    """Return the report with the small numbers of a file, where a gradient lacks a small term."""
    if file.suffix.lower() != ".py" or not any(f.kind == "inexact" for f in report.findings):
        return report
    lines = enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    found = [f"line {n}: {wire.printable(line.strip(), 100)}" for n, line in lines
             if SMALL.search(line.partition("#")[0])]  # fmt: skip
    if not found:
        return report
    more = f"; a small number is in {'; '.join(found[:3])}"
    return replace(report, findings=[
        replace(f, evidence=f.evidence + more) if f.kind == "inexact" else f
        for f in report.findings
    ])  # fmt: skip


def with_parts(report: Report, parts: Sequence[str]) -> Report:
    """Return the report with a mistake for each part that was not compared, by name: W or dW."""
    names = {a.name for a in report.arrays}
    names |= {re.split(r"[.\[]", name)[-1].strip("]'\"") for name in names}
    missing = [part for part in parts if not {part, part.removeprefix("d")} & names]
    found = [
        Finding(
            "missing",
            f"{part} is a part of this exercise, but no gradient of it was compared.",
            f"compared were {', '.join(gradient_name(a.name) for a in report.arrays) or 'none'}",
        )
        for part in missing
    ]
    return replace(report, findings=[*found, *report.findings])


def is_of_rows(report: Report) -> bool:
    """Whether a report is that of a loss which returns a number for each row."""
    return any(f.sentence == SAYINGS["rows"] for f in report.findings)


def passes(
    file: Path,
    name: Name,
    settings: Settings,
    timeout: float,
    points: Sequence[Point],
    upstream: Sequence[Array],
    memory: int | None = None,
) -> Passes | Finding:
    """Return the gradients at each point for the dy there, or the finding that prevents it.

    Parameters
    ----------
    points : list of dict
        The inputs and parameters by label. Those that are not named keep their values.
    upstream : list of array
        The dy at each point.
    """
    try:
        with Process(file.resolve(), timeout) as process, np.errstate(all="ignore"):
            subject = _make(process, _load(process, name, settings, memory)[0], settings)[0]
            at = zip(points, upstream, strict=True)
            return Passes([_gradients_at(subject, *each) for each in at], subject.batch_axis)
    except Unusable as error:
        return error.finding
    except Ended as end:
        return end.finding
    except Broken as error:
        return explain_broken(error, None, None)
    except (LookupError, TypeError, ValueError) as error:
        sentence = "The passes do not accept these numbers."
        return Finding("shape", sentence, wire.printable(str(error)))


def _gradients_at(subject: RemoteSubject, point: Point, dy: Array) -> dict[str, Array]:
    twin = subject.with_inputs({k: np.array(point.get(k, a)) for k, a in subject.inputs.items()})
    for label, a in twin.parameters.items():
        if label in point:
            a[...] = point[label].reshape(a.shape)
    y, gradients = twin.passes(dy)
    if y.shape != dy.shape:
        raise ValueError(f"y has shape {y.shape}, not {dy.shape}")
    return gradients


def outputs(
    file: Path,
    name: Name,
    settings: Settings,
    timeout: float,
    points: Sequence[Point],
    memory: int | None = None,
) -> list[Array] | Finding:
    """Return the output of forward at each point, or the reason why there is none.

    Parameters
    ----------
    points : list of dict
        The inputs and parameters by label, such as ``{"x": x, "W": W}``, the same labels in each. A
        parameter that is not named keeps its value.
    """
    try:
        with Process(file.resolve(), timeout) as process:
            name = _load(process, name, settings, memory)[0]
            labels = list(points[0])
            arrays = [np.asarray(point[label], np.float64) for point in points for label in labels]
            (unknown, has_shape, found), answers = process.ask(
                "values",
                {"unknown": wire.optional(wire.one_of(*labels)), **VALUES},
                arrays,
                name=name,
                settings=wire.packed(asdict(_told(settings))),
                labels=labels,
            )
            if unknown is not None and has_shape:
                sentence = f"{unknown} must have the shape {points[0][unknown].shape}."
                return Finding("shape", sentence, f"its shape is {found}")
            if unknown is not None:
                sentence = f"There is no parameter {unknown}."
                return Finding("no_parameter", sentence, f"there is {found}")
            if len(answers) != len(points) or any(a.dtype != np.float64 for a in answers):
                raise process.garbled(wire.Garbled("not an output for each point"))
            return answers
    except Unusable as error:
        return error.finding
    except Ended as end:
        return end.finding
    except Broken as error:
        return explain_broken(error, None, None)
