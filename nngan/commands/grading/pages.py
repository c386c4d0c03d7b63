"""One page for each student: HTML without scripts, readable without a network."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import replace
from html import escape
from pathlib import Path

from ...files import atomic_write
from ...gradcheck import Finding
from ...gradcheck.report import INCONCLUSIVE
from .advice import advice_for, sentence_of, title_of
from .marks import Grade, Mark, TaskGrade, label_of
from .scheme import Scheme, Task
from .tables import number

STYLE = """
:root { --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --good: #1a7f37; --bad: #b42318;
  --maybe: #8a5a00; --paper: #fff; --shade: #f6f8fa; }
* { box-sizing: border-box; }
body { color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 52rem;
  padding: 2rem 1.25rem 4rem; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
header { border-bottom: 1px solid var(--line); margin-bottom: 1.5rem; padding-bottom: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
.task { border-bottom: 1px solid var(--line); font-size: 1.4rem; }
h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: .4rem 0; }
.dim { color: var(--dim); }
.score { font-size: 1.35rem; font-weight: 600; margin: .5rem 0 0; }
meter { width: 12rem; height: .9rem; vertical-align: middle; margin-left: .75rem; }
.right, .wrong, .maybe { border-left: 4px solid; padding: .6rem .9rem; margin: .6rem 0;
  background: var(--shade); overflow-wrap: anywhere; }
.right { border-color: var(--good); } .wrong { border-color: var(--bad); }
.maybe { border-color: var(--maybe); }
ul, ol { margin: .4rem 0; padding-left: 1.4rem; }
code, pre { font: .9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--shade); padding: .7rem .9rem; overflow-x: auto; white-space: pre-wrap; }
.evidence { color: var(--dim); font-size: .9rem; overflow-wrap: anywhere;
  white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
.wide { overflow-x: auto; }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
details { margin-top: 1.2rem; }
summary { cursor: pointer; }
.tick { color: var(--good); font-weight: 700; } .cross { color: var(--bad); font-weight: 700; }
"""
# Nothing on the page can run or load anything, even if a text were not escaped.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

RIGHT = {
    "forward": "forward returns what it should.",
    "contract": "Both passes keep to the contract: they change nothing that they should not.",
}
SIGN = {"right": ("tick", "✓"), "not reached": ("dim", "\u2013")}
STATUS = {
    "right": "right",
    "wrong": "wrong",
    "missing": "missing",
    "inconclusive": "not compared",
    "not reached": "not reached",
}


def page_path(folder: Path, name: str) -> Path:
    """Return the file of a student's page."""
    return folder / "students" / f"{name}.html"


def write_page(grade: Grade, scheme: Scheme, path: Path, seed: int = 0) -> None:
    """Write the page of a student, graded with this seed."""
    write(path, page(grade, scheme, seed))


def page(grade: Grade, scheme: Scheme, seed: int = 0) -> str:
    """Return the page of a student: what is right, then what to do, then the marks."""
    body = [
        "<header>",
        f"<p class='dim'>{escape(scheme.title)}</p>",
        f"<h1>{escape(grade.name)}</h1>",
        f"<p class='score'>{number(grade.points)} of {number(grade.of)} points"
        f"<meter min='0' max='{number(grade.of)}' value='{number(grade.points)}'></meter></p>",
        f"<p class='dim'>{escape(grade.file)}</p>",
        "</header>",
    ]
    several = len(grade.tasks) > 1
    for task in grade.tasks:
        if several:
            body.append(f"<h2 class='task'>{escape(task.task.name)}</h2>")
        body += _right(task)
        body += _to_do(task, not several)
        body += _noticed(task)
    body += ["<h2>Marks</h2>", _marks(grade, several)]
    body += [part for task in grade.tasks for part in _numbers(task)]
    body += _at_home(grade, seed)
    return document(f"{grade.name}: {scheme.title}", body)


def _right(task: TaskGrade) -> list[str]:
    right = [mark for mark in task.marks if mark.status == "right"]
    if not right:
        return []
    texts = [_praise(mark, task.task) for mark in right]
    lines = [f"<li><span class='tick'>✓</span> {escape(text)}</li>" for text in texts]
    return ["<h2>What is right</h2>", "<ul class='right' style='list-style:none'>", *lines, "</ul>"]


def _praise(mark: Mark, task: Task) -> str:
    if mark.reasons:
        return mark.reasons[0].sentence
    if mark.part == "forward" and task.reference is None:
        return "forward runs, and its output depends on what it should."
    return RIGHT.get(mark.part, f"{mark.part} agrees with the numerical derivative.")


def _to_do(task: TaskGrade, alone: bool) -> list[str]:
    """Return what is wrong and what to do, the problem that hides others first."""
    cards = []
    if task.problem:
        steps = advice_for(task.problem, task.task)
        cards.append(
            f"<div class='wrong'><h3>{escape(title_of(task.problem))}</h3>"
            + _finding(task.problem)
            + "<ol>"
            + "".join(f"<li>{escape(step)}</li>" for step in steps)
            + "</ol></div>"
        )
    shown: list[tuple[Finding, ...]] = []
    for mark in task.marks:
        if mark.status == "right" or not mark.reasons or mark.reasons in shown:
            continue
        shown.append(mark.reasons)
        parts = [m.part for m in task.marks if m.reasons == mark.reasons]
        kind = "maybe" if mark.status == "inconclusive" else "wrong"
        heading = f"{', '.join(parts)}: {STATUS[mark.status]}"
        cards.append(
            f"<div class='{kind}'><h3>{escape(heading)}</h3>"
            + "".join(map(_finding, mark.reasons))
            + "</div>"
        )
    if waiting := [m.part for m in task.marks if m.status == "not reached"]:
        cards.append(
            f"<p class='dim'>Not reached yet: {escape(', '.join(waiting))}. "
            f"{'They count' if len(waiting) > 1 else 'It counts'} once the above is right.</p>"
        )
    if not cards:
        what = "Everything is right." + " There is nothing left to do." * alone
        return [f"<p>{what}</p>"]
    return ["<h2>What to do</h2>", *cards]


def _noticed(task: TaskGrade) -> list[str]:
    """Return what costs nothing: mistakes that the scheme has no part for, and notes."""
    notes = [note for f in task.notes if (note := _for_the_student(f))]
    if not notes:
        return []
    cards = [f"<div class='{_colour(f)}'>{_finding(f)}</div>" for f in notes]
    return ["<h2>Also noticed, at no cost</h2>", *cards]


def _for_the_student(note: Finding) -> Finding | None:
    """Return a note without the options of the checker; None if it is about an option alone."""
    if note.kind == "input" or "was given, and" in note.sentence:
        return None
    if note.kind == "style":
        return replace(note, sentence=note.sentence.partition(" --")[0])
    return note


def _colour(note: Finding) -> str:
    return "maybe" if note.mistake or note.kind in INCONCLUSIVE else "dim"


def _finding(finding: Finding) -> str:
    kind = f" <code class='dim'>{escape(finding.kind)}</code>" * (finding.kind != "as_asked")
    text = f"<p>{escape(sentence_of(finding))}{kind}</p>"
    if finding.evidence:
        text += f"<p class='evidence'>{escape(finding.evidence)}</p>"
    return text


def _marks(grade: Grade, several: bool) -> str:
    lines = ["<table><tr><th>part</th><th>result</th><th class='n'>points</th></tr>"]
    for task in grade.tasks:
        for mark in task.marks:
            name = f"{task.task.name}: {mark.part}" if several else mark.part
            sign, word = SIGN.get(mark.status, ("cross", "✗"))
            lines.append(
                f"<tr><td>{escape(name)}</td>"
                f"<td><span class='{sign}'>{word}</span> {STATUS[mark.status]}</td>"
                f"<td class='n'>{number(mark.points)} of {number(mark.of)}</td></tr>"
            )
    total = f"{number(grade.points)} of {number(grade.of)}"
    return "".join(lines) + f"<tr><th>all</th><td></td><th class='n'>{total}</th></tr></table>"


def _numbers(task: TaskGrade) -> list[str]:
    if not task.rows:
        return []
    head, *rows = task.rows
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += [
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    ]
    return [
        f"<details><summary>The numbers of the check of {escape(task.target)}: "
        "backward beside the derivative of your own forward</summary>",
        "<div class='wide'><table>",
        *lines,
        "</table></div></details>",
    ]


def _at_home(grade: Grade, seed: int) -> list[str]:
    file = Path(grade.file).name
    if not file.lower().endswith((".py", ".ipynb")):
        return []
    commands = [_command(file, task, seed) for task in grade.tasks]
    what = "You can run the grader's check of the gradients yourself, any number of times"
    others = _not_at_home([task.task for task in grade.tasks])
    what += f"; it does not {' or '.join(others)}:" if others else ":"
    return [
        "<h2>Check it at home</h2>",
        f"<p>{what}</p>",
        f"<pre>{escape(chr(10).join(commands))}</pre>",
    ]


def _not_at_home(tasks: list[Task]) -> list[str]:
    """Return what the grader looks at and the command does not."""
    others = {
        "compare forward with the assignment": any(
            task.reference and "forward" in task.points for task in tasks
        ),
        "ask for += in every style": any(
            task.accumulate and task.style != "ours" and "contract" in task.points for task in tasks
        ),
        "ask for the form of the sheet": any(task.style == "ours" for task in tasks),
    }
    return [what for what, is_there in others.items() if is_there]


def _command(file: str, grade: TaskGrade, seed: int) -> str:
    """Return the command that makes the same check."""
    task = grade.task
    words = ["python", "-m", "nngan.gradcheck", f"{file}:{grade.target or task.target}"]
    if task.args:
        words += ["--args", *(f"{name}={json.dumps(value)}" for name, value in task.args.items())]
    if task.shape:
        words += ["--shape", ",".join(map(str, task.shape))]
    if task.accumulate is False:
        words.append("--overwrite")
    parts = [label_of(part) for part in task.gradients if part != "dx"]
    if parts and not any(note.kind == "names" for note in grade.notes):  # other names are accepted
        words += ["--parts", ",".join(parts)]
    if seed:
        words += ["--seed", str(seed)]
    return shlex.join(words)


def document(title: str, body: Iterable[str]) -> str:
    """Return a page with this title."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def write(path: Path, text: str) -> None:
    """Write a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
