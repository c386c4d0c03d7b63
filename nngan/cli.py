"""What command lines need: converters of their options, and errors that are one sentence."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

PICTURES = (".png", ".svg", ".pdf")


class OneSentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print `message` alone, without the usage, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def run_main(main: Callable[[], int | None]) -> NoReturn:
    """Run a program and exit with its status; after Ctrl-C with 130, without a traceback."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)


def positive(kind: type[int] | type[float]) -> Callable[[str], Any]:
    """Return a converter to positive numbers of one kind, for argparse."""
    return _converter(kind, lambda value: 0 < value < math.inf, "a positive {}")


def between(low: float, high: float) -> Callable[[str], Any]:
    """Return a converter to numbers from `low` to `high`, of the kind that `low` is."""
    kind = int if isinstance(low, int) else float
    return _converter(kind, lambda value: low <= value <= high, f"a {{}} from {low} to {high}")


def seed(text: str) -> int:
    """Convert the seed of a run, for argparse; it takes three, 3 seed to 3 seed + 2."""
    value: int = between(0, 2**64 // 3 - 1)(text)
    return value


def _converter(
    kind: type[int] | type[float], fits: Callable[[float], bool], wanted: str
) -> Callable[[str], Any]:
    def convert(text: str) -> int | float:
        with contextlib.suppress(ValueError):
            if fits(value := kind(text)):
                return value
        what = wanted.format("whole number" if kind is int else "number")
        raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}")

    return convert


def folder(text: str) -> Path:
    """Convert the name of a folder, for argparse; the empty one would be where one stands."""
    if not text:
        raise argparse.ArgumentTypeError("must name a folder, got ''")
    return Path(text)


def output(*suffixes: str) -> Callable[[str], Path]:
    """Return a converter to the path of a file that can be written, for argparse.

    Where there are `suffixes`, it must end in one of them.
    """

    def convert(text: str) -> Path:
        path = Path(text)
        if suffixes and path.suffix not in suffixes:
            raise argparse.ArgumentTypeError(f"must end in {' or '.join(suffixes)}, got {text!r}")
        try:
            folder_there, parent_there = path.is_dir(), path.parent.is_dir()
        except OSError as error:
            raise argparse.ArgumentTypeError(one_sentence(error)) from error
        if folder_there:
            raise argparse.ArgumentTypeError(f"must name a file, got the folder {text!r}")
        if not parent_there:
            raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK):
            raise argparse.ArgumentTypeError(f"the folder {path.parent} cannot be written to")
        return path

    return convert


def one_sentence(error: BaseException) -> str:
    """Return what an error says, in one line; of one of the system also the file."""
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(reason.split())
