"""Numbers that were not compared, each with its reason."""

from __future__ import annotations

from typing import NamedTuple

from .places import MOST
from .report import gradient_name

# What is known of a number that was not compared, and the next step.
REASONS = {
    "affects": "{label} affects the output but has no gradient {d}: if it is a parameter, backward "
    "must fill {d}.",
    "raises": "forward raises an exception wherever {label} is moved, so nothing shows whether it "
    "needs a gradient.",
    "no floats": "{label} holds complex numbers or Python objects, which cannot be compared: make "
    "it an array of float64.",
    "text": "{label} is text or bytes that affect the output: if they are the numbers of a "
    "parameter, keep them as an array of float64.",
    "two": "{label} has two gradients that differ, {others}: keep one.",
    "written": "backward writes {label}, which was compared with nothing: keep {others} as an "
    "array of float64 in the object.",
    "many": "The object holds more than {most} objects, and the search for parameters ended "
    "there: keep only the parameters in it.",
}


class Unseen(NamedTuple):
    """A number that moves the output and has no gradient that could be compared.

    Attributes
    ----------
    label : str
    kind : str
        A key of `REASONS`.
    others : tuple of str
        Labels of other numbers that belong to the reason.
    outside : bool
        Whether it is a global or a variable of a function, where constants are usual too.
    """

    label: str
    kind: str
    others: tuple[str, ...] = ()
    outside: bool = False

    @property
    def reason(self) -> str:
        """One sentence: what was seen, and the next step."""
        others = " and ".join(self.others) or "its parameter"
        d = gradient_name(self.label)
        return REASONS[self.kind].format(label=self.label, d=d, others=others, most=f"{MOST:,}")

    @property
    def evidence(self) -> str:
        """The observation that shows it."""
        return "" if self.kind in ("written", "many") else f"{self.label} was moved"
