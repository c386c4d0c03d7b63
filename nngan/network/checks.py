"""Which layers may make a network: each once, and each as wide as the one before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..layers import Layer


def check_layers(layers: Sequence[Layer]) -> None:
    """Raise TypeError or ValueError, with the layer at fault, when these make no network."""
    if not layers:
        raise ValueError("a network needs at least one layer")
    features, before = None, ""
    seen: list[Layer] = []
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layer {i} must be a Layer, got {type(layer).__name__}")
        inside = list(layer.leaves())
        if twice := [leaf for leaf in inside if any(leaf is other for other in seen)]:
            name = type(twice[0]).__name__
            raise ValueError(f"layer {i} is there twice: make one {name} for each")
        seen += inside
        for leaf in inside:
            _check_parameters(leaf)
        n_in = width(layer, "n_in")
        if features is not None and n_in is not None and n_in != features:
            raise ValueError(f"{layer!r} wants {n_in} features, but {before} gives {features}")
        if (n_out := width(layer, "n_out")) is not None:
            features, before = n_out, repr(layer)


def _check_parameters(layer: Layer) -> None:
    arrays = {name for name, value in vars(layer).items() if isinstance(value, np.ndarray)}
    for p in sorted(arrays - set(layer.shapes)):
        if "d" + p in arrays:
            raise ValueError(
                f"{type(layer).__name__} has {p} and d{p}, but shapes does not: they would be "
                f"neither trained nor saved, so name {p} in self.shapes"
            )


def width(layer: Layer, name: str) -> int | None:
    """Return a layer's "n_in" or "n_out"; None where it takes any number of features."""
    features: int | None = getattr(layer, name, None)
    return features
