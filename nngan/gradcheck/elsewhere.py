"""Other inputs for the second look: other widths, other shapes, and large numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..backend import Array
from .subject import Broken, Subject

ODD = (9, 11)  # an odd width, wide enough for a small kernel to move
WIDE = 67  # features of a wide input
STEPS_IN_TIME = 6  # the middle axis of an input with three axes
HUGE = 800.0  # exp(800) is infinite


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
    except (Broken, IndexError, TypeError, ValueError):
        return False
    return all(gradients[k].shape == a.shape for k, a in other.arrays.items())


def _is_in_time(at: Subject, name: str, x: Array) -> bool:
    """Whether forward treats each step of a sequence like a batch of its own."""
    try:
        y = at.with_inputs({**at.inputs, name: x}).output()
        one = at.with_inputs({**at.inputs, name: x[:, 1].copy()}).output()
    except (Broken, IndexError, TypeError, ValueError):
        return False
    if y is None or one is None or y.ndim != 3 or y.shape != (*x.shape[:2], *one.shape[1:]):
        return False
    return bool(np.allclose(y[:, 1], one, rtol=1e-9, atol=1e-12))
