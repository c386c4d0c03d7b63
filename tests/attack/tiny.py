"""Runs of `nngan train` on tiny games: all kinds of games, all backends that need no GPU."""

import contextlib
import io
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# It sets the number of threads before the libraries are loaded.
from . import campaign  # noqa: F401

# isort: split
import numpy as np
import tqdm.auto

import nngan as nn
import nngan.backend.mkl
import nngan.commands.train
import nngan.estimator
import nngan.latent
import nngan.metrics
import nngan.plotting
import nngan.recipes
import nngan.runs.folder
from nngan.command_line import run_main

from .children import HUNG, LONGEST, Child

TINY = nn.recipes.Recipe(
    summary="a game for the attack",
    latent_dim=6,
    generator=lambda z, x: (
        nn.Linear(z, 8), nn.BatchNorm(8), nn.ReLU(), nn.Linear(8, x), nn.Sigmoid()
    ),
    discriminator=lambda x: (
        nn.Linear(x, 12), nn.LeakyReLU(0.2), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 1)
    ),
    optimizer={"type": "Adam", "lr": 1e-3, "beta1": 0.5},
    batch_size=16,
    epochs=4,
)  # fmt: skip
SGD = {"type": "SGD", "lr": 0.1, "momentum": (0.5, 0.7, 20), "schedule": ("exponential", 0.99)}
RECIPES = {
    "tiny": TINY,
    "tiny_classes": TINY.with_game(classes=3),
    "tiny_masks": nn.recipes.replace(
        TINY,
        discriminator=lambda x: (
            nn.Linear(x, 12), nn.Maxout(6, 2), nn.Dropout(0.3), nn.Linear(6, 1)
        ),
        optimizer=SGD,
    ),
}  # fmt: skip

# Each kind of game, as options of `nngan train`.
KINDS = {
    "default": "--recipe tiny",
    "classes": "--recipe tiny_classes",
    "packs": "--recipe tiny --pack 2",
    "classes in packs": "--recipe tiny_classes --pack 2 --ema 0.9",
    "penalties every 3 steps": "--recipe tiny --r1 0.1 --r2 0.1 --penalty-every 3",
    "simultaneous": "--recipe tiny --update simultaneous",
    "wasserstein": "--recipe tiny --loss wasserstein --gradient-penalty 1",
    "average": "--recipe tiny --ema 0.95 --loss hinge",
    "k=2": "--recipe tiny --k 2 --label-smoothing 0.1",
    "dropout": "--recipe tiny_masks",
    "categories": "--recipe tiny --categories 3 --loss relativistic",
}
EPOCHS = 4


