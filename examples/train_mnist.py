"""Train a GAN on handwritten digits and keep the pictures.

python examples/train_mnist.py                      # MNIST if it can be had, else the 8x8 digits
python examples/train_mnist.py --backend numba      # compiled; mkl: on all cores; cupy: on a GPU
python examples/train_mnist.py --during 2           # and measure the digits every other epoch
python examples/train_mnist.py --out runs/first --resume --epochs 40
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nngan as nn
from nngan.backend import BACKENDS, Array, get_backend
from nngan.cli import OneSentenceParser, between, folder, one_sentence, positive, run_main, seed
from nngan.datasets import DatasetError
from nngan.game import UPDATES
from nngan.losses import OBJECTIVES
from nngan.metrics import JudgeError, judge_path, load_judge
from nngan.recipes import RECIPES
from nngan.training import Measure, RunFolder, TrainingDiverged
from nngan.training.loop import deferred_interrupt

DATA = ("auto", "mnist", "fashion", "digits")
MNIST_SAMPLES = 60_000  # the recipes count their epochs in this size
# The options of `GAN` that the command line has; `GAN` says what is wrong with a value.
GAME: dict[str, dict[str, Any]] = {
    "loss": {"choices": OBJECTIVES, "help": "what both learn from"},
    "update": {"choices": UPDATES, "help": "simultaneous: one pass through D a step"},
    "k": {"type": positive(int), "metavar": "N", "help": "steps of D per step of G"},
    "pack": {"type": positive(int), "metavar": "N", "help": "samples that D judges at once"},
    "categories": {
        "type": between(0, 10_000),
        "metavar": "N",
        "help": "let z begin with one of N categories; 0: let it not",
    },
    "r1": {
        "type": float,
        "metavar": "X",
        "help": "penalty on D's gradient at real images; penalties add up",
    },
    "r2": {"type": float, "metavar": "X", "help": "the same at generated ones"},
    "gradient_penalty": {"type": float, "metavar": "X", "help": "Wasserstein's, between the two"},
    "penalty_every": {
        "type": positive(int),
        "metavar": "N",
        "help": "penalise every N steps only, N times as strongly",
    },
    "ema": {"type": float, "metavar": "X", "help": "decay of the moving average of G"},
    "label_smoothing": {"type": float, "metavar": "X", "help": "of the label of real images"},
}


def parser() -> OneSentenceParser:
    """Return the parser of the command line."""
    p = OneSentenceParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", choices=DATA, help="default: auto")
    p.add_argument("--data-dir", metavar="DIR", help="folder that has the MNIST files")
    p.add_argument("--backend", choices=BACKENDS, default="numpy")
    p.add_argument("--recipe", choices=RECIPES, help="default: default; see --list-recipes")
    p.add_argument("--list-recipes", action="store_true", help="list them and exit")
    p.add_argument("--images", type=positive(int), metavar="N", help="train on the first N only")
    p.add_argument("--during", type=positive(int), metavar="N", help="measure every N epochs")
    p.add_argument("--seed", type=seed, metavar="N", help="default: 0")
    p.add_argument("--out", type=folder, metavar="DIR", help="default: a new folder in runs/")
    p.add_argument("--resume", action="store_true", help="go on with the run that is in --out")
    group = p.add_argument_group("in the place of the recipe's own")
    group.add_argument("--epochs", type=positive(int), metavar="N", help="in total")
    group.add_argument("--batch-size", type=positive(int), metavar="N")
    group.add_argument("--latent-dim", type=positive(int), metavar="N")
    group.add_argument("--lr", type=positive(float), metavar="X", help="of G; D's is scaled alike")
    for name, how in GAME.items():
        group.add_argument(option(name), **how)
    return p


def option(name: str) -> str:
    """Return how a setting is called on the command line."""
    return f"--{name.replace('_', '-')}"


def absolute(data_dir: str | None) -> str | None:
    """Return a path that still holds when the run goes on from another folder."""
    return os.path.abspath(os.path.expanduser(data_dir)) if data_dir else None


def load(data: str, data_dir: str | None, images: int | None) -> tuple[str, Array, Array]:
    """Return the name of the data set that can be had, its first training images and labels."""
    name, x, labels = find(data, data_dir)
    if images is not None and images > len(x):
        raise ValueError(f"--images {images} is more than the {len(x)} of {name}")
    return name, x[:images], labels[:images]


def find(data: str, data_dir: str | None) -> tuple[str, Array, Array]:
    """Return the name of the data set that can be had, all its training images and labels."""
    if data == "digits":
        return data, *nn.datasets.digits()
    if data == "fashion":
        return data, *nn.datasets.fashion_mnist(data_dir=data_dir, dtype="uint8")
    try:
        return "mnist", *nn.datasets.mnist(data_dir=data_dir, dtype="uint8")
    except DatasetError as error:
        if data == "mnist" or data_dir is not None:
            raise
        print(f"No MNIST here, so the 8x8 digits that scikit-learn carries instead: {error}")
        return find("digits", None)


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, object]:
    """Return those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def new_run(options: argparse.Namespace) -> tuple[RunFolder, nn.GAN, Array, Array]:
    """Return what the options ask for: a folder to be made, a game at its beginning, data."""
    recipe_name = options.recipe or "default"
    recipe = replace(RECIPES[recipe_name], **given(options, ("batch_size", "latent_dim")))
    recipe = recipe.with_game(**given(options, GAME))
    if options.lr is not None:
        recipe = recipe.with_lr(options.lr)
    backend = get_backend(options.backend)  # before a download that would be in vain
    data, x, labels = load(options.data or "auto", options.data_dir, options.images)
    repeats = repeats_of(len(x))
    epochs = options.epochs or recipe.epochs * repeats
    k, pack = (recipe.game.get(name, 1) for name in ("k", "pack"))
    steps = steps_of(epochs, len(x), recipe.batch_size, k)
    if steps == 0:
        raise ValueError(
            f"one step takes --batch-size {recipe.batch_size} times --k {k} images, more than the "
            f"{len(x)} there are"
        )
    categories = recipe.game.get("categories", 0)
    if recipe.latent_dim <= categories:
        raise ValueError(
            f"--latent-dim {recipe.latent_dim} must be more than the {categories} categories that "
            "z begins with: add --categories 0"
        )
    if recipe.batch_size % pack:
        raise ValueError(f"--batch-size {recipe.batch_size} must be a multiple of --pack {pack}")
    gan = recipe.build(x.shape[1], options.seed or 0, backend, steps)
    if recipe.batch_size == 1 and (gan.G.couples_samples or gan.D.couples_samples):
        raise ValueError(
            f"--batch-size must be 2 or more with --recipe {recipe_name}, whose BatchNorm takes "
            "the variance of a minibatch, got 1"
        )
    settings = {
        "nngan": nn.__version__,
        "data": data,
        "data_dir": absolute(options.data_dir),
        "images": len(x),
        "recipe": recipe_name,
        **{name: getattr(gan, name) for name in GAME},
        "epochs": epochs,
        "batch_size": recipe.batch_size,
        "latent_dim": recipe.latent_dim,
        "lr": gan.g_optimizer.lr,
        "d_lr": gan.d_optimizer.lr,
        "seed": options.seed or 0,
        "sample_every": recipe.sample_every * repeats,
        "during": options.during,
    }
    out = options.out or Path("runs") / f"{data}-{recipe_name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return RunFolder(out, settings, settings["sample_every"]), gan, x, labels


