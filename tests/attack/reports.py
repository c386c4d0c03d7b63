"""Readers of what commands have written: runs to be looked at, kept mixtures, schemes, marks."""

import argparse
import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nngan as nn
import nngan.commands.diagnose
import nngan.commands.evaluate
import nngan.commands.export
import nngan.commands.grading.scheme
import nngan.commands.grading.tables
import nngan.commands.latent
import nngan.commands.mixtures
import nngan.metrics.scores
from nngan.commands.grading.scheme import SchemeError
from nngan.commands.grading.tables import CsvError

from . import mutate
from .guard import command, sentence

ASSIGNMENT = Path(__file__).parents[2] / "docs/assignment"


def prepare(readers: Any) -> None:
    """Leave out what takes long and depends on no file: diagnoses, drawing, training."""
    nn.commands.diagnose.diagnose = lambda gan, *_: argparse.Namespace(ok=gan.sample(2) is not None)
    for name in ("plot_walks", "plot_atlas", "plot_gradients"):
        setattr(nn.plotting, name, lambda path, **_: path.write(b"x"))
    nn.commands.mixtures.train = lambda seed, **_: nn.commands.mixtures.Run(
        seed, 0, 0.0, None, None
    )


def look(r: Any, rng: random.Random) -> str:
    """Evaluate, diagnose, export or draw walks of a run whose checkpoint is damaged."""
    members = dict(r.members_of_run)
    part = rng.choice(("extra", "gan", "array", "bytes"))
    if part in ("extra", "gan"):
        config = json.loads(mutate.text_in(members["config.npy"]))
        config[part] = mutate.damaged_json(rng, config[part])
        members["config.npy"] = mutate.text_like(members["config.npy"], mutate.as_text(config))
    if part == "array":
        name = rng.choice([name for name in members if name != "config.npy"])
        members[name] = mutate.array_file(rng, np.load(io.BytesIO(members[name])))
    data = mutate.zipped(members)
    shutil.rmtree(r.run, ignore_errors=True)
    r.run.mkdir()
    (r.run / "checkpoint.npz").write_bytes(mutate.damaged(rng, data) if part == "bytes" else data)
    main, words = rng.choice((
        (nn.commands.evaluate.main, []), (nn.commands.diagnose.main, []),
        (nn.commands.latent.main, ["--pairs", "2", "--steps", "3"]),
        (nn.commands.export.main, [str(r.folder / "page.html")]),
    ))  # fmt: skip
    results: list[tuple[object, str]] = []

    def read() -> None:
        with np.errstate(all="ignore"):  # of large numbers that are numbers
            results.append(command(main, [str(r.run), *words]))

    return r.watched.call(read, ()) or sentence(*results[0])


def kept(r: Any, rng: random.Random) -> str:
    """Take up a damaged run of `nngan mixtures --keep`: it is played again, or is right."""
    samples = nn.datasets.RING.sample(nn.commands.mixtures.SAMPLES, seed=0)[0]
    arrays = {"samples": samples, "steps": np.array(5), "minutes": np.array(0.5)}
    members = {f"{name}.npy": mutate.npy(array) for name, array in arrays.items()}
    name = rng.choice(list(arrays))
    if rng.random() < 0.7:
        members[f"{name}.npy"] = mutate.array_file(rng, arrays[name])
    data = mutate.zipped(members)
    folder = r.folder / "kept"
    folder.mkdir(exist_ok=True)
    (folder / "ring-numpy-5-steps-seed-0.npz").write_bytes(
        mutate.damaged(rng, data) if rng.random() < 0.4 else data
    )
    found: list[Any] = []

    def read() -> None:
        found.append(nn.commands.mixtures.played(0, "ring", False, 5, "numpy", folder))

    if said := r.watched.call(read, ()):
        return said
    again = found[0].samples is None or found[0].samples.shape == samples.shape
    return "" if again else "another number of samples"


def scheme(r: Any, rng: random.Random) -> str:
    """Read a damaged scheme of `nngan grade`."""
    path = r.folder / "scheme.json"
    shutil.copy(ASSIGNMENT / "solution.py", r.folder)
    whole = (ASSIGNMENT / "scheme.json").read_bytes()
    if rng.random() < 0.7:
        data = mutate.as_text(mutate.damaged_json(rng, json.loads(whole))).encode()
    else:
        data = mutate.damaged(rng, whole)
    path.write_bytes(data)
    read = nn.commands.grading.scheme.load_scheme
    return r.watched.call(lambda: read(path), (SchemeError,), str(path))


def marks(r: Any, rng: random.Random) -> str:
    """Go on with a damaged table of `nngan grade --csv`."""
    path = r.folder / "marks.csv"
    grading = nn.commands.grading.scheme.load_scheme(ASSIGNMENT / "scheme.json")
    line, heading = nn.commands.grading.tables.line, nn.commands.grading.tables.heading
    columns = heading(grading)
    of = columns.index("of")
    lines = [columns, *([f"name {i}", *["1"] * (len(columns) - 1)] for i in range(5))]
    for cells in lines[1:]:
        cells[of] = nn.commands.grading.tables.number(grading.points)
        if rng.random() < 0.5:
            odd = ("", "nan", "-1", "1e9", '"', "x" * 200_000, "\0", "\r", "é", "1,5")
            cells[rng.randrange(len(cells))] = rng.choice(odd)
    data = "".join(map(line, lines)).encode()
    path.write_bytes(mutate.damaged(rng, data) if rng.random() < 0.7 else data)
    read = nn.commands.grading.tables.read_rows
    return r.watched.call(lambda: read(path, grading), (CsvError,), str(path))


def scores(r: Any, rng: random.Random) -> str:
    """Read damaged scores of real images from the cache; with the right check-sum, too."""
    path = r.folder / "real.json"
    whole = {title: [1.0, 0.1] for title in nn.metrics.TITLES}
    data = mutate.as_text(mutate.damaged_json(rng, whole)).encode()
    if rng.random() < 0.4:
        data = mutate.damaged(rng, data)
    nn.metrics.cache.write_cache(path, lambda file: file.write(data))
    if rng.random() < 0.2:
        path.write_bytes(mutate.damaged(rng, data))
    allowed = (OSError, nn.stored.DamagedFile)
    return r.watched.call(lambda: nn.metrics.scores._stored_scores(path), allowed)


KINDS: dict[str, Callable[[Any, random.Random], str]] = {
    "look": look, "kept": kept, "scheme": scheme, "marks": marks, "scores": scores,
}  # fmt: skip
