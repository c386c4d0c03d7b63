"""`sample` and `save` in one thread while `fit` runs in another.

The run is not disturbed: it ends with the bytes of a run that was left alone. What was saved in
between is the state between two steps: loaded and trained to the end, it gives those bytes too.
"""

import random
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import nngan as nn

from .campaign import main

EPOCHS, BATCH, N = 12, 4, 64
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "classes": {"classes": 2},
    "average": {"ema": 0.9},
    "packs": {"pack": 2, "k": 2},
    "penalties": {"r1": 0.1, "penalty_every": 3},
    "simultaneous": {"update": "simultaneous"},
}


def game(options: dict[str, Any]) -> nn.GAN:
    labels, pack = options.get("classes", 0), options.get("pack", 1)
    G = nn.Sequential(
        nn.Linear(3 + labels, 24), nn.BatchNorm(24), nn.ReLU(), nn.Linear(24, 16), nn.Sigmoid()
    )
    D = nn.Sequential(nn.Linear(pack * (16 + labels), 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
    return nn.GAN(G, D, **options)


def to_the_end(gan: nn.GAN) -> None:
    x = np.random.default_rng(0).uniform(size=(N, 16)).astype("f4")
    labels = np.arange(N) % 2 if gan.classes else None
    if gan.epoch < EPOCHS:
        gan.fit(x, EPOCHS - gan.epoch, BATCH, labels=labels, progress=False)


def final(gan: nn.GAN) -> list[bytes]:
    """Return the bytes of what training changes."""
    networks = [gan.G, gan.D] + ([] if gan.G_ema is None else [gan.G_ema])
    arrays = [a for network in networks for a in (network.params, network.buffers)]
    arrays += [*gan.g_optimizer.state.values(), *gan.d_optimizer.state.values(), gan.clock]
    return [array.tobytes() for array in arrays] + [repr(gan.history).encode()]


def disturb(rng: random.Random, gan: nn.GAN, folder: Path) -> tuple[list[Path], list[str]]:
    """Train in a thread, save and sample meanwhile; return what was saved, and what went wrong."""
    saved, wrong = [], []
    failed: list[BaseException] = []

    def fit() -> None:
        try:
            to_the_end(gan)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=fit)
    thread.start()
    labels = [0, 1, 0] if gan.classes else None
    try:
        while thread.is_alive():
            time.sleep(rng.uniform(0, 0.005))
            if rng.random() < 0.3 and len(saved) < 10:
                path = folder / f"{len(saved)}.npz"
                gan.save(path)
                saved.append(path)
            else:
                samples = gan.sample(3, labels=labels)
                if samples.shape != (3, 16) or not np.isfinite(samples).all():
                    wrong.append("samples that are no samples")
    except Exception as error:
        wrong.append(f"{type(error).__name__}: {error}")
    thread.join()
    return saved, wrong + [f"fit: {type(error).__name__}: {error}" for error in failed]


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Disturb games of all kinds in turn; one try is a run, and each file that was saved in it.

    The kind "fit" looks at the runs alone, the kind "save" at the files alone.
    """
    rng = random.Random(seed)
    whole = {}
    for name, options in OPTIONS.items():
        gan = game(options)
        to_the_end(gan)
        whole[name] = final(gan)
    for i in count():
        name = list(OPTIONS)[i % len(OPTIONS)]
        gan = game(OPTIONS[name])
        saved, wrong = disturb(rng, gan, folder)
        if not wrong and final(gan) != whole[name]:
            wrong = ["the run ended with other bytes"]
        if only != "save":
            yield f"{wrong[0]} | {name}" if wrong else ""
        for path in saved if only != "fit" else ():
            try:
                again = nn.GAN.load(path)
                to_the_end(again)
                torn = final(again) != whole[name]
                yield f"a torn checkpoint | {name}, epoch {again.epoch}" if torn else ""
            except ValueError as error:
                yield f"a checkpoint that cannot be loaded | {name}: {error}"


if __name__ == "__main__":
    main("threads", tries, ("fit", "save"))
