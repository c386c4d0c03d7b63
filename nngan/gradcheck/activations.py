"""Mistakes in elementwise functions: backward / dy is the wrong function of x or y."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..backend import Array
from ..layers.activations import sigmoid
from .case import CLOSE, Case
from .report import Finding

# Derivatives of the library's activations, as functions of the input x or of the output y. The
# slope of LeakyReLU is read off the numbers.
AT_INPUT: dict[str, Callable[[Array], Array]] = {
    "Sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "Tanh": lambda x: 1 - np.tanh(x) ** 2,
    "ReLU": lambda x: (x > 0) * 1.0,
}
AT_OUTPUT: dict[str, Callable[[Array], Array]] = {
    "Sigmoid": lambda y: y * (1 - y),
    "Tanh": lambda y: 1 - y**2,
}


def activation(case: Case) -> Iterator[Finding]:
    """Try the functions that are confused with the derivative of an activation."""
    if not case.is_elementwise:
        return
    x, y, dy, d = case.a, case.y, case.dy, case.d
    slope = case.right / dy
    if case.predicts(slope):
        yield Finding(
            "ignores_upstream",
            f"{d} does not depend on dy: by the chain rule, multiply the local derivative by dy.",
            f"{d} is the local derivative alone",
        )
    if case.predicts(dy):
        yield Finding(
            "path",
            f"{d} is dy unchanged: multiply it by the derivative of forward.",
            f"{d} / dy is 1 at every element",
        )
    yield from _two_slopes(case, slope)
    known = case.known
    matching = (
        name
        for name, f in AT_INPUT.items()
        if np.allclose(f(x)[known], slope[known], rtol=CLOSE, atol=CLOSE)
    )
    forward = next(matching, None)
    slope_at_y = _slope_at(case, y)
    if slope_at_y is not None and case.predicts(dy * slope_at_y):
        yield Finding(
            "output_for_input",
            f"The derivative in {d} is evaluated at the output y instead of the input x.",
            f"{d} / dy is the slope of forward at y, element by element",
        )
    if forward in AT_OUTPUT and case.predicts(dy * AT_OUTPUT[forward](x)):
        yield Finding(
            "input_for_output",
            f"{d} uses the derivative of {forward} as a formula of the output y, but inserts the "
            "input x.",
            f"{d} / dy equals this formula at x, element by element",
        )
    for forms, u in ((AT_INPUT, x), (AT_OUTPUT, y)):
        for name, f in forms.items():
            if name != forward and case.predicts(dy * f(u)):
                yield _other(d, name, forward)
    # The derivative of a power is a multiple of y / x as well.
    if case.multiple is None and not (x == 0).any() and case.predicts(dy * y / x):
        yield Finding(
            "path",
            f"{d} lacks a term of the product rule: (x g(x))' = g(x) + x g'(x).",
            f"{d} / dy is y / x at every element",
        )


def _two_slopes(case: Case, slope: Array) -> Iterator[Finding]:
    """Try the mistakes in a forward with two slopes, such as LeakyReLU and ReLU."""
    known, d = case.known, case.d
    low, high = slope[known].min() + 0.0, slope[known].max() + 0.0  # no -0.0
    is_low, is_high = np.abs(slope - low) < CLOSE, np.abs(slope - high) < CLOSE
    if high - low < CLOSE or not (is_low | is_high)[known].all():
        return
    if case.predicts(case.dy * (low + high - slope)):
        yield Finding(
            "slope_swapped",
            f"The two slopes in {d} are swapped: {high:.4g} instead of {low:.4g}, and the reverse.",
            f"{d} / dy is {low + high:.4g} minus the numerical derivative / dy",
        )
    used = float(np.median((case.analytic / case.dy)[known & is_low]))
    if case.predicts(case.dy * np.where(is_low, used, high)):
        if used == 0 or low == 0:
            name = "ReLU" if used == 0 else f"LeakyReLU({used:.4g})"
            yield _other(d, name, "ReLU" if low == 0 else f"LeakyReLU({low:.4g})")
        else:
            yield Finding(
                "slope",
                f"The slope for negative x is {used:.4g} in backward and {low:.4g} in forward.",
                f"{d} / dy is {used:.4g} for negative x, and right for positive x",
            )


def _other(d: str, name: str, forward: str | None) -> Finding:
    return Finding(
        "other_activation",
        f"{d} uses the derivative of {name}, but forward is {forward or 'another function'}.",
        f"{d} / dy is the derivative of {name} at every element",
    )


def _slope_at(case: Case, u: Array) -> Array | None:
    """Return f'(u) for an elementwise forward f, or None where f is not defined."""
    h = 1e-4
    inputs = case.subject.inputs
    outputs = [
        case.subject.with_inputs({**inputs, case.label: u + step}).output()
        for step in (-h, -h / 2, h / 2, h)
    ]
    far_below, below, above, far_above = outputs
    if far_below is None or below is None or above is None or far_above is None:
        return None
    fine, coarse = (above - below) / h, (far_above - far_below) / (2 * h)
    slope: Array = (4 * fine - coarse) / 3
    return slope
