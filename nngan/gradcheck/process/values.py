"""The output of forward at given values of its inputs and parameters, with or without gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...backend import Array
from ..leaves import is_leaf, is_number
from ..places import Place, places
from ..styles.adapters import argument_names
from ..subject import Broken, describe, line_of
from ..writing import as_array, put


class NoSuchArray(Exception):
    """There is no array of this name, or it has another shape.

    Attributes
    ----------
    label : str
    found : str
        What there is: its shape, or the names of all arrays.
    has_shape : bool
        Whether only the shape is another.
    """

    def __init__(self, label: str, found: str, has_shape: bool) -> None:
        super().__init__(label, found)
        self.label, self.found, self.has_shape = label, found, has_shape


def output_at(target: Any, inputs: Sequence[Any], values: Mapping[str, Array]) -> Array:
    """Return the output of `target`, which keeps the values that are set.

    It is no copy, because a copy may know that it is one.

    Parameters
    ----------
    target : object
        An object with forward, a pair of functions, or a loss.
    inputs : sequence
        Its inputs.
    values : dict of str to array
        Inputs and arrays of the object by label: ``{"x": x, "layers[0].W": W}``. Those that are not
        named keep their values.

    Raises
    ------
    NoSuchArray
        If there is no such array, or its shape differs by more than axes of length 1.
    Broken
        If forward raises, or returns no array.
    """
    function = getattr(target, "forward", None)
    if function is None:
        function = target[0] if isinstance(target, tuple | list) else target
        names = argument_names(function, len(inputs))
    else:  # as a check calls them
        names = ["x"] if len(inputs) == 1 else getattr(target, "takes", None) or (
            argument_names(function, len(inputs))
        )  # fmt: skip
    given = {name: values.get(name, a) for name, a in zip(names, inputs, strict=True)}
    parameters = {label: a for label, a in values.items() if label not in given}
    if parameters and set(parameters) - set(_labelled(target)):
        _call(function, given)  # which may create its parameters
    for label, value in parameters.items():
        arrays = _labelled(target)  # anew: an array may be written into a tuple, which is replaced
        if label not in arrays:
            if any(place.label == label and is_number(a) for place, a in places(target)):
                raise NoSuchArray(label, "()", True)
            raise NoSuchArray(label, ", ".join(arrays) or "none", False)
        shape = as_array(arrays[label][0].read(target)).shape
        if _without_ones(shape) != _without_ones(value.shape):
            raise NoSuchArray(label, str(shape), True)
        put(target, arrays[label], value.reshape(shape))
    y = _call(function, given)
    if not isinstance(y, np.ndarray | np.generic) or y.dtype.kind not in "fiub":
        raise Broken("contract", f"The y of forward must be an array of floats, got {describe(y)}")
    return np.array(y, np.float64)


def rehearse(target: Any, inputs: Sequence[Any]) -> None:
    """Run both passes once, as a check does: forward may be another after the first backward."""
    with contextlib.suppress(Exception, SystemExit), np.errstate(all="ignore"):
        if hasattr(target, "forward"):
            y, cache = target.forward(*(np.array(a) for a in inputs))
            target.backward(np.ones_like(y), cache)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1: a bias may be (n,) or (1, n)."""
    return tuple(n for n in shape if n != 1)


def _call(function: Any, given: Mapping[str, Any]) -> Any:
    """Return the output, without the cache."""
    try:
        with np.errstate(all="ignore"):
            result = function(*(np.array(a) for a in given.values()))
    except (Exception, SystemExit) as error:
        raise Broken("forward", f"{type(error).__name__}: {error}", line_of(error)) from error
    return result[0] if isinstance(result, tuple) and result else result


def _labelled(target: Any) -> dict[str, tuple[Place, ...]]:
    """Return all places of each array, by each of its labels."""
    groups: dict[int, list[Place]] = {}
    for place, value in places(target):
        if is_leaf(value):
            groups.setdefault(id(value), []).append(place)
    return {place.label: tuple(group) for group in groups.values() for place in group}
