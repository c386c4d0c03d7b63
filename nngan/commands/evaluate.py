"""Measure the samples of a run and write metrics.json into its folder.

nngan evaluate runs/x                  # half a minute; the first time, two
nngan evaluate runs/x --samples 2000   # fewer samples, larger errors

A run on MNIST is measured by the published protocols, with a classifier of
digits as the judge. A run on other images is measured by distances between
pixels, to one half of the training images. Next to each score is that of the
other half.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import metrics
from ..backend import BackendUnavailable, Key, Stream, get_backend
from ..command_line import OneSentenceParser, between, say
from ..datasets import DatasetError
from ..files import atomic_write, check_writable
from ..gan import GAN
from ..metrics import Estimate, Judge, JudgeError
from ..metrics.estimate import mean_of
from ..metrics.parzen import VALIDATION
from ..metrics.scores import NEAREST_SAMPLES
from ..runs import RunSettings, load_run
from .data import is_known, mnist_and_judge, run_data
from .options import (
    add_backend,
    add_data_dir,
    add_latent_seed,
    add_moved,
    checkpoint_in,
    chosen_backend,
    folder,
    in_options,
)

SAMPLES = 10_000  # of every protocol in the table
LITTLE, MUCH = 0.3, 0.8  # of the value of real images
LEAST = 20  # images in each half of a run's data


@dataclass(frozen=True)
class Scores:
    """The scores of a run, those of real images, and what the command says about them.

    Attributes
    ----------
    gan : GAN
    titles : mapping of str to str
        The title of each score, by its name.
    rows, real : dict of str to Estimate
    samples : int
        How many were measured.
    judge : Judge or None
        The classifier of digits, for a run on MNIST.
    notes : list of str
    """

    gan: GAN
    titles: Mapping[str, str]
    rows: dict[str, Estimate]
    real: dict[str, Estimate]
    samples: int
    judge: Judge | None
    notes: list[str]


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    p = OneSentenceParser(program, description=__doc__)
    p.add_argument(
        "run", type=folder, metavar="RUN", help="folder that nngan train or nngan table has made"
    )
    p.add_argument(
        "--samples", type=between(40, 4 * SAMPLES), default=SAMPLES, metavar="N",
        help=f"number of samples; default: {SAMPLES}, as in the published protocols",
    )  # fmt: skip
    add_latent_seed(p)
    add_backend(p, "cupy")
    add_data_dir(p)
    add_moved(p)
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan evaluate") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    try:
        path = checkpoint_in(options.run).parent / "metrics.json"
        check_writable(path)  # before the work
        scores = measure(options)
        with atomic_write(path) as file:
            file.write((json.dumps(report(scores, options), indent=2) + "\n").encode())
    except (ValueError, OSError, DatasetError, JudgeError, BackendUnavailable) as error:
        command.error(in_options(error, command))
    say(f"{scores.samples:,} samples after epoch {scores.gan.epoch}, ± standard error\n")
    say(table(scores))
    if scores.judge is None:
        say(f"\n{verdict(scores.rows, scores.real)}")
    for note in scores.notes:
        say(f"\n{note}")
    say(f"Written: {path}")
    return 0


def measure(options: argparse.Namespace) -> Scores:
    """Load the run and score its samples."""
    gan, settings = load_run(checkpoint_in(options.run), chosen_backend(options))
    if (settings is None or settings.data == "mnist") and gan.G.n_out == 784:
        return measure_digits(gan, settings, options)
    if settings is None or not is_known(settings.data):
        raise ValueError(
            f"the run in {options.run} was begun in Python, and its images are not known: measure "
            "them there, with nngan.metrics.pixel_scores"
        )
    return measure_pixels(gan, settings, options)


def measure_digits(gan: GAN, settings: RunSettings | None, options: argparse.Namespace) -> Scores:
    """Score samples of MNIST's digits, with a judge."""
    train, test, judge = mnist_and_judge(gan.backend, options.data_dir)
    samples = gan.backend.asarray(gan.sample(options.samples, seed=options.seed))
    say("Measuring real images, once for each number of samples ...")
    real = metrics.reference_scores(train, test, judge, options.samples)
    say("Measuring samples ...")
    images = (settings and settings.images) or len(train)  # the first of the data set
    rows = metrics.all_scores(samples, train[:images], train[VALIDATION], test, judge)
    notes = [f"Judge {judge.fingerprint}, {judge.accuracy:.2%} on test images."]
    if images > VALIDATION.start:
        notes.insert(
            0, "The run was trained on images from which Parzen's bandwidth is chosen: "
            f"train with --images {VALIDATION.start} to leave them out.",
        )  # fmt: skip
    return Scores(gan, metrics.TITLES, rows, real, options.samples, judge, notes)


