"""Train a GAN on handwritten digits and keep the pictures.

python examples/train_mnist.py                      # MNIST if it can be had, else the 8x8 digits
python examples/train_mnist.py --backend cupy       # the same on a CUDA GPU
python examples/train_mnist.py --out runs/first --resume --epochs 40
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import nngan as nn
from nngan.backend import Array, get_backend
from nngan.datasets import DatasetError
from nngan.gan import UPDATES
from nngan.losses import OBJECTIVES
from nngan.recipes import RECIPES
from nngan.training import RunFolder, TrainingDiverged

DATA = ("auto", "mnist", "fashion", "digits")
MNIST_SAMPLES = 60_000  # the recipes count their epochs in this size


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print `message` alone, without the usage, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def positive(kind: type) -> Callable[[str], float]:
    """Return a converter to positive numbers of one kind, for argparse."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
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


def parser() -> Parser:
    """Return the parser of the command line."""
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", choices=DATA, help="default: auto")
    p.add_argument("--data-dir", metavar="DIR", help="folder that has the MNIST files")
    p.add_argument("--backend", choices=("numpy", "cupy"), default="numpy")
    p.add_argument("--recipe", choices=RECIPES, help="default: default; see --list-recipes")
    p.add_argument("--list-recipes", action="store_true", help="list them and exit")
    p.add_argument(
        "--loss", choices=OBJECTIVES, help="default: the recipe's, as for the options below"
    )
    p.add_argument("--update", choices=UPDATES, help="simultaneous: one pass through D a step")
    p.add_argument("--epochs", type=positive(int), metavar="N", help="in total")
    p.add_argument("--batch-size", type=positive(int), metavar="N")
    p.add_argument("--latent-dim", type=positive(int), metavar="N")
    p.add_argument("--lr", type=positive(float), metavar="X", help="of both optimizers")
    p.add_argument("--seed", type=seed, metavar="N", help="default: 0")
    p.add_argument("--out", type=folder, metavar="DIR", help="default: a new folder in runs/")
    p.add_argument("--resume", action="store_true", help="go on with the run that is in --out")
    return p


def absolute(data_dir: str | None) -> str | None:
    """Return a path that still holds when the run goes on from another folder."""
    return os.path.abspath(os.path.expanduser(data_dir)) if data_dir else None


def load(data: str, data_dir: str | None) -> tuple[str, Array]:
    """Return the name of the data set that can be had, and its training images."""
    if data == "digits":
        return data, nn.datasets.digits()[0]
    if data == "fashion":
        return data, nn.datasets.fashion_mnist(data_dir=data_dir, dtype="uint8")[0]
    try:
        return "mnist", nn.datasets.mnist(data_dir=data_dir, dtype="uint8")[0]
    except DatasetError as error:
        if data == "mnist" or data_dir is not None:
            raise
        print(f"No MNIST here, so the 8x8 digits that scikit-learn carries instead: {error}")
        return load("digits", None)


