"""Data sets: every kind of damaged file, every place that is searched, every mirror that fails."""

import contextlib
import gzip
import hashlib
import itertools
import math
import os
import random
import re
import socket
import subprocess
import sys
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest

from nngan import datasets
from nngan.backend import Key, NumpyBackend
from nngan.datasets import GRID, RING, DatasetError, Mixture
from nngan.datasets import images as module

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
N = 6  # images in the small stand-in for the training set


def idx(array):
    """Write an IDX file from its definition, independently of the reader."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def one_sentence(error, *words):
    """Check that a message is one line which names `words`, and return it."""
    message = str(error.value)
    assert "\n" not in message
    assert ": " in message  # what is wrong: what to do
    for word in words:
        assert str(word) in message
    return message


def tree(root):
    """Return every file below `root` with its content and time."""
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


# -- the format --------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (4, 28, 28)])
def test_read_idx_returns_what_was_written(tmp_path, shape, pack):
    array = (np.arange(math.prod(shape)) % 256).astype(np.uint8).reshape(shape)
    (tmp_path / "file").write_bytes(pack(idx(array)))
    read = datasets.read_idx(tmp_path / "file")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)
    read[...] = 1  # writable


def test_read_idx_sizes_have_the_most_significant_byte_first(tmp_path):
    (tmp_path / "file").write_bytes(bytes.fromhex("00000801 00000102") + bytes(258))
    assert datasets.read_idx(str(tmp_path / "file")).shape == (258,)


WHOLE = idx(np.arange(24).reshape(2, 3, 4))
PACKED = gzip.compress(WHOLE, mtime=0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x08", "begins with 00 00 08,"),
        (b"<html>not found</html>", "begins with 3c 68 74 6d"),
        (b"\x01\0" + WHOLE[2:], "begins with 01 00 08 03"),
        (b"\0\x01" + WHOLE[2:], "begins with 00 01 08 03"),
        (b"\0\0\x0a" + WHOLE[3:], "begins with 00 00 0a 03"),
        (b"\0\0\x0d" + WHOLE[3:], "truncated (40 bytes"),
        (b"\0\0\x08\0\x07", "begins with 00 00 08 00"),
        (b"\0\0\x08\x21" + 33 * b"\0\0\0\1" + b"\7", "begins with 00 00 08 21"),
        (WHOLE[:15], "truncated within its header"),
        (WHOLE[:16], "truncated (16 bytes"),
        (
            WHOLE[:-1],
            "truncated (39 bytes uncompressed, and its header with shape (2, 3, 4) says 40",
        ),
        (WHOLE + b"\0", "too long (41 bytes"),
        (idx(np.zeros((2, 0, 3))), "empty (its shape is (2, 0, 3))"),
        (b"\0\0\x08\x03" + bytes(4) + 8 * b"\xff", "empty"),
        (PACKED[:-1], "damaged gzip"),
        (PACKED[: len(PACKED) // 2], "damaged gzip"),
        (PACKED[:5], "damaged gzip"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "damaged gzip"),  # its CRC
        (PACKED + b"more", "damaged gzip"),
        (PACKED[:10] + b"\xff" + PACKED[11:], "damaged gzip"),
        (gzip.compress(WHOLE[:-1]), "truncated (39 bytes"),
        (gzip.compress(WHOLE + b"\0"), "too long (more than 40 bytes"),
        (gzip.compress(b"<html>"), "begins with 3c 68 74 6d"),
    ],
    ids=itertools.count(),
)
def test_read_idx_refuses_each_kind_of_damage(tmp_path, content, words):
    path = tmp_path / IMAGES
    path.write_bytes(content)
    with pytest.raises(DatasetError) as error:
        datasets.read_idx(path)
    one_sentence(error, path, words)


@pytest.mark.parametrize("whole", [WHOLE, PACKED], ids=["plain", "gzip"])
def test_read_idx_knows_no_other_error(tmp_path, whole):
    rng = random.Random(0)
    path = tmp_path / "file"
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: rng.randint(1, len(whole))] if rng.random() < 0.3 else whole)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert datasets.read_idx(path).size == 24
        except DatasetError:
            refused += 1
    assert refused > 50


def test_read_idx_of_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DatasetError) as error:
        datasets.read_idx(tmp_path / "absent")
    one_sentence(error, tmp_path / "absent", "No such file")


# -- a small world: two data sets, a web server, no other network ------------------------------


class Web(ThreadingHTTPServer):
    """Serves `pages`: address -> bytes, or "cut" or "stall" for a connection that breaks."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.pages = {}
        self.asked = []
        self.closing = threading.Event()

    def mirror(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}/"

    def serve(self, name, files):
        self.pages.update({f"/{name}/{file}": body for file, body in files.items()})
        return self.mirror(name)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.pages.get(self.path)
        if body is None:
            self.send_error(404)
            return
        if body == "stall":
            self.server.closing.wait(60)
            return
        self.send_response(200)
        if body == "endless":
            self.end_headers()
            with contextlib.suppress(OSError):  # until the other end has enough
                while not self.server.closing.is_set():
                    self.wfile.write(bytes(10_000))
            return
        if body == "length":
            self.send_header("Content-Length", "a lot")
            self.end_headers()
            return
        if body == "cut":
            body = b"\x1f\x8b" + bytes(5000)
            self.send_header("Content-Length", "9999")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def web(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def refused():
    """A mirror at a port where nobody listens."""
    with socket.socket() as probe:  # bound and not listening: no other program can take the port
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}/"


