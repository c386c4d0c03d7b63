"""Train a GAN on handwritten digits, or on images of your own; keep the pictures.

nngan train                      # MNIST; offline scikit-learn's 8x8 digits
nngan train --data photos        # the folder photos, with images of your own
nngan train --backend numba      # compiled; mkl: faster; cupy: on a GPU
nngan train --measure-every 2    # also score the digits every second epoch
nngan train --out runs/first --resume --epochs 40
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..backend import Array, BackendUnavailable, get_backend
from ..command_line import OneSentenceParser, between, one_sentence, positive, say
from ..datasets import DatasetError
from ..files import new_folder
from ..game import UPDATES
from ..gan import GAN
from ..losses import OBJECTIVES
from ..metrics import JudgeError
from ..recipes import RECIPES, Recipe
from ..runs import Measure, RunFolder, RunSettings, describes, read_config, repeats_of, steps_of
from ..training import TrainingDiverged
from ..training.data import data_samples, steps_per_epoch
from ..training.loop import deferred_interrupt
from .data import Data, is_known, is_path, mnist_and_judge, run_data, training_data
from .options import (
    add_backend,
    add_data_dir,
    add_own_images,
    folder,
    how_to_load,
    in_options,
    option,
    seed,
)
from .recipes import list_recipes

SHEETS = 50  # that a run has at least, if --epochs says how long it is
# The options of `GAN` that the command line has; `GAN` says what is wrong with a value.
GAME: dict[str, dict[str, Any]] = {
    "loss": {"choices": OBJECTIVES, "metavar": "NAME", "help": ", ".join(OBJECTIVES)},
    "update": {"choices": UPDATES, "help": "simultaneous: one pass through D per step"},
    "k": {"type": positive(int), "metavar": "N", "help": "steps of D per step of G"},
    "pack": {"type": positive(int), "metavar": "N", "help": "samples that D judges at once"},
    "categories": {
        "type": between(0, 10_000),
        "metavar": "N",
        "help": "prefix z with a one-of-N code; 0: none",
    },
    "r1": {
        "type": float,
        "metavar": "X",
        "help": "penalty on D's gradient at real images; penalties add up",
    },
    "r2": {"type": float, "metavar": "X", "help": "the same at generated images"},
    "gradient_penalty": {"type": float, "metavar": "X", "help": "WGAN-GP's, between the two"},
    "penalty_every": {
        "type": positive(int),
        "metavar": "N",
        "help": "penalise every N steps only, N times as strongly",
    },
    "ema": {"type": float, "metavar": "X", "help": "decay of the moving average of G"},
    "label_smoothing": {"type": float, "metavar": "X", "help": "real images get the label 1 - X"},
}


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    description = (__doc__ or "").replace("nngan train", program)
    p = OneSentenceParser(program, usage=f"{program} [options]", description=description)
    p.add_argument(
        "--data", metavar="NAME or PATH",
        help="mnist, fashion, digits, or a folder or file of your own images; "
        "default: auto, MNIST or else the 8x8 digits",
    )  # fmt: skip
    add_data_dir(p)
    add_backend(p, default=None)
    p.add_argument(
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        help="the game, a name that --list-recipes shows; default: default",
    )
    p.add_argument("--list-recipes", action="store_true", help="list the games and exit")
    p.add_argument("--images", type=positive(int), metavar="N", help="train on the first N only")
    p.add_argument(
        "--sample-every", type=positive(int), metavar="N", help="draw a sheet every N epochs"
    )
    p.add_argument(
        "--measure-every", type=positive(int), metavar="N", help="score the digits every N epochs"
    )
    p.add_argument("--seed", type=seed, metavar="N", help="another number, another run; default: 0")
    p.add_argument(
        "--out", type=folder, metavar="DIR", help="folder of the run; default: a new one in runs/"
    )
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    add_own_images(p)
    group = p.add_argument_group("overrides of the recipe")
    group.add_argument(
        "--epochs", type=positive(int), metavar="N", help="passes through the images, in total"
    )
    group.add_argument("--batch-size", type=positive(int), metavar="N", help="images per step")
    group.add_argument("--latent-dim", type=positive(int), metavar="N", help="size of z")
    group.add_argument(
        "--lr", type=positive(float), metavar="X", help="learning rate of G; D's keeps its ratio"
    )
    for name, how in GAME.items():
        group.add_argument(option(name), **how)
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan train") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    if options.list_recipes:
        list_recipes()
        return 0
    try:
        run, gan, x, labels = old_run(options) if options.resume else new_run(options)
        # In this order: the run saves the scores.
        callbacks: list[Callable[[GAN], None]] = [*measures(run, gan), run]
        if options.resume:
            run.write_config(gan)  # with the new settings
        else:
            create(run, gan, is_named=options.out is not None)
    except (
        ValueError, OSError, MemoryError, DatasetError, JudgeError, BackendUnavailable
    ) as error:  # fmt: skip
        command.error(in_options(error, command))

    settings, status = run.settings, 0
    say(
        f"{settings.recipe} on {len(x):,} images of {size_of(settings, x)} ({settings.data}), "
        f"{settings.epochs:,} epochs, {gan.backend.name}: "
        f"G {gan.G.size:,} and D {gan.D.size:,} parameters"
        f"{penalties(gan)}; into {run.path}"
    )
    say("Look at latest.png and losses.png there while it trains.")
    try:
        if gan.epoch < settings.epochs:
            gan.fit(
                x, settings.epochs - gan.epoch, settings.batch_size,
                labels=labels if gan.classes else None, callbacks=callbacks,
            )  # fmt: skip
        else:
            say(f"Nothing to do: the run has {gan.epoch} epochs; --epochs N asks for more.")
    except KeyboardInterrupt:
        try:
            with deferred_interrupt():  # often pressed twice
                run.save(gan)
        except OSError as error:
            say(f"\nStopped, but {one_sentence(error)}; {last_saved(run)}")
            return 1
        step = int(gan.backend.to_numpy(gan.clock)[0])
        say(
            f"\nStopped in epoch {gan.epoch + 1}, after step {step:,}; nothing is lost. Go on with:"
        )
        say(f"  {shlex.join(resume_command(run))}")
        status = 130
    except (TrainingDiverged, OSError, ValueError) as error:
        say(f"\n{in_options(error, command)}; {last_saved(run)}")
        return 1
    try:
        run.draw(gan)
    except (OSError, ValueError) as error:
        say(f"No pictures drawn: {one_sentence(error)}")
        return status or 1
    paths = [run.path / name for name in ("samples", "progress.gif", "losses.png", "metrics.png")]
    if drawn := [str(path) for path in paths if path.exists()]:
        say(f"Pictures: {', '.join(drawn)}")
    return status


# -- a new run, or one to go on with -------------------------------------------------------------


def new_run(options: argparse.Namespace) -> tuple[RunFolder, GAN, Array, Array | None]:
    """Return a folder that is not made yet, a game at its beginning, images and labels."""
    how = how_to_load(options)
    recipe_name = options.recipe or "default"
    recipe = replace(RECIPES[recipe_name], **given(options, ("batch_size", "latent_dim")))
    recipe = recipe.with_game(**given(options, GAME))
    if options.lr is not None:
        recipe = recipe.with_lr(options.lr)
    backend = get_backend(options.backend or "numpy")  # may be refused: before a download
    data = training_data(options.data or "auto", options.data_dir, how).first(options.images)
    x, labels = data.x, data.labels
    recipe = with_classes(recipe, data)
    repeats, k = repeats_of(len(x)), recipe.game.get("k", 1)
    epochs = options.epochs or recipe.epochs * repeats
    steps = steps_of(epochs, len(x), recipe.batch_size, k)
    gan = recipe.build(x.shape[1], options.seed or 0, backend, max(1, steps))
    # Both refuse what `fit` would, with no folder made.
    steps_per_epoch(gan, len(x), recipe.batch_size)
    data_samples(gan, x)
    most = max(1, options.epochs // SHEETS) if options.epochs else epochs
    settings = RunSettings(
        epochs=epochs, batch_size=recipe.batch_size, data=data.name, shape=data.shape,
        load=how or None, digest=data.digest() if is_path(data.name) else None,
        data_dir=absolute(options.data_dir or os.environ.get("NNGAN_DATA")), images=len(x),
        recipe=recipe_name, seed=options.seed or 0,
        sample_every=options.sample_every or min(recipe.sample_every * repeats, most),
        measure_every=options.measure_every,
    )  # fmt: skip
    name = Path(data.name).stem
    out = options.out or Path("runs") / f"{name}-{recipe_name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return RunFolder(out, settings), gan, x, labels


def old_run(options: argparse.Namespace) -> tuple[RunFolder, GAN, Array, Array | None]:
    """Return the run in ``--out`` as it was last saved, its images and labels."""
    if options.out is None:
        raise ValueError("--resume needs --out, the folder of the run to go on with")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            run, gan = RunFolder.resume(options.out, options.backend)
    except FileNotFoundError:
        raise ValueError(f"no run to go on with: {options.out} has no checkpoint.npz") from None
    for warning in caught:  # of other threads, versions, another backend
        say(str(warning.message))
    settings = run.settings
    refuse_changes(options, settings, gan)
    epochs = options.epochs or settings.epochs
    if epochs < gan.epoch:
        raise ValueError(
            f"the run has {gan.epoch} epochs already: --epochs must be {gan.epoch} or more"
        )
    data_dir = absolute(options.data_dir) or settings.data_dir
    if not is_known(settings.data):
        raise ValueError(
            f"the run in {options.out} was begun in Python, with data named {settings.data!r}: go "
            "on with it in Python, RunFolder.resume and GAN.fit"
        )
    data = run_data(settings, options.data, absolute(options.data_dir))
    x, labels = data.x, data.labels
    steps = steps_of(settings.epochs, len(x), settings.batch_size, gan.k)
    if epochs != settings.epochs and gan.g_optimizer.schedule == ("linear", steps):
        raise ValueError(
            f"the learning rate of the run in {options.out} falls to zero over its "
            f"{settings.epochs} epochs: leave --epochs out, or choose another --out"
        )
    if x.shape[1] != gan.G.n_out:
        raise ValueError(
            f"the networks in {run.checkpoint} take {gan.G.n_out} pixels, not {x.shape[1]}"
        )
    if run.config.exists() and not describes(read_config(run.config)[1], gan):
        raise ValueError(f"{run.checkpoint} is of another network than {run.config} describes")
    run.change(
        epochs=epochs, images=len(x), data=data.name, data_dir=data_dir,
        sample_every=options.sample_every or settings.sample_every,
        measure_every=options.measure_every or settings.measure_every,
    )  # fmt: skip
    return run, gan, x, labels


def refuse_changes(options: argparse.Namespace, settings: RunSettings, gan: GAN) -> None:
    """Refuse an option that differs from the run's and cannot change any more."""
    there = {name: getattr(settings, name) for name in ("recipe", "batch_size", "seed", "images")}
    there |= {name: getattr(gan, name) for name in (*GAME, "latent_dim")}
    there |= {"data": settings.data, "lr": gan.g_optimizer.lr}
    asked = {name: getattr(options, name) for name in there}
    if is_path(options.data) and is_path(settings.data):
        asked["data"] = None  # the images may have moved: `old_run` compares their digests
    how = how_to_load(options)
    asked |= how
    there |= {name: (settings.load or {}).get(name) for name in how}
    for name, value in there.items():
        # A list in JSON was a tuple.
        if asked[name] not in (None, "auto", tuple(value) if isinstance(value, list) else value):
            raise ValueError(
                f"the run in {options.out} has {name.replace('_', ' ')} {value}, not "
                f"{asked[name]}: leave {option(name)} out, or choose another --out"
            )


