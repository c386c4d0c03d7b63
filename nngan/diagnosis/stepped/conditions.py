"""The labels of a conditional game that is stepped by hand: of data, of fakes, of what G is asked.

D's input is wider than a sample then; what is beside it is the label, one-hot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...backend import Array
from ..report import Finding, Measurement
from ..thresholds import LABELS_APART, LABELS_SOMEWHAT, PAIRED
from .playing import as_rows
from .recording import Pass
from .rows import Fed
from .seen import Seen

FEWEST = 40  # rows whose labels are compared


def conditions(seen: Seen, fed: Fed, labels: Any) -> Iterator[Measurement | Finding]:
    """Look whether data and fakes have the same labels, and the right ones."""
    of_data = [(p, y) for p in (*fed.exact, *fed.other) if (y := _classes(fed, p)) is not None]
    of_fakes = [(p, y) for p in fed.fakes if (y := _classes(fed, p)) is not None]
    real = np.concatenate([y[~p.is_fake] for p, y in of_data] or [np.zeros(0, int)])
    fake = np.concatenate([y[p.is_fake] for p, y in of_fakes] or [np.zeros(0, int)])
    if min(len(real), len(fake)) < FEWEST:
        return
    yield from _shares(real, fake)
    yield from _asked(of_fakes)
    if labels is not None:
        yield from _pairs(fed, of_data, np.asarray(labels))


def _classes(fed: Fed, p: Pass) -> Array | None:
    """Return the label of each row in an input of D; None if there is none beside the sample."""
    rows = as_rows(p.x)
    beside = np.delete(rows, np.arange(rows.shape[1])[fed.columns], axis=1)
    return _one_hot(beside)


def _one_hot(block: Array) -> Array | None:
    if block.shape[1] < 2:
        return None
    least, most = block.min(axis=1), block.max(axis=1)
    is_one = (np.isclose(block, most[:, None]).sum(axis=1) == 1).all()
    rest = np.isclose(block, least[:, None]).sum(axis=1) == block.shape[1] - 1
    is_hot = is_one and rest.all() and np.ptp(most) < 1e-6 and np.ptp(least) < 1e-6
    return np.asarray(block.argmax(axis=1)) if is_hot else None


def _shares(real: Array, fake: Array) -> Iterator[Measurement | Finding]:
    k = int(max(real.max(), fake.max())) + 1
    p, q = (np.bincount(y, minlength=k) / len(y) for y in (real, fake))
    apart = float(np.abs(p - q).sum() / 2)
    # Of two draws of the same labels, about.
    chance = float(0.4 * np.sqrt((p + q) / 2 * (1 / len(real) + 1 / len(fake))).sum())
    yield Measurement(
        "labels of fakes, apart from those of data",
        f"{apart:.2f}",
        f"0: alike; chance {chance:.2f}",
    )
    never = np.flatnonzero((q == 0) & (p * len(fake) > 8))
    if apart < max(LABELS_SOMEWHAT, 2.5 * chance):
        return
    is_fault = apart > LABELS_APART or p[never].sum() > LABELS_SOMEWHAT
    names = ", ".join(f"{i}: {p[i]:.0%} and {q[i]:.0%}" for i in range(k) if max(p[i], q[i]) > 0.01)
    yield Finding(
        "labels-apart", "fault" if is_fault else "warning",
        "G is asked for a single class."
        if (q > 0).sum() == 1 else "G is asked for other classes than the data have.",
        f"shares of the classes of the data and of the fakes that D judges: {names}",
        "Draw the labels of fakes from those of the data, such as the labels of the minibatch.",
    )  # fmt: skip


def _asked(of_fakes: list[tuple[Pass, Array]]) -> Iterator[Measurement | Finding]:
    """Compare the label that D is shown with a fake with the one that G was given."""
    same = []
    for p, shown in of_fakes:
        z = as_rows(p.source.x) if p.source else None
        k = as_rows(p.x).shape[1] - (as_rows(p.source.y).shape[1] if p.source else 0)
        if z is None or z.shape[1] <= k or p.rows.stop - p.rows.start != len(z):
            continue
        for block in (z[:, -k:], z[:, :k]):
            asked = _one_hot(block)
            if asked is not None:
                same.append(asked == shown[p.rows])
                break
    if not same:
        return
    share = float(np.concatenate(same).mean())
    yield Measurement("fakes that D is shown with the label G had", f"{share:.0%}", "right: 100%")
    if share < PAIRED:
        yield Finding(
            "labels-mixed", "fault",
            "D is shown the fakes with other labels than G was asked for.",
            f"{share:.0%} of {sum(map(len, same))} fakes have the label that G was given",
            "Hand D the same labels as G, in the same order.",
        )  # fmt: skip


def _pairs(
    fed: Fed, of_data: list[tuple[Pass, Array]], labels: Array
) -> Iterator[Measurement | Finding]:
    """Compare the label that D is shown with a row of x with the label of that row."""
    names, index = np.unique(
        labels if labels.ndim == 1 else labels.argmax(axis=1), return_inverse=True
    )
    at = {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(fed.x, np.float32))}
    shares = []
    for p, shown in of_data:
        rows = np.ascontiguousarray(fed.of(p), np.float32)
        pairs = [(shown[i], index[at[key]]) for i, row in enumerate(rows)
                 if (key := row.tobytes()) in at]  # fmt: skip
        if len(pairs) >= 4:
            shares.append(np.mean([a == b for a, b in pairs]))
    if not shares or len(names) < 2:
        return
    share = float(max(shares))  # a game may show wrong pairs too, as fakes
    yield Measurement("data that D is shown with their own label", f"{share:.0%}", "right: 100%")
    if share < PAIRED:
        yield Finding(
            "labels-mixed", "fault", "D is shown the data with labels that are not theirs.",
            f"in the best minibatch {share:.0%} of the rows of x have their own label",
            "Draw rows and labels with the same indices, and shuffle both alike.",
        )  # fmt: skip
