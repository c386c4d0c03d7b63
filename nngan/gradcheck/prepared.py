"""The gradients as an object itself prepares them: None, whole numbers, arrays of other shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..backend import Array
from .compare import random_upstream
from .contract import same
from .report import Finding, gradient_name
from .subject import Subject


def check_prepared(
    subject: Subject, accumulate: bool | None, rng: np.random.Generator
) -> list[Finding]:
    """See whether backward also works on the gradients that the object itself has made."""
    y = subject.forward()[0]
    dy = np.ones(()) if subject.is_loss else random_upstream(y, rng)
    left = subject.as_left(dy)
    if left is None:
        return []
    clean, findings = subject.passes(dy)[1], []
    for name, start in left.start.items():
        d, a = gradient_name(name), subject.arrays[name]
        what = f"make it with np.zeros({a.shape})" if a.shape else "make it 0.0"
        if start is not None and start.shape != a.shape and start.size and start.ndim:
            sentence = f"{d} has another shape than {name} before backward: {what}."
            evidence = f"{d} has shape {start.shape}, {name} has shape {a.shape}"
        elif left.error is not None and name in left.readonly:
            sentence = f"{d} cannot be written before backward: {what}."
            evidence = left.error.detail
        elif left.error is not None and start is not None and start.dtype.kind in "iu":
            sentence = f"{d} holds whole numbers before backward: {what}."
            evidence = left.error.detail
        elif left.error is not None and start is None:
            sentence = f"{d} is None before the first backward, and backward adds to it: {what}."
            evidence = left.error.detail
        elif name in left.shared:
            sentence = (
                f"{d} belongs to the class, so all objects of the class add to one array: make "
                "it in __init__."
            )
            evidence = f"after backward {d} is the array of the class"
        elif left.error is None and not _is_sum(start, left.gradients[name], clean[name],
                                                accumulate):  # fmt: skip
            sentence = f"{d} is wrong on the arrays that the object itself has made: {what}."
            g = left.gradients[name]
            evidence = f"before backward it holds {_kind(start)}, and afterwards {_kind(g)}"
        else:
            continue
        findings.append(Finding("buffer", sentence, evidence))
    if left.error is not None and not findings:
        sentence = f"{left.error.where} fails on a new object, before any gradient was set."
        findings.append(Finding("buffer", sentence, left.error.detail))
    return findings


def _kind(a: Array | None) -> str:
    return "None" if a is None else f"an array of shape {a.shape}, {a.dtype}"


def _is_sum(
    start: Array | None, after: Array | None, clean: Array, accumulate: bool | None
) -> bool:
    """Whether a gradient is what backward adds to its start, or overwrites it with."""
    if after is None or after.dtype.kind not in "fiu":
        return False
    begin = np.zeros(()) if start is None or not start.size else start
    wanted: Sequence[Array] = [begin + clean, clean]
    if accumulate is not None:
        wanted = wanted[:1] if accumulate else wanted[1:]
    eps = np.finfo(after.dtype).eps if after.dtype.kind == "f" else 1e-12
    return any(
        (
            after.shape == w.shape
            and float(np.abs(after - w).max(initial=0.0))
            <= 1e4 * eps * max(float(np.abs(clean).max(initial=0.0)), 1e-10)
        )
        or same(np.asarray(after, np.float64), w)
        for w in wanted
    )
