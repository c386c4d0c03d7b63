"""What is around a run: environments, closed streams, clocks, downloads, a judge in training.

None of it changes a byte of what a run leaves, or is answered by more than a sentence.
"""

import functools
import gzip
import hashlib
import http.server
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pooch

import nngan as nn
import nngan.datasets.images
from nngan.datasets import DatasetError

from . import tiny
from .campaign import main
from .children import Child

# Each is set, or with None taken away.
ENVIRONMENTS: tuple[dict[str, str | None], ...] = (
    {}, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "4000000000"}, {"LC_ALL": "C"},
    {"LC_ALL": "tr_TR.UTF-8"}, {"LANG": None}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0"},
    {"PYTHONUTF8": "1"}, {"MPLBACKEND": "nonsense"}, {"MPLBACKEND": "TkAgg"}, {"DISPLAY": ":99"},
    {"COLUMNS": "0"}, {"COLUMNS": "x", "LINES": "-1"}, {"TERM": "dumb"}, {"TERM": None},
    {"HOME": None}, {"HOME": "/no/such"}, {"TMPDIR": "/no/such"}, {"TZ": "Asia/Kathmandu"},
    {"MPLCONFIGDIR": "/no/such"}, {"XDG_CACHE_HOME": "/no/such"}, {"PYTHONDONTWRITEBYTECODE": "1"},
    {"PYTHONOPTIMIZE": "1"}, {"PYTHONOPTIMIZE": "2"}, {"PYTHONWARNINGS": "error"},
    {"PYTHONDEVMODE": "1"}, {"PYTHONUNBUFFERED": "1"}, {"NNGAN_MEMORY": "64M"},
    {"OPENBLAS_NUM_THREADS": "2"}, {"TQDM_DISABLE": "1"},
)  # fmt: skip
STREAMS = ("", "", ">&-", "2>&-", "<&-", ">&- 2>&- <&-", "> full", "2> full", "| head -1",
           "| true", "2>&1 | head -c 1")  # fmt: skip
RATES = ("1e2", "1e4", "1e10", "1e19", "1e30", "1e38", "3e38", "1e300")


