"""Count the modes of a 2-D mixture that a game finds, as the PacGAN paper does.

nngan mixtures ring                   # ten seeds, eight modes
nngan mixtures grid --plot grid.png   # ten seeds, 25 modes, and a picture
nngan mixtures ring --plain           # a game that may collapse

Every run learns from the same 100,000 points and is judged by 2,500 samples.
When it is done, it prints its line and adds its numbers to the file of --json.
With --keep, the same call goes on where another was stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..backend import Array, BackendUnavailable
from ..command_line import OneSentenceParser, one_sentence, positive, say
from ..datasets import GRID, RING, Mixture
from ..files import atomic_write
from ..layers import LeakyReLU, Linear
from ..metrics import Estimate, Modes, count_modes, over_runs
from ..metrics.modes import RADIUS, RUNS, SAMPLES
from ..plotting import plot_mixtures
from ..recipes import MIXTURES, Recipe
from ..stored import DamagedFile, open_npz
from ..training import TrainingDiverged
from .jobs import side_by_side
from .options import PICTURES, add_backend, chosen_backend, folder, in_options, output

POINTS = 100_000
DATA: dict[str, Mixture] = {"ring": RING, "grid": GRID}
NAMES = ("covered", "high_quality", "reverse_kl")
# Lin et al. (PacGAN), NeurIPS 2018, Table 1: the best of each column, from different games.
PUBLISHED = {
    "ring": (Estimate(7.9, 0.1), Estimate(0.982, 0.002), Estimate(0.07, 0.02)),
    "grid": (Estimate(24.8, 0.2), Estimate(0.957, 0.006), Estimate(0.04, 0.01)),
}
# Nothing against collapse, like the game of examples/ring.py.
PLAIN = Recipe(
    summary="the game of 2014: no penalty, no decay, no average",
    latent_dim=2,
    generator=lambda z, x: (
        Linear(z, 128, "he"), LeakyReLU(0.2),
        Linear(128, 128, "he"), LeakyReLU(0.2),
        Linear(128, x),
    ),
    discriminator=lambda x: (
        Linear(x, 128, "he"), LeakyReLU(0.2),
        Linear(128, 128, "he"), LeakyReLU(0.2),
        Linear(128, 1),
    ),
    optimizer={"type": "Adam", "lr": 1e-3, "beta1": 0.5},
    batch_size=250,
    epochs=15,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The result of one seed."""

    seed: int
    steps: int
    minutes: float
    samples: Array
    modes: Modes


