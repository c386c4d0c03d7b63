"""The run of ``nngan train``: one that begins, or one that goes on, and what it may not change."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..backend import Array
from ..checks import shortened
from ..command_line import between, positive, say
from ..files import new_folder
from ..game import UPDATES
from ..gan import GAN
from ..losses import OBJECTIVES
from ..recipes import RECIPES, Recipe
from ..runs import (
    RunFolder,
    RunSettings,
    describes,
    read_config,
    repeats_of,
    steps_of,
    take_threads,
)
from ..stored import memory_limit, readable
from ..training.data import data_samples, steps_per_epoch
from .data import Data, is_known, is_path, run_data, training_data
from .options import chosen_backend, how_to_load, option

LEAST = 2  # images of a minibatch
COPIES = 4  # of each parameter: itself, its gradient, and the two averages of Adam
FIXED = "recipe", "batch_size", "seed", "images", "shards"  # settings that no run can change
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


def new_run(options: argparse.Namespace) -> tuple[RunFolder, GAN, Array, Array | None]:
    """Return a folder that is not made yet, a game at its beginning, images and labels."""
    how = how_to_load(options)
    recipe_name = options.recipe or "default"
    recipe = replace(RECIPES[recipe_name], **given(options, ("batch_size", "latent_dim")))
    recipe = recipe.with_game(**given(options, GAME))
    if options.lr is not None:
        recipe = recipe.with_lr(options.lr)
    backend = chosen_backend(options)  # may be refused: before a download
    data = training_data(options.data or "auto", options.data_dir, how).first(options.images)
    x, labels = data.x, data.labels
    if data.summary:
        say(f"Read {data.summary}")
    recipe = with_classes(recipe, recipe_name, data)
    refuse_too_large(recipe, data)
    repeats, k, usual = repeats_of(len(x)), recipe.game.get("k", 1), recipe.batch_size
    if options.batch_size is None:
        recipe = with_batch(recipe, data)
        repeats = max(1, round(repeats * recipe.batch_size / usual))
    epochs = options.epochs or recipe.epochs * repeats
    steps = steps_of(epochs, len(x), recipe.batch_size, k)
    gan = recipe.build(x.shape[1], options.seed or 0, backend, max(1, steps))
    # Both refuse what `fit` would, with no folder made.
    steps_per_epoch(gan, len(x), recipe.batch_size)
    data_samples(gan, x)
    most = max(1, options.epochs // SHEETS) if options.epochs else epochs
    settings = RunSettings(
        epochs=epochs, batch_size=recipe.batch_size, data=data.name, shape=data.shape,
        class_names=data.class_names or None,
        load=how or None, digest=data.digest() if is_path(data.name) else None,
        data_dir=absolute(options.data_dir or os.environ.get("NNGAN_DATA")), images=len(x),
        recipe=recipe_name, seed=options.seed or 0, shards=options.shards or 1,
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
    with contextlib.suppress(ValueError, OSError):  # `resume` says what is wrong with the folder
        take_threads(read_config(options.out / "config.json")[0].made_with or {})
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            backend = None if options.backend == "auto" else options.backend
            run, gan = RunFolder.resume(options.out, backend)
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
            f"the run in {options.out} was begun in Python, with data named "
            f"{shortened(settings.data)}: go on with it in Python, RunFolder.resume and GAN.fit"
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
    there = {name: getattr(settings, name) for name in FIXED}
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


def with_classes(recipe: Recipe, name: str, data: Data) -> Recipe:
    """Return a conditional recipe with as many classes as the data have; others as they are.

    The recipe `small` is played without classes if the data have none.
    """
    if not recipe.game.get("classes"):
        return recipe
    if data.labels is None and name == "small":
        return recipe.with_game(classes=0)
    if data.labels is None:
        remedy = "name a file of them with --labels"
        if os.path.isdir(data.name):
            remedy = "put the images of each class into a folder of its own, or " + remedy
        raise ValueError(
            f"a conditional recipe needs a label for each image, and {data.name} has none: "
            f"{remedy}, or choose another --recipe"
        )
    return recipe.with_game(classes=int(data.labels.max()) + 1)


def with_batch(recipe: Recipe, data: Data) -> Recipe:
    """Return the recipe with a batch size that the number of images allows."""
    n, k, pack = len(data.x), recipe.game.get("k", 1), recipe.game.get("pack", 1)
    most = n // k // pack * pack
    if most < LEAST * pack:
        raise ValueError(
            f"{data.name} has {n} image{'s' * (n > 1)}, too few to learn from: add more, a few "
            "hundred are enough to begin with"
        )
    if most >= recipe.batch_size:
        return recipe
    say(f"The batch size is {most} instead of {recipe.batch_size}, because there are {n} images")
    return replace(recipe, batch_size=most)


def refuse_too_large(recipe: Recipe, data: Data) -> None:
    """Refuse images for which the networks would fill more than the limit of memory."""
    g, d = recipe.sizes(data.x.shape[1])
    copies = COPIES * (g + d) + (g if recipe.game.get("ema") else 0)
    if (size := 4 * copies) > (limit := memory_limit()):
        raise ValueError(
            f"for images of {'x'.join(map(str, data.shape))} G has {g:,} and D {d:,} parameters, "
            f"and to train them takes {readable(size)} of memory. The limit is "
            f"{readable(limit)}: lower --size, to --size 32 say, or set the environment variable "
            "NNGAN_MEMORY"
        )


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def absolute(data_dir: str | None) -> str | None:
    """Return a path that still holds when the run goes on from another folder."""
    return os.path.abspath(os.path.expanduser(data_dir)) if data_dir else None


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