class Around:
    """The kinds of tries; each returns what is wrong, or ""."""

    def __init__(self, folder: Path):
        self.folder, self.out = folder, folder / "run"
        self.runs = tiny.Runs(folder)
        try:  # of our own, if we are root: somebody may have replaced that of the system
            os.mknod(folder / "full", 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        except OSError:
            (folder / "full").symlink_to("/dev/full")
        self.web, self.cache = Web(), folder / "cache"
        pooch.os_cache = {"nngan": self.cache}.__getitem__
        module = nn.datasets.images
        module.SPLITS = {"train": ("train", 10), "test": ("t10k", 4)}
        module.LARGEST = 100_000
        self.web.whole = {name: packed(name) for name in module.MNIST.checksums}
        checksums = {
            name: f"sha256:{hashlib.sha256(body).hexdigest()}"
            for name, body in self.web.whole.items()
        }
        module.MNIST = module.MNIST._replace(
            mirrors=(self.web.address,), checksums=checksums, contents={}
        )

    # -- real processes ----------------------------------------------------------------------------

    def environment(self, rng: random.Random) -> str:
        """Train in an odd environment, with odd streams."""
        chosen = dict(rng.choice(ENVIRONMENTS)) | dict(rng.choice(ENVIRONMENTS))
        return self.real(chosen, rng.choice(STREAMS))

    def real(self, chosen: dict[str, str | None], after: str) -> str:
        words = [sys.executable, "-m", "nngan", "train", "--data", str(self.runs.data)]
        words += ["--recipe", "tf_basic", "--epochs", "2", "--out", str(self.out)]
        environment = {**os.environ, **chosen}
        set_only = {name: value for name, value in environment.items() if value is not None}
        done = subprocess.run(
            ["/bin/sh", "-c", f"'{sys.executable}' \"$@\" {after}", *words],
            env=set_only, cwd=self.folder, capture_output=True, text=True, errors="replace",
            timeout=300,
        )  # fmt: skip
        said = done.stdout + done.stderr
        if "Traceback" in said:
            return f"a traceback | {chosen} {after}: {said[-500:]}"
        if done.returncode not in ((0, 1) if "full" in after else (0,)):
            return f"status {done.returncode} | {chosen} {after}: {said[-500:]}"
        found = tiny.content(self.out)
        if "OPENBLAS_NUM_THREADS" in chosen:  # the run says how many there were
            found["config.json"] = self.undisturbed["config.json"]
            found["checkpoint.npz"] = self.undisturbed["checkpoint.npz"]
        names = found.keys() ^ self.undisturbed.keys()
        names |= {n for n in found.keys() - names if found[n] != self.undisturbed[n]}
        return f"other files: {sorted(names)} | {chosen} {after}: {said[-300:]}" if names else ""

    @functools.cached_property
    def undisturbed(self) -> dict[str, bytes]:
        """The files of a real process that nothing disturbs."""
        before, self.undisturbed = self.out, {}
        self.real({}, "")
        found = tiny.content(before)
        shutil.rmtree(before)
        return found

    # -- clocks, numbers ---------------------------------------------------------------------------

    def clock(self, rng: random.Random) -> str:
        """Train while the clocks stand still, go back, leap, or are anywhere."""
        kind = rng.choice(("still", "back", "ahead", "random", "in 2106", "before 1970"))
        game, seed = rng.choice(list(tiny.KINDS)), rng.random()
        whole = self.runs.whole(game, "numpy")
        words = tiny.arguments(game, "numpy", self.runs.data, self.out)
        child = tiny.train(words, "numpy", self.runs.output, before=lambda: set_clocks(kind, seed))
        status = child.wait()
        wrong = tiny.ending(status) or tiny.difference(self.out, whole)
        return f"a clock: {wrong} | {kind}: {' '.join(words)}: {child.output()[-400:]}" * bool(
            wrong
        )

    def divergence(self, rng: random.Random) -> str:
        """Train with an absurd learning rate: what is saved is finite."""
        game, rate = rng.choice(list(tiny.KINDS)), rng.choice(RATES)
        words = [*tiny.arguments(game, "numpy", self.runs.data, self.out), "--lr", rate]
        child = tiny.train(words, "numpy", self.runs.output)
        status, said = child.wait(), child.output()
        how = f"{' '.join(words)}: {said[-400:]}"
        if status not in (0, 1, 2) or "Traceback" in said:
            return f"status {status} | {how}"
        if (checkpoint := self.out / "checkpoint.npz").exists():
            gan = nn.GAN.load(checkpoint)
            arrays = [gan.G.params, gan.D.params, *gan.g_optimizer.state.values()]
            if not all(np.isfinite(a).all() for a in arrays):
                return f"weights that are not finite were saved | {how}"
            if not all(np.isfinite(column).all() for column in gan.history.values()):
                return f"losses that are not finite were saved | {how}"
        return ""

    # -- a network ---------------------------------------------------------------------------------

    def download(self, rng: random.Random) -> str:
        """Download from a server that fails, in one to three processes; some are killed."""
        self.web.fault = rng.choice(FAULTS)
        how = f"{self.web.fault}"
        if rng.random() < 0.1:
            self.cache.write_bytes(b"a file")
        children = [self.downloading(i) for i in range(rng.choice((1, 1, 2, 3)))]
        if rng.random() < 0.4:
            time.sleep(wait := rng.uniform(0, 0.3))
            children[0].send(signal.SIGKILL)
            how += f", killed after {wait:.3f} s"
        for child in children:
            status, said = child.wait(), child.output()
            if status not in (0, 3, -signal.SIGKILL):
                return f"a download: status {status} | {how}: {said[-500:]}"
        self.web.fault = ""
        if self.cache.is_file():
            self.cache.unlink()
        last = self.downloading(0, 60)
        if status := last.wait():
            return f"a download afterwards: status {status} | {how}: {last.output()[-500:]}"
        wanted = {
            f"mnist/{name}": self.web.whole[name] for name in self.web.whole if name[0] == "t"
        }
        wanted = {name: body for name, body in wanted.items() if "/train" in name}
        found = tiny.content(self.cache)
        return f"a download: {sorted(found)} in the cache | {how}" if found != wanted else ""

    def downloading(self, i: int, patience: float = 0.5) -> Child:
        def target() -> int:
            warnings.simplefilter("error")
            nn.datasets.images.TIMEOUT = patience
            try:
                x, labels = nn.datasets.mnist("train", dtype="uint8", progress=False)
            except DatasetError as error:
                return 3 if "\n" not in str(error) and len(str(error)) < 2000 else 4
            return 0 if x.shape == (10, 784) and labels.shape == (10,) else 5

        return Child(target, self.folder / f"said-{i}")

    # -- a judge -----------------------------------------------------------------------------------

    def judge(self, rng: random.Random) -> str:
        """Kill a run that is measured, while its judge is trained or later; go on."""
        said = []
        for _ in range(rng.randint(1, 3)):
            child = self.measured()
            time.sleep(wait := rng.uniform(0, 1.2 * self.seconds))
            child.send(signal.SIGKILL)
            said.append(f"killed after {wait:.3f} s")
            if child.wait() != -signal.SIGKILL:
                break
        child = self.measured()
        wrong = tiny.ending(child.wait()) or tiny.difference(self.out, self.measured_whole)
        left = [path.name for path in self.cache.rglob("*") if path.suffix == ".part"]
        wrong = wrong or (f"{left} in the cache" if left else "")
        return f"a run with a judge: {wrong} | {said}: {child.output()[-400:]}" if wrong else ""

    def measured(self) -> Child:
        words = tiny.begin_or_resume("default", "numpy", Path("mnist"), self.out)
        if "--resume" not in words:
            words += ["--measure-every", "1"]
        return tiny.train(words, "numpy", self.runs.output, before=stand_in_for_mnist)

    @functools.cached_property
    def measured_whole(self) -> dict[str, bytes]:
        """The files of a run that is measured and not disturbed."""
        began, child = time.monotonic(), self.measured()
        if status := child.wait():
            raise RuntimeError(f"status {status}: {child.output()}")
        self.seconds = time.monotonic() - began
        found = tiny.content(self.out)
        shutil.rmtree(self.out)
        shutil.rmtree(self.cache)
        return found


def set_clocks(kind: str, seed: float) -> None:
    """Let all clocks of Python tell another time; for a fork."""
    rng, real = random.Random(seed), time.monotonic
    began, calls = real(), count()

    def seconds() -> float:
        if kind == "still":
            return 1e9
        if kind == "back":
            return 1e9 - 7.0 * next(calls)
        if kind == "ahead":
            return 1e9 + 1e5 * next(calls)
        if kind == "random":
            return rng.uniform(0, 4e9)
        return {"in 2106": 2.0**32 + 5, "before 1970": -1e8}[kind] + real() - began

    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, seconds)
        setattr(time, f"{name}_ns", lambda: int(1e9 * seconds()))


