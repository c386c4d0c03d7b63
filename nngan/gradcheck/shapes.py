"""What exceptions, nonsensical return values and wrong shapes mean."""

from __future__ import annotations

import re

from ..backend import Array
from .report import Finding, gradient_name
from .subject import Broken, Subject

TRANSPOSE = "A matrix is used where its transpose belongs, or the reverse"
UNSUMMED = (
    "The bias is added to every row, so its gradient is the sum over the rows: dy.sum(axis=0)"
)


def broken(error: Broken, subject: Subject, y: Array | None = None) -> Finding:
    """Say what an exception or a nonsensical return value is likely to mean."""
    where, detail, place = (*error.args, "")[:3]
    if where in ("contract", "not_finite"):
        return Finding(where, f"{detail[0].upper()}{detail[1:]}.", place)
    evidence = f"{detail} ({place})" if place else detail
    if where == "backward" and y is not None:
        shapes = [
            tuple(map(int, re.findall(r"\d+", s))) for s in re.findall(r"\((\d[\d, ]*)\)", detail)
        ]
        if _transposed(detail, shapes, [*subject.arrays.values(), y]):
            return Finding("transpose", f"{TRANSPOSE}: the sizes do not fit.", evidence)
        vectors = [a.shape for a in subject.arrays.values() if a.ndim == 1]
        if len(y) > 1 and any(v in shapes and y.shape in shapes for v in vectors):
            return Finding("bias_not_summed", f"{UNSUMMED}.", evidence)
        if any(v in shapes and (1, *v) in shapes for v in vectors):
            return Finding(
                "shape", "A gradient must have exactly the shape of its array: no keepdims.",
                evidence,
            )  # fmt: skip
    return Finding("raises", f"{where} raised an exception.", evidence)


def _transposed(detail: str, shapes: list[tuple[int, ...]], arrays: list[Array]) -> bool:
    """Whether the sizes that an exception names would fit, were a matrix turned round."""
    known = {a.shape for a in arrays if a.ndim == 2}
    if "not aligned" in detail and len(shapes) >= 2:  # np.dot
        a, b = shapes[:2]
        return len(a) == len(b) == 2 and (a[-1] == b[-1] or a[0] == b[0])
    sizes = re.search(r"size (\d+) is different from (\d+)", detail)  # np.matmul
    if sizes:
        m, n = int(sizes[1]), int(sizes[2])
        return (m, n) in known or (n, m) in known
    return any(a in known and a == b[::-1] != b for a in shapes for b in shapes)


def wrong_shapes(subject: Subject, y: Array, gradients: dict[str, Array]) -> list[Finding]:
    """Compare each gradient's shape with that of what it belongs to."""
    findings = []
    for name, a in subject.arrays.items():
        g = gradients[name]
        if g.shape == a.shape:
            continue
        evidence = f"{gradient_name(name)} has shape {g.shape}, {name} has shape {a.shape}"
        if g.ndim == 2 and g.shape == a.shape[::-1]:
            findings.append(
                Finding("transpose", f"{TRANSPOSE}, in {gradient_name(name)}.", evidence)
            )
        elif a.ndim == 1 and g.shape == y.shape and y.shape[1:] == a.shape and len(y) > 1:
            findings.append(Finding("bias_not_summed", f"{UNSUMMED}.", evidence))
        else:
            text = f"{gradient_name(name)} must have exactly the shape of {name}"
            text += ": leave out keepdims." if g.squeeze().shape == a.shape else "."
            findings.append(Finding("shape", text, evidence))
    return findings
