"""Pictures: sheets of samples, their animation, curves, and a 2-D game seen from above.

Everything takes plain NumPy arrays and callables. Matplotlib and Pillow (which Matplotlib brings
along) are imported where they are used, so that ``import nngan`` stays light, and figures are made
as objects, without pyplot: nothing global moves, and no screen is needed.
"""

from .figures import plot_2d, plot_losses
from .quality import plot_quality
from .sheets import save_gif, save_sheet, tile
from .teaching import plot_curves, plot_game_1d

__all__ = [
    "plot_2d",
    "plot_curves",
    "plot_game_1d",
    "plot_losses",
    "plot_quality",
    "save_gif",
    "save_sheet",
    "tile",
]
