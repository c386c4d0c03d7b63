"""The quick scores of a run, taken while it trains."""

from __future__ import annotations

from ..backend import Array, Key, Stream, array_module, get_backend
from ..command_line import say
from ..gan import GAN
from ..metrics import Estimate, Judge, quick_scores
from .folder import RunFolder

SAMPLES = 2_000  # a Frechet distance depends on the number of samples


class Measure:
    """A callback for `fit` that measures the samples of a run on MNIST.

    Every ``settings.measure_every`` epochs, and at the last, it scores 2,000 samples of one fixed
    noise and prints a line. The scores go into ``run.measured``, which the run saves in its
    checkpoint: pass this callback to `fit` before the run itself. The scores of 2,000 real images
    go into ``run.settings.real_scores``, and the judge's fingerprint into ``run.settings.judges``.

    Parameters
    ----------
    run : RunFolder
        Its settings have a `measure_every`.
    train, test : float arrays of shape (N, 784) and (M, 784)
        MNIST in [0, 1], on the game's backend; N >= 2,000. The real images are drawn from `train`.
    judge : Judge

    Raises
    ------
    ValueError
        If the settings have no `measure_every`, or an array is not of this form.
    """

    def __init__(self, run: RunFolder, train: Array, test: Array, judge: Judge) -> None:
        if run.settings.measure_every is None:
            raise ValueError("measure_every of the run's settings must be a number, got None")
        self.run, self.test, self.judge = run, test, judge
        self.every = run.settings.measure_every
        # At random: every 30th image of MNIST scores 5.0, where these score 1.5.
        order = get_backend("numpy").permutation(Key(0).fold_in(Stream.DATA), len(train))
        drawn = train[array_module(train).asarray(order[:SAMPLES])]
        self.real = {name: score.value for name, score in quick_scores(drawn, test, judge).items()}
        judges = dict(run.settings.judges or {})
        before = list(judges.values())[-1:]
        if before != [judge.fingerprint]:
            since = int(run.measured[-1]["epoch"]) + 1 if run.measured else 1
            judges = {epoch: j for epoch, j in judges.items() if int(epoch) < since}
            judges[str(since)] = judge.fingerprint
            if since > 1:
                say(
                    f"Judge {judge.fingerprint} measures from epoch {since} on, and before it "
                    f"{' '.join(['judge', *before])} did: their scores differ a little."
                )
        run.change(real_scores=self.real, judges=judges)

    def __call__(self, gan: GAN) -> None:
        """Measure, if it is the turn of this epoch."""
        if gan.epoch % self.every and gan.epoch < self.run.settings.epochs:
            return
        from tqdm import tqdm  # a line leaves the progress bar whole

        scores = quick_scores(gan.backend.asarray(gan.sample(SAMPLES)), self.test, self.judge)
        self.run.measured.append(row(gan.epoch, scores))
        with tqdm.external_write_mode():
            say(
                f"epoch {gan.epoch}: Frechet distance {scores['frechet'].value:.1f} "
                f"(real images {self.real['frechet']:.1f}), "
                f"KL of digits {scores['class_kl'].value:.3f}, "
                f"sure of {scores['confident'].value:.0%}".replace("%", " %")
            )


def row(epoch: int, scores: dict[str, Estimate]) -> dict[str, float]:
    """Return the scores of an epoch as a flat row: epoch, samples, each value and its error."""
    values: dict[str, float] = {"epoch": epoch, "samples": SAMPLES}
    for name, (value, error) in scores.items():
        values |= {name: value, f"{name}_error": error}
    return values
