"""What the numbers of a step show without any gradient: not finite, or data out of G's reach."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backend import Array
from ..data import scaled
from ..report import Finding
from .parts import Part
from .playing import as_rows
from .recording import Recording

OUTSIDE = 0.01  # share of the data's values; noise on D's inputs moves a few out


def broken(parts: list[Part]) -> Iterator[Finding]:
    """Yield which networks have parameters that are not finite, before the step is played."""
    for part in parts:
        # Which arrays of another kind of object are parameters is not known yet.
        params = part.params() if part.is_ours else np.zeros(0)
        bad = int((~np.isfinite(params)).sum())
        if bad:
            yield Finding(
                "divergence", "fault",
                f"{part.name} is broken: it has parameters that are not finite.",
                f"{bad:,} of {len(params):,} parameters are NaN or infinite",
                "Begin anew with a lower learning rate, and look for log(0) and for divisions by "
                "0 in the loss.",
            )  # fmt: skip


def breaks(recording: Recording) -> Iterator[Finding]:
    """Yield what becomes NaN or infinite while the step is played: the first such event."""
    events = [(p.moment, p.play, f"the output of {p.part}", p.y) for p in recording.passes]
    events += [(u.moment, u.play, f"the parameters of {u.part}", u.after)
               for u in recording.updates]  # fmt: skip
    for _, play, what, values in sorted(events, key=lambda event: event[0]):
        bad = int((~np.isfinite(values)).sum())
        if bad:
            yield Finding(
                "divergence", "fault", "The step makes numbers that are not finite.",
                f"in call {play + 1} of the step {bad:,} of {values.size:,} numbers of {what} are "
                "NaN or infinite",
                "Look for log(0) and for divisions by 0 in the loss, and lower the learning rate.",
            )  # fmt: skip
            return


def out_of_reach(recording: Recording, G: Part) -> Iterator[Finding]:
    """Yield that D sees data which G's last layer cannot make, or which are tiny or huge for it.

    The data are those that D judges, because a step may scale them. Fakes may be scaled on their
    way to D too.
    """
    judged = [p for p in recording.passes if p.part == "D"]
    of_g = next((p for p in judged if p.source and p.is_fake.any()), None)
    if of_g is None or of_g.source is None:
        return
    least, most = _range_of(G, of_g.source.x)
    fakes = as_rows(of_g.x)[of_g.rows, of_g.columns]
    noise = fakes - of_g.factor * as_rows(of_g.source.y)
    moved = float(noise.mean())
    noise -= moved
    ends = [of_g.factor * end + moved for end in (least, most)]
    width = as_rows(of_g.x).shape[1]
    real = [
        as_rows(p.x)[~p.is_fake, of_g.columns]
        for p in judged if as_rows(p.x).shape[1] == width and not p.is_fake.all()
    ]  # fmt: skip
    if not real:
        return
    data = np.concatenate(real)
    if not np.isfinite(ends).all():
        yield from scaled(data, -np.inf, np.inf)
        return
    low, high = min(ends) + noise.min(), max(ends) + noise.max()
    slack = 0.02 * (high - low)
    outside = float(np.mean((data < low - slack) | (data > high + slack)))
    if outside > OUTSIDE:
        end = f": it ends in {G.layers[-1]!r}" if G.is_ours else ""
        yield Finding(
            "range", "fault", f"G cannot reach the data{end}.",
            f"D sees data in {data.min():.3g} .. {data.max():.3g}, and G's output can come to it "
            f"in {min(ends):.3g} .. {max(ends):.3g}: {outside:.0%} of the data's values are "
            "outside",
            "Scale the data to the range of G's last layer, or let G end in Linear.",
        )  # fmt: skip
    else:
        yield from scaled(data, min(ends), max(ends))


def _range_of(G: Part, z: Array) -> tuple[float, float]:
    """Return the range of G's outputs; infinite if it is not bounded."""
    if G.is_ours:
        least, most = G.layers[-1].output_range
        return least, most
    with np.errstate(all="ignore"):
        far, further = (
            np.concatenate([G.output(sign * factor * z) for sign in (1, -1)])
            for factor in (1e2, 1e4)
        )
    if not np.allclose([far.min(), far.max()], [further.min(), further.max()], rtol=1e-2):
        return -np.inf, np.inf
    return float(further.min()), float(further.max())
