"""The losses of D and G over the epochs, with the values at chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .. import checks
from .colours import BLUE, VERMILION
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 1000  # of a curve: of more epochs it shows every second, third, ...
# Losses at chance that have a closed form, by the number in the legend.
CLOSED_FORMS = {"1.386": "2 ln 2 = ", "0.693": "ln 2 = ", "-0.693": "-ln 2 = "}


def plot_losses(
    history: Mapping[str, Sequence[float]],
    path: Target | None = None,
    d_chance: float | None = 2 * math.log(2),
    g_chance: float | None = math.log(2),
) -> Figure:
    """Draw the losses of D and G over the epochs, and below them the means of D(x) and D(G(z)).

    Parameters
    ----------
    history : mapping
        Lists "d_loss", "g_loss", "d_real" and "d_fake", one value per epoch. The last two are the
        means of D(x) and D(G(z)).
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    d_chance, g_chance : float, optional
        The losses of a D that answers 1/2 to everything, drawn as dashed lines. None: no line. G's
        loss in the minimax form is -ln 2.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a list is missing or empty, or their lengths differ.

    Examples
    --------
    >>> figure = plot_losses({"d_loss": [1.2], "g_loss": [0.8], "d_real": [0.6], "d_fake": [0.4]})
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = ("d_loss", "g_loss", "d_real", "d_fake")
    history = checks.mapping("history", history)
    curves = {name: checks.sequence("history", history.get(name, ())) for name in names}
    for name, chance in (("d_chance", d_chance), ("g_chance", g_chance)):
        checks.optional(checks.number, name, chance)
    lengths = {name: len(curve) for name, curve in curves.items()}
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
        shown = range(0, n, math.ceil(n / POINTS))
        values = [curves[name][i] for i in shown]
        if not all(map(checks.is_number, values)):
            raise ValueError(f"history[{name!r}] must be numbers, got {checks.shortened(values)}")
        axes.plot([i + 1 for i in shown], values, marker=marker, ms=4, c=colour, label=label)
    for axes, chance, colour, label in (
        (top, d_chance, BLUE, "D at chance: "),
        (top, g_chance, VERMILION, "G at chance: "),
        (bottom, 0.5, "0.3", "chance: "),
    ):
        if chance is not None:
            label += CLOSED_FORMS.get(f"{chance:.3f}", "") + f"{chance:.3f}"
            axes.axhline(chance, ls="--", lw=1, color=colour, label=label)
    top.update_datalim([(1, 0)])  # both scales include 0, that of D(x) also 1
    bottom.update_datalim([(1, 0), (1, 1)])
    top.set_ylabel("loss")
    bottom.set(ylabel="mean of D", xlabel="epoch", xlim=(0.5, n + 0.5))
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (top, bottom):
        axes.autoscale_view(scalex=False)
        axes.grid(color="0.9")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=9)
    return save_figure(figure, path)
