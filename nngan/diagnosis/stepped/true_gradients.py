"""True gradients of the two players, from the passes that a step made.

All are linear in the weights w_n = dL/do_n that a loss gives to D's outputs o_n, so that a loss is
a choice of w. For networks of the library they come from the exact backward passes, run on copies
with the caches that were recorded. For objects of another kind they are measured: the slopes of all
outputs in a few dozen random directions of the parameters, against the same directions of what the
step did.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ...backend import Array
from ...penalties import gradient_penalty, r1
from .parts import Part
from .recording import Pass

DIRECTIONS = 48
NUMBERS = 512  # of a long gradient's sketch


class TrueGradients:
    """Gradients for weights of D's outputs, and observed ones, as vectors that can be compared.

    Parameters
    ----------
    G, D : Part
    """

    def __init__(self, G: Part, D: Part) -> None:
        self.parts = {"G": G, "D": D}

    def of_d(self, judged: Pass, w: Array, params: Array) -> Array:
        """Return the gradient of ``sum_n w_n o_n`` in D's parameters, in one pass of D.

        `params` are those that D has in its backward pass: not those of its forward pass, if a
        step takes an old cache.
        """
        raise NotImplementedError

    def of_g(self, judged: Pass, made: Pass, w: Array, link: Pass) -> Array:
        """Return the same in G's parameters: through a pass of D, then through one of G.

        In a sound game `made` is the pass whose output `judged` has as its input, and `link`,
        which says where that output is in D's input and which parameters D has, is `judged` itself.
        """
        raise NotImplementedError

    def observed(self, part: str, gradient: Array) -> Array:
        """Return a gradient of all parameters as such a vector."""
        raise NotImplementedError

    def penalties(self, judged: Pass) -> list[Array]:
        """Return the gradients of the usual penalties in D's input, if D has them."""
        return []


class Exact(TrueGradients):
    """True gradients from the library's backward passes.

    A long gradient is shortened: each number is added, with a random sign, to one of a few
    hundred sums. Sums of gradients are kept exactly, and cosines nearly.
    """

    def __init__(self, G: Part, D: Part) -> None:
        super().__init__(*(Part(p.name, copy.deepcopy(p.network)) for p in (G, D)))
        random = np.random.default_rng(0)
        self._gradients: dict[tuple[int, ...], list[tuple[Array, Array]]] = {}
        self._penalties: dict[tuple[int, ...], list[Array]] = {}
        self.sketches = {}
        for name, part in self.parts.items():
            size = part.params().size
            self.sketches[name] = (
                random.integers(NUMBERS, size=size), random.choice([-1.0, 1.0], size)
            )  # fmt: skip

    def observed(self, part: str, gradient: Array) -> Array:
        if gradient.size <= NUMBERS:
            return gradient.astype(np.float64)
        where, signs = self.sketches[part]
        return np.bincount(where, signs * gradient, NUMBERS)

    def penalties(self, judged: Pass) -> list[Array]:
        key = (id(judged),)
        if key not in self._penalties:
            self._penalties[key] = []
            D = self.parts["D"]
            x = D.network.backend.asarray(judged.x)
            with contextlib.suppress(NotImplementedError, ValueError):
                for penalty in (r1, gradient_penalty):
                    self._load("D", judged.params)
                    penalty(D.network, x)
                    gradient = D.grads()
                    assert gradient is not None
                    self._penalties[key].append(self.observed("D", gradient))
        return self._penalties[key]

    def of_d(self, judged: Pass, w: Array, params: Array) -> Array:
        return self._known(
            (id(judged), id(params)), w, lambda: self._back("D", judged, w, params)[1]
        )

    def of_g(self, judged: Pass, made: Pass, w: Array, link: Pass) -> Array:
        def through_both() -> Array:
            rows = link.rows if len(judged.x) == len(link.x) else slice(None)
            dx = self._back("D", judged, w, link.params)[0]
            dx = dx.reshape(len(dx), -1)[rows, link.columns]
            return self._back("G", made, link.factor * dx, made.params)[1]

        return self._known((id(judged), id(made), id(link)), w, through_both)

    def _known(self, key: tuple[int, ...], w: Array, compute: Callable[[], Array]) -> Array:
        """Return a sum of gradients that are known, if w is that sum of their weights.

        The losses differ in w alone, and all labels of one loss in a constant.
        """
        known = self._gradients.setdefault(key, [])
        if known:
            factors, *_ = np.linalg.lstsq(np.stack([v for v, _ in known], axis=1), w, rcond=1e-6)
            rest = w - sum(f * v for f, (v, _) in zip(factors, known, strict=True))
            if np.abs(factors).max() < 10 and np.linalg.norm(rest) <= 1e-9 * np.linalg.norm(w):
                combined: Array = np.stack([g for _, g in known], axis=1) @ np.asarray(factors)
                return combined
        name = "D" if len(key) == 2 else "G"
        known.append((w, self.observed(name, compute())))
        return known[-1][1]

    def _back(self, name: str, recorded: Pass, dy: Array, params: Array) -> tuple[Array, Array]:
        """Return the gradients in the input and in the parameters of one recorded pass."""
        part = self._load(name, params)
        backend = part.network.backend
        dx: Any = backend.asarray(dy.astype(recorded.y.dtype).reshape(recorded.y.shape))
        for layer, cache in zip(part.layers[::-1], recorded.caches[::-1], strict=True):
            dx = layer.backward(dx, cache)
        gradient = part.grads()
        assert gradient is not None
        return np.asarray(backend.to_numpy(dx), np.float64), gradient

    def _load(self, name: str, params: Array) -> Part:
        """Give a copy of a network these parameters, and no gradients."""
        part = self.parts[name]
        part.set_params(params)
        part.network.zero_grad()
        return part


