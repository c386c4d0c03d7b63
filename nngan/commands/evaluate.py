"""Measure the samples of a run on MNIST and write metrics.json into its folder.

nngan evaluate runs/x                  # half a minute; the first time, two
nngan evaluate runs/x --backend cupy   # the same on a CUDA GPU
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass

from .. import metrics
from ..backend import BackendUnavailable, get_backend
from ..command_line import OneSentenceParser, between
from ..datasets import DatasetError
from ..files import atomic_write
from ..gan import GAN
from ..metrics import Estimate, Judge, JudgeError
from ..metrics.parzen import VALIDATION
from ..runs import load_run
from .data import mnist_and_judge
from .options import add_backend, add_data_dir, add_latent_seed, folder, in_options

SAMPLES = 10_000  # of every protocol in the table


@dataclass(frozen=True)
class Scores:
    """The scores of a run: its game and judge, the rows of the table, those of real images."""

    gan: GAN
    judge: Judge
    rows: dict[str, Estimate]
    real: dict[str, Estimate]
    images: int  # that the run was trained on


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    p = OneSentenceParser(program, description=__doc__)
    p.add_argument("run", type=folder, help="the folder of a run, with its checkpoint.npz")
    p.add_argument(
        "--samples", type=between(40, 4 * SAMPLES), default=SAMPLES, metavar="N",
        help=f"number of samples; default: {SAMPLES}, as in the published protocols",
    )  # fmt: skip
    add_latent_seed(p)
    add_backend(p)
    add_data_dir(p)
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan evaluate") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    path = options.run / "metrics.json"
    try:
        scores = measure(options)
        with atomic_write(path) as file:
            file.write((json.dumps(report(scores, options), indent=2) + "\n").encode())
    except (ValueError, OSError, DatasetError, JudgeError, BackendUnavailable) as error:
        command.error(in_options(error, command))
    print(f"{options.samples:,} samples after epoch {scores.gan.epoch}, ± standard error\n")
    print(table(scores.rows, scores.real))
    if scores.images > VALIDATION.start:
        print(
            "\nThe run was trained on images from which Parzen's bandwidth is chosen: "
            f"train with --images {VALIDATION.start} to leave them out."
        )
    print(f"\nJudge {scores.judge.fingerprint}, {scores.judge.accuracy:.2%} on test images.")
    print(f"Written: {path}")
    return 0


def measure(options: argparse.Namespace) -> Scores:
    """Load the run and score its samples."""
    backend = get_backend(options.backend)
    gan, settings = load_run(options.run / "checkpoint.npz", backend)
    data = "mnist" if settings is None else settings.data
    if gan.G.n_out != 784 or data != "mnist":
        raise ValueError(
            f"the run in {options.run} is of {'other data' if data == 'mnist' else data}: these "
            "measures are of MNIST's digits, choose a run with --data mnist"
        )
    train, test, judge = mnist_and_judge(backend, options.data_dir)
    samples = backend.asarray(gan.sample(options.samples, seed=options.seed))
    print("Measuring ...")
    real = metrics.reference_scores(train, test, judge, options.samples)
    images = (settings and settings.images) or len(train)  # the first of the data set
    rows = metrics.all_scores(samples, train[:images], train[VALIDATION], test, judge)
    return Scores(gan, judge, rows, real, images)


def report(scores: Scores, options: argparse.Namespace) -> dict[str, object]:
    """Return the content of metrics.json."""
    return {
        "epoch": scores.gan.epoch,
        "samples": options.samples,
        "seed": options.seed,
        "judge": {"accuracy": scores.judge.accuracy, "fingerprint": scores.judge.fingerprint},
        "metrics": {
            name: {"value": value, "error": error, "real": scores.real[name].value}
            for name, (value, error) in scores.rows.items()
        },
    }


def table(rows: dict[str, Estimate], real: dict[str, Estimate]) -> str:
    """Return the table as text: each measure with its standard error, and that of real images."""
    lines = [f"{'':<38}{'samples':>18}{'real images':>18}"]
    lines += [
        f"{title:<38}{rows[name]!s:>18}{real[name]!s:>18}" for name, title in metrics.TITLES.items()
    ]
    return "\n".join(lines)