class World:
    """Stand-ins for both data sets, which know the small files made here."""

    def __init__(self, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "SPLITS", {"train": ("train", N), "test": ("t10k", 4)})
        monkeypatch.delenv("NNGAN_DATA", raising=False)
        self.cache = tmp_path / "cache"
        monkeypatch.setattr(pooch, "os_cache", {"nngan": self.cache}.__getitem__)
        self.monkeypatch = monkeypatch
        self.mnist = self.make("MNIST", 1, "sha256")
        self.fashion = self.make("FASHION_MNIST", 2, "md5")

    def make(self, constant, seed, algorithm):
        files = {}
        bits = NumpyBackend().bits(Key(seed), 28 * 28 * 10).astype(np.uint8)
        for prefix, n in module.SPLITS.values():
            files[f"{prefix}-images-idx3-ubyte.gz"] = idx(bits[: n * 784].reshape(n, 28, 28))
            files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(bits[:n] % 10)
        self.images = {**getattr(self, "images", {}), constant: bits[: N * 784].reshape(N, 784)}
        files = {name: gzip.compress(body, mtime=0) for name, body in files.items()}
        source = getattr(module, constant)
        checksums = {
            name: f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
            for name, body in files.items()
        }
        assert set(checksums) == set(source.checksums)
        made = source._replace(mirrors=("http://127.0.0.1:9/",), checksums=checksums)
        self.monkeypatch.setattr(module, constant, made)
        return files

    def mirrors(self, *mirrors):
        self.monkeypatch.setattr(module, "MNIST", module.MNIST._replace(mirrors=mirrors))


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


def put(folder, files, **other):
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return folder


# -- reading what is there ---------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["", "mnist"])
def test_mnist_from_the_root_and_from_its_folder(world, tmp_path, layout):
    put(tmp_path / "data" / layout, world.mnist)
    raw, labels = datasets.mnist(data_dir=tmp_path / "data", dtype="uint8")
    np.testing.assert_array_equal(raw, world.images["MNIST"])
    assert raw.dtype == labels.dtype == np.uint8
    assert labels.shape == (N,)
    x, same = datasets.mnist("train", str(tmp_path / "data"))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, raw / 255, rtol=1e-6)
    assert (x.min(), x.max()) == (0, 1)
    np.testing.assert_array_equal(labels, same)
    test, labels = datasets.mnist("test", tmp_path / "data")
    assert test.shape == (4, 784)
    assert labels.shape == (4,)
    raw[...] = labels[...] = 0  # writable


def test_both_sets_in_one_root(world, tmp_path):
    put(tmp_path / "mnist", world.mnist)
    put(tmp_path / "fashion-mnist", world.fashion)
    digits, _ = datasets.mnist(data_dir=tmp_path, dtype="uint8")
    clothes, _ = datasets.fashion_mnist(data_dir=tmp_path, dtype="uint8")
    np.testing.assert_array_equal(digits, world.images["MNIST"])
    np.testing.assert_array_equal(clothes, world.images["FASHION_MNIST"])


