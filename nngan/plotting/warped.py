"""Two pictures of dynamics: how G bends the plane of its noise, and orbits of a game."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Array
from .figures import BLUE, VERMILION, check_points, square_around
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Field = Callable[[Array], Array]
# Each orbit has dashes of its own, above the grey of the field.
ORBITS = ((VERMILION, "-"), (BLUE, "--"), ("k", ":"))
TAIL = 0.005  # of the normal prior, left out on each side
FULL = 10.0  # times the mean density of the latent grid is drawn in full


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
    """Draw a grid in the plane of z, and beside it where G carries the grid.

    All cells hold the same probability, so that G puts the less density into a cell the larger it
    makes it. A cell's opacity is its density, in full from ten times the mean of the latent grid
    on. The two axes of z are drawn heavily in both panels, to see which part of z went where.

    Parameters
    ----------
    generator : callable
        From latent vectors (N, 2), float32, to samples (N, 2).
    real : array of shape (N, 2)
        Data, drawn beneath.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    latent : str
        The prior of z: "normal" (half a per cent is left out at either end of each axis), or
        "uniform" on (-1, 1].
    cells : int
        Along each axis, an even number: the axes of z are lines of the grid.
    extent : (left, right, bottom, top), optional
        The part of the plane of samples to show; by default a square around the data.
    title : str, optional
        Of the right panel.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When `real` or what the generator returns has another shape or is not finite, `latent` is
        no prior, or `cells` is not a positive even number.

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


def plot_orbits(
    panels: Mapping[str, tuple[Field, Mapping[str, Array]]],
    path: Target | None = None,
    *,
    extent: tuple[float, float, float, float] = (-2.0, 2.0, -2.0, 2.0),
    labels: tuple[str, str] = ("x", "y"),
) -> Figure:
    """Draw the orbits of a game with two numbers over the vector field that they follow.

    Parameters
    ----------
    panels : mapping of str to (field, orbits)
        By title: the field, a callable from points (N, 2) to their velocities (N, 2), and by name
        up to three orbits, arrays of shape (T, 2), each drawn from its first point, a dot.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    extent : (left, right, bottom, top)
        The part of the plane to show.
    labels : (str, str)
        Names of the two numbers.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is no panel, a panel has more than three orbits, or an array has another shape
        or is not finite.

    Examples
    --------
    >>> def turn(at):
    ...     return np.stack([at[:, 1], -at[:, 0]], axis=1)
    >>> figure = plot_orbits({"a circle": (turn, {"start": np.array([[1.0, 0.0]])})})
    """
    from matplotlib.figure import Figure

    counts = [len(orbits) for _, orbits in panels.values()]
    if not panels or max(counts) > len(ORBITS):
        raise ValueError(f"panels must be at least one, of up to three orbits each, got {counts}")
    figure = Figure(figsize=(3.9 * len(panels) + 0.4, 4.5), layout="constrained")
    drawn = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    x, y = np.meshgrid(np.linspace(*extent[:2], 30), np.linspace(*extent[2:], 30))
    at = np.stack([x, y], axis=2).reshape(-1, 2)
    for axes, (title, (field, orbits)) in zip(drawn, panels.items(), strict=True):
        u, v = check_points("a field's velocities", field(at)).T
        axes.streamplot(
            x, y, u.reshape(x.shape), v.reshape(x.shape), color="0.75", linewidth=0.8, density=0.6
        )
        for (name, orbit), (colour, dashes) in zip(orbits.items(), ORBITS, strict=False):
            orbit = check_points(name, orbit)
            axes.plot(*orbit.T, color=colour, ls=dashes, lw=1.6, label=name)
            axes.plot(*orbit[0], "o", color=colour, ms=6)
        axes.plot(0, 0, "k+", ms=10, mew=1.5)
        axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", title=title, xlabel=labels[0])
        if orbits:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    drawn[0].set_ylabel(labels[1])
    return save_figure(figure, path)


def grid_lines(latent: str, cells: int) -> Array:
    """Return the ``cells + 1`` lines between which an axis of z has equal shares.

    Raises
    ------
    ValueError
        When `latent` is no prior, or `cells` is not a positive even number.
    """
    if cells % 2 or cells < 2:
        raise ValueError(f"cells must be a positive even number, got {cells!r}")
    if latent == "uniform":
        return np.linspace(-1, 1, cells + 1)
    if latent != "normal":
        raise ValueError(f"latent must be 'normal' or 'uniform', got {latent!r}")
    return np.array([NormalDist().inv_cdf(p) for p in np.linspace(TAIL, 1 - TAIL, cells + 1)])


def areas(corners: Array) -> Array:
    """Return the areas of a grid's cells, (rows, columns), from its corners, one more each way.

    Half the cross product of a cell's diagonals, which is exact for a quadrilateral whose edges do
    not cross.
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
    density = mean_area / np.maximum(areas(corners), 1e-12).ravel()
    opacity = np.clip(density / FULL, 0.02, 1)
    colours = np.column_stack([np.tile(to_rgb(VERMILION), (len(opacity), 1)), opacity])
    polygons = np.stack(around, axis=2).reshape(-1, 4, 2)
    axes.add_collection(
        PolyCollection(list(polygons), facecolors=colours, edgecolors=VERMILION, linewidths=0.25)
    )
    half = len(lines) // 2
    axes.plot(*corners[half].T, "k-", lw=1.2, label="image of $z_2 = 0$")
    axes.plot(*corners[:, half].T, "k--", lw=1.2, label="image of $z_1 = 0$")
    axes.autoscale_view()
