"""True gradients of the two players, from the passes that a step made.

All are linear in the weights w_n = dL/do_n that a loss gives to D's outputs o_n, so that a loss is
a choice of w. For networks of the library they come from the exact backward passes, run on copies
with the caches that were recorded. For objects of another kind they are measured: the slopes of all
outputs in a few dozen random directions of the parameters, against the same directions of what the
step did.
"""

from __future__ import annotations

import copy
from typing import Any, Protocol

import numpy as np

from ..backend import Array
from .parts import Part
from .recording import Pass

DIRECTIONS = 48


class TrueGradients(Protocol):
    """Gradients for weights of D's outputs, and observed ones, as vectors that can be compared."""

    tolerance: float

    def of_d(self, judged: Pass, w: Array) -> Array:
        """Return the gradient of ``sum_n w_n o_n`` in D's parameters, in one pass of D."""

    def of_g(self, judged: Pass, made: Pass, w: Array, link: Pass) -> Array:
        """Return the same in G's parameters: through a pass of D, then through one of G.

        In a sound game `made` is the pass whose output `judged` has as its input, and `link`,
        which says where that output is in D's input, is `judged` itself.
        """

    def observed(self, part: str, gradient: Array) -> Array:
        """Return a gradient of all parameters as such a vector."""


class Exact:
    """True gradients from the library's backward passes."""

    tolerance = 5e-3

    def __init__(self, G: Part, D: Part) -> None:
        self.layers = {p.name: copy.deepcopy(p.network) for p in (G, D)}
        self.parts = {name: Part(name, network) for name, network in self.layers.items()}

    def of_d(self, judged: Pass, w: Array) -> Array:
        return self._back("D", judged, w)[1]

    def of_g(self, judged: Pass, made: Pass, w: Array, link: Pass) -> Array:
        dx = self._back("D", judged, w)[0]
        rows = link.rows if len(dx) == len(link.x) else slice(None)
        return self._back("G", made, link.factor * dx[rows, link.columns])[1]

    def observed(self, part: str, gradient: Array) -> Array:
        return gradient

    def _back(self, name: str, recorded: Pass, dy: Array) -> tuple[Array, Array]:
        """Return the gradients in the input and in the parameters of one recorded pass."""
        part = self.parts[name]
        start = 0
        for layer in part.layers:
            for parameter, shape in layer.shapes.items():
                stop = start + int(np.prod(shape))
                value = recorded.params[start:stop].reshape(shape)
                getattr(layer, parameter)[...] = layer.backend.asarray(value)
                getattr(layer, "d" + parameter).fill(0)
                start = stop
        dx: Any = dy.astype(recorded.y.dtype).reshape(recorded.y.shape)
        for layer, cache in zip(part.layers[::-1], recorded.caches[::-1], strict=True):
            dx = layer.backward(dx, cache)
        gradient = part.grads()
        assert gradient is not None
        return np.asarray(dx, np.float64), gradient


class Measured:
    """True gradients of objects of any kind, in random directions, from differences."""

    tolerance = 2e-2

    def __init__(self, G: Part, D: Part) -> None:
        random = np.random.default_rng(0)
        self.parts = {"G": G, "D": D}
        self.directions = {
            p.name: random.standard_normal((DIRECTIONS, p.params().size)) for p in (G, D)
        }
        self._slopes: dict[tuple[int, ...], Array] = {}

    def of_d(self, judged: Pass, w: Array) -> Array:
        def outputs(params: Array) -> Array:
            return self._output("D", params, judged.x)

        key = (id(judged),)
        if key not in self._slopes:
            self._slopes[key] = self._differences("D", judged.params, outputs)
        return self._slopes[key] @ w.ravel()

    def of_g(self, judged: Pass, made: Pass, w: Array, link: Pass) -> Array:
        rows = link.rows if len(judged.x) == len(link.x) else slice(None)

        def outputs(params: Array) -> Array:
            x = judged.x.astype(np.float64)
            moved = self._output("G", params, made.x) - self._output("G", made.params, made.x)
            x[rows, link.columns] += link.factor * moved.reshape(x[rows, link.columns].shape)
            return self._output("D", judged.params, x)

        key = (id(judged), id(made), id(link))
        if key not in self._slopes:
            self._slopes[key] = self._differences("G", made.params, outputs)
        return self._slopes[key] @ w.ravel()

    def observed(self, part: str, gradient: Array) -> Array:
        result: Array = self.directions[part] @ gradient
        return result

    def _differences(self, name: str, params: Array, outputs: Any) -> Array:
        """Return the slopes of all outputs in each direction, shape (directions, N)."""
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
