"""Which loss explains a change of a player, and if none does, which known mistake?

The gradient that moved a player is compared with sums of true gradients: first with those of a
sound step, then with those of the mistakes that games written by hand make.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import Array
from .known_losses import DLoss, GLoss, losses_of_d, losses_of_g
from .recording import Pass, Recording, Update
from .true_gradients import TrueGradients

EXACT = 3e-5  # of a gradient may be left where a loss explains it: the rounding of float32
NEAR = 2e-3  # may be left where nothing else explains it better
LEAST = 0.5  # of a cosine: a loss with this explains most of a gradient
MOST = 8  # updates of a player that are explained
FEWEST = 8  # numbers in a gradient, from which a mistake can be told from another


@dataclass
class Verdict:
    """What explains one update.

    Attributes
    ----------
    kind : str
        "true" if a loss explains it, "mostly" if that and something else do, "unknown", or the kind
        of a mistake.
    loss : DLoss, GLoss or None
    sign : int
        -1 if the player climbed the loss.
    shares : list of (Pass, str, float)
        Passes that took part, as "real" or "fake", and the factor of the mean's gradient.
    rest : float
        The part of the gradient that the explanation leaves, as a fraction of its length.
    others : float
        The cosine of the gradient with the best sound step.
    detail : str
        What else is known of a mistake.
    absent : tuple of str
        "real" or "fake", if D judged such samples and they have no share, but would show.
    """

    update: Update
    kind: str
    loss: Any = None
    sign: int = 1
    shares: list[tuple[Pass, str, float]] = field(default_factory=list)
    rest: float = 1.0
    others: float = 0.0
    detail: str = ""
    absent: tuple[str, ...] = ()

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the gradient and its explanation."""
        return float(np.sqrt(max(0.0, 1 - self.rest * self.rest)))

    @property
    def side(self) -> int:
        """1 if the player raised the outputs that a sound D and G raise, -1 if it lowered them."""
        is_sure = self.loss and self.kind != "unknown" and self.cosine > 0.8
        return self.sign * self.loss.side if is_sure else 0


Column = tuple[Pass, str, Array]


