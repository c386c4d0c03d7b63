"""Hostile checkpoints, descriptions and data files, written by hand, each in a process of its own.

None runs code, opens a pickle, writes outside its folder, or takes more than the limits.
"""

import gzip
import io
import json
import os
import pickle
import random
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

import nngan as nn
from nngan.checkpoint import CheckpointError
from nngan.datasets import DatasetError

from . import mutate
from .campaign import main
from .children import Child
from .guard import Watched

HUGE = (2**31, 10**8, 10**12, 2**63 - 1, 10**40)
DENSE = {"type": "Linear", "n_in": 3, "n_out": 3, "weight_init": "glorot"}


# The content of a file, or what makes it.
Data = bytes | Callable[[], bytes]


def _made(data: Data) -> bytes:
    return data() if callable(data) else data


class Trap:
    """What a pickle would do: it leaves a mark."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


class Cases:
    """All cases by name: a file, the call that reads it and what it may raise."""

    def __init__(self, folder: Path):
        self.folder, self.mark, self.absolute = folder, folder / "mark", folder / "absolute"
        G = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(), nn.Linear(4, 4), nn.Sigmoid())
        D = nn.Sequential(nn.Linear(4, 6), nn.Maxout(3, 2), nn.Linear(3, 1))
        gan = nn.GAN(G, D, classes=0, ema=0.9)
        gan.fit(np.random.default_rng(0).uniform(size=(8, 4)), 2, 4, progress=False)
        gan.save(folder / "whole.npz", {"note": 1})
        self.members = mutate.unzipped((folder / "whole.npz").read_bytes())
        self.config = json.loads(mutate.text_in(self.members["config.npy"]))
        self.found: dict[str, tuple[Path, Callable[[Path], object], type[Exception]]] = {}
        self.data: dict[Path, Data] = {}
        self.checkpoints()
        self.archives()
        self.descriptions()
        self.data_files()

    def add(self, name: str, data: Data) -> None:
        """Add a checkpoint."""
        path = self.folder / f"{len(self.found)}.npz"
        self.found[name] = path, nn.GAN.load, CheckpointError
        self.data[path] = data

    def add_data(self, name: str, data: Data, ending: str) -> None:
        """Add a file of data."""
        path = self.folder / f"{len(self.found)}.{ending}"
        self.data[path] = data
        read = nn.datasets.read_idx if "idx" in ending else nn.datasets.load
        self.found[name] = path, read, DatasetError

    def changed(self, name: str, members: dict[str, Data | None], compressed: bool = False) -> None:
        """Add a checkpoint with other members; None takes one away."""

        def make() -> bytes:
            new = {k: _made(v) for k, v in {**self.members, **members}.items() if v is not None}
            return mutate.zipped(new, compressed)

        self.add(name, make)

    def described(self, name: str, config: Any) -> None:
        """Add a checkpoint with another description; what is large is made when it is needed."""

        def make() -> bytes:
            value = config() if callable(config) else config
            text = value if isinstance(value, str) else mutate.as_text(value)
            return mutate.text_like(self.members["config.npy"], text)

        self.changed(name, {"config.npy": make})

    def checkpoints(self) -> None:
        trap = Trap(self.mark)
        pickled = pickle.dumps(trap)
        objects = mutate.npy(np.array([trap, trap], object))
        self.add("a pickle", pickled)
        self.add("a pickle of protocol 0", pickle.dumps(trap, 0))
        self.add("an .npy file of objects", objects)
        self.add("nothing", b"")
        self.add("one byte", b"P")
        self.add("text", b"hello\n" * 100)
        self.add("gzip", gzip.compress(b"x" * 1000))
        self.add("zeros", bytes(5000))
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w"):
            pass
        self.add("a tar file", file.getvalue())
        for name in self.members:
            self.changed(f"{name} is an array of objects", {name: objects})
            self.changed(f"{name} is a pickle", {name: pickled})
            self.changed(f"{name} is missing", {name: None})
            self.changed(f"{name} is empty", {name: b""})
            for shape in ((2**40,), (2**20, 2**20, 2**20), (-1,), (0, 2**62), (2**31,) * 2):
                self.changed(f"{name} claims {shape}", {name: header(shape)})
        self.changed("a member nobody reads is large", {"x.npy": large}, True)
        self.changed("config is large", {"config.npy": large}, True)
        self.changed(
            "log is large", {"log.npy": lambda: mutate.npy(np.zeros((2**26, 4), "f4"))}, True
        )
        self.changed(
            "history is large", {"history.npy": lambda: mutate.npy(np.zeros((4, 2**25)))}, True
        )
        for kind in ("c16", "U3", "M8[s]", "f2", "V8"):
            self.changed(f"G.params of {kind}", {"G.params.npy": header((31,), kind, 31 * 64)})
        for value in (np.nan, np.inf):
            for name in ("G.params", "history", "log", "G.optimizer.m"):
                array = np.load(io.BytesIO(self.members[f"{name}.npy"])).copy()
                array.flat[0] = value
                self.changed(f"{name} has {value}", {f"{name}.npy": mutate.npy(array)})
        for value in (-1, -(2**63), 2**63 - 1):
            for name in ("clock", "epoch_start"):
                self.changed(f"{name} is {value}", {f"{name}.npy": mutate.npy(np.array([value]))})

    def archives(self) -> None:
        for name in (
            "../../mark",
            str(self.absolute),
            "..\\mark",
            "a/../../mark",
            "C:\\mark",
            "a" * 5000,
        ):
            self.changed(f"a member named {name[:20]}", {name: self.members["log.npy"]})
        many = {f"{i}.npy": b"" for i in range(60_000)}
        self.add("60,000 members", lambda: mutate.zipped(many))
        whole = mutate.zipped(self.members)
        self.add("a zip file in a zip file", mutate.zipped({"a.npz": whole}))
        data = bytearray(mutate.zipped(self.members, True))
        at = data.rindex(b"PK\x01\x02")
        data[at + 20 : at + 28] = b"\xff\xff\xff\x7f" * 2
        self.add("a size that is a lie", bytes(data))
        data = bytearray(mutate.zipped(self.members))
        at = data.index(b"PK\x01\x02")
        data[at + 8] |= 1
        self.add("an encrypted member", bytes(data))
        data[at + 10] = 99
        self.add("an unknown compression", bytes(data))
        twice = io.BytesIO(mutate.zipped(self.members))
        with zipfile.ZipFile(twice, "a") as archive:
            archive.writestr("x/config.npy", self.members["config.npy"])
        self.add("a second config", twice.getvalue())

    def descriptions(self) -> None:
        def gan(**changes: Any) -> Any:
            return {**self.config, "gan": {**self.config["gan"], **changes}}

        def network(*layers: Any) -> Any:
            return {**self.config["gan"]["G"], "layers": list(layers)}

        for n in HUGE:
            wide = {**DENSE, "n_in": n, "n_out": n}
            self.described(f"a layer {n} wide", gan(G=network(wide)))
            self.described(f"BatchNorm({n})", gan(G=network({"type": "BatchNorm", "n": n})))
            self.described(f"Maxout({n})", gan(D=network({"type": "Maxout", "n": n, "pieces": n})))
            for option in ("classes", "pack", "k", "penalty_every", "categories", "seed"):
                self.described(f"{option}={n}", gan(**{option: n}))
        self.described(
            "a layer 20,000 wide", gan(G=network({**DENSE, "n_in": 20_000, "n_out": 20_000}))
        )
        tanh = {"type": "Tanh"}
        self.described("300,000 layers", lambda: gan(G=network(*[tanh] * 300_000)))
        self.described("300,000 dense layers", lambda: gan(G=network(*[DENSE] * 300_000)))
        nested: Any = {"type": "Tanh"}
        for _ in range(200):
            nested = network(nested)
        self.described("networks in networks", gan(G=nested))
        self.described("lists in lists", '{"gan": ' + "[" * 100_000 + "]" * 100_000 + "}")
        self.described("dicts in dicts", '{"x": ' * 50_000 + "1" + "}" * 50_000)
        self.described("a number of a million digits", '{"format": ' + "9" * 1_000_000 + "}")
        self.described("one key a million times", "{" + '"x": 1,' * 1_000_000 + '"y": 1}')
        self.described("no JSON", "hello")
        self.described("an unfinished text", '{"format": "nngan')
        for value in (None, 5, "x", [1], [], {}, True):
            self.described(f"all of it is {value}", value)
            for part in self.config:
                self.described(f"{part} is {value}", {**self.config, part: value})
            for part in ("G", "D", "g_optimizer", "loss", "data_range", "latent"):
                self.described(f"the game's {part} is {value}", gan(**{part: value}))
        for name in (
            "os.system", "nngan.checkpoint.Path", "builtins.eval", "__import__", "Layer", "object",
            "Sequential", "subprocess.Popen", "../layers", "", "Linear\0", "x" * 100_000,
        ):  # fmt: skip
            self.described(f"a layer of type {name[:30]}", gan(G=network({**DENSE, "type": name})))
            optimizer = {"type": name, "lr": 0.1}
            self.described(f"an optimizer of type {name[:30]}", gan(g_optimizer=optimizer))
        for number in (-1, 0, 1e308, float("nan"), float("inf"), "1", [1], None, 10**400):
            optimizer = {**self.config["gan"]["g_optimizer"], "lr": number}
            self.described(f"lr={str(number)[:9]}", gan(g_optimizer=optimizer))
            for option in ("ema", "r1", "label_smoothing", "gradient_penalty"):
                self.described(f"{option}={str(number)[:9]}", gan(**{option: number}))
        for argument in ("self", "__class__", "rng", "backend", "layers", "path"):
            self.described(f"a game with {argument}", gan(**{argument: "x"}))
            self.described(f"a layer with {argument}", gan(G=network({**DENSE, argument: "x"})))

    def data_files(self) -> None:
        self.add_data("gzip of 512 MiB of zeros", zeros, "idx.gz")
        self.add_data("gzip of 512 MiB, twice", lambda: gzip.compress(zeros(), 9), "idx.gz")
        for sizes in ((2**32 - 1,) * 3, (2**31,), (0,), (1,) * 30 + (2**32 - 1,) * 2):
            head = struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes)
            self.add_data(f"IDX that claims {sizes[:3]}", head, "idx")
            self.add_data(f"IDX.gz that claims {sizes[:3]}", gzip.compress(head), "idx.gz")
            self.add_data(
                f"a long IDX.gz that claims {sizes[:3]}",
                lambda head=head: gzip.compress(head) + zeros(), "idx.gz",
            )  # fmt: skip
        objects = mutate.npy(np.array([Trap(self.mark)], object))
        self.add_data(".npy of objects", objects, "npy")
        self.add_data(".npz of objects", mutate.zipped({"x.npy": objects}), "npz")
        self.add_data(".npy that is a pickle", pickle.dumps(Trap(self.mark)), "npy")
        self.add_data(".npy that claims much", header((2**40,)), "npy")
        self.add_data(
            ".npz that unpacks to 256 MiB", lambda: mutate.zipped({"x.npy": large()}, True), "npz"
        )
        self.add_data(
            ".npy.gz that unpacks to 256 MiB", lambda: gzip.compress(large(), 1), "npy.gz"
        )
        self.add_data("a table of one endless line", b"1," * 3_000_000, "csv")
        self.add_data("a table of 3,000,000 lines", b"1\n" * 3_000_000 + b"x", "csv")
        self.add_data("a table of zeros", bytes(1_000_000), "csv")
        self.add_data("a table in quotes", b'"' * 1_000_001, "csv")
        ones = gzip.compress(b"1," * 2**24)
        self.add_data("a table.gz of 512 MiB", ones * 16, "csv.gz")
        for name, size in (
            ("ppm", (60_000, 60_000)),
            ("png", (30_000, 30_000)),
            ("bmp", (13_000, 13_000)),
        ):
            folder = self.folder / f"pictures-{name}"
            folder.mkdir()
            (folder / f"one.{name}").write_bytes(bomb_picture(name, size))
            self.found[f"a {name} of {size}"] = folder, nn.datasets.load, DatasetError
        for device in ("zero", "random", "stdin"):
            if os.path.exists(path := f"/dev/{device}"):
                self.found[f"{path} as IDX"] = Path(path), nn.datasets.read_idx, DatasetError
                self.found[f"{path} as data"] = Path(path), nn.datasets.load, DatasetError
                self.found[f"{path} as a checkpoint"] = Path(path), nn.GAN.load, CheckpointError
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.found["a pipe as a checkpoint"] = pipe, nn.GAN.load, CheckpointError
        self.found["a pipe as data"] = pipe, nn.datasets.load, DatasetError
        loop = self.folder / "loop"
        loop.mkdir()
        (loop / "again").symlink_to(loop)
        self.found["a folder that holds itself"] = loop, nn.datasets.load, DatasetError


def large() -> bytes:
    """Return an .npy file of 256 MiB."""
    return mutate.npy(np.zeros(2**28, "u1"))


def zeros() -> bytes:
    """Return 512 MiB of zeros, in four members of a gzip file."""
    return gzip.compress(bytes(2**27), 9) * 4


def header(shape: tuple[int, ...], dtype: str = "<f4", size: int = 100) -> bytes:
    """Return an .npy file whose header claims a shape, with a few bytes behind it."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(size)


