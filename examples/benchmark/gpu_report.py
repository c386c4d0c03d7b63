"""What the CuPy backend does on this machine: tests, agreement with NumPy, speed, an epoch.

python examples/benchmark/gpu_report.py            # under ten minutes; writes gpu_report.md
python examples/benchmark/gpu_report.py --quick    # a sample of each part, for an emulated GPU

Each part is a command, which the report names, with its time and the end of its output. A part that
fails does not end the others: the report says so, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from case import IMAGES, images

import nngan as nn
from nngan.backend import BackendUnavailable, Key, get_backend
from nngan.command_line import OneSentenceParser
from nngan.commands.options import output
from nngan.recipes import RECIPES
from nngan.training.loop import compiled_step

ROOT = Path(__file__).parents[2]
LINES = 25  # of the output of a part that are kept


def main() -> int:
    """Run all parts and write the report after each; return the exit status."""
    parser = OneSentenceParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sample of each part")
    parser.add_argument(
        "--out", type=output(), default=Path("gpu_report.md"), metavar="FILE",
        help="default: gpu_report.md",
    )  # fmt: skip
    parser.add_argument("--agreement", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.agreement:
        print("\n".join(agreement(20 if options.quick else 200)))
        return 0
    try:
        written = [f"# The CuPy backend on {machine()}\n"]
    except BackendUnavailable as error:
        parser.error(str(error))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for title, words in parts(options.quick, folder):
            status, text = part(title, words)
            failed |= status != 0
            written.append(text)
            print(text, flush=True)
            options.out.write_text("\n".join(written), encoding="utf-8")
    print(f"The report is in {options.out.absolute()}")
    return 1 if failed else 0


def machine() -> str:
    """Return the GPU, the versions and the date in one line."""
    xp = get_backend("cupy").xp
    name = xp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    driver = xp.cuda.runtime.driverGetVersion()
    return (
        f"{name}: CUDA driver {driver // 1000}.{driver % 1000 // 10}, CuPy {xp.__version__}, "
        f"NumPy {np.__version__}, nngan {nn.__version__}, {time.strftime('%Y-%m-%d')}"
    )


def parts(quick: bool, folder: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the title of each part and its command, after ``python``."""
    race = str(Path(__file__).with_name("race.py"))
    some = ["tests/test_gpu.py", "-k", "philox or side_by_side"] if quick else []
    yield "Tests", ["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *some]
    me = str(Path(__file__))
    yield "Agreement with NumPy", [me, "--agreement", *["--quick"] * quick]
    short = ["--rounds", "1", "--seconds", "0.01", "--recipe", "tf_basic"] if quick else []
    yield "Speed", [race, "--backend", "cupy", *short]
    small = ["--data", "digits", "--images", "200"] if quick else []
    train = ["-m", "nngan", "train", "--backend", "cupy", "--epochs", "1", "--out", f"{folder}/run"]
    yield "One epoch of `default`", [*train, *small]


def part(title: str, words: list[str]) -> tuple[int, str]:
    """Run a part; return its exit status and its section of the report."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    lines = [line.split("\r")[-1].rstrip() for line in done.stdout.splitlines()][-LINES:]
    ended = "" if done.returncode == 0 else f", FAILED with status {done.returncode}"
    shown = " ".join(words).replace(f"{ROOT}/", "")
    seconds = time.monotonic() - began
    text = "\n".join(lines)
    return (
        done.returncode,
        f"## {title}\n\n`python {shown}`: {seconds:.0f} s{ended}\n\n```\n{text}\n```\n",
    )


def agreement(steps: int) -> Iterator[str]:
    """Train each recipe for `steps` steps on NumPy and on CuPy; yield how far apart they end."""
    yield f"{'recipe':16} relative difference of G's and D's weights after {steps} steps"
    for name in ("tf_basic", "pytorch_mlp", "default", "r1", "rpgan", "wgan_gp"):
        weights = [trained(name, backend, steps) for backend in ("numpy", "cupy")]
        distances = [
            np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(*weights, strict=True)
        ]
        yield f"{name:16} {distances[0]:.1e}  {distances[1]:.1e}"


def trained(name: str, backend: str, steps: int) -> list[np.ndarray]:
    """Train on digits of MNIST's size for `steps` steps; return the weights of G and D."""
    recipe = RECIPES[name]
    gan = recipe.build(784, backend=backend, steps=1000)
    gan.log = gan.backend.xp.zeros((steps, 4), dtype=gan.G.dtype)
    order = gan.backend.permutation(Key(0), IMAGES)
    data = gan.backend.asarray(images())
    step = compiled_step(gan, data, order, recipe.batch_size)
    for _ in range(steps):
        step()
    return [gan.backend.to_numpy(network.params) for network in (gan.G, gan.D)]


if __name__ == "__main__":
    sys.exit(main())
