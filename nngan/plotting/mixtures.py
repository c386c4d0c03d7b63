"""Many runs on one 2-D mixture, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Array
from ..datasets import Mixture
from ..metrics.modes import RADIUS
from .figures import BLUE, VERMILION, check_points
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 5
ZOOM = 6  # standard deviations from a mode's centre to the edge of the picture


def plot_mixtures(
    runs: Sequence[Array],
    mixture: Mixture,
    path: Target | None = None,
    titles: Sequence[str] = (),
    heading: str | None = None,
) -> Figure:
    """Draw the samples of several runs: each in the plane, and below it all its modes as one.

    The lower picture of a run shows every sample as seen from its nearest centre, in standard
    deviations, with the circle of three that `metrics.count_modes` counts in. It tells what the
    upper one is too small for: samples between the modes, and modes that are too narrow or off
    their centre.

    Parameters
    ----------
    runs : sequence of arrays of shape (N, 2)
        The samples of each run, one at least.
    mixture : Mixture
        What they were to learn; as many real points lie beneath.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    titles : sequence of str, optional
        One for each run.
    heading : str, optional
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is no run, an array has another shape or is not finite, or the titles are not
        as many as the runs.
    """
    from matplotlib.figure import Figure

    points = [check_points(f"runs[{i}]", run) for i, run in enumerate(runs)]
    if not points or len(titles) not in (0, len(points)):
        raise ValueError(
            f"runs must be one at least, with a title each or none, got {len(points)} runs and "
            f"{len(titles)} titles"
        )
    columns = min(COLUMNS, len(points))
    rows = math.ceil(len(points) / columns)
    figure = Figure(figsize=(2.1 * columns + 0.6, 4.3 * rows + 0.9), layout="compressed")
    panels = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    real = mixture.sample(len(points[0]), seed=0)[0]
    for i, fake in enumerate(points):
        plane, zoom = panels[i // columns * 2 : i // columns * 2 + 2, i % columns]
        _scatter(plane, real, fake, 1.15 * float(np.abs(real).max()))
        _scatter(zoom, _from_centres(real, mixture), _from_centres(fake, mixture), ZOOM)
        _circle(zoom, RADIUS)
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


def _from_centres(points: Array, mixture: Mixture) -> Array:
    """Return each point less its nearest centre, in standard deviations."""
    steps = points[:, None, :] - mixture.centers
    nearest = (steps**2).sum(axis=2).argmin(axis=1)
    seen: Array = steps[np.arange(len(points)), nearest] / mixture.std
    return seen


def _scatter(axes: Axes, real: Array, fake: Array, half: float) -> None:
    """Draw both in a square frame from -half to half."""
    for points, colour, label in ((real, BLUE, "real"), (fake, VERMILION, "generated")):
        axes.scatter(points[:, 0], points[:, 1], s=3, lw=0, c=colour, label=label, rasterized=True)
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xticks=[], yticks=[])
    axes.set_axis_on()


def _circle(axes: Axes, radius: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 100)
    axes.plot(radius * np.cos(angles), radius * np.sin(angles), c="0.2", lw=0.8)
