"""The index of a class: the commonest mistakes, the parts, and a line for each student."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from .pages import document, write
from .scheme import Scheme
from .tables import Row, number
from .words import WORDS


def write_index(path: Path, scheme: Scheme, rows: Iterable[Row]) -> None:
    """Write the index of all pages."""
    write(path, index(scheme, list(rows)))


def index(scheme: Scheme, rows: list[Row]) -> str:
    """Return the index: the commonest mistakes, and a line for each student."""
    rows = sorted(rows, key=lambda row: row.name)
    points = [float(row.points) for row in rows]
    full = sum(row.is_full for row in rows)
    mean = sum(points) / len(points) if points else 0.0
    body = [
        f"<header><h1>{escape(scheme.title)}</h1>",
        f"<p class='score'>{len(rows)} submissions, mean {mean:.1f} of {number(scheme.points)}, "
        f"{full} with all points</p></header>",
        *_mistakes(rows),
        *_students(scheme, rows),
    ]
    return document(scheme.title, body)


def _mistakes(rows: list[Row]) -> list[str]:
    kinds = Counter(kind for row in rows for kind in row.mistakes.split())
    if not kinds:
        return []
    lines = [
        f"<tr><td class='n'>{n}</td><td><code>{escape(kind)}</code></td>"
        f"<td>{escape(WORDS.get(kind, ''))}</td></tr>"
        for kind, n in kinds.most_common()
    ]
    head = "<tr><th class='n'>students</th><th>mistake</th><th></th></tr>"
    return ["<h2>Mistakes, the commonest first</h2>", f"<table>{head}", *lines, "</table>"]


def _students(scheme: Scheme, rows: list[Row]) -> list[str]:
    head = ["student", "points", *scheme.parts, "mistakes"]
    lines = ["<h2>Students</h2>", "<div class='wide'><table>", _line("th", head)]
    if rows:
        most = [number(value) for task in scheme.tasks for value in task.points.values()]
        cells = zip(*(row.parts for row in rows), strict=True)
        shares = [part.count(of) / len(rows) for part, of in zip(cells, most, strict=True)]
        all_points = sum(row.is_full for row in rows) / len(rows)
        percent = [f"{share:.0%}" for share in (all_points, *shares)]
        lines.append(_line("td", ["right", *percent, ""], "dim"))
    for row in rows:
        link = quote(f"students/{row.name}.html", errors="surrogateescape")
        name = f"<a href='{link}'>{escape(row.name)}</a>"
        others = map(escape, [row.points, *row.parts, row.mistakes])
        lines.append(_line("td", [name, *others], is_html=True))
    return [*lines, "</table></div>"]


def _line(tag: str, cells: list[str], kind: str = "", is_html: bool = False) -> str:
    texts = cells if is_html else map(escape, cells)
    numbers = range(1, len(cells) - 1)
    inner = "".join(
        f"<{tag} class='n'>{text}</{tag}>" if i in numbers else f"<{tag}>{text}</{tag}>"
        for i, text in enumerate(texts)
    )
    return f"<tr class='{kind}'>{inner}</tr>"
