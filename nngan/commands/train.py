"""Train a GAN on handwritten digits, or on images of your own; keep the pictures.

nngan train                      # MNIST; offline scikit-learn's 8x8 digits
nngan train --data photos        # the folder photos, with images of your own
nngan train --backend numpy      # without a GPU, and without compiled loops
nngan train --measure-every 2    # also score the digits every second epoch
nngan train --out runs/first --resume --epochs 40
mpiexec -n 4 nngan train --distributed   # one game on four processes, over MPI
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, BackendUnavailable
from ..command_line import OneSentenceParser, one_sentence, positive, say, sigterm_is_ctrl_c
from ..datasets import DatasetError
from ..distributed import ALONE, check_shards, ending_all, fit, world
from ..gan import GAN
from ..metrics import JudgeError
from ..recipes import RECIPES
from ..runs import Measure, RunFolder, RunSettings, Watch
from ..runs.folder import COLUMNS, sheet_labels
from ..training import TrainingDiverged
from ..training.loop import deferred_interrupt
from .begin import GAME, create, new_run, old_run
from .data import mnist_and_judge
from .options import (
    add_backend,
    add_data_dir,
    add_own_images,
    folder,
    in_options,
    option,
    seed,
)
from .recipes import list_recipes

FEW = 64  # samples that tell whether they are alike


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
    add_backend(p, "cupy", "numba")
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
    p.add_argument(
        "--watch", action="store_true",
        help="print a line when something begins to go wrong; takes 3 %% of the time",
    )  # fmt: skip
    p.add_argument("--seed", type=seed, metavar="N", help="another number, another run; default: 0")
    p.add_argument(
        "--out", type=folder, metavar="DIR", help="folder of the run; default: a new one in runs/"
    )
    p.add_argument("--resume", action="store_true", help="go on with the run in --out")
    p.add_argument(
        "--distributed", action="store_true", help="play on all processes that mpiexec started"
    )
    p.add_argument(
        "--shards", type=positive(int), metavar="N",
        help="cut each step into N parts, which decides its last bits; default: one per process",
    )  # fmt: skip
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
        comm: Any = world() if options.distributed else ALONE
    except BackendUnavailable as error:
        command.error(in_options(error, command))
    if not options.resume and options.shards is None:
        options.shards = comm.size
    with ending_all(comm):
        status = (lead if comm.rank == 0 else follow)(options, command, comm)
        if status and comm.size > 1:
            comm.Abort(status)  # the others wait for this one
        return status


def lead(options: argparse.Namespace, command: OneSentenceParser, comm: Any) -> int:
    """Train as the process that reads and writes the run; return the exit status."""
    try:
        run, gan, x, labels = old_run(options) if options.resume else new_run(options)
        check_shards(gan, run.settings.batch_size, run.settings.shards, comm.size)
        # In this order: the run saves the scores.
        callbacks: list[Callable[[GAN], None]] = [*measures(run, gan), run]
        if options.watch:
            callbacks.append(Watch(x, labels))
        if options.resume:
            run.write_config(gan)  # with the new settings
        else:
            create(run, gan, is_named=options.out is not None)
    except (
        ValueError, OSError, MemoryError, DatasetError, JudgeError, BackendUnavailable
    ) as error:  # fmt: skip
        comm.bcast(None)
        command.error(in_options(error, command))

    settings, status = run.settings, 0
    labels = labels if gan.classes else None
    if comm.size > 1:
        checkpoint = run.checkpoint.read_bytes()
        comm.bcast((checkpoint, gan.backend.name, x, labels, settings, last_saved(run)))
    say(
        f"{settings.recipe} on {len(x):,} images of {size_of(settings, x)} ({settings.data}), "
        f"{settings.epochs:,} epochs, {gan.backend.name}: "
        f"G {gan.G.size:,} and D {gan.D.size:,} parameters"
        f"{penalties(gan)}; into {run.path}"
    )
    say("Look at latest.png and losses.png there while it trains.")
    if columns := columns_of(gan, settings):
        say(columns)
    if gan.clock and gan.epoch < settings.epochs:
        say(f"The run goes on at epoch {gan.epoch + 1:,} of {settings.epochs:,}.")
    if comm.size > 1:
        say(
            f"On {comm.size} processes, {settings.shards} shards. If one process ends, all end; "
            f"go on with:\n  {shlex.join(resume_command(run, comm.size))}"
        )
    with sigterm_is_ctrl_c():
        try:
            if gan.epoch < settings.epochs:
                fit(
                    gan, x, settings.epochs - gan.epoch, settings.batch_size,
                    shards=settings.shards, comm=comm, labels=labels, callbacks=callbacks,
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
            place = f"epoch {gan.epoch + 1}, after step {step:,}"
            say(f"\nStopped in {place}; nothing is lost. Go on with:")
            say(f"  {shlex.join(resume_command(run, comm.size))}")
            status = 130
        except (TrainingDiverged, OSError, ValueError) as error:
            say(f"\n{in_options(error, command)}; {last_saved(run)}")
            return 1
    if gan.epoch and is_nearly_constant(gan, x):
        say("The samples are still nearly alike: the run is young, let it go on.")
    try:
        run.draw(gan)
    except (OSError, ValueError) as error:
        say(f"No pictures drawn: {one_sentence(error)}")
        return status or 1
    paths = [run.path / name for name in ("samples", "progress.gif", "losses.png", "metrics.png")]
    if drawn := [str(path) for path in paths if path.exists()]:
        say(f"Pictures: {', '.join(drawn)}")
    return status


def follow(options: argparse.Namespace, command: OneSentenceParser, comm: Any) -> int:
    """Train as a process that neither reads nor writes anything; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process saves, and ends all
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    handed = comm.bcast(None)
    if handed is None:
        sys.exit(2)
    checkpoint, backend, x, labels, settings, saved = handed
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "checkpoint.npz")
            path.write_bytes(checkpoint)
            gan = GAN.load(path, backend)
        if gan.epoch < settings.epochs:
            fit(
                gan, x, settings.epochs - gan.epoch, settings.batch_size, shards=settings.shards,
                comm=comm, labels=labels, progress=False,
            )  # fmt: skip
    except TrainingDiverged:  # in the first process too, which says so and ends all
        comm.Barrier()
    except (ValueError, BackendUnavailable, OSError, MemoryError) as error:
        say(f"\n{in_options(error, command)}; {saved}")
        return 1
    return 0


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


