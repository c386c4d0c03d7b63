"""Scores of the samples over the epochs of a run, with those of real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import checks
from .colours import BLUE, VERMILION
from .saving import Target, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Score, label of its axis, and how a value is written.
PANELS: Sequence[tuple[str, str, Callable[[float], str]]] = (
    ("frechet", "Frechet distance", lambda value: f"{value:.1f}"),
    ("class_kl", "KL of digits, nats", lambda value: f"{value:.3f}"),
    ("confident", "judge is sure of", lambda value: f"{100 * value:.1f} %"),
)

LEGEND_ABOVE: Mapping[str, Any] = {
    "loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2, "frameon": False, "fontsize": 9,
}  # fmt: skip


def plot_quality(
    measured: Sequence[Mapping[str, float]],
    path: Target | None = None,
    real: Mapping[str, float] | None = None,
) -> Figure:
    """Draw the Frechet distance, the KL of digits and the share of confident samples over epochs.

    Error bars are one standard error. The first two axes are logarithmic, because these scores fall
    by factors. The third goes from 0 to 100 %.

    Parameters
    ----------
    measured : sequence of mapping
        One row per measurement: "epoch", "samples" (their number), "frechet", "class_kl",
        "confident", and the standard errors "frechet_error", "class_kl_error", "confident_error".
    path : path ending in .png, .svg or .pdf, or binary file, optional
        Where to save the figure.
    real : mapping, optional
        The scores "frechet", "class_kl" and "confident" of as many real images, drawn as dashed
        lines.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> row = {"epoch": 1, "samples": 2000, "frechet": 50.0, "class_kl": 0.3, "confident": 0.6}
    >>> row |= {"frechet_error": 1.0, "class_kl_error": 0.02, "confident_error": 0.01}
    >>> figure = plot_quality([row], real={"frechet": 1.7, "class_kl": 0.003, "confident": 0.98})
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter

    measured = [_scores("measured", row) for row in checks.sequence("measured", measured)]
    if not measured:
        raise ValueError("measured must hold at least one row, got none")
    if real is not None:
        real = _scores("real", real, errors=False)
    epochs, n = [row["epoch"] for row in measured], int(measured[-1]["samples"])
    figure = Figure(figsize=(7.5, 7.5), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    for axes, (name, label, text) in zip(panels, PANELS, strict=True):
        values, errors = ([row[n] for row in measured] for n in (name, f"{name}_error"))
        marker = "o" if len(epochs) <= 30 else ""
        axes.errorbar(
            epochs, values, errors, marker=marker, ms=4, lw=1.5, elinewidth=1, capsize=2,
            c=VERMILION, label=f"{n:,} samples, at last {text(values[-1])}",
        )  # fmt: skip
        if real is not None:
            legend = f"{n:,} real images: {text(real[name])}"
            axes.axhline(real[name], ls="--", lw=1, color=BLUE, label=legend)
        axes.set_ylabel(label)
        axes.grid(color="0.9")
        handles = reversed(axes.get_legend_handles_labels()[0])  # curves with error bars are last
        axes.legend(handles=[*handles], **LEGEND_ABOVE)
    for axes in panels[:2]:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    panels[2].set(ylim=(0, 1.02), xlabel="epoch", xlim=(0.5, epochs[-1] + 0.5))
    panels[2].yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    panels[2].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.align_ylabels(panels)
    return save_figure(figure, path)


def _scores(name: str, row: Mapping[str, float], errors: bool = True) -> Mapping[str, float]:
    """Return a row of scores, with all the numbers that are drawn."""
    needed = [score for score, _, _ in PANELS]
    if errors:
        needed += ["epoch", "samples", *(f"{score}_error" for score in needed)]
    values = {key: checks.mapping(name, row).get(key) for key in needed}
    if missing := [key for key, value in values.items() if not checks.is_number(value)]:
        raise ValueError(f"{name} must have numbers under {', '.join(needed)}: see {missing[0]}")
    return row
