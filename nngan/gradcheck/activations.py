"""Mistakes in elementwise functions: backward / dy is a wrong function of the input or output."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..backend import Array
from ..layers import sigmoid
from .case import CLOSE, Case
from .report import Finding

# Derivatives of the activations that the library knows, at the input x or the output y. The slope
# of LeakyReLU is read off the numbers.
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
    """Try what a derivative of an activation is confused with."""
    if not case.is_elementwise:
        return
    x, y, dy, true = case.a, case.y, case.dy, case.right / case.dy
    d = case.d
    if case.predicts(true):
        yield Finding(
            "ignores_upstream",
            f"{d} does not depend on dy: by the chain rule the local derivative is multiplied by "
            "dy.",
            f"{d} is the local derivative alone",
        )
    if case.predicts(dy):
        yield Finding(
            "path",
            f"{d} passes dy on as it is: multiply it by the derivative of forward.",
            f"{d} / dy is 1 at every element",
        )
    yield from _slopes(case, true)
    forward = next((n for n, f in AT_INPUT.items() if _match(f(x), true, case)), None)
    at_output = _slope_at(case, y)
    if at_output is not None and case.predicts(dy * at_output):
        yield Finding(
            "output_for_input",
            f"The derivative in {d} is taken at the output y where the input x belongs.",
            f"{d} / dy is the slope of forward at y, element by element",
        )
    if forward in AT_OUTPUT and case.predicts(dy * AT_OUTPUT[forward](x)):
        yield Finding(
            "input_for_output",
            f"{d} puts the input x into the derivative of {forward} written for the output y.",
            f"{d} / dy equals that formula with x put in, at every element",
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


def _slopes(case: Case, true: Array) -> Iterator[Finding]:
    """Try what is confused where forward has two slopes, as LeakyReLU and ReLU have."""
    known, said = case.known, case.analytic / case.dy
    low, high = true[known].min() + 0.0, true[known].max() + 0.0  # no -0.0
    is_low, is_high = np.abs(true - low) < CLOSE, np.abs(true - high) < CLOSE
    if high - low < CLOSE or not (is_low | is_high)[known].all():
        return
    if case.predicts(case.dy * (low + high - true)):
        yield Finding(
            "slope_swapped",
            f"The two slopes in {case.d} are swapped: {high:.4g} where {low:.4g} belongs, and the "
            "reverse.",
            f"{case.d} / dy is {low + high:.4g} minus the numerical derivative / dy",
        )
    slope = float(np.median(said[known & is_low]))
    if case.predicts(case.dy * np.where(is_low, slope, high)):
        if slope == 0 or low == 0:
            name = "ReLU" if slope == 0 else f"LeakyReLU({slope:.4g})"
            yield _other(case.d, name, "ReLU" if low == 0 else f"LeakyReLU({low:.4g})")
        else:
            yield Finding(
                "slope",
                f"The slope for negative x is {slope:.4g} in backward and {low:.4g} in forward.",
                f"{case.d} / dy takes these two values, and where x > 0 it is right",
            )


def _other(d: str, name: str, forward: str | None) -> Finding:
    return Finding(
        "other_activation",
        f"{d} has the derivative of {name}, but forward is "
        + (f"{forward}." if forward else "another function."),
        f"{d} / dy is {name}' at every element",
    )


def _slope_at(case: Case, u: Array) -> Array | None:
    """Return f'(u), elementwise, from forward itself."""
    h, f = 1e-4, []
    for step in (-h, -h / 2, h / 2, h):
        f.append(case.subject.with_inputs({case.label: u + step}).output())
    if any(value is None for value in f):
        return None
    far_below, below, above, far_above = (np.asarray(value) for value in f)
    fine, coarse = (above - below) / h, (far_above - far_below) / (2 * h)
    slope: Array = (4 * fine - coarse) / 3
    return slope


def _match(prediction: Array, true: Array, case: Case) -> bool:
    return bool(np.allclose(prediction[case.known], true[case.known], rtol=CLOSE, atol=CLOSE))
