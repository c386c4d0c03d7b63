"""From what a step did to findings: each kind of mistake of a game that is stepped by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ...optim import Adam
from ..report import Finding
from .mistakes import MOVED_BY_BOTH, MOVED_BY_OTHER
from .playing import as_rows
from .seen import Seen, same_rows
from .verdicts import Verdict, is_plain

OTHER = {"G": "D", "D": "G"}


def find(seen: Seen, is_alone: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with a step; `is_alone`: it is known that G does not learn from D."""
    yield from _not_trained(seen)
    yield from _one_sided(seen)
    yield from _same_batches(seen)
    yield from _moved_by_the_other(seen)
    yield from _signs(seen)
    for part in ("D",) if is_alone else ("D", "G"):
        yield from _mistakes_of(seen, part)
    yield from _double_sigmoid(seen)
    yield from _scale(seen)


def _not_trained(seen: Seen) -> Iterator[Finding]:
    for part in ("D", "G"):
        if seen.recording.of(part):
            continue
        calls = seen.recording.backward_calls[part]
        others = len(seen.recording.of(OTHER[part]))
        why = f"{part} had {calls} calls of backward, and no parameter of it changed"
        why += f"; {OTHER[part]} changed {others} times" if others else ""
        remedy = (
            f"Call {part}'s optimizer after {part}'s backward pass, and check that it is bound to "
            f"{part} and that its learning rate is not 0."
        )
        if calls and part not in seen.recording.with_gradient:
            why += f"; each gradient of {part} was 0"
            remedy = (
                "Look where the gradient is lost, from the loss on: clipped probabilities, "
                "a sigmoid at its end, units that are dead."
            )
        yield Finding(
            f"{part.lower()}-not-trained", "fault",
            f"{part} does not change in {seen.plays} calls of the step.", why, remedy,
        )  # fmt: skip


def _one_sided(seen: Seen) -> Iterator[Finding]:
    """Yield that D learns of fakes alone, or of data alone."""
    verdicts = seen.exact("D")
    for kind, name, other in (("real", "data", "fakes"), ("fake", "fakes", "data")):
        if verdicts and all(kind in v.absent for v in verdicts):
            yield Finding(
                "d-not-trained", "fault", f"D learns from {other} alone.",
                f"D judged {name} too, but they have no share in any of its {len(verdicts)} "
                f"gradients; cosine without them: {verdicts[0].cosine:.4f}",
                f"Go back through D for {name} too, before its optimizer's step.",
            )  # fmt: skip


def _same_batches(seen: Seen) -> Iterator[Finding]:
    noise, data = seen.noise(), seen.data()
    pairs = list(itertools.pairwise(noise))
    if pairs and all(same_rows(a, b) for a, b in pairs) and not seen.gets_noise:
        yield Finding(
            "same-noise", "fault", "G gets the same noise in every call of the step.",
            f"{len(noise)} calls, {len(noise[0])} rows of noise, all equal",
            "Draw new noise in each step, from one generator that is made once, before the loop.",
        )  # fmt: skip
    pairs = list(itertools.pairwise(data))
    if pairs and all(same_rows(a, b) for a, b in pairs) and not seen.gets_data:
        rows = len(np.unique(data[0], axis=0))
        whole = len(np.unique(as_rows(seen.x), axis=0)) if seen.x is not None else 0
        if rows < whole or seen.x is None:
            yield Finding(
                "same-data", "fault" if whole else "warning",
                "D gets the same minibatch of data in every call of the step.",
                f"{len(data)} calls, {rows} different rows" + (f" of {whole}" if whole else ""),
                "Draw another minibatch in each step, such as x[rng.integers(len(x), size=n)].",
            )  # fmt: skip


def _moved_by_the_other(seen: Seen) -> Iterator[Finding]:
    for part in ("D", "G"):
        strange = seen.most(part, MOVED_BY_OTHER) + seen.most(part, MOVED_BY_BOTH)
        exact = seen.exact(part)
        home = _home_side(seen, part)
        strange += [v for v in exact if home and v.side == -home and _is_second(v, exact)]
        if not strange:
            continue
        v = strange[0]
        yield Finding(
            f"{part.lower()}-moved-by-{OTHER[part].lower()}-step", "fault",
            f"The step of {OTHER[part]} moves {part} too, and down the loss of {OTHER[part]}.",
            f"{part} changed {len(seen.recording.of(part))} times in {seen.plays} calls of the "
            f"step; cosine between the gradient of {len(strange)} of these changes and the true "
            f"gradient of {OTHER[part]}'s loss{' with its own' * (v.kind == MOVED_BY_BOTH)}: "
            f"{v.cosine:.3f}",
            f"In the step of {OTHER[part]} change the parameters of {OTHER[part]} alone: "
            + ("treat the fakes as data there, and go back through D only." if part == "G"
               else "take D's gradient in its input, and leave D's optimizer alone."),
        )  # fmt: skip


