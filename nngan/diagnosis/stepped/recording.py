"""What a step does: each pass of a network, and each change of its parameters, in their order."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backend import Array
from .parts import Part

WATCHED = ("step", "update", "zero_grad", "zero_grads", "apply_gradients")


@dataclass(eq=False)
class Pass:
    """One forward pass of a network.

    Attributes
    ----------
    part : str
        "G" or "D".
    x, y : array
        Input and output, each with one row for a sample.
    params : array
        The network's parameters at that time.
    caches : list of object
        What the layers of a `Sequential` kept.
    moment, play : int
        Its place among all events, and the call of the step that it belongs to.
    source : Pass or None
        The pass of G that made this input of D, or a part of it.
    rows, columns : slice
        Where G's output is in the input; `factor` is the number it was multiplied by.
    old_fakes : array of bool
        Which rows G has made at any time.
    """

    part: str
    x: Array
    y: Array
    params: Array
    caches: list[Any]
    moment: int
    play: int
    source: Pass | None = None
    rows: slice = field(default_factory=lambda: slice(0, 0))
    columns: slice = field(default_factory=lambda: slice(None))
    factor: float = 1.0
    old_fakes: Array | bool = False

    @functools.cached_property
    def is_fake(self) -> Array:
        """Whether each row was made by G, shape (N,); after `link`."""
        mask = np.zeros(len(self.x), bool)
        mask[self.rows] = self.source is not None
        return mask | self.old_fakes

    @functools.cached_property
    def outputs(self) -> Array:
        """The outputs in float64, shape (N,)."""
        return self.y.reshape(len(self.y)).astype(np.float64)


@dataclass(eq=False)
class Update:
    """One change of a network's parameters.

    Attributes
    ----------
    before, after : array
    grads : array or None
        What the network kept as its gradient then.
    by : object
        The optimizer that did it, if one was seen.
    """

    part: str
    before: Array
    after: Array
    grads: Array | None
    by: Any
    moment: int
    play: int


@dataclass(eq=False)
class Signal:
    """The gradient of D's outputs, shape (N,), with which D went back to its parameters."""

    judged: Pass
    dy: Array
    moment: int


@dataclass
class Recording:
    """All that was seen, in its order.

    Attributes
    ----------
    passes, updates, signals : list
    bounded : set of str
        The networks whose parameters also changed without a gradient: weights that are clipped,
        or normalised.
    initial : dict of str to array or None
        The gradients that the networks had at the start.
    backward_calls : Counter of str
        How often the last layer of each network went backward.
    with_gradient : set of str
        The networks that had a gradient other than 0 at some time.
    """

    passes: list[Pass] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    bounded: set[str] = field(default_factory=set)
    initial: dict[str, Array | None] = field(default_factory=dict)
    backward_calls: Counter[str] = field(default_factory=Counter)
    with_gradient: set[str] = field(default_factory=set)

    def of(self, part: str) -> list[Update]:
        """Return the updates of one player."""
        return [u for u in self.updates if u.part == part]


