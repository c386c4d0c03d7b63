"""Functions of one variable in one panel or several, each function named at its right end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nngan.backend import Array
from nngan.plotting.colours import BLUE, VERMILION
from nngan.plotting.saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito's set. The dashes differ too, for prints in grey.
STYLES = ((BLUE, "-"), (VERMILION, "--"), ("#009E73", "-."), ("k", ":"), ("#CC79A7", (0, (5, 1))))
NAME_HEIGHT = 0.075  # smallest distance of two names, as a fraction of the panel's height


def plot_curves(
    x: Array,
    *panels: Mapping[str, Array],
    path: Target | None = None,
    titles: Sequence[str] | None = None,
    xlabel: str = "x",
    ylabel: str = "",
    xscale: str = "linear",
    yscale: str = "linear",
) -> Figure:
    """Draw functions of one variable, each with its name at its right end.

    Parameters
    ----------
    x : array of shape (M,)
        The points at which the functions were evaluated, in ascending order.
    *panels : mapping of str to array of shape (M,)
        The functions of each panel by name, at most five. A value that is not finite leaves a gap.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    titles : sequence of str, optional
        One title per panel.
    xlabel, ylabel : str
        Names of the axes.
    xscale, yscale : {"linear", "log"}
        Scales of the axes.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> x = np.linspace(-3, 3, 61)
    >>> figure = plot_curves(x, {"x squared": x**2}, {"2x": 2 * x}, titles=["f", "its derivative"])
    """
    from matplotlib.figure import Figure

    titles = [""] * len(panels) if titles is None else titles
    counts = [len(curves) for curves in panels]
    if not panels or not set(counts) <= {1, 2, 3, 4, 5} or len(titles) != len(panels):
        raise ValueError(f"panels must have 1 to 5 functions and a title each, got {counts}")
    figure = Figure(figsize=(max(6.5, 5 * len(panels)), 3.8), layout="constrained")
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, curves, title in zip(drawn, panels, titles, strict=True):
        for (name, y), (colour, dashes) in zip(curves.items(), STYLES, strict=False):
            y = check_values(x, name, y)
            axes.plot(x, np.where(np.isfinite(y), y, np.nan), color=colour, ls=dashes, lw=2)
        axes.set(xlabel=xlabel, xscale=xscale, yscale=yscale, xlim=(x[0], x[-1]), title=title)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        _set_plain_ticks(axes)
        _write_names(axes, list(curves))
    drawn[0].set_ylabel(ylabel)
    return save_figure(figure, path)


def check_values(x: Array, name: str, y: Array) -> Array:
    """Return `y`, checked to have the shape (M,) of `x` and at least one finite value."""
    y, shape = np.asarray(y, float), np.shape(x)
    if len(shape) != 1 or y.shape != shape or not np.isfinite(y).any():
        raise ValueError(f"{name} must be numbers of x's shape (M,), got {y.shape} for {shape}")
    return y


def _set_plain_ticks(axes: Axes) -> None:
    """Label 1, 2 and 5 of each decade, as plain numbers, on logarithmic axes under two decades."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high < 100 * low:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def _write_names(axes: Axes, names: Sequence[str]) -> None:
    """Write the name of each curve next to its last point; move names apart that would overlap."""
    heights, to_axes = [], axes.transData - axes.transAxes
    for line in axes.lines:
        points = to_axes.transform(np.column_stack(line.get_data()))
        heights.append(points[np.isfinite(points).all(axis=1)][-1, 1])
    order = np.argsort(heights, kind="stable")
    at = np.clip(np.array(heights)[order], 0, 1)
    steps = NAME_HEIGHT * np.arange(len(at))
    # First each name moves up to its distance from the one below. Then all move down until the
    # highest is inside the panel.
    at = np.maximum.accumulate(at - steps) + steps
    at = np.minimum(at, (1 - steps)[::-1])
    for i, height in zip(order, at, strict=True):
        colour = axes.lines[i].get_color()
        axes.text(1.02, height, names[i], transform=axes.transAxes, va="center", color=colour)