def _home_side(seen: Seen, part: str) -> int:
    """Return the way in which a player pushes when it plays for itself."""
    exact = seen.exact(part)
    if part == "D":  # with data it plays for itself
        exact = [v for v in exact if any(side == "real" for _, side, _ in v.shares)]
        return int(np.sign(sum(v.side for v in exact)))
    sides = {v.side for v in exact}
    return seen.side_of("D") if len(sides) == 2 else 0


def _is_second(v: Verdict, exact: list[Verdict]) -> bool:
    """Whether the player has changed for itself in the same call, too."""
    return any(w.update.play == v.update.play and w.side == -v.side for w in exact)


def _signs(seen: Seen) -> Iterator[Finding]:
    d, g = seen.side_of("D"), seen.side_of("G")
    verdicts_d, verdicts_g = seen.exact("D"), seen.exact("G")
    if _same_label(verdicts_d):
        v = verdicts_d[0]
        yield Finding(
            "labels-swapped", "fault", "D learns the same label for data and for fakes.",
            f"label of data {v.loss.labels[0]:g}, of fakes {v.loss.labels[1]:g}; cosine of D's "
            f"gradient with that of this loss: {v.cosine:.3f}",
            "Give data the label 1 and fakes the label 0 in D's step.",
        )  # fmt: skip
        return
    if 2 * len(same := [v for v in verdicts_d if _is_one_score(v)]) > len(verdicts_d):
        v = same[0]
        yield Finding(
            "wrong-sign", "fault", "D pushes its outputs for data and for fakes the same way.",
            f"the gradient of D's outputs has one sign for both; cosine of D's gradient with that "
            f"of this loss: {v.cosine:.3f}",
            "Give the mean of D's outputs for fakes the other sign in D's loss: "
            "mean(D(fake)) - mean(D(real)).",
        )  # fmt: skip
        return
    if not d or not g or d == g or _home_side(seen, "G"):
        return
    if not (verdicts_g if d == 1 else verdicts_d):
        return  # what only resembles a loss is no evidence of a wrong sign
    halfway = any(v.loss.label == 0.0 for v in verdicts_g)
    if halfway and any(-1.0 in (v.loss.labels or ()) for v in verdicts_d):
        return  # the labels 1 and -1 of D, and 0 for G
    if d == 1:
        v = max(verdicts_g, key=lambda v: v.cosine)
        yield Finding(
            "wrong-sign", "fault",
            "G moves up its loss: its step makes D surer that the fakes are fakes.",
            f"cosine between G's change and the change down its true gradient: {-v.cosine:.2f}",
            "Change the sign of G's gradient (or give the fakes the label of data in G's loss).",
        )  # fmt: skip
        return
    v = max(verdicts_d, key=lambda v: v.cosine)
    if v.sign < 0 or not v.loss.labels:
        yield Finding(
            "wrong-sign", "fault", "D moves up its loss: it raises its output for fakes.",
            f"cosine between D's change and the change down its true gradient: {-v.cosine:.2f}",
            "Change the sign of D's gradient, or of its update.",
        )  # fmt: skip
    else:
        yield Finding(
            "labels-swapped", "fault",
            "D learns to call data fake and fakes real, and G seeks what D calls real.",
            f"label of data {v.loss.labels[0]:g}, of fakes {v.loss.labels[1]:g}; cosine of D's "
            f"gradient with that of this loss: {v.cosine:.3f}",
            "Give data the label 1 and fakes the label 0 in D's step, or swap G's label too.",
        )  # fmt: skip


def _same_label(verdicts: list[Verdict]) -> bool:
    same = [v for v in verdicts if v.loss.labels and v.loss.side == 0]
    return 2 * len(same) > len(verdicts)


def _is_one_score(v: Verdict) -> bool:
    """Whether a score with one sign for both explains an update, with both in it."""
    return v.loss.side == 0 and not v.loss.labels and {side for _, side, _ in v.shares} > {"real"}


