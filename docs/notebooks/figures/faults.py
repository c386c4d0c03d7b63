"""Generators, their samples, and which measure sees what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from nngan.backend import Array
from nngan.plotting.colours import VERMILION
from nngan.plotting.saving import Target, save_figure
from nngan.plotting.sheets import enlarged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 1.7  # of a column of numbers, where an image is 1 wide


def plot_faults(
    samples: Mapping[str, Array],
    scores: Mapping[str, Mapping[str, float]],
    seen: Mapping[str, Collection[str]],
    path: Target | None = None,
    columns: int = 6,
) -> Figure:
    """Draw a row for each generator: some samples, and its scores, coloured where a fault is seen.

    Parameters
    ----------
    samples : mapping of str to float array of shape (N, features)
        Square images in [0, 1], by the name of the generator.
    scores : mapping of str to mapping of str to float
        By the name of the generator, and by that of the measure.
    seen : mapping of str to collection of str
        The measures that see a fault, by the name of the generator.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    columns : int
        Samples of each generator.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_faults({"noise": np.eye(64)}, {"noise": {"recall": 0.1}}, {"noise": []})
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    measures = list(next(iter(scores.values())))
    width = columns + 0.3 + WIDTH * len(measures)
    figure = Figure(figsize=(0.5 * (width + 2.4), 0.5 * (len(samples) + 0.8)), layout="constrained")
    axes = figure.subplots()
    for row, (name, images) in enumerate(samples.items()):
        picture, place = enlarged(images[:columns], columns), (0, columns, row + 0.97, row + 0.03)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=place, interpolation="nearest")
        axes.text(-0.2, row + 0.5, name, ha="right", va="center")
        for column, measure in enumerate(measures):
            left, is_seen = columns + 0.3 + WIDTH * column, measure in seen[name]
            face, ink = (VERMILION, "white") if is_seen else ("0.94", "0.25")
            axes.add_patch(Rectangle((left, row + 0.03), WIDTH - 0.06, 0.94, color=face, lw=0))
            text, centre = f"{scores[name][measure]:.2f}", left + WIDTH / 2
            axes.text(centre, row + 0.5, text, ha="center", va="center", color=ink, fontsize=9)
            if row == 0:
                axes.text(centre, -0.3, measure, ha="center", va="center", fontsize=9)
    axes.set(xlim=(0, width), ylim=(len(samples), -0.7), aspect="equal")
    axes.axis("off")
    return save_figure(figure, path)
