"""What all layers share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..backend import Array, Backend, Key, NumpyBackend


class Layer:
    """What all layers share: the contract of both passes, and parameters that are views.

    A layer with parameters lists their `shapes`; `bind` then makes an attribute of each (``W``) and
    of its gradient (``dW``), both views of two flat buffers that a `Sequential` owns. A layer of
    your own needs `forward` and `backward`; it stores its constructor's arguments under their own
    names, so that it can be written to a checkpoint.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of each parameter, by name.
    state_shapes : dict of str to tuple of int
        Shape of each array that `forward` changes in place while learning and no gradient does, by
        name: running averages. A `Sequential` keeps them as it keeps the parameters.
    couples_samples : bool
        Whether what comes out for a sample depends on the others of its minibatch. True unless a
        layer says that it does not, because then minibatches must not be joined.
    draws : bool
        Whether `forward` draws random numbers: two minibatches then need two keys.
    backend : Backend
        Where the parameters live and the products are computed.
    """

    shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 (replaced, never changed)
    state_shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012
    backend: Backend = NumpyBackend()
    couples_samples = True
    is_random = False
    overwrites = False
    weighs_samples = False

    def forward(self, x: Array, training: bool = True, key: Key | None = None) -> tuple[Array, Any]:
        """Return the output for input `x` and the cache that `backward` needs.

        Parameters
        ----------
        x : array of shape (N, features)
            Input.
        training : bool
            True while learning: Dropout drops only then, BatchNorm looks at the minibatch.
        key : Key, optional
            Address of the random numbers of this call, for layers that draw some.
        """
        raise NotImplementedError

    def backward(
        self, dy: Array, cache: Any, *, input_grad: bool = True, param_grads: bool = True
    ) -> Array | None:
        """Add the gradients of the parameters to ``dW, db, ...`` and return that of the input.

        Parameters
        ----------
        dy : array of the output's shape
            dL/dy.
        cache : object
            What the `forward` call in question returned.
        input_grad : bool
            Whether dL/dx is wanted; None is returned instead where it is not.
        param_grads : bool
            Whether the gradients of the parameters are wanted.

        Notes
        -----
        A layer with parameters may declare two more options, as `Linear` does. They affect speed,
        not results:

        accumulate : bool (if the layer `overwrites`)
            True to add to ``dW, db, ...``; False to overwrite them, which saves zeroing them.
        sample_weight : array of shape (N, 1), optional (if the layer `weighs_samples`)
            The weight of each sample's part of ``dW, db, ...``. dL/dx does not change.
        """
        raise NotImplementedError

    def input_gradient(self, dy: Array, cache: Any) -> Array:
        """Return dL/dx alone: `backward` without the gradients of the parameters.

        Raises
        ------
        TypeError
            If the layer's `backward` returns None although dL/dx was asked for.
        """
        dx = self.backward(dy, cache, param_grads=False)
        if dx is None:
            raise TypeError(f"{type(self).__name__}.backward must return dL/dx, got None")
        return dx

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        """Return the derivative of the output along `x_dot`, at the input of that `forward`.

        With J = dy/dx, ``backward`` is the product with J', and this is the product with J: the
        same derivative, read from the input to the output (forward mode). Hence
        <dy, tangent(x_dot)> = <backward(dy), x_dot> for any two arrays. Only a gradient penalty
        asks for it (`nngan.penalties`).

        Parameters
        ----------
        x_dot : array of the input's shape
            The direction in which the input moves.
        cache : object
            What the `forward` call in question returned.

        Returns
        -------
        y_dot : array of the output's shape
            How fast the output moves then.

        Raises
        ------
        NotImplementedError
            When the layer has no such pass.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no tangent pass, and a gradient penalty needs one: give it "
            "a method tangent(x_dot, cache) that returns the derivative of its output along x_dot"
        )

    def backward_tangent(self, dy_dot: Array, x_dot: Array, cache: Any) -> Array | None:
        """Differentiate ``s = <dy_dot, tangent(x_dot, cache)>``: in the parameters and in x.

        What s is as a function of x_dot needs no formula of its own: it is linear, and its gradient
        is ``backward(dy_dot, cache)``. What is left is how s changes with J: through the
        parameters, and through x where the layer is curved.

        Parameters
        ----------
        dy_dot : array of the output's shape
            ds/dy_dot.
        x_dot : array of the input's shape
            What `tangent` was given.
        cache : object
            What `forward` returned.

        Returns
        -------
        dx : array of the input's shape, or None
            ds/dx; None where J does not depend on x, as in this method's default. The gradients of
            the parameters are added to ``dW, ...``.

        Raises
        ------
        NotImplementedError
            When the layer has parameters, and thus needs a formula of its own.

        Notes
        -----
        A layer with parameters may declare two more options, as `Linear` does:

        sample_weight : array of shape (N, 1), optional (if the layer `weighs_samples`)
            Also add what ``backward(dy_dot, cache, sample_weight=sample_weight)`` adds: a loss and
            its penalty in one.
        accumulate : bool (if the layer `overwrites`)
            As in `backward`.
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
        """Return the output in inference: no dropout, nothing kept alive."""
        return self.forward(x, training=False)[0]

    def leaves(self) -> Iterator[Layer]:
        """Yield the layers that this one is made of: itself, or those of a network inside it."""
        yield self

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def state_size(self) -> int:
        """Number of elements of the arrays in `state_shapes`."""
        return sum(math.prod(shape) for shape in self.state_shapes.values())

    def bind(self, params: Array, grads: Array, backend: Backend) -> None:
        """Make the parameters and their gradients views of flat buffers of `size` elements."""
        self.backend = backend
        for name, values, gradients in _views(self.shapes, params, grads):
            setattr(self, name, values)
            setattr(self, "d" + name, gradients)

    def bind_state(self, state: Array) -> None:
        """Make the arrays of `state_shapes` views of a flat array of `state_size` elements."""
        for name, values in _views(self.state_shapes, state):
            setattr(self, name, values)

    def __init_subclass__(cls, **options: Any) -> None:
        """Reset the flags of a subclass that defines anew a pass which the flags describe."""
        super().__init_subclass__(**options)
        own, inherited = vars(cls), super(cls, cls).forward  # type: ignore[misc]
        if "forward" in own and inherited is not Layer.forward:
            cls.couples_samples = bool(own.get("couples_samples", True))
        if "backward" in own or "backward_tangent" in own:
            cls.overwrites = own.get("overwrites", False)
            cls.weighs_samples = own.get("weighs_samples", False)

    def initialize(self, key: Key) -> None:
        """Fill the parameters with their initial values, drawn at `key`."""

    def values(self) -> Array:
        """Return a copy of all parameters, one after the other, as a flat NumPy array."""
        return self._copied(self.shapes)

    def state_values(self) -> Array:
        """Return a copy of the arrays of `state_shapes`, likewise."""
        return self._copied(self.state_shapes)

    def _copied(self, names: Iterable[str]) -> Array:
        arrays = [self.backend.to_numpy(getattr(self, name)).reshape(-1) for name in names]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments by name, for a checkpoint.

        Raises
        ------
        AttributeError
            When the layer does not keep one of them under its name.
        """
        names = list(inspect.signature(type(self)).parameters)
        if missing := [name for name in names if not hasattr(self, name)]:
            raise AttributeError(
                f"{type(self).__name__} cannot be described: keep the constructor's argument as "
                f"self.{missing[0]}, or write a config() of its own"
            )
        return {name: getattr(self, name) for name in names}

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

    A diagonal matrix is its own transpose, so that `tangent` and `backward` are one formula. Where
    that formula depends on x, its derivative belongs into `backward_tangent`.
    """

    couples_samples = False

    def tangent(self, x_dot: Array, cache: Any) -> Array:
        return self.input_gradient(x_dot, cache)


def check_like(layer: Layer, dy: Array, cached: Array) -> None:
    """Refuse a `dy` of another shape than its output's: (N, 1) would be broadcast in silence."""
    if dy.shape != cached.shape:
        raise ValueError(f"{layer!r} wants dy of its output's shape {cached.shape}, got {dy.shape}")


def _views(shapes: dict[str, tuple[int, ...]], *flat: Array) -> Iterator[tuple[Any, ...]]:
    """Yield each name with its part of each flat array, in its shape."""
    start = 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        yield name, *(array[start:stop].reshape(shape) for array in flat)
        start = stop