class Measured(TrueGradients):
    """True gradients of objects of any kind, in random directions, from differences."""

    def __init__(self, G: Part, D: Part) -> None:
        super().__init__(G, D)
        random = np.random.default_rng(0)
        self.directions = {
            p.name: random.standard_normal((DIRECTIONS, p.params().size)) for p in (G, D)
        }
        self._slopes: dict[tuple[int, ...], Array] = {}

    def of_d(self, judged: Pass, w: Array, params: Array) -> Array:
        key = id(judged), id(params)
        if key not in self._slopes:
            self._slopes[key] = self._slopes_of_d(judged, params)
        result: Array = self._slopes[key] @ w
        return result

    def of_g(self, judged: Pass, made: Pass, w: Array, link: Pass) -> Array:
        key = id(judged), id(made), id(link)
        if key not in self._slopes:
            self._slopes[key] = self._slopes_of_g(judged, made, link)
        result: Array = self._slopes[key] @ w
        return result

    def observed(self, part: str, gradient: Array) -> Array:
        result: Array = self.directions[part] @ gradient
        return result

    def _slopes_of_d(self, judged: Pass, params: Array) -> Array:
        return self._differences("D", params, lambda p: self._output("D", p, judged.x))

    def _slopes_of_g(self, judged: Pass, made: Pass, link: Pass) -> Array:
        rows = link.rows if len(judged.x) == len(link.x) else slice(None)
        base = self._output("G", made.params, made.x)

        def outputs(params: Array) -> Array:
            x = judged.x.astype(np.float64).reshape(len(judged.x), -1)
            moved = self._output("G", params, made.x) - base
            x[rows, link.columns] += link.factor * moved.reshape(len(moved), -1)
            return self._output("D", link.params, x.reshape(judged.x.shape))

        return self._differences("G", made.params, outputs)

    def _differences(self, name: str, params: Array, outputs: Callable[[Array], Array]) -> Array:
        """Return the slopes of all outputs in each direction."""
        h = 1e-6
        return np.array([
            (outputs(params + h * u) - outputs(params - h * u)).ravel() / (2 * h)
            for u in self.directions[name]
        ])  # fmt: skip

    def _output(self, name: str, params: Array, x: Array) -> Array:
        part = self.parts[name]
        if part.is_ours:
            return self._output_of_ours(part, params, x)
        part.set_params(params)
        return part.output(x.astype(np.float64))

    def _output_of_ours(self, part: Part, params: Array, x: Array) -> Array:
        key = f"{part.name} in float64"
        if key not in self.parts:
            network = copy.deepcopy(part.network)
            wide = params.astype(np.float64)
            network.bind(wide, np.zeros_like(wide), network.backend)
            network.bind_buffers(network.buffers.astype(np.float64))
            self.parts[key] = Part(part.name, network)
        network = self.parts[key].network
        network.params[...] = params
        y: Array = network.forward(x.astype(np.float64))[0]
        return y