def test_search_order(world, tmp_path, monkeypatch):
    argument, variable = tmp_path / "argument", tmp_path / "variable"
    bad = dict.fromkeys(world.mnist, b"bad")
    for root in (argument, variable, world.cache):
        put(root, bad)

    def found(**keywords):
        """Which root was read, seen from the file that is named as the bad one."""
        with pytest.raises(DatasetError) as error:
            datasets.mnist(**keywords)
        return Path(str(error.value).split(" is not ")[0])

    assert found() == world.cache / IMAGES
    monkeypatch.setenv("NNGAN_DATA", "")
    assert found() == world.cache / IMAGES
    monkeypatch.setenv("NNGAN_DATA", str(variable))
    assert found() == variable / IMAGES
    assert found(data_dir=argument) == argument / IMAGES
    put(variable / "mnist", bad)
    assert found() == variable / "mnist" / IMAGES
    put(variable / "mnist", world.mnist)
    assert datasets.mnist()[0].shape == (N, 784)


def test_roots_may_begin_with_a_tilde(world, tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    put(tmp_path / "data", world.mnist)
    assert datasets.mnist(data_dir="~/data")[0].shape == (N, 784)


def test_explicit_folder_is_never_written_and_nothing_is_asked_of_the_network(world, web, tmp_path):
    world.mirrors(web.serve("a", world.mnist))
    root = put(tmp_path / "data", {LABELS: world.mnist[LABELS]})
    before = tree(root)
    with pytest.raises(DatasetError) as error:
        datasets.mnist(data_dir=root)
    one_sentence(error, f"{IMAGES} of MNIST", root, root / "mnist", "leave data_dir out")
    with pytest.raises(DatasetError):
        datasets.mnist(data_dir=tmp_path / "absent")
    assert tree(root) == before
    assert sorted(os.listdir(root)) == [LABELS]
    assert not (tmp_path / "absent").exists()
    assert web.asked == []


def test_wrong_checksum(world, web, tmp_path, monkeypatch):
    world.mirrors(web.serve("a", world.mnist))
    monkeypatch.setenv("NNGAN_DATA", str(tmp_path))
    put(tmp_path / "mnist", {IMAGES: b"damaged"})
    for data_dir, remedy in ((None, "move or delete this one"), (tmp_path, "leave data_dir out")):
        with pytest.raises(DatasetError) as error:
            datasets.mnist(data_dir=data_dir)
        one_sentence(error, tmp_path / "mnist" / IMAGES, "wrong check-sum", remedy)
    assert web.asked == []
    assert (tmp_path / "mnist" / IMAGES).read_bytes() == b"damaged"
    (tmp_path / "mnist" / IMAGES).unlink()  # the remedy
    assert datasets.mnist(progress=False)[0].shape == (N, 784)


def test_the_other_data_set_is_recognised(world, tmp_path):
    put(tmp_path / "mnist", world.fashion)
    with pytest.raises(DatasetError) as error:
        datasets.mnist(data_dir=tmp_path)
    one_sentence(error, f"is {IMAGES} of Fashion-MNIST, not {IMAGES} of MNIST")
    put(tmp_path, world.mnist)
    with pytest.raises(DatasetError) as error:
        datasets.fashion_mnist("test", data_dir=tmp_path)
    one_sentence(
        error, tmp_path / "t10k", "-ubyte.gz of MNIST, not t10k-images", tmp_path / "fashion-mnist"
    )


def test_another_file_of_the_same_set_is_recognised(world, tmp_path):
    put(tmp_path, {IMAGES: world.mnist["t10k-images-idx3-ubyte.gz"]})
    with pytest.raises(DatasetError) as error:
        datasets.mnist(data_dir=tmp_path)
    one_sentence(error, f"is t10k-images-idx3-ubyte.gz of MNIST, not {IMAGES} of MNIST")


@pytest.mark.parametrize("sizes", [(N + 1, N), (N, N + 1)])
def test_the_number_of_images_is_checked(world, tmp_path, monkeypatch, sizes):
    images = gzip.compress(idx(np.zeros((sizes[0], 28, 28))))
    labels = gzip.compress(idx(np.zeros(sizes[1:])))
    checksums = {
        n: "md5:" + hashlib.md5(b).hexdigest() for n, b in ((IMAGES, images), (LABELS, labels))
    }
    monkeypatch.setattr(module, "MNIST", module.MNIST._replace(checksums=checksums))
    put(tmp_path, {IMAGES: images, LABELS: labels})
    with pytest.raises(DatasetError) as error:
        datasets.mnist(data_dir=tmp_path)
    one_sentence(error, tmp_path / IMAGES, LABELS, f"({N}, 28, 28)", f"({N + 1},")


def test_a_folder_that_cannot_be_searched(world, tmp_path, monkeypatch):
    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    put(tmp_path, world.mnist)
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(DatasetError) as error:
        datasets.mnist(data_dir=tmp_path)
    one_sentence(error, tmp_path, "Permission denied", "NNGAN_DATA")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"split": "valid"}, "split must be one of train, test, got 'valid'"),
        ({"dtype": "float64"}, "dtype must be float32 or uint8, got 'float64'"),
    ],
)
def test_wrong_options(keywords, message):
    for function in (datasets.mnist, datasets.fashion_mnist):
        with pytest.raises(ValueError, match=message):
            function(**keywords)


