"""A grid in the plane of z, and its image under G."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from nngan.backend import Array
from nngan.plotting.colours import BLUE, VERMILION
from nngan.plotting.plane import check_points, square_around
from nngan.plotting.saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TAIL = 0.005  # probability of the normal prior that is left out at each end of an axis
OPAQUE = 10.0  # cells of this density and above are opaque; the latent grid's mean is 1


def plot_warped_grid(
    generator: Callable[[Array], Array],
    real: Array,
    path: Target | None = None,
    *,
    latent: str = "normal",
    cells: int = 20,
    extent: tuple[float, float, float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a grid in the plane of z, and next to it the image of the grid under G.

    All cells hold the same probability: where G makes a cell larger, its density is lower. The
    opacity of a cell is its density; cells of ten times the mean density of the latent grid are
    opaque. The two axes of z are heavy lines in both panels, so that each part of z can be found
    again.

    Parameters
    ----------
    generator : callable
        From latent vectors (N, 2), float32, to samples (N, 2).
    real : array of shape (N, 2)
        Data, drawn below the grid.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    latent : {"normal", "uniform"}
        The prior of z. Of a normal prior 0.5 % is left out at each end of each axis; a uniform one
        is on (-1, 1].
    cells : int
        Cells along each axis. The number is even, so that the axes of z are lines of the grid.
    extent : (left, right, bottom, top), optional
        The part of the plane of samples to show; by default a square around the data.
    title : str, optional
        Title of the right panel.

    Returns
    -------
    figure : matplotlib.figure.Figure

    References
    ----------
    Kahng et al., "GAN Lab: understanding complex deep generative models using interactive visual
    experimentation", IEEE VIS 2018: the generator as a warped grid.

    Examples
    --------
    >>> figure = plot_warped_grid(lambda z: z / 2, real=np.eye(2), cells=10)
    """
    from matplotlib.figure import Figure

    real = check_points("real", real)
    lines = grid_lines(latent, cells)
    corners = np.stack(np.meshgrid(lines, lines), axis=2)  # (cells + 1, cells + 1, 2)
    images = check_points("generator(z)", generator(corners.reshape(-1, 2).astype(np.float32)))
    if len(images) != corners.size // 2:
        raise ValueError(f"generator must return {corners.size // 2} samples, got {len(images)}")
    images = images.reshape(corners.shape)
    extent = square_around(real) if extent is None else extent

    figure = Figure(figsize=(8.6, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    mean_area = np.ptp(lines) ** 2 / cells**2
    _draw_grid(left, corners, lines, mean_area)
    right.scatter(*real.T, s=12, c=BLUE, ec="w", lw=0.2, label="real", zorder=0)
    _draw_grid(right, images, lines, mean_area)
    left.set(aspect="equal", title="z, the latent plane", xlabel="$z_1$", ylabel="$z_2$")
    right.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", title=title or "G(z)")
    figure.legend(
        *right.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    return save_figure(figure, path)


def grid_lines(latent: str, cells: int) -> Array:
    """Return ``cells + 1`` coordinates that cut one axis of z into intervals of equal probability.

    Parameters
    ----------
    latent : {"normal", "uniform"}
        The prior of z.
    cells : int
        A positive even number.
    """
    if cells % 2 or cells < 2:
        raise ValueError(f"cells must be a positive even number, got {cells!r}")
    if latent == "uniform":
        return np.linspace(-1, 1, cells + 1)
    if latent != "normal":
        raise ValueError(f"latent must be 'normal' or 'uniform', got {latent!r}")
    return np.array([NormalDist().inv_cdf(p) for p in np.linspace(TAIL, 1 - TAIL, cells + 1)])


def cell_areas(corners: Array) -> Array:
    """Return the areas (rows, columns) of the cells with these corners (rows + 1, columns + 1, 2).

    The area is half the cross product of the diagonals. That is exact for a quadrilateral whose
    edges do not cross.
    """
    (x, y), (u, v) = (
        np.moveaxis(diagonal, 2, 0)
        for diagonal in (corners[1:, 1:] - corners[:-1, :-1], corners[1:, :-1] - corners[:-1, 1:])
    )
    area: Array = np.abs(x * v - y * u) / 2
    return area


def _draw_grid(axes: Axes, corners: Array, lines: Array, mean_area: float) -> None:
    """Draw the cells, each with its density as opacity, and the two axes of z."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    around = (corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1])
    density = mean_area / np.maximum(cell_areas(corners), 1e-12).ravel()
    opacity = np.clip(density / OPAQUE, 0.02, 1)
    colours = np.column_stack([np.tile(to_rgb(VERMILION), (len(opacity), 1)), opacity])
    polygons = np.stack(around, axis=2).reshape(-1, 4, 2)
    axes.add_collection(
        PolyCollection(list(polygons), facecolors=colours, edgecolors=VERMILION, linewidths=0.25)
    )
    half = len(lines) // 2
    axes.plot(*corners[half].T, "k-", lw=1.2, label="image of $z_2 = 0$")
    axes.plot(*corners[:, half].T, "k--", lw=1.2, label="image of $z_1 = 0$")
    axes.autoscale_view()
