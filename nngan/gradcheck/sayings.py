"""The checker's sentences about a submission, each with typed gaps.

The process of a submission sends such sentences. The checker accepts one only if it is made from
this table, so a submission can fill the gaps, with names, numbers and quoted text, and say nothing
else.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

NAME = r"[^\W\d]\w{0,99}"
NUMBER = r"-?(\d+(\.\d*)?(e[-+]?\d+)?|inf|nan)"
SHAPE = r"\((\d+, ?)*\d*\)"
# A name, then attributes, indices and keys: layers[0].W, params['W1'], [0].b, W (2). No text fits
# in two ways, here and below: a search through many ways would take for ever.
LABEL = r"([^\W\d]\w*|\[[^]]{1,60}\])(\.[^\W\d]\w*|\[[^]]{1,60}\])*( \(\d{1,4}\))?|a number"
VALUE = (
    rf"{NUMBER}|True|False|None|\.\.\.|default_rng\(0\)|an array of shape {SHAPE}"
    r"|<class '[\w.]{1,60}'>"
    r"""|b?'([^'\\]|\\.){0,300}'|b?"([^"\\]|\\.){0,300}["]"""
    r"|[\[({][^=]{0,300}[\])}]"
)
PAIR = rf"{NAME}=({VALUE})"
NAMES = rf"({NAME}(, {NAME})*)?"
DTYPE = r"<?[A-Za-z][\w\[\]]{0,20}|[\[{(].{0,200}[\]})]"
SOFT = "soft targets"
KERNEL = "a width at which a kernel of one axis can move"
DEFAULT = "a default, because there is no n_in and no W"
MODES = ("training", "train", "is_training", "train_flg", "train_flag", "is_train", "train_mode")
SOURCE = rf"{LABEL}|an attribute|--shape|{DEFAULT}|{KERNEL}"
# What may be in a gap, by the name of the gap, which may have a number behind it.
GAPS = {
    "name": NAME,
    "names": NAMES,
    "label": LABEL,
    "n": r"\d{1,9}",
    "number": NUMBER,
    "shape": SHAPE,
    "shapes": rf"{SHAPE}(, {SHAPE})*",
    "dtype": DTYPE,
    "pairs": rf"{PAIR}( {PAIR})*",
    "call": rf"{NAME}\(({PAIR}(, {PAIR})*)?\)",
    "rest": rf"(, {PAIR})*",
    "mode": (
        rf"(self\.)?({'|'.join(MODES)})=(True|False)|mode='(train|test)'|{SOFT}"
        rf"|({LABEL}) = {NUMBER}"
    ),
    "source": rf"({SOURCE})(, and its elements are positive)?",
    "what": "width|shape of a sample",
    "option": r"--(width N|shape) changes it\.",
    "samples": r"( Samples are columns\.| It is one sample\.)?",
    "thing": rf"The ({LABEL}) of (forward|backward|tangent)|The loss|A gradient",
    "got": rf"a tuple of \d+|an array of shape {SHAPE}(, ({DTYPE}))?|None|{NAME} ['\"].*['\"]",
    "quote": ".*",
}
SAYINGS = {
    # Notes.
    "cell": "Cell {n} failed: {quote}",
    "line": "Line {n} failed: {quote}",
    "called": "Called with {pairs}. --args replaces them.",
    "indices": "{name} holds indices, so it has no gradient.",
    "created": "Created as {call}, guessed by name. --args {name}=VALUE changes that.",
    "passed": "{name} was given, and the class calls it {name2}.",
    "no argument": "{name} was given, and {name2} has no such argument.",
    "rows": "forward returns a loss for each row; their mean was checked.",
    "one sample": "backward works for one sample only, so x is one column.",
    "input": "x has shape {shape}; its {what} comes from {source}. {option}{samples}",
    "arguments": "The arguments have shapes {shapes}, found by trying.",
    "arguments of a pair": "The arguments have shapes {shapes}, found by trying. "
    "--shape changes the shape of x.",
    "constant": "{label} = {number}, not compared",
    "mode": "{mode}",
    "layer": "layers[{n}], {name}: ",
    # Reasons why nothing was compared.
    "no arguments": "No arguments were found that {name} accepts. Give the shape of one sample "
    "with --shape, and its settings with --args; or call check_gradients in Python.",
    "no targets": "No predictions and targets were found that the loss accepts.",
    "no network": "{name}.loss(X, y) must return (loss, grads), where grads[name] is the gradient "
    "of self.params[name].",
    "last attempt": "the last attempt: {quote}",
    "needs": "The class needs {name}: pass --args {name}=VALUE, or give it a default.",
    "refuses": "The class does not accept these arguments: --args NAME=VALUE changes them.",
    "other class": "{name}(...) creates an object of another class: check that class.",
    "creates": "it creates a {name}",
    "uses indices": "forward uses x as indices, so x has no gradient. Check the gradient of the "
    "weights in Python: check_gradients((f, b), W), where f(W) sets the weights, runs forward on "
    "fixed indices and returns (y, cache), and b(dy, cache) runs backward and returns the gradient "
    "of W.",
    "needs more": "{name} has further arguments that cannot be guessed ({names}). Add this adapter "
    "below the class, write values there, and check the adapter:",
    "unknown": "{name} must return (y, cache), or y alone where {name2} takes dy alone; got {got}. "
    "Change the class, or add this adapter below it and check the adapter:",
    "list": "{name} returns y as a list: np.array is missing. Return np.array(y) in its place.",
    "adapter": "class {name}Adapter:\n"
    "    def __init__(self): self.inner = {call}\n"
    "    def forward(self, x): return self.inner.{name2}(x{rest}), x\n"
    "    def backward(self, dy, x): self.inner.{name2}(x{rest}); "
    "return self.inner.{name3}(dy{rest2})",
    "adapter with a cache": "class {name}Adapter:\n"
    "    def __init__(self): self.inner = {call}\n"
    "    def forward(self, x): return self.inner.{name2}(x{rest})\n"
    "    def backward(self, dy, cache): return self.inner.{name3}(dy, cache{rest2})",
    # What a pass returns that the contract forbids.
    "no pair": "forward must return (y, cache), got {got}",
    "empty": "The y of forward is empty, it has shape {shape}",
    "another shape": "{thing} has another shape in a later call: {shape}",
    "no array": "{thing} must be an array, got {got}",
    "no floats": "{thing} must hold floats, got {dtype}",
    "not finite": "{thing} holds NaN or infinity, but the input is finite",
    "no numbers": "An array holds no numbers, but {dtype}",
    "gradients": "backward must return a gradient for each of the {n} inputs, got {n2}",
    "no loss": "A loss must return (loss, gradient), got {got}",
    "loss shape": "The loss must be one number, got shape {shape}",
    "no copy": "The object cannot be copied: {quote}",
    "not set": "{label} cannot be set: {quote}",
    "mode not set": "{mode} cannot be set",
    "other layer": "{mode} makes another layer",
}
NOTES = ("cell", "line", "called", "indices", "created", "passed", "no argument", "rows",
         "one sample", "input")  # fmt: skip
CONTRACT = tuple(SAYINGS)[tuple(SAYINGS).index("no pair") :]


def say(kind: str, **gaps: Any) -> str:
    """Return a sentence with its gaps filled."""
    return SAYINGS[kind].format(**gaps)


def pattern(kind: str) -> re.Pattern[str]:
    """Return what all sentences of a kind look like."""
    parts = []
    for text, gap, _, _ in Formatter().parse(SAYINGS[kind]):
        parts.append(re.escape(text))
        if gap:
            parts.append(f"({GAPS[gap.rstrip('0123456789')]})")
    return re.compile("".join(parts))


PATTERNS = {kind: pattern(kind) for kind in SAYINGS}


def is_said(text: str, kinds: tuple[str, ...]) -> bool:
    """Whether a text is a sentence of one of these kinds."""
    return any(PATTERNS[kind].fullmatch(text) for kind in kinds)