def old_run(options: argparse.Namespace) -> tuple[RunFolder, nn.GAN, Array, Array]:
    """Return the run in ``--out`` as it was last saved, and its data."""
    if options.out is None:
        raise ValueError("--resume needs --out, the folder of the run to go on with")
    try:
        run, gan = RunFolder.resume(options.out, options.backend)
    except FileNotFoundError:
        raise ValueError(f"no run to go on with: {options.out} has no checkpoint.npz") from None
    settings = run.settings
    if not {"data", "recipe", "epochs", "batch_size"} <= set(settings):
        raise ValueError(
            f"{run.checkpoint} does not say what it was made with, so it is not of a run of this "
            "script: load it with GAN.load"
        )
    for name, value in known(gan).items():
        settings.setdefault(name, value)
    fixed = ("recipe", *GAME, "batch_size", "latent_dim", "lr", "seed", "data", "images")
    for name in fixed:
        value = getattr(options, name)
        if value not in (None, settings[name], "auto"):
            raise ValueError(
                f"the run in {options.out} has {name.replace('_', ' ')} {settings[name]}, not "
                f"{value}: leave {option(name)} out, or choose another --out"
            )
    epochs = options.epochs or settings["epochs"]
    if epochs < gan.epoch:
        raise ValueError(f"the run has {gan.epoch} epochs already: --epochs N must be more")
    data_dir = absolute(options.data_dir) or settings["data_dir"]
    _, x, labels = load(settings["data"], data_dir, settings["images"])
    steps = steps_of(settings["epochs"], len(x), settings["batch_size"], settings["k"])
    if epochs != settings["epochs"] and gan.g_optimizer.schedule == ("linear", steps):
        raise ValueError(
            f"the learning rate of the run in {options.out} falls to zero over its "
            f"{settings['epochs']} epochs: leave --epochs out, or choose another --out"
        )
    if x.shape[1] != gan.G.n_out:
        raise ValueError(
            f"the networks in {run.checkpoint} take {gan.G.n_out} pixels, not {x.shape[1]}"
        )
    config = run.path / "config.json"
    if config.exists() and not describes(read_json(config), gan):
        raise ValueError(f"{run.checkpoint} is of another network than {config} describes")
    during = options.during or settings["during"]
    settings.update(epochs=epochs, images=len(x), data_dir=data_dir, during=during)
    return run, gan, x, labels


