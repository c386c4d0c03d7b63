"""The submissions in a folder: one file or one folder for each student."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...gradcheck import Finding
from .scheme import Scheme

MOODLE = re.compile(r"_\d+_assignsubmission_\w*$")  # behind the name of a student
CANVAS = re.compile(r"(.+?_(?:late_)?\d+)_\d+_", re.I)
KINDS = (".py", ".ipynb")
IGNORED = {"__pycache__", "__MACOSX"}


@dataclass(frozen=True)
class Submission:
    """What one student has handed in.

    Attributes
    ----------
    name : str
        The student.
    file : Path
        The file to grade; the folder if no file in it can be chosen.
    shown : str
        The file, as a path within the graded folder.
    problem : Finding, optional
        The reason why no file can be chosen.
    """

    name: str
    file: Path
    shown: str
    problem: Finding | None = None


def find_submissions(folder: Path, scheme: Scheme, ours: Iterable[Path] = ()) -> list[Submission]:
    """Return the submissions in a folder, in the order of their names; or one file alone.

    Everybody is in it: a file that is not Python is a submission that cannot be graded, unless the
    same student has handed in a Python file. `ours` are files and folders of the grader.
    """
    if folder.is_file():
        return [Submission(folder.stem, folder, folder.name)]
    left_out = {path.resolve() for path in (*scheme.references, *ours)}
    entries = [
        entry
        for entry in sorted(folder.iterdir())
        if not _is_ignored(entry) and entry.resolve() not in left_out
    ]
    have = {_student(entry) for entry in entries if entry.is_dir() or _is_python(entry)}
    entries = [e for e in entries if e.is_dir() or _is_python(e) or _student(e) not in have]
    first = [MOODLE.sub("", entry.name if entry.is_dir() else entry.stem) for entry in entries]
    short = Counter(first)
    found = []
    for entry, name in zip(entries, first, strict=True):
        if short[name] > 1:  # ann.py next to ann.ipynb, or two students of one name
            name = entry.name
        file, problem = entry, None
        if entry.is_dir():
            file, problem = _choose(entry, scheme.file)
        elif not _is_python(entry):
            wanted = scheme.file or "a .py or .ipynb file"
            problem = Finding("no_file", f"{entry.name} is not a Python file: hand in {wanted}.")
        if not file.resolve().is_relative_to(folder.resolve()):
            sentence = "The submission is a link to another place: hand in the file itself."
            problem = Finding("no_file", sentence)
        found.append(Submission(name, file, file.relative_to(folder).as_posix(), problem))
    return sorted(found, key=lambda submission: submission.name)


def _student(entry: Path) -> str:
    """Return the student of an entry: the name, or Canvas's name and number before the file's."""
    canvas = CANVAS.match(entry.name)
    return canvas[1] if canvas else entry.stem


def _is_python(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in KINDS


def _choose(folder: Path, wanted: str | None) -> tuple[Path, Finding | None]:
    """Return the file of a student's folder, or the folder and the reason why there is none."""
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        if not any(map(_is_ignored, [file, *file.relative_to(folder).parents]))
    ]
    others = ", ".join(file.relative_to(folder).as_posix() for file in files[:6])
    files = [file for file in files if _is_python(file)]
    named = [file for file in files if wanted and file.name.lower() == wanted.lower()]
    for candidates in (named, files):
        if len(candidates) == 1:
            return candidates[0], None
    name = wanted or "one .py or .ipynb file"
    if not files:
        sentence = f"The folder has no Python file: hand in {name}."
        return folder, Finding("no_file", sentence, others and f"the files are {others}")
    has = ", ".join(file.relative_to(folder).as_posix() for file in files[:6])
    if named:
        sentence = f"The folder has {len(named)} files {name}: hand in one of them."
    else:
        sentence = (
            f"The folder has {len(files)} Python files, none of which is {name}: hand in {name}."
        )
    if not wanted:
        sentence = f"The folder has {len(files)} Python files: hand in one."
    return folder, Finding("no_file", sentence, f"the files are {has}")


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in IGNORED
