"""The part "forward": whether the output is what the assignment asks for.

No gradient check can see that. So the teacher's reference and the student's class compute the
output at the same inputs and parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...backend import Array
from ...gradcheck import Finding, Report
from ...gradcheck.process.remote import Point, is_of_rows
from .marks import Mark, label_of
from .names import last_name, same_shape, shapes
from .reference import Reference, differences, draw, renamed
from .scheme import Task

LISTED = 8  # numbers of a row that are shown
ROWS = 5  # of the input, if nothing is known of it but the shape of a row

# Asks for the student's outputs at some points.
Ask = Callable[[Sequence[Point]], "list[Array] | Finding"]


def forward_mark(
    task: Task,
    report: Report,
    reference: Reference | None,
    seed: int,
    ask: Ask,
    names: Mapping[str, str] | None = None,
) -> Mark | None:
    """Return the mark of "forward"; None if the scheme has no such part.

    Parameters
    ----------
    task : Task
    report : Report
        What the checker says of the student's class.
    reference : Reference, optional
        Without one, forward is only asked to run, and to depend on its input and on every
        parameter whose gradient is a part.
    seed : int
    ask : callable
        Returns the student's outputs at some points.
    names : dict, optional
        What the student calls a parameter of the scheme, where that is another name.
    """
    names = names or {}
    of = task.points.get("forward", 0)
    mine = {a.name: a.shape for a in report.arrays}
    if reference is not None:
        outputs = ask([renamed(point, names, mine) for point in reference.points])
        if isinstance(outputs, Finding):
            if outputs.kind == "no_parameter":
                outputs = _names_wanted(outputs, reference, mine)
            status = "inconclusive" if outputs.kind == "no_parameter" else "wrong"
            return Mark("forward", 0, of, status, (outputs,))
        found = _difference(reference, outputs, report)
        return Mark("forward", 0, of, "wrong", (found,)) if found else _right(of)
    if not of:
        return None
    known = shapes(report) or ({"x": (ROWS, *task.shape)} if task.shape else {})
    if not known:
        sentence = "forward could not be tested alone: no shape of its input is known."
        return Mark("forward", 0, of, "inconclusive", (Finding("inconclusive", sentence),))
    base, other, *_ = draw(task, known, seed)
    points: list[Point] = [base, *({**base, label: other[label]} for label in known)]
    first = dict(zip(known, mine, strict=False))  # the input may have another name than x
    outputs = ask([renamed(point, first, mine) for point in points])
    if isinstance(outputs, Finding):
        return Mark("forward", 0, of, "wrong", (outputs,))
    if not all(np.isfinite(y).all() for y in outputs):
        return Mark("forward", 0, of, "wrong", (_not_finite(),))
    moved = {
        label
        for label, y in zip(known, outputs[1:], strict=True)
        if y.shape != outputs[0].shape or not np.array_equal(y, outputs[0])
    }
    labels = [label_of(part) for part in task.gradients if part != "dx"]
    wanted = ["x", *(names.get(label, label) for label in labels)]
    if unknown := [label for label in wanted if label not in known]:
        listed = " and ".join(unknown)
        sentence = f"The class has no parameter {listed}."
        if not report.arrays:
            sentence = (
                f"Whether the output depends on {listed} is not known: correct the rest first."
            )
        return Mark("forward", 0, of, "inconclusive", (Finding("inconclusive", sentence),))
    if idle := [label for label in wanted if label not in moved]:
        sentence = f"The output of forward does not depend on {' or '.join(idle)}."
        return Mark("forward", 0, of, "wrong", (Finding("forward", sentence),))
    return _right(of)


def _names_wanted(
    problem: Finding, reference: Reference, mine: Mapping[str, tuple[int, ...]]
) -> Finding:
    """Say which parameters the sheet asks for, or which shape, if the names are right."""
    _, *parameters = reference.shapes
    wanted = {label: reference.shapes[label] for label in parameters}
    for label, shape in mine.items():
        asked = wanted.get(last_name(label))
        if asked is not None and not same_shape(asked, shape):
            sentence = f"{last_name(label)} must have the shape {asked}."
            return Finding("shape", sentence, f"its shape is {shape}")
    listed = " and ".join(f"{label} of shape {shape}" for label, shape in wanted.items())
    sentence = f"The sheet asks for {listed}: give your parameters these names."
    return replace(problem, sentence=sentence)


def _right(of: float) -> Mark:
    return Mark("forward", of, of, "right")


def _not_finite() -> Finding:
    return Finding(
        "forward", "The output of forward holds NaN or infinity, and its input does not."
    )


def _difference(reference: Reference, outputs: list[Array], report: Report) -> Finding | None:
    """Return where the student's outputs differ from the teacher's, if anywhere."""
    if is_of_rows(report) and not reference.rows:
        sentence = "forward must return one number, not a loss for each row."
        return Finding("forward", sentence, "the assignment asks for one loss of the whole batch")
    for point, wanted, got in zip(reference.points, reference.outputs, outputs, strict=True):
        if got.shape != wanted.shape:
            sentence = f"The output of forward must have shape {wanted.shape}, not {got.shape}."
            first = next(iter(point))
            return Finding("forward", sentence, f"{first} has shape {point[first].shape}")
        if not np.isfinite(got).all():
            return _not_finite()
        wrong = differences(wanted, got)
        if wrong.any():
            return _first_wrong(point, wanted, got, wrong)
    return None


def _value_at(label: str, a: Array, at: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return the numbers of an input or parameter from which y at this place is computed."""
    if a.size == 1:
        return f"{label} is {a.item():.6g}"
    if a.shape == shape:
        return f"{label}{list(at)} is {a[at]:.6g}"
    if label == "x" and a.ndim == len(shape) == 2 and len(a) == shape[0]:
        return f"x[{at[0]}] is {_listed(a[at[0]])}"
    if a.shape == shape[-1:]:
        return f"{label}[{at[-1]}] is {a[at[-1]]:.6g}"
    if a.ndim == len(shape) == 2 and a.shape[1] == shape[1]:
        return f"{label}[:, {at[1]}] is {_listed(a[:, at[1]])}"
    return ""


def _listed(a: Array) -> str:
    more = ", ..." if a.size > LISTED else ""
    return f"({', '.join(f'{value:.6g}' for value in a[:LISTED])}{more})"


def _first_wrong(point: Point, wanted: Array, got: Array, wrong: Array) -> Finding:
    at = tuple(map(int, np.argwhere(wrong)[0]))
    n = int(wrong.sum())
    share = "all elements" if n == wrong.size else f"{n} of {wrong.size} elements"
    evidence = f"y{list(at)} is {got[at]:.6g} and should be {wanted[at]:.6g}"
    values = [text for label, a in point.items() if (text := _value_at(label, a, at, wanted.shape))]
    if values:
        evidence += f", where {', '.join(values)}"
    return Finding(
        "forward",
        "forward does not return what the assignment asks for: compute one row by hand.",
        f"{share} of y differ: {evidence}",
    )
