"""Train recipes on MNIST over several seeds, measure them, and print one table.

nngan table default                        # three seeds, first 50,000 images
nngan table tf_basic r1 --seeds 5 --out runs/table
nngan table default --epochs 10            # shorter than the recipe says

Every run has a folder of its own in --out, made by `nngan train` and measured
by `nngan evaluate`. A run that is there already is not made again. One that was
cut off goes on, as does one of fewer epochs; another call adds more seeds or
recipes. A folder with a run of other settings is named and left alone. Runs go
side by side, one per core; with cupy one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import BackendUnavailable
from ..command_line import PARENT, OneSentenceParser, one_sentence, positive, say
from ..recipes import RECIPES
from ..runs import describes, read_config, repeats_of
from ..stored import DamagedFile, entry, read_json
from .jobs import side_by_side
from .options import add_backend, add_data_dir, chosen_backend, folder, in_options

SAMPLES, LATENT_SEED = 10_000, 0  # the defaults of `nngan evaluate`
COLUMNS = {
    "parzen": ("Parzen, nats", 1),
    "frechet": ("Frechet", 2),
    "class_kl": ("KL of digits", 4),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "density": ("density", 3),
    "coverage": ("coverage", 3),
}
UNDER_WAY: list[subprocess.Popen[bytes]] = []  # the commands of the runs in this process
Wanted = Mapping[str, Any]  # options of `nngan train` by their names
Runs = Mapping[Path, Wanted]


def wanted(recipe: str, seed: int, options: argparse.Namespace) -> Wanted:
    """Return the settings of a run of the table, under their names in `RunSettings`."""
    epochs = options.epochs or RECIPES[recipe].epochs * repeats_of(options.images)
    return {
        "data": "mnist", "recipe": recipe, "seed": seed, "images": options.images, "epochs": epochs,
    }  # fmt: skip


def conflict(run: Path, settings: Wanted) -> str:
    """Return in a sentence how the run in a folder differs from `settings`; "" if it does not.

    A run of fewer epochs does not differ: it is not yet at its end.
    """
    try:
        there, game = read_config(run / "config.json")
    except FileNotFoundError:
        return ""
    except (ValueError, OSError) as error:
        return one_sentence(error)
    differ = [n for n in settings if n != "epochs" and getattr(there, n) != settings[n]]
    if there.epochs > settings["epochs"]:
        differ.append("epochs")
    said = ", ".join(f"{name} {getattr(there, name)} (not {settings[name]})" for name in differ)
    recipe = RECIPES[settings["recipe"]]
    same = there.batch_size == recipe.batch_size
    if not said and not (same and describes(game, recipe.build(784, settings["seed"]))):
        said = f"other options than the recipe {settings['recipe']} has now"
    return said and f"{run} holds a run with {said}: choose another --out"


def read_report(run: Path) -> dict[str, Any]:
    """Return the content of a run's metrics.json; nothing if it is missing or not whole."""
    try:
        report: dict[str, Any] = read_json(run / "metrics.json")
        for name in ("epoch", "samples", "seed"):
            entry(report, name, int)
        scores = entry(report, "metrics", dict)
        for name in COLUMNS:
            for part in ("value", "real"):
                entry(entry(scores, name, dict), part, int, float)
    except (OSError, DamagedFile):
        return {}
    return report


def complete(run: Path, settings: Wanted) -> bool:
    """Tell whether a run was measured after its last epoch, with the samples of the table."""
    report = read_report(run)
    found = tuple(report.get(name) for name in ("epoch", "samples", "seed"))
    return found == (settings["epochs"], SAMPLES, LATENT_SEED)


def play(job: tuple[Path, Wanted], options: argparse.Namespace) -> None:
    """Train and measure one run, or the rest of it; write two logs next to its folder."""
    run, settings = job
    train = ["--out", run, "--backend", options.backend]
    for name, value in settings.items():
        train += [f"--{name}", value]
    if (run / "checkpoint.npz").exists():
        train += ["--resume"]
    measure = [run, "--backend", options.backend]
    if options.data_dir:
        train, measure = ([*given, "--data-dir", options.data_dir] for given in (train, measure))
    cores = os.cpu_count() or 1
    threads = max(1, cores // (options.processes or cores))
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), PARENT: "yes"}
    for command, arguments in (("train", train), ("evaluate", measure)):
        log = run.with_suffix(f".{command}.log")
        started = time.monotonic()
        with open(log, "a") as out, open_while_we_live() as ours:
            words = [sys.executable, "-m", "nngan", command, *arguments]
            process = subprocess.Popen(
                [str(word) for word in words], stdin=ours, stdout=out, stderr=subprocess.STDOUT,
                env=environment,
            )  # fmt: skip
            UNDER_WAY.append(process)
            status = process.wait()
            UNDER_WAY.remove(process)
        if status:
            raise RuntimeError(f"nngan {command} ended with status {status}: see {log}")
        minutes = (time.monotonic() - started) / 60
        say(f"{run}: nngan {command}, {minutes:.1f} minutes")


