"""The mistakes of games that are written by hand, as sums of gradients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...backend import Array
from .columns import Columns
from .recording import Pass, Update
from .verdicts import NEAR, Column, Verdict, fit, one_sign, shares


class Case(NamedTuple):
    """One update, and what may have a share in it.

    Attributes
    ----------
    columns : Columns
    update : Update
    g : array
        The gradient that moved the player.
    window : list of Pass
        The passes of D that may have a share in it.
    before : array or None
        The gradient of the update before, if it is not zero.
    """

    columns: Columns
    update: Update
    g: Array
    window: list[Pass]
    before: Array | None


def mistakes(case: Case) -> Iterator[Verdict]:
    """Yield what each mistake explains of a gradient."""
    usual = [loss for loss in case.columns.losses(case.update.part) if loss.is_usual]
    for mistake in (left_over, both_losses, stale_cache):
        for loss in usual:
            yield from mistake(case, loss)


def left_over(case: Case, loss: Any) -> Iterator[Verdict]:
    """Yield that a gradient of an earlier update, or of the other player's step, is in it."""
    update = case.update
    columns = case.columns.of(update.part, loss, case.window)
    for theirs in _of_the_other(case, loss):
        passes = {judged for judged, _, _ in theirs}
        own = [c for c in columns if c[0] not in passes]
        for left in ([], [case.before] if case.before is not None else []):
            if not (theirs or left):
                continue
            size = 1.0
            terms = [c for _, _, c in (*own, *theirs)]
            factors, rest = fit(case.g, terms + left)
            if left and update.grads is not None and 0.98 < factors[-1] < 1.02:
                # After many steps what is left over is so large that the terms are rounding in it.
                added = case.g - left[0]
                factors[:-1], rest = fit(added, terms) if added.any() else (0.0, 0.0)
                size = float(np.linalg.norm(added) / np.linalg.norm(case.g))
            n, scale = len(own), np.abs(factors).max()
            sign = one_sign(factors[:n]) if n else 1
            strange = sign * factors[n : n + len(theirs)]
            if rest > NEAR or not sign or (strange < 0.02 * scale).any():
                continue
            rest *= size
            is_whole = not left or 0.98 < factors[-1] < 1.02
            is_momentum = update.grads is None and 0.02 < factors[-1] < 0.98
            if not is_whole and not is_momentum:
                continue
            kind = "not-zeroed" if is_whole else "true"
            kind = MOVED_BY_OTHER if theirs and not own else kind
            verdict = Verdict(update, kind, loss, sign, shares(own, factors[:n]), rest)
            other = "G" if update.part == "D" else "D"
            verdict.detail = f"the step of {other}" if theirs else "the update before"
            yield verdict


MOVED_BY_OTHER, MOVED_BY_BOTH = "moved by the other", "moved by both"


def _of_the_other(case: Case, loss: Any) -> Iterator[list[Column]]:
    """Yield gradients of the other player's loss that may be left over: none, then some."""
    yield []
    part, columns = case.update.part, case.columns
    fakes = [p for p in case.window if p.source]
    losses = [(1.0, g) for g in _losses_of_the_other(case, loss)] + [(-1.0, loss)]
    passes = fakes[:-1]
    if part == "D":  # what G's step leaves is there before D's step
        with_data = [p for p in case.window if not p.is_fake.all()]
        passes = [p for p in passes if p.moment < with_data[0].moment] if with_data else fakes
    for sign, other in losses if passes else ():
        yield [
            (p, "fake", sign * columns.one(part, other, "fake", p, p, p.source, p.is_fake))
            for p in passes
        ]


def _losses_of_the_other(case: Case, loss: Any) -> list[Any]:
    """Return the losses of fakes that pull against a player's own."""
    side = loss.side if case.update.part == "D" else -loss.side
    return [g for g in case.columns.g_losses if g.side == side and g.is_usual]


def both_losses(case: Case, loss: Any) -> Iterator[Verdict]:
    """Yield that D's loss and G's, on the same fakes, are in one gradient."""
    part, columns = case.update.part, case.columns
    own = columns.of(part, loss, case.window)
    fakes = [p for p in case.window if p.source]
    for other, judged in itertools.product(_losses_of_the_other(case, loss), fakes[-2:]):
        extra = columns.one(part, other, "fake", judged, judged, judged.source, judged.is_fake)
        factors, rest = fit(case.g, [*(c for _, _, c in own), extra])
        sign = one_sign(factors[:-1])
        if sign and factors.all() and one_sign(factors):
            yield Verdict(case.update, MOVED_BY_BOTH, loss, sign, shares(own, factors[:-1]), rest)


def stale_cache(case: Case, loss: Any) -> Iterator[Verdict]:
    """Yield that a backward pass had the cache of another forward pass."""
    pairs = _stale_in_d(case, loss) if case.update.part == "D" else _stale_in_g(case, loss)
    for columns, detail in pairs:
        factors, rest = fit(case.g, [c for _, _, c in columns])
        sign = one_sign(factors)
        if sign and factors.all():
            own = shares(columns, factors)
            yield Verdict(case.update, "stale-cache", loss, sign, own, rest, detail=detail)


def _stale_in_d(case: Case, loss: Any) -> Iterator[tuple[list[Column], str]]:
    """Yield D's gradient through wrong caches: one for both minibatches, or two exchanged."""
    one, window = case.columns.one, case.window
    reals = [p for p in window if not p.is_fake.any()][-2:]
    fakes = [p for p in window if p.is_fake.all()][-2:]
    caches = list(itertools.product(window[-3:], repeat=2))
    for real, fake, (a, b) in itertools.product(reals, fakes, caches):
        is_right = a is real and b is fake
        is_likely = a is b or a is real or b is fake or (a is fake and b is real)
        if is_right or not is_likely or (len(a.y), len(b.y)) != (len(real.y), len(fake.y)):
            continue
        columns = [
            (real, "real", one("D", loss, "real", a, real, None, ~real.is_fake)),
            (fake, "fake", one("D", loss, "fake", b, fake, None, fake.is_fake)),
        ]
        yield columns, _words(a, real) if a is not real else _words(b, fake)


def _stale_in_g(case: Case, loss: Any) -> Iterator[tuple[list[Column], str]]:
    """Yield G's gradient through another cache of D, or another of G."""
    window = case.window
    fakes = [p for p in window if p.source and p.is_fake.all()][-2:]
    made = [p for p in case.columns.made if window and p.moment < window[-1].moment][-3:]
    for weighed, through, source in itertools.product(fakes, window[-4:], made):
        is_right = through is weighed and weighed.source is source
        if is_right or len({len(weighed.y), len(through.y), len(source.y)}) > 1:
            continue
        one = case.columns.one
        column = one("G", loss, "fake", through, weighed, source, weighed.is_fake)
        words = "G's backward pass had the cache of other noise"
        yield (
            [(weighed, "fake", column)],
            words if through is weighed else _words(through, weighed),
        )


def _words(through: Pass, right: Pass) -> str:
    """Return which cache D's backward pass had, and which it needs."""
    names = ["fakes" if p.source else "data" for p in (right, through)]
    names[1] = f"other {names[1]}" if names[0] == names[1] else names[1]
    return f"the gradient of D's outputs for {names[0]} went back through the cache of {names[1]}"
