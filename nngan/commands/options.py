"""The options of the commands: converters, those that commands share, errors in their words."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path

from ..backend import BACKENDS
from ..command_line import between, one_sentence

PICTURES = (".png", ".svg", ".pdf")


def seed(text: str) -> int:
    """Convert the seed of a run, for argparse; the run uses 3 seed, 3 seed + 1 and 3 seed + 2."""
    value: int = between(0, 2**64 // 3 - 1)(text)
    return value


def folder(text: str) -> Path:
    """Convert the name of a folder, for argparse; an empty name would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("must name a folder, got ''")
    return Path(text)


def output(*suffixes: str) -> Callable[[str], Path]:
    """Return a converter to the path of a file that can be written, for argparse.

    If there are `suffixes`, the path must end in one of them.
    """

    def convert(text: str) -> Path:
        path = Path(text)
        if suffixes and path.suffix not in suffixes:
            raise argparse.ArgumentTypeError(f"must end in {' or '.join(suffixes)}, got {text!r}")
        try:
            is_folder, has_folder = path.is_dir(), path.parent.is_dir()
        except OSError as error:
            raise argparse.ArgumentTypeError(one_sentence(error)) from error
        if is_folder:
            raise argparse.ArgumentTypeError(f"must name a file, got the folder {text!r}")
        if not has_folder:
            raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK):
            raise argparse.ArgumentTypeError(f"the folder {path.parent} cannot be written to")
        return path

    return convert


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the option --backend."""
    parser.add_argument("--backend", choices=BACKENDS, default="numpy", help="default: numpy")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option --data-dir."""
    parser.add_argument("--data-dir", metavar="DIR", help="folder that has the MNIST files")


def add_latent_seed(parser: argparse.ArgumentParser) -> None:
    """Add the option --seed of a command that draws latent vectors."""
    parser.add_argument(
        "--seed", type=between(0, 2**64 - 1), default=0, metavar="N",
        help="seed of the latent vectors; default: 0",
    )  # fmt: skip


def option(name: str) -> str:
    """Return the option that sets a keyword of Python: --batch-size for batch_size."""
    return f"--{name.replace('_', '-')}"


def in_options(error: BaseException, parser: argparse.ArgumentParser) -> str:
    """Return the message of an error in one line, in the words of a command line.

    The library names its keywords: "label_smoothing must lie in [0, 1)", 'use backend="numpy"'.
    Those that are options of the parser are named as such here: "--label-smoothing must lie in
    [0, 1)", "use --backend numpy". A plain word such as "loss" is a keyword only at the beginning
    or before "=".
    """
    text = one_sentence(error)
    for action in parser._actions:
        name, words = action.dest, option(action.dest)
        if words not in action.option_strings:
            continue
        text = re.sub(rf"(?<![\w/\\-]){name}=([\"']?)([\w.+-]*\w)\1", rf"{words} \2", text)
        text = re.sub(rf"^{name}(?= must )", words, text)
        if "_" in name:
            text = re.sub(rf"(?<![\w/\\-]){name}(?!\w)", words, text)
    return text
