"""Pictures: samples and their animation, curves, games seen from above, walks, figures to teach.

Everything takes plain NumPy arrays and callables. Matplotlib and Pillow (which Matplotlib brings
along) are imported where they are used, so that ``import nngan`` stays light, and figures are made
as objects, without pyplot: nothing global moves, and no screen is needed.
"""

from .figures import plot_2d, plot_losses
from .latent import plot_atlas, plot_gradients, plot_walks
from .mixtures import plot_mixtures
from .quality import plot_quality
from .quality_notes import plot_neighbours, plot_rows
from .sheets import save_gif, save_sheet, tile
from .teaching import plot_curves, plot_game_1d
from .warped import plot_orbits, plot_warped_grid

__all__ = [
    "plot_2d",
    "plot_atlas",
    "plot_curves",
    "plot_game_1d",
    "plot_gradients",
    "plot_losses",
    "plot_mixtures",
    "plot_neighbours",
    "plot_orbits",
    "plot_quality",
    "plot_rows",
    "plot_walks",
    "plot_warped_grid",
    "save_gif",
    "save_sheet",
    "tile",
]
