"""What a student calls the arrays of a scheme.

The same name in a container is the same name: ``params["gamma"]`` is gamma. Other names do as well
where the order of the inputs, or the shapes, show which is which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...gradcheck import ArrayResult, Report
from .marks import label_of
from .scheme import Task

Shapes = Mapping[str, tuple[int, ...]]


def labelled(report: Report) -> dict[str, ArrayResult]:
    """Return the arrays that were compared by name; the first input is x if no other is."""
    names = [a.name for a in report.arrays]
    if names and "x" not in names:
        names[0] = "x"
    return dict(zip(names, report.arrays, strict=True))


def shapes(report: Report) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the inputs and of the parameters that a check has compared."""
    return {label: a.shape for label, a in labelled(report).items()}


def own_names(task: Task, report: Report, known: Shapes | None) -> dict[str, str]:
    """Return what the student calls each array of the scheme that has another name there.

    Parameters
    ----------
    task : Task
    report : Report
        What the checker says of the student's class.
    known : dict, optional
        The shapes of the reference's arrays.

    Returns
    -------
    names : dict of str to str
        Without the arrays that are lacking: if it is not clear which is which, none is guessed.
    """
    mine = labelled(report)
    wanted = list(known or map(label_of, task.gradients))
    names = {label: mine[label].name for label in wanted if label in mine}
    others = {label: a for label, a in mine.items() if label not in wanted}
    for label in wanted:
        alike = [other for other, a in others.items() if last_name(a.name) == label]
        if label not in names and len(alike) == 1:
            names[label] = others.pop(alike[0]).name
    lacking = [label for label in wanted if label not in names]
    if not task.names and len(lacking) == len(others):
        names |= _by_order(lacking, others, known, report) or _by_shape(lacking, others, known)
    return {label: own for label, own in names.items() if label != own}


def last_name(label: str) -> str:
    """Return the last part of a name: gamma of ``params['gamma']`` and of layers[0].gamma."""
    return re.split(r"[.\[]", label)[-1].strip("]'\"")


def _by_order(
    lacking: list[str], others: Mapping[str, ArrayResult], known: Shapes | None, report: Report
) -> dict[str, str]:
    """Pair the inputs of forward in their order, if all are inputs and have the same shapes."""
    pairs = dict(zip(lacking, others.values(), strict=True))
    fit = known and all(
        same_shape(known[label], a.shape) and a.name not in report.parameters
        for label, a in pairs.items()
    )
    return {label: a.name for label, a in pairs.items()} if fit else {}


def _by_shape(
    lacking: list[str], others: Mapping[str, ArrayResult], known: Shapes | None
) -> dict[str, str]:
    """Pair the arrays whose shape is that of no other."""
    if len(lacking) == 1 and known is None:
        return {lacking[0]: next(iter(others.values())).name}
    names: dict[str, str] = {}
    for label in lacking:
        fit = [a.name for a in others.values() if known and same_shape(known[label], a.shape)]
        if len(fit) != 1 or fit[0] in names.values():
            return {}
        names[label] = fit[0]
    return names


def same_shape(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes are one up to axes of length 1, or those of a transposed matrix."""
    first, second = (tuple(n for n in shape if n != 1) for shape in (a, b))
    return second in (first, first[::-1])
