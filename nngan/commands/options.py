"""The options of the commands: converters, those that commands share, errors in their words."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path

from ..backend import BACKENDS, Backend, fastest_backend, get_backend
from ..command_line import between, one_sentence, say
from ..files import check_writable

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


def checkpoint_in(run: Path) -> Path:
    """Return the checkpoint in the folder of a run; a path that ends in .npz is one itself."""
    path = run if run.suffix == ".npz" else run / "checkpoint.npz"
    if not path.exists():
        raise ValueError(f"there is no run in {run}: nngan train --out DIR makes one")
    return path


def new_folder(text: str) -> Path:
    """Convert the name of a folder that is empty or not there yet, for argparse."""
    path = folder(text)
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            kind = "is not empty" if path.is_dir() else "is a file"
            raise argparse.ArgumentTypeError(f"{text} {kind}: name a new folder")
    except OSError as error:
        raise argparse.ArgumentTypeError(one_sentence(error)) from error
    return path


def output(*suffixes: str) -> Callable[[str], Path]:
    """Return a converter to the path of a file that can be written, for argparse.

    If there are `suffixes`, the path must end in one of them.
    """

    def convert(text: str) -> Path:
        path = Path(text)
        if suffixes and path.suffix not in suffixes:
            raise argparse.ArgumentTypeError(f"must end in {' or '.join(suffixes)}, got {text!r}")
        try:
            if path.is_dir():
                raise argparse.ArgumentTypeError(f"must name a file, got the folder {text!r}")
            if not path.parent.is_dir():
                raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
            check_writable(path)
        except OSError as error:
            raise argparse.ArgumentTypeError(one_sentence(error)) from error
        return path

    return convert


def add_backend(parser: argparse.ArgumentParser, *fast: str) -> None:
    """Add the option --backend; auto is the first of the backends `fast` that runs, or NumPy."""
    order = ", or else ".join(f"{name}{' if there is a GPU' * (name == 'cupy')}" for name in fast)
    parser.add_argument(
        "--backend", choices=("auto", *BACKENDS), default="auto",
        help=f"what computes; default: auto, {order}, or else numpy",
    )  # fmt: skip
    parser.set_defaults(fast=fast)


def chosen_backend(options: argparse.Namespace) -> Backend:
    """Return the backend of --backend; say which one it is if the choice was left to the command.

    Raises
    ------
    BackendUnavailable
        If the backend that was asked for cannot run here.
    """
    if options.backend != "auto":
        return get_backend(options.backend)
    backend, faults = fastest_backend(options.fast)
    if faults:
        say(f"Backend: {backend.name}, because {'; '.join(faults)}")
    elif backend.name != "numpy":
        say(f"Backend: {backend.name}")
    return backend


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option --data-dir."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of the MNIST files; default: NNGAN_DATA, or a cache",
    )


def add_moved(parser: argparse.ArgumentParser) -> None:
    """Add the option --data of a command that looks at the images of a run again."""
    parser.add_argument(
        "--data", metavar="PATH", help="where your images are now, if they have moved"
    )


def sizes(*lengths: int) -> Callable[[str], tuple[int, ...]]:
    """Return a converter to some whole numbers with commas between them, for argparse."""

    def convert(text: str) -> tuple[int, ...]:
        words = text.replace("x", ",").split(",")
        if len(words) not in lengths or not all(w.isdecimal() and int(w) > 0 for w in words):
            form = " or ".join(",".join("HWC"[:n]) if n > 1 else "N" for n in lengths)
            raise argparse.ArgumentTypeError(f"must be {form}, whole numbers, got {text!r}")
        return tuple(map(int, words))

    return convert


def add_own_images(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how images of one's own are read."""
    group = parser.add_argument_group("images of your own, with --data PATH")
    group.add_argument("--size", type=sizes(1, 2), metavar="N", help="reduce them to NxN, or H,W")
    group.add_argument("--grey", action="store_true", help="turn colours into grey")
    group.add_argument(
        "--shape", type=sizes(2, 3), metavar="H,W", help="of images in rows; H,W,3 for colour"
    )
    group.add_argument("--key", metavar="NAME", help="the images' array in an .npz file")
    group.add_argument(
        "--labels", metavar="FILE",
        help="labels that are not with the images: .npy, or a table, for a folder one of file "
        "names and labels",
    )  # fmt: skip
    group.add_argument(
        "--label-column", metavar="WHICH",
        help="of a table: first, last, its name, or its number from 0 on",
    )  # fmt: skip
    group.add_argument(
        "--skip-broken", action="store_true", help="leave out files that cannot be read"
    )


def how_to_load(options: argparse.Namespace) -> dict[str, object]:
    """Return the options of `add_own_images` as those of `nngan.datasets.load`."""
    size = options.size
    how = {
        "key": options.key, "shape": options.shape, "grey": options.grey or None,
        "size": size[0] if size and len(size) == 1 else size,
        "labels": options.labels and os.path.abspath(os.path.expanduser(options.labels)),
        "label_column": options.label_column, "skip_broken": options.skip_broken or None,
    }  # fmt: skip
    return {name: value for name, value in how.items() if value is not None}


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
    or before "=". `x` is the data set there, and `check` has no option.
    """
    text = re.sub(r"^x(?= (has|must) )", "the data set", one_sentence(error))
    text = re.sub(r",? \(check=False [^)]*\)", "", text)
    for action in parser._actions:
        name, words = action.dest, option(action.dest)
        if words not in action.option_strings:
            continue
        text = re.sub(rf"(?<!\w){name}=True(?!\w)", words, text)
        text = re.sub(rf"(?<![\w/\\-]){name}=([\"']?)([\w.+-]*\w)\1", rf"{words} \2", text)
        text = re.sub(rf"^{name}(?= must )", words, text)
        text = re.sub(rf"(?<!\w){name}=\((\w+), (\w+)\)", rf"{words} \1,\2", text)
        if "_" in name:
            text = re.sub(rf"(?<![\w/\\-]){name}(?!\w)", words, text)
    return text
