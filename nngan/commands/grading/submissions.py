"""The submissions in a folder: one file or one folder for each student."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ...gradcheck import Finding
from .scheme import Scheme

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


def find_submissions(folder: Path, scheme: Scheme) -> list[Submission]:
    """Return the submissions in a folder, in the order of their names; or one file alone."""
    if folder.is_file():
        return [Submission(folder.stem, folder, folder.name)]
    entries = [entry for entry in sorted(folder.iterdir()) if not _is_ignored(entry)]
    teacher = scheme.references
    files = [
        entry
        for entry in entries
        if entry.is_file() and entry.suffix in KINDS and entry.resolve() not in teacher
    ]
    students = files + [entry for entry in entries if entry.is_dir()]
    names = Counter(entry.stem if entry in files else entry.name for entry in students)
    found = []
    for entry in students:
        name = entry.stem if entry in files else entry.name
        if names[name] > 1:  # ann.py next to ann.ipynb
            name = entry.name
        file, problem = (entry, None) if entry in files else _choose(entry, scheme.file)
        if not file.resolve().is_relative_to(folder.resolve()):
            sentence = "The submission is a link to another place: hand in the file itself."
            problem = Finding("no_file", sentence)
        found.append(Submission(name, file, file.relative_to(folder).as_posix(), problem))
    return sorted(found, key=lambda submission: submission.name)


def _choose(folder: Path, wanted: str | None) -> tuple[Path, Finding | None]:
    """Return the file of a student's folder, or the folder and the reason why there is none."""
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix in KINDS
        if not any(map(_is_ignored, [file, *file.relative_to(folder).parents]))
    ]
    named = [file for file in files if file.name == wanted]
    for candidates in (named, files):
        if len(candidates) == 1:
            return candidates[0], None
    name = wanted or "one .py or .ipynb file"
    if not files:
        return folder, Finding("no_file", f"The folder has no Python file: hand in {name}.")
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
