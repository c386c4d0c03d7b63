"""The parameters of an object: the numbers that its forward reads, each with its gradient.

A number is a parameter if it has a partner: ``dW`` or ``W_grad`` for ``W``, ``grads['W']`` for
``params['W']``, ``grads[0]`` for ``params[0]``. Every other number is moved. Where the output
moves, an array is `Unseen`, and a plain scalar is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backend import Array
from .copies import copied
from .leaves import is_leaf, is_number
from .parameters import Alone, Found, Parameter, initialize, is_loose, set_dtype
from .partners import GRADIENTS, lower, partner_names, plain
from .places import Place, is_cut, places
from .sayings import say
from .texts import other_texts, texts
from .unseen import Unseen
from .writing import as_array, keep, put

Trial = Callable[[Any, int], "Array | None"]


def find_parameters(
    target: Any, trial: Trial, rehearse: Callable[[Any], None], others: Callable[[Any], None]
) -> Found:
    """Return the parameters of `target`, by label, and what else moves its output.

    Parameters
    ----------
    target : object
    trial : callable
        ``trial(twin, i)`` returns the output of a copy for the input, or for another one (i = 1);
        None if forward fails.
    rehearse : callable
        Runs both passes of a copy once. Some parameters and gradients exist only then.
    others : callable
        Runs forward of a copy in its other modes, in which it may keep statistics.
    """
    initialize(target)
    return _Search(target, trial, rehearse, others).run()


class _Search:
    """The search in one object."""

    def __init__(
        self,
        target: Any,
        trial: Trial,
        rehearse: Callable[[Any], None],
        others: Callable[[Any], None],
    ) -> None:
        self.target, self.others = target, others
        self.twin = copied(target)
        set_dtype(self.twin, np.float64)
        self.before = {p: _content(v) for p, v in places(self.twin)}
        self.restore = keep(self.twin, tuple(p for p in self.before if p.outside))
        rehearse(self.twin)
        self.trial = trial
        self.all = dict(places(self.twin))
        self.index: dict[tuple[Any, ...], list[Place]] = {}
        for place in self.all:
            self.index.setdefault(lower(plain(place.tokens)), []).append(place)
        self.prefixes = {path[:i] for path in self.index for i in range(len(path) + 1)}
        self.groups = self._groups()
        self.parameters: list[Parameter] = []
        self.random = np.random.default_rng(0)
        self.known: dict[Place, str] = {}

    def run(self) -> Found:
        found = Found(self.target)
        try:
            own = []
            for group in self.groups:
                if group[0].layer(self.twin):
                    if not group[0].outside or self._moves(group) != "still":
                        self._add(group, (_gradient_place(group[0]),))
                elif gradients := self._partners(group):
                    own.append((group, gradients))
            for group, gradients in own:
                if self._is_parameter(group):
                    self._add(group, self._chosen(group, gradients, found))
            taken = self._without_overlap()
            self._look_at_the_rest(found, taken)
            if is_cut(self.twin):
                found.unseen.append(Unseen("a number", "many"))
        finally:
            self.restore()
        labels: dict[str, int] = {}
        for parameter in self.parameters:
            label = parameter.label
            labels[label] = labels.get(label, 0) + 1
            name = label if labels[label] == 1 else f"{label} ({labels[label]})"
            found.parameters[name] = Parameter(name, parameter.places, parameter.gradients)
        if not all(self._exists(p) for p in self.parameters):
            found.target = self.twin
        return found

    def _exists(self, parameter: Parameter) -> bool:
        """Whether the object has a parameter before its first passes."""
        try:
            for place in parameter.places:
                if not (is_leaf(v := place.read(self.target)) or is_number(v)):
                    return False
            for place in parameter.gradients:
                above = Place(place.steps[:-1]).read(self.target)
                if isinstance(above, list | tuple):
                    place.read(self.target)
        except Exception:
            return False
        return True

    def _groups(self) -> list[Alone]:
        """Return the numbers: all places of one array together, a scalar by itself."""
        groups: dict[Any, list[Place]] = {}
        for place, value in self.all.items():
            if is_leaf(value):
                groups.setdefault(id(value), []).append(place)
            elif is_number(value):
                groups[place] = [place]
        # The object's own name for an array comes first, then the shortest.
        return [tuple(sorted(g, key=lambda p: p.outside)) for g in groups.values()]

    def _add(self, group: Alone, gradients: Alone) -> None:
        label = next((p.label for p in group if p.label not in ("x", "")), f"self.{group[0].label}")
        self.parameters.append(Parameter(label, group, gradients))

    # -- partners ----------------------------------------------------------------------------------

    def _partners(self, group: Alone) -> list[Place]:
        """Return the places that by their names hold the gradient of a parameter."""
        mine = set(group)
        found: dict[Place, bool] = {}
        for place in group:
            for tokens in self._partner_tokens(plain(place.tokens)):
                for other in self.index.get(lower(tokens), ()):
                    if other not in mine and self._may_be_gradient(other):
                        found[other] = plain(other.tokens) == tokens or found.get(other, False)
        # W and w may both be parameters, with dW and dw.
        exact = [p for p, is_exact in found.items() if is_exact]
        return exact or list(found)

    def _partner_tokens(self, tokens: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Yield the paths that exist where the gradient of a parameter may be, by its own path."""
        paths: list[tuple[Any, ...]] = [()]
        for i, token in enumerate(tokens):
            names = [token]
            if isinstance(token, str) and i >= len(tokens) - 3:
                names += partner_names(token)
            paths = [(*p, n) for p in paths for n in names if lower((*p, n)) in self.prefixes]
        yield from (p for p in paths if p != tokens)
        if tokens and isinstance(tokens[-1], str):
            for whole in GRADIENTS:
                if lower((*tokens[:-1], whole)) in self.prefixes:
                    yield (*tokens[:-1], whole, tokens[-1])
                    yield (*tokens[:-1], whole, "d" + tokens[-1])

    def _may_be_gradient(self, place: Place) -> bool:
        value = self.all[place]
        # A number such as dim = 3 is no gradient of im.
        return value is None or is_leaf(value) or value == 0 or self._is_changed(place)

    def _is_changed(self, place: Place) -> bool:
        """Whether the first passes changed what is at a place."""
        missing = place not in self.before
        return missing or not _equal(self.before[place], _content(self.all[place]))

    def _is_parameter(self, group: Alone) -> bool:
        """Whether a number that has a partner is a parameter."""
        moves = self._moves(group)
        if moves != "still":
            return True
        value, place = self.all[group[0]], group[0]
        return is_leaf(value) and not place.outside and not any(map(self._is_changed, group))

    def _chosen(self, group: Alone, gradients: list[Place], found: Found) -> Alone:
        """Return the place that backward fills, and all others of the same array."""
        real = [p for p in gradients if self._moves((p,)) != "moves"] or gradients
        changed = [p for p in real if self._is_changed(p)]
        first = (changed or real)[0]
        same = [p for p in self.all if p != first and is_leaf(self.all[first])
                and self.all[p] is self.all[first] and p not in group]  # fmt: skip
        for other in changed:
            value = self.all[other]
            if other != first and not _equal(_content(value), _content(self.all[first])):
                both = first.label, other.label
                found.unseen.append(Unseen(group[0].label, "two", both))
        return (first, *same)

    # -- what moves the output ---------------------------------------------------------------------

    def _without_overlap(self) -> set[Place]:
        """Leave out a flat buffer whose views are parameters; return all places that are known."""
        taken = {p for q in self.parameters for p in (*q.places, *q.gradients)}
        arrays = {
            q.label: a
            for q in self.parameters
            if isinstance(a := self.all[q.places[0]], np.ndarray) and a.flags.writeable and a.size
            if not q.places[0].layer(self.twin)
        }
        for label, a in sorted(arrays.items(), key=lambda item: -item[1].size):
            del arrays[label]
            views = [b for b in arrays.values() if np.shares_memory(a, b)]
            if views and _cover(views, a):
                self.parameters = [q for q in self.parameters if q.label != label]
            else:
                arrays[label] = a
        return taken

    def _look_at_the_rest(self, found: Found, taken: set[Place]) -> None:
        """Move every other number."""
        rest = [g for g in self.groups if not taken & set(g) and not g[0].layer(self.twin)]
        for parameter in self.parameters:  # W = 0 hides what it multiplies
            value = parameter.value(self.twin).astype(np.float64)
            if not value.any():
                value = np.asarray(self.random.uniform(-0.5, 0.5, value.shape))
                parameter.set_value(self.twin, value)
        if not self._repeats():
            return
        self._look_at_texts(found)
        self.known.clear()
        moves = {g: self._moves(g) for g in rest}
        still = [g for g in rest if moves[g] == "still" and is_leaf(self.all[g[0]])]
        if len(still) > 1:  # two arrays of zeros hide each other
            restore = keep(self.twin, tuple(p for g in still for p in g))
            outputs = [self.trial(self.twin, 0)]
            for g in still:
                if (moved := self._moved(g, 1.0)) is not None and _is_float(self.all[g[0]]):
                    self._try_put(g, moved)
            outputs.append(self.trial(self.twin, 0))
            if _differ(*outputs):
                self.known.clear()
                moves |= {g: self._moves(g) for g in still}
            restore()
        found.still = [g[0] for g in rest if moves[g] == "still" and _is_float(self.all[g[0]])]
        if any(m != "still" for m in moves.values()):
            statistics = self._statistics()
            for group, how in moves.items():
                if how != "still" and not statistics & set(group):
                    self._report(group, how, found)

    def _report(self, group: Alone, how: str, found: Found) -> None:
        value, place = self.all[group[0]], group[0]
        label = place.label or "a number"
        is_whole = as_array(value).dtype.kind in "iu"
        if how == "raises" and (is_whole or is_number(value)):
            return  # an index, a size
        if is_number(value) and not (place.is_item and self._among_parameters(place)):
            if not is_whole and isinstance(value, float | np.floating):
                found.constants.append(say("constant", label=label, number=f"{value:.6g}"))
                if not place.outside and np.isfinite(value):
                    found.movable.append(place)
            return
        if isinstance(value, list | tuple) and is_whole and as_array(value).ndim == 1:
            return  # sizes
        kind = "affects" if how == "moves" else how
        if as_array(value).dtype.kind in "cO":
            kind = "no floats"
        found.unseen.append(Unseen(label, kind, outside=is_loose(place)))

    def _look_at_texts(self, found: Found) -> None:
        """Change each text that may be made of numbers."""
        base = self.trial(self.twin, 0)
        for place, value in list(texts(self.twin)):
            for other in other_texts(value):
                restore = keep(self.twin, (place,))
                try:
                    place.write(self.twin, other)
                    output = self.trial(self.twin, 0)
                except Exception:  # the place cannot be written
                    break
                finally:
                    restore()
                if _differ(base, output):
                    found.unseen.append(Unseen(place.label, "text", outside=is_loose(place)))
                    break

    def _among_parameters(self, place: Place) -> bool:
        """Whether a scalar is in one container with parameters."""
        return any(
            p.is_item and p.steps[:-1] == place.steps[:-1]
            for q in self.parameters
            for p in q.places
        )

    def _statistics(self) -> set[Place]:
        """Return the places that forward changes in another mode: running averages."""
        copy = copied(self.twin)
        before = {p: _content(v) for p, v in places(copy) if not p.outside}
        self.others(copy)
        after = {p: _content(v) for p, v in places(copy)}
        return {p for p, v in before.items() if p in after and not _equal(v, after[p])}

    def _repeats(self) -> bool:
        """Whether forward works and returns the same output twice."""
        first, second = self.trial(self.twin, 0), self.trial(self.twin, 0)
        return first is not None and not _differ(first, second)

    def _moves(self, group: Alone) -> str:
        """Return whether the output "moves" with a number, stays "still", or forward "raises"."""
        if group[0] not in self.known:
            self.known[group[0]] = self._how_it_moves(group)
        return self.known[group[0]]

    def _how_it_moves(self, group: Alone) -> str:
        value = self.all[group[0]]
        array = as_array(value) if value is not None else np.zeros(0)
        if not array.size or array.dtype.kind == "b" or array.dtype.kind not in "fiucO":
            return "still"
        quiet = raised = 0
        for i in (0, 1):
            restore = keep(self.twin, group)
            base = self.trial(self.twin, i)
            restore()
            if base is None:
                continue
            for factor in (1.0, -1.0, 1e-3, 10.0):
                moved = self._moved(group, factor)
                restore = keep(self.twin, group)
                try:
                    if moved is None or not self._try_put(group, moved):
                        return "still"
                    output = self.trial(self.twin, i)
                finally:
                    restore()
                if output is not None and _differ(base, output):
                    return "moves"
                quiet, raised = quiet + (output is not None), raised + (output is None)
        return "raises" if raised and not quiet else "still"

    def _moved(self, group: Alone, factor: float) -> Array | None:
        """Return other values for a number."""
        try:
            value = as_array(group[0].read(self.twin))
            # Not the same for all elements: a softmax does not see that.
            step = self.random.uniform(0.05, 0.2, value.shape) * (1 + abs(value))
            sign = self.random.choice([-1.0, 1.0], value.shape) if value.ndim else 1.0
            return np.asarray(value + factor * sign * step)
        except Exception:
            return None

    def _try_put(self, group: Alone, value: Array) -> bool:
        """Write a value, and the parameters over it; return whether that works."""
        try:
            values = [(q, q.value(self.twin)) for q in self.parameters
                      if not set(q.places) & set(group)]  # fmt: skip
            put(self.twin, group, value)
            for parameter, own in values:  # views of a flat buffer are compared already
                parameter.set_value(self.twin, own)
        except Exception:
            return False
        return True


def _cover(views: list[Array], a: Array) -> bool:
    """Whether views of an array cover all of it."""
    kept = [(v, v.copy()) for v in (a, *views)]
    a[...] = 0
    for v in views:
        v[...] = 1
    covered = bool((a == 1).all())
    for v, before in kept:
        v[...] = before
    return covered


def _gradient_place(place: Place) -> Place:
    """Return the place of the gradient of a library layer's parameter."""
    *before, (way, name) = place.steps
    return Place((*before, (way, "d" + name)), place.outside)


def _is_float(value: Any) -> bool:
    return bool(as_array(value).dtype.kind == "f")


def _content(value: Any) -> Any:
    return value if value is None or is_number(value) else as_array(value)


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.array_equal(a, b))


def _differ(a: Array | None, b: Array | None) -> bool:
    return a is not None and b is not None and not _equal(a, b)
