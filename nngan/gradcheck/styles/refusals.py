"""What cannot be checked, in words: the reason, and what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backend import Array
from ..copies import deepcopy
from ..report import Finding
from ..sayings import say
from .adapters import TARGET, arguments, attempt, is_required, normal, options_of, pass_names
from .guesses import adapter_lines, fits, input_shapes

PLAIN = ("forward", "backward")


def unrecognised(sentence: str, evidence: str = "") -> Finding:
    """Return a finding that says that nothing was compared: that is no mistake, and not right."""
    return Finding("unrecognised", sentence, evidence, mistake=False)


def further_arguments(cls: type) -> list[str]:
    """Return what forward must have besides x, the mode of training, and the targets of a loss."""
    forward = getattr(cls, (pass_names(cls) or PLAIN)[0], None)
    known = options_of(forward)
    names = [p.name for p in (arguments(forward) or [])[2:] if is_required(p)]
    more = [n for n in names if n not in known]
    return [] if len(more) == 1 and normal(more[0]) in TARGET else more


def takes_indices(layer: Any, sample: tuple[int, ...] | None, batch: int | None) -> bool:
    """Whether forward fails for floats, because it uses x as indices."""
    names = pass_names(layer) or PLAIN
    shape, _, _ = next(input_shapes(layer, sample, batch))
    outcomes = [
        attempt(getattr(deepcopy(layer), names[0]), np.ones(shape, kind))
        for kind in (np.float64, np.int64)
    ]
    return isinstance(outcomes[0][1], IndexError) and outcomes[1][0]


def needs_more(name: str, cls: type, more: list[str]) -> Finding:
    """Return the finding for a forward with arguments that cannot be guessed."""
    forward = (pass_names(cls) or PLAIN)[0]
    sentence = say("needs more", name=forward, names=", ".join(more))
    return unrecognised(sentence, adapter_lines(name, cls))


def in_no_style(layer: Any, x: Array) -> Finding:
    """Return the finding for an object in no known style, with the lines of its adapter."""
    name = type(layer).__name__
    names = pass_names(layer) or PLAIN
    _, result = attempt(getattr(deepcopy(layer), names[0]), x.copy())
    first = result[0] if isinstance(result, tuple) and len(result) == 2 else result
    if isinstance(first, list | tuple) and fits(_as_array(first)):
        return Finding("contract", say("list", name=names[0]))
    got = f"an array of shape {np.shape(result)}" if isinstance(result, np.ndarray) else (
        f"{type(result).__name__} {str(result)[:40]!r}" if result is not None else "None"
    )  # fmt: skip
    sentence = say("unknown", name=names[0], name2=names[1], got=got)
    return Finding("contract", sentence, adapter_lines(name, layer))


def _as_array(value: Any) -> Any:
    """Return nested lists as an array, if they are one."""
    worked, a = attempt(np.array, value)
    return a if worked else None