def measure_pixels(gan: GAN, settings: RunSettings, options: argparse.Namespace) -> Scores:
    """Score samples of any images, by distances to half of the images that the run has."""
    data = run_data(settings, options.data, options.data_dir)
    if data.x.shape[1] != gan.G.n_out:
        raise ValueError(f"{data.name} has {data.x.shape[1]} pixels, and the run {gan.G.n_out}")
    order = get_backend("numpy").permutation(Key(0).fold_in(Stream.DATA), len(data.x))
    half = min(len(order) // 2, options.samples, SAMPLES)
    if half < LEAST:
        raise ValueError(f"{data.name} has {len(order)} images: {2 * LEAST} are the least")
    first, second = (
        gan.backend.asarray(data.unit(order[part])) for part in (slice(half), slice(half, 2 * half))
    )
    samples = gan.backend.asarray(gan.sample(half, seed=options.seed))
    say("Measuring samples and real images ...")
    rows, real = (metrics.pixel_scores(x, second) for x in (samples, first))
    both = gan.backend.xp.concatenate([first, second])  # copies may be of either half
    rows["nearest"] = mean_of(metrics.nearest(samples[:NEAREST_SAMPLES], both)[1])
    real["nearest"] = mean_of(metrics.nearest_other(both)[:NEAREST_SAMPLES])
    reading = (
        "Energy distance: 0 is best. Precision and density say how real the samples look, recall "
        "and coverage how much of the data they show; the best is the value of real images. "
        "Pixels of flat grey are near to many images, so that flat samples have a high precision "
        "and density: trust these two only where recall and coverage are high, too."
    )
    note = (
        f"Compared with {half:,} training images; the column of real images is of {half:,} others."
    )
    titles = {**metrics.PIXEL_TITLES, "nearest": metrics.TITLES["nearest"]}
    return Scores(gan, titles, rows, real, half, None, [reading, note])


def verdict(rows: Mapping[str, Estimate], real: Mapping[str, Estimate]) -> str:
    """Return in a line what precision, density, recall and coverage say together.

    Each is taken as a share of the value of real images.
    """

    def share(name: str) -> float:
        best = real[f"pixel_{name}"].value
        return rows[f"pixel_{name}"].value / best if best > 0 else 0.0

    said = ", ".join(
        f"{name} {rows[f'pixel_{name}'].value:.2f}"
        for name in ("precision", "density", "recall", "coverage")
    )
    looks = min(share("precision"), share("density"))
    shows = min(share("recall"), share("coverage"))
    if shows < LITTLE and looks > MUCH:
        text = "the samples are alike, or lie in the middle of the data, and show little of it"
    elif shows < LITTLE:
        some = "some of the samples are" if looks > LITTLE else "hardly a sample is"
        text = f"{some} near the data, and they show little of it: train longer"
    elif min(looks, shows) > MUCH:
        text = "the samples are near the data and show most of it"
    elif looks > MUCH:
        text = "the samples are near the data and show a part of it"
    else:
        text = "the samples show much of the data, and many of them are unlike it"
    return f"Verdict: {text} ({said})."


def report(scores: Scores, options: argparse.Namespace) -> dict[str, object]:
    """Return the content of metrics.json."""
    judge = scores.judge
    described = judge and {"accuracy": judge.accuracy, "fingerprint": judge.fingerprint}
    return {
        "epoch": scores.gan.epoch,
        "samples": scores.samples,
        "seed": options.seed,
        "judge": described,
        "metrics": {
            name: {"value": value, "error": error, "real": scores.real[name].value}
            for name, (value, error) in scores.rows.items()
        },
    }


def table(scores: Scores) -> str:
    """Return the table as text: each measure with its standard error, and that of real images."""
    lines = [f"{'':<38}{'samples':>18}{'real images':>18}"]
    lines += [
        f"{title:<38}{scores.rows[name]!s:>18}{scores.real[name]!s:>18}"
        for name, title in scores.titles.items()
    ]
    return "\n".join(lines)
