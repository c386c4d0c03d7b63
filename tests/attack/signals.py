"""Ctrl-C once, twice, forty times, SIGTERM, SIGHUP at random instants, then the rest of the run.

Every twelfth try is a real process that is started anew, and is stopped wherever it is.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from . import tiny
from .campaign import main
from .children import LONGEST

EXAMPLES = Path(__file__).parents[2] / "examples"
SIGNALS = ((signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGINT, 40), (signal.SIGTERM, 1),
           (signal.SIGHUP, 1))  # fmt: skip


def traceback_in(output: str) -> bool:
    """Tell whether a traceback was printed.

    Those of "Exception ignored in" are Python's: the signal came into a callback of its own.
    """
    return output.count("Traceback (most") > output.count("Exception ignored in")


def programs(folder: Path) -> list[list[str]]:
    """Return command lines that take different ways into the library."""
    train = ["--data", str(folder / "images.npz"), "--epochs", "3", "--batch-size", "8"]
    train += ["--out", str(folder / "real")]
    script = "from nngan.__main__ import run; run()"  # what the script nngan does
    return [
        ["-m", "nngan", "train", *train],
        ["-c", script, "train", *train],
        [str(EXAMPLES / "train_mnist.py"), *train],
        ["-m", "nngan", "recipes"],
        ["-m", "nngan", "evaluate", str(folder / "nothing")],
        [str(EXAMPLES / "ring.py"), "--steps", "100", "--out", str(folder / "ring.png")],
    ]


class Starts:
    """Real processes that are stopped at a random instant, most of them while they import."""

    def __init__(self, folder: Path):
        self.folder, self.programs = folder, programs(folder)
        self.seconds = [1.0] * len(self.programs)  # how long each takes

    def stop(self, rng: random.Random) -> str:
        """Stop one; return what is wrong."""
        i = rng.randrange(len(self.programs))
        wait, times = rng.uniform(0, 1.1 * self.seconds[i]), rng.choice((1, 1, 2))
        number = rng.choice((signal.SIGINT, signal.SIGINT, signal.SIGTERM))
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *self.programs[i]], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd=self.folder,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        time.sleep(wait)
        for _ in range(times):
            process.send_signal(number)
        output, _ = process.communicate(timeout=LONGEST)
        shutil.rmtree(self.folder / "real", ignore_errors=True)
        if process.returncode in (0, 2):
            self.seconds[i] = 0.5 * self.seconds[i] + 0.5 * (time.monotonic() - began)
        words = " ".join(self.programs[i])
        how = f"{words}, {times} x {number.name} after {wait:.3f} s: {output[-500:]}"
        # What Python does before the first line of a program, nobody can catch.
        ours = "Traceback" not in output or f"{os.sep}nngan{os.sep}" in output
        if not ours or process.returncode == -number:
            return ""
        if traceback_in(output):
            return f"a traceback of a process that starts | {how}"
        wanted = {0, 130, 2 if "evaluate" in words else 130}
        return "" if process.returncode in wanted else f"status {process.returncode} | {how}"


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Send signals to a run, once or twice, finish it, compare."""
    rng = random.Random(seed)
    runs, out = tiny.Runs(folder), folder / "run"
    kinds, starts = list(tiny.KINDS), Starts(folder)
    for i in count():
        if only == "starts" or (only is None and i % 12 == 11):
            yield starts.stop(rng)
            continue
        kind, (number, times) = rng.choice(kinds), SIGNALS[i % len(SIGNALS)]
        whole, said, wrong = runs.whole(kind, "numpy"), [], ""
        key = kind, "numpy", False
        for _ in range(rng.randint(1, 2)):
            words = tiny.begin_or_resume(kind, "numpy", runs.data, out)
            began = time.monotonic()
            child = tiny.train(words, "numpy", runs.output)
            time.sleep(wait := rng.uniform(0, runs.seconds[key]))
            for _ in range(times):
                child.send(number)
                time.sleep(0.001 if times > 2 else rng.uniform(0, 0.05))
            status = child.wait()
            said.append(f"{' '.join(words)}: {times} x {number.name} after {wait:.4f} s")
            if status == 0:
                runs.seconds[key] = max(time.monotonic() - began, 0.9 * runs.seconds[key])
            else:
                runs.seconds[key] *= 1.1  # the machine may have more to do than before
            # SIGTERM ends a run as Ctrl-C does, once it trains.
            wanted = {signal.SIGINT: (0, 130), signal.SIGTERM: (0, 130, -number)}.get(
                number, (0, -number)
            )
            if status not in wanted or traceback_in(child.output()):
                wrong = f"{number.name}: a traceback or another status"
                said.append(f"status {status}: {child.output()[-700:]}")
                break
        words = tiny.begin_or_resume(kind, "numpy", runs.data, out)
        child = tiny.train(words, "numpy", runs.output)
        if status := child.wait():
            wrong = wrong or f"then status {status}"
            said.append(child.output()[-300:])
        wrong = wrong or tiny.difference(out, whole)
        yield f"{wrong} | {kind}: {'; '.join(said)}" if wrong else ""
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    os.environ.setdefault("NNGAN_DATA", os.devnull)
    main("signals", tries, ("running", "starts"))
