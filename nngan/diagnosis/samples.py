"""The samples: collapse, labels that G ignores, copies of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components

from ..backend import Array
from ..game.inputs import one_hot
from ..layers import LeakyReLU, Linear
from ..losses import bce_with_logits
from ..metrics import nearest, nearest_other
from ..metrics.distances import squared_distances
from ..metrics.energy import mean_distance
from ..network import Sequential
from ..optim import Adam
from .case import BATCH, Case, key
from .data import few_images
from .likeness import likeness
from .report import Finding, Look, Measurement
from .thresholds import (
    CLASS_RATE,
    COPIES,
    COPY_RATIO,
    FEW,
    LABEL_ACCURACY,
    LABEL_EFFECT,
    MISSING_MASS,
    MISSING_RATE,
    NEIGHBOURS,
    OUTCOME_STEPS,
    PAIRWISE,
)
from .trends import relative_size

CENTRES = 50  # of the clusters of data without labels
LEAST = 10  # rows of the data that a mode must have
PAIRS = 500  # rows whose distances are taken
NEXT = 200  # rows among which the next is searched
CLASSIFIER_STEPS = 300
HELD_OUT = 0.3


class Coverage(NamedTuple):
    """How samples are spread over the modes of the data.

    Attributes
    ----------
    modes : int
        How many the data have.
    missing : list of int
        Those that hardly any sample shows.
    mass : float
        The share of the data in them.
    gone : list of int
        Those of them with less than `MISSING_RATE` of their part.
    """

    modes: int
    missing: list[int]
    mass: float
    gone: list[int]


def rare(coverage: Coverage) -> Finding:
    """Return that classes have few samples, but some."""
    which = ", ".join(map(str, coverage.missing))
    return Finding(
        "rare-class", "note",
        f"A class is rare among the samples: {which}." if len(coverage.missing) == 1
        else f"Classes are rare among the samples: {which}.",
        f"{coverage.mass:.0%} of the data are of {len(coverage.missing)} of {coverage.modes} "
        f"classes, which have less than {CLASS_RATE:.0%} of their part in the samples",
        "train longer; if it stays, add the penalty r1 to D, or let D judge pack=2 samples",
    )  # fmt: skip


def collapse(case: Case) -> Look:
    """Look whether the samples are as different from each other as the data are."""
    pairwise = pairwise_distance(case.samples) / (pairwise_distance(case.x) or 1.0)
    # Among few rows: samples on lines, as G draws them where few of its units work, are the nearer
    # to each other the more there are.
    next_of = [np.median(nearest_other(rows[:NEXT])) for rows in (case.samples, case.x)]
    neighbours = float(next_of[0] / next_of[1]) if next_of[1] else 1.0
    yield Measurement("distance of two samples", f"{pairwise:.2f}", "of two of the data: 1")
    yield Measurement("distance of a sample to the next", f"{neighbours:.2f}", "of the data: 1")
    evidence = [
        text
        for is_low, text in (
            (
                pairwise < PAIRWISE,
                f"two samples are {pairwise:.0%} as far apart as two of the data",
            ),
            (
                neighbours < NEIGHBOURS,
                f"the next sample is {neighbours:.1%} as far as the next of the data",
            ),
        )
        if is_low
    ]
    is_growing = not evidence and relative_size(case.gan.G) < 1
    for name, coverage in coverages(case):
        yield Measurement(
            f"{name} without samples", f"{len(coverage.missing)}", f"of {coverage.modes}"
        )
        yield Measurement(f"share of the data in these {name}", f"{coverage.mass:.2f}", "")
        is_sharp = name == "separate modes" or (name == "classes" and coverage.gone)
        if coverage.missing and (is_sharp or coverage.mass > MISSING_MASS):
            which = f" ({', '.join(map(str, coverage.missing))})" * (name == "classes")
            evidence.append(
                f"{len(coverage.missing)} of {coverage.modes} {name} of the data{which}, with "
                f"{coverage.mass:.0%} of the data, have hardly any sample"
            )
        elif coverage.missing and name == "classes":
            yield rare(coverage)
    if evidence and is_growing:
        evidence.append(
            "no layer of G has grown to the size of random weights that keep the size of their "
            f"input, the largest to {relative_size(case.gan.G):.2f} of it: G may not have spread "
            "yet"
        )
    if evidence:
        yield Finding(
            "collapse",
            "note" if is_growing else "fault",
            "The samples show only a part of the data so far."
            if is_growing
            else "G has collapsed: its samples show only a part of the data.",
            "; ".join(evidence),
            "add the penalty r1 to D, let D judge pack=2 or more samples together, or take "
            'loss="relativistic"; bring the learning rates into proportion: lower G\'s if D cannot '
            "follow, both if modes come and go",
        )


def pairwise_distance(rows: Array) -> float:
    """Return the mean distance of two different rows, of the first `PAIRS`."""
    rows = rows[:PAIRS]
    n = len(rows)
    return mean_distance(rows, rows) * n / (n - 1)


def coverages(case: Case) -> Iterator[tuple[str, Coverage]]:
    """Yield how the samples are spread over the classes, if there are labels, and clusters."""
    if case.labels is not None and not case.gan.rules.classes:
        net = classifier(case)  # counts both, so that its own errors are in both
        real, fake = (net(rows).argmax(axis=1) for rows in (case.x, case.samples))
        yield "classes", spread(real, fake, case.classes, CLASS_RATE)
    modes = clusters(case.x)
    if modes is not None:
        centres, groups, are_apart = modes
        real, fake = (groups[nearest(rows, centres)[0]] for rows in (case.x, case.samples))
        name = "separate modes" if are_apart else "clusters"
        yield name, spread(real, fake, int(groups.max()) + 1)


def spread(real: Array, fake: Array, modes: int, rate: float = MISSING_RATE) -> Coverage:
    """Compare how often each mode occurs in the data and in the samples."""
    p, q = (np.bincount(part, minlength=modes) for part in (real, fake))
    missing = (p >= LEAST) & (q * len(real) < rate * p * len(fake))
    gone = missing & (q * len(real) < MISSING_RATE * p * len(fake))
    return Coverage(
        modes, np.flatnonzero(missing).tolist(), float(p[missing].sum() / p.sum()),
        np.flatnonzero(gone).tolist(),
    )  # fmt: skip


def clusters(x: Array) -> tuple[Array, Array, bool] | None:
    """Return centres of clusters, the group of each, and whether the groups are far apart.

    Centres of one mode, which lie nearer to each other than six times the spread of their rows,
    are one group. If that leaves a single group, the data have no separate modes, and each centre
    is a group of its own.
    """
    # Here, so that ``import nngan`` stays light.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    k = min(CENTRES, len(x) // (2 * LEAST), len(np.unique(x[:PAIRS], axis=0)))
    if k < 2:
        return None
    with threadpool_limits(1):  # threads add up in another order each time
        found = KMeans(k, n_init=1, random_state=0, max_iter=10).fit(x)
    centres, own = found.cluster_centers_.astype(np.float64), found.labels_
    size = np.bincount(own, minlength=k)
    squares = ((x - centres[own]) ** 2).sum(axis=1)
    width = np.sqrt(np.bincount(own, squares, k) / np.maximum(size, 1))
    apart = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=2))
    near = apart < 3 * (width[:, None] + width)
    n_groups, groups = connected_components(near, directed=False)
    if n_groups == 1:
        return centres, np.arange(k), False
    return centres, groups, True


def classifier(case: Case) -> Sequential:
    """Train a small classifier of the data's labels for a moment: one logit for each class.

    It learns from all rows but the last, whose share is `HELD_OUT`.
    """
    assert case.labels is not None
    x, dtype = case.x, case.gan.G.dtype
    scale = float(x.std()) or 1.0
    net = Sequential(
        Linear(x.shape[1], 64, "he"), LeakyReLU(0.2), Linear(64, case.classes),
        seed=6, dtype=str(dtype),
    )  # fmt: skip
    net.layers[0].W /= scale  # type: ignore[attr-defined]  # as if the data had the spread 1
    adam = Adam(3e-3, beta1=0.9).bind(net)
    targets = one_hot(case.labels, case.classes, dtype)
    learned = len(x) - int(HELD_OUT * len(x))
    n = min(BATCH, learned)
    for step in range(CLASSIFIER_STEPS):
        at = case.gan.backend.permutation(key(3).fold_in(step), learned)[:n]
        logits, cache = net.forward(x[at])
        _, dlogits = bce_with_logits(logits, targets[at])
        net.backward(dlogits * case.classes, cache, input_grad=False, accumulate=False)
        adam.step()
    return net


def labels_ignored(case: Case) -> Look:
    """Look whether the samples follow their labels."""
    gan = case.gan
    if not gan.rules.classes or case.labels is None:
        return
    net = classifier(case)
    held_out = slice(len(case.x) - int(HELD_OUT * len(case.x)), None)
    right, real_right = (
        float((net(rows[held_out]).argmax(axis=1) == case.labels[held_out]).mean())
        for rows in (case.samples, case.x)
    )
    shares = np.bincount(case.labels, minlength=case.classes) / len(case.labels)
    chance = float((shares**2).sum())
    y = case.y()
    assert y is not None
    moved_label = case.sample(case.z, np.roll(y, 1, axis=1))
    moved_z = case.sample(np.roll(case.z, 1, axis=0), y)
    by_label, by_z = (
        float(np.sqrt(((rows - case.samples) ** 2).sum(axis=1)).mean())
        for rows in (moved_label, moved_z)
    )
    effect = by_label / (by_z or 1.0)
    yield Measurement(
        "samples that a classifier reads as their label", f"{right:.2f}",
        f"of the data: {real_right:.2f}, chance: {chance:.2f}",
    )  # fmt: skip
    yield Measurement("movement with the label, against that with z", f"{effect:.2f}", "0: ignored")
    if real_right < 2 * chance and case.classes > 2:
        yield Finding(
            "labels-ignored",
            "fault",
            "The labels may not be those of the data: a small classifier does not learn them.",
            f"after {CLASSIFIER_STEPS} steps it reads {real_right:.0%} of held-out data as their "
            f"label, chance is {chance:.0%}",
            "look whether data and labels are still in the same order",
        )
        return
    is_wrong = right < chance + LABEL_ACCURACY * (real_right - chance)
    is_still = effect < LABEL_EFFECT
    if is_still or (is_wrong and case.steps > OUTCOME_STEPS):
        yield Finding(
            "labels-ignored",
            "fault",
            "G ignores the labels: another label hardly changes what it draws."
            if is_still
            else "The samples are hardly more often of the class asked for than by chance.",
            f"a classifier reads {right:.0%} of the samples as the class asked for, chance is "
            f"{chance:.0%}; another label moves a sample {effect:.0%} as far as another z",
            "make sure that each sample has its own label in the data, and that D gets the label "
            "of the fake that it judges",
        )


def like_data(case: Case) -> Look:
    """Look whether the samples are like the data at all, whatever makes them what they are."""
    alike = likeness(case.samples, case.x)
    if alike is not None:
        yield from alike.measurements()
        if alike.is_unlike:
            yield alike.finding("note" if relative_size(case.gan.G) < 1 else "warning")


def class_collapse(case: Case) -> Look:
    """Look whether the samples of each class are as different from each other as its data are."""
    if not case.gan.rules.classes or case.labels is None:
        return
    ratios = {}
    for label in range(case.classes):
        rows = case.labels == label
        if rows.sum() >= LEAST and (real := pairwise_distance(case.x[rows])):
            ratios[label] = pairwise_distance(case.samples[rows]) / real
    if not ratios:
        return
    worst = min(ratios, key=ratios.__getitem__)
    yield Measurement(
        f"distance of two samples of class {worst}, the worst", f"{ratios[worst]:.2f}",
        "of two of the data: 1",
    )  # fmt: skip
    poor = [label for label, ratio in ratios.items() if ratio < PAIRWISE]
    if poor:
        yield Finding(
            "collapse",
            "fault",
            "G has collapsed within classes: asked for one of these, it draws nearly the same.",
            ", ".join(f"class {i}: {ratios[i]:.0%} of the data's distance" for i in poor),
            "add the penalty r1 to D, or let D judge pack=2 or more samples together",
        )


def copies(case: Case) -> Look:
    """Look whether samples are copies of rows of the data, or the data so few that they may be."""
    fake = copy_share(case.samples[:PAIRS], case.pool)
    real = copy_share(case.x[:PAIRS], case.pool, is_part=True)
    yield Measurement("rows of the data", f"{len(case.pool):,}", f"few: below {FEW}")
    yield Measurement("samples that are copies of a row", f"{fake:.2f}", f"of the data: {real:.2f}")
    if fake - real > COPIES:
        yield Finding(
            "copies",
            "warning",
            "Samples are copies of training data.",
            f"{fake:.0%} of the samples are less than {COPY_RATIO:.0%} as far from one row of the "
            f"data as from the next; of the data {real:.0%} are",
            "take more data, or a smaller G and D, or stop earlier",
        )
    elif len(case.pool) < FEW:
        yield few_images(case)


def copy_share(rows: Array, pool: Array, is_part: bool = False) -> float:
    """Return the share of rows that are much nearer to one row of a pool than to the second.

    Rows that are part of the pool themselves leave themselves out. The data may hold a row twice:
    a distance of 0 to the second is no sign of a copy.
    """
    count = 0
    for _, d2 in squared_distances(rows, pool):
        first = np.partition(np.sqrt(d2), [0, 1, 2], axis=1)[:, int(is_part) :]
        count += int((first[:, 0] < COPY_RATIO * first[:, 1]).sum())
    return count / len(rows)