def is_nearly_constant(gan: GAN, x: Array) -> bool:
    """Tell whether the samples differ from each other by less than a tenth of what images do."""
    samples, images = gan.sample(FEW), x[:: max(1, len(x) // FEW)]
    spread = images.std(axis=0).mean() / (255 if images.dtype == np.uint8 else 1)
    return bool(samples.std(axis=0).mean() < 0.1 * spread)


# -- messages --------------------------------------------------------------------------------------


def size_of(settings: RunSettings, x: Array) -> str:
    """Return the size of an image, such as 28x28, or of a sample that is none."""
    return "x".join(map(str, settings.shape or (x.shape[1],)))


def columns_of(gan: GAN, settings: RunSettings) -> str:
    """Return which columns of a sheet show which class, if the classes have names."""
    classes, names = gan.classes, settings.class_names or ()
    if not 0 < classes <= min(COLUMNS, len(names)):
        return ""
    each = sheet_labels(classes)[1] // classes
    places = [f"{i * each + 1} to {(i + 1) * each}" if each > 1 else f"{i + 1}"
              for i in range(classes)]  # fmt: skip
    said = ", ".join(f"{name} {place}" for name, place in zip(names, places, strict=False))
    return f"Columns of a sheet: {said}."


def penalties(gan: GAN) -> str:
    """Return the penalties on D's gradient that are on, for they add up."""
    names = ("r1", "r2", "gradient_penalty")
    on = [f"{option(name)} {value:g}" for name in names if (value := getattr(gan, name))]
    every = f" every {gan.penalty_every} steps" if gan.penalty_every > 1 else ""
    return f", D penalised by {' and '.join(on)}{every}" if on else ""


def last_saved(run: RunFolder) -> str:
    """Return what is left of a run that could not be saved."""
    return f"{run.checkpoint} has the state after the last epoch that was saved"


def resume_command(run: RunFolder, processes: int = 1) -> list[str]:
    """Return the command that goes on with a run, from any folder."""
    words = [*this_program(), "--out", os.path.abspath(run.path), "--resume"]
    return ["mpiexec", "-n", str(processes), *words, "--distributed"] if processes > 1 else words


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
