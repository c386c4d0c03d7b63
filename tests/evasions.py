"""Submissions that a naive checker grades wrong, and what becomes of each.

The sources are in the files of ``submissions/``: a line ``=== name`` begins each, options of the
command line may follow after ``|``, and the word ``passes`` marks one that is graded right
today. Each defines a class `Layer`. ``import numpy as np`` is put before its source.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nngan.gradcheck.__main__ import main

HONEST = {
    "hidden": "Parameters that are kept in unusual places, with a wrong gradient",
    "buffers": "Gradients that a checker cures before it looks at them",
    "looks": "Mistakes that the first numbers hide",
    "points": "Mistakes at inputs that a checker may not draw",
}
GROUPS = {
    **HONEST,
    "cheats": "Written to deceive the checker",
    "right": "Right, in unusual style",
    "page": "Wrong, by somebody who had only read this page",
}


@dataclass(frozen=True)
class Submission:
    """A file that a student hands in."""

    name: str
    group: str
    source: str
    options: tuple[str, ...]
    passes: bool  # graded right although it is not, and the documentation says so

    @property
    def is_right(self):
        return self.group == "right"


@dataclass(frozen=True)
class Outcome:
    """What the command line answers."""

    verdict: str  # "right", "wrong", "inconclusive", "refused"; "crash" if the checker raises
    output: str
    owned: bool  # the submission ran code outside its own process


def read(group):
    """Return the submissions of one file."""
    text = (Path(__file__).parent / "submissions" / f"{group}.txt").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^=== ", text, flags=re.M)[1:]:
        heading, _, source = part.partition("\n")
        name, *rest = heading.split(" | ")
        options = tuple(word for words in rest if words != "passes" for word in words.split())
        source = f"import numpy as np\n\n{source.strip()}\n"
        found.append(Submission(name, group, source, options, "passes" in rest))
    return found


SUBMISSIONS = {s.name: s for group in GROUPS for s in read(group)}


def grade(submission):
    """Grade a submission with the command line, called in this process."""
    start, output = Path.cwd(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("layer.py").write_text(submission.source, encoding="utf-8")
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                try:
                    # The last --timeout counts: a busy machine needs more than the default.
                    status = main(["layer.py:Layer", "--timeout", "100", *submission.options])
                except SystemExit as stop:  # the file cannot be read
                    status = stop.code
                except Exception as error:
                    status = error
            owned = Path("owned").exists()
        finally:
            os.chdir(start)
    text = output.getvalue()
    is_open = "could be checked" in text.partition("\n")[0]
    verdict = "right" if status == 0 else "inconclusive" if is_open else "wrong"
    if status == 2:
        verdict = "refused"
    if isinstance(status, Exception):
        verdict, text = "crash", f"{text}{status!r}"
    return Outcome(verdict, text, owned)


def grade_all(submissions, workers=2):
    """Return the outcome of each submission, by name."""
    submissions = list(submissions)
    with ProcessPoolExecutor(workers) as pool:
        return dict(zip((s.name for s in submissions), pool.map(grade, submissions), strict=True))


def row(submission, outcome):
    """Return the row of one submission in the documentation."""
    missed = outcome.verdict == "right" and not submission.is_right
    verdict = "**right: not caught**" if missed else outcome.verdict
    return f"| {submission.name} | {verdict} |"


def table(outcomes):
    """Return the tables of the documentation."""
    lines = []
    for group, title in GROUPS.items():
        lines += ["", f"### {title}", "", "| submission | graded |", "|---|---|"]
        members = [s for s in SUBMISSIONS.values() if s.group == group]
        lines += [row(s, outcomes[s.name]) for s in members if s.name in outcomes]
    return "\n".join(lines[1:])


if __name__ == "__main__":
    chosen = [s for s in SUBMISSIONS.values() if not sys.argv[1:] or s.group in sys.argv[1:]]
    print(table(grade_all(chosen)))
