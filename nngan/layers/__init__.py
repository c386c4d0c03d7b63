"""Layers: a formula, its derivative, and nothing kept in between.

Every layer keeps one contract::

    y, cache = layer.forward(x)      # cache: exactly what backward needs
    dx = layer.backward(dy, cache)   # dL/dx from dy = dL/dy; adds dL/dW to dW, dL/db to db

The cache belongs to the call and not to the layer, because a discriminator is applied to real and
to fake data before either is differentiated. No pass changes an array that it was handed. Arrays
are (N, features): one sample a row.

Throughout, L is the loss, ``dy`` stands for dL/dy, and "elementwise" means that y_i depends on x_i
alone, so that the chain rule is dL/dx_i = dL/dy_i * dy_i/dx_i.
"""

from .activations import LeakyReLU, ReLU, Sigmoid, Tanh, sigmoid
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
    "sigmoid",
]
