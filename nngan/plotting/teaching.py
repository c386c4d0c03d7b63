"""Figures to teach with: functions beside their derivatives, and the game on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import Array
from .figures import BLUE, VERMILION
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours again. Dashes differ, too, so that a print in grey tells lines apart.
STYLES = ((BLUE, "-"), (VERMILION, "--"), ("#009E73", "-."), ("k", ":"), ("#CC79A7", (0, (5, 1))))
ABOVE: Mapping[str, Any] = {"loc": "outside upper center", "ncols": 4, "frameon": False}
APART = 0.075  # of the height of a panel: what two labels need


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
        Where the functions were evaluated, in ascending order.
    *panels : mapping of str to array of shape (M,)
        Of each panel the functions by name, five at most. What is not finite leaves a gap.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    titles : sequence of str, optional
        One for each panel.
    xlabel, ylabel, xscale, yscale : str
        Names of the axes, and "linear" or "log".

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When panels and titles are not as many, or a function has another shape than `x`.

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
            y = _like(x, name, y)
            axes.plot(x, np.where(np.isfinite(y), y, np.nan), color=colour, ls=dashes, lw=2)
        axes.set(xlabel=xlabel, xscale=xscale, yscale=yscale, xlim=(x[0], x[-1]), title=title)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        _plain_ticks(axes)
        _name_at_the_end(axes, list(curves))
    drawn[0].set_ylabel(ylabel)
    return save_figure(figure, path)


def plot_game_1d(
    x: Array,
    data: Array,
    states: Mapping[str, tuple[Array, Array, Array]],
    path: Target | None = None,
    z: Array | None = None,
) -> Figure:
    """Draw the game on a line: both densities, D, the best D, and where G takes its noise.

    One panel for each state of the game. D's best answer is p / (p + p_G), drawn as a broad line
    behind what D says. The arrows below are G: from z to G(z).

    Parameters
    ----------
    x, data : array of shape (M,)
        Where everything was evaluated, in ascending order, and the density p of the data there.
    states : mapping of str to (density, D, fakes)
        By title: the density p_G and D's probability at `x`, and G(z), of the shape of `z`.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    z : array of shape (K,), optional
        The noise whose way to G(z) is drawn. None: no arrows, and the fakes are not looked at.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is no state, shapes do not fit together, or D is no probability.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", NIPS 2014, figure 1.

    Examples
    --------
    >>> x = np.linspace(-3, 3, 61)
    >>> p = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    >>> figure = plot_game_1d(x, p, {"the end": (p, np.full(61, 0.5), np.zeros(0))})
    """
    from matplotlib.figure import Figure

    if not states:
        raise ValueError("states must hold one entry at least, got none")
    data = _like(x, "data", data)
    rows, columns = -(-len(states) // 2), min(2, len(states))
    figure = Figure(figsize=(3.8 * columns + 0.4, 2.6 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (title, (density, d, fakes)) in zip(panels.flat, states.items(), strict=False):
        density, d = _like(x, "the density", density), _like(x, "D", d)
        if not ((d >= 0) & (d <= 1)).all():
            raise ValueError("D must be probabilities in [0, 1] (of logits: their sigmoid)")
        with np.errstate(invalid="ignore", divide="ignore"):  # nobody can say where both are zero
            best = data / (data + density)
        axes.plot(x, best, color="0.8", lw=6, label="best D: p / (p + p$_G$)")
        axes.plot(x, d, color=BLUE, ls="--", lw=2, label="D")
        axes.plot(x, density, color=VERMILION, lw=2, label="generator, p$_G$")
        axes.plot(x, data, color="k", ls=":", lw=2, label="data, p")
        axes.set_title(title)
        axes.grid(color="0.9")
        if z is not None:
            _arrows(axes, z, fakes)
    for axes in panels.flat[len(states) :]:
        axes.set_visible(False)
    first = panels[0, 0]
    ticks = [tick for tick in first.get_yticks() if 0 <= tick <= first.get_ylim()[1]]
    first.set(xlim=(x[0], x[-1]), yticks=ticks)
    figure.supylabel("density, probability", fontsize="medium")
    figure.supxlabel("x", fontsize="medium")
    figure.legend(*first.get_legend_handles_labels(), **ABOVE)
    return save_figure(figure, path)


def _plain_ticks(axes: Axes) -> None:
    """Label 1, 2 and 5 of each decade, as numbers, where a logarithmic axis has few decades."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high < 100 * low:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def _name_at_the_end(axes: Axes, names: Sequence[str]) -> None:
    """Write each curve's name beside its last point, and push names apart that would overlap."""
    heights, to_axes = [], axes.transData - axes.transAxes
    for line in axes.lines:
        points = to_axes.transform(np.column_stack(line.get_data()))
        heights.append(points[np.isfinite(points).all(axis=1)][-1, 1])
    order = np.argsort(heights, kind="stable")
    at = np.clip(np.array(heights)[order], 0, 1)
    steps = APART * np.arange(len(at))
    # Going up, each keeps its distance from the one below; then all move down into the panel.
    at = np.maximum.accumulate(at - steps) + steps
    at = np.minimum(at, (1 - steps)[::-1])
    for i, height in zip(order, at, strict=True):
        colour = axes.lines[i].get_color()
        axes.text(1.02, height, names[i], transform=axes.transAxes, va="center", color=colour)


def _arrows(axes: Axes, z: Array, fakes: Array) -> None:
    """Draw arrows from z, on a line below the densities, up to G(z) near the line of x."""
    if np.shape(z) != np.shape(fakes):
        raise ValueError(f"fakes must have z's shape {np.shape(z)}, got {np.shape(fakes)}")
    low, high = -0.32, -0.05
    arrow = {"arrowstyle": "->", "color": "0.45", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    for start, end in zip(z, fakes, strict=True):
        axes.annotate("", (end, high), (start, low), arrowprops=arrow, annotation_clip=True)
    axes.axhline(low, color="0.6", lw=0.8)
    axes.text(0.01, low, "z", transform=axes.get_yaxis_transform(), va="bottom")
    axes.set_ylim(bottom=low - 0.06)


def _like(x: Array, name: str, y: Array) -> Array:
    """Return `y`, checked to have the shape of `x`, (M,), and a finite value."""
    y, shape = np.asarray(y, float), np.shape(x)
    if len(shape) != 1 or y.shape != shape or not np.isfinite(y).any():
        raise ValueError(f"{name} must be numbers of x's shape (M,), got {y.shape} for {shape}")
    return y
