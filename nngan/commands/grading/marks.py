"""The marks of one task: from the report of the checker to points for each part.

A gradient earns its points only if it was compared and agrees. Whatever was not compared earns
nothing, and the mark says why.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ...gradcheck import ArrayResult, Finding, Report
from ...gradcheck.report import INCONCLUSIVE, gradient_name
from .scheme import Task

# Mistakes that leave the numbers right and break a rule about what a pass may read and write.
CONTRACT = {
    "accumulates", "cache_consumed", "overwrites", "replaced", "stale_cache", "strided",
    "writes_input", "writes_parameters",
}  # fmt: skip
# In a network an idle parameter is right; as a part of an exercise it has not been compared.
OPEN = INCONCLUSIVE | {"idle"}
# The styles of the checker in which nothing is kept in the object.
OWN_STYLES = {"", "a cache for each call", "a pair of functions", "a loss"}
# The submission was ended, or never began: no part of it could be looked at.
ENDED = {
    "cannot_import", "cannot_start", "exits", "garbled", "hangs", "memory", "needs_arguments",
    "no_class", "no_file",
}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """The points of one part.

    Attributes
    ----------
    part : str
    points, of : float
        The points that were earned, and the most that can be.
    status : str
        "right", "wrong", "missing", "inconclusive" (it could not be compared) or "not reached" (a
        mistake elsewhere ended the check before).
    reasons : tuple of Finding
        What is wrong and what to do.
    """

    part: str
    points: float
    of: float
    status: str
    reasons: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class TaskGrade:
    """The marks of one task of one submission.

    Attributes
    ----------
    task : Task
    marks : tuple of Mark
        One for each part of the scheme.
    problem : Finding, optional
        The reason why no gradient could be compared.
    notes : tuple of Finding
        Other findings, which cost no points.
    rows : tuple of tuple of str
        The checker's table.
    target : str
        The name of the class in the student's file.
    """

    task: Task
    marks: tuple[Mark, ...]
    problem: Finding | None = None
    notes: tuple[Finding, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    target: str = ""

    @property
    def kinds(self) -> list[str]:
        """The short names of the mistakes, each once."""
        findings = [
            f for mark in self.marks if mark.status != "right" for f in mark.reasons
            if f.kind != "as_asked"
        ]  # fmt: skip
        findings += [f for f in self.notes if f.mistake or f.kind in INCONCLUSIVE]
        return list(
            dict.fromkeys(f.kind for f in ([self.problem] if self.problem else []) + findings)
        )


@dataclass(frozen=True)
class Grade:
    """The marks of one submission.

    Attributes
    ----------
    name : str
        The student.
    file : str
        The submission, as a path within the graded folder.
    tasks : tuple of TaskGrade
    """

    name: str
    file: str
    tasks: tuple[TaskGrade, ...]

    @property
    def marks(self) -> list[Mark]:
        """The marks of all tasks."""
        return [mark for task in self.tasks for mark in task.marks]

    @property
    def points(self) -> float:
        """The points that were earned."""
        return sum(mark.points for mark in self.marks)

    @property
    def of(self) -> float:
        """The points of a submission in which everything is right."""
        return sum(mark.of for mark in self.marks)

    @property
    def kinds(self) -> list[str]:
        """The short names of the mistakes, each once."""
        return list(dict.fromkeys(kind for task in self.tasks for kind in task.kinds))


def label_of(part: str) -> str:
    """Return the name of the array that a gradient belongs to: layers[0].dW -> layers[0].W."""
    owner, dot, name = part.rpartition(".")
    return f"{owner}{dot}{name[1:]}"


def needs_reference(task: Task, report: Report, forward: Mark | None) -> bool:
    """Whether gradients that disagree must be compared with those of the reference, too."""
    is_other = forward is not None and any(f.kind == "forward" for f in forward.reasons)
    is_near = any(f.kind == "inexact" for f in report.findings)
    return task.backward == "either" and bool(report.arrays) and (is_other or is_near)


def grade_task(
    task: Task,
    report: Report,
    forward: Mark | None,
    names: Mapping[str, str] | None = None,
    asked: Collection[str] = (),
) -> TaskGrade:
    """Return the marks of a task.

    Parameters
    ----------
    task : Task
    report : Report
        What the checker says of the student's class.
    forward : Mark, optional
        The mark of the part "forward", if the scheme has one.
    names : dict, optional
        What the student calls an array of the scheme, where that is another name.
    asked : collection of str
        The arrays whose gradients are those of the reference, if that was looked at.
    """
    names = names or {}
    problem = next((f for f in report.findings if f.mistake), None) if not report.arrays else None
    if not report.arrays and problem is None:
        sentence = "Nothing could be compared: look at this submission yourself."
        problem = next(iter(report.findings), Finding("inconclusive", sentence))
    own = {p: gradient_name(names.get(label_of(p), label_of(p))) for p in task.gradients}
    blame = _blame(report, list(own.values()))
    gradients = _gradient_marks(task, report, blame, own)
    is_other = forward is not None and any(f.kind == "forward" for f in forward.reasons)
    for part, mark in gradients.items():
        is_near = all(f.kind == "inexact" for f in mark.reasons)
        if label_of(part) in asked and mark.status != "right" and (is_other or is_near):
            gradients[part] = Mark(part, mark.of, mark.of, "right", (_as_asked(part, is_near),))
    gradients |= _together(gradients)
    if is_other and forward is not None and gradients:
        is_all = {label_of(part) for part in gradients} <= set(asked)
        reasons = _about(list(gradients.values()), is_all)
        forward = replace(forward, reasons=(*forward.reasons, *reasons))
    marks = []
    for part, points in task.points.items():
        if part == "forward":
            marks.append(forward or Mark(part, 0, points, "not reached"))
        elif part == "contract":
            marks.append(_contract_mark(task, report, list(gradients.values())))
        else:
            marks.append(gradients[part])
    named = [f for mark in marks for f in mark.reasons]
    named += [f for part in own.values() for f in blame[part]]
    if is_other and all(mark.status == "right" for mark in gradients.values()):
        named += [f for f in report.findings if f.kind == "hidden"]
    notes = [f for f in report.findings if f not in named and f != problem]
    first = report.arrays[0].name if report.arrays else ""
    notes += [
        _other_name(label, name) for label, name in names.items()
        if name != first and label not in re.split(r"\W+", name)
    ]  # fmt: skip
    rows = tuple(report.rows()) if report.arrays else ()
    return TaskGrade(task, tuple(marks), problem, tuple(notes), rows, report.name)


def _together(gradients: Mapping[str, Mark]) -> dict[str, Mark]:
    """Return the marks of gradients that no known mistake explains, with one reason for all."""
    wrong = [
        part
        for part, mark in gradients.items()
        if mark.status == "wrong" and all(f.kind == "unknown" for f in mark.reasons)
    ]
    if len(wrong) < 2:
        return {}
    sentence = (
        f"{', '.join(wrong[:-1])} and {wrong[-1]} are wrong, and no known mistake explains them. "
        "One mistake may spoil them all: look for it in a line that all of them use."
    )
    reasons = (Finding("unknown", sentence, gradients[wrong[0]].reasons[0].evidence),)
    return {part: replace(gradients[part], reasons=reasons) for part in wrong}


def _as_asked(part: str, is_near: bool) -> Finding:
    what = "up to a small term" if is_near else "though not that of your forward"
    sentence = f"{part} is the derivative that the assignment asks for, {what}."
    return Finding("as_asked", sentence, mistake=False)


def _about(gradients: Sequence[Mark], is_as_asked: bool) -> list[Finding]:
    """Return what a student must know of backward, if forward is not that of the assignment."""
    if is_as_asked:
        sentence = "backward is right for the assignment; only forward is wrong."
    elif all(mark.status == "right" for mark in gradients):
        return []
    else:
        sentence = (
            "Correct it first: the gradients are compared with the derivative of your forward, and "
            "with that of the assignment."
        )
    return [Finding("as_asked", sentence, mistake=False)]


def ended(task: Task, problem: Finding) -> TaskGrade:
    """Return the marks of a task of which nothing could be looked at."""
    marks = [Mark(part, 0, points, "not reached") for part, points in task.points.items()]
    return TaskGrade(task, tuple(marks), problem)


def _compared(report: Report) -> dict[str, ArrayResult]:
    """Return the row of each gradient; the input is the first, whatever forward calls it."""
    compared = {gradient_name(a.name): a for a in report.arrays}
    if report.arrays:
        compared.setdefault("dx", report.arrays[0])
    return compared


def _gradient_marks(
    task: Task, report: Report, blame: dict[str, list[Finding]], own: Mapping[str, str]
) -> dict[str, Mark]:
    """Return the mark of each gradient of the scheme; `own` are the student's names of them."""
    compared, marks = _compared(report), {}
    for part in task.gradients:
        of, reasons = task.points[part], tuple(blame[own[part]])
        row, is_wrong = compared.get(own[part]), any(f.kind not in OPEN for f in reasons)
        if not report.arrays:
            marks[part] = Mark(part, 0, of, "not reached")
        elif row is None and not is_wrong:
            marks[part] = Mark(part, 0, of, "missing", (_missing(part, list(compared)),))
        elif row is None or not row.ok or is_wrong:
            marks[part] = Mark(part, 0, of, "wrong", reasons or (_disagrees(part),))
        elif reasons or not row.checked:
            marks[part] = Mark(part, 0, of, "inconclusive", reasons or (_not_compared(part),))
        else:
            marks[part] = Mark(part, of, of, "right")
    return marks


