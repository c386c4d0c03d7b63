"""Checks that need no numerical derivative: shapes, dtypes, and what a pass may touch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..backend import Array
from .report import Finding
from .subject import Broken, LayerSubject, Subject

TRANSPOSE = "A matrix is used where its transpose belongs, or the reverse"
UNSUMMED = (
    "The bias is added to every row, so its gradient is the sum over the rows: dy.sum(axis=0)"
)


def broken(error: Broken, subject: Subject, y: Array | None = None) -> Finding:
    """Say what an exception or a nonsensical return value is likely to mean."""
    where, detail = error.args
    if where in ("contract", "not_finite"):
        return Finding(where, f"{detail[0].upper()}{detail[1:]}.")
    shapes = [
        tuple(map(int, re.findall(r"\d+", s))) for s in re.findall(r"\((\d[\d, ]*)\)", detail)
    ]
    if where == "backward":
        if any(a == b[::-1] != b for a in shapes for b in shapes) or "matmul" in detail:
            return Finding("transpose", f"{TRANSPOSE}: the sizes do not fit.", detail)
        vectors = [p.shape for p in subject.parameters.values() if p.ndim == 1]
        if y is not None and any(v in shapes and y.shape in shapes for v in vectors):
            return Finding("bias_not_summed", f"{UNSUMMED}.", detail)
    return Finding("raises", f"{where} raised an exception.", detail)


def wrong_shapes(subject: Subject, y: Array, gradients: dict[str, Array]) -> list[Finding]:
    """Compare each gradient's shape with that of what it belongs to."""
    findings = []
    for name, a in subject.arrays.items():
        g = gradients[name]
        if g.shape == a.shape:
            continue
        evidence = f"d{name} has shape {g.shape}, {name} has shape {a.shape}"
        if g.shape == a.shape[::-1]:
            findings.append(Finding("transpose", f"{TRANSPOSE}, in d{name}.", evidence))
        elif name in subject.parameters and a.ndim == 1 and g.shape == y.shape:
            findings.append(Finding("bias_not_summed", f"{UNSUMMED}.", evidence))
        else:
            findings.append(
                Finding("shape", f"d{name} must have exactly the shape of {name}.", evidence)
            )
    return findings


def leaves(tree: Any) -> list[Array]:
    """Return the NumPy arrays in a cache, however it is nested."""
    if isinstance(tree, np.ndarray):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return leaves(vars(tree)) if hasattr(tree, "__dict__") and not callable(tree) else []


def manners(subject: Subject, dy: Array, rng: np.random.Generator, add: bool) -> list[Finding]:
    """Run the passes in ways that must make no difference, and report those that do."""
    findings: list[Finding] = []

    def find(kind: str, sentence: str, evidence: str = "") -> None:
        if kind not in [f.kind for f in findings]:
            findings.append(Finding(kind, sentence, evidence))

    inputs = [a.copy() for a in subject.inputs.values()]
    y, cache = subject.forward(inputs)
    y = y.copy()
    for name, kept, used in zip(subject.inputs, subject.inputs.values(), inputs, strict=True):
        if not np.array_equal(kept, used):
            find("writes_input", f"forward writes into its input {name}: work on a copy.")
            return findings
    again, _ = subject.forward()
    if not same(again, y):
        find(
            "not_repeatable",
            "forward gives another output for the same input, so there is no derivative to check: "
            "make its random numbers a function of a fixed seed.",
            f"the outputs differ by up to {np.abs(again - y).max():.2g}",
        )
        return findings
    if subject.is_loss:
        return findings

    _, cache = subject.forward()
    upstream, cached = dy.copy(), [(a, a.copy()) for a in leaves(cache)]
    first = subject.backward(upstream, cache)
    if not np.array_equal(upstream, dy):
        find("writes_input", "backward writes into dy, the caller's array: work on a copy.")
    elif any(not np.array_equal(a, kept) for a, kept in cached):
        find("writes_input", "backward changes the cache: the same cache may be used again.")
    if isinstance(subject, LayerSubject) and (changed := subject.written()):
        find("writes_parameters", f"A pass changes {changed}: that is the optimizer's work.")

    second = subject.backward(dy, cache)
    twice = [n for n in subject.arrays if same(second[n], 2 * first[n]) and first[n].any()]
    if twice and not same_all(first, second):
        find(
            "accumulates",
            f"d{twice[0]} grows from call to call: overwrite it, or begin from zero.",
            "a second backward on the same cache gives twice the gradient",
        )
    elif not same_all(first, second):
        find("cache_consumed", "A second backward on the same cache gives another gradient.")

    others = [a + rng.standard_normal(a.shape) for a in subject.inputs.values()]
    _, cache = subject.forward()
    subject.forward(others)
    if not same_all(subject.backward(dy, cache), first):
        find(
            "stale_cache",
            "backward uses what the last forward saw and not what its own cache holds. Return "
            "everything that backward needs in the cache, and keep nothing in self.",
            "two forwards, then the backward of the first: its gradient has changed",
        )

    _, cache = subject.forward()
    zero = subject.backward(np.zeros_like(dy), cache)
    double = subject.backward(2 * dy, cache)
    deaf = [n for n in subject.arrays if same(double[n], first[n]) and first[n].any()]
    if deaf:
        find(
            "ignores_upstream",
            f"d{deaf[0]} does not depend on dy: by the chain rule the local derivative is "
            "multiplied by dy.",
            "dy and 2 dy give the same gradient",
        )
    elif not same_all(zero, {n: np.zeros_like(g) for n, g in first.items()}):
        find("ignores_upstream", "Where dy is zero every gradient must be zero: a term lacks dy.")

    findings += _buffers(subject, dy, first, rng, add)
    strided = [np.repeat(a, 2, axis=0)[::2] for a in subject.inputs.values()]
    y_strided, cache = subject.forward(strided)
    wide = np.repeat(dy, 2, axis=0)[::2]
    if not same(y_strided, y) or not same_all(subject.backward(wide, cache), first):
        find("strided", "Arrays with gaps in memory (x[::2]) give another result.")
    return findings


def _buffers(
    subject: Subject, dy: Array, first: dict[str, Array], rng: np.random.Generator, add: bool
) -> list[Finding]:
    """See whether the gradients of the parameters are added or put in place."""
    start = {n: np.asarray(rng.standard_normal(a.shape)) for n, a in subject.parameters.items()}
    _, cache = subject.forward()
    after = subject.backward(dy, cache, start)
    for name in subject.parameters:
        added = same(after[name], start[name] + first[name])
        put = same(after[name], first[name])
        if add and put and not added:
            return [
                Finding(
                    "overwrites",
                    f"backward overwrites d{name}: it has to add (d{name} += ...), because a "
                    "discriminator sums the gradients of real and fake data.",
                    "a buffer that was not zero was lost",
                )
            ]
        if not add and added and not put:
            return [
                Finding(
                    "accumulates",
                    f"backward adds to d{name} where it should overwrite it.",
                    "a buffer that was not zero is still in the result",
                )
            ]
    return []


def same(a: Array, b: Array) -> bool:
    """Whether two results are equal up to the order of summation."""
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    eps = max((np.finfo(v.dtype).eps for v in (a, b) if v.dtype.kind in "fc"), default=0.0)
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= 1e4 * eps * scale)


def same_all(a: dict[str, Array], b: dict[str, Array]) -> bool:
    """Whether two sets of gradients are equal, array by array."""
    return all(same(a[name], b[name]) for name in a)
