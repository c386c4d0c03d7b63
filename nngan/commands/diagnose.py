"""Look at a run, and say what is wrong with it, if anything.

nngan diagnose runs/x                  # a few seconds
nngan diagnose runs/x --backend cupy   # a run on a CUDA GPU

It measures the samples against the training images, D against a fresh
classifier, the steps against numerical derivatives, and more; the page
"Diagnosis" of the documentation has the list. The exit status is 0 if nothing
is wrong, 1 if there is a fault or a warning, 2 if the run cannot be looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..backend import BackendUnavailable
from ..command_line import OneSentenceParser, say
from ..datasets import DatasetError
from ..diagnosis import Report
from ..diagnosis.diagnose import diagnose
from ..runs import load_run
from .data import is_known, run_data
from .options import (
    add_backend,
    add_data_dir,
    add_moved,
    checkpoint_in,
    chosen_backend,
    folder,
    in_options,
)


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    p = OneSentenceParser(program, description=(__doc__ or "").replace("nngan diagnose", program))
    p.add_argument(
        "run", type=folder, metavar="RUN", help="folder that nngan train or nngan table has made"
    )
    add_backend(p, "cupy")
    add_data_dir(p)
    add_moved(p)
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan diagnose") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    try:
        report = look(options)
    except (ValueError, OSError, DatasetError, BackendUnavailable) as error:
        command.error(in_options(error, command))
    say(str(report))
    return 0 if report.ok else 1


def look(options: argparse.Namespace) -> Report:
    """Load the run and its images, and diagnose the game."""
    gan, settings = load_run(checkpoint_in(options.run), chosen_backend(options))
    if settings is None or not is_known(settings.data):
        raise ValueError(
            f"the run in {options.run} was begun in Python, and its images are not known: look at "
            "it there, with nngan.diagnose(gan, x)"
        )
    data = run_data(settings, options.data, options.data_dir)
    if data.x.shape[1] != gan.G.n_out:
        raise ValueError(f"{data.name} has {data.x.shape[1]} pixels, and the run {gan.G.n_out}")
    return diagnose(gan, data.x, data.labels)
