"""The passes through a D of two Linear layers that the gradient of a gradient takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngan.plotting.colours import BLUE, VERMILION
from nngan.plotting.saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS = ("Linear $W_1, b_1$", "$f$", "Linear $W_2, b_2$")
# Of each pass: title, colour, the values from the bottom to the top, whether it goes up.
PASSES = (
    ("forward", "0.35", ("$x$", "$y_1$", "$y_2$", "$o$"), True),
    ("1. down: gradients", BLUE, ("$g$", "$u_1$", "$u_2$", "1"), False),
    ("2. up: speeds", VERMILION, (r"$v = \gamma g/N$", r"$\dot y_1$", r"$\dot y_2$", "$S$"), True),
    ("3. down: the bend", BLUE, ("", r"$u_2 \dot y_1 f''(y_1)$", "", ""), False),
)


def plot_passes(path: Target | None = None) -> Figure:
    """Draw D from its input to its logit, and what each pass hands from layer to layer.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_passes()
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 4.2), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(LAYERS):
        axes.axhspan(row + 0.25, row + 0.75, color="0.93", lw=0)
        axes.text(-0.45, row + 0.5, name, va="center", ha="right")
    for column, (title, colour, values, up) in enumerate(PASSES):
        axes.text(column, 3.4, title, ha="center", color=colour, weight="bold")
        for row, value in enumerate(values):
            axes.text(column, row, value, ha="center", va="center", color=colour, fontsize=13)
        for row in range(3):
            low, high = (column, row + 0.15), (column, row + 0.85)
            if values[row + 1]:
                start, end = (low, high) if up else (high, low)
                arrow = {"arrowstyle": "->", "color": colour, "lw": 1.6}
                axes.annotate("", end, start, arrowprops=arrow)
    for column, row, formula in (
        (2, 2, r"$dW_2 = \dot y_2^\top 1$"),
        (2, 0, r"$dW_1 = v^\top u_1$"),
        (3, 0, "adds to\n$dW_1$ and $db_1$"),
    ):
        axes.text(column + 0.08, row + 0.5, formula, va="center", fontsize=10)
    axes.set(xlim=(-1.2, 3.75), ylim=(-0.3, 3.6))
    axes.axis("off")
    return save_figure(figure, path)
