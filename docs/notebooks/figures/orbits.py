"""The orbits of a game with two parameters, over the vector field that they follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngan.backend import Array
from nngan.plotting.colours import BLUE, VERMILION
from nngan.plotting.plane import check_points
from nngan.plotting.saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Field = Callable[[Array], Array]
STYLES = ((VERMILION, "-"), (BLUE, "--"), ("k", ":"))  # of the orbits; the field is grey


def plot_orbits(
    panels: Mapping[str, tuple[Field, Mapping[str, Array]]],
    path: Target | None = None,
    *,
    extent: tuple[float, float, float, float] = (-2.0, 2.0, -2.0, 2.0),
    labels: tuple[str, str] = ("x", "y"),
) -> Figure:
    """Draw the orbits of a game with two parameters over the vector field that they follow.

    Parameters
    ----------
    panels : mapping of str to (field, orbits)
        By title. The field is a callable from points (N, 2) to their velocities (N, 2). The orbits
        are up to three arrays of shape (T, 2), by name. A dot marks the first point of each.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    extent : (left, right, bottom, top)
        The part of the plane to show.
    labels : (str, str)
        Names of the two parameters.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> def turn(at):
    ...     return np.stack([at[:, 1], -at[:, 0]], axis=1)
    >>> figure = plot_orbits({"a circle": (turn, {"start": np.array([[1.0, 0.0]])})})
    """
    from matplotlib.figure import Figure

    counts = [len(orbits) for _, orbits in panels.values()]
    if not panels or max(counts) > len(STYLES):
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
        for (name, orbit), (colour, dashes) in zip(orbits.items(), STYLES, strict=False):
            orbit = check_points(name, orbit)
            axes.plot(*orbit.T, color=colour, ls=dashes, lw=1.6, label=name)
            axes.plot(*orbit[0], "o", color=colour, ms=6)
        axes.plot(0, 0, "k+", ms=10, mew=1.5)
        axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", title=title, xlabel=labels[0])
        if orbits:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    drawn[0].set_ylabel(labels[1])
    return save_figure(figure, path)