class Explainer:
    """Compares the updates of a recording with true gradients."""

    def __init__(self, recording: Recording, truth: TrueGradients, is_squashed: bool) -> None:
        self.recording, self.truth = recording, truth
        self.d_losses, self.g_losses = losses_of_d(is_squashed), losses_of_g(is_squashed)
        self.passes = sorted(recording.passes, key=lambda p: p.moment)
        self.judged = [p for p in self.passes if p.part == "D"]
        self.made = [p for p in self.passes if p.part == "G"]
        self._columns: dict[Any, Array] = {}
        self._partners: dict[Any, Array | None] = {}

    def explain(self, part: str) -> list[Verdict]:
        """Return a verdict on each update of one player."""
        updates = self.recording.of(part)
        left = self.recording.initial[part]
        verdicts = []
        since = -1
        for update in updates[:MOST]:
            gradient = gradient_of(update)
            windows = self._windows(update, since)
            before = None if left is None or not left.any() else self.truth.observed(part, left)
            verdicts.append(self._verdict(update, gradient, windows, before))
            left, since = gradient, update.moment
        return verdicts

    def _windows(self, update: Update, since: int) -> list[list[Pass]]:
        """Return the passes of D since the last update, and those of the whole call of the step."""
        until = [p for p in self.judged if p.moment < update.moment]
        narrow = [p for p in until if p.moment > since]
        wide = [p for p in until if p.play == update.play or p.moment > since]
        return [narrow] if len(narrow) == len(wide) else [narrow, wide]

    def _verdict(
        self, update: Update, gradient: Array, windows: list[list[Pass]], before: Array | None
    ) -> Verdict:
        g = self.truth.observed(update.part, gradient)
        if not np.isfinite(g).all() or not g.any() or not any(windows):
            return Verdict(update, "unknown")
        exact = max(EXACT, rounding_of(update, gradient))
        best = Verdict(update, "unknown")
        for window in windows:
            sound = self._sound(update, g, window)
            if sound.rest < exact:
                return sound
            best = min(best, sound, key=lambda v: v.rest)
            if g.size >= FEWEST:
                near = max(exact, min(NEAR, best.rest / 10))
                for verdict in self._penalised(update, g, window):
                    if verdict.rest < exact:
                        return verdict
                for verdict in self._mistakes(update, g, window, before):
                    if verdict.rest < near:
                        verdict.others = best.cosine
                        return verdict
        best.kind = "true" if best.rest < NEAR else "mostly" if best.cosine > LEAST else "unknown"
        return best

    # -- a sound step ------------------------------------------------------------------------------

    def _sound(self, update: Update, g: Array, window: list[Pass]) -> Verdict:
        """Return what a loss explains of a gradient: the first of those that explain it best."""
        found = [Verdict(update, "unknown")]
        for loss in self._losses(update.part):
            columns = self._columns_of(update.part, loss, window)
            factors, rest = fit(g, [c for _, _, c in columns])
            if sign := one_sign(factors):
                found.append(Verdict(update, "true", loss, sign, _shares(columns, factors), rest))
                found[-1].absent = _absent(columns, factors, g)
            if sign and rest < EXACT:
                return found[-1]
        least = 5 * min(v.rest for v in found)
        return next(v for v in found if v.rest <= least)

    def _penalised(self, update: Update, g: Array, window: list[Pass]) -> Iterator[Verdict]:
        """Yield that a loss and the usual penalties explain a gradient together."""
        extra = [self.truth.observed(update.part, update.before)]  # weight decay
        if update.part == "D":
            extra += [c for judged in window[-5:] for c in self.truth.penalties(judged)]
        for loss in self._losses(update.part):
            if loss.is_usual:
                columns = self._columns_of(update.part, loss, window)
                n = len(columns)
                factors, rest = fit(g, [c for _, _, c in columns] + extra)
                if sign := one_sign(factors[:n]):
                    shares = _shares(columns, factors[:n])
                    yield Verdict(update, "true", loss, sign, shares, rest)

    def _losses(self, part: str) -> list[Any]:
        return list(self.d_losses if part == "D" else self.g_losses)

    def _columns_of(self, part: str, loss: Any, window: list[Pass]) -> list[Column]:
        """Return the true gradient of a loss in each pass, of data and of fakes."""
        found = []
        for judged in window if part == "D" else [p for p in window if p.source]:
            sides = ("real", "fake") if part == "D" else ("fake",)
            for side in sides:
                mask = judged.is_fake if side == "fake" else ~judged.is_fake
                if mask.any():
                    column = self._column(part, loss, side, judged, judged, judged.source, mask)
                    if column.any():
                        found.append((judged, side, column))
        return found

    def _column(
        self, part: str, loss: Any, side: str, judged: Pass, weighed: Pass, made: Any, mask: Array
    ) -> Array:
        """Return the gradient through `judged` and `made`, with the weights of `weighed`."""
        key = part, id(loss.real if part == "D" and side == "real" else loss.fake), side
        key = *key, id(judged), id(weighed), id(made)
        if key not in self._columns:
            o = weighed.outputs
            w = np.zeros(len(o))
            other = self._partner(weighed, side)
            weights = loss.real if part == "D" and side == "real" else loss.fake
            w[mask] = weights(o[mask], other) / mask.sum()
            self._columns[key] = (
                self.truth.of_d(judged, w, weighed.params) if part == "D"
                else self.truth.of_g(judged, made, w, weighed)
            )  # fmt: skip
        return self._columns[key]

    def _partner(self, judged: Pass, side: str) -> Array | None:
        """Return the outputs that a loss of pairs compares with those of a pass: the nearest."""
        key = id(judged), side
        if key not in self._partners:
            others = [
                other.outputs[mask]
                for other in sorted(self.judged, key=lambda p: abs(p.moment - judged.moment))
                if (mask := other.is_fake == (side == "real")).any() and other.play == judged.play
            ]
            self._partners[key] = others[0] if others else None
        return self._partners[key]

    # -- mistakes ----------------------------------------------------------------------------------

    def _mistakes(
        self, update: Update, g: Array, window: list[Pass], before: Array | None
    ) -> Iterator[Verdict]:
        """Yield the mistakes that explain a gradient exactly."""
        losses = [loss for loss in self._losses(update.part) if loss.is_usual]
        for loss in losses:
            yield from self._left_over(update, g, window, before, loss)
        for loss in losses:
            yield from self._both(update, g, window, loss)
        for loss in losses:
            yield from self._stale(update, g, window, loss)

    def _left_over(
        self, update: Update, g: Array, window: list[Pass], before: Array | None, loss: Any
    ) -> Iterator[Verdict]:
        """Yield that a gradient of an earlier update or of the other player's step is in it."""
        columns = self._columns_of(update.part, loss, window)
        for foreign in self._foreign(update.part, loss, window):
            strange = [c for _, _, c in foreign]
            own = [c for c in columns if not foreign or c[0] not in {p for p, _, _ in foreign}]
            for extra in ([], [before] if before is not None else []):
                if not (strange or extra):
                    continue
                factors, rest = fit(g, [c for _, _, c in own] + strange + extra)
                n = len(own)
                ours, theirs = factors[:n], factors[n : n + len(strange)]
                last = factors[n + len(strange) :]
                if rest > NEAR or (n and not ours.any()):
                    continue
                scale = np.abs(factors).max()
                sign = one_sign(ours) if n else 1
                if not sign or (theirs * sign < 0.02 * scale).any():
                    continue
                verdict = Verdict(update, "not-zeroed", loss, sign, _shares(own, ours), rest)
                if not n:
                    verdict.kind = "moved by the other"
                elif len(last) and 0.02 < last[0] < 0.98 and update.grads is None:
                    verdict.kind = "true"  # momentum
                elif len(last) and not 0.98 < last[0] < 1.02:
                    continue
                verdict.detail = "the other player's step" if len(theirs) else "the update before"
                yield verdict

    def _foreign(self, part: str, loss: Any, window: list[Pass]) -> Iterator[list[Column]]:
        """Yield gradients of the other player's loss that may be left over: none, then some."""
        yield []
        fakes = [p for p in window if p.source]
        if part == "D":
            if all(p.is_fake.all() for p in window):
                passes = fakes
            else:
                first = next(p for p in window if not p.is_fake.all())
                passes = [p for p in fakes[:-1] if p.moment < first.moment]
            losses: list[Any] = [(-1.0, loss)]
            losses += [(1.0, g) for g in self.g_losses if g.side == loss.side and g.is_usual]
        else:
            passes = fakes[:-1]
            losses = [(1.0, g) for g in self.g_losses if g.side == -loss.side and g.is_usual]
            losses.append((-1.0, loss))
        for sign, other in losses:
            columns = [
                (p, "fake", sign * self._column(part, other, "fake", p, p, p.source, p.is_fake))
                for p in passes
            ]
            if columns:
                yield columns

    def _both(self, update: Update, g: Array, window: list[Pass], loss: Any) -> Iterator[Verdict]:
        """Yield that D's loss and G's, on the same fakes, are in one gradient."""
        columns = self._columns_of(update.part, loss, window)
        fakes = [p for p in window if p.source]
        other_side = loss.side if update.part == "D" else -loss.side
        others = [x for x in self.g_losses if x.side == other_side and x.is_usual]
        for other, judged in itertools.product(others, fakes[-2:]):
            args = judged, judged, judged.source, judged.is_fake
            extra = self._column(update.part, other, "fake", *args)
            factors, rest = fit(g, [*(c for _, _, c in columns), extra])
            ours = factors[:-1]
            sign = one_sign(ours)
            if sign and factors[-1] * sign > 0.02 * np.abs(factors).max() and ours.all():
                yield Verdict(update, "moved by both", loss, sign, _shares(columns, ours), rest)

    def _stale(self, update: Update, g: Array, window: list[Pass], loss: Any) -> Iterator[Verdict]:
        """Yield that a backward pass had the cache of another forward pass."""
        pairs = self._stale_d(window, loss) if update.part == "D" else self._stale_g(window, loss)
        for columns, detail in pairs:
            factors, rest = fit(g, [c for _, _, c in columns])
            sign = one_sign(factors)
            if sign and factors.all():
                shares = _shares(columns, factors)
                yield Verdict(update, "stale-cache", loss, sign, shares, rest, detail=detail)

    def _stale_d(self, window: list[Pass], loss: DLoss) -> Iterator[tuple[list[Column], str]]:
        reals = [p for p in window if not p.is_fake.any()][-2:]
        fakes = [p for p in window if p.is_fake.all()][-2:]
        for real, fake in itertools.product(reals, fakes):
            swaps = [(a, b) for a, b in itertools.product(window[-3:], repeat=2)
                     if a is b or a is real or b is fake or (a is fake and b is real)]  # fmt: skip
            for a, b in swaps:
                if (a is real and b is fake) or len(a.y) != len(real.y) or len(b.y) != len(fake.y):
                    continue
                yield (
                    [
                        (
                            real,
                            "real",
                            self._column("D", loss, "real", a, real, None, ~real.is_fake),
                        ),
                        (
                            fake,
                            "fake",
                            self._column("D", loss, "fake", b, fake, None, fake.is_fake),
                        ),
                    ],
                    _words(a, real) if a is not real else _words(b, fake),
                )

    def _stale_g(self, window: list[Pass], loss: GLoss) -> Iterator[tuple[list[Column], str]]:
        fakes = [p for p in window if p.source and p.is_fake.all()][-2:]
        made = [p for p in self.made if window and p.moment < window[-1].moment][-3:]
        for weighed, through, source in itertools.product(fakes, window[-4:], made):
            is_right = through is weighed and weighed.source is source
            if is_right or len({len(weighed.y), len(through.y), len(source.y)}) > 1:
                continue
            column = self._column("G", loss, "fake", through, weighed, source, weighed.is_fake)
            if through is not weighed:
                yield [(weighed, "fake", column)], _words(through, weighed)
            else:
                yield [(weighed, "fake", column)], "G's backward pass had the cache of other noise"


