"""Precision, recall, density and coverage in the plane, as balls and the points inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nngan.backend import Array
from nngan.metrics import prdc
from nngan.plotting.colours import BLUE, VERMILION
from nngan.plotting.plane import check_points
from nngan.plotting.saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_neighbours(
    real: Array, cases: Mapping[str, Array], path: Target | None = None, k: int = 5
) -> Figure:
    """Draw the balls that `nngan.metrics.prdc` counts in: around real points, and around fakes.

    The ball of a point reaches to its k-th nearest other point of the same set. The upper row
    shows the balls of the real points: fakes inside one are filled (precision), balls with a fake
    inside are shaded (coverage). The lower row shows the balls of the fakes: real points inside
    one are filled (recall).

    Parameters
    ----------
    real : array of shape (N, 2)
        Real points, N > k.
    cases : mapping of str to array of shape (M, 2)
        Sets of fakes by title, M > k, one column each.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    k : int
        At least 1.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> points = np.random.default_rng(0).standard_normal((2, 20, 2))
    >>> figure = plot_neighbours(points[0], {"a good generator": points[1]})
    """
    from matplotlib.figure import Figure

    if not cases:
        raise ValueError("cases must hold at least one set of fakes, got none")
    real = check_points("real", real)
    columns = len(cases)
    figure = Figure(figsize=(3.1 * columns + 0.3, 6.2), layout="compressed")
    grid = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
    for (top, bottom), (title, fake) in zip(grid.T, cases.items(), strict=True):
        fake = check_points(title, fake)
        measured = prdc(real, fake, k)
        _draw_balls(top, real, fake, k, BLUE)
        _draw_points(top, fake, real, k, VERMILION, "^")
        _draw_balls(bottom, fake, real, k, VERMILION)
        _draw_points(bottom, real, fake, k, BLUE, "o")
        p, r, d, c = (estimate.value for estimate in measured)
        top.set_title(f"{title}\nprecision {p:.2f}, density {d:.2f}\ncoverage {c:.2f}", fontsize=10)
        bottom.set_title(f"recall {r:.2f}", fontsize=10)
    grid[0, 0].set_ylabel("balls of real points")
    grid[1, 0].set_ylabel("balls of fakes")
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.autoscale_view()
    return save_figure(figure, path)


def _distances(x: Array, y: Array) -> Array:
    """Return the distance of each point of `x` to each point of `y`."""
    distances: Array = np.linalg.norm(x[:, None] - y, axis=2)
    return distances


def _radii(x: Array, k: int) -> Array:
    """Return the distance of each point to its k-th nearest other point."""
    # Position 0 after sorting is the point itself.
    radii: Array = np.sort(_distances(x, x), axis=1)[:, k]
    return radii


def _draw_balls(axes: Axes, centres: Array, others: Array, k: int, colour: str) -> None:
    """Draw the ball of each centre, shaded if it holds one of the others."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Circle

    radii = _radii(centres, k)
    holds = (_distances(centres, others) <= radii[:, None]).any(axis=1)
    shaded: Mapping[str, Any] = {"facecolor": colour, "alpha": 0.12, "lw": 0}
    empty: Mapping[str, Any] = {"facecolor": "none", "edgecolor": colour, "alpha": 0.35, "lw": 0.7}
    for chosen, style in ((holds, shaded), (~holds, empty)):
        circles = [Circle(x, r) for x, r in zip(centres[chosen], radii[chosen], strict=True)]
        axes.add_collection(PatchCollection(circles, **style))


def _draw_points(
    axes: Axes, points: Array, centres: Array, k: int, colour: str, marker: str
) -> None:
    """Draw points, filled if they are inside the ball of one of the centres."""
    inside = (_distances(points, centres) <= _radii(centres, k)).any(axis=1)
    for chosen, face in ((inside, colour), (~inside, "white")):
        x, y = points[chosen].T
        axes.scatter(x, y, s=20, c=face, marker=marker, ec=colour, lw=0.8, zorder=3)
