"""Both networks of a game that is stepped by hand: whether they bend, and what holds D's slope."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from ...backend import Array
from ..critic import is_clipped, slope, unbounded
from ..likeness import Likeness
from ..linear import ROWS, body, finding, is_linear
from ..report import Finding, Measurement
from ..thresholds import STEEP
from .parts import Part
from .seen import Seen
from .targets import is_score


def linear(seen: Seen, parts: list[Part], alike: Likeness | None) -> Iterator[Finding]:
    """Look whether G or D is a linear map of its input, but for an activation at its end."""
    for part in parts:
        passes = [p for p in seen.recording.passes if p.part == part.name]
        if not passes:
            continue
        x = np.asarray(passes[0].x[:ROWS])
        z = np.random.default_rng(0).standard_normal(x.shape).astype(x.dtype)
        with contextlib.suppress(Exception):  # an object of another kind may refuse other rows
            if any(is_linear(f, z) for f in _maps(part)):
                yield finding(part.name, alike)


def _maps(part: Part) -> list[Callable[[Array], Array]]:
    """Return a network as a function, without the activation at its end if it has one."""
    if part.is_ours:
        f = body(part.layers)
        if f is None:
            return []
        backend = part.network.backend
        return [lambda x: backend.to_numpy(f(backend.asarray(x)))]
    return [
        part.output,
        lambda x: np.log(part.output(x) / (1 - part.output(x))),
        lambda x: np.arctanh(part.output(x)),
    ]


def critic(seen: Seen, D: Part) -> Iterator[Measurement | Finding]:
    """Look whether the slope of the critic of a Wasserstein loss is held, and near 1."""
    verdicts = [v for v in seen.verdicts.get("D", []) if v.loss]
    if not D.is_ours or not verdicts or not is_score(seen.recording):
        return
    passes = [p for p in seen.recording.passes if p.part == "D"]
    rows = {
        name: np.concatenate(found)
        for name, fake in (("data", False), ("fakes", True))
        if (found := [p.x[p.is_fake == fake] for p in passes])
    }
    if any(not len(part) for part in rows.values()):
        return
    n = min(map(len, rows.values()))
    real, fake = rows["data"][:n], rows["fakes"][:n]
    steep = slope(D.network, real), slope(D.network, fake), slope(D.network, (real + fake) / 2)
    yield Measurement(
        "D's slope |dD/dx| at data, fakes, between", ", ".join(f"{s:.3g}" for s in steep),
        "of a Wasserstein critic: 1",
    )  # fmt: skip
    if "D" in seen.recording.bounded or is_clipped(D.params()):
        return
    if all(v.kind == "true" and not v.has_extra and not v.loss.labels for v in verdicts):
        yield unbounded(
            max(steep),
            "Add a gradient penalty to D's gradient, nn.penalties.gradient_penalty, or clip D's "
            "weights after each update.",
        )
    elif min(steep[0], steep[2]) > STEEP:
        left = float(np.median([v.rest for v in verdicts]))
        yield Finding(
            "penalty-wrong", "fault",
            "D's slope is not held: a penalty is in D's gradient, and the slope is far above 1.",
            f"|dD/dx| is {steep[0]:.3g} at data, {steep[1]:.3g} at fakes and {steep[2]:.3g} "
            f"between; the known losses and penalties leave {left:.0%} of D's gradient "
            "unexplained",
            "Take the norm of each sample's gradient over all its features, (|dD/dx| - 1)^2, and "
            "add the penalty's gradient: nn.penalties.gradient_penalty does both.",
        )  # fmt: skip