def _blame(report: Report, wanted: Sequence[str]) -> dict[str, list[Finding]]:
    """Return the mistakes of each gradient, those of the scheme and those that were compared.

    A mistake belongs to the gradients that its sentence names. One that names none belongs to the
    gradients that disagree and are not named elsewhere, or to all if none disagrees.
    """
    parts = list(dict.fromkeys([*_compared(report), *wanted]))
    blame: dict[str, list[Finding]] = {part: [] for part in parts}
    nameless = []
    for f in report.findings:
        if f.kind in CONTRACT or not (f.mistake or f.kind in OPEN):
            continue
        named = _named(f, parts)
        for part in named:
            blame[part].append(f)
        if not named and f.kind != "unchecked":  # an array that the scheme does not ask for
            nameless.append(f)
    wrong = [gradient_name(a.name) for a in report.arrays if not a.ok]
    for f in nameless:
        for part in [part for part in wrong if not blame[part]] or wrong or parts:
            blame[part].append(f)
    return blame


def _named(finding: Finding, parts: Sequence[str]) -> list[str]:
    """Return the gradients that a finding names: in its sentence, or else in its evidence."""
    for text in (finding.sentence, finding.evidence):
        named = [part for part in parts if re.search(rf"(?<![\w.]){re.escape(part)}(?!\w)", text)]
        if named:
            return named
    return []