def _mistakes_of(seen: Seen, part: str) -> Iterator[Finding]:
    verdicts = seen.verdicts.get(part, [])
    if found := seen.most(part, "not-zeroed"):
        v = found[-1]
        yield Finding(
            "not-zeroed", "fault",
            f"The gradient that moves {part} still holds that of {v.detail}.",
            f"{_unexplained(v)} with what was left over added; in {len(found)} of {len(verdicts)} "
            "updates",
            f"Set {part}'s gradients to zero at the start of its step: {part}.zero_grad().",
        )  # fmt: skip
    if found := seen.most(part, "stale-cache"):
        v = found[0]
        yield Finding(
            "stale-cache", "fault",
            f"A backward pass in {part}'s step uses the cache of another forward pass: {v.detail}.",
            f"{_unexplained(v)} with the wrong cache; in {len(found)} of {len(verdicts)} updates",
            "Hand each backward pass the cache of its own forward pass, or run the forward pass "
            "again just before it.",
        )  # fmt: skip
    unknown = [v for v in verdicts if v.kind == "unknown"]
    if (unknown and 2 * len(unknown) > len(verdicts)) or (not verdicts and seen.recording.of(part)):
        best = max((v.cosine for v in unknown), default=0.0)
        yield Finding(
            "gradient-unknown", "note",
            f"The changes of {part} follow the gradient of no loss that is known here.",
            f"best cosine {best:.2f}, in {len(unknown)} of {len(verdicts)} updates"
            if verdicts else "0 passes of D seen with fakes of G and one output for a sample",
            "This says nothing against it; if the loss is a usual one, compare its gradient with "
            "nn.check_gradients.",
        )  # fmt: skip


def _unexplained(v: Verdict) -> str:
    """Return how much of a gradient a sound step leaves, and how much a mistake."""
    return f"the true gradient leaves {v.others:.2%} of it unexplained, and {v.rest:.4%}"


def _double_sigmoid(seen: Seen) -> Iterator[Finding]:
    found = {}
    for part in ("D", "G"):
        exact = seen.exact(part)
        double = [v for v in exact if v.loss.is_double and is_plain(v)]
        if double and 2 * len(double) > len(exact):
            found[part] = double
    if found:
        first = next(iter(found.values()))
        yield Finding(
            "double-sigmoid", "fault",
            "D's output goes through a sigmoid twice in the loss of "
            f"{' and in that of '.join(found)}.",
            f"cosine of the gradient with that of a loss with two sigmoids: {first[0].cosine:.4f}; "
            f"outputs of D from {_range(first)}",
            "End D in a logit and use bce_with_logits, or keep the Sigmoid and use bce.",
        )  # fmt: skip


def _range(verdicts: list[Verdict]) -> str:
    outputs = np.concatenate([p.y.ravel() for v in verdicts for p, _, _ in v.shares])
    return f"{outputs.min():.2f} to {outputs.max():.2f}"


def _scale(seen: Seen) -> Iterator[Finding]:
    """Compare the sizes of gradients: a mean has the factor 1, a sum the minibatch's size."""
    sums: dict[str, set[bool]] = {"real": set(), "fake": set(), "G": set()}
    evidence = []
    for part in ("D", "G"):
        for v in seen.verdicts.get(part, []):
            if v.kind != "true" or v.update.grads is None:
                continue
            for judged, side, factor in v.shares:
                n = int((judged.is_fake if side == "fake" else ~judged.is_fake).sum())
                if n > 3 and (kind := _sum_or_mean(abs(factor), n)) is not None:
                    key = "G" if part == "G" else side
                    sums[key].add(kind)
                    evidence.append(f"{part}, {side}: {abs(factor):.3g} times the mean's gradient")
    kinds = {key: s.pop() if len(s) == 1 else None for key, s in sums.items()}
    text = "; ".join(dict.fromkeys(evidence))
    if kinds["real"] is not None and kinds["fake"] is not None and kinds["real"] != kinds["fake"]:
        yield Finding(
            "scale", "warning",
            "D's gradient is a sum over the minibatch for data or for fakes, a mean for the other.",
            text, "Divide both halves by the number of samples.",
        )  # fmt: skip
    elif kinds["fake"] is not None and kinds["G"] is not None and kinds["fake"] != kinds["G"]:
        invariant = all(isinstance(u.by, Adam) for u in seen.recording.updates)
        yield Finding(
            "scale", "note" if invariant else "warning",
            "The gradient of one player is a sum over the minibatch, that of the other a mean.",
            text, "Divide the gradient by the number of samples where the loss is a mean.",
        )  # fmt: skip
    elif True in (kinds["fake"], kinds["G"]):
        yield Finding(
            "scale", "note", "The gradients are sums over the minibatch, not means.", text,
            "Divide by the number of samples, so that the learning rate does not depend on it.",
        )  # fmt: skip


def _sum_or_mean(factor: float, n: int) -> bool | None:
    """Return True for a sum, False for a mean; losses of squares have 1/2 or 1 before them."""
    for c in (1.0, 2.0, 0.5):
        if abs(factor / c - n) < 0.02 * n:
            return True
        if abs(factor / c - 1) < 0.02:
            return False
    return None
