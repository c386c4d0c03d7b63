"""The grades as rows of a CSV file, and as the results.json that Gradescope reads."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import atomic_write
from .advice import advice_for, text_of
from .marks import Grade, Mark, TaskGrade
from .scheme import Scheme


class CsvError(ValueError):
    """A CSV file that cannot be continued; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Row:
    """One line of the CSV file.

    Attributes
    ----------
    name, file : str
    points, of : str
    parts : list of str
        The points of each part.
    mistakes : str
        The short names of the mistakes, separated by blanks.
    """

    name: str
    file: str
    points: str
    of: str
    parts: list[str]
    mistakes: str

    @property
    def cells(self) -> list[str]:
        """The cells of the line."""
        first = [_harmless(self.name), _harmless(self.file), self.points, self.of]
        return [*first, *self.parts, self.mistakes]

    @property
    def is_full(self) -> bool:
        """Whether all points were earned."""
        return self.points == self.of


def row_of(grade: Grade) -> Row:
    """Return the row of a grade."""
    parts = [number(mark.points) for mark in grade.marks]
    return Row(
        grade.name, grade.file, number(grade.points), number(grade.of), parts, " ".join(grade.kinds)
    )


def heading(scheme: Scheme) -> list[str]:
    """Return the first line of the CSV file."""
    return ["name", "file", "points", "of", *scheme.parts, "mistakes"]


def line(cells: Iterable[str]) -> str:
    """Return cells as a line of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def read_rows(path: Path, scheme: Scheme) -> list[Row]:
    """Return the rows of an earlier run; a line that was cut off is left out."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
    try:
        first, *others = csv.reader(io.StringIO(text)) if text else [heading(scheme)]
    except csv.Error as error:
        raise CsvError(f"{path} is no table in CSV ({error}): name another --csv") from error
    if first != heading(scheme):
        raise CsvError(
            f"{path} was written with another scheme: its columns are {', '.join(first)[:300]}; "
            "name another --csv, or grade with the scheme of before"
        )
    rows = []
    for cells in others:
        if len(cells) == len(first):
            name, file, points, of, *parts, mistakes = cells
            if of != number(scheme.points) or not _is_number(points):
                raise CsvError(
                    f"{path} has {points!r} of {of!r} points for {name}, and the scheme has "
                    f"{number(scheme.points)}: name another --csv"
                )
            rows.append(Row(_meant(name), _meant(file), points, of, parts, mistakes))
    return rows


def write_rows(path: Path, scheme: Scheme, rows: Iterable[Row]) -> None:
    """Write all rows, in the order of the names."""
    ordered = sorted(rows, key=lambda row: row.name)
    text = "".join(map(line, [heading(scheme), *(row.cells for row in ordered)]))
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def results(grade: Grade) -> dict[str, Any]:
    """Return the content of a results.json for Gradescope."""
    several = len(grade.tasks) > 1
    problems = [task.problem for task in grade.tasks if task.problem]
    kinds = f"Mistakes: {', '.join(grade.kinds)}." if grade.kinds else "Everything is right."
    output = [f"{number(grade.points)} of {number(grade.of)} points. {kinds}"]
    output += map(text_of, problems)
    return {
        "score": grade.points,
        "output": "\n".join(output),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": f"{task.task.name}: {mark.part}" if several else mark.part,
                "score": mark.points,
                "max_score": mark.of,
                "status": "passed" if mark.status == "right" else "failed",
                "output": explain(task, mark),
                "output_format": "text",
            }
            for task in grade.tasks
            for mark in task.marks
        ],
    }


def write_results(grade: Grade, path: Path) -> None:
    """Write a results.json."""
    with atomic_write(path) as file:
        file.write((json.dumps(results(grade), indent=2) + "\n").encode())


def explain(task: TaskGrade, mark: Mark) -> str:
    """Return why a part has its points, as text."""
    if mark.status == "right":
        return "Right."
    lines = [text_of(reason) for reason in mark.reasons]
    if not lines and task.problem:
        lines = [text_of(task.problem), *advice_for(task.problem, task.task)]
    return "\n".join(lines) or "It counts once a gradient is right."


def number(value: float) -> str:
    """Return points as text: 2, 2.5."""
    return f"{value:.6g}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _harmless(text: str) -> str:
    """Return a name that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def _meant(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in tuple("=+-@\t\r") else text
