"""What a check found: per array the largest error, and in words what is wrong."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

import numpy as np

from ..backend import Array


@dataclass(frozen=True)
class Finding:
    """One diagnosis.

    Attributes
    ----------
    kind : str
        Its short name, a row of the table of mistakes in the documentation.
    sentence : str
        What is wrong and what to do.
    evidence : str
        What was seen that says so.
    mistake : bool
        False for what is worth knowing but no mistake (a kink, float32).
    """

    kind: str
    sentence: str
    evidence: str = ""
    mistake: bool = True

    def __str__(self) -> str:
        return f"{self.sentence} [{self.kind}]" + (f"\n    {self.evidence}" * bool(self.evidence))


@dataclass(frozen=True)
class ArrayResult:
    """The comparison for one array: an input or a parameter.

    Attributes
    ----------
    name : str
        "x", "W", "layers[0].b", ...
    shape : tuple of int
    method : str
        "projection" (one random direction) or "elements".
    error : float
        Largest relative error; `tolerance` is what may be.
    index : tuple of int, optional
        Where it is, and there `analytic`, what backward says, and `numerical`.
    kinks : int
        Coordinates left out because no derivative exists there.
    checked : int
        Coordinates that were compared.
    wrong : bool array, optional
        Where a matrix disagrees.
    complex_error, complex_tolerance : float
        The relative error against the complex step, where forward takes complex numbers (else
        None), and what it may be.
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

    @property
    def ok(self) -> bool:
        """Whether backward agrees with the numerical derivative."""
        return bool(self.error <= self.tolerance) and not self.is_inexact

    @property
    def is_inexact(self) -> bool:
        """Whether the complex step, where there is one, disagrees."""
        return self.complex_error is not None and self.complex_error > self.complex_tolerance


@dataclass(frozen=True)
class Report:
    """The outcome of `check_gradients`.

    Attributes
    ----------
    name : str
        What was checked.
    arrays : list of ArrayResult
        One for each input and each parameter array.
    findings : list of Finding
        Diagnoses, most telling first.
    precision : str
        Where the tolerance comes from.
    """

    name: str
    arrays: list[ArrayResult]
    findings: list[Finding]
    precision: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(a.ok for a in self.arrays) and not any(f.mistake for f in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def footnotes(self) -> list[str]:
        """Return what stands below the table: where the tolerance is from, a second opinion."""
        if not self.arrays:
            return []
        notes = [f"tolerance: {self.precision}"]
        sure = [
            a
            for a in self.arrays
            if a.ok and a.complex_error is not None and a.complex_tolerance < 1e-6
        ]
        if sure:
            largest = max(a.complex_error or 0.0 for a in sure)
            names = ", ".join(gradient_name(a.name) for a in sure)
            notes.append(f"the complex step confirms {names} to {largest:.0e}")
        return notes

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table: a heading, then a row for each array."""
        rows: list[tuple[str, ...]] = [
            ("", "shape", "largest error", "tolerance", "at", "backward", "numerical", "")
        ]
        for a in self.arrays:
            where = "a random direction" if a.index is None else str(list(a.index))
            numbers = f"{a.error:.1e}", f"{a.tolerance:.0e}"
            values = f"{a.analytic:.6g}", f"{a.numerical:.6g}"
            verdict = "ok" if a.ok else "WRONG"
            rows.append((gradient_name(a.name), str(a.shape), *numbers, where, *values, verdict))
        return rows

    def __str__(self) -> str:
        lines = [f"{self.name}: gradients {'agree' if self.ok else 'are WRONG'}"]
        rows = self.rows()
        if len(rows) > 1:
            widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
            for row in rows:
                cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                lines.append(("  " + "  ".join(cells)).rstrip())
        lines += [f"  ({note})" for note in self.footnotes()]
        for finding in self.findings:
            lines.append(f"  {'->' if finding.mistake else 'note:'} {finding}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the report for a notebook: a table, and a picture of where a matrix is wrong."""
        colour = "#1a7f37" if self.ok else "#b42318"
        head, *body = self.rows()
        parts = [
            f"<p><b>{html.escape(self.name)}</b>: gradients "
            f"<b style='color:{colour}'>{'agree' if self.ok else 'are wrong'}</b></p>",
            "<table><tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>",
        ]
        for row in body:
            parts.append(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            )
        parts.append("</table>")
        parts += [f"<p><small>{html.escape(note)}</small></p>" for note in self.footnotes()]
        parts.append("<ul>")
        for f in self.findings:
            parts.append(
                f"<li>{html.escape(f.sentence)} <code>{html.escape(f.kind)}</code>"
                f"<br/><small>{html.escape(f.evidence)}</small></li>"
            )
        parts.append("</ul>")
        parts += [_picture(a) for a in self.arrays if not a.ok and a.wrong is not None]
        return "".join(parts)


def gradient_name(label: str) -> str:
    """Return what the gradient of an array is called: layers[0].W -> layers[0].dW."""
    owner, dot, name = label.rpartition(".")
    return f"{owner}{dot}d{name}"


def _picture(result: ArrayResult) -> str:
    """Return an SVG of a matrix, a cell for each element, red where it is wrong."""
    assert result.wrong is not None
    wrong, name = np.atleast_2d(result.wrong), gradient_name(result.name)
    wrong = wrong.reshape(-1, wrong.shape[-1])[:64, :64]
    size = 8
    cells = "".join(
        f"<rect x='{j * size}' y='{i * size}' width='{size - 1}' height='{size - 1}' "
        f"fill='{'#b42318' if wrong[i, j] else '#d0d7de'}'/>"
        for i, j in np.ndindex(*wrong.shape)
    )
    height, width = (n * size for n in wrong.shape)
    return (
        f"<figure><svg width='{width}' height='{height}' role='img' "
        f"aria-label='where {html.escape(name)} is wrong'>{cells}</svg>"
        f"<figcaption>{html.escape(name)}: red where it is wrong</figcaption></figure>"
    )
