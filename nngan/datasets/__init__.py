"""MNIST, Fashion-MNIST, the 8x8 digits of scikit-learn, and 2-D mixtures of Gaussians."""

from .idx import DatasetError, read_idx
from .images import digits, fashion_mnist, mnist
from .mixtures import GRID, RING, Mixture, grid, ring

__all__ = [
    "GRID",
    "RING",
    "DatasetError",
    "Mixture",
    "digits",
    "fashion_mnist",
    "grid",
    "mnist",
    "read_idx",
    "ring",
]