class Recorder:
    """Watches networks and optimizers while a step is played.

    With `turned` D goes backward with the opposite gradient of its outputs.
    """

    def __init__(self, parts: list[Part], objects: list[Any], turned: bool = False) -> None:
        self.parts, self.turned = parts, turned
        self.recording = Recording(initial={part.name: part.grads() for part in parts})
        self.last = {part.name: part.params() for part in parts}
        self.kept_grads = dict(self.recording.initial)
        self.moved_since: dict[str, bool] = {part.name: False for part in parts}
        self.open: list[tuple[Part, Pass, Any]] = []
        self.moment = self.play = 0
        own = {id(layer) for part in parts for layer in [part.network, *part.layers]}
        self.others = [o for o in objects if id(o) not in own and not isinstance(o, type)]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Put watchers around the passes and the optimizers' methods, and take them away."""
        with ExitStack() as stack:
            layers = {id(layer): layer for part in self.parts for layer in part.layers}
            for layer in layers.values():
                self._wrap(stack, layer, "forward", self._forward)
                self._wrap(stack, layer, "backward", self._backward)
            for part in self.parts:
                for name in WATCHED:
                    self._wrap(stack, part.network, name, self._method)
            for other in self.others:
                for name in WATCHED:
                    if _is_method(other, name):
                        self._wrap(stack, other, name, self._method)
            yield

    def _wrap(self, stack: ExitStack, owner: Any, name: str, around: Callable[..., Any]) -> None:
        original = getattr(owner, name, None)
        if not callable(original):
            return
        try:
            before = dict(vars(owner))
            vars(owner)[name] = lambda *args, **options: around(owner, original, args, options)
        except TypeError:  # an object with slots: what it does is seen at the next event
            return

        def unwrap() -> None:
            if name in before:
                vars(owner)[name] = before[name]
            else:
                vars(owner).pop(name, None)

        stack.callback(unwrap)

    def look(self, by: Any = None, grads: dict[str, Array | None] | None = None) -> None:
        """Note which networks have changed since the last look."""
        self.moment += 1
        for part in self.parts:
            then = self.last[part.name]
            if part.has(then):
                continue
            now = part.params()
            self.last[part.name] = now
            if by is None and not self.moved_since[part.name] and part.has_backward:
                self.recording.bounded.add(part.name)
                continue  # no gradient since the last update: weights clipped, or an average copied
            kept = grads[part.name] if grads else self.kept_grads[part.name]
            if now.shape == then.shape:
                self.recording.updates.append(
                    Update(part.name, then, now, kept, by, self.moment, self.play)
                )
            self.moved_since[part.name] = False

    # -- the watchers ------------------------------------------------------------------------------

    def _method(self, owner: Any, original: Any, args: Any, options: Any) -> Any:
        self.look()
        grads = {part.name: part.grads() for part in self.parts}
        try:
            return original(*args, **options)
        finally:
            self.look(owner, grads)

    def _forward(self, layer: Any, original: Any, args: Any, options: Any) -> Any:
        self.look()
        result = original(*args, **options)
        x = host(args[0] if args else next(iter(options.values())))
        is_pair = isinstance(result, tuple) and len(result) > 1
        y, cache = (result[0], result[1]) if is_pair else (result, None)
        given = args[0] if args else None
        for i, (part, current, out) in reversed(list(enumerate(self.open))):
            is_next = part.layers[len(current.caches)] is layer
            if is_next and (out is given or np.array_equal(host(out), x)):
                current.caches.append(cache)
                self.open[i] = part, current, y
                self._close(i, y)
                return result
        for part in self.parts:
            if part.layers[0] is layer:
                params = self.last[part.name]
                new = Pass(part.name, x, x, params, [cache], self.moment, self.play)
                self.open.append((part, new, y))
                self._close(len(self.open) - 1, y)
        return result

    def _close(self, i: int, y: Any) -> None:
        """Keep a pass that has gone through all layers."""
        part, current, _ = self.open[i]
        if len(current.caches) == len(part.layers):
            current.y = host(y)
            self.recording.passes.append(current)
            del self.open[i]

    def _backward(self, layer: Any, original: Any, args: Any, options: Any) -> Any:
        self.look()
        if args and any(p.name == "D" and p.layers[-1] is layer for p in self.parts):
            if options.get("param_grads", True):
                self._signal(*args[:2])
            args = (-args[0], *args[1:]) if self.turned else args
        result = original(*args, **options)
        for part in self.parts:
            if any(own is layer for own in part.layers):
                if part.layers[-1] is layer:
                    self.recording.backward_calls[part.name] += 1
                self.moved_since[part.name] = True
                if getattr(layer, "size", True):  # not of an activation
                    self.kept_grads[part.name] = grads = part.grads()
                    if grads is not None and grads.any():
                        self.recording.with_gradient.add(part.name)
        self.look()  # a backward pass of the user's own may move the parameters itself
        return result

    def _signal(self, dy: Any, cache: Any = None) -> None:
        """Note with which gradient a pass of D goes backward."""
        dy = host(dy)
        for judged in reversed(self.recording.passes):
            is_it = judged.part == "D" and judged.y.shape == dy.shape
            if is_it and (cache is None or judged.caches[-1] is cache):
                signal = Signal(judged, dy.reshape(len(dy), -1)[:, 0], self.moment)
                self.recording.signals.append(signal)
                return


def _is_method(owner: Any, name: str) -> bool:
    return callable(getattr(type(owner), name, None))


def host(x: Any) -> Array:
    """Return a copy of an array, on the host."""
    return np.array(x.get() if hasattr(x, "get") and hasattr(x, "dtype") else x)
