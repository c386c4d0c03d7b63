"""The result of a diagnosis: what was measured, and the findings in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

# From bad to harmless. A report with a note alone is ok.
SEVERITIES = ("fault", "warning", "note")
COLOURS = {"fault": "#b42318", "warning": "#9a6700", "note": "#57606a"}
GREEN = "#1a7f37"


@dataclass(frozen=True)
class Measurement:
    """One number that was looked at.

    Attributes
    ----------
    name : str
        What was measured, such as "pairwise distance of samples".
    value : str
        The number as it is printed, with its unit, if any.
    against : str
        What it was compared with: a number of real data, of a limit, of chance.
    """

    name: str
    value: str
    against: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that a reader should know.

    Attributes
    ----------
    kind : str
        Its short name, as in the table of the documentation.
    severity : {"fault", "warning", "note"}
    sentence : str
        What is wrong.
    evidence : str
        The numbers that show it.
    remedy : str
        The next thing to try.
    """

    kind: str
    severity: str
    sentence: str
    evidence: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.sentence} [{self.kind}]"]
        lines += [f"    measured: {self.evidence}"] * bool(self.evidence)
        lines += [f"    try: {self.remedy}"] * bool(self.remedy)
        return "\n".join(lines)


Look = Iterator[Measurement | Finding]  # what a look at a game yields


@dataclass(frozen=True)
class Report:
    """All findings, worst first, and everything that was looked at."""

    findings: tuple[Finding, ...]
    looked_at: tuple[Measurement, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing above a note was found."""
        return all(finding.severity == "note" for finding in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the findings above a note, worst first."""
        return tuple(f.kind for f in self.findings if f.severity != "note")

    @property
    def head(self) -> str:
        """The result in one line."""
        if self.ok:
            return "nothing found"
        counts = {s: sum(f.severity == s for f in self.findings) for s in SEVERITIES[:2]}
        return "found: " + ", ".join(
            f"{n} {severity}{'s' * (n > 1)}" for severity, n in counts.items() if n
        )

    def __str__(self) -> str:
        lines = [self.head, *(f"  {line}" for f in self.findings for line in str(f).split("\n"))]
        if self.looked_at:
            lines.append("looked at:")
        name, value = (
            max((len(getattr(m, column)) for m in self.looked_at), default=0)
            for column in ("name", "value")
        )
        lines += [f"  {m.name:<{name}}  {m.value:>{value}}  {m.against}" for m in self.looked_at]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        """Return the report for a notebook: the findings, then a table of what was looked at."""
        colour = GREEN if self.ok else COLOURS[self.findings[0].severity]
        rows = (
            f"<tr><td>{escape(m.name)}</td><td>{escape(m.value)}</td><td>{escape(m.against)}</td>"
            "</tr>"
            for m in self.looked_at
        )
        return "".join(
            [
                f"<p><b style='color:{colour}'>{escape(self.head)}</b></p><ul>",
                *map(_html_item, self.findings),
                "</ul><table><tr><th>looked at</th><th>measured</th><th>against</th></tr>",
                *rows,
                "</table>",
            ]
        )


def _html_item(finding: Finding) -> str:
    text = (
        f"<li><b style='color:{COLOURS[finding.severity]}'>{finding.severity}</b>: "
        f"{escape(finding.sentence)} <code>{escape(finding.kind)}</code>"
    )
    for title, part in (("measured", finding.evidence), ("try", finding.remedy)):
        text += f"<br/><small>{title}: {escape(part)}</small>" if part else ""
    return f"{text}</li>"
