"""Train recipes on MNIST over several seeds, measure them, and print one table.

python examples/recipe_table.py default                        # three seeds, first 50,000 images
python examples/recipe_table.py tf_basic r1 --seeds 5 --out runs/table
python examples/recipe_table.py default --epochs 10            # shorter than the recipe says

Every run has a folder of its own in --out, made by train_mnist.py and measured by evaluate.py. What
is there already is not made again: a run that was cut off goes on, as does one of fewer epochs, and
more seeds or recipes are added by another call. A folder with a run of another setting is named and
left alone. Runs go side by side, one for each core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
from train_mnist import describes, repeats_of

from nngan import cli
from nngan.backend import BACKENDS
from nngan.recipes import RECIPES

HERE = Path(__file__).parent
SAMPLES, LATENT_SEED = 10_000, 0  # what evaluate.py draws when it is told nothing else
COLUMNS = {
    "parzen": ("Parzen, nats", 1),
    "frechet": ("Frechet", 2),
    "class_kl": ("KL of digits", 4),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "density": ("density", 3),
    "coverage": ("coverage", 3),
}
Settings = dict[str, Any]
Runs = Mapping[Path, Settings]


def wanted(recipe: str, seed: int, options: argparse.Namespace) -> Settings:
    """Return the settings of a run of the table, under the names that its config.json has."""
    epochs = options.epochs or RECIPES[recipe].epochs * repeats_of(options.images)
    return {
        "data": "mnist", "recipe": recipe, "seed": seed, "images": options.images, "epochs": epochs,
    }  # fmt: skip


def read(path: Path) -> Settings:
    """Return what a JSON file holds; nothing, if it is not there or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def conflict(folder: Path, settings: Settings) -> str:
    """Return in a sentence which other settings the run in a folder has; "" where it has none.

    A run of fewer epochs is one of these settings that is not yet at its end.
    """
    if not (folder / "config.json").exists():
        return ""
    there = read(folder / "config.json")
    differ = [n for n in settings if n != "epochs" and there.get(n) != settings[n]]
    if there.get("epochs", 0) > settings["epochs"]:
        differ.append("epochs")
    said = ", ".join(f"{name} {there.get(name)} (not {settings[name]})" for name in differ)
    recipe = RECIPES[settings["recipe"]]
    same = there.get("batch_size") == recipe.batch_size
    if not said and not (same and describes(there, recipe.build(784, settings["seed"]))):
        said = f"other options than the recipe {settings['recipe']} has now"
    return said and f"{folder} holds a run with {said}: choose another --out"


def complete(folder: Path, settings: Settings) -> bool:
    """Return whether a run was measured at its end, and in the way of the table."""
    report = read(folder / "metrics.json")
    found = tuple(report.get(name) for name in ("epoch", "samples", "seed"))
    return found == (settings["epochs"], SAMPLES, LATENT_SEED)


def play(folder: Path, settings: Settings, options: argparse.Namespace) -> None:
    """Train and measure one run, or what is left of it; its output goes into two logs beside it."""
    train = ["--out", folder, "--backend", options.backend]
    for name, value in settings.items():
        train += [f"--{name}", value]
    if (folder / "checkpoint.npz").exists():
        train += ["--resume"]
    measure = [folder, "--backend", options.backend]
    if options.data_dir:
        train, measure = ([*given, "--data-dir", options.data_dir] for given in (train, measure))
    threads = max(1, (os.cpu_count() or 1) // options.processes)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    for script, arguments in (("train_mnist.py", train), ("evaluate.py", measure)):
        log = folder.with_suffix(f".{script.partition('.')[0]}.log")
        started = time.monotonic()
        with open(log, "a") as out:
            command = [sys.executable, HERE / script, *arguments]
            status = subprocess.run(
                [str(part) for part in command], stdout=out, stderr=subprocess.STDOUT,
                env=environment,
            ).returncode  # fmt: skip
        if status:
            raise RuntimeError(f"{script} ended with status {status}: its output is in {log}")
        print(f"{folder}: {script}, {(time.monotonic() - started) / 60:.1f} minutes", flush=True)


def row(name: str, reports: Iterable[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a row of the table: means over the runs, and their standard errors from two runs on.

    The errors are those of the mean over seeds. That of each run, in its metrics.json, is of
    another kind: how much 10,000 other samples of the same generator would have changed it.
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
        reports = [read(folder / "metrics.json")["metrics"] for folder in of_recipe]
        if not rows:
            real = {key: {"value": reports[0][key]["real"]} for key in COLUMNS}
            rows.append(row("*real images*", [real]))
            rows[0][1] = ""
        epochs = next(iter(of_recipe.values()))["epochs"]
        rows.append(row(f"`{name}`, {epochs} epochs", reports))
    lines = [title, ["---"] * len(title), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> int:
    """Run what is missing, print the table."""
    parser = cli.OneSentenceParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipes", nargs="+", choices=RECIPES, metavar="RECIPE")
    count = cli.positive(int)
    parser.add_argument("--seeds", type=count, default=3, metavar="N", help="0 to N - 1")
    parser.add_argument("--epochs", type=count, metavar="N", help="default: the recipe's")
    parser.add_argument(
        "--images", type=count, default=50_000, metavar="N",
        help="train on the first N; 50000 leaves out those that Parzen's bandwidth is chosen from",
    )  # fmt: skip
    parser.add_argument("--out", type=cli.folder, default=Path("runs/table"), metavar="DIR")
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    parser.add_argument("--data-dir", metavar="DIR", help="folder that has the MNIST files")
    parser.add_argument(
        "--processes", type=count, default=os.cpu_count() or 1, metavar="N",
        help="runs side by side",
    )  # fmt: skip
    options = parser.parse_args()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(cli.one_sentence(error))
    runs = {
        options.out / f"{name}-{seed}": wanted(name, seed, options)
        for seed in range(options.seeds)
        for name in options.recipes
    }
    conflicts = {folder: said for folder, s in runs.items() if (said := conflict(folder, s))}
    for folder, said in conflicts.items():
        print(said, file=sys.stderr, flush=True)
        del runs[folder]
    with ThreadPoolExecutor(options.processes) as pool:
        jobs = [
            pool.submit(play, folder, settings, options)
            for folder, settings in runs.items()
            if not complete(folder, settings)
        ]
        try:
            wait(jobs)
        except KeyboardInterrupt:  # the runs under way have it too, and save themselves
            pool.shutdown(cancel_futures=True)
            print(
                "Stopped; what is done is kept, and the same call goes on with it", file=sys.stderr
            )
            return 130
    failures = [error for job in jobs if (error := job.exception())]
    print(table({folder: s for folder, s in runs.items() if complete(folder, s)}))
    for error in failures:
        print(error, file=sys.stderr)
    return 1 if conflicts or failures else 0


if __name__ == "__main__":
    sys.exit(main())
