"""The passes at the ends of the range of floats: where numbers overflow, and in float32."""

from __future__ import annotations

import numpy as np

from ..backend import Array
from .compare import random_upstream
from .elsewhere import HUGE, huge
from .numerical import SINGLE
from .report import Finding, gradient_name
from .subject import Broken, Subject


def check_overflow(at: Subject, rng: np.random.Generator) -> list[Finding]:
    """See what happens where an exponential overflows."""
    first, *_ = at.inputs
    where = f"at inputs of -{HUGE:.0f} and {HUGE:.0f}"
    try:
        other = at.with_inputs({**at.inputs, first: huge(at.inputs[first], rng)})
        y, cache = other.forward()
    except Broken as error:
        if error.where == "not_finite":
            sentence = (
                f"forward is not finite {where}: an exponential overflows, or a logarithm is "
                "taken of 0. If the true value is finite, write it so that no large number "
                "is in an exponential (a softmax subtracts the largest element of each row)."
            )
            return [Finding("overflow", sentence, error.detail, mistake=False)]
        return []
    except (IndexError, TypeError, ValueError):
        return []
    try:
        dy = np.ones(()) if at.is_loss else random_upstream(np.array(y), rng)
        other.backward(dy, cache)
    except Broken as error:
        if error.where == "not_finite":
            sentence = f"Seen only {where}: {error.detail}."
            return [Finding("not_finite", sentence, "there forward is finite")]
        return []
    if other.overflows():
        sentence = f"A number in forward overflows {where}, though the result is finite."
        return [Finding("overflow", sentence, mistake=False)]
    return []


def check_single_precision(at: Subject) -> list[Finding]:
    """See whether inputs of float32 give nearly the same gradients."""
    rounded = [a.astype(np.float32) for a in at.inputs.values()]
    results = []
    for dtype in (np.float32, np.float64):
        try:
            y, cache = at.forward([a.astype(dtype) for a in rounded])
            y = np.array(y, np.float64)
            dy = np.where(np.indices(y.shape).sum(0) % 3, 1.0, -0.5)
            results.append((y, at.backward(dy.astype(y.dtype), cache)))
        except Broken:
            return []
    (y, gradients), (y64, gradients64) = results
    for name, g in gradients.items():
        a, b = np.asarray(g, np.float64), gradients64[name]
        if a.shape != b.shape or y.shape != y64.shape:
            return []
        size = max(np.abs(b).max(initial=0.0), SINGLE.tolerance)
        if np.abs(a - b).max(initial=0.0) > 2e-3 * size and _close(y, y64):
            d = gradient_name(name)
            sentence = f"Seen only with inputs of float32: {d} differs from that in float64."
            evidence = f"they differ by up to {np.abs(a - b).max():.3g}"
            return [Finding("unknown", sentence, evidence)]
    return []


def _close(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-5 * max(1e-30, np.abs(b).max(initial=0.0)))
