"""`check_gradients` and `assert_gradients`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..network import Sequential
from .backward import check_backward
from .numerical import DOUBLE
from .report import Report
from .shapes import explain_broken
from .subject import Broken, LayerSubject
from .tangents import tangent_findings
from .targets import make_subject, target_name


def check_gradients(
    target: Any, *inputs: Any, thorough: bool = False, accumulate: bool = True, seed: int = 0
) -> Report:
    """Compare a hand-written backward pass with numerical derivatives, and name the mistake.

    Parameters
    ----------
    target : object
        One of

        - a layer, a network, or any object with ``forward(x) -> (y, cache)`` and
          ``backward(dy, cache) -> dx``; its parameters are the arrays ``p`` that have a partner
          ``dp`` (``W`` and ``dW``). If a `Layer` has the passes of a gradient penalty, `tangent`
          and `backward_tangent`, they are checked too;
        - a loss or a penalty, ``f(*inputs) -> (loss, gradient of the first input, ...)``;
        - a pair of functions ``(forward, backward)``.

        The check works on a copy of it. A parameter that is zero everywhere is checked at random
        values, because zeros hide mistakes.
    *inputs : array
        Its arguments. The check computes in float64 whatever their dtype.
    thorough : bool
        Compare every element. Otherwise each array is moved once along a random direction, and
        element by element only if that fails.
    accumulate : bool
        Whether backward must add to ``dW`` (the contract of this library) or overwrite it.
    seed : int
        Seed of the random upstream gradient and directions.

    Returns
    -------
    report : Report
        ``report.ok`` is the verdict; ``print(report)`` shows it.

    Raises
    ------
    TypeError
        If `target` is none of the above, or an input is not made of numbers.
    ValueError
        If an input is empty or not finite.

    References
    ----------
    Baydin et al., "Automatic differentiation in machine learning: a survey", JMLR 2018, section 2.1
    (numerical differentiation); Squire and Trapp, "Using complex variables to estimate derivatives
    of real functions", SIAM Review 1998 (the complex step).

    Examples
    --------
    >>> import numpy as np, nngan as nn
    >>> nn.check_gradients(nn.Tanh(), np.array([[0.5, -1.0]])).ok
    True
    """
    rng = np.random.default_rng(seed)
    try:
        subject = make_subject(target, inputs)
    except Broken as error:
        finding = explain_broken(error, None, None)
        return Report(target_name(target), [], [finding], DOUBLE.reason)
    report = check_backward(subject, rng, thorough, accumulate)
    if isinstance(subject, LayerSubject):
        if report.ok:
            findings = [*tangent_findings(subject, rng), *report.findings]
            report = replace(report, findings=findings)
        if not report.ok:
            options = {"thorough": thorough, "accumulate": accumulate, "seed": seed}
            return _blame_layers(report, subject, **options)
    return report


def assert_gradients(target: Any, *inputs: Any, **options: Any) -> None:
    """Raise AssertionError with the report unless `check_gradients` finds no mistake.

    Parameters are those of `check_gradients`.
    """
    report = check_gradients(target, *inputs, **options)
    if not report.ok:
        raise AssertionError(str(report))


def _blame_layers(report: Report, subject: LayerSubject, **options: Any) -> Report:
    """Replace the mistakes of a network by those of its layers, if they show in one alone."""
    if not isinstance(subject.target, Sequential):
        return report
    found, x = [], next(iter(subject.inputs.values()))
    for i, layer in enumerate(subject.target.layers):
        try:
            alone = check_gradients(layer, x, **options)
            x = subject.backend.to_numpy(layer.forward(subject.backend.asarray(x))[0])
        except Exception:  # then the network's own report must do
            return report
        prefix = f"layers[{i}], {type(layer).__name__}: "
        found += [replace(f, sentence=prefix + f.sentence) for f in alone.findings if f.mistake]
    notes = [f for f in report.findings if not f.mistake]
    return replace(report, findings=found + notes) if found else report
