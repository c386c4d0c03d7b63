"""Grade a folder of submissions: points for each part, a page for each student.

nngan grade submissions --csv grades.csv --html reports   # the layer PReLU
nngan grade submissions --scheme linear.json              # one of your own

The folder has one file for each student (ann.py, bob.ipynb) or one folder for
each. Submissions are programs, and grading runs them with your rights: grade in
a container or under an account that owns nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO

from ..command_line import OneSentenceParser, between, one_sentence
from ..gradcheck import Finding
from ..gradcheck.process import remote
from .grading.forward import forward_mark
from .grading.index import write_index
from .grading.marks import ENDED, Grade, TaskGrade, ended, grade_task, needs_reference
from .grading.names import own_names
from .grading.pages import page_path, write_page
from .grading.reference import Reference, as_asked, prepare, renamed
from .grading.scheme import BUILT_IN, Scheme, SchemeError, Task, load_scheme
from .grading.submissions import Submission, find_submissions
from .grading.tables import (
    CsvError,
    Row,
    line,
    read_rows,
    row_of,
    write_results,
    write_rows,
)
from .options import folder, output

MEMORY = 2048  # MB
OURS = {"grader", "checker", "cannot_start"}  # perhaps not the student's mistakes


@dataclass(frozen=True)
class Grader:
    """All that grading a submission needs to know.

    Attributes
    ----------
    scheme : Scheme
    references : list of Reference or None
        One for each task.
    seed : int
    timeout : float
        Seconds for each process.
    memory : int
        MB for each process.
    """

    scheme: Scheme
    references: list[Reference | None]
    seed: int
    timeout: float
    memory: int

    def grade(self, submission: Submission) -> Grade:
        """Grade one submission; every problem is a mark."""
        tasks = []
        for task, reference in zip(self.scheme.tasks, self.references, strict=True):
            problem = submission.problem
            if problem is None:
                try:
                    tasks.append(self._task(submission.file, task, reference))
                    continue
                except Exception as error:  # no submission may end the grading of the others
                    sentence = "The grader failed: your teacher has to look at this submission."
                    problem = Finding("grader", sentence, one_sentence(error))
            tasks.append(ended(task, problem))
        return Grade(submission.name, submission.shown, tuple(tasks))

    def _task(self, file: Path, task: Task, reference: Reference | None) -> TaskGrade:
        settings = task.settings(self.seed)
        settings = reference.guide(settings) if reference else settings
        report = remote.check_file(file, task.targets, settings, self.timeout, self.memory)[0]
        problem = next((f for f in report.findings if f.kind in ENDED), None)
        if problem:
            return ended(task, problem)
        target = report.name if report.name.isidentifier() else task.targets
        ask = partial(remote.outputs, file, target, settings, self.timeout, memory=self.memory)
        names = own_names(task, report, reference.shapes if reference else None)
        forward = forward_mark(task, report, reference, self.seed, ask, names)
        asked: set[str] = set()
        if reference and reference.passes and needs_reference(task, report, forward):
            mine = {a.name: a.shape for a in report.arrays}
            points = [renamed(point, names, mine) for point in reference.points]
            passes = remote.passes(
                file, target, settings, self.timeout, points, reference.upstream, self.memory
            )
            if not isinstance(passes, Finding):
                asked = as_asked(reference, passes, names)
        return grade_task(task, report, forward, names, asked)


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    cores = os.cpu_count() or 1
    p = OneSentenceParser(program, description=__doc__)
    p.add_argument("submissions", type=folder, metavar="DIR", help="the folder, or one file")
    p.add_argument("--scheme", type=Path, default=BUILT_IN, metavar="FILE.json",
                   help="the points of each part; default: those of the layer PReLU")  # fmt: skip
    p.add_argument(
        "--csv", type=output(".csv"), metavar="FILE.csv", help="write a row for each student"
    )
    p.add_argument("--json", type=Path, metavar="DIR",
                   help="write Gradescope's results; for one student also FILE.json")  # fmt: skip
    p.add_argument(
        "--html", type=folder, metavar="DIR", help="write a page for each student, and index.html"
    )
    p.add_argument("--resume", action="store_true", help="keep the rows of --csv; grade the others")
    p.add_argument("--jobs", type=between(1, 1024), default=cores, metavar="N",
                   help="submissions at the same time; default: the number of cores")  # fmt: skip
    p.add_argument("--timeout", type=between(0.1, 3600.0), default=20.0, metavar="SECONDS",
                   help="for each process, the import included; default: 20")  # fmt: skip
    p.add_argument("--memory", type=between(64, 10**6), default=MEMORY, metavar="MB",
                   help=f"of each, beyond NumPy; Linux alone; default: {MEMORY}")  # fmt: skip
    p.add_argument("--seed", type=between(0, 2**32 - 1), default=0, metavar="N",
                   help="of the numbers that are tried; default: 0")  # fmt: skip
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan grade") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a student may have a name in any alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    if not options.submissions.exists():
        command.error(f"there is no folder {options.submissions}")
    if options.resume and not options.csv:
        command.error("--resume needs --csv FILE.csv, the rows of the earlier run")
    if options.csv and options.csv.exists() and not options.resume:
        command.error(f"{options.csv} exists: add --resume to go on with it, or name another file")
    try:
        scheme = load_scheme(options.scheme)
        written = (options.scheme, options.csv, options.json, options.html)
        ours = [path for path in written if path]
        submissions = find_submissions(options.submissions, scheme, ours)
        rows = read_rows(options.csv, scheme) if options.csv and options.csv.exists() else []
        if not submissions:
            command.error(f"{options.submissions} has no file and no folder of a student")
        places = _json_places(options.json, submissions)
        references = [prepare(task, options.seed, options.timeout) for task in scheme.tasks]
        for place in (options.html, options.json):
            if place and place.suffix != ".json":
                place.mkdir(parents=True, exist_ok=True)
    except (SchemeError, CsvError, OSError) as error:
        text = str(error) if isinstance(error, SchemeError) else one_sentence(error)
        command.error(text)
    grader = Grader(scheme, references, options.seed, options.timeout, options.memory)
    rows = [row for row in rows if _is_complete(row, options.html, places)]
    done = {row.name for row in rows}
    left = [submission for submission in submissions if submission.name not in done]
    begin = time.monotonic()
    try:
        with (
            _csv(options.csv, scheme, rows) as file,
            contextlib.closing(_grades(grader, left, options.jobs)) as grades,
        ):
            for grade in grades:
                if options.html:
                    write_page(grade, scheme, page_path(options.html, grade.name), options.seed)
                if options.json:
                    write_results(grade, places[grade.name])
                rows.append(row_of(grade))
                if file:  # last, because a student with a row is not graded again
                    file.write(line(rows[-1].cells))
                    file.flush()
                print(_progress(rows[-1]), flush=True)
    except KeyboardInterrupt:
        _stopped(len(rows), len(submissions), options.csv)
        return 130
    except OSError as error:
        command.error(one_sentence(error))
    if options.csv:
        write_rows(options.csv, scheme, rows)
    if options.html:
        write_index(options.html / "index.html", scheme, rows)
    print(_summary(rows, time.monotonic() - begin))
    for written in filter(None, (options.csv, options.json, options.html)):
        print(f"Written: {written / 'index.html' if written is options.html else written}")
    return 0


def _grades(
    grader: Grader, submissions: list[Submission], jobs: int
) -> Generator[Grade, None, None]:
    """Yield the grades as they come."""
    waiting = deque(submissions)
    done: Queue[Grade] = Queue()

    def work() -> None:
        with contextlib.suppress(IndexError):  # nothing is waiting any more
            while True:
                done.put(grader.grade(waiting.popleft()))

    for _ in range(min(jobs, len(submissions))):
        # Daemons: after Ctrl-C nobody waits for a submission that hangs.
        Thread(target=work, daemon=True).start()
    try:
        for _ in submissions:
            grade = None
            while grade is None:
                with contextlib.suppress(Empty):
                    grade = done.get(timeout=0.2)  # without a timeout Windows ignores Ctrl-C
            yield grade
    finally:
        waiting.clear()


@contextlib.contextmanager
def _csv(path: Path | None, scheme: Scheme, rows: list[Row]) -> Iterator[IO[str] | None]:
    """Write the heading and the rows of before, and open the file to add others."""
    if path is None:
        yield None
        return
    write_rows(path, scheme, rows)
    with path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield file


def _is_complete(row: Row, html: Path | None, places: dict[str, Path]) -> bool:
    """Whether the earlier run has graded a student and written all that is to be written."""
    if OURS & set(row.mistakes.split()):
        return False
    wanted = [places[row.name]] if row.name in places else []
    wanted += [page_path(html, row.name)] if html else []
    return all(path.exists() for path in wanted)


def _json_places(target: Path | None, submissions: list[Submission]) -> dict[str, Path]:
    """Return where the results of each student go."""
    if target is None:
        return {}
    if target.suffix != ".json":
        return {each.name: target / f"{each.name}.json" for each in submissions}
    if len(submissions) > 1:
        n = len(submissions)
        raise CsvError(f"--json {target} is for one student, and there are {n}: name a folder")
    return {submissions[0].name: target}


def _progress(row: Row) -> str:
    return f"{row.name:<24} {row.points:>5} of {row.of:<5} {row.mistakes}".rstrip()


def _stopped(done: int, n: int, path: Path | None) -> None:
    print(f"\nStopped: {done} of {n} submissions are graded.", file=sys.stderr)
    if path:
        print(f"{path} has their rows. Go on with the same command and --resume.", file=sys.stderr)
    else:
        print("Add --csv FILE.csv next time: then --resume can continue the run.", file=sys.stderr)


def _summary(rows: list[Row], seconds: float) -> str:
    n, full = len(rows), sum(row.is_full for row in rows)
    mean = sum(float(row.points) for row in rows) / n
    what = "1 submission" if n == 1 else f"{n} submissions"
    marks = f"mean {mean:.1f} of {rows[0].of}, {full} with all points"
    summary = f"\n{what} graded in {seconds:.0f} s: {marks}."
    if failed := [row.name for row in rows if OURS & set(row.mistakes.split())]:
        summary += f"\nThe grader failed on {', '.join(failed)}: try these again with --resume."
    return summary
