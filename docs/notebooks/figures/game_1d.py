"""A game on a line: the densities of data and generator, D, and the way of the noise through G."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nngan.backend import Array
from nngan.plotting.colours import BLUE, VERMILION
from nngan.plotting.saving import Target, save_figure

from .curves import check_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_game_1d(
    x: Array,
    data: Array,
    states: Mapping[str, tuple[Array, Array, Array]],
    path: Target | None = None,
    z: Array | None = None,
) -> Figure:
    """Draw a game on a line: both densities, D, the optimal D, and arrows from z to G(z).

    Each state of the game has a panel. The optimal D is p_data / (p_data + p_G); it is a broad line
    behind D itself.

    Parameters
    ----------
    x : array of shape (M,)
        The points at which everything was evaluated, in ascending order.
    data : array of shape (M,)
        The density p_data of the data at `x`.
    states : mapping of str to (density, D, fakes)
        By title: the density p_G and D's probability, both at `x`, and G(z), of the shape of `z`.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    z : array of shape (K,), optional
        The noise at which the arrows start. None: no arrows, and the fakes are ignored.

    Returns
    -------
    figure : matplotlib.figure.Figure

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
        raise ValueError("states must hold at least one entry, got none")
    data = check_values(x, "data", data)
    rows, columns = -(-len(states) // 2), min(2, len(states))
    figure = Figure(figsize=(3.8 * columns + 0.4, 2.6 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (title, (density, d, fakes)) in zip(panels.flat, states.items(), strict=False):
        density, d = check_values(x, "the density", density), check_values(x, "D", d)
        if not ((d >= 0) & (d <= 1)).all():
            raise ValueError("D must be probabilities in [0, 1]: apply the sigmoid to logits")
        with np.errstate(invalid="ignore", divide="ignore"):  # undefined where both are zero
            best = data / (data + density)
        axes.plot(x, best, color="0.8", lw=6, label="best D")
        axes.plot(x, d, color=BLUE, ls="--", lw=2, label="D")
        axes.plot(x, density, color=VERMILION, lw=2, label="generator, $p_G$")
        axes.plot(x, data, color="k", ls=":", lw=2, label="data, $p_{\\mathrm{data}}$")
        axes.set_title(title)
        axes.grid(color="0.9")
        if z is not None:
            _draw_arrows(axes, z, fakes)
    for axes in panels.flat[len(states) :]:
        axes.set_visible(False)
    first = panels[0, 0]
    ticks = [tick for tick in first.get_yticks() if 0 <= tick <= first.get_ylim()[1]]
    first.set(xlim=(x[0], x[-1]), yticks=ticks)
    figure.supylabel("density, probability", fontsize="medium")
    figure.supxlabel("x", fontsize="medium")
    figure.legend(
        *first.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False
    )
    return save_figure(figure, path)


def _draw_arrows(axes: Axes, z: Array, fakes: Array) -> None:
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