def _words(through: Pass, right: Pass) -> str:
    """Return which cache D's backward pass had, and which it needs."""
    names = ["fakes" if p.source else "data" for p in (right, through)]
    names[1] = f"other {names[1]}" if names[0] == names[1] else names[1]
    return f"the gradient of D's outputs for {names[0]} went back through the cache of {names[1]}"


def gradient_of(update: Update) -> Array:
    """Return the gradient that an update went down, whatever its optimizer made of it."""
    change = update.after - update.before
    grads = update.grads
    if grads is None or not grads.any():
        return -change
    along = max((cosine(change, g) for g in (grads, np.sign(grads))), key=abs)
    if along > 0.9:  # the optimizer climbs
        return -grads
    return -change if abs(along) < 0.05 else grads  # it has moved by something else


def rounding_of(update: Update, gradient: Array) -> float:
    """Return how much of a gradient is rounding, if it was read from a change of parameters."""
    if gradient is update.grads or update.grads is not None and update.grads.any():
        return 0.0
    dtype = update.after.dtype if update.after.dtype == np.float64 else np.float32
    size = float(np.linalg.norm(update.after) * np.finfo(dtype).eps)
    return min(0.02, size / float(np.linalg.norm(gradient)))


def cosine(a: Array, b: Array) -> float:
    """Return the cosine of the angle between two vectors; 0 if one is zero."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


def fit(g: Array, columns: list[Array]) -> tuple[Array, float]:
    """Return the factors of the columns whose sum is nearest to g, and how much of g is left."""
    if not columns:
        return np.zeros(0), 1.0
    a = np.stack(columns, axis=1).astype(np.float64)
    lengths = np.linalg.norm(a, axis=0)
    lengths[lengths == 0] = 1
    factors = np.linalg.lstsq(a / lengths, g, rcond=1e-9)[0]
    rest = float(np.linalg.norm(g - a @ (factors / lengths)) / np.linalg.norm(g))
    factors[np.abs(factors) < 0.01 * np.abs(factors).max()] = 0  # rounding
    return factors / lengths, rest


def one_sign(factors: Array) -> int:
    """Return the sign that all factors share; 0 if they do not."""
    if (factors >= 0).all():
        return int(factors.any())
    return -1 if (factors <= 0).all() else 0


def _absent(columns: list[Column], factors: Array, g: Array) -> tuple[str, ...]:
    """Return which kind of samples has no share in a gradient, and would show if it had one."""
    largest, visible = np.abs(factors).max(), 0.05 * np.linalg.norm(g)
    found = []
    for kind in ("real", "fake"):
        own = [i for i, (_, side, _) in enumerate(columns) if side == kind]
        would = max((largest * np.linalg.norm(columns[i][2]) for i in own), default=0.0)
        if would > visible and not factors[own].any():
            found.append(kind)
    return tuple(found)


def _shares(columns: list[Column], factors: Array) -> list[tuple[Pass, str, float]]:
    pairs = zip(columns, factors, strict=True)
    return [(judged, side, float(f)) for (judged, side, _), f in pairs if f]