# -- downloads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", [True, False])
def test_download(world, web, tmp_path, monkeypatch, variable):
    world.mirrors(web.serve("a", world.mnist))
    root = world.cache
    if variable:
        root = tmp_path / "new" / "root"
        monkeypatch.setenv("NNGAN_DATA", str(root))
    x, labels = datasets.mnist(dtype="uint8", progress=False)
    np.testing.assert_array_equal(x, world.images["MNIST"])
    np.testing.assert_array_equal(labels, world.images["MNIST"][0, :N] % 10)
    written = tree(root)
    assert {path: body for path, (body, _) in written.items()} == {
        root / "mnist" / name: world.mnist[name] for name in (IMAGES, LABELS)
    }
    datasets.mnist()
    assert web.asked == [f"/a/{IMAGES}", f"/a/{LABELS}"]  # once
    assert tree(root) == written


def test_fashion_is_downloaded_into_its_own_folder(world, web, monkeypatch):
    mirror = web.serve("f", world.fashion)
    monkeypatch.setattr(module, "FASHION_MNIST", module.FASHION_MNIST._replace(mirrors=(mirror,)))
    put(world.cache / "mnist", world.mnist)
    x, _ = datasets.fashion_mnist(dtype="uint8", progress=False)
    np.testing.assert_array_equal(x, world.images["FASHION_MNIST"])
    assert sorted(os.listdir(world.cache / "fashion-mnist")) == [IMAGES, LABELS]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "HTTPError"),
        ("wrong", "wrong check-sum"),
        ("cut", "ChunkedEncodingError"),
        ("stall", "ReadTimeout"),
        ("length", "ValueError"),
        ("endless", "sends more than the file has"),
        ("refused", "ConnectionError"),
    ],
)
def test_failing_mirrors(world, web, refused, monkeypatch, fault, reason):
    monkeypatch.setattr(module, "LARGEST", 100_000)
    patience = {"first": 0.2 if fault == "stall" else 60, "second": 60}

    class Download(pooch.HTTPDownloader):
        def __call__(self, url, *rest):
            self.kwargs["timeout"] = patience.get(url.split("/")[3], 60)  # of each mirror its own
            return super().__call__(url, *rest)

    monkeypatch.setattr(pooch, "HTTPDownloader", Download)
    bodies = {"404": {}, "wrong": world.fashion}.get(fault, dict.fromkeys(world.mnist, fault))
    first = refused if fault == "refused" else web.serve("first", bodies)
    world.mirrors(first, first)
    with pytest.raises(DatasetError) as error:
        datasets.mnist(progress=False)
    folder = world.cache / "mnist"
    tried = f"({first}: {reason}; {first}: {reason})"
    one_sentence(error, f"{IMAGES} of MNIST", tried, "check the connection", folder)
    assert tree(world.cache) == {}  # nothing partial

    world.mirrors(first, web.serve("second", world.mnist), "http://127.0.0.1:9/never-asked/")
    web.asked.clear()
    x, _ = datasets.mnist(dtype="uint8", progress=False)
    np.testing.assert_array_equal(x, world.images["MNIST"])
    assert sorted(p.name for p in tree(world.cache)) == [IMAGES, LABELS]
    prefixes = ["second"] if fault == "refused" else ["first", "second"]
    assert web.asked == [f"/{p}/{name}" for name in (IMAGES, LABELS) for p in prefixes]


def test_download_into_a_folder_that_cannot_be_made(world, web, tmp_path, monkeypatch):
    world.mirrors(web.serve("a", world.mnist))
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NNGAN_DATA", str(tmp_path / "file"))
    with pytest.raises(DatasetError) as error:
        datasets.mnist(progress=False)
    one_sentence(error, tmp_path / "file" / "mnist", "Not a directory")
    assert web.asked == []


def test_progress_can_be_switched(world, web, capsys):
    world.mirrors(web.serve("a", world.mnist))
    datasets.mnist("test", progress=False)
    assert "100%" not in capsys.readouterr().err
    datasets.mnist("train")
    assert "100%" in capsys.readouterr().err


