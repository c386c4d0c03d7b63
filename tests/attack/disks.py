"""Full and broken disks at every file operation: one sentence, and nothing is lost."""

import random
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import nngan as nn

from . import tiny
from .campaign import main
from .ends import EPOCHS, undisturbed
from .faults import Faults


def limited(size: int) -> None:
    """Let no file of this process grow beyond `size`: a full disk of the system's own making."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def judge(out: Path, child: tiny.Child, whole: dict[str, bytes]) -> str:
    """Return in words what is wrong with a run that has met a fault; "" if nothing is."""
    status, output = child.wait(), child.output()
    if status == 0:
        return tiny.difference(out, whole)
    if status not in (1, 2):
        return f"status {status}"
    if "Traceback" in output or "Error:" in output:
        return "a traceback"
    last = output.strip().splitlines()[-1:]
    if not last or not 20 < len(last[0]) < 400:
        return "no sentence"
    if (checkpoint := out / "checkpoint.npz").exists():
        nn.GAN.load(checkpoint)
    return ""


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Let a run fail at each operation; go on; every tenth time the system limits its files."""
    rng = random.Random(seed)
    runs, out = tiny.Runs(folder), folder / "run"
    for kind, begun, whole, names in undisturbed(rng, runs, out):
        where = [(at, phase) for at in range(len(names)) for phase in Faults.ERRORS]
        rng.shuffle(where)
        for i, (at, phase) in enumerate(where):
            faults = Faults(out, at, phase)
            before, said = faults.install, f"{phase} at operation {at} ({names[at]})"
            if i % 10 == 9:
                size = int(2 ** rng.uniform(11, 16))
                before, said = lambda: limited(size), f"no file may have over {size} bytes"  # noqa: B023
            child = tiny.train(begun, "numpy", runs.output, before=before)
            how = f"{' '.join(begun)}: {said}"
            try:
                wrong = judge(out, child, whole)
            except (ValueError, OSError) as error:
                wrong = f"{type(error).__name__} in what is there: {error}"
            said_then = child.output()[-500:]
            if not wrong:
                words = tiny.begin_or_resume(kind, "numpy", runs.data, out, epochs=EPOCHS)
                child = tiny.train(words, "numpy", runs.output)
                status = child.wait()
                wrong = f"status {status}" if status else tiny.difference(out, whole)
                wrong = wrong and f"afterwards: {wrong}"
                how += f"; then {' '.join(words)}: {child.output()[-300:]}"
            yield f"{wrong} | {how}; {said_then}" if wrong else ""
            shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main("disks", tries)
