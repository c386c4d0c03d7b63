"""Pictures: sheets of samples, animations, losses and scores, games in the plane, latent walks.

Every function takes plain NumPy arrays and callables. Matplotlib and Pillow, which Matplotlib
depends on, are imported inside the functions that use them, so that ``import nngan`` stays light.
Figures are made as objects, without pyplot: no global state changes, and no screen is needed.
"""

from .latent import plot_atlas, plot_gradients, plot_walks
from .losses import plot_losses
from .mixtures import plot_mixtures
from .plane import plot_2d
from .quality import plot_quality
from .sheets import save_gif, save_sheet, tile

__all__ = [
    "plot_2d",
    "plot_atlas",
    "plot_gradients",
    "plot_losses",
    "plot_mixtures",
    "plot_quality",
    "plot_walks",
    "save_gif",
    "save_sheet",
    "tile",
]
