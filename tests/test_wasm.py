"""The library in Pyodide, the Python of browsers: files of the suite run there, under node.

``make test-wasm`` finds a release of Pyodide; NNGAN_PYODIDE names the folder of another.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import in_pyodide
import pytest

ROOT = Path(__file__).parents[1]
# The environment's own Node before another.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
NODE, PYODIDE = shutil.which("node", path=PATH), os.environ.get("NNGAN_PYODIDE")
# What the tests import and Pyodide does not bring; all of it is plain Python.
PACKAGES = ["pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py", "tqdm"]
FILES = ["in_pyodide"] + [
    f"test_{name}"
    for name in (
        "layers", "losses", "objectives", "training", "network", "maxout", "batchnorm", "optim",
        "ema", "schedule", "conditional", "checkpoint", "mistakes", "products",
    )
]  # fmt: skip
# Not there: backends, threads, named pipes, and the processor's word that a number became too
# small. And tests that mean int64 by NumPy's default integer, or rely on a newer NumPy.
ELSEWHERE = [
    "numba", "mkl", "cupy", "captured", "main_thread", "moments_without",
    "whole_numbers", "one_clear_sentence", "device_is_no",
]  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="Node is not here: make test-wasm brings it"),
    pytest.mark.skipif(not PYODIDE, reason="Pyodide is not here: make test-wasm fetches it"),
]


def folder(package):
    path = Path(importlib.util.find_spec(package).origin)
    return str(path.parent if path.name == "__init__.py" else path)


def test_part_of_the_suite_passes_in_pyodide():
    done = subprocess.run(
        [
            NODE, ROOT / "tests/wasm.mjs", Path(PYODIDE).resolve(), ROOT,
            json.dumps([folder(package) for package in PACKAGES]),
            "-q", "-p", "no:cacheprovider", "--capture=sys", "-m", "not gpu and not slow", "-k",
            " and ".join(f"not {word}" for word in ELSEWHERE),
            *(f"tests/{name}.py" for name in FILES),
        ],
        env={**os.environ, "LOSSES": json.dumps(in_pyodide.ring_losses())},
        capture_output=True, text=True, timeout=2400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 500, done.stdout
    assert "skipped" not in done.stdout, done.stdout