def given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, object]:
    """Return those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def new_run(options: argparse.Namespace) -> tuple[RunFolder, nn.GAN, Array]:
    """Return what the options ask for: a folder, a game at its beginning, data."""
    recipe_name = options.recipe or "default"
    recipe = replace(RECIPES[recipe_name], **given(options, ("batch_size", "latent_dim")))
    recipe = recipe.with_game(**given(options, ("loss", "update")))
    if options.lr is not None:
        recipe = recipe.with_lr(options.lr)
    backend = get_backend(options.backend)  # before a download that would be in vain
    data, x = load(options.data or "auto", options.data_dir)
    if len(x) < recipe.batch_size:
        raise ValueError(f"--batch-size {recipe.batch_size} is more than the {len(x)} images")
    gan = recipe.build(x.shape[1], options.seed or 0, backend)
    # A small data set is gone through more often, so that a recipe takes about as many steps.
    repeats = max(1, round(MNIST_SAMPLES / len(x)))
    settings = {
        "nngan": nn.__version__,
        "data": data,
        "data_dir": absolute(options.data_dir),
        "recipe": recipe_name,
        "loss": gan.loss,
        "update": gan.update,
        "epochs": options.epochs or recipe.epochs * repeats,
        "batch_size": recipe.batch_size,
        "latent_dim": recipe.latent_dim,
        "lr": recipe.optimizer["lr"],
        "seed": options.seed or 0,
        "sample_every": recipe.sample_every * repeats,
    }
    out = options.out or Path("runs") / f"{data}-{recipe_name}-{time.strftime('%Y%m%d-%H%M%S')}"
    run = RunFolder(out, settings, settings["sample_every"])
    try:
        run.create(gan)
    except FileExistsError as error:
        raise ValueError(
            f"{error}: add --resume to go on with it, or choose another --out"
        ) from None
    return run, gan, x


def old_run(options: argparse.Namespace) -> tuple[RunFolder, nn.GAN, Array]:
    """Return the run in ``--out`` as it was last saved, and its data."""
    if options.out is None:
        raise ValueError("--resume needs --out, the folder of the run to go on with")
    try:
        run, gan = RunFolder.resume(options.out, options.backend)
    except FileNotFoundError:
        raise ValueError(f"no run to go on with: {options.out} has no checkpoint.npz") from None
    settings = run.settings
    fixed = ("recipe", "loss", "update", "batch_size", "latent_dim", "lr", "seed", "data")
    if not set(fixed) <= set(settings):
        raise ValueError(f"{run.checkpoint} is not of a run of this script: load it with GAN.load")
    for name in fixed:
        value = getattr(options, name)
        if value not in (None, settings[name], "auto"):
            raise ValueError(
                f"the run in {options.out} has {name.replace('_', ' ')} {settings[name]}, not "
                f"{value}: leave --{name.replace('_', '-')} out, or choose another --out"
            )
    # These two may change.
    settings["epochs"] = options.epochs or settings["epochs"]
    settings["data_dir"] = absolute(options.data_dir) or settings["data_dir"]
    if settings["epochs"] < gan.epoch:
        raise ValueError(f"the run has {gan.epoch} epochs already: --epochs N must be more")
    x = load(settings["data"], settings["data_dir"])[1]
    if x.shape[1] != gan.D.n_in:
        raise ValueError(
            f"the networks in {run.checkpoint} take {gan.D.n_in} pixels, not {x.shape[1]}"
        )
    config = run.path / "config.json"
    if config.exists() and json.loads(config.read_text()).get("gan") != as_json(gan.config()):
        raise ValueError(f"{run.checkpoint} is of another network than {config} describes")
    return run, gan, x


def as_json(config: dict[str, object]) -> object:
    """Return what `config` is once it was written and read."""
    return json.loads(json.dumps(config))


def main() -> int:
    """Run the command line; return the exit status."""
    command = parser()
    options = command.parse_args()
    if options.list_recipes:
        for name, recipe in RECIPES.items():
            print(f"{name:<12} {recipe.summary}")
        return 0
    try:
        run, gan, x = old_run(options) if options.resume else new_run(options)
        run.write_config(gan)
    except (ValueError, OSError, MemoryError, DatasetError, nn.BackendUnavailable) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            reason = f"{error.filename}: {error.strerror}"
        command.error(" ".join(reason.split()))

    settings, status = run.settings, 0
    print(
        f"{settings['recipe']} on {len(x):,} images ({settings['data']}), {gan.backend.name}: "
        f"G {gan.G.size:,} and D {gan.D.size:,} parameters; into {run.path}"
    )
    try:
        if gan.epoch < settings["epochs"]:
            gan.fit(x, settings["epochs"] - gan.epoch, settings["batch_size"], callbacks=[run])
        else:
            print(f"Nothing to do: the run has {gan.epoch} epochs; --epochs N asks for more.")
    except KeyboardInterrupt:
        gan.save(run.checkpoint, settings)
        step = int(gan.backend.to_numpy(gan.clock)[0])
        print(f"\nStopped after step {step:,}; nothing is lost. Go on with:")
        command_line = [sys.executable, sys.argv[0], "--out", str(run.path), "--resume"]
        if gan.backend.name != "numpy":
            command_line += ["--backend", gan.backend.name]
        print(f"  {shlex.join(command_line)}")
        status = 130
    except (TrainingDiverged, OSError) as error:
        print(f"\n{error}; {run.checkpoint} has the state after the last epoch that was saved")
        return 1
    try:
        run.draw(gan)
    except (OSError, ValueError) as error:
        print(f"No pictures drawn: {error}")
        return status or 1
    print(f"Pictures: {run.path}/samples, {run.path}/progress.gif, {run.path}/losses.png")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # before there was anything to save
        sys.exit(130)
