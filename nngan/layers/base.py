"""The contract that all layers share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, NumpyBackend
from ..checks import array
from ..description import constructor_arguments


class Layer:
    """The base of all layers: two passes, and parameters that are views of flat buffers.

    A layer of your own needs `forward` and `backward`. If it has parameters, it names them in
    `shapes`; `bind` then makes an attribute of each (``W``) and of its gradient (``dW``), views of
    two flat buffers that a `Sequential` owns. It keeps its constructor's arguments under their own
    names, so that a checkpoint can describe it.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of each parameter, by name.
    buffer_shapes : dict of str to tuple of int
        Shape of each array that `forward` changes in training and no gradient does, by name:
        running averages.
    couples_samples : bool
        Whether the output of a sample depends on the other samples of its minibatch. True unless a
        layer declares that it does not.
    averages_shards : bool
        Whether a layer that couples samples takes its means over the whole minibatch when it sees
        one shard of it, through ``self.backend.shard.mean``; see `nngan.distributed`.
    min_rows : int
        Rows that `forward` needs in training: 2 if it takes their variance.
    output_range : (float, float)
        The bounds of the output, whatever the input is: (0, 1) for Sigmoid.
    is_random : bool
        Whether `forward` draws random numbers: two minibatches then need two keys.
    overwrites, weighs_samples : bool
        Whether `backward`, and `backward_tangent` if there is one, take the option `accumulate`,
        and `sample_weight`. A subclass that redefines one of these passes declares both anew.
    backend : Backend
        The backend that holds the parameters and computes the products.
    """

    shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 (replaced, never changed)
    buffer_shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012
    couples_samples = True
    averages_shards = False
    min_rows = 1
    output_range = (-math.inf, math.inf)
    is_random = False
    overwrites = False
    weighs_samples = False
    backend: Backend = NumpyBackend()

    def forward(self, x: Array, training: bool = True, key: Key | None = None) -> tuple[Array, Any]:
        """Return the output for input `x` and the cache that `backward` needs.

        Parameters
        ----------
        x : array of shape (N, features)
        training : bool
            Dropout drops, and BatchNorm uses the minibatch's statistics, only if True.
        key : Key, optional
            Address of this call's random numbers.
        """
        raise NotImplementedError

    def backward(
        self, dy: Array, cache: Any, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        """Add the gradients of the parameters to ``dW, db, ...`` and return dL/dx.

        Parameters
        ----------
        dy : array of the output's shape
            dL/dy.
        cache : object
            The cache of the same `forward` call.
        input_grad, param_grads : bool
            Whether dL/dx, and the gradients of the parameters, are wanted. Without the first, None
            is returned.

        Notes
        -----
        Two more options, which a layer with parameters may declare, affect speed and not results:

        accumulate : bool, if it `overwrites`
            False to overwrite ``dW, db, ...`` instead of adding to them.
        sample_weight : array of shape (N, 1), optional, if it `weighs_samples`
            The weight of each sample's part of ``dW, db, ...``. dL/dx does not change.
        """
        raise NotImplementedError

    def input_gradient(self, dy: Array, cache: Any) -> Array:
        """Return dL/dx alone: `backward` without the gradients of the parameters."""
        dx = self.backward(dy, cache, param_grads=False)
        if dx is None:
            raise TypeError(f"{type(self).__name__}.backward must return dL/dx, got None")
        return dx

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        """Return y_dot, the derivative of the output as the input moves along `x_dot`.

        With J = dy/dx, `backward` multiplies by J', and this by J: the same derivative in forward
        mode, so <dy, tangent(x_dot)> = <backward(dy), x_dot> for any two arrays. Only a gradient
        penalty needs it (`nngan.penalties`).

        Raises
        ------
        NotImplementedError
            If the layer has no such pass.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no tangent pass, and a gradient penalty needs one: give it "
            "a method tangent(x_dot, cache) that returns the derivative of its output along x_dot"
        )

    def backward_tangent(self, dy_dot: Array, x_dot: Array, cache: Any) -> Array | None:
        """Differentiate ``s = <dy_dot, tangent(x_dot, cache)>`` in the parameters and in x.

        (In x_dot s is linear, with the gradient ``backward(dy_dot, cache)``.) The gradients of the
        parameters are added to ``dW, ...``. ds/dx is returned; None if J does not depend on x.

        Raises
        ------
        NotImplementedError
            If the layer has parameters and no such pass of its own.

        Notes
        -----
        A layer that `overwrites` and `weighs_samples` takes `accumulate` and `sample_weight` here
        too. The latter also adds ``backward(dy_dot, cache, sample_weight=sample_weight)``: the
        gradients of a loss and of its penalty in one.
        """
        if self.shapes:
            raise NotImplementedError(
                f"{type(self).__name__} has parameters but no backward_tangent, and a gradient "
                "penalty needs one: give it a method backward_tangent(dy_dot, x_dot, cache) that "
                "adds the gradients of sum(dy_dot * tangent(x_dot, cache)) to "
                f"{', '.join('d' + name for name in self.shapes)}"
            )
        return None

    def __call__(self, x: Array) -> Array:
        """Return the output in inference: no dropout, and no cache."""
        return self.forward(x, training=False)[0]

    def leaves(self) -> Iterator[Layer]:
        """Yield the layers in this one: itself, or those of a network."""
        yield self

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(map(math.prod, self.shapes.values()))

    @property
    def buffer_size(self) -> int:
        """Number of elements of the arrays in `buffer_shapes`."""
        return sum(map(math.prod, self.buffer_shapes.values()))

    def bind(self, params: Array, grads: Array, backend: Backend) -> None:
        """Make the parameters and their gradients views of flat buffers of `size` elements."""
        self.backend = backend
        for name, values, gradients in _views(self.shapes, params, grads):
            setattr(self, name, values)
            setattr(self, "d" + name, gradients)

    def bind_buffers(self, buffers: Array) -> None:
        """Make the arrays of `buffer_shapes` views of a flat array of `buffer_size` elements."""
        for name, values in _views(self.buffer_shapes, buffers):
            setattr(self, name, values)

    def __init_subclass__(cls, **options: Any) -> None:
        """Reset the flags of a subclass that redefines a pass which the flags describe."""
        super().__init_subclass__(**options)
        own, inherited = vars(cls), super(cls, cls).forward  # type: ignore[misc]
        if "forward" in own and inherited is not Layer.forward:
            cls.couples_samples = bool(own.get("couples_samples", True))
            cls.averages_shards = bool(own.get("averages_shards", False))
            cls.output_range = own.get("output_range", (-math.inf, math.inf))
        for flag in ("overwrites", "weighs_samples", "averages_shards"):
            owner = next(kind for kind in cls.__mro__ if flag in vars(kind))
            for name in ("backward", "backward_tangent"):
                if owner is not cls and getattr(cls, name) is not getattr(owner, name):
                    setattr(cls, flag, False)

    def initialize(self, key: Key) -> None:
        """Fill the parameters with their initial values, drawn at `key`."""

    def values(self) -> Array:
        """Return a copy of all parameters, one after the other, as a flat NumPy array."""
        return self._copied(self.shapes)

    def buffer_values(self) -> Array:
        """Return a copy of the arrays of `buffer_shapes`, likewise."""
        return self._copied(self.buffer_shapes)

    def _copied(self, names: dict[str, tuple[int, ...]]) -> Array:
        arrays = [self.backend.to_numpy(getattr(self, name)).reshape(-1) for name in names]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name, for a checkpoint.

        Raises
        ------
        AttributeError
            If the layer does not keep one of them under its name.
        """
        return constructor_arguments(self)

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters
        shown = []
        for name, value in self.config().items():
            if parameters[name].default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif value != parameters[name].default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Elementwise(Layer):
    """A layer whose y_i depends on x_i alone: J is diagonal.

    J is its own transpose, so `tangent` and `backward` are one formula. If this formula depends on
    x, its derivative belongs in `backward_tangent`.
    """

    couples_samples = False

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        return self.input_gradient(x_dot, cache)


def check_like(layer: Layer, dy: Array, cached: Array) -> None:
    """Refuse a `dy` that has not the output's shape: NumPy would broadcast (N, 1) in silence."""
    if array("dy", dy).shape != cached.shape:
        raise ValueError(f"{layer!r} wants dy of its output's shape {cached.shape}, got {dy.shape}")


def _views(shapes: dict[str, tuple[int, ...]], *flat: Array) -> Iterator[tuple[Any, ...]]:
    """Yield each name with its part of each flat array, in its shape."""
    start = 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        yield name, *(array[start:stop].reshape(shape) for array in flat)
        start = stop
