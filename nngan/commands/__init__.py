"""The command line: ``nngan COMMAND [options]``, also as ``python -m nngan``.

A command is a module with a function ``main(arguments, program)`` that returns the exit status. It
is imported when it is called, and not before.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..command_line import OneSentenceParser, run_main
from ..interrupts import importing
from ..version import __version__

# The name of each command, which is that of its module, and one line for the overview.
COMMANDS = {
    "demo": "watch a GAN learn to draw small digits, in half a minute",
    "train": "train a GAN on handwritten digits and keep the pictures",
    "recipes": "list the games that can be trained",
    "evaluate": "measure the samples of a run",
    "diagnose": "say what is wrong with a run, if anything",
    "latent": "draw walks between latent vectors, and what D looks at",
    "export": "put a trained generator into one web page with sliders",
    "table": "train and measure recipes over several seeds; print one table",
    "mixtures": "count the modes of a 2-D mixture that a game finds",
    "notebooks": "copy the course, ten notebooks, into a new folder",
    "grade": "grade a folder of students' layers; a page for each student",
}
EXAMPLES = """\
for example:
  nngan demo                      half a minute, no download; start here
  nngan train                     train on MNIST; offline on small digits
  nngan train --out runs/first    keep everything in the folder runs/first
  nngan evaluate runs/first       score its samples
  nngan diagnose runs/first       what is wrong with it, if anything
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit status."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    parser = OneSentenceParser(
        "nngan",
        usage="nngan COMMAND [options]",
        description="nngan: a GAN library for teaching. It runs these commands:\n\n"
        + "\n".join(f"  {command:<12}{line}" for command, line in COMMANDS.items())
        + "\n\n`nngan COMMAND --help` lists the options of a command.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"nngan {__version__}")
    if name.startswith("-"):
        parser.parse_args([name, *rest])
        parser.error("a command is missing before the options: nngan --help lists all")
    if name not in COMMANDS:
        parser.error(f"there is no command {name!r}: choose one of {', '.join(COMMANDS)}")
    return call(name, rest, f"nngan {name}")


def call(name: str, arguments: Sequence[str], program: str) -> int:
    """Run one command under the name of a program; return the exit status."""
    with importing():
        module = importlib.import_module(f".{name}", __name__)
    status: int = module.main(arguments, program)
    return status


def run() -> NoReturn:
    """Run the command line of this process and exit."""
    run_main(main)
