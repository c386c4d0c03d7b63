"""The result of a diagnosis: what was measured, and the findings in words."""

from __future__ import annotations

from dataclasses import dataclass

# From bad to harmless. A report with a note alone is ok.
SEVERITIES = ("fault", "warning", "note")


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


@dataclass(frozen=True)
class Report:
    """All findings, worst first, and everything that was looked at."""

    findings: tuple[Finding, ...]
    looked_at: tuple[Measurement, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing above a note was found."""
        return all(finding.severity == "note" for finding in self.findings)
