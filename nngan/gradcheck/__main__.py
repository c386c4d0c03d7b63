"""Check the classes in a file: students run it on a layer, teachers grade with it.

python -m nngan.gradcheck linear.py                 # every class with forward and backward
python -m nngan.gradcheck linear.py:Linear          # one of them

The file is executed, with your rights. A class is created without arguments. Its parameters are the
arrays p that have a partner dp (W and dW). Its input width is its n_in or W.shape[0]. Exit status:
0 if all classes are right, 1 if one is wrong, 2 if there is nothing that can be checked.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from ..command_line import OneSentenceParser, between
from .child import ask
from .report import Finding, Report


def parser() -> OneSentenceParser:
    """Return the parser of the command line."""
    name, form = "python -m nngan.gradcheck", argparse.RawDescriptionHelpFormatter
    p = OneSentenceParser(name, description=__doc__, formatter_class=form)
    p.add_argument("target", metavar="FILE.py[:ClassName]")
    p.add_argument("--width", type=between(1, 10**6), metavar="N", help="features of the input")
    p.add_argument("--batch", type=between(1, 10**6), metavar="N", help="rows of the input")
    p.add_argument("--seed", type=between(0, 2**32 - 1), default=0, metavar="N", help="default: 0")
    p.add_argument("--timeout", type=between(0.1, 3600.0), default=20.0, metavar="SECONDS",
                   help="for each class; default: 20")  # fmt: skip
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
    options.file = Path(path).resolve()
    if not options.file.is_file():
        command.error(f"there is no file {path}")
    names = ask(options)
    if isinstance(names, Finding):
        command.error(f"{path} cannot be imported: {names.evidence}")
    if not names or name not in ("", *names):
        has = f"; it has {', '.join(names)}" if names else ""
        wanted = f"class {name}" if name else "class"
        command.error(f"{path} defines no {wanted} with forward and backward{has}")
    verdicts = []
    for each in [name] if name else names:
        answer = ask(options, each)
        report = Report(each, [], [answer], "") if isinstance(answer, Finding) else answer
        print(report, end="\n\n", flush=True)
        verdicts.append(report.ok)
    n, right = len(verdicts), sum(verdicts)
    print(f"{n} {'class' if n == 1 else 'classes'} checked: {right} right, {n - right} wrong.")
    return 0 if right == n else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
