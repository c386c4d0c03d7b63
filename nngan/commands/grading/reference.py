"""The teacher's reference: its outputs and gradients at numbers that are drawn here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...backend import Array
from ...gradcheck import Finding
from ...gradcheck.process import remote
from ...gradcheck.process.remote import Passes, Point
from ...gradcheck.styles.made import Settings
from .marks import label_of
from .names import Shapes, labelled
from .scheme import SchemeError, Task

DRAWS = 3
RELATIVE, ABSOLUTE = 1e-5, 1e-6  # float32 is good enough; the second is relative to the largest


@dataclass(frozen=True)
class Reference:
    """What the teacher's class returns.

    Attributes
    ----------
    points : list of dict
        The inputs and the parameters by label, as drawn.
    outputs : list of array
        The output at each.
    upstream : list of array
        The dy at each.
    passes : Passes, optional
        The gradients at each; None if they cannot be computed.
    rows : bool
        Whether forward returns a loss for each row.
    """

    points: list[Point]
    outputs: list[Array]
    upstream: list[Array]
    passes: Passes | None = None
    rows: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs and of the parameters."""
        return {label: a.shape for label, a in self.points[0].items()}

    def guide(self, settings: Settings) -> Settings:
        """Return the settings of the check with the sizes of the reference."""
        if not self.passes or self.passes.batch_axis != 0:
            return settings
        x, y = next(iter(self.points[0].values())), self.outputs[0]
        sizes = (x.shape[1], y.shape[1]) if x.ndim == y.ndim == 2 else None
        return replace(settings, like=self.shapes, sizes=sizes)


def prepare(task: Task, seed: int, timeout: float) -> Reference | None:
    """Check the teacher's reference and return what it computes; None if the scheme has none.

    Raises
    ------
    SchemeError
        If the reference is wrong itself, or lacks a part of the scheme.
    """
    if task.reference is None:
        return None
    file, names = task.reference
    settings = task.settings(seed)
    (report,) = remote.check_file(file, names, settings, timeout)
    name = report.name if report.arrays else names[0]
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
    arrays = labelled(report)
    if lacking := [part for part in task.gradients if label_of(part) not in arrays]:
        raise SchemeError(
            f'the reference {file.name}:{name} has no part "{lacking[0]}": it has '
            + ", ".join("d" + label for label in arrays)
        )
    points = draw(task, {label: a.shape for label, a in arrays.items()}, seed)
    theirs = [{arrays[label].name: a for label, a in point.items()} for point in points]
    outputs = remote.outputs(file, name, settings, timeout, theirs)
    if isinstance(outputs, Finding):
        raise SchemeError(f"the reference {file.name}:{name} cannot be computed: {outputs}")
    rng = np.random.default_rng([seed, DRAWS + 1])
    upstream = [rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape) for y in outputs]
    found = remote.passes(file, name, settings, timeout, theirs, upstream)
    passes = None
    if isinstance(found, Passes):
        named = [{label: g[a.name] for label, a in arrays.items()} for g in found.gradients]
        passes = replace(found, gradients=named)
    return Reference(points, outputs, upstream, passes, remote.is_of_rows(report))


def draw(task: Task, shapes: Shapes, seed: int) -> list[Point]:
    """Return some inputs and parameters in the range of the task."""
    rng = np.random.default_rng([seed, DRAWS])
    return [
        {label: rng.uniform(*task.range, shape) for label, shape in shapes.items()}
        for _ in range(DRAWS)
    ]


def renamed(point: Point, names: Mapping[str, str], mine: Shapes) -> Point:
    """Return a point with the student's names of the arrays; a matrix may be transposed."""
    return {names.get(k, k): _turned(a, mine.get(names.get(k, k))) for k, a in point.items()}


def as_asked(reference: Reference, passes: Passes, names: Mapping[str, str]) -> set[str]:
    """Return the labels of the arrays whose gradients are those of the reference."""
    assert reference.passes
    pairs = list(zip(reference.passes.gradients, passes.gradients, strict=True))
    return {
        label
        for label in reference.shapes
        if all(
            names.get(label, label) in mine
            and is_close(theirs[label], _turned(mine[names.get(label, label)], theirs[label].shape))
            for theirs, mine in pairs
        )
    }


def differences(wanted: Array, got: Array) -> Array:
    """Return where numbers differ by more than float32 does."""
    limit = RELATIVE * np.abs(wanted) + ABSOLUTE * np.abs(wanted).max(initial=0.0)
    return np.asarray(np.abs(got - wanted) > limit)


def is_close(wanted: Array, got: Array) -> bool:
    """Whether two gradients agree; axes of length 1 do not matter."""
    flat = [np.squeeze(a) for a in (wanted, got)]
    return flat[0].shape == flat[1].shape and not differences(*flat).any()


def _turned(a: Array, shape: tuple[int, ...] | None) -> Array:
    """Return a matrix transposed, if that is the shape."""
    return a.T if a.ndim == 2 and a.shape != shape == a.shape[::-1] else a
