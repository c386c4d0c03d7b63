"""The process ends before, in the middle of, and after every file operation of a run.

The run goes on afterwards, to the same bytes, and nothing is left over.
"""

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from . import tiny
from .campaign import main
from .faults import Faults

EPOCHS = 3


def operations(runs: tiny.Runs, kind: str, out: Path, words: list[str]) -> list[str]:
    """Return the names of the file operations of a run, which is made in `out`."""
    log, faults = runs.folder / "operations", Faults(out)
    child = tiny.train(
        words, "numpy", runs.output, before=faults.install,
        after=lambda: log.write_text("\n".join(faults.names)),
    )  # fmt: skip
    if status := child.wait():
        raise RuntimeError(f"{words} ended with status {status}: {child.output()}")
    return log.read_text().splitlines()


def undisturbed(
    rng: random.Random, runs: tiny.Runs, out: Path
) -> Iterator[tuple[str, list[str], dict[str, bytes], list[str]]]:
    """Yield each kind of game: its command, the files at its end, its file operations."""
    for kind in rng.sample(list(tiny.KINDS), len(tiny.KINDS)):
        begun = tiny.arguments(kind, "numpy", runs.data, out, EPOCHS)
        whole = runs.whole(kind, "numpy", epochs=EPOCHS)
        names = operations(runs, kind, out, begun)
        shutil.rmtree(out)
        yield kind, begun, whole, names


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """End a run at each operation; every fourth time also the run that goes on, anywhere."""
    rng = random.Random(seed)
    runs, out = tiny.Runs(folder), folder / "run"
    for kind, _, whole, names in undisturbed(rng, runs, out):
        where = [
            (at, phase)
            for at, name in enumerate(names)
            for phase in Faults.ENDS
            if phase != "middle" or name.startswith("write")
        ]
        rng.shuffle(where)
        for i, place in enumerate(where):
            places = [place, rng.choice(where)] if i % 4 == 3 else [place]
            said = []
            for at, phase in places:
                words = tiny.begin_or_resume(kind, "numpy", runs.data, out, epochs=EPOCHS)
                faults = Faults(out, at, phase)
                status = tiny.train(words, "numpy", runs.output, before=faults.install).wait()
                said.append(f"{' '.join(words)} ended {phase} operation {at} ({names[at]})")
                if status != -signal.SIGKILL:
                    break  # the run that went on had fewer operations
            words = tiny.begin_or_resume(kind, "numpy", runs.data, out, epochs=EPOCHS)
            child = tiny.train(words, "numpy", runs.output)
            status = child.wait()
            wrong = f"status {status}" if status else tiny.difference(out, whole)
            how = f"{kind}: {'; '.join(said)}; {' '.join(words)}; {child.output()[-300:]}"
            yield f"{wrong} | {how}" if wrong else ""
            shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main("ends", tries)
