"""What the command line says about a thing to check, and the thing as it can be checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..report import Finding

# How the passes share what they know, in a few words.
STYLES = (
    "a cache for each call", "state kept in self", "results kept in self",
    "gradients returned by backward", "parameters changed by backward", "a pair of functions",
    "a loss", "a loss with state", "a network with a loss",
)  # fmt: skip


@dataclass
class Settings:
    """What the command line says about the things to check.

    Attributes
    ----------
    shape : tuple of int, optional
        Shape of one sample.
    batch : int, optional
        Number of samples.
    args : dict
        Arguments of classes and functions, by name.
    seed : int
    thorough : bool
    accumulate : bool, optional
        Whether backward must add to its gradients; None leaves it to the style.
    sizes : (int, int), optional
        The numbers of inputs and outputs that are guessed where `args` and the code say nothing.
    like : dict of str to shape
        Shapes of the arguments of functions by name, the input first; empty: they are found by
        trying.
    """

    shape: tuple[int, ...] | None = None
    batch: int | None = None
    args: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    thorough: bool = False
    accumulate: bool | None = None
    sizes: tuple[int, int] | None = None
    like: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass
class Made:
    """Something that can be checked, with inputs that fit.

    Attributes
    ----------
    target : object
        A layer with the passes of this library, a pair of functions, or a loss: the first argument
        of `check_gradients`.
    inputs : tuple
        Its further arguments.
    batch_axis : int
        The axis of the first input that counts the samples; -1 if it is one sample.
    accumulate : bool, optional
        Whether backward must add to its gradients; None accepts both.
    style : str
        The style in a few words.
    notes : list of str
    args : dict
        The arguments that were given, under the names that the class has for them.
    input_note : str
        Where the shape of the input comes from, and how to change it.
    """

    target: Any
    inputs: tuple[Any, ...]
    batch_axis: int = 0
    accumulate: bool | None = True
    style: str = "a cache for each call"
    notes: list[str] = field(default_factory=list)
    input_note: str = ""
    args: dict[str, Any] = field(default_factory=dict)


class Unrecognised(Exception):
    """Something cannot be created or is in no known style; `finding` says what to do."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding
