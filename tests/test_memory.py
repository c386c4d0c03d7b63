"""How much memory training takes, and that it does not grow."""

import gc
import platform
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from games import data, fit, float32_game

import nngan as nn

FAULTS = """
import resource
import numpy as np
from nngan.recipes import RECIPES
x = np.random.default_rng(0).integers(0, 256, (10_240, 784), dtype=np.uint8)
gan = RECIPES["tf_basic"].build(784)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
gan.fit(x, epochs=1, batch_size=1024, progress=False)
before = faults()
gan.fit(x, epochs=2, batch_size=1024, progress=False)
print((faults() - before) / 20)
"""
OURS = tracemalloc.Filter(True, f"{Path(nn.__file__).parent}/*")  # and not what runs the tests
PEAK = """
import numpy as np
from nngan.recipes import RECIPES
x = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
gan = RECIPES["pytorch_mlp"].build(784)
gan.fit(x[:12_800], epochs=1, batch_size=128, progress=False)
with open("/proc/self/status") as file:
    peak = next(line for line in file if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 2**10)
"""


def test_training_the_large_recipe_peaks_under_600_megabytes():
    # Not getrusage: its peak begins with that of the process which started this one.
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells a process's own peak")
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert 100 < float(done.stdout) < 600


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be told")
def test_a_step_takes_its_memory_from_the_step_before():
    # 7,234 pages of 4 kB are fetched anew in each step where the C library returns what is freed.
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_memory_does_not_grow_with_steps(update):
    gan, x = float32_game(update=update), data(400)
    fit(gan, x, epochs=2, batch_size=4)
    tracemalloc.start()
    try:
        held = []
        for epochs in (1, 10):
            fit(gan, x, epochs=epochs, batch_size=4)
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces([OURS])
            held.append(sum(trace.size for trace in ours.traces))
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < 10_000  # 1,000 steps; ten epochs of history are 1,000 bytes
