"""The broken games of the museum: what each gets from the diagnosis, and how it is cured.

Each game is a script in `games/`, which runs alone. Its docstring is the title, what one sees, and
why. A line that ends in ``# cure: ...`` is the mistake, and what follows is the line that cures it:
nothing, if the line has to go. Where a line is missing, the comment is alone.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from nngan.mistakes import MISTAKES

GAMES = Path(__file__).parent / "games"
CURE = re.compile(r"^( *)(.*?) *# cure: ?(.*)\n", re.M)


class Exhibit(NamedTuple):
    """The only kind of finding above a note that a game gets, and what was broken."""

    kind: str
    broken: str


EXHIBITS = {
    "at_chance": Exhibit("double-sigmoid", MISTAKES["sigmoid"].title),
    "black_squares": Exhibit("range", "data in -1..1, and a G that ends in Sigmoid"),
    "zero_loss": Exhibit("d-won", 'loss="minimax", and a D that learns fifty times as fast as G'),
    "happy_g": Exhibit("weak-d", "a learning rate of D that is 500 times too small"),
    "losses_of_100": Exhibit("learning-rate", "a learning rate that is 100 times too large"),
    "rulers": Exhibit("learning-rate", "a learning rate that is 100,000 times too small"),
    "few_digits": Exhibit(
        "collapse", "five steps of D for each of G, with the minimax loss and no penalty"
    ),
    "any_digit": Exhibit("labels-ignored", "data that were shuffled without their labels"),
    "too_good": Exhibit("copies", "ten images, and 4,000 epochs"),
    "one_blur": Exhibit("dead-units", "biases that begin at -10, before ReLU units"),
    "late": Exhibit("saturated", "Tanh units with weights that begin too large"),
    "calm": Exhibit("penalty-strong", "a penalty that is 2,000 times too strong"),
    "drifting": Exhibit("penalty-idle", "penalties that are 20 million times too weak"),
    "swings": Exhibit("unbounded-critic", "a Wasserstein game without its penalty"),
    "thrown": Exhibit("gradients-add-up", MISTAKES["not_zeroed"].title),
    "perfect": Exhibit("wrong-gradient", MISTAKES["stale_cache"].title),
    "piling_up": Exhibit("not-zeroed", MISTAKES["not_zeroed"].title),
    "below_chance": Exhibit(
        "stale-cache", "D's gradient for data is taken with the cache of the fakes"
    ),
    "both_zero": Exhibit("wrong-sign", "G's loss has the label of fakes"),
    "agreed": Exhibit("labels-swapped", "D's labels are swapped"),
    "same_z": Exhibit("same-noise", "the random numbers are seeded anew in each step"),
    "still_d": Exhibit("d-not-trained", "D's optimizer is bound to G"),
    "too_kind": Exhibit("d-moved-by-g-step", "G's step moves D too"),
    "pulled_back": Exhibit("g-moved-by-d-step", "fakes are not detached: D's step moves G too"),
    "sum": Exhibit("scale", "G's gradient is a sum over the minibatch, D's a mean"),
}


class Played(NamedTuple):
    """A game that has run: its variables, and the seconds of one processor that it took."""

    variables: dict[str, Any]
    seconds: float


def parts(name: str) -> tuple[str, str, str, str]:
    """Return a game's title, what one sees, why, and its code, with the cures."""
    _, text, code = (GAMES / f"{name}.py").read_text(encoding="utf-8").split('"""', 2)
    title, seen, why = text.strip().split("\n\n")
    return title.rstrip("."), seen, why, code.lstrip()


def broken(code: str) -> str:
    """Return the code as it is, without the cures."""
    return CURE.sub(lambda line: f"{line[1]}{line[2]}\n" if line[2] else "", code)


def cured(code: str) -> str:
    """Return the code with the cured lines."""
    return CURE.sub(lambda line: f"{line[1]}{line[3]}\n" if line[3] else "", code)


def difference(code: str) -> list[str]:
    """Return the lines that differ, each after "- " in the broken game, "+ " in the cured one."""
    lines = []
    for _, old, new in CURE.findall(code):
        lines += [f"- {old}"] * bool(old) + [f"+ {new}"] * bool(new)
    return lines


def play(name: str, code: str) -> Played:
    """Run the code of a game; what it prints is not shown."""
    variables: dict[str, Any] = {"__name__": name}
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, f"{name}.py", "exec"), variables)
    return Played(variables, time.process_time() - start)
