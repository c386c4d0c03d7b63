"""A game in the plane: D(x) as a heat map, with real and generated points."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..backend import Array
from .colours import BLUE, VERMILION
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.02  # difference of D(x) between black and white: a flat D looks flat


def plot_2d(
    discriminator: Callable[[Array], Array] | None,
    real: Array,
    fake: Array,
    path: Target | None = None,
    extent: tuple[float, float, float, float] | None = None,
    arrows: Array | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a game in the plane: D(x) as a heat map, and on it the real and the generated points.

    The greys go from the least to the greatest D(x) in the picture; the bar beside it says which
    these are.

    Parameters
    ----------
    discriminator : callable or None
        From an (N, 2) array of the dtype of `real` to N probabilities. None: no heat map.
    real, fake : arrays of shape (N, 2)
        The points. `fake` may have another number of rows.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    extent : (left, right, bottom, top), optional
        The part of the plane to show; by default a square around the real points. The legend says
        how many points are outside.
    arrows : array of shape (M, 2), optional
        The directions in which G would move the first M fakes. The legend gives the length of the
        longest arrow.
    title : str, optional
        Title of the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `discriminator` returns anything but N probabilities, such as logits.

    Examples
    --------
    >>> figure = plot_2d(None, real=np.eye(2), fake=np.zeros((1, 2)), title="before training")
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    real, fake = check_points("real", real), check_points("fake", fake)
    ends = square_around(real) if extent is None else checks.sequence("extent", extent)
    ends = [checks.number("extent", end) for end in ends]
    if len(ends) != 4 or ends[0] >= ends[1] or ends[2] >= ends[3]:
        raise ValueError(
            "extent must be (left, right, bottom, top) with left < right and bottom < top, got "
            f"{extent}"
        )
    left, right, low, high = ends
    checks.optional(checks.text, "title", title)
    checks.optional(checks.function, "discriminator", discriminator)

    figure = Figure(figsize=(6.5, 6), layout="compressed")
    axes = figure.subplots()
    if discriminator is not None:
        centres = (np.arange(200) + 0.5) / 200
        x, y = np.meshgrid(left + (right - left) * centres, low + (high - low) * centres)
        d = np.asarray(discriminator(np.stack([x, y], axis=2).reshape(-1, 2).astype(real.dtype)))
        if d.size != x.size or not ((d >= 0) & (d <= 1)).all():
            raise ValueError(
                f"discriminator must return {x.size} probabilities in [0, 1], got shape {d.shape} "
                f"and values from {d.min():.3g} to {d.max():.3g}: apply the sigmoid to logits"
            )
        greys = LinearSegmentedColormap.from_list("greys", ["0.25", "1.0"])
        middle, half = (d.max() + d.min()) / 2, max(d.max() - d.min(), LEAST) / 2
        heat = axes.imshow(
            d.reshape(x.shape),
            cmap=greys,
            vmin=middle - half,
            vmax=middle + half,
            origin="lower",
            extent=(left, right, low, high),
        )
        figure.colorbar(heat, ax=axes, label="D(x)")
    for label, points, colour, marker, size, height in (
        ("real", real, BLUE, "o", 12, 2.2),  # smaller, and above the others: both can be seen
        ("generated", fake, VERMILION, "^", 24, 2.1),
    ):
        outside = ((points < (left, low)) | (points > (right, high))).any(axis=1).sum()
        label += f" ({outside} of {len(points)} outside)" if outside else ""
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=size,
            c=colour,
            marker=marker,
            ec="w",
            lw=0.3,
            label=label,
            zorder=height,
        )
    if arrows is not None:
        arrows = check_points("arrows", arrows)
        if len(arrows) > len(fake):
            raise ValueError(
                f"arrows must have at most {len(fake)} rows, one per fake, got {len(arrows)}"
            )
        longest = float(np.hypot(*arrows.T).max(initial=0))
        axes.quiver(
            *fake[: len(arrows)].T,
            *arrows.T,
            angles="xy",
            scale_units="xy",
            scale=(longest or 1) / (0.12 * (right - left)),
            width=0.004,
            ec="w",
            lw=0.4,
            zorder=2.3,
        )
        label = f"gradient (longest: {longest:.2g})"
        # An empty curve gives the arrows an entry in the legend.
        axes.plot([], [], "k", marker=r"$\rightarrow$", ls="", ms=14, label=label)
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal", title=title)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return save_figure(figure, path)


def check_points(name: str, points: Array) -> Array:
    """Return `points`, checked to be finite and of shape (N, 2)."""
    points = checks.array_like(name, points)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite numbers of shape (N, 2), got {points.shape}")
    return points


def square_around(real: Array) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top) of a square around points (N, 2), with a margin."""
    if len(real) == 0:
        raise ValueError("extent must be given when real is empty, got None")
    half = 0.7 * float(np.ptp(real, axis=0).max()) or 1.0
    x, y = (real.min(axis=0) + real.max(axis=0)).astype(float) / 2
    return x - half, x + half, y - half, y + half
