"""kill -9 at random instants of real processes: the resumed run must end with the same bytes."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from . import tiny
from .campaign import main


def tries(seed: int, folder: Path, only: str | None) -> Iterator[tuple[str, str]]:
    """Kill runs up to three times each, finish them, compare; one try is one kill."""
    rng = random.Random(seed)
    backends = [only] if only else tiny.backends()
    runs, out = tiny.Runs(folder, backends), folder / "run"
    pairs = [(kind, backend) for kind in tiny.KINDS for backend in backends]
    for i in count():
        kind, backend = pairs[i % len(pairs)]
        pictures = i % 16 == 15
        whole = runs.whole(kind, backend, pictures)
        key, said = (kind, backend, pictures), []
        named = rng.random() < 0.5
        for _ in range(rng.randint(1, 3)):
            words = tiny.begin_or_resume(kind, backend, runs.data, out, named)
            began = time.monotonic()
            child = tiny.train(words, backend, runs.output, pictures)
            time.sleep(wait := rng.uniform(0, runs.seconds[key]))
            child.send(signal.SIGKILL)
            status = child.wait()
            said.append(f"{' '.join(words)} killed after {wait:.4f} s")
            if status != -signal.SIGKILL:
                runs.seconds[key] = max(time.monotonic() - began, 0.9 * runs.seconds[key])
                if status:
                    said.append(f"status {status}: {child.output()[-300:]}")
                break
            runs.seconds[key] *= 1.1  # the machine may have more to do than before
            yield f"{backend}, {kind}", ""
        words = tiny.begin_or_resume(kind, backend, runs.data, out, named)
        child = tiny.train(words, backend, runs.output, pictures)
        status = child.wait()
        wrong = tiny.ending(status) or tiny.difference(out, whole)
        if wrong:
            named_or_not = "named again" if named else "not named again"
            how = f"{kind}, pictures={pictures}: {'; '.join(said)}; {' '.join(words)}"
            wrong = f"{backend}, {named_or_not}: {wrong} | {how}; {child.output()[-300:]}"
            yield f"{backend}, {kind}", wrong
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main("kills", tries, ("numpy", "numba", "mkl"))
