"""Sets of images in rows, each row with its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nngan.backend import Array
from nngan.plotting.saving import Target, save_figure
from nngan.plotting.sheets import enlarged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.5  # width of an image in inches


def plot_rows(rows: Mapping[str, Array], path: Target | None = None, columns: int = 16) -> Figure:
    """Draw sets of images below each other, each with its name to the left.

    Parameters
    ----------
    rows : mapping of str to float array of shape (N, features)
        Square images in [0, 1], by name. More than `columns` images take several lines.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    columns : int
        Images per line.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_rows({"zeros": np.zeros((16, 64)), "ones": np.ones((32, 64))})
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("rows must hold at least one set of images, got none")
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
