"""The cheap metrics, followed while a game is played."""

from __future__ import annotations

import sys

from tqdm import tqdm

from ..backend import Array, Key, Stream, array_module, get_backend
from ..gan import GAN
from ..metrics import Estimate, Judge, quick_scores
from .folder import RunFolder

SAMPLES = 2_000  # a Frechet distance belongs to its number of samples


class Measure:
    """A callback for `fit` that follows the quality of a run on MNIST.

    Every ``settings["during"]`` epochs, and at the last, 2,000 samples of one fixed noise are
    measured and a line is printed. The values go into ``run.measured``, which the run saves in its
    checkpoint, so that this callback has to stand before the run's own. What as many real images
    score goes into ``run.settings["real"]``.

    Parameters
    ----------
    run : RunFolder
    train, test : float arrays of shape (N, 784) and (M, 784)
        MNIST in [0, 1], on the game's backend; N >= 2,000. The real images are drawn from `train`.
    judge : Judge

    Raises
    ------
    ValueError
        When an array does not fit; in a call, when samples are not finite.
    """

    def __init__(self, run: RunFolder, train: Array, test: Array, judge: Judge) -> None:
        self.run, self.test, self.judge = run, test, judge
        # At random: every 30th image of MNIST scores 5.0, where these score 1.5.
        order = get_backend("numpy").permutation(Key(0).fold_in(Stream.DATA), len(train))
        drawn = train[array_module(train).asarray(order[:SAMPLES])]
        real = quick_scores(drawn, test, judge)
        run.settings["real"] = {name: estimate.value for name, estimate in real.items()}

    def __call__(self, gan: GAN) -> None:
        """Measure, if it is time to."""
        settings = self.run.settings
        if gan.epoch % settings["during"] and gan.epoch < settings["epochs"]:
            return
        found = quick_scores(gan.backend.asarray(gan.sample(SAMPLES)), self.test, self.judge)
        self.run.measured.append(row(gan.epoch, found))
        tqdm.write(
            f"epoch {gan.epoch}: Frechet distance {found['frechet'].value:.1f} "
            f"(real images {settings['real']['frechet']:.1f}), "
            f"KL of digits {found['class_kl'].value:.3f}, "
            f"sure of {found['confident'].value:.0%}".replace("%", " %")
        )
        sys.stdout.flush()  # a log file shows it now


def row(epoch: int, found: dict[str, Estimate]) -> dict[str, float]:
    """Return one measurement as a flat row: epoch, number of samples, each value and its error."""
    values: dict[str, float] = {"epoch": epoch, "samples": SAMPLES}
    for name, (value, error) in found.items():
        values |= {name: value, f"{name}_error": error}
    return values