def test_mirrors_and_checksums_are_well_formed():
    length = {"md5": 32, "sha256": 64}
    digests = set()
    for source in (module.MNIST, module.FASHION_MNIST):
        assert len(source.mirrors) == len(set(source.mirrors)) == 2
        assert all(m.startswith("http") and m.endswith("/") for m in source.mirrors)
        for checksum in source.checksums.values():
            algorithm, digest = checksum.split(":")
            assert len(bytes.fromhex(digest)) * 2 == length[algorithm]
            digests.add(digest)
    assert len(digests) == 8


def test_import_stays_light():
    code = "import sys, nngan.datasets; print({'pooch', 'requests', 'sklearn'} & {*sys.modules})"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"


# -- the genuine files, where they are ---------------------------------------------------------


@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000)])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_genuine_files(name, split, n):
    source = {"mnist": module.MNIST, "fashion_mnist": module.FASHION_MNIST}[name]
    root = Path(os.environ.get("NNGAN_DATA") or pooch.os_cache("nngan")).expanduser()
    file = f"{module.SPLITS[split][0]}-images-idx3-ubyte.gz"
    flat = name == "mnist" and (root / file).is_file()  # Fashion-MNIST only in its own folder
    if not flat and not (root / source.folder / file).is_file():
        pytest.skip(f"{source.name} is not in {root}: set NNGAN_DATA, or let {name}() download it")
    x, labels = getattr(module, name)(split, data_dir=root)
    assert x.shape == (n, 784)
    assert x.dtype == np.float32
    assert labels.dtype == np.uint8
    assert (x.min(), x.max()) == (0, 1)
    counts = np.bincount(labels, minlength=10)
    if name == "fashion_mnist":
        assert counts.tolist() == [n // 10] * 10
    elif split == "train":
        assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert x.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)  # the well-known two
        assert x.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    else:
        assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# -- bundled and synthetic data ----------------------------------------------------------------


def test_digits():
    x, labels = datasets.digits()
    assert x.shape == (1797, 64)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (0, 1)
    np.testing.assert_array_equal(x * 16, np.round(x * 16))
    assert labels.dtype == np.uint8
    assert labels[:10].tolist() == list(range(10))
    assert set(labels.tolist()) == set(range(10))


def test_ring_has_eight_distinct_centres_at_equal_angles():
    assert RING.centers.shape == (8, 2)
    assert RING.std == 0.01
    expected = [(math.cos(math.pi * k / 4), math.sin(math.pi * k / 4)) for k in range(8)]
    np.testing.assert_allclose(RING.centers, expected, atol=1e-15)
    distances = [math.dist(a, b) for a, b in itertools.combinations(RING.centers, 2)]
    assert min(distances) == pytest.approx(2 * math.sin(math.pi / 8))


def test_grid_has_25_centres():
    assert GRID.std == 0.05
    ticks = (-4, -2, 0, 2, 4)
    assert sorted(map(tuple, GRID.centers.tolist())) == sorted(itertools.product(ticks, ticks))


@pytest.mark.parametrize(("mixture", "draw"), [(RING, datasets.ring), (GRID, datasets.grid)])
def test_samples_are_the_stated_mixture(mixture, draw):
    points, components = draw()
    k = len(mixture.centers)
    n = 100_000
    assert points.shape == (n, 2)
    assert points.dtype == np.float32
    assert components.shape == (n,)
    assert components.dtype == np.intp
    counts = np.bincount(components, minlength=k)
    assert ((counts - n / k) ** 2 / (n / k)).sum() < 60  # chi-squared, at most 24 degrees
    noise = (points - mixture.centers[components]) / mixture.std
    assert np.abs(noise.mean(axis=0)).max() < 0.015
    np.testing.assert_allclose(np.cov(noise.T), np.eye(2), atol=0.02)
    inside = (noise**2).sum(axis=1) < 9  # 1 - exp(-9/2) lies within three standard deviations
    assert inside.mean() == pytest.approx(1 - math.exp(-4.5), abs=0.0015)
    for i in range(k):  # the noise of every component, not only of all together
        np.testing.assert_allclose(noise[components == i].std(axis=0), 1, atol=0.06)


@pytest.mark.parametrize("draw", [datasets.ring, datasets.grid])
def test_samples_are_a_function_of_the_seed(draw):
    points, components = draw(1000, seed=3)
    again, same = draw(1000, 3)
    np.testing.assert_array_equal(points, again)
    np.testing.assert_array_equal(components, same)
    other, others = draw(1000, seed=4)
    assert not np.isclose(points, other).all(axis=1).any()
    assert 0.02 < (components == others).mean() < 0.2  # as often as chance


