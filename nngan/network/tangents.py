"""The passes of a gradient penalty through a network: signals, tangent, the tangent's gradient.

`nngan.penalties` says what they are for. These functions are methods of `Sequential`: the network
is their first argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import Array

if TYPE_CHECKING:
    from .sequential import Sequential


def signals(network: Sequential, dy: Array, cache: list[Any]) -> list[Array]:
    """Return what `backward` hands from layer to layer: dL/dx, then dL/dy of each layer."""
    signals = [dy]
    for layer, layer_cache in zip(network.layers[::-1], cache[::-1], strict=True):
        dx = layer.backward(signals[-1], layer_cache, param_grads=False)
        assert dx is not None
        signals.append(dx)
    return signals[::-1]


def tangent(network: Sequential, x_dot: Array, cache: list[Any]) -> Array:
    """Return how the output moves as the input moves along x_dot: each layer's tangent in turn."""
    for layer, layer_cache in zip(network.layers, cache, strict=True):
        x_dot = layer.tangent(x_dot, layer_cache)
    return x_dot


def backward_tangent(
    network: Sequential,
    dy_dot: Array,
    x_dot: Array,
    cache: list[Any],
    *,
    signals: list[Array] | None = None,
    input_grad: bool = True,
    sample_weight: Array | None = None,
    accumulate: bool = True,
) -> Array | None:
    """Differentiate ``s = <dy_dot, tangent(x_dot, cache)>``: in the parameters and in x.

    Each layer's J appears in s once, between the tangent t that enters the layer and the signal
    u that `backward` brings to its output: s = <u, J t>. One way up, with t, therefore gives
    every layer's own part, and in a network of straight pieces (no Sigmoid, no Tanh) that is
    all. Where a layer is curved, s depends on its input too, and this part goes down from
    there like any gradient.

    Parameters
    ----------
    dy_dot, x_dot, cache
        As in `Layer.backward_tangent`.
    signals : list of array, optional
        ``network.signals(dy_dot, cache)``, where the caller has it already.
    input_grad : bool
        Whether ds/dx is wanted; None is returned where it is not, or is zero.
    sample_weight, accumulate
        As in `Layer.backward_tangent`; `sample_weight` leaves ds/dx alone.
    """
    if not accumulate and not network._overwrites:
        network.zero_grad()
        accumulate = True
    if signals is None:
        signals = network.signals(dy_dot, cache)
    bends = []
    for i, (layer, u) in enumerate(zip(network.layers, signals[1:], strict=True)):
        options = dict[str, Any]()
        if "sample_weight" in network._tangent_options[i]:
            options = {"sample_weight": sample_weight, "accumulate": accumulate}
        elif layer.size and sample_weight is not None:
            layer.backward(sample_weight * u, cache[i], input_grad=False)
        bends.append(layer.backward_tangent(u, x_dot, cache[i], **options))
        x_dot = layer.tangent(x_dot, cache[i])
    dx = None
    last = 0 if input_grad else network._first_with_parameters
    for i in reversed(range(last, len(network.layers))):
        if dx is not None:
            dx = network.layers[i].backward(dx, cache[i], input_grad=input_grad or i > last)
        if (bend := bends[i]) is not None:
            dx = bend if dx is None else dx + bend
    return dx if input_grad else None
