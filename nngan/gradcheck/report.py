"""The result of a check: the error of each array, and the mistakes in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

import numpy as np

from ..backend import Array

RED, GREEN, GREY, AMBER = "#b42318", "#1a7f37", "#d0d7de", "#9a6700"
# Kinds of findings that are no mistake, but leave something unchecked.
INCONCLUSIVE = frozenset({"unchecked", "inconclusive", "unrecognised"})
HEADS = {
    "right": ("gradients agree", GREEN),
    "wrong": ("gradients are WRONG", RED),
    "inconclusive": ("not everything could be checked", AMBER),
}
VOID = {"zero": "zero to rounding", "kink": "not compared", "wide": "not compared"}


@dataclass(frozen=True)
class Finding:
    """One diagnosis, or a note.

    Attributes
    ----------
    kind : str
        Its short name, as in the table of mistakes in the documentation.
    sentence : str
        What is wrong and how to correct it.
    evidence : str
        The observation that shows it.
    mistake : bool
        False for a note (a kink, float32). The check still passes, unless the kind is one of
        `INCONCLUSIVE`.
    """

    kind: str
    sentence: str
    evidence: str = ""
    mistake: bool = True

    @property
    def mark(self) -> str:
        """The mark before its line: an arrow for what keeps the check from passing."""
        return "->" if self.mistake or self.kind in INCONCLUSIVE else "note:"

    def __str__(self) -> str:
        return f"{self.sentence} [{self.kind}]" + (f"\n    {self.evidence}" * bool(self.evidence))


@dataclass(frozen=True)
class ArrayResult:
    """The comparison for one array, an input or a parameter.

    Attributes
    ----------
    name : str
        "x", "W", "layers[0].b", ...
    shape : tuple of int
    method : str
        "projection" (one random direction) or "elements".
    error, tolerance : float
        Largest relative error, and the limit for it.
    analytic, numerical : float
        The derivative by backward and the numerical one, where the error is largest.
    index : tuple of int, optional
        The element with the largest error; None for a projection.
    kinks : int
        Elements that were skipped, because no derivative exists there.
    checked : int
        Elements that were compared.
    wrong : bool array, optional
        True where an element disagrees.
    complex_error, complex_tolerance : float
        Relative error against the complex step, and the limit for it. The error is None if forward
        does not accept complex numbers.
    void : str
        Why nothing was compared: "" if it was, "zero" if both derivatives are rounding of a zero,
        "kink" if no derivative exists at any element, "wide" if the tolerance excludes nothing.
    """

    name: str
    shape: tuple[int, ...]
    method: str
    error: float
    tolerance: float
    analytic: float
    numerical: float
    index: tuple[int, ...] | None = None
    kinks: int = 0
    checked: int = 0
    wrong: Array | None = field(default=None, repr=False)
    complex_error: float | None = None
    complex_tolerance: float = 1e-11
    void: str = ""

    @property
    def ok(self) -> bool:
        """Whether backward agrees with the numerical derivative."""
        return bool(self.error <= self.tolerance) and not self.is_inexact

    @property
    def is_inexact(self) -> bool:
        """Whether backward disagrees with the complex step."""
        return self.complex_error is not None and self.complex_error > self.complex_tolerance


@dataclass(frozen=True)
class Report:
    """The result of `check_gradients`.

    Attributes
    ----------
    name : str
        Name of the checked object.
    arrays : list of ArrayResult
        One for each input and each parameter array.
    findings : list of Finding
        Mistakes, then notes.
    precision : str
        The source of the tolerance.
    parameters : tuple of str
        Labels of the parameters that were compared.
    constants : tuple of str
        What moves the output and was not compared, because it is a plain number.
    style : str
        How the passes share what they know, in a few words; "" if it is not known.
    """

    name: str
    arrays: list[ArrayResult]
    findings: list[Finding]
    precision: str
    parameters: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    style: str = ""

    @property
    def verdict(self) -> str:
        """One of "right", "wrong", and "inconclusive" (no mistake, but not all was compared)."""
        if any(f.mistake for f in self.findings) or not all(a.ok for a in self.arrays):
            return "wrong"
        is_open = any(f.kind in INCONCLUSIVE for f in self.findings)
        return "inconclusive" if is_open else "right"

    @property
    def ok(self) -> bool:
        """Whether everything was compared and no mistake was found."""
        return self.verdict == "right"

    def __bool__(self) -> bool:
        return self.ok

    def footnotes(self) -> list[str]:
        """Return the lines below the table: the tolerance, and what the complex step confirms."""
        if not self.arrays:
            return []
        notes = [f"tolerance: {self.precision}"]
        confirmed = {
            gradient_name(a.name): a.complex_error
            for a in self.arrays
            if a.ok and a.complex_error is not None and a.complex_tolerance < 1e-6
        }
        if confirmed:
            largest = max(confirmed.values())
            notes.append(f"the complex step confirms {', '.join(confirmed)} to {largest:.0e}")
        return notes

    def numbers(self) -> list[str]:
        """Return the lines that say which parameters and constants were found."""
        if not self.arrays:
            return []
        found = ", ".join(self.parameters) if self.parameters else "none found"
        return [f"parameters: {found}", *(f"constant: {c}" for c in self.constants)]

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table: a heading, then one row for each array."""
        rows: list[tuple[str, ...]] = [
            ("", "shape", "largest error", "tolerance", "at", "backward", "numerical", "")
        ]
        for a in self.arrays:
            where = "a random direction" if a.index is None else str(list(a.index))
            error = VOID[a.void] if a.void else f"{a.error:.1e}"
            errors = error, f"{a.tolerance:.0e}"
            values = f"{a.analytic:.6g}", f"{a.numerical:.6g}"
            verdict = "ok" if a.ok else "WRONG"
            rows.append((gradient_name(a.name), str(a.shape), *errors, where, *values, verdict))
        return rows

    def __str__(self) -> str:
        lines = [f"{self.name}: {HEADS[self.verdict][0]}"]
        if self.arrays:
            rows = self.rows()
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for row in rows:
                cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                lines.append(("  " + "  ".join(cells)).rstrip())
        lines += [f"  ({note})" for note in self.footnotes()]
        lines += [f"  {line}" for line in self.numbers()]
        lines += [f"  {f.mark} {f}" for f in self.findings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the report for a notebook: the table, and a picture of each wrong array."""
        verdict, colour = HEADS[self.verdict]
        head, *body = self.rows()
        return "".join(
            [
                f"<p><b>{escape(self.name)}</b>: "
                f"<b style='color:{colour}'>{verdict.replace('WRONG', 'wrong')}</b></p>",
                f"<table>{_html_row('th', head)}",
                *(_html_row("td", row) for row in body),
                "</table>",
                *(
                    f"<p><small>{escape(note)}</small></p>"
                    for note in (*self.footnotes(), *self.numbers())
                ),
                "<ul>",
                *(
                    f"<li>{escape(f.sentence)} <code>{escape(f.kind)}</code>"
                    f"<br/><small>{escape(f.evidence)}</small></li>"
                    for f in self.findings
                ),
                "</ul>",
                *(
                    _picture(a.name, a.wrong)
                    for a in self.arrays
                    if not a.ok and a.wrong is not None
                ),
            ]
        )


def gradient_name(label: str) -> str:
    """Return the name of an array's gradient: layers[0].W -> layers[0].dW."""
    owner, dot, name = label.rpartition(".")
    if name.startswith(("params[", "parameters[")):
        return (
            f"{owner}{dot}{'grads' if name[5:7] == 's[' else 'gradients'}{name[name.index('[') :]}"
        )
    return f"{owner}{dot}d{name}"


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _picture(label: str, wrong: Array) -> str:
    """Return an SVG of a matrix, one cell for each element, red where it is wrong."""
    name, size = escape(gradient_name(label)), 8
    wrong = np.atleast_2d(wrong)
    wrong = wrong.reshape(-1, wrong.shape[-1])[:64, :64]
    cells = "".join(
        f"<rect x='{j * size}' y='{i * size}' width='{size - 1}' height='{size - 1}' "
        f"fill='{RED if wrong[i, j] else GREY}'/>"
        for i, j in np.ndindex(*wrong.shape)
    )
    height, width = (n * size for n in wrong.shape)
    return (
        f"<figure><svg width='{width}' height='{height}' role='img' "
        f"aria-label='where {name} is wrong'>{cells}</svg>"
        f"<figcaption>{name}: red where it is wrong</figcaption></figure>"
    )