def with_classes(recipe: Recipe, data: Data) -> Recipe:
    """Return a conditional recipe with as many classes as the data have; others as they are."""
    if not recipe.game.get("classes"):
        return recipe
    if data.labels is None:
        raise ValueError(
            f"a conditional recipe needs a label for each image, and {data.name} has none: put the "
            "images of each class into a folder of its own, or choose another --recipe"
        )
    return recipe.with_game(classes=int(data.labels.max()) + 1)


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def absolute(data_dir: str | None) -> str | None:
    """Return a path that still holds when the run goes on from another folder."""
    return os.path.abspath(os.path.expanduser(data_dir)) if data_dir else None


def measures(run: RunFolder, gan: GAN) -> list[Measure]:
    """Return the callback that measures the run, if it is to be measured."""
    settings = run.settings
    if settings.measure_every is None:
        return []
    if settings.data != "mnist":
        raise ValueError(
            f"--measure-every scores MNIST's digits, and the run is on {settings.data}: leave it "
            "out, or choose --data mnist"
        )
    return [Measure(run, *mnist_and_judge(gan.backend, settings.data_dir))]


def create(run: RunFolder, gan: GAN, is_named: bool) -> None:
    """Make the folder of a new run; unless the user named it, it is one that nobody has.

    It is not made among the images that the run learns from: they would become more.
    """
    images, out = Path(run.settings.data), run.path.absolute()
    if images.is_absolute() and images in (out, *out.parents):
        raise ValueError(
            f"--out {run.path} is in the folder of your images, {images}: choose another --out"
        )
    if not is_named:
        run.path = new_folder(run.path)
    try:
        run.create(gan)
    except FileExistsError as error:
        raise ValueError(
            f"{error}: add --resume to go on with it, or choose another --out"
        ) from None


