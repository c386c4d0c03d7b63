"""Walks between latent vectors, an atlas of the latent plane, and the gradients of D in images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..backend import Array
from .colours import BLUE, VERMILION
from .saving import Target, save_figure
from .sheets import image_shape, tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.55  # width of an image in inches
STYLES = (
    (VERMILION, "--"),
    (BLUE, "-"),
    ("0.3", ":"),
)  # of the walks; dashes differ, for prints in grey


def plot_walks(
    walks: Mapping[str, Array],
    path: Target | None = None,
    norms: Mapping[str, Array] | None = None,
    shell: tuple[float, float] | None = None,
    title: str | None = None,
    shape: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw the images along walks between the same ends, and the norms of z if given.

    Parameters
    ----------
    walks : mapping of str to float array of shape (pairs, steps, features)
        The images along each walk, by the kind of walk ("linear", "spherical").
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    norms : mapping of str to array of shape (pairs, steps), optional
        The norm of z along each walk, drawn next to the images.
    shell : (low, high), optional
        The range of norms that holds 90 % of the prior, shaded behind `norms`.
    title : str, optional
        Title of the figure.
    shape : (height, width) or (height, width, 3), optional
        Shape of one image; by default it is square and grey.
    names : sequence of str, optional
        A text beside each pair, such as its class.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_walks({"linear": np.zeros((2, 5, 64)), "spherical": np.ones((2, 5, 64))})
    """
    from matplotlib.figure import Figure

    walks, norms = _arrays("walks", walks), checks.optional(_arrays, "norms", norms)
    checks.optional(checks.interval, "shell", shell)
    checks.optional(checks.text, "title", title)
    shapes = {name: walk.shape for name, walk in walks.items()}
    first: tuple[int, ...] = next(iter(shapes.values()), ())
    if len(first) != 3 or set(shapes.values()) != {first}:
        raise ValueError(f"walks must be of one shape (pairs, steps, features), got {shapes}")
    pairs, steps, _ = first
    found = {name: norm.shape for name, norm in (norms or {}).items()}
    if norms is not None and found != dict.fromkeys(walks, (pairs, steps)):
        raise ValueError(f"norms must have shape {(pairs, steps)} for each walk, got {found}")

    if names is not None and len(checks.texts("names", names)) != pairs:
        raise ValueError(f"names must be {pairs}, one for each pair, got {len(names)}")
    columns = 1 if norms is None else 2
    figure = Figure(
        figsize=(CELL * steps + 1.1 + 2.2 * (columns - 1), pairs * (CELL * len(walks) + 0.12) + 1),
        layout="constrained",
        dpi=150,
    )
    widths = [CELL * steps, 1.8][:columns]
    grid = figure.subplots(pairs, columns, squeeze=False, sharex="col", width_ratios=widths)
    for i, row in enumerate(grid):
        picture = tile(np.concatenate([walk[i] for walk in walks.values()]), steps, shape)
        centres = _show_sheet(row[0], picture, len(walks), steps)
        row[0].set_yticks(centres[0], walks)
        row[0].set_xticks(centres[1], [f"{t:.2g}" for t in np.linspace(0, 1, steps)])
        row[0].tick_params(length=0, labelsize=8)
        if names is not None:
            row[0].set_ylabel(names[i], fontsize=9)
        if norms is not None:
            _draw_norms(row[1], {name: norm[i] for name, norm in norms.items()}, shell)
    grid[-1, 0].set_xlabel("t, from one end to the other")
    if norms is not None:
        top = max(1.1 * float(np.max(norm)) for norm in norms.values())
        for axes in grid[:, 1]:
            axes.set_ylim(0, max(top, 1.05 * shell[1]) if shell else top)
        grid[0, 1].set_title("|z|", fontsize=10)
        grid[-1, 1].set_xlabel("t")
        handles, labels = grid[0, 1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower right", ncols=3, frameon=False)
    figure.suptitle(title or "", fontsize=11, wrap=True)
    return save_figure(figure, path)


def plot_atlas(
    images: Array,
    x: Array,
    y: Array,
    path: Target | None = None,
    title: str | None = None,
    labels: Sequence[str] = ("$z_1$", "$z_2$"),
    shape: Sequence[int] | None = None,
) -> Figure:
    """Draw a plane of the latent space as a map: at each point the image G(z) of that point.

    Parameters
    ----------
    images : float array of shape (rows, columns, features)
        ``images[j, i]`` is the image at (x[i], y[j]).
    x, y : arrays of shape (columns,) and (rows,)
        Ascending coordinates, to the right and upwards. They label the axes; the distance of two
        labels is the width of an image, whatever their values.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    title : str, optional
        Title of the figure.
    labels : two str
        Names of the axes.
    shape : (height, width) or (height, width, 3), optional
        Shape of one image; by default it is square and grey.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_atlas(np.zeros((2, 3, 64)), x=[-1, 0, 1], y=[-0.5, 0.5])
    """
    from matplotlib.figure import Figure

    images = checks.array_like("images", images, 3)
    x, y = checks.array_like("x", x, 1), checks.array_like("y", y, 1)
    labels = [checks.text("labels", label) for label in checks.sequence("labels", labels)]
    checks.optional(checks.text, "title", title)
    if images.shape[:2] != (len(y), len(x)):
        raise ValueError(
            f"images must have shape ({len(y)}, {len(x)}, features), as y and x are long, got "
            f"{images.shape}"
        )
    if len(labels) != 2:
        raise ValueError(f"labels must be two, got {labels}")
    rows, columns, features = images.shape
    figure = Figure(figsize=(0.4 * columns + 1, 0.4 * rows + 1.2), layout="constrained", dpi=150)
    axes = figure.subplots()
    picture = tile(images[::-1].reshape(-1, features), columns, shape)
    down, across = _show_sheet(axes, picture, rows, columns)
    axes.set_xticks(across, [f"{value:.2f}" for value in x], rotation=90)
    axes.set_yticks(down, [f"{value:.2f}" for value in y[::-1]])
    axes.tick_params(length=2, labelsize=8)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    figure.suptitle(title or "", fontsize=11, wrap=True)
    return save_figure(figure, path)


def plot_gradients(
    groups: Mapping[str, tuple[Array, Array, Array]],
    path: Target | None = None,
    title: str | None = None,
    label: str = "change of D's logit per unit of grey",
    shape: Sequence[int] | None = None,
) -> Figure:
    """Draw images, with D(x) above each and the gradient of D's logit in its pixels below.

    All gradients share one symmetric scale that ends at their 99.5th percentile. Where pixels are
    blue, brighter ones raise D's logit; where they are vermilion, darker ones do. For colour it is
    the brightness of the three together.

    Parameters
    ----------
    groups : mapping of str to (images, gradients, d)
        Two arrays of shape (N, features) and one of N probabilities, by the name of the group
        ("real", "generated"). N is the same for all groups.
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    title : str, optional
        Title of the figure.
    label : str
        Label of the colour bar.
    shape : (height, width) or (height, width, 3), optional
        Shape of one image; by default it is square and grey.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> x, slope = np.zeros((3, 64)), np.ones((3, 64))
    >>> figure = plot_gradients({"generated": (x, slope, np.array([0.1, 0.5, 0.9]))})
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    parts = {
        name: [checks.array_like("groups", part) for part in checks.sequence("groups", group)]
        for name, group in checks.mapping("groups", groups).items()
    }
    checks.optional(checks.text, "title", title)
    checks.text("label", label)
    shapes = {name: [part.shape for part in group] for name, group in parts.items()}
    first: tuple[int, ...] = next(iter(shapes.values()), [()])[0]
    if len(first) != 2 or any(s != [first, first, first[:1]] for s in shapes.values()):
        raise ValueError(
            "groups must hold images (N, features), gradients of that shape and N probabilities, "
            f"with one N for all, got {shapes or 'none'}"
        )
    n = first[0]
    brightness = {name: _brightness(slope, shape) for name, (_, slope, _) in parts.items()}
    slopes = np.abs(np.concatenate(list(brightness.values())))
    limit = float(np.quantile(slopes, 0.995)) or float(slopes.max()) or 1.0
    colours = LinearSegmentedColormap.from_list("less, more", [VERMILION, "white", BLUE])
    scale = ScalarMappable(Normalize(-limit, limit), colours)
    figure = Figure(
        figsize=(n * 1.0 + 1.8, len(groups) * 2.35 + 0.5), layout="constrained", dpi=150
    )
    grid = figure.subplots(2 * len(groups), n, squeeze=False)
    for rows, (name, (images, _, d)) in zip(
        grid.reshape(len(groups), 2, n), parts.items(), strict=True
    ):
        for top, bottom, image, slope, probability in zip(
            *rows, images, brightness[name], d, strict=True
        ):
            top.imshow(tile(image[None], shape=shape), cmap="gray", vmin=0, vmax=1)
            top.set_title(f"D(x) = {probability:.2f}", fontsize=9)
            bottom.imshow(slope, cmap=colours, norm=scale.norm)
        rows[0, 0].set_ylabel(name)
        rows[1, 0].set_ylabel("its gradient")
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    figure.colorbar(scale, ax=grid, label=label, shrink=0.6, extend="both")
    figure.suptitle(title or "", fontsize=11, wrap=True)
    return save_figure(figure, path)


def _arrays(name: str, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return a mapping of texts to arrays of numbers."""
    items = checks.mapping(name, given).items()
    return {checks.text(name, key): checks.array_like(name, array) for key, array in items}


def _brightness(gradients: Array, shape: Sequence[int] | None) -> Array:
    """Return gradients (N, features) in the pixels as (N, height, width), summed over colours."""
    slopes = gradients.reshape(-1, *image_shape(gradients.shape[1], shape))
    return slopes.sum(axis=3) if slopes.ndim == 4 else slopes


def _show_sheet(axes: Any, picture: Array, rows: int, columns: int) -> tuple[Array, Array]:
    """Show a grid of images in greys; return the centres of its rows and of its columns."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    height, width = picture.shape[:2]  # n (side + 1) - 1: one pixel between two images
    down, across = (
        (np.arange(n) + 0.5) * (size + 1) / n - 1 for n, size in ((rows, height), (columns, width))
    )
    axes.set_frame_on(False)
    return down, across


def _draw_norms(axes: Any, norms: Mapping[str, Array], shell: tuple[float, float] | None) -> None:
    """Draw the norms along one pair's walks."""
    for i, ((name, norm), (colour, line)) in enumerate(zip(norms.items(), STYLES, strict=False)):
        t, order = np.linspace(0, 1, len(norm)), 3 - i / 10  # the first line is on top
        axes.plot(t, norm, c=colour, ls=line, lw=1.8, label=name, zorder=order)
    if shell is not None:
        axes.axhspan(*shell, color="0.88", zorder=0, label="90 % of the prior")
    axes.tick_params(labelsize=8)
    axes.yaxis.tick_right()
