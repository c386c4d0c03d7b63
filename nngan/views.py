"""Whether the arrays of a network's layers are still parts of the network's own.

If they are not, an optimizer moves `params` and the layers compute with something else: the network
learns nothing, without an error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .backend import Array
from .checks import instance
from .network import Sequential


def check_views(network: Sequential) -> None:
    """Refuse a network whose layers have arrays of their own.

    Raises
    ------
    TypeError
        If it is no network.
    ValueError
        If an array was assigned to a layer's ``W``, or a layer was put into another network.
    """
    start = buffer_start = 0
    for layer in instance("network", network, Sequential).layers:
        stop, buffer_stop = start + layer.size, buffer_start + layer.buffer_size
        params, grads = network.params[start:stop], network.grads[start:stop]
        buffers = network.buffers[buffer_start:buffer_stop]
        start, buffer_start = stop, buffer_stop
        if isinstance(layer, Sequential):
            _check(layer, "", {"params": (layer.size,)}, params)
            _check(layer, "", {"grads": (layer.size,)}, grads)
            _check(layer, "", {"buffers": (layer.buffer_size,)}, buffers)
            check_views(layer)
        else:
            _check(layer, "", layer.shapes, params)
            _check(layer, "d", layer.shapes, grads)
            _check(layer, "", layer.buffer_shapes, buffers)


def _check(layer: Any, prefix: str, shapes: dict[str, tuple[int, ...]], flat: Array) -> None:
    """Compare the arrays of one layer with its part of a flat array."""
    start = 0
    for name, shape in shapes.items():
        view = flat[start : start + math.prod(shape)]
        start += math.prod(shape)
        if not _is_part(getattr(layer, prefix + name, None), view, shape):
            raise ValueError(
                f"{prefix}{name} of {type(layer).__name__} is no longer a part of the network's "
                f"arrays: assign its values with layer.{prefix}{name}[...] = array, and make a "
                "layer of its own for each network"
            )


def _is_part(array: Any, view: Array, shape: tuple[int, ...]) -> bool:
    if type(array) is not type(view) or array.shape != shape or array.dtype != view.dtype:
        return False
    if isinstance(view, np.ndarray):
        return bool(not view.size or np.may_share_memory(array, view))
    return bool(array.data.ptr == view.data.ptr)  # CuPy's