def stand_in_for_mnist() -> None:
    """Let MNIST be one bright bar a digit, and its judge be trained in no time; for a fork."""
    bars = np.repeat(np.eye(10, 784 // 78), 78, axis=1)
    bars = np.pad(bars, ((0, 0), (0, 784 - bars.shape[1])))
    noise = np.random.default_rng(0).integers(0, 60, (2300, 784))
    images = (noise + 180 * bars[np.arange(2300) % 10]).astype(np.uint8)

    def mnist(split: str = "train", data_dir: object = None, dtype: str = "float32", **_: object):
        x = images[:2050] if split == "train" else images[2050:]
        return (x if dtype == "uint8" else x.astype("f4") / 255), np.arange(len(x)) % 10

    def train_judge(*_: object) -> nn.metrics.Judge:
        time.sleep(0.2)
        weights = bars.T.astype("f4") / 78, 9 * np.eye(10, dtype="f4")
        return nn.metrics.Judge(weights, (np.zeros(10, "f4"), np.zeros(10, "f4")), 0.99)

    nn.datasets.mnist, nn.metrics.judge.train_judge = mnist, train_judge


FAULTS = (
    "",
    "404",
    "500",
    "html",
    "cut",
    "stall",
    "slow",
    "other",
    "redirect",
    "endless",
    "length",
)


class Web:
    """A server on this machine that does what `fault` says."""

    def __init__(self) -> None:
        self.fault, self.whole = "", dict[str, bytes]()
        web = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.answer(self, self.path.rpartition("/")[2])

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # of connections whose other end was killed

        server = Server(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, request: http.server.BaseHTTPRequestHandler, name: str) -> None:
        fault, body = self.fault, self.whole.get(name, b"")
        if fault in ("404", "500"):
            request.send_error(int(fault))
            return
        if fault == "stall":
            time.sleep(1)
            return
        if fault == "redirect":
            request.send_response(302)
            request.send_header("Location", self.address + name)
            request.end_headers()
            return
        if fault == "endless":
            request.send_response(200)
            request.end_headers()
            while True:  # until the other end has enough
                request.wfile.write(bytes(10_000))
        if fault == "length":
            request.send_response(200)
            request.send_header("Content-Length", "a lot")
            request.end_headers()
            return
        body = {"html": b"<html>sign in</html>", "other": body[::-1]}.get(fault, body)
        request.send_response(200)
        request.send_header("Content-Length", str(len(body) + 9 * (fault == "cut")))
        request.end_headers()
        if fault == "slow":
            for at in range(0, len(body), len(body) // 5 + 1):
                request.wfile.write(body[at : at + len(body) // 5 + 1])
                time.sleep(0.05)
            return
        request.wfile.write(body)


def packed(name: str) -> bytes:
    """Return a small stand-in for a file of MNIST."""
    n = 10 if name.startswith("train") else 4
    sizes = (n, 28, 28) if "images" in name else (n,)
    head = bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)
    body = np.random.default_rng(n).integers(0, 10, sizes, dtype=np.uint8).tobytes()
    return gzip.compress(head + body, mtime=0)


KINDS: dict[str, Callable[[Around, random.Random], str]] = {
    "clock": Around.clock, "divergence": Around.divergence, "download": Around.download,
    "judge": Around.judge, "environment": Around.environment,
}  # fmt: skip


def tries(seed: int, folder: Path, only: str | None) -> Iterator[tuple[str, str]]:
    """Play the kinds in turn, or one of them."""
    for name in ("NNGAN_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        os.environ.pop(name, None)
    os.environ["no_proxy"] = "127.0.0.1"
    around, rng = Around(folder), random.Random(seed)
    for i in count():
        kind = only or list(KINDS)[i % len(KINDS)]
        if kind == "judge":
            around.measured_whole  # noqa: B018  (it is made when it is first asked for)
        if kind == "environment":
            around.undisturbed  # noqa: B018
        yield kind, KINDS[kind](around, rng)
        for left in (around.out, around.cache):
            shutil.rmtree(left, ignore_errors=True)


if __name__ == "__main__":
    main("around", tries, tuple(KINDS))