def backends() -> list[str]:
    """Return the backends without a GPU that run here."""
    found = []
    for name in ("numpy", "numba", "mkl"):
        check = f"import nngan; nngan.backend.get_backend({name!r})"  # it loads libraries
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
        if done.returncode == 0:
            found.append(name)
        else:
            print(f"{name} is not tried: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return sorted(found)


def prepare(folder: Path) -> Path:
    """Write the images that the games learn from, and add their recipes; return the file."""
    nn.recipes.RECIPES.update(RECIPES)
    random = np.random.default_rng(0)
    path = folder / "images.npz"
    images = random.integers(0, 256, (72, 16), dtype=np.uint8)
    np.savez(path, x=images, y=np.arange(72) % 3)
    return path


def _product(a: Any, b: Any, out: Any, accumulate: bool) -> None:
    """Stand in for MKL's product while the loops around it are compiled."""
    out[...] = a @ b + (out if accumulate else 0)


def warm(folder: Path, chosen: Iterable[str]) -> None:
    """Play each kind of game once on each compiled backend: the forks have the code then."""
    data, out = prepare(folder), folder / "warm"
    products = nngan.backend.mkl.products
    # MKL itself is loaded after the fork, which its threads would not survive; Numba's parallel
    # loops would not either, and on one thread they are the others.
    nn.MklBackend.parallel = False
    nngan.backend.mkl.products = lambda: {np.dtype("float32"): _product}
    for backend in {"numba", "mkl"}.intersection(chosen):
        for kind in KINDS:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                status = nn.commands.train.main(arguments(kind, backend, data, out, 1))
            if status:
                raise RuntimeError(f"{kind} on {backend} ended with status {status}")
            shutil.rmtree(out)
    nngan.backend.mkl.products = products


def arguments(kind: str, backend: str, data: Path, out: Path, epochs: int = EPOCHS) -> list[str]:
    """Return the command line of a new run."""
    words = f"{KINDS[kind]} --backend {backend} --epochs {epochs}".split()
    return [*words, "--data", str(data), "--out", str(out)]


def resumed(out: Path, backend: str | None) -> list[str]:
    """Return the command line that goes on with a run; the backend None is that of the run."""
    words = ["--out", str(out), "--resume"]
    return words if backend is None else [*words, "--backend", backend]


def begin_or_resume(
    kind: str, backend: str, data: Path, out: Path, named: bool = True, epochs: int = EPOCHS
) -> list[str]:
    """Return the command line that goes on with what a process left in `out`, or begins anew."""
    if (out / "checkpoint.npz").exists():
        return resumed(out, backend if named else None)
    return arguments(kind, backend, data, out, epochs)


def train(
    words: Sequence[str],
    backend: str,
    output: Path,
    pictures: bool = False,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Child:
    """Start ``nngan train`` in a fork, which calls `before` first and `after` last.

    Every epoch is saved. Without `pictures`, drawing writes numbers: it would take most of the
    time, and most kills would fall into it.
    """

    def target() -> None:
        # The lock of progress bars is one for all forks: one that is killed would keep it.
        tqdm.auto.tqdm.set_lock(threading.RLock())
        _quick(pictures)
        before()
        try:
            run_main(partial(nn.commands.train.main, words))
        finally:
            after()

    return Child(target, output)


def _quick(pictures: bool) -> None:
    nn.runs.folder.SAVE_EVERY = 0
    if not pictures:
        nn.plotting.plot_losses = lambda history, file, **_: file.write(repr(history).encode())
        nn.plotting.save_sheet = lambda file, images, *_, **__: file.write(images.tobytes())
        nn.plotting.save_gif = lambda file, sheets, *_: file.write(repr(len(sheets)).encode())


def content(folder: Path) -> dict[str, bytes]:
    """Return the names and bytes of all files in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def ending(status: int) -> str:
    """Return in words how a run ended that should have ended with status 0; "" if it did."""
    if status == HUNG:
        return f"no end within {LONGEST} s"
    return f"status {status}" if status else ""


def difference(folder: Path, whole: dict[str, bytes]) -> str:
    """Return in words how the files in a folder differ from those of a whole run."""
    found = content(folder)
    said = [f"{name} is left over" for name in found.keys() - whole.keys()]
    said += [f"{name} is missing" for name in whole.keys() - found.keys()]
    both = found.keys() & whole.keys()
    said += [f"{name} has other bytes" for name in both if found[name] != whole[name]]
    return ", ".join(sorted(said))


class Runs:
    """The whole runs to compare with, each made when it is first asked for."""

    def __init__(self, folder: Path, chosen: Iterable[str] = ("numpy",)):
        self.folder, self.made = folder, {}
        self.seconds = {}  # that each took
        self.output = folder / "output"
        warm(folder, chosen)
        self.data = folder / "images.npz"

    def whole(self, kind: str, backend: str, pictures: bool = False, epochs: int = EPOCHS) -> dict:
        """Return the files of the run that nothing disturbed."""
        key = kind, backend, pictures, epochs
        if key not in self.made:
            out = self.folder / "whole"
            words = arguments(kind, backend, self.data, out, epochs)
            began, child = time.monotonic(), train(words, backend, self.output, pictures)
            if status := child.wait():
                raise RuntimeError(f"{words} ended with status {status}: {child.output()}")
            self.seconds[kind, backend, pictures] = time.monotonic() - began
            self.made[key] = content(out)
            shutil.rmtree(out)
        return self.made[key]