def _contract_mark(task: Task, report: Report, gradients: list[Mark]) -> Mark:
    of = task.points["contract"]
    broken = tuple(f for f in report.findings if f.mistake and f.kind in CONTRACT)
    if task.style == "ours" and report.arrays and report.style not in OWN_STYLES:
        sentence = (
            "The sheet asks for another form: forward(x) returns (y, cache), and backward(dy, "
            "cache) takes all that it needs from there, adds to the gradients in self and returns "
            "dx."
        )
        broken = (Finding("other_style", sentence, f"your style: {report.style}"), *broken)
    if broken:
        return Mark("contract", 0, of, "wrong", broken)
    # Code that does nothing breaks no rule, and shows nothing.
    if gradients and all(mark.status != "right" for mark in gradients):
        return Mark("contract", 0, of, "not reached")
    if not report.arrays:
        return Mark("contract", 0, of, "not reached")
    return Mark("contract", of, of, "right")


def _other_name(wanted: str, own: str) -> Finding:
    return Finding("names", f"{wanted} is called {own} here.", mistake=False)


def _missing(part: str, found: list[str]) -> Finding:
    label, has = label_of(part), ", ".join(found)
    return Finding(
        "missing",
        f"There is no {part}: keep the parameter {label} and its gradient {part} under these "
        f"names, and let backward write {part}.",
        f"the gradients that were found are {has}",
    )


def _disagrees(part: str) -> Finding:
    return Finding("unknown", f"{part} differs from the numerical derivative.")


def _not_compared(part: str) -> Finding:
    return Finding("inconclusive", f"{part} could not be compared at any of the numbers drawn.")
