"""What command lines need: converters of their options, and errors that are one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


class OneSentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print `message` alone, without the usage, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return a converter to positive numbers of one kind, for argparse."""

    def convert(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"must be a positive {what}, got {text!r}")
        return value

    return convert


def seed(text: str) -> int:
    """Convert a seed, for argparse; a run takes three seeds, 3 seed to 3 seed + 2."""
    largest = 2**64 // 3 - 1
    if not text.isdecimal() or int(text) > largest:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {largest}, got {text!r}"
        )
    return int(text)


def folder(text: str) -> Path:
    """Convert the name of a folder, for argparse; the empty one would be where one stands."""
    if not text:
        raise argparse.ArgumentTypeError("must name a folder, got ''")
    return Path(text)


def one_sentence(error: BaseException) -> str:
    """Return what an error says, in one line; of one of the system also the file."""
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename}: {error.strerror}"
    return " ".join(reason.split())
