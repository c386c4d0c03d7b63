"""Which loss explains a change of a player; and if none does, which known mistake.

The gradient that moved a player is compared with sums of true gradients: first with those of a
sound step, then with those of the mistakes that games written by hand make.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backend import Array
from .columns import Columns
from .mistakes import Case, mistakes
from .recording import Pass, Recording, Update
from .verdicts import (
    EXACT,
    LEAST,
    NEAR,
    Verdict,
    absent,
    fit,
    fit_of_one_sign,
    gradient_of,
    is_plain,
    one_sign,
    shares,
)

MOST = 8  # updates of a player that are explained
FEWEST = 8  # numbers in a gradient, from which one mistake can be told from another


def explain(
    recording: Recording, columns: Columns, part: str, climbs: bool = False
) -> list[Verdict]:
    """Return a verdict on each update of one player; `climbs`: its optimizer goes uphill."""
    observed = columns.truth.observed
    left, since = recording.initial[part], -1
    verdicts = []
    for update in recording.of(part)[:MOST]:
        gradient, rounding = gradient_of(update, climbs)
        before = None if left is None or not left.any() else observed(part, left)
        windows = _windows(columns.judged, update, since)
        g = observed(part, gradient)
        if np.isfinite(g).all() and g.any() and any(windows):
            cases = [Case(columns, update, g, window, before) for window in windows]
            verdicts.append(_verdict(cases, max(EXACT, rounding)))
        else:
            verdicts.append(Verdict(update, "unknown"))
        left, since = gradient, update.moment
    return verdicts


def _windows(judged: list[Pass], update: Update, since: int) -> list[list[Pass]]:
    """Return the passes of D since the last update, and those of the whole call of the step."""
    until = [p for p in judged if p.moment < update.moment]
    narrow = [p for p in until if p.moment > since]
    wide = [p for p in until if p.play == update.play or p.moment > since]
    return [narrow] if len(narrow) == len(wide) else [narrow, wide]


def _verdict(cases: list[Case], exact: float) -> Verdict:
    """Return the first explanation that leaves no more than rounding, or else the best."""
    best = Verdict(cases[0].update, "unknown")
    for case in cases:
        sound = _sound(case)
        if sound.rest < exact:
            return sound
        best = min(best, sound, key=lambda v: v.rest)
        for verdict in _penalised(case):
            if verdict.rest < exact:
                return verdict
        if case.g.size < FEWEST:
            continue
        near = max(exact, min(NEAR, best.rest / 10))
        for verdict in mistakes(case):
            if verdict.rest < near:
                verdict.others = best.rest
                return verdict
    best.kind = "true" if best.rest < NEAR else "mostly" if best.cosine > LEAST else "unknown"
    return best


def _sound(case: Case) -> Verdict:
    """Return what a loss explains of a gradient: the first of those that explain it best.

    Where outputs hardly vary, several do. Then those come first that have the factors of a loss
    that is written plainly; a loss with a second sigmoid only if no loss of probabilities has them.
    """
    update, is_squashed = case.update, case.columns.is_squashed
    found: list[Verdict] = []
    for loss in case.columns.losses(update.part):
        columns = case.columns.of(update.part, loss, case.window)
        factors, rest = fit_of_one_sign(case.g, [c for _, _, c in columns])
        if sign := one_sign(factors):
            verdict = Verdict(update, "true", loss, sign, shares(columns, factors), rest)
            verdict.absent = absent(columns, factors, case.g)
            found.append(verdict)
            if rest < EXACT and _is_likely(verdict, is_squashed):
                return verdict
    least = min((v.rest for v in found), default=1.0)
    enough = 1.05 * least if least > NEAR else 5 * least if least > EXACT else EXACT
    near = [v for v in found if v.rest <= enough]
    doubles = [v for v in near if is_squashed and v.loss.is_double and is_plain(v)]
    return next(iter(doubles or near), Verdict(update, "unknown"))


def _is_likely(v: Verdict, is_squashed: bool) -> bool:
    """Whether a loss has the factors of a plain one, and D's kind of output."""
    label = v.loss.labels if v.update.part == "D" else v.loss.label
    takes_probabilities = label is not None and np.min(label) >= 0
    return not v.loss.is_double and is_plain(v) and (takes_probabilities or not is_squashed)


def _penalised(case: Case) -> Iterator[Verdict]:
    """Yield that a loss and the usual penalties explain a gradient together."""
    update, truth = case.update, case.columns.truth
    extra: list[Array] = [truth.observed(update.part, update.before)]  # weight decay
    if update.part == "D":
        extra += [c for judged in case.window[-5:] for c in truth.penalties(judged)]
    for loss in case.columns.losses(update.part):
        if loss.is_usual:
            columns = case.columns.of(update.part, loss, case.window)
            factors, rest = fit(case.g, [c for _, _, c in columns] + extra)
            own = factors[: len(columns)]
            if sign := one_sign(own):
                yield Verdict(
                    update, "true", loss, sign, shares(columns, own), rest, has_extra=True
                )