def test_samples_stay_the_same_over_versions():
    points, components = datasets.ring(8, seed=0)
    assert components.tolist() == [6, 4, 5, 5, 3, 2, 5, 2]
    np.testing.assert_allclose(points[0], [-0.00688405, -1.00635791], atol=1e-6)
    points, components = datasets.grid(8, seed=0)
    assert components.tolist() == [12, 2, 4, 17, 18, 15, 10, 16]
    np.testing.assert_allclose(points[1], [-4.00248051, 0.00157122], atol=1e-6)


def test_samples_are_independent_of_a_run_with_the_same_seed():
    points, components = GRID.sample(2000, seed=0)
    noise = (points - GRID.centers[components]) / GRID.std
    for i in range(64):
        training = NumpyBackend().normal(Key(0).fold_in(i), (2000, 2))
        assert abs(np.corrcoef(noise.ravel(), training.ravel())[0, 1]) < 0.1


def test_mixture_of_ones_own():
    mixture = Mixture(np.array([[10.0, 0.0], [-10.0, 5.0]]), std=0.5)
    points, components = mixture.sample(500, seed=1)
    np.testing.assert_array_equal(points[:, 0] < 0, components == 1)
    assert points[components == 1, 1].mean() == pytest.approx(5, abs=0.2)
    for shape in ((2, 3), (2, 2, 2), (2,)):
        with pytest.raises(ValueError, match=re.escape(f"must have shape (K, 2), got {shape}")):
            Mixture(np.zeros(shape), std=1)
    with pytest.raises(AttributeError):
        mixture.std = 1


# -- sizes that a file claims ----------------------------------------------------------------------


def claim(*shape):
    """Return the header of an IDX file alone."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def most_memory(read):
    """Return the most bytes that were in use while `read` was called, which must be refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError) as error:
            read()
        return tracemalloc.get_traced_memory()[1], str(error.value)
    finally:
        tracemalloc.stop()


def zeros(n):
    """Return `n` million bytes of zeros, compressed by gzip in members of a million."""
    return gzip.compress(bytes(10**6)) * n


CLAIMS = {
    "an IDX file of 4 GB in 16 bytes": ("x-images", claim(2**16, 2**8, 2**8)),
    "the same, compressed": ("x-images.gz", gzip.compress(claim(2**16, 2**8, 2**8))),
    "more than 2**63": ("x-images", claim(*(2**32 - 1,) * 3)),
    "a little that goes on and on": ("x-images.gz", gzip.compress(claim(1, 2, 2)) + zeros(200)),
    "a header of NumPy's": (
        "x.npy", b"\x93NUMPY\1\0\x46\0{'descr': '|u1', 'fortran_order': False, "
        b"'shape': (10000000000, 4), }".ljust(79) + b"\n",
    ),
    "gzip around .npy": ("x.npy.gz", zeros(200)),
    "gzip around a table": ("x.csv.gz", zeros(200)),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_small_file_takes_little_memory(tmp_path, monkeypatch, name):
    monkeypatch.setenv("NNGAN_MEMORY", "16M")
    file, content = CLAIMS[name]
    (tmp_path / file).write_bytes(content)
    most, said = most_memory(lambda: datasets.load(tmp_path / file))
    assert most < 60_000_000
    assert file in said
    assert "\n" not in said


def test_a_packed_array_is_compared_with_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("NNGAN_MEMORY", "16M")
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((20_000, 1000), np.uint8))
    most, said = most_memory(lambda: datasets.load(tmp_path / "x.npz"))
    assert most < 10_000_000
    assert "it would fill 19.1 MiB of memory, and the limit is 16.0 MiB: set" in said
    np.savez(tmp_path / "y.npz", x=np.zeros((4, 4), np.uint8), other=np.array([print]))
    assert (
        "an array in it is not of numbers"
        in most_memory(lambda: datasets.load(tmp_path / "y.npz"))[1]
    )


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of POSIX")
def test_what_has_no_end_is_refused(tmp_path):
    (tmp_path / "x-images").symlink_to("/dev/zero")
    for read in (datasets.load, datasets.read_idx):
        assert (
            "it is a device or a pipe"
            in most_memory(lambda read=read: read(tmp_path / "x-images"))[1]
        )
