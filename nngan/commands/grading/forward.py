"""The part "forward": whether the output is what the assignment asks for.

No gradient check can see that. So the teacher's reference and the student's class compute the
output at the same inputs and parameters, which are drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...backend import Array
from ...gradcheck import Finding, Report
from ...gradcheck.process import remote
from .marks import Mark, label_of
from .scheme import SchemeError, Task

DRAWS = 3
LISTED = 8  # numbers of a row that are shown
ROWS = 5  # of the input, if nothing is known of it but the shape of a row
RELATIVE, ABSOLUTE = 1e-5, 1e-6  # float32 is good enough; the second is relative to the largest

Point = Mapping[str, Array]
# Asks for the student's outputs at some points.
Ask = Callable[[Sequence[Point]], "list[Array] | Finding"]


@dataclass(frozen=True)
class Reference:
    """What the teacher's class returns.

    Attributes
    ----------
    points : list of dict
        The input "x" and the parameters by label, as drawn.
    outputs : list of array
        The output at each.
    """

    points: list[Point]
    outputs: list[Array]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the input "x" and of the parameters."""
        return {label: a.shape for label, a in self.points[0].items()}


def prepare(task: Task, seed: int, timeout: float) -> Reference | None:
    """Check the teacher's reference and return its outputs; None if the scheme has none.

    Raises
    ------
    SchemeError
        If the reference is wrong itself, or lacks a part of the scheme.
    """
    if task.reference is None:
        return None
    file, name = task.reference
    (report,) = remote.check_file(file, name, task.settings(seed), timeout)
    if not report.ok:
        advice = ""
        if task.accumulate is None and {f.kind for f in report.findings} & {"overwrites"}:
            advice = (
                '\nWrite "accumulate": false into the scheme if backward is to set the gradients, '
                "as the reference does."
            )
        raise SchemeError(
            f"the reference {file.name}:{name} is not right itself:\n{report}{advice}"
        )
    labels = [a.name for a in report.arrays]
    labels[0] = "x"
    if lacking := [part for part in task.gradients if label_of(part) not in labels]:
        raise SchemeError(
            f'the reference {file.name}:{name} has no part "{lacking[0]}": it has '
            + ", ".join("d" + label for label in labels)
        )
    points = draw(task, shapes(report), seed)
    outputs = remote.outputs(file, name, task.settings(seed), timeout, points)
    if isinstance(outputs, Finding):
        raise SchemeError(f"the reference {file.name}:{name} cannot be computed: {outputs}")
    return Reference(points, outputs)


def shapes(report: Report) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the input "x" and of the parameters that a check has compared."""
    found = {a.name: a.shape for a in report.arrays[1:]}
    return {"x": report.arrays[0].shape, **found} if report.arrays else {}


def own_names(task: Task, report: Report, reference: Reference | None) -> dict[str, str]:
    """Return what the student calls a parameter of the scheme, where that is another name.

    Names differ where the student has exactly as many parameters of another name as are lacking,
    and each has the shape of one that is lacking and of no other. Nothing is returned otherwise.
    """
    mine = {label: shape for label, shape in shapes(report).items() if label != "x"}
    wanted = {label_of(part): None for part in task.gradients if part != "dx"}
    known = dict(reference.shapes) if reference else dict(wanted)
    lacking = [label for label in known if label not in mine and label != "x"]
    others = [label for label in mine if label not in known]
    if task.names or not lacking or len(lacking) != len(others):
        return {}
    if len(others) == 1 and not reference:
        return {lacking[0]: others[0]}
    names: dict[str, str] = {}
    for label in lacking:
        shape = known[label]
        fit = [other for other in others if shape is not None and _same(shape, mine[other])]
        if len(fit) != 1 or fit[0] in names.values():
            return {}
        names[label] = fit[0]
    return names


def _same(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes are one up to axes of length 1, or those of a transposed matrix."""
    first, second = (tuple(n for n in shape if n != 1) for shape in (a, b))
    return second in (first, first[::-1])


def draw(task: Task, shapes: Mapping[str, tuple[int, ...]], seed: int) -> list[Point]:
    """Return some inputs and parameters in the range of the task."""
    rng = np.random.default_rng([seed, DRAWS])
    return [
        {label: rng.uniform(*task.range, shape) for label, shape in shapes.items()}
        for _ in range(DRAWS)
    ]


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
    of = task.points.get("forward")
    if of is None:
        return None
    ask = _with_the_name_of_its_input(ask, report)
    if reference is not None:
        outputs = ask([_renamed(point, names, shapes(report)) for point in reference.points])
        if isinstance(outputs, Finding):
            if outputs.kind == "no_parameter":
                outputs = replace(outputs, sentence=_names_wanted(reference))
            status = "inconclusive" if outputs.kind == "no_parameter" else "wrong"
            return Mark("forward", 0, of, status, (outputs,))
        found = _difference(reference, outputs)
        return Mark("forward", 0, of, "wrong", (found,)) if found else _right(of)
    known = shapes(report) or ({"x": (ROWS, *task.shape)} if task.shape else {})
    if not known:
        sentence = "forward could not be tested alone: no shape of its input is known."
        return Mark("forward", 0, of, "inconclusive", (Finding("inconclusive", sentence),))
    base, other, *_ = draw(task, known, seed)
    outputs = ask([base, *({**base, label: other[label]} for label in known)])
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


def _renamed(point: Point, names: Mapping[str, str], known: Mapping[str, tuple[int, ...]]) -> Point:
    """Return a point with the student's names of the parameters; a matrix may be transposed."""
    renamed = {}
    for label, a in point.items():
        own = names.get(label, label)
        is_turned = label in names and a.ndim == 2 and known[own] == a.shape[::-1] != a.shape
        renamed[own] = a.T if is_turned else a
    return renamed


def _names_wanted(reference: Reference) -> str:
    parameters = [label for label in reference.shapes if label != "x"]
    listed = " and ".join(f"{label} of shape {reference.shapes[label]}" for label in parameters)
    return f"The sheet asks for {listed}: give your parameters these names."


def _with_the_name_of_its_input(ask: Ask, report: Report) -> Ask:
    """Return `ask` with the name that the student's forward has for x, which is its first array."""
    if not report.arrays or (name := report.arrays[0].name) == "x":
        return ask
    return lambda points: ask([{name: p["x"], **{k: p[k] for k in p if k != "x"}} for p in points])


def _right(of: float) -> Mark:
    return Mark("forward", of, of, "right")


def _not_finite() -> Finding:
    return Finding(
        "forward", "The output of forward holds NaN or infinity, and its input does not."
    )


def _difference(reference: Reference, outputs: list[Array]) -> Finding | None:
    """Return where the student's outputs differ from the teacher's, if anywhere."""
    for point, wanted, got in zip(reference.points, reference.outputs, outputs, strict=True):
        if got.shape != wanted.shape:
            sentence = f"The output of forward must have shape {wanted.shape}, not {got.shape}."
            return Finding("forward", sentence, f"x has shape {point['x'].shape}")
        if not np.isfinite(got).all():
            return _not_finite()
        limit = RELATIVE * np.abs(wanted) + ABSOLUTE * np.abs(wanted).max(initial=0.0)
        wrong = np.abs(got - wanted) > limit
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
