"""The campaigns of tests/attack in short, each as the program that it is.

`make attack` runs the long form.
That a campaign finds what it looks for is shown with faults that are planted.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")

TESTS = Path(__file__).parent
SHORT = {
    "kills": "--count 10 --only numpy",
    "ends": "--count 25",
    "disks": "--count 25",
    "signals": "--count 12 --only running",
    "folders": "--count 8",
    "readers": "--count 1500",
    "hostile": "--count 40",
    "lines": "--count 1500",
    "threads": "--count 12 --only fit",
    "misuse": "",
    "around": "--count 5",
}
LONGER = {
    "kills numba": "--count 30 --only numba",
    "kills mkl": "--count 30 --only mkl",
    "hostile": "",
    "readers": "--seed 1 --count 20000",
    "lines": "--seed 1 --count 10000",
}


def campaign(name, *options, before=""):
    """Run a campaign after some lines of Python; return its exit status and what it printed."""
    program = f"{before}\nimport runpy\nrunpy.run_module('attack.{name}', run_name='__main__')"
    paths = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(TESTS)]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "NNGAN_DATA": os.devnull}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "--seconds", "300", *options],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TESTS, timeout=1200,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", SHORT)
def test_a_short_campaign_finds_nothing(name):
    status, said = campaign(name, *SHORT[name].split())
    assert status == 0, said
    assert f"{name}: tried " in said


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_a_longer_campaign_finds_nothing(name):
    if name == "kills mkl":
        pytest.importorskip("mkl", reason="MKL is not installed")
    if name in ("kills mkl", "kills numba"):
        pytest.importorskip("numba", reason="Numba is not installed")
    status, said = campaign(name.split()[0], *LONGER[name].split())
    assert status == 0, said


# A file that is opened for writing at once: half of it is there when the process ends.
HASTY = """
import contextlib, nngan.checkpoint, nngan.datasets.images, nngan.runs.folder
@contextlib.contextmanager
def write(path):
    with open(path, "wb") as file:
        yield file
nngan.checkpoint.atomic_write = nngan.runs.folder.atomic_write = write
"""
HASTY_DOWNLOAD = HASTY.replace("nngan.checkpoint.atomic", "nngan.datasets.images.atomic")
# A run that does not go on from where it was.
FORGETFUL = """
import nngan.checkpoint
load = nngan.checkpoint.load
def forget(path, make):
    gan, extra = load(path, make)
    gan.d_optimizer.state["m"][...] = 0
    return gan, extra
nngan.checkpoint.load = forget
"""
CARELESS = """
import nngan.datasets
nngan.datasets.read_idx = lambda path: path.read_bytes()[20]
"""
# What Python cannot catch: the process ends, or does not answer.
CRASHING = """
import os, nngan.datasets
nngan.datasets.read_idx = lambda path: os._exit(3)
"""
DEAF = """
import signal, time, attack.worker, nngan.datasets
def read(path):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(100)
attack.worker.PATIENCE, nngan.datasets.read_idx = 1, read
"""
# A zip file whose check-sums nobody compares.
BLIND = """
import zipfile
zipfile.ZipExtFile._update_crc = lambda file, data: None
"""
TALKATIVE = """
import argparse, nngan.command_line
nngan.command_line.OneSentenceParser.error = argparse.ArgumentParser.error
"""
TRUSTING = """
import nngan.gan
nngan.gan.boolean = lambda name, value: value
"""


@pytest.mark.parametrize(
    ("name", "planted", "options", "found"),
    [
        ("ends", HASTY, "--count 100 --first", "is no .npz file, or the end of it is missing"),
        ("kills", FORGETFUL, "--count 100 --first --only numpy", "checkpoint.npz has other bytes"),
        ("readers", CARELESS, "--count 50 --only idx", "IndexError"),
        ("readers", CRASHING, "--count 3 --only idx", "3 x idx: the process ended with status N"),
        ("readers", DEAF, "--count 2 --only idx", "the process gave no answer in N s"),
        ("readers", BLIND, "--count 50 --only bit", "another state was loaded"),
        ("around", HASTY_DOWNLOAD, "--count 100 --first --only download", "a download"),
        ("around", FORGETFUL, "--count 50 --first --only judge", "checkpoint.npz has other bytes"),
        ("lines", TALKATIVE, "--count 100 --first", "no sentence of"),
        ("misuse", TRUSTING, "--only games", "no error in GAN.sample(averaged)"),
    ],
)
def test_a_planted_fault_is_found(name, planted, options, found):
    status, said = campaign(name, *options.split(), before=planted)
    assert status == 1, said
    assert found in said
