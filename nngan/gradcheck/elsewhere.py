"""Other points for the second look: modes, batches, inputs of other sizes and other shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from .subject import Broken, Subject

FAILURES = (Broken, IndexError, TypeError, ValueError)  # forward was not made for such numbers
ODD = (9, 11)  # an odd width, wide enough for a small kernel to move
WIDE = 67  # features of a wide input
STEPS_IN_TIME = 6  # the middle axis of an input with three axes
HUGE = 800.0  # exp(800) is infinite
MANY = (132, 300)  # rows of large batches: even numbers, and no multiples of a usual block
MOST = 100_000  # elements of a large batch
LARGE = 40.0  # the factor of large parameters
ZEROS = "where inputs are 0"
PIXELS, LARGE_PARAMETERS = "at inputs from 0 to 255", "at large parameters"
Make = Callable[[], Subject]


class Point(NamedTuple):
    """Other numbers at which both passes run.

    Attributes
    ----------
    words : str
        Where this is, for the report.
    make : callable
        Returns the subject there.
    must : str
        "work" if forward must accept such numbers, "one" if it must accept one such point at least,
        "" if it may refuse them.
    """

    words: str
    make: Make
    must: str = ""


def other_points(at: Subject, rng: np.random.Generator) -> Iterator[Point]:
    """Yield other modes, batches and inputs, with words for the report."""
    inputs, first = at.inputs, next(iter(at.inputs))
    x = inputs[first]

    def with_x(words: str, values: Any, must: str = "") -> Point:
        return Point(words, partial(at.with_inputs, {**inputs, first: values}), must)

    for mode in at.modes():
        yield Point(f"with {mode}", partial(at.in_mode, mode))
    if at.batch_axis >= 0 and x.ndim > at.batch_axis:
        rows = x.shape[at.batch_axis]
        if rows > 1:
            yield Point("with one row (N = 1)", partial(at.rows, np.array([0])))
        most = max(2, MOST * rows // x.size)
        for n in sorted({min(m, most) for m in MANY}):
            many = partial(at.rows, np.arange(n) % rows)
            yield Point(f"with many rows (N = {n})", many, "work")
    rms = float(np.sqrt((x**2).mean())) or 1.0
    if not at.is_loss:
        yield with_x("at another input", rng.standard_normal(x.shape), "one")
        positive = np.abs(rng.standard_normal(x.shape)) + 0.01
        yield with_x("at positive inputs", positive, "one")
        negative = -np.abs(rng.standard_normal(x.shape)) - 0.01
        yield with_x("at negative inputs", negative, "one")
        yield with_x("at large inputs", x * 10 / rms, "one")
        yield with_x("at very large inputs", x * 100 / rms)
        yield with_x("at small inputs", x * 1e-3 / rms, "one")
        if x.ndim and len(x) > 1:
            zeros = x.copy()
            zeros[::2] = 0
            yield with_x("with rows of zeros", zeros)
            some = x.copy()
            some.flat[:: max(2, x.size // 3)] = 0
            yield with_x(ZEROS, some)
        yield with_x(PIXELS, pixels(x, rng))
        yield from (with_x(words, other) for words, other in other_shapes(at, rng))
        if at.parameters:
            yield Point(LARGE_PARAMETERS, partial(_with_large_parameters, at))
        # Inside any domain.
        near = np.asarray(x * (1 + 0.01 * rng.standard_normal(x.shape)))
        yield with_x("at a nearby input", near, "one")
    elif x.ndim:  # between the rows, so in the loss's domain
        yield with_x("at another input", 0.9 * x + 0.1 * np.roll(x, 1, axis=0), "one")


def _with_large_parameters(at: Subject) -> Subject:
    """Return a copy at parameters that a bound on them would cut off."""
    twin = at.with_inputs({k: a.copy(order="K") for k, a in at.inputs.items()})
    for a in twin.parameters.values():
        rms = float(np.sqrt((a**2).sum() / max(1, a.size)))
        a[...] = LARGE * np.where(a < 0, -1, 1) * np.maximum(np.abs(a), rms)
    return twin


def pixels(x: Array, rng: np.random.Generator) -> Array:
    """Draw numbers from 0 to 255, as images from files have them."""
    drawn = np.asarray(rng.uniform(0, 255, x.shape))
    drawn.flat[0] = 255
    return drawn


def huge(x: Array, rng: np.random.Generator) -> Array:
    """Draw numbers whose exponential is 0 or infinite."""
    return np.asarray(HUGE * rng.choice([-1.0, 1.0], x.shape))


def other_shapes(at: Subject, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Yield inputs of other shapes that both passes accept, with words for the report.

    What raises an exception, or returns other shapes, was not made for such inputs.
    """
    first = next(iter(at.inputs))
    x = at.inputs[first]
    if at.batch_axis != 0:
        return
    if x.ndim == 2:
        n, d = x.shape
        width = ODD[d == ODD[0]]
        odd = rng.standard_normal((n, width))
        if _accepts(at, first, odd):
            yield f"with {width} features", odd
        wide = rng.standard_normal((n, WIDE))
        if not at.parameters and len(at.inputs) == 1 and _accepts(at, first, wide, wide.shape):
            yield f"with {WIDE} features", wide
        steps = STEPS_IN_TIME + (STEPS_IN_TIME in x.shape)
        sequences = rng.standard_normal((n, steps, d))
        if _is_in_time(at, first, sequences) and _accepts(at, first, sequences):
            yield f"at an input with three axes, {sequences.shape}", sequences
    if x.ndim == 4:
        n, *rest = x.shape
        sides = [i for i in (2, 3) if x.shape[2] == x.shape[3]]
        if x.shape[1] == x.shape[2] != x.shape[3]:
            sides = [1, 2]
        if sides:
            shape = [n, *rest]
            shape[sides[1]] += 2
            oblong = rng.standard_normal(shape)
            if _accepts(at, first, oblong):
                yield f"at images that are not square, {oblong.shape}", oblong


def _accepts(at: Subject, name: str, x: Array, output: tuple[int, ...] | None = None) -> bool:
    """Whether both passes work on an input, and return arrays of the right shapes."""
    try:
        other = at.with_inputs({**at.inputs, name: x})
        y, cache = other.forward()
        y = np.array(y, np.float64)
        if y.shape[:1] != x.shape[:1] or output not in (None, y.shape):
            return False
        gradients = other.backward(np.ones_like(y), cache)
    except FAILURES:
        return False
    return all(gradients[k].shape == a.shape for k, a in other.arrays.items())


def _is_in_time(at: Subject, name: str, x: Array) -> bool:
    """Whether forward treats each step of a sequence like a batch of its own."""
    try:
        y = at.with_inputs({**at.inputs, name: x}).output()
        one = at.with_inputs({**at.inputs, name: x[:, 1].copy()}).output()
    except FAILURES:
        return False
    if y is None or one is None or y.ndim != 3 or y.shape != (*x.shape[:2], *one.shape[1:]):
        return False
    return bool(np.allclose(y[:, 1], one, rtol=1e-9, atol=1e-12))