def known(gan: nn.GAN) -> dict[str, object]:
    """Return those settings that a run of an older version may lack, as its game has them."""
    return {
        **{name: getattr(gan, name) for name in GAME},
        "latent_dim": gan.latent_dim,
        "lr": gan.g_optimizer.lr,
        "d_lr": gan.d_optimizer.lr,
        "seed": gan.seed // 3,
        "images": None,
        "data_dir": None,
        "during": None,
    }


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds."""
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, it is written anew") from error


def describes(config: dict[str, Any], gan: nn.GAN) -> bool:
    """Return whether a ``config.json`` is that of the game, be it of an older version."""
    try:
        return bool(nn.GAN.from_config(config["gan"]).config() == gan.config())
    except (LookupError, TypeError, ValueError):
        return False


def penalties(gan: nn.GAN) -> str:
    """Return which penalties on D's gradient are on, for they add up."""
    names = ("r1", "r2", "gradient_penalty")
    on = [f"{option(name)} {value:g}" for name in names if (value := getattr(gan, name))]
    every = f" every {gan.penalty_every} steps" if gan.penalty_every > 1 else ""
    return f", D penalised by {' and '.join(on)}{every}" if on else ""


def repeats_of(images: int) -> int:
    """Return how many epochs there are for one of a recipe's: as many as take about its steps."""
    return max(1, round(MNIST_SAMPLES / images))


def steps_of(epochs: int, images: int, batch_size: int, k: int) -> int:
    """Return how many training steps a run has in all."""
    return epochs * (images // (batch_size * k))


def measures(run: RunFolder, gan: nn.GAN) -> list[Measure]:
    """Return the callback that measures the run, if it is to be measured."""
    settings = run.settings
    if settings["during"] is None:
        return []
    if settings["data"] != "mnist":
        raise ValueError(
            f"--during measures MNIST's digits, and the run is on {settings['data']}: leave it "
            "out, or choose --data mnist"
        )
    if not judge_path().exists():
        print("Training the judge, a classifier, which is done once: about half a minute ...")
    judge = load_judge(settings["data_dir"])
    train, test = (
        gan.backend.asarray(nn.datasets.mnist(split, settings["data_dir"])[0])
        for split in ("train", "test")
    )
    return [Measure(run, train, test, judge)]


def create(run: RunFolder, gan: nn.GAN) -> None:
    """Make the folder of a new run."""
    try:
        run.create(gan)
    except FileExistsError as error:
        raise ValueError(
            f"{error}: add --resume to go on with it, or choose another --out"
        ) from None


def main() -> int:
    """Run the command line; return the exit status."""
    command = parser()
    options = command.parse_args()
    if options.list_recipes:
        for name, recipe in RECIPES.items():
            print(f"{name:<15} {recipe.summary}")
        return 0
    try:
        run, gan, x, labels = old_run(options) if options.resume else new_run(options)
        callbacks = [*measures(run, gan), run]  # in this order: the run saves what was measured
        if not options.resume:
            create(run, gan)
        run.write_config(gan)
    except (
        ValueError, OSError, MemoryError, DatasetError, JudgeError, nn.BackendUnavailable
    ) as error:  # fmt: skip
        command.error(one_sentence(error))

    settings, status = run.settings, 0
    print(
        f"{settings['recipe']} on {len(x):,} images ({settings['data']}), {gan.backend.name}: "
        f"G {gan.G.size:,} and D {gan.D.size:,} parameters"
        f"{penalties(gan)}; into {run.path}"
    )
    try:
        if gan.epoch < settings["epochs"]:
            gan.fit(
                x, settings["epochs"] - gan.epoch, settings["batch_size"],
                labels=labels if gan.classes else None, callbacks=callbacks,
            )  # fmt: skip
        else:
            print(f"Nothing to do: the run has {gan.epoch} epochs; --epochs N asks for more.")
    except KeyboardInterrupt:
        try:
            with deferred_interrupt():  # often pressed twice
                run.save(gan)
        except OSError as error:
            print(f"\nStopped, but {one_sentence(error)}; {last_saved(run)}")
            return 1
        step = int(gan.backend.to_numpy(gan.clock)[0])
        print(f"\nStopped after step {step:,}; nothing is lost. Go on with:")
        command_line = [sys.executable, sys.argv[0], "--out", str(run.path), "--resume"]
        if gan.backend.name != "numpy":
            command_line += ["--backend", gan.backend.name]
        print(f"  {shlex.join(command_line)}")
        status = 130
    except (TrainingDiverged, OSError, ValueError) as error:
        print(f"\n{one_sentence(error)}; {last_saved(run)}")
        return 1
    try:
        run.draw(gan)
    except (OSError, ValueError) as error:
        print(f"No pictures drawn: {one_sentence(error)}")
        return status or 1
    paths = [run.path / name for name in ("samples", "progress.gif", "losses.png", "metrics.png")]
    if drawn := [str(path) for path in paths if path.exists()]:
        print(f"Pictures: {', '.join(drawn)}")
    return status


def last_saved(run: RunFolder) -> str:
    """Return what is left of a run that could not be saved."""
    return f"{run.checkpoint} has the state after the last epoch that was saved"


if __name__ == "__main__":
    run_main(main)
