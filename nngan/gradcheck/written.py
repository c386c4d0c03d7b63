"""What backward writes into an object without a partner: gradients that are compared with nothing.

A gradient is proportional to dy, and its shape does not depend on the number of samples. So the
passes run with other dy and with more samples, and what they leave in the object is looked at.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from .copies import copied
from .leaves import odd_numbers
from .parameters import host
from .partners import GRADIENTS, partner_names
from .places import Place, places
from .unseen import Unseen
from .writing import as_array, keep

FACTOR = -2.0  # of dy: a norm of a gradient does not follow its sign
NAMED = re.compile(r"_*(d_?[A-Z]\w*|d_\w+|grad_?\w*|\w*grad|\w*gradient|\w*_delta)_*")
Contents = dict[Place, Array]
# Runs both passes of an object for dy times a factor, on one batch or on two, and calls something
# between them; the result is dy and the gradients of the inputs.
Passes = Callable[[Any, float, bool, Callable[[], None]], Iterable[Any]]


class _Run(NamedTuple):
    """What an object held before the forward, after it and after backward; dy and dx."""

    start: Contents
    middle: Contents
    end: Contents
    passed: list[Array]


def contents(target: Any, known: Iterable[Place] = ()) -> Contents:
    """Return a copy of each number in an object, those in Fraction, poly1d, ... included."""
    found = {}
    for place in known:  # those of the library's layers are not searched
        with contextlib.suppress(Exception):
            own = host(target, place)
            if own.dtype.kind in "fiu":
                found[place] = own.astype(np.float64)
    for place, value in places(target, odd=True):
        a = odd_numbers(value)
        a = as_array(value) if a is None and value is not None else a
        if a is not None and a.size and a.dtype.kind in "fO" and not place.layer(target):
            with contextlib.suppress(TypeError, ValueError):  # objects that are no numbers
                found[place] = a.astype(np.float64)
    return found


def run(target: Any, both_passes: Passes, factor: float = 1.0, twice: bool = False,
        known: Iterable[Place] = ()) -> _Run:  # fmt: skip
    """Run both passes of a copy, on its own gradients."""
    twin = copied(target)
    restore = keep(twin, tuple(p for p, _ in places(twin) if p.outside))
    steps: list[Contents] = []
    try:
        both_passes(twin, 0.5 * factor, twice, lambda: None)
        steps.append(contents(twin))
        passed = both_passes(twin, factor, twice, lambda: steps.append(contents(twin, known)))
        steps.append(contents(twin, known))
    finally:
        restore()
    start, middle, end = steps
    return _Run(start, middle, end, [np.asarray(a) for a in passed])


def unpaired(target: Any, both_passes: Passes, known: set[Place]) -> list[Unseen]:
    """Return what backward has written like a gradient, and what is not among the `known`."""
    once, other = run(target, both_passes, known=known), run(target, both_passes, FACTOR)
    written = {p: a for p, a in once.end.items() if _changed(once.middle.get(p), a)}
    cached = {p for p, a in once.middle.items() if _changed(once.start.get(p), a) and a.any()}
    compared = [*once.passed, *(once.end[p] for p in known if p in once.end)]
    for p in known & once.middle.keys() & once.end.keys():  # what backward adds
        if once.middle[p].shape == once.end[p].shape:
            compared.append(once.end[p] - once.middle[p])
    suspects = []
    for place, a in written.items():
        if place in known or place in cached or place not in other.end:
            continue
        is_linear = _is_linear(once, other, place)
        of = _parameter_of(place, once.middle, cached)
        is_named = of != "" or (bool(_is_named(place)) and is_linear)
        if of is None or not (is_linear or is_named) or not _changed(other.end[place], a):
            continue
        if (a.ndim or is_named) and not _is_explained(a, compared):
            suspects.append((place, of))
    if suspects:
        more = run(target, both_passes, twice=True)
        suspects = [(p, of) for p, of in suspects
                    if p in more.end and more.end[p].shape == once.end[p].shape]  # fmt: skip
    return [Unseen(p.label, "written", (of,) if of else ()) for p, of in suspects]


def _changed(before: Array | None, after: Array) -> bool:
    return before is None or before.shape != after.shape or not np.array_equal(before, after)


def _is_linear(once: _Run, other: _Run, place: Place) -> bool:
    """Whether what backward writes, or adds, is proportional to dy."""
    a, b = (np.asarray(r.end[place]) for r in (once, other))
    starts = [np.asarray(r.middle.get(place, np.zeros(())), float) for r in (once, other)]
    if a.shape != b.shape or not a.any():
        return False
    pairs = [(a, b)]
    if all(s.shape in (a.shape, ()) for s in starts):
        pairs.append((a - starts[0], b - starts[1]))
    return any(np.allclose(FACTOR * p, q, 1e-6, 1e-9 * np.abs(q).max()) for p, q in pairs)


def _parameter_of(place: Place, numbers: Contents, cached: set[Place]) -> str | None:
    """Return the number whose gradient this is by name; None if that is in the cache."""
    name = str(place.tokens[-1]).strip("_").lower() if place.tokens else ""
    for other in numbers:
        if other.tokens[:-1] != place.tokens[:-1] or other == place or not other.tokens:
            continue
        if name in partner_names(str(other.tokens[-1]).strip("_").lower()):
            return None if other in cached else other.label
    return ""


def _is_named(place: Place) -> bool:
    """Whether a place has the name of a gradient."""
    names = [t for t in place.tokens if isinstance(t, str)]
    is_whole = any(n.strip("_").lower() in GRADIENTS for n in names[:-1])
    return is_whole or bool(names and NAMED.fullmatch(names[-1]))


def _is_explained(a: Array, compared: list[Array]) -> bool:
    """Whether an array is made of compared gradients, or is a multiple of one of them."""
    numbers = np.concatenate([np.ravel(c) for c in compared]).astype(float)
    flat = np.ravel(a).astype(float)
    if np.isin(flat, np.append(numbers, 0.0)).all():
        return True
    for c in (np.ravel(c).astype(float) for c in compared):
        size = float(c @ c) if c.shape == flat.shape else 0.0
        near = 1e-9 * float(np.abs(flat).max())
        if size and np.allclose(flat, (flat @ c) / size * c, 1e-6, near):
            return True
    return False
