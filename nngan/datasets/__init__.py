"""MNIST, Fashion-MNIST, scikit-learn's 8x8 digits, images of one's own, mixtures of Gaussians."""

from .idx import DatasetError, read_idx
from .images import digits, fashion_mnist, mnist
from .mixtures import GRID, RING, Mixture, grid, ring
from .own import Images, load

__all__ = [
    "GRID",
    "RING",
    "DatasetError",
    "Images",
    "Mixture",
    "digits",
    "fashion_mnist",
    "grid",
    "load",
    "mnist",
    "read_idx",
    "ring",
]
