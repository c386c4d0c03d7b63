"""Samples in rows with names; what precision, recall, density and coverage count, in the plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import Array
from ..metrics import prdc
from .figures import BLUE, VERMILION, check_points
from .saving import Target, save_figure
from .sheets import enlarged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.5  # inches an image is wide


def plot_rows(rows: Mapping[str, Array], path: Target | None = None, columns: int = 16) -> Figure:
    """Draw sheets of images below each other, each with its name beside it.

    Parameters
    ----------
    rows : mapping of str to float array of shape (N, features)
        Square images in [0, 1] by name: more than `columns` of them take several lines.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    columns : int
        Images side by side.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is no row, or one does not hold square floats without NaN.

    Examples
    --------
    >>> figure = plot_rows({"zeros": np.zeros((16, 64)), "ones": np.ones((32, 64))})
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("rows must hold one set of images at least, got none")
    pictures = {name: enlarged(images, columns) for name, images in rows.items()}
    heights = [picture.shape[0] / picture.shape[1] for picture in pictures.values()]
    size = (CELL * columns + 1.4, CELL * columns * sum(heights) + 0.12 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, picture) in zip(panels, pictures.items(), strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xticks=[], yticks=[], frame_on=False)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    return save_figure(figure, path)


def plot_neighbours(
    real: Array, cases: Mapping[str, Array], path: Target | None = None, k: int = 5
) -> Figure:
    """Draw the balls of `nngan.metrics.prdc` in the plane: round real points, and round fakes.

    Above, each real point has a ball that reaches to its k-th nearest other: fakes inside one are
    filled (precision), balls that hold a fake are shaded (coverage). Below, the fakes have balls,
    and real points inside one are filled (recall).

    Parameters
    ----------
    real : array of shape (N, 2), N > k
    cases : mapping of str to array of shape (M, 2), M > k
        Sets of fakes by title, one column each.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    k : int
        At least 1.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is no case, an array does not fit, or k has no such value.

    Examples
    --------
    >>> points = np.random.default_rng(0).standard_normal((2, 20, 2))
    >>> figure = plot_neighbours(points[0], {"a good generator": points[1]})
    """
    from matplotlib.figure import Figure

    if not cases:
        raise ValueError("cases must hold one set of fakes at least, got none")
    real = check_points("real", real)
    columns = len(cases)
    figure = Figure(figsize=(3.1 * columns + 0.3, 6.2), layout="compressed")
    grid = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
    for (top, bottom), (title, fake) in zip(grid.T, cases.items(), strict=True):
        fake = check_points(title, fake)
        measured = prdc(real, fake, k)
        _balls(top, real, fake, k, BLUE)
        _points(top, fake, real, k, VERMILION, "^")
        _balls(bottom, fake, real, k, VERMILION)
        _points(bottom, real, fake, k, BLUE, "o")
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
    distances: Array = np.linalg.norm(x[:, None] - y, axis=2)
    return distances


def _radii(x: Array, k: int) -> Array:
    """Return the distance of each point to its k-th nearest other: itself is number 0."""
    radii: Array = np.sort(_distances(x, x), axis=1)[:, k]
    return radii


def _balls(axes: Axes, centres: Array, others: Array, k: int, colour: str) -> None:
    """Draw the ball of each centre, shaded where it holds one of the others."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Circle

    radii = _radii(centres, k)
    holds = (_distances(centres, others) <= radii[:, None]).any(axis=1)
    shaded: Mapping[str, Any] = {"facecolor": colour, "alpha": 0.12, "lw": 0}
    empty: Mapping[str, Any] = {"facecolor": "none", "edgecolor": colour, "alpha": 0.35, "lw": 0.7}
    for chosen, style in ((holds, shaded), (~holds, empty)):
        circles = [Circle(x, r) for x, r in zip(centres[chosen], radii[chosen], strict=True)]
        axes.add_collection(PatchCollection(circles, **style))


def _points(axes: Axes, points: Array, centres: Array, k: int, colour: str, marker: str) -> None:
    """Draw points, filled where they lie in a ball of one of the centres."""
    inside = (_distances(points, centres) <= _radii(centres, k)).any(axis=1)
    for chosen, face in ((inside, colour), (~inside, "white")):
        x, y = points[chosen].T
        axes.scatter(x, y, s=20, c=face, marker=marker, ec=colour, lw=0.8, zorder=3)
