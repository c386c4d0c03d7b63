"""Layers: for each its formula, its derivative, and both passes.

Every layer keeps one contract::

    y, cache = layer.forward(x)      # cache: exactly what backward needs
    dx = layer.backward(dy, cache)   # dL/dx from dy = dL/dy; adds dL/dW to dW, dL/db to db

The cache belongs to the call and not to the layer, because a discriminator is applied to real and
to fake data before either is differentiated. No pass changes an array that it was handed. The
output of `forward` may be in the cache: it must not be changed before `backward`. Arrays are
(N, features), one sample a row.

Throughout, L is the loss, ``dy`` stands for dL/dy, and "elementwise" means that y_i depends on x_i
alone, so that the chain rule is dL/dx_i = dL/dy_i * dy_i/dx_i.

A discriminator that is penalised for its gradient (`nngan.penalties`) needs a third pass and, where
a layer has parameters or is curved, the derivative of that one::

    y_dot = layer.tangent(x_dot, cache)                # how y moves as x moves along x_dot
    dx = layer.backward_tangent(dy_dot, x_dot, cache)  # d<dy_dot, y_dot>/dx; adds to dW, ... too
"""

from .activations import LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .batchnorm import BatchNorm
from .dropout import Dropout
from .linear import Linear
from .maxout import Maxout

__all__ = [
    "BatchNorm",
    "Dropout",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Maxout",
    "ReLU",
    "Sigmoid",
    "Tanh",
]
