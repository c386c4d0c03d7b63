"""Figures: loss curves, and a 2-D game seen from above."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Array
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Two colours of Okabe and Ito's set, which the colour-blind tell apart: blue is the discriminator
# and what is real, vermilion the generator and what it makes.
BLUE, VERMILION = "#0072B2", "#D55E00"
LOGS = {"1.386": "2 ln 2 = ", "0.693": "ln 2 = ", "-0.693": "-ln 2 = "}  # losses at chance


def plot_losses(
    history: Mapping[str, Sequence[float]],
    path: Target | None = None,
    d_chance: float | None = 2 * math.log(2),
    g_chance: float | None = math.log(2),
) -> Figure:
    """Draw the losses of D and G over epochs, and below them what D says of real and of fake.

    Parameters
    ----------
    history : mapping
        Lists "d_loss", "g_loss", "d_real" and "d_fake" (means of D(x) and D(G(z))), one value an
        epoch.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    d_chance, g_chance : float, optional
        The losses when D answers 1/2 to everything, drawn as dashed lines (None: no line). For
        G the minimax form has -ln 2.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When a list is missing or empty, or their lengths differ.

    Examples
    --------
    >>> figure = plot_losses({"d_loss": [1.2], "g_loss": [0.8], "d_real": [0.6], "d_fake": [0.4]})
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = ("d_loss", "g_loss", "d_real", "d_fake")
    lengths = {name: len(history.get(name, ())) for name in names}
    n = lengths["d_loss"]
    if n == 0 or set(lengths.values()) != {n}:
        raise ValueError(f"history must hold four lists of one length >= 1, got {lengths}")

    figure = Figure(figsize=(7.5, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, name, colour, label in (
        (top, "d_loss", BLUE, "D"),
        (top, "g_loss", VERMILION, "G"),
        (bottom, "d_real", BLUE, "D(x), real"),
        (bottom, "d_fake", VERMILION, "D(G(z)), generated"),
    ):
        marker = "o" if n <= 30 else ""
        axes.plot(range(1, n + 1), history[name], marker=marker, ms=4, c=colour, label=label)
    for axes, chance, colour, label in (
        (top, d_chance, BLUE, "D at chance: "),
        (top, g_chance, VERMILION, "G at chance: "),
        (bottom, 0.5, "0.3", "chance: "),
    ):
        if chance is not None:
            label += LOGS.get(f"{chance:.3f}", "") + f"{chance:.3f}"
            axes.axhline(chance, ls="--", lw=1, color=colour, label=label)
    top.update_datalim([(1, 0)])  # both scales show zero, that of D one as well
    bottom.update_datalim([(1, 0), (1, 1)])
    top.set_ylabel("loss")
    bottom.set(ylabel="mean of D", xlabel="epoch", xlim=(0.5, n + 0.5))
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (top, bottom):
        axes.autoscale_view(scalex=False)
        axes.grid(color="0.9")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9)
    return save_figure(figure, path)


def plot_2d(
    discriminator: Callable[[Array], Array] | None,
    real: Array,
    fake: Array,
    path: Target | None = None,
    extent: tuple[float, float, float, float] | None = None,
    arrows: Array | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a game in the plane: D(x) as a heat map, real and generated points above it.

    Parameters
    ----------
    discriminator : callable or None
        From an (N, 2) array of the dtype of `real` to N probabilities. None: no heat map.
    real, fake : arrays of shape (N, 2)
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    extent : (left, right, bottom, top), optional
        The part of the plane to show; by default a square around the real points. The legend
        counts points outside.
    arrows : array of shape (M, 2), optional
        Where the generator would move the first M fakes; the legend gives the longest's length.
    title : str, optional

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When an array has another shape or is not finite, when `discriminator` returns anything
        but N probabilities (logits, say).

    Examples
    --------
    >>> figure = plot_2d(None, real=np.eye(2), fake=np.zeros((1, 2)), title="before training")
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    real, fake = check_points("real", real), check_points("fake", fake)
    extent = square_around(real) if extent is None else extent
    left, right, low, high = extent
    if left >= right or low >= high:
        raise ValueError(f"extent must be (left, right, bottom, top) of an area, got {extent}")

    figure = Figure(figsize=(6.5, 6), layout="compressed")
    axes = figure.subplots()
    if discriminator is not None:
        centres = (np.arange(200) + 0.5) / 200
        x, y = np.meshgrid(left + (right - left) * centres, low + (high - low) * centres)
        d = np.asarray(discriminator(np.stack([x, y], axis=2).reshape(-1, 2).astype(real.dtype)))
        if d.size != x.size or not ((d >= 0) & (d <= 1)).all():
            raise ValueError(
                f"discriminator must return {x.size} probabilities in [0, 1] (of logits: their "
                f"sigmoid), got shape {d.shape}, values from {d.min():.3g} to {d.max():.3g}"
            )
        greys = LinearSegmentedColormap.from_list("greys", ["0.6", "1.0"])
        heat = axes.imshow(
            d.reshape(x.shape), cmap=greys, vmin=0, vmax=1, origin="lower", extent=extent
        )
        figure.colorbar(heat, ax=axes, label="D(x)")
    for label, points, colour, marker in (
        ("real", real, BLUE, "o"),
        ("generated", fake, VERMILION, "^"),
    ):
        outside = ((points < (left, low)) | (points > (right, high))).any(axis=1).sum()
        label += f" ({outside} of {len(points)} outside)" if outside else ""
        axes.scatter(
            points[:, 0], points[:, 1], s=24, c=colour, marker=marker, ec="w", lw=0.3, label=label
        )
    if arrows is not None:
        arrows = check_points("arrows", arrows)
        if len(arrows) > len(fake):
            raise ValueError(f"arrows must be at most {len(fake)}, as fake, got {len(arrows)}")
        longest = float(np.hypot(*arrows.T).max(initial=0))
        axes.quiver(
            *fake[: len(arrows)].T,
            *arrows.T,
            angles="xy",
            scale_units="xy",
            scale=(longest or 1) / (0.12 * (right - left)),
            width=0.004,
        )
        label = f"gradient (longest: {longest:.2g})"
        axes.plot([], [], "k", marker=r"$\rightarrow$", ls="", ms=14, label=label)  # for the legend
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal", title=title)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return save_figure(figure, path)


def check_points(name: str, points: Array) -> Array:
    """Return `points`, checked to be finite and of shape (N, 2)."""
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite numbers of shape (N, 2), got {points.shape}")
    return points


def square_around(real: Array) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top) of a square with room around the points (N, 2)."""
    if len(real) == 0:
        raise ValueError("extent must be given when real is empty, got None")
    half = 0.7 * float(np.ptp(real, axis=0).max()) or 1.0
    x, y = (real.min(axis=0) + real.max(axis=0)).astype(float) / 2
    return x - half, x + half, y - half, y + half
