"""Several processes on one folder, and several runs that are started in one second."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import nngan as nn

from . import tiny
from .campaign import main
from .children import Child


def together(
    lines: list[list[str]], runs: tiny.Runs, rng: random.Random, cwd: Path
) -> list[tuple[int, str]]:
    """Start several commands at once, or nearly so; return the status and output of each."""
    children: list[Child] = []
    for i, words in enumerate(lines):
        output = runs.folder / f"output-{i}"
        children.append(tiny.train(words, "numpy", output, before=lambda: os.chdir(cwd)))
        time.sleep(rng.choice((0, 0, rng.uniform(0, 0.3))))
    return [(child.wait(), child.output()) for child in children]


def refused(status: int, output: str) -> bool:
    """Tell whether a command was refused, in one sentence."""
    return status == 2 and "Traceback" not in output and output.strip().count("\n") <= 1


def one_folder(runs: tiny.Runs, rng: random.Random, kind: str, n: int) -> str:
    """Begin one run in several processes: one of them does, and the others are refused."""
    whole, out = runs.whole(kind, "numpy"), runs.folder / "run"
    words = tiny.arguments(kind, "numpy", runs.data, out)
    results = together([words] * n, runs, rng, runs.folder)
    won = [status for status, _ in results if status == 0]
    bad = [text[-300:] for status, text in results if status and not refused(status, text)]
    if len(won) != 1 or bad:
        statuses = [status for status, _ in results]
        return f"{n} begin one run: statuses {statuses} | {' '.join(words)}: {bad}"
    wrong = tiny.difference(out, whole)
    return f"{n} begin one run: {wrong} | {' '.join(words)}" if wrong else ""


def one_run(runs: tiny.Runs, rng: random.Random, kind: str, n: int) -> str:
    """Go on with one run in several processes, some of them while it still trains."""
    whole, out = runs.whole(kind, "numpy"), runs.folder / "run"
    begun = tiny.arguments(kind, "numpy", runs.data, out)
    child = tiny.train(begun, "numpy", runs.output)
    while not (out / "checkpoint.npz").exists() and not child.has_ended():
        time.sleep(0.001)
    if kill := rng.random() < 0.5:
        child.send(9)
        child.wait()
    words = tiny.resumed(out, None)
    results = together([words] * n, runs, rng, runs.folder)
    first = 0 if kill else child.wait()
    bad = [text[-300:] for status, text in results if status and not refused(status, text)]
    how = f"{' '.join(begun)}; {n} x {' '.join(words)}: {[s for s, _ in results]} {bad}"
    if first:
        return f"the process that began the run: status {first} | {child.output()[-300:]}, {how}"
    if bad:
        return f"{n} go on with one run: a traceback or another status | {how}"
    if not any(status == 0 for status, _ in results):
        last = tiny.train(words, "numpy", runs.output)
        if status := last.wait():
            return f"afterwards status {status} | {last.output()[-300:]}, {how}"
    wrong = tiny.difference(out, whole)
    return f"{n} go on with one run: {wrong} | {how}" if wrong else ""


def one_second(runs: tiny.Runs, rng: random.Random, kind: str, n: int) -> str:
    """Start several runs without a name in one second: each has a folder of its own."""
    cwd = runs.folder / "cwd"
    cwd.mkdir()
    words = tiny.arguments(kind, "numpy", runs.data, cwd)[:-2]  # without --out
    results = together([[*words, "--seed", str(seed)] for seed in range(n)], runs, rng, cwd)
    made = list((cwd / "runs").iterdir()) if (cwd / "runs").exists() else []
    statuses = [status for status, _ in results]
    seeds = []
    for out in made:
        config = json.loads((out / "config.json").read_text())
        saved = nn.GAN.load_with_extra(out / "checkpoint.npz")[1]["run"]["seed"]
        if saved != config["seed"]:
            return f"two runs in one folder | {' '.join(words)}: {config['seed']}, {saved}"
        seeds.append(saved)
    shutil.rmtree(cwd)
    if any(statuses) or sorted(seeds) != list(range(n)):
        return f"{n} runs in one second: statuses {statuses} | {' '.join(words)}: seeds {seeds}"
    return ""


def one_below(runs: tiny.Runs, rng: random.Random, kind: str, n: int) -> str:
    """Go on with a run in a folder while other runs train in folders below it."""
    whole, out = runs.whole(kind, "numpy"), runs.folder / "run"
    begun = tiny.arguments(kind, "numpy", runs.data, out)
    if status := tiny.train(begun, "numpy", runs.output).wait():
        return f"status {status} | {' '.join(begun)}"
    other = out.parent / "run" / "below"
    lines = [tiny.arguments(kind, "numpy", runs.data, other)]
    lines += [tiny.resumed(out, None)] * (n - 1)
    results = together(lines, runs, rng, runs.folder)
    how = f"{lines[0]} while {lines[1]}: {[text[-200:] for status, text in results if status]}"
    if results[0][0]:
        return f"a run below was ended with status {results[0][0]} | {how}"
    if wrong := tiny.difference(other, whole):
        return f"a run below: {wrong} | {how}"
    return ""


KINDS: dict[str, Callable[[tiny.Runs, random.Random, str, int], str]] = {
    "one-folder": one_folder, "one-run": one_run, "one-second": one_second, "one-below": one_below,
}  # fmt: skip


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Play the kinds in turn, with two to ten processes."""
    rng = random.Random(seed)
    runs = tiny.Runs(folder)
    names = [only] if only else list(KINDS)
    for i in count():
        n = rng.choice((2, 2, 3, 10 if i % 5 == 4 else 4))
        yield KINDS[names[i % len(names)]](runs, rng, rng.choice(list(tiny.KINDS)), n)
        for name in ("run", "cwd"):
            shutil.rmtree(folder / name, ignore_errors=True)


if __name__ == "__main__":
    main("folders", tries, tuple(KINDS))