@contextlib.contextmanager
def open_while_we_live() -> Iterator[int]:
    """Yield the reading end of a pipe that ends with this process, however it ends."""
    ours, theirs = os.pipe()
    try:
        yield ours
    finally:
        os.close(ours)
        os.close(theirs)


def row(name: str, reports: Iterable[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a row of the table: means over the runs, with standard errors if there are several.

    These are the errors of the mean over seeds. The errors in a run's metrics.json are of another
    kind: they say how much 10,000 other samples of the same generator would change a score.
    """
    reports = list(reports)
    cells = [name, str(len(reports))]
    for key, (_, digits) in COLUMNS.items():
        values = np.array([report[key]["value"] for report in reports])
        cell = f"{values.mean():.{digits}f}"
        if len(values) > 1:
            cell += f" ± {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"
        cells.append(cell)
    return cells


def table(runs: Runs) -> str:
    """Return the means of the runs as a table in Markdown, real images first."""
    title = ["", "seeds", *(title for title, _ in COLUMNS.values())]
    rows: list[list[str]] = []
    for name in dict.fromkeys(settings["recipe"] for settings in runs.values()):
        of_recipe = {path: s for path, s in runs.items() if s["recipe"] == name}
        reports = [read_report(run)["metrics"] for run in of_recipe]
        if not rows:
            real = {key: {"value": reports[0][key]["real"]} for key in COLUMNS}
            rows.append(row("*real images*", [real]))
            rows[0][1] = ""
        epochs = next(iter(of_recipe.values()))["epochs"]
        rows.append(row(f"`{name}`, {epochs} epochs", reports))
    lines = [title, ["---"] * len(title), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    p, count = OneSentenceParser(program, description=__doc__), positive(int)
    p.add_argument(
        "recipes", nargs="+", choices=RECIPES, metavar="RECIPE", help="names from nngan recipes"
    )
    p.add_argument(
        "--seeds", type=count, default=3, metavar="N", help="run the seeds 0 to N - 1; default: 3"
    )
    p.add_argument("--epochs", type=count, metavar="N", help="of each run; default: the recipe's")
    p.add_argument(
        "--images", type=count, default=50_000, metavar="N",
        help="train on the first N; default: 50000, without those that choose Parzen's bandwidth",
    )  # fmt: skip
    p.add_argument(
        "--out",
        type=folder,
        default=Path("runs/table"),
        metavar="DIR",
        help="folder of the runs; default: runs/table",
    )
    add_backend(p, "cupy", "numba")
    add_data_dir(p)
    p.add_argument(
        "--processes", type=count, metavar="N",
        help="runs side by side; default: one per core; cupy: 1",
    )  # fmt: skip
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan table") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        command.error(one_sentence(error))
    runs = {
        options.out / f"{name}-{seed}": wanted(name, seed, options)
        for seed in range(options.seeds)
        for name in options.recipes
    }
    conflicts = {run: said for run, s in runs.items() if (said := conflict(run, s))}
    for run, said in conflicts.items():
        print(said, file=sys.stderr, flush=True)
        del runs[run]
    jobs = [(run, settings) for run, settings in runs.items() if not complete(run, settings)]
    try:
        if jobs and chosen_backend(options).name.startswith("cupy") and options.processes is None:
            options.processes = 1
    except BackendUnavailable as error:
        command.error(in_options(error, command))
    job, errors = functools.partial(play, options=options), (RuntimeError, OSError)
    failures: list[Exception] = []
    lost = len(jobs)  # a cluster may give up a job whose process has ended
    try:
        for _, failure in side_by_side(job, jobs, options.processes, errors, prefer="threads"):
            lost -= 1
            if failure is not None:
                failures.append(failure)
    except KeyboardInterrupt:  # the runs under way get it too, and save themselves
        for process in [*UNDER_WAY]:
            process.wait()
        print("Stopped; what is done is kept, and the same call goes on with it", file=sys.stderr)
        return 130
    say(table({run: s for run, s in runs.items() if complete(run, s)}))
    for failure in failures:
        print(failure, file=sys.stderr)
    if lost:
        print(f"{lost} runs gave no answer; the same call goes on with them", file=sys.stderr)
    return 1 if conflicts or failures or lost else 0
