"""The figures that the notebooks draw, one file each.

A notebook imports them by ``from figures import plot_curves``, because Jupyter looks for modules
in the folder of the notebook. All functions take plain NumPy arrays and callables.
"""

from .curves import plot_curves
from .digits import digits_28
from .faults import plot_faults
from .game_1d import plot_game_1d
from .neighbours import plot_neighbours
from .orbits import plot_orbits
from .passes import plot_passes
from .rows import plot_rows

__all__ = [
    "digits_28",
    "plot_curves",
    "plot_faults",
    "plot_game_1d",
    "plot_neighbours",
    "plot_orbits",
    "plot_passes",
    "plot_rows",
]
