"""Damaged files of every kind that the library reads.

Each is refused with the documented exception, whose message names the file, or is read. Nothing
takes over 5 s of the processor, or more memory than the limit that the environment sets.
"""

import functools
import gc
import gzip
import io
import json
import os
import random
import shutil
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import PIL.Image

import nngan as nn
import nngan.commands.table
from nngan.checkpoint import CheckpointError
from nngan.datasets import DatasetError

from . import mutate, reports, tiny
from .campaign import main
from .guard import Watched, command, sentence
from .worker import in_worker

Reader = Callable[[random.Random], str]


class Readers:
    """The readers, each with whole files to be damaged. A reader returns what is wrong, or ""."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = tiny.prepare(folder)
        tiny._quick(pictures=False)
        self.watched: Watched | None = None
        self.games = [self.saved(i) for i in range(3)]
        self.run = folder / "run"
        words = tiny.arguments("default", "numpy", self.data, folder / "whole")
        status, error = command(nn.commands.train.main, words)
        if status:
            raise RuntimeError(f"status {status}: {error}")
        self.whole = tiny.content(folder / "whole")
        self.members_of_run = mutate.unzipped(self.whole["checkpoint.npz"])
        self.judge = judge_file(folder)
        self.images = pictures()

    def saved(self, i: int) -> dict[str, bytes]:
        """Return the members of a checkpoint: of a game with everything, and of two simple ones."""
        norm, mask = nn.BatchNorm(4), nn.Dropout(0.2)
        options = [
            {"classes": 2, "pack": 2, "ema": 0.9, "r1": 0.1, "penalty_every": 2},
            {"loss": "wasserstein", "gradient_penalty": 1.0, "k": 2},
            {"g_optimizer": nn.SGD(0.1, 0.9, ("linear", 100)), "categories": 2},
        ][i]
        labels, pack = options.get("classes", 0), options.get("pack", 1)
        G = nn.Sequential(
            nn.Linear(3 + labels, 4), norm, nn.LeakyReLU(), nn.Linear(4, 4), nn.Sigmoid()
        )
        D = nn.Sequential(nn.Linear(pack * (4 + labels), 6), nn.Maxout(3, 2), mask, nn.Linear(3, 1))
        gan = nn.GAN(G, D, **options)
        x, y = np.random.default_rng(0).uniform(size=(16, 4)), np.arange(16) % 2
        gan.fit(x, 2, 4, labels=y if labels else None, progress=False)
        path = self.folder / "game.npz"
        gan.save(path, {"note": [1, 2]})
        return mutate.unzipped(path.read_bytes())

    # -- checkpoints -------------------------------------------------------------------------------

    def load(self, data: bytes, use: bool = False, whole: dict[str, bytes] | None = None) -> str:
        """Load a checkpoint, use it, compare it with what was saved."""
        path, wrong = self.folder / "checkpoint.npz", []
        path.write_bytes(data)

        def read() -> None:
            gan, extra = nn.GAN.load_with_extra(path)
            if use:  # what was loaded can be used and saved again
                with np.errstate(all="ignore"):  # of large numbers that are numbers
                    gan.sample(2)
                gan.save(self.folder / "again.npz", extra)
                nn.GAN.load(self.folder / "again.npz")
            if whole is not None:
                gan.save(self.folder / "again.npz", extra)
                saved = mutate.unzipped((self.folder / "again.npz").read_bytes())
                if saved != whole:
                    wrong.append("another state was loaded")

        return self.watched.call(read, (CheckpointError,), str(path)) or "".join(wrong)

    def checkpoint(self, rng: random.Random) -> str:
        return self.load(mutate.damaged(rng, mutate.zipped(rng.choice(self.games))))

    def bit(self, rng: random.Random) -> str:
        """Flip one bit: the file is refused, or it gives the arrays that were saved."""
        game = rng.choice(self.games)
        data = bytearray(mutate.zipped(game))
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return self.load(bytes(data), whole=game)

    def members(self, rng: random.Random) -> str:
        members = dict(rng.choice(self.games))
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(list(members))
            kind = rng.randrange(8)
            if kind == 0:
                del members[name]
            elif kind == 1:
                members[rng.choice(("x.npy", "config", name + "x", "../x.npy"))] = members[name]
            elif kind <= 3:
                members[name] = mutate.damaged(rng, members[name])
            else:
                array = np.load(io.BytesIO(members[name]), allow_pickle=True) if (
                    members[name][:6] == b"\x93NUMPY" and kind < 7
                    and self.is_whole(members[name])
                ) else np.arange(3.0)  # fmt: skip
                members[name] = mutate.array_file(rng, array)
        return self.load(mutate.zipped(members, rng.random() < 0.2), use=rng.random() < 0.1)

    def is_whole(self, data: bytes) -> bool:
        return any(data in game.values() for game in self.games)

    def description(self, rng: random.Random) -> str:
        members = dict(rng.choice(self.games))
        config = json.loads(mutate.text_in(members["config.npy"]))
        part = rng.choice((None, "gan", "extra", "gan", "gan"))
        if part is None:
            config = mutate.damaged_json(rng, config)
        else:
            config[part] = mutate.damaged_json(rng, config[part])
        members["config.npy"] = mutate.text_like(members["config.npy"], mutate.as_text(config))
        return self.load(mutate.zipped(members), use=rng.random() < 0.5)

    # -- runs --------------------------------------------------------------------------------------

    def resume(self, rng: random.Random) -> str:
        """Go on with a run whose description or settings are damaged."""
        files = dict(self.whole)
        members = dict(self.members_of_run)
        config = json.loads(mutate.text_in(members["config.npy"]))
        part = rng.choice(("extra", "extra", "gan"))
        config[part] = mutate.damaged_json(rng, config[part])
        members["config.npy"] = mutate.text_like(members["config.npy"], mutate.as_text(config))
        files["checkpoint.npz"] = mutate.zipped(members)
        return self.go_on(files, "checkpoint.npz")

    def beside(self, rng: random.Random) -> str:
        """Go on with a run that has a damaged file beside a whole checkpoint."""
        files = dict(self.whole)
        names = ("config.json", "config.json", "history.csv", "metrics.csv", "metrics.json")
        name = rng.choice(names)
        data = files.get(name, b'{"epoch": 4, "metrics": {}}')
        if name.endswith("json") and rng.random() < 0.7:
            data = mutate.as_text(mutate.damaged_json(rng, json.loads(data))).encode()
        else:
            data = mutate.damaged(rng, data)
        files[name] = data
        return self.go_on(files, name)

    def go_on(self, files: dict[str, bytes], damaged: str) -> str:
        shutil.rmtree(self.run, ignore_errors=True)
        for name, data in files.items():
            (self.run / name).parent.mkdir(parents=True, exist_ok=True)
            (self.run / name).write_bytes(data)
        words = tiny.resumed(self.run, None)
        results: list[tuple[object, str]] = []

        def read() -> None:
            results.append(command(nn.commands.train.main, words))

        if said := self.watched.call(read, ()):
            return said
        return sentence(*results[0])

    def table(self, rng: random.Random) -> str:
        """Print a table of a run whose config.json or metrics.json is damaged."""
        out = self.folder / "table"
        words = ["tiny", "--seeds", "1", "--epochs", "4", "--images", "72", "--out", str(out)]
        run = out / "tiny-0"
        run.mkdir(parents=True, exist_ok=True)
        config = json.loads(self.whole["config.json"])
        config |= {"data": "mnist", "digest": None, "images": 72, "shape": None}
        config["gan"] = nn.recipes.RECIPES["tiny"].build(784).config()
        names = nn.commands.table.COLUMNS
        scores = {name: {"value": 1.0, "error": 0.1, "real": 1.0} for name in names}
        report = {"epoch": 4, "samples": 10_000, "seed": 0, "metrics": scores}
        if rng.random() < 0.7:
            report = mutate.damaged_json(rng, report)
            if rng.random() < 0.7 and isinstance(report, dict):
                report |= {"epoch": 4, "samples": 10_000, "seed": 0}
        else:
            config = mutate.damaged_json(rng, config)
        for name, value in (("config.json", config), ("metrics.json", report)):
            data = mutate.as_text(value).encode()
            (run / name).write_bytes(mutate.damaged(rng, data) if rng.random() < 0.1 else data)
        results: list[tuple[object, str]] = []

        def read() -> None:
            results.append(command(nn.commands.table.main, words))

        return self.watched.call(read, ()) or sentence(*results[0], most=3)

    # -- data --------------------------------------------------------------------------------------

    def data_file(self, name: str, data: bytes) -> str:
        path = self.folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        read = nn.datasets.read_idx if "idx" in name else nn.datasets.load
        return self.watched.call(lambda: read(path), (DatasetError,), str(path))

    def idx(self, rng: random.Random) -> str:
        sizes = [rng.choice((1, 2, 3, 5)) for _ in range(rng.choice((1, 2, 3, 3)))]
        code, n = rng.choice(((8, 1), (9, 1), (0xB, 2), (0xC, 4), (0xD, 4), (0xE, 8)))
        if rng.random() < 0.3:
            sizes[rng.randrange(len(sizes))] = rng.choice(mutate.NUMBERS) % 2**32
        head = struct.pack(f">HBB{len(sizes)}I", 0, code, len(sizes), *sizes)
        data = head + rng.randbytes(min(n * int(np.prod(sizes, dtype=object)), 500))
        return self.data_file("images-idx3-ubyte", mutate.damaged(rng, data))

    def gzip(self, rng: random.Random) -> str:
        data = struct.pack(">HBBII", 0, 8, 2, 4, 9) + rng.randbytes(36)
        kind = rng.randrange(3)
        if kind == 0:
            data = gzip.compress(mutate.damaged(rng, data), 1)
        elif kind == 1:
            data = mutate.damaged(rng, gzip.compress(data, 1))
        else:  # several members, and rubbish behind them
            data = gzip.compress(data[:20], 1) + mutate.damaged(rng, gzip.compress(data[20:], 1))
        return self.data_file("images-idx3-ubyte.gz", data)

    def npy(self, rng: random.Random) -> str:
        array = np.arange(36, dtype=rng.choice(("u1", "f4", "f8", "i8"))).reshape(4, 9)
        data = mutate.array_file(rng, array) if rng.random() < 0.6 else mutate.npy(array)
        damaged = mutate.damaged(rng, data) if rng.random() < 0.6 else data
        return self.data_file("images.npy", damaged)

    def npz(self, rng: random.Random) -> str:
        x, y = np.arange(36, dtype="u1").reshape(4, 9), np.arange(4)
        members = {"x.npy": mutate.npy(x), "y.npy": mutate.npy(y)}
        name, array = rng.choice((("x.npy", x), ("y.npy", y)))
        kind = rng.randrange(4)
        if kind == 0:
            members[rng.choice(("images.npy", "z.npy", "x", "/"))] = members.pop(name)
        elif kind <= 2:
            members[name] = mutate.array_file(rng, array)
        data = mutate.zipped(members, rng.random() < 0.3)
        return self.data_file("images.npz", mutate.damaged(rng, data) if kind == 3 else data)

    def table_of_numbers(self, rng: random.Random) -> str:
        cells = (
            "0",
            "1",
            "255",
            "-1",
            "0.5",
            "1e400",
            "nan",
            "inf",
            "x",
            "",
            '"',
            "1_0",
            " 7 ",
            "é",
        )
        sign = rng.choice((",", ",", ";", "\t", " "))
        rows = [[str(rng.randrange(256)) for _ in range(9)] for _ in range(4)]
        if rng.random() < 0.4:
            words = ("label", "id", "pixel0", "y", "1", "", "label")
            rows.insert(0, [rng.choice(words) for _ in range(9)])
        for _ in range(rng.choice((1, 2, 8))):
            row = rng.choice(rows)
            if row:
                row[rng.randrange(len(row))] = rng.choice(cells)
            if rng.random() < 0.2:
                row.pop()
        data = "\n".join(sign.join(row) for row in rows).encode()
        return self.data_file(
            "images.csv", mutate.damaged(rng, data) if rng.random() < 0.5 else data
        )

    def picture(self, rng: random.Random) -> str:
        folder = self.folder / "pictures"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        name = rng.choice(list(self.images))
        (folder / name).write_bytes(mutate.damaged(rng, self.images[name]))
        if rng.random() < 0.3:
            other = rng.choice(list(self.images))
            (folder / f"other-{other}").write_bytes(self.images[other])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own
            return self.watched.call(lambda: nn.datasets.load(folder), (DatasetError,), str(folder))

    # -- caches ------------------------------------------------------------------------------------

    def judge_cache(self, rng: random.Random) -> str:
        """Load a judge whose file is damaged: the judge is trained again, and is the same."""
        path, files = self.judge
        for file, data in files.items():
            file.write_bytes(data)
        data = files[path]
        if rng.random() < 0.5:
            members = mutate.unzipped(data)
            name = rng.choice(list(members))
            array = np.load(io.BytesIO(members[name]))
            members[name] = mutate.array_file(rng, array)
            data = mutate.zipped(members)
        else:
            data = mutate.damaged(rng, data)
        path.write_bytes(data)
        found: list[nn.metrics.Judge] = []

        def read() -> None:
            found.append(nn.metrics.load_judge(cache_dir=path.parent))

        if said := self.watched.call(read, ()):
            return said
        same = found[0].fingerprint == trained().fingerprint and found[0].accuracy == 0.99
        return "" if same else "a judge that is another one"


def pictures() -> dict[str, bytes]:
    """Return small images in all formats, by the name of a file."""
    found = {}
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    for ending in ("png", "gif", "bmp", "jpg", "tiff", "webp", "ppm", "pgm"):
        file = io.BytesIO()
        image = PIL.Image.fromarray(pixels)
        if ending in ("gif", "pgm"):
            image = image.convert("L")
        kind = {"jpg": "jpeg", "pgm": "ppm"}.get(ending, ending)
        image.save(file, kind)
        found[f"image.{ending}"] = file.getvalue()
    return found


def trained(*_: object) -> "nn.metrics.Judge":
    """Return the judge that "training" gives here."""
    random = np.random.default_rng(0)
    weights = tuple(random.normal(size=shape).astype("f4") for shape in ((784, 4), (4, 10)))
    return nn.metrics.Judge(weights, (np.zeros(4, "f4"), np.zeros(10, "f4")), 0.99)


def judge_file(folder: Path) -> tuple[Path, dict[Path, bytes]]:
    """Return the path of a cached judge, and all files of the cache."""
    nn.metrics.judge.train_judge = trained
    nn.datasets.mnist = lambda split, data_dir=None: (split, data_dir)
    nn.metrics.load_judge(cache_dir=folder / "cache")
    files = {path: path.read_bytes() for path in (folder / "cache").iterdir()}
    return nn.metrics.judge.judge_path(folder / "cache"), files


KINDS = {
    "checkpoint": Readers.checkpoint, "bit": Readers.bit, "members": Readers.members,
    "description": Readers.description, "resume": Readers.resume, "beside": Readers.beside,
    "table": Readers.table, "idx": Readers.idx, "gzip": Readers.gzip, "npy": Readers.npy,
    "npz": Readers.npz, "csv": Readers.table_of_numbers, "picture": Readers.picture,
    "judge": Readers.judge_cache, **reports.KINDS,
}  # fmt: skip


def jobs(seed: int, only: str | None) -> Iterator[tuple[str, int]]:
    """Yield a kind and a seed for each try: the kinds in turn, or one of them."""
    for i in count():
        yield only or list(KINDS)[i % len(KINDS)], seed
        seed = random.Random(seed).getrandbits(48)


def tries(seed: int, folder: Path, only: str | None) -> Iterator[tuple[str, str]]:
    """Damage files of all kinds in turn, or of one kind; read them in a worker."""
    sys.setrecursionlimit(1000)
    nn.commands.table.play = _would_train
    readers = Readers(folder)
    # A damaged number of epochs may be a large one.
    nn.commands.train.fit = lambda gan, *_, **__: gan.history
    # Neither depends on a file that is read.
    threads = nn.runs.surroundings._blas_threads("numpy")
    nn.runs.surroundings._blas_threads = lambda backend: threads
    reports.prepare(readers)
    for module in (nn.commands.train, nn.commands.table):
        module.parser = functools.cache(module.parser)  # type: ignore[attr-defined]
    gc.freeze()  # what is there stays: the collector need not look at it at every try

    def do(job: tuple[str, int]) -> str:
        if readers.watched is None:  # limits are those of the worker
            readers.watched = Watched()
        name, seed = job
        return KINDS[name](readers, random.Random(seed))

    for (name, number), said in in_worker(jobs(seed, only), do):
        kind, _, message = said.partition(" | ")
        how = f"--only {name} --seed {number} --count 1: {message}"
        yield name, f"{name}: {kind} | {how}" if said else ""


def _would_train(job: tuple[Path, object], **_: object) -> None:
    raise RuntimeError(f"{job[0]} would be trained")


if __name__ == "__main__":
    os.environ.setdefault("NNGAN_DATA", os.devnull)
    main("readers", tries, tuple(KINDS))
