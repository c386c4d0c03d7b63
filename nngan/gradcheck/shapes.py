"""The meaning of exceptions, forbidden return values and wrong shapes."""

from __future__ import annotations

import re

from ..backend import Array
from .report import Finding, gradient_name
from .subject import Broken, Subject

TRANSPOSE = "A matrix is used instead of its transpose, or the reverse"
UNSUMMED = (
    "The bias is added to every row, so its gradient is the sum over the rows: dy.sum(axis=0)"
)


def unsummed(label: str) -> str:
    """Return the advice for a parameter that every row uses, and whose gradient is no sum."""
    if label.rpartition(".")[2].startswith("b"):  # b, bias, beta
        return UNSUMMED
    d = gradient_name(label)
    return f"Every row uses {label}, so {d} is the sum over the rows: (...).sum(axis=0)"


def explain_broken(error: Broken, subject: Subject | None, y: Array | None) -> Finding:
    """Return the likely meaning of an exception or a forbidden return value."""
    if error.where in ("contract", "not_finite"):
        return Finding(error.where, f"{error.detail}.", error.place)
    evidence = f"{error.detail} ({error.place})" if error.place else error.detail
    if error.where == "backward" and subject is not None and y is not None:
        shapes = [
            tuple(map(int, re.findall(r"\d+", s)))
            for s in re.findall(r"\((\d[\d, ]*)\)", error.detail)
        ]
        if _transposed(error.detail, shapes, [*subject.arrays.values(), y]):
            return Finding("transpose", f"{TRANSPOSE}: the sizes do not match.", evidence)
        vectors = {name: a.shape for name, a in subject.arrays.items() if a.ndim == 1}
        fit = [name for name, v in vectors.items() if v in shapes and y.shape in shapes]
        if len(y) > 1 and fit:
            return Finding("bias_not_summed", f"{unsummed(fit[0])}.", evidence)
        if any(v in shapes and (1, *v) in shapes for v in vectors.values()):
            sentence = "A gradient must have the shape of its array: remove keepdims."
            return Finding("shape", sentence, evidence)
    return Finding("raises", f"{error.where} raised an exception.", evidence)


def _transposed(detail: str, shapes: list[tuple[int, ...]], arrays: list[Array]) -> bool:
    """Whether the sizes in an error message match if one matrix is transposed."""
    known = {a.shape for a in arrays if a.ndim == 2}
    if "not aligned" in detail and len(shapes) >= 2:  # np.dot
        a, b = shapes[:2]
        return len(a) == len(b) == 2 and (a[-1] == b[-1] or a[0] == b[0])
    sizes = re.search(r"size (\d+) is different from (\d+)", detail)  # np.matmul
    if sizes:
        m, n = int(sizes[1]), int(sizes[2])
        return (m, n) in known or (n, m) in known
    return any(a in known and a == b[::-1] != b for a in shapes for b in shapes)


def shape_findings(subject: Subject, y: Array, gradients: dict[str, Array]) -> list[Finding]:
    """Compare the shape of each gradient with that of its array."""
    findings = []
    for name, a in subject.arrays.items():
        g, d = gradients[name], gradient_name(name)
        if g.shape == a.shape:
            continue
        evidence = f"{d} has shape {g.shape}, {name} has shape {a.shape}"
        if g.ndim == 2 and g.shape == a.shape[::-1]:
            findings.append(Finding("transpose", f"{TRANSPOSE}, in {d}.", evidence))
        elif a.ndim == 1 and g.shape == y.shape and y.shape[1:] == a.shape and len(y) > 1:
            findings.append(Finding("bias_not_summed", f"{unsummed(name)}.", evidence))
        else:
            keepdims = ": remove keepdims" if g.squeeze().shape == a.shape else ""
            sentence = f"{d} must have the shape of {name}{keepdims}."
            findings.append(Finding("shape", sentence, evidence))
    return findings
