"""The samples of several runs on one mixture of 2-D Gaussians, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..backend import Array
from .colours import BLUE, VERMILION
from .plane import check_points
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
ZOOM = 6  # standard deviations from the centre to the edge of a lower panel


def plot_mixtures(
    runs: Sequence[Array],
    real: Array,
    centers: Array,
    std: float,
    path: Target | None = None,
    titles: Sequence[str] = (),
    heading: str | None = None,
    radius: float = 3.0,
) -> Figure:
    """Draw the samples of several runs, each in the plane and relative to the nearest centre.

    Each run has two panels. The upper one shows the plane. The lower one lays all modes over each
    other: it shows each sample minus its nearest centre, in standard deviations. Samples between
    the modes, and modes that are too narrow or off their centre, can be seen there only.

    Parameters
    ----------
    runs : sequence of arrays of shape (N, 2)
        The samples of each run, at least one run.
    real : array of shape (M, 2)
        Points of the mixture itself, drawn below the samples.
    centers : array of shape (K, 2)
        The centres of the mixture, such as ``RING.centers``.
    std : float
        The standard deviation of every mode, such as ``RING.std``.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    titles : sequence of str, optional
        One title per run.
    heading : str, optional
        Title of the figure.
    radius : float
        Radius of the circle in the lower panels, in standard deviations. `metrics.count_modes`
        counts the samples within 3.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    runs = [check_points(f"runs[{i}]", run) for i, run in enumerate(checks.sequence("runs", runs))]
    titles = [checks.text("titles", title) for title in checks.sequence("titles", titles)]
    std, radius = checks.positive("std", std), checks.nonnegative("radius", radius)
    checks.optional(checks.text, "heading", heading)
    real, centers = check_points("real", real), check_points("centers", centers)
    if not runs or len(titles) not in (0, len(runs)):
        raise ValueError(
            f"runs must be at least one, with a title for each or for none, got {len(runs)} runs "
            f"and {len(titles)} titles"
        )
    columns = min(COLUMNS, len(runs))
    rows = math.ceil(len(runs) / columns)
    figure = Figure(figsize=(2.1 * columns + 0.6, 4.3 * rows + 0.9), layout="compressed")
    panels = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for i, fake in enumerate(runs):
        plane, zoom = panels[i // columns * 2 : i // columns * 2 + 2, i % columns]
        _scatter(plane, real, fake, 1.15 * float(np.abs(real).max()))
        _scatter(zoom, _deviations(real, centers, std), _deviations(fake, centers, std), ZOOM)
        _circle(zoom, radius)
        if titles:
            plane.set_title(titles[i], fontsize=9)
        if i % columns == 0:
            plane.set_ylabel("the plane", fontsize=9)
            zoom.set_ylabel(f"all modes as one,\n± {ZOOM} std", fontsize=9)
    if heading is not None:
        figure.suptitle(heading)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
        frameon=False, markerscale=6,
    )  # fmt: skip
    return save_figure(figure, path)


def _deviations(points: Array, centers: Array, std: float) -> Array:
    """Return each point minus its nearest centre, in standard deviations."""
    differences = points[:, None, :] - centers
    nearest = (differences**2).sum(axis=2).argmin(axis=1)
    deviations: Array = differences[np.arange(len(points)), nearest] / std
    return deviations


def _scatter(axes: Axes, real: Array, fake: Array, half: float) -> None:
    """Draw real and generated points in a square from -half to half."""
    for points, colour, label in ((real, BLUE, "real"), (fake, VERMILION, "generated")):
        axes.scatter(points[:, 0], points[:, 1], s=3, lw=0, c=colour, label=label, rasterized=True)
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xticks=[], yticks=[])
    axes.set_axis_on()


def _circle(axes: Axes, radius: float) -> None:
    """Draw a circle around the origin."""
    angles = np.linspace(0, 2 * np.pi, 100)
    axes.plot(radius * np.cos(angles), radius * np.sin(angles), c="0.2", lw=0.8)