def train(seed: int, name: str, plain: bool, steps: int | None, backend: str) -> Run:
    """Train one game, in a process of its own, and count its modes."""
    tqdm.set_lock(threading.RLock())  # its default, a semaphore of the system, would be left behind
    recipe, mixture = PLAIN if plain else MIXTURES[name], DATA[name]
    epoch = POINTS // recipe.batch_size
    steps = recipe.epochs * epoch if steps is None else steps
    epochs = math.ceil(steps / epoch)
    # A run of less than an epoch gets only the points that its steps take.
    x = mixture.sample(POINTS, seed=0)[0][: steps * recipe.batch_size]
    gan = recipe.build(2, seed, backend, steps=epochs * (len(x) // recipe.batch_size))
    started = time.perf_counter()
    with threadpool_limits(1):  # the matrices are small
        gan.fit(x, epochs, recipe.batch_size, progress=False)
    minutes = (time.perf_counter() - started) / 60
    samples = gan.sample(SAMPLES, seed=seed)
    done = int(gan.backend.to_numpy(gan.clock)[0])
    return Run(seed, done, minutes, samples, count_modes(samples, mixture))


def played(
    seed: int, name: str, plain: bool, steps: int | None, backend: str, kept_in: Path | None
) -> Run:
    """Return the run of a seed: the one in `kept_in`, if any, else a new one, kept there."""
    game: dict[str, Any] = {"name": name, "plain": plain, "steps": steps, "backend": backend}
    if kept_in is None:
        return train(seed, **game)
    title = f"{name}-plain" if plain else name
    path = kept_in / f"{title}-{backend}-{steps or 'all'}-steps-seed-{seed}.npz"
    with contextlib.suppress(DamagedFile, OSError):  # damaged, or none yet
        return kept(path, seed, DATA[name])
    run = train(seed, **game)
    with atomic_write(path) as new:
        np.savez(new, samples=run.samples, steps=run.steps, minutes=run.minutes)
    return run


def kept(path: Path, seed: int, mixture: Mixture) -> Run:
    """Return a run that was kept. DamagedFile if it is another file, or damaged."""
    with open_npz(path) as file:
        samples, done, minutes = (file.read(name) for name in ("samples", "steps", "minutes"))
    is_whole = samples.shape == (SAMPLES, 2) and (done.shape, minutes.shape) == ((), ())
    kinds = str(samples.dtype), done.dtype.kind, str(minutes.dtype)
    is_whole &= kinds == ("float32", "i", "float64")
    if not (is_whole and np.isfinite(samples).all() and np.isfinite(minutes)):
        raise DamagedFile("it is no run of a mixture")
    return Run(seed, int(done), float(minutes), samples, count_modes(samples, mixture))


def line(label: str, covered: object, quality: object, kl: object, minutes: str = "") -> str:
    """Return a line of the table."""
    return f"{label:<26}{covered!s:>15}{quality!s:>18}{kl!s:>20}{minutes:>10}"


def percent(share: Estimate) -> str:
    """Return a share and its error in per cent."""
    return str(Estimate(100 * share.value, 100 * share.error))


def table(runs: Sequence[Run], name: str) -> str:
    """Return the mean over runs, next to that of real data and the best published."""
    rows = [f"real data, {RUNS} draws", "best of PacGAN's Table 1"]
    real = over_runs(
        [count_modes(DATA[name].sample(SAMPLES, i + 1)[0], DATA[name]) for i in range(RUNS)]
    )
    means = [tuple(real[key] for key in NAMES), PUBLISHED[name]]
    if len(runs) > 1:
        found = over_runs([run.modes for run in runs])
        rows.insert(0, f"mean of {len(runs)} seeds")
        means.insert(0, tuple(found[key] for key in NAMES))
    return "\n".join(
        line(row, covered, percent(quality), kl)
        for row, (covered, quality, kl) in zip(rows, means, strict=True)
    )


def report(run: Run) -> dict[str, object]:
    """Return a run's row for --json."""
    numbers = {key: getattr(run.modes, key) for key in NAMES}
    return {"seed": run.seed, "steps": run.steps, "minutes": run.minutes, **numbers}


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    p = OneSentenceParser(program, description=__doc__)
    p.add_argument(
        "mixture", choices=DATA, help="ring: eight Gaussians on a circle; grid: 25 in a square"
    )
    p.add_argument(
        "--seeds", type=positive(int), default=RUNS, metavar="N",
        help=f"run the seeds 0 to N - 1; default: {RUNS}",
    )  # fmt: skip
    p.add_argument(
        "--steps", type=positive(int), metavar="N",
        help="of a run; default: the recipe's; above 400 rounded up to epochs of 400",
    )  # fmt: skip
    p.add_argument("--plain", action="store_true", help="the game of 2014: no penalty, no decay")
    add_backend(p, "numba")  # small games, one on each core
    p.add_argument(
        "--processes",
        type=positive(int),
        metavar="N",
        help="runs side by side; default: one per core; cupy: 1",
    )
    p.add_argument(
        "--keep", type=folder, metavar="DIR",
        help="keep each run in this folder, where the same call finds those that are done",
    )  # fmt: skip
    p.add_argument(
        "--plot", type=output(*PICTURES), metavar="FILE", help="draw all runs into this file"
    )
    p.add_argument(
        "--json", type=output(), metavar="FILE", help="write the numbers of all runs to this file"
    )
    return p


def parse(arguments: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Read the options; refuse a backend that cannot run before anything is trained."""
    command = parser(program)
    options = command.parse_args(arguments)
    try:
        options.backend = chosen_backend(options).name
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
    except (BackendUnavailable, OSError) as error:
        command.error(in_options(error, command))
    if options.processes is None and options.backend.startswith("cupy"):
        options.processes = 1
    return options


def keep(runs: list[Run], path: Path | None) -> int:
    """Write the numbers of all runs so far, by seed; return 1 if they cannot be written, else 0."""
    runs.sort(key=lambda run: run.seed)
    try:
        if runs and path is not None:
            with atomic_write(path) as file:
                file.write((json.dumps([report(run) for run in runs], indent=2) + "\n").encode())
    except OSError as error:  # the other seeds go on, and the next one tries again
        say(f"not written: {one_sentence(error)}")
        return 1
    return 0


def draw(runs: Sequence[Run], options: argparse.Namespace) -> None:
    """Draw the samples of all runs."""
    titles = [
        f"seed {run.seed}: {run.modes.covered} modes, {run.modes.high_quality:.1%}" for run in runs
    ]
    heading = f"{options.mixture}, {runs[0].steps} steps: modes found, share within 3 std"
    mixture = DATA[options.mixture]
    plot_mixtures(
        [run.samples for run in runs],
        real=mixture.sample(SAMPLES, seed=0)[0],
        centers=mixture.centers,
        std=mixture.std,
        path=options.plot,
        titles=titles,
        heading=heading,
        radius=RADIUS,
    )
    say(f"picture: {options.plot}")


def main(arguments: Sequence[str] | None = None, program: str = "nngan mixtures") -> int:
    """Run the command; return the exit status."""
    options, status = parse(arguments, program), 0
    runs: list[Run] = []
    K = len(DATA[options.mixture].centers)
    say(line("", f"modes of {K}", "high quality, %", "reverse KL", "minutes"))
    job = functools.partial(
        played, name=options.mixture, plain=options.plain, steps=options.steps,
        backend=options.backend, kept_in=options.keep,
    )  # fmt: skip
    errors = TrainingDiverged, ValueError, OSError, MemoryError
    try:
        lost = options.seeds  # a cluster may give up a job whose process has ended
        for seed, run in side_by_side(job, range(options.seeds), options.processes, errors):
            lost -= 1
            if isinstance(run, Exception):
                say(f"seed {seed}: {one_sentence(run)}")
                status = 1
                continue
            runs.append(run)
            status = keep(runs, options.json) or status
            covered, quality, kl, _ = run.modes
            label, minutes = f"seed {run.seed}, {run.steps} steps", f"{run.minutes:.2f}"
            say(line(label, covered, f"{quality:.2%}"[:-1], f"{kl:.4f}", minutes))
        if lost:
            say(f"{lost} seeds ended without an answer: call the command again with --keep DIR")
            status = 1
    except BrokenProcessPool as error:  # the system has ended one, for want of memory perhaps
        say(f"Not all seeds are done: {one_sentence(error)}")
        status = 1
    except KeyboardInterrupt:
        status = 130
        is_kept = not keep(runs, options.json)  # Ctrl-C may have interrupted the call above
        where = f", which {options.json} has" if runs and options.json and is_kept else ""
        say(f"\nStopped after {len(runs)} of {options.seeds} seeds{where}")
    say(table(runs, options.mixture))
    if runs and options.plot is not None:
        try:
            draw(runs, options)
        except OSError as error:
            say(f"no picture: {one_sentence(error)}")
            status = status or 1
    return status
