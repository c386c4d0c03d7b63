"""Wrong command lines, made from the options of the parsers themselves.

Each ends with status 2 and one sentence, without a traceback, and nothing is written.
"""

import argparse
import importlib
import os
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import nngan as nn
import nngan.commands
import nngan.commands.table
from nngan.commands import COMMANDS

from . import tiny
from .campaign import main
from .guard import Watched, command

TEXTS = (
    "", "x", "-1", "0", "1", "2", "-0", "1.5", "1e400", "nan", "inf", "-inf", "9" * 30, "1,2,3,4",
    "0,0", "-5,3", "Ünïcode", "a b", "\n", "\0x", "../..", "/dev/null", "/", "no/such/folder", "%s",
    "{x}", "'", '"', "--", "=", "1_0", "0x10", "٣", "True", "None", "digits", "x" * 300, "\ud800",
)  # fmt: skip
# What a run without this would need: real images, or minutes.
HARMLESS = {"train": ["--data", "digits"], "evaluate": [], "latent": [], "recipes": [], "grade": []}
TRAINS = ("train",)  # commands whose training can be cut short; others are only called if wrong


class Accepted(Exception):
    """The line was accepted: the work would begin."""


def accept(*_: object, **__: object) -> None:
    raise Accepted


def options(name: str) -> list[argparse.Action]:
    """Return the options of a command, --help aside."""
    module = importlib.import_module(f"nngan.commands.{name}")
    if not hasattr(module, "parser"):
        return []  # such as `nngan recipes`
    parser = module.parser(f"nngan {name}")
    return [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]


def is_refused(action: argparse.Action, text: str) -> bool:
    """Tell whether a value is wrong for an option by its own converter."""
    value: Any = text
    if action.type is not None:
        try:
            value = action.type(text)  # type: ignore[operator]
        except (argparse.ArgumentTypeError, TypeError, ValueError):
            return True
    return action.choices is not None and value not in action.choices


def wrong_line(rng: random.Random) -> tuple[list[str], bool]:
    """Return a command line, and whether it is wrong for certain."""
    name = rng.choice(list(COMMANDS))
    known, certain, words = options(name), False, []
    flags = [a for a in known if a.option_strings]
    for action in rng.sample(flags, min(len(flags), rng.choice((0, 1, 1, 2, 3)))):
        option = rng.choice(action.option_strings)
        if action.nargs == 0:
            words.append(option)
            if rng.random() < 0.05:
                words[-1] += "=1"
                certain = True
            continue
        text = rng.choice(TEXTS)
        if "\0" in text and rng.random() < 0.9:
            continue
        joined = rng.random() < 0.5 or text.startswith("-")
        words += [f"{option}={text}"] if joined else [option, text]
        certain |= is_refused(action, text)
    for action in known:
        if not action.option_strings:
            kind = rng.randrange(4)
            if kind == 0:
                certain |= action.nargs not in ("?", "*", 0)
                continue  # it is missing
            text = rng.choice((*TEXTS, *(action.choices or ())))
            certain |= text.startswith("-") or is_refused(action, text)
            words.append(text)
    how = rng.randrange(8)
    if how == 0:
        words.insert(rng.randrange(len(words) + 1), rng.choice(("--no-such-option", "-q", "--bat")))
        certain = True
    elif how == 1 and flags:
        action = rng.choice(flags)
        if action.nargs != 0:
            words.append(action.option_strings[0])  # its value is missing
            certain = True
    elif how == 2 and name not in ("table",):
        words.append("one-word-too-many")
        # Else it may be a word that was missing.
        certain = bool(known) and all(a.option_strings for a in known)
    elif how == 3 and flags:
        action = rng.choice(flags)
        if len(action.option_strings[0]) > 5 and action.option_strings[0][:-2] not in {
            o for a in known for o in a.option_strings
        }:
            words.append(action.option_strings[0][:-2])  # abbreviated
            certain = True
    elif how == 4:
        name = rng.choice(
            ("", "x", name[:-1], name.upper(), f" {name}", "--x", "-h=1", f"--{name}")
        )
        certain = True
    if "--list-recipes" in words or "--version" in words:
        certain = False
    return [name, *HARMLESS.get(name, []), *words], certain


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Call wrong lines, in this process."""
    rng = random.Random(seed)
    tiny.prepare(folder)
    nn.GAN.fit = accept  # type: ignore[method-assign]
    nn.runs.RunFolder.create = accept  # type: ignore[method-assign]
    nn.commands.table.play = accept
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    watched = Watched()
    for _ in count():
        words, certain = wrong_line(rng)
        if not certain and words[0] not in TRAINS:
            continue
        results: list[tuple[object, str]] = []

        def call() -> None:
            try:
                results.append(command(nn.commands.main, words))  # noqa: B023
            except Accepted:
                results.append(("accepted", ""))  # noqa: B023

        wrong = watched.call(call, ())
        if not wrong:
            status, error = results[0]
            lines = error.strip("\n").count("\n") + 1
            if status in ("accepted", 0, None):
                wrong = "accepted" if certain else ""
            elif status != 2:
                wrong = f"status {status} | {error[-200:]}"
            elif "Traceback" in error or lines > 1 or not 15 < len(error) < 900:
                wrong = f"no sentence of {lines} lines | {error[-300:]}"
        if left := list(work.rglob("*")):
            if results and results[0][0] != "accepted":
                wrong = wrong or f"written: {left[0].name}"
            for path in sorted(left, reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        yield (wrong if " | " in wrong else f"{wrong} |") + f" {words}" if wrong else ""


if __name__ == "__main__":
    main("lines", tries)