# -- messages ------------------------------------------------------------------------------------


def size_of(settings: RunSettings, x: Array) -> str:
    """Return the size of an image, such as 28x28, or of a sample that is none."""
    return "x".join(map(str, settings.shape or (x.shape[1],)))


def penalties(gan: GAN) -> str:
    """Return the penalties on D's gradient that are on, for they add up."""
    names = ("r1", "r2", "gradient_penalty")
    on = [f"{option(name)} {value:g}" for name in names if (value := getattr(gan, name))]
    every = f" every {gan.penalty_every} steps" if gan.penalty_every > 1 else ""
    return f", D penalised by {' and '.join(on)}{every}" if on else ""


def last_saved(run: RunFolder) -> str:
    """Return what is left of a run that could not be saved."""
    return f"{run.checkpoint} has the state after the last epoch that was saved"


def resume_command(run: RunFolder) -> list[str]:
    """Return the command that goes on with a run, from any folder."""
    return [*this_program(), "--out", os.path.abspath(run.path), "--resume"]


def this_program() -> list[str]:
    """Return the words that this program was called with, before its options, in full."""
    script = Path(os.path.abspath(sys.argv[0]))
    if script.name == "__main__.py":
        return [sys.executable, "-m", "nngan", "train"]
    if script.suffix == ".py":  # examples/train_mnist.py
        return [sys.executable, str(script)]
    found = shutil.which(script.name)
    in_path = found is not None and script.exists() and os.path.samefile(found, script)
    return [script.name if in_path else str(script), "train"]