def bomb_picture(kind: str, size: tuple[int, int]) -> bytes:
    """Return a small file that claims to be a large picture."""
    if kind == "ppm":
        return b"P6 %d %d 255\n" % size + bytes(1000)
    file = io.BytesIO()
    PIL.Image.new("1" if kind == "png" else "L", (10, 10)).save(file, kind)
    data = bytearray(file.getvalue())
    if kind == "png":
        data[16:24] = struct.pack(">II", *size)
        data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    else:
        data[18:26] = struct.pack("<ii", *size)
    return bytes(data)


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Read each hostile file once, in a random order."""
    rng = random.Random(seed)
    cases, said = Cases(folder), folder / "said"
    found = list(cases.found.items())
    rng.shuffle(found)
    before = {*folder.rglob("*"), said}
    for name, (path, read, allowed) in found:
        if path in cases.data:
            path.write_bytes(_made(cases.data[path]))

        def target() -> None:
            sys.stdin.close()
            print(Watched().call(lambda: read(path), (allowed,), str(path)))  # noqa: B023

        child = Child(target, said)
        status = child.wait()
        wrong = f"status {status}: {child.output()[-200:]}" if status else child.output()
        if path in cases.data:
            path.unlink()
        if cases.mark.exists() or cases.absolute.exists():
            raise RuntimeError(f"{name}: code of the file was run, or wrote elsewhere")
        if new := set(folder.rglob("*")) - before:
            wrong = f"left behind: {new}"
            before |= new
        yield f"{wrong.strip()} | {name} ({path.name})" if wrong.strip() else ""


if __name__ == "__main__":
    main("hostile", tries)
