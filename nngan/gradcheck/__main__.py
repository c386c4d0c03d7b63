"""Check what a file defines: students run it on a layer, teachers grade with it.

python -m nngan.gradcheck linear.py                 # every class with forward and backward
python -m nngan.gradcheck linear.py:Linear          # one of them; the same as --class Linear

The file is executed with your rights, in a process of its own. Exit status: 0 if all that was
checked is right, 1 if something is wrong or could not be compared, 2 if nothing can be checked.
"""

from __future__ import annotations

from ..interrupts import STOPPED, install

if __name__ == "__main__":
    install()  # before anything else is imported

import argparse
import ast
import io
import json
import sys
from pathlib import Path
from typing import Any

from ..command_line import OneSentenceParser, between, run_main
from .process.remote import Unusable, check_each, with_parts
from .styles.made import Settings


def parser() -> OneSentenceParser:
    """Return the parser of the command line."""
    name, form = "python -m nngan.gradcheck", argparse.RawDescriptionHelpFormatter
    p = OneSentenceParser(name, description=__doc__, formatter_class=form)
    p.add_argument("target", metavar="FILE[:NAME]")
    p.add_argument("--class", dest="name", type=_name, metavar="NAME",
                   help="check this class, or this pair of functions")  # fmt: skip
    p.add_argument("--args", nargs="+", action="extend", type=read_argument, default=[],
                   metavar="NAME=VALUE", help="arguments of the class or functions")  # fmt: skip
    p.add_argument("--shape", type=read_shape, metavar="3,8,8", help="shape of one sample")
    p.add_argument("--width", type=between(1, 10**6), metavar="N", help="features of the input")
    p.add_argument("--batch", type=between(1, 10**6), metavar="N", help="rows of the input")
    p.add_argument("--seed", type=between(0, 2**32 - 1), default=0, metavar="N", help="default: 0")
    p.add_argument("--timeout", type=between(0.1, 3600.0), default=20.0, metavar="SECONDS",
                   help="for each class, the import included; default: 20")  # fmt: skip
    p.add_argument("--memory", type=between(1, 10**6), metavar="MB",
                   help="limit of its memory, beyond Python and NumPy (Linux)")  # fmt: skip
    p.add_argument("--parts", type=_parts, default=[], metavar="W,b",
                   help="parameters that must be there, each with a gradient")  # fmt: skip
    p.add_argument("--thorough", action="store_true", help="compare element by element")
    p.add_argument("--overwrite", action="store_true", help="backward must set dW, not add to it")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    command = parser()
    options = command.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a student may write in any alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    path, _, name = options.target.rpartition(":")
    if not name.isidentifier():  # no colon, or that of a drive, as in C:\linear.py
        path, name = options.target, ""
    if name and options.name:
        command.error(f"name the class once: {name} or --class {options.name}")
    if options.shape and options.width:
        command.error("--shape and --width exclude each other")
    file, name = Path(path), name or options.name
    if not file.is_file():
        command.error(f"there is no file {path}")
    if options.memory and sys.platform != "linux":
        print("--memory has no effect here: only Linux can limit it.", file=sys.stderr)
    verdicts = []
    try:
        for report in check_each(file, name, settings_of(options), options.timeout, options.memory):
            report = with_parts(report, options.parts)
            print(report, end="\n\n", flush=True)
            verdicts.append(report.verdict)
    except KeyboardInterrupt:
        return STOPPED
    except Unusable as error:
        finding = error.finding
        if finding.kind == "no_class":
            link = "; " if finding.evidence.startswith("it has") else "\n"
            has = f"{link}{finding.evidence}" if finding.evidence else ""
            command.error(finding.sentence.replace("The file", path).rstrip(".") + has)
        reason = finding.evidence
        if finding.kind not in ("cannot_import", "hangs", "exits"):
            reason = f"{finding.sentence} {finding.evidence}"
        command.error(f"{path} cannot be imported: {reason}")
    n, right, open_ = len(verdicts), verdicts.count("right"), verdicts.count("inconclusive")
    rest = f", {open_} not fully" if open_ else ""
    wrong = n - right - open_
    print(f"{n} {'class' if n == 1 else 'classes'} checked: {right} right, {wrong} wrong{rest}.")
    return 0 if right == n else 1


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings of the check that the command line asks for."""
    return Settings(
        shape=(options.width,) if options.width else options.shape,
        batch=options.batch,
        args=dict(options.args),
        seed=options.seed,
        thorough=options.thorough,
        accumulate=False if options.overwrite else None,
    )


def read_argument(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE, where VALUE is JSON or a Python literal; a word is a string."""
    name, is_there, value = text.partition("=")
    if not is_there or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, such as n_in=4, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        pass
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def read_shape(text: str) -> tuple[int, ...]:
    """Read the shape of one sample, such as 3,8,8."""
    parts = text.strip("()").rstrip(",").split(",")
    if not all(p.strip().isdecimal() and 0 < int(p) <= 10**6 for p in parts):
        raise argparse.ArgumentTypeError(
            f"must be the shape of one sample, such as 4 or 3,8,8, got {text!r}"
        )
    return tuple(int(p) for p in parts)


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"must be names such as W,b, got {text!r}")
    return parts


def _name(text: str) -> str:
    if not text.isidentifier():
        raise argparse.ArgumentTypeError(f"must be the name of a class, got {text!r}")
    return text


if __name__ == "__main__":
    run_main(main)
