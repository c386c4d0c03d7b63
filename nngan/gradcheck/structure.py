"""Checks that need no numerical derivative: what a pass may touch, and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array
from .report import Finding, gradient_name
from .subject import Broken, LayerSubject, Subject

SUBNORMAL = 1e-300  # below about this much floats have fewer digits


class Findings(dict[str, Finding]):
    """What was found, by kind; the first of a kind stays."""

    def __call__(self, kind: str, sentence: str, evidence: str) -> None:
        self.setdefault(kind, Finding(kind, sentence, evidence))


def manners(subject: Subject, dy: Array, rng: np.random.Generator, add: bool) -> list[Finding]:
    """Run the passes in ways that must make no difference, and report those that do."""
    find = Findings()
    inputs = [a.copy() for a in subject.inputs.values()]
    y = subject.forward(inputs)[0].copy()
    for name, kept, used in zip(subject.inputs, subject.inputs.values(), inputs, strict=True):
        if not np.array_equal(kept, used):
            find(
                "writes_input",
                f"A pass writes into its input {name}, the caller's array: work on a copy.",
                f"{name} is another array after forward",
            )
    again = subject.forward()[0]
    if not same(again, y):
        find(
            "not_repeatable",
            "forward gives another output for the same input, so there is no derivative to check: "
            "make its random numbers a function of a fixed seed.",
            f"the outputs differ by up to {np.abs(again - y).max():.2g}"
            if again.shape == y.shape
            else f"shape {y.shape}, then {again.shape}",
        )
        return list(find.values())
    if not subject.is_loss:
        first = _backward(subject, dy, find)
        if "accumulates" in find:
            return list(find.values())  # state spoils what follows
        _stale(subject, y, dy, first, rng, find)
        _linear(subject, dy, first, find)
        _buffers(subject, dy, first, rng, add, find)
        _strided(subject, y, dy, first, find)
    return list(find.values())


def _backward(subject: Subject, dy: Array, find: Findings) -> dict[str, Array]:
    """See whether backward writes where it must not, and whether it can be repeated."""
    _, cache = subject.forward()
    upstream, cached = dy.copy(), [(a, a.copy()) for a in leaves(cache)]
    first: dict[str, Array] = subject.backward(upstream, cache)
    if not np.array_equal(upstream, dy):
        find(
            "writes_input",
            "backward writes into dy, the caller's array: work on a copy.",
            "dy is another array after backward",
        )
    if any(a.tobytes() != kept.tobytes() for a, kept in cached):
        find(
            "writes_input",
            "backward writes into the cache, which may be used again: work on a copy.",
            "an array in the cache is another one after backward",
        )
    if isinstance(subject, LayerSubject):
        if changed := subject.written():
            find(
                "writes_parameters",
                f"A pass changes {changed}: that is the optimizer's work.",
                f"{changed} is another array after forward and backward",
            )
        if replaced := subject.replaced():
            find(
                "replaced",
                f"The gradient of {replaced} is replaced by a new array, so the network's flat "
                "buffer does not see it: write into the one that is there, with += or [...].",
                "after backward the attribute is another object",
            )
    try:
        second, third = (subject.backward(dy.copy(), cache) for _ in range(2))
    except Broken as error:
        evidence = f"the second backward: {error.args[1]}"
        find("cache_consumed", "backward works only once: it must leave the cache whole.", evidence)
        return first
    if "writes_input" in find or "writes_parameters" in find:
        return first  # which is why a second pass would differ
    for n, g in first.items():
        if same(second[n], g):
            continue
        if same(third[n], 2 * second[n] - g):
            find(
                "accumulates",
                f"{gradient_name(n)} grows from call to call: overwrite it, or begin from zero.",
                "each further backward on the same cache adds the same to it",
            )
        else:
            find(
                "cache_consumed",
                "A second backward on the same cache gives another gradient: it must leave the "
                "cache whole, and draw no random numbers.",
                f"{gradient_name(n)} differs",
            )
    return first


def _stale(
    subject: Subject,
    y: Array,
    dy: Array,
    first: dict[str, Array],
    rng: np.random.Generator,
    find: Findings,
) -> None:
    """Run two forwards before the first backward, as a discriminator does."""
    kept, cache = subject.forward()
    # A domain may be small (log): the second attempt stays close.
    for others in (
        [a + rng.standard_normal(a.shape) for a in subject.inputs.values()],
        [1.01 * a for a in subject.inputs.values()],
    ):
        try:
            subject.forward(others)
            break
        except Broken:
            continue
    if not same(kept, y):
        find(
            "stale_cache",
            "The next forward overwrites the output of the last: return a new array each time.",
            "two forwards: the output of the first has changed",
        )
    elif not same_all(subject.backward(dy.copy(), cache), first):
        find(
            "stale_cache",
            "backward uses what the last forward saw and not what its own cache holds. Return "
            "everything that backward needs in the cache, and keep nothing in self.",
            "two forwards, then the backward of the first: its gradient has changed",
        )


def _linear(subject: Subject, dy: Array, first: dict[str, Array], find: Findings) -> None:
    """See whether every gradient is proportional to dy, as the chain rule says."""
    _, cache = subject.forward()
    zero = subject.backward(np.zeros_like(dy), cache)
    _, cache = subject.forward()
    double = subject.backward(2 * dy, cache)
    _, cache = subject.forward()
    opposite = subject.backward(-dy, cache)
    deaf = [
        f"{gradient_name(n)}" for n, g in first.items() if same(double[n], g) and not same(g, 0 * g)
    ]
    if deaf:
        find(
            "ignores_upstream",
            f"{' and '.join(deaf)} {'do' if deaf[1:] else 'does'} not depend on dy: by the chain "
            "rule the local derivative is multiplied by dy.",
            "dy and 2 dy give the same gradient",
        )
    elif name := next((n for n, g in zero.items() if not same(g + first[n], first[n])), None):
        find(
            "ignores_upstream",
            f"A term of {gradient_name(name)} lacks dy: where dy is zero it must be zero.",
            f"with dy = 0 it reaches {np.abs(zero[name]).max():.3g}",
        )
    elif name := next(
        (
            n
            for n, g in first.items()
            if not same(double[n], 2 * g) or not same(opposite[n] + 2 * g, g)
        ),
        None,
    ):
        find(
            "not_linear",
            f"{gradient_name(name)} is not proportional to dy: backward multiplies by dy once and "
            "does nothing else to it (no clipping, no square, no sign).",
            "2 dy does not give twice the gradient, or -dy its negative",
        )


def _buffers(
    subject: Subject,
    dy: Array,
    first: dict[str, Array],
    rng: np.random.Generator,
    add: bool,
    find: Findings,
) -> None:
    """See whether the gradients of the parameters are added or put in place."""
    start = {n: np.asarray(rng.uniform(0.5, 1.5, a.shape)) for n, a in subject.parameters.items()}
    _, cache = subject.forward()
    after = subject.backward(dy.copy(), cache, start)
    for name in subject.parameters:
        added = same(after[name], start[name] + first[name])
        put, d = same(after[name], first[name]), gradient_name(name)
        if add and not added:
            find(
                "overwrites",
                f"backward overwrites {d}: it has to add ({d} += ...), because a discriminator "
                "sums the gradients of real and fake data.",
                "what the buffer held before is lost" if put else "what it held is not added to",
            )
        elif not add and not put:
            find(
                "accumulates",
                f"backward adds to {d} where it should overwrite it.",
                "what the buffer held before is still in the result",
            )


def _strided(
    subject: Subject, y: Array, dy: Array, first: dict[str, Array], find: Findings
) -> None:
    """Hand over arrays with gaps in memory, columns first."""
    sentence = "Arrays that are not contiguous in memory (x[::2], x.T) give another result."
    try:
        y_gaps, cache = subject.forward([_with_gaps(a) for a in subject.inputs.values()])
        gradients = subject.backward(_with_gaps(dy), cache)
    except Broken as error:
        find("strided", sentence, error.args[1])
        return
    largest = max(float(np.abs(g).max(initial=0.0)) for g in first.values())
    if not same(y_gaps, y):
        find("strided", sentence, "the output differs")
    elif name := next((n for n, g in gradients.items() if not same(g, first[n], largest)), None):
        find("strided", sentence, f"{gradient_name(name)} differs")


def _with_gaps(a: Array) -> Array:
    gaps: Array = np.repeat(a.T, 2, axis=0)[::2].T if a.ndim else a.copy()
    return gaps


def leaves(tree: Any) -> list[Array]:
    """Return the NumPy arrays in a cache, however it is nested."""
    if isinstance(tree, np.ndarray):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return []


def same(a: Array, b: Array, beside: float = 0.0) -> bool:
    """Whether two results are equal up to the order of summation.

    A gradient that is zero, as that of a bias in front of BatchNorm, is a sum of rounding errors;
    their size is that of the numbers which cancelled, `beside` at most.
    """
    if a.shape != b.shape:
        return False
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    eps = max((np.finfo(v.dtype).eps for v in (a, b) if v.dtype.kind in "fc"), default=0.0)
    return bool(np.abs(a - b).max(initial=0.0) <= eps * (1e4 * scale + 100 * beside) + SUBNORMAL)


def same_all(a: dict[str, Array], b: dict[str, Array]) -> bool:
    """Whether two sets of gradients are equal, array by array."""
    return all(same(a[name], b[name]) for name in a)
