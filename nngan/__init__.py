"""nngan: a generative adversarial network by hand, on NumPy and on CuPy."""

from . import datasets, metrics, penalties, runs, training
from .backend import BackendUnavailable, CupyBackend, MklBackend, NumbaBackend, NumpyBackend
from .gan import GAN
from .gradcheck import assert_gradients, check_gradients
from .layers import (
    BatchNorm,
    Dropout,
    Layer,
    LeakyReLU,
    Linear,
    Maxout,
    ReLU,
    Sigmoid,
    Tanh,
)
from .losses import bce, bce_with_logits
from .network import Sequential
from .optim import SGD, Adam

__all__ = [
    "GAN",
    "SGD",
    "Adam",
    "BackendUnavailable",
    "BatchNorm",
    "CupyBackend",
    "Dropout",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Maxout",
    "MklBackend",
    "NumbaBackend",
    "NumpyBackend",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "assert_gradients",
    "bce",
    "bce_with_logits",
    "check_gradients",
    "datasets",
    "metrics",
    "penalties",
]

__version__ = "0.1.0"

training.RunFolder = runs.RunFolder  # where users look for it
