"""Watch a GAN learn to draw digits, in about half a minute and without a download.

nngan demo                       # into a new folder in runs/
nngan demo --out first --seed 1  # into the folder first, another game

It is `nngan train` on the 8x8 digits that scikit-learn carries, and leaves the
folder of a run, with an animation: progress.gif.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from ..command_line import OneSentenceParser, say
from . import train
from .options import new_folder, seed

SETTINGS = ("--data", "digits", "--recipe", "small", "--sample-every", "8")


def main(arguments: Sequence[str] | None = None, program: str = "nngan demo") -> int:
    """Run the command; return the exit status."""
    parser = OneSentenceParser(program, usage=f"{program} [options]", description=__doc__)
    parser.add_argument(
        "--out", type=new_folder, metavar="DIR", help="a new folder; default: one in runs/"
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="another number, another run; default: 0"
    )
    options = parser.parse_args(arguments)
    out = options.out or Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S")
    folder = os.path.abspath(out)
    status = train.main([*SETTINGS, "--out", folder, "--seed", str(options.seed)], program)
    if status == 0:
        run = shlex.quote(folder)
        say(
            f"\nHow it learned:  {Path(folder) / 'progress.gif'}\n"
            f"The digits now:  {Path(folder) / 'latest.png'}\n\n"
            "What to try next:\n"
            f"  nngan latent {run}\n"
            "      walks between two samples of a digit\n"
            f"  nngan evaluate {run}\n"
            "      the same measures for samples and for real digits\n"
            "  nngan demo --seed 1\n"
            "      the same game with other random numbers\n"
            "  nngan train --recipe conditional\n"
            "      MNIST's digits, 28x28 pixels: downloads 11 MB, trains for minutes"
        )
    return status
