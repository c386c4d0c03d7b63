"""A table in a CSV file that grows with the run: new rows are appended."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..files import atomic_write

Rows = Iterable[Sequence[float]]


class GrowingTable:
    """A CSV file, written whole the first time and whenever it is not as this object left it.

    So a file that is ahead of the checkpoint, of a run that was killed, is cut back.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.size = -1  # bytes of the file as it was left

    def write(
        self, path: Path, names: Sequence[str], total: int, rows_after: Callable[[int], Rows]
    ) -> None:
        """Bring the file to `total` rows; ``rows_after(n)`` returns those after the first n."""
        if self.rows <= total and path.is_file() and path.stat().st_size == self.size:
            text = as_csv(rows_after(self.rows))
            size, self.size = self.size, -1  # an append that fails may leave half a row
            with path.open("ab") as file:
                file.write(text)
            self.size = size + len(text)
        else:
            text = as_csv([names, *rows_after(0)])
            with atomic_write(path) as file:
                file.write(text)
            self.size = len(text)
        self.rows = total


def as_csv(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
