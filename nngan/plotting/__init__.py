"""Pictures: sheets of samples, their animation, loss curves, and a 2-D game seen from above.

Everything takes plain NumPy arrays and callables. Matplotlib and Pillow (which Matplotlib brings
along) are imported where they are used, so that ``import nngan`` stays light, and figures are made
as objects, without pyplot: nothing global moves, and no screen is needed.
"""

from .figures import plot_2d, plot_losses
from .mixtures import plot_mixtures
from .sheets import save_gif, save_sheet, tile

__all__ = ["plot_2d", "plot_losses", "plot_mixtures", "save_gif", "save_sheet", "tile"]
