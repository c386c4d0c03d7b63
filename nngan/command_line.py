"""A command line in general: its parser, its numbers, its errors and its exit status."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn


class OneSentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence and whose options are never abbreviated.

    The description is printed as it is written.
    """

    def __init__(self, prog: str | None = None, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog, allow_abbrev=False, **options)

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


def one_sentence(error: BaseException) -> str:
    """Return the message of an error in one line; for an error of the system also the file."""
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(reason.split())


def positive(kind: type[int] | type[float]) -> Callable[[str], Any]:
    """Return a converter to positive numbers of one kind, for argparse."""
    return _converter(kind, lambda value: 0 < value < math.inf, "a positive {}")


def between(low: float, high: float) -> Callable[[str], Any]:
    """Return a converter to numbers from `low` to `high`, of the type of `low`, for argparse."""
    kind = int if isinstance(low, int) else float
    return _converter(kind, lambda value: low <= value <= high, f"a {{}} from {low} to {high}")


def _converter(
    kind: type[int] | type[float], accepts: Callable[[float], bool], wanted: str
) -> Callable[[str], Any]:
    def convert(text: str) -> int | float:
        with contextlib.suppress(ValueError):
            if accepts(value := kind(text)):
                return value
        what = wanted.format("whole number" if kind is int else "number")
        raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}")

    return convert
