"""The library's CUDA: it compiles without a GPU, and its arithmetic runs on a CPU."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from nngan import NumpyBackend
from nngan.backend import Key, kernels

SOURCES = {name: code for name, code in vars(kernels).items() if name.isupper()}
LAST = 2**64 - 1
# What CUDA adds to C++, as far as the kernels use it: one thread after the other.
SHIM = """
struct Index { unsigned x; };
static Index blockIdx, blockDim, threadIdx;
#define __device__ static
#define __global__
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
"""
LAUNCH = """
extern "C" void launch_philox4x64(unsigned grid, unsigned block, uint64* words, uint64 n,
    const uint64* step, uint64 seed, uint64 s0, uint64 s1, uint64 s2) {
    blockDim.x = block;
    for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x)
            philox4x64(words, n, step, seed, s0, s1, s2);
}
"""


@pytest.mark.parametrize("name", SOURCES)
def test_kernels_compile_for_an_h100(name):
    cupy = pytest.importorskip("cupy", reason="CuPy (a GPU is not needed) is missing")
    nvrtc = cupy.cuda.nvrtc
    try:
        nvrtc.getVersion()
    except Exception as error:
        pytest.skip(f"NVRTC is missing ({error}): pip install 'cuda-toolkit[nvrtc]==13.*'")
    program = nvrtc.createProgram(SOURCES[name], f"{name}.cu", (), ())
    try:
        nvrtc.compileProgram(program, ("-arch=sm_90", "-std=c++17", "-Werror", "all-warnings"))
    except Exception:
        pytest.fail(nvrtc.getProgramLog(program))
    assert len(nvrtc.getCUBIN(program)) > 1000


@pytest.fixture(scope="module")
def launch_philox(tmp_path_factory):
    """The kernel as a function of (grid, block, n, key) on the CPU."""
    if not (compiler := shutil.which("g++")):
        pytest.skip("g++ is missing")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel.cpp").write_text(SHIM + kernels.PHILOX + LAUNCH)
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, "kernel.cpp", "-o", "kernel.so"], cwd=folder, check=True)
    function = ctypes.CDLL(str(folder / "kernel.so")).launch_philox4x64
    uint64, array = ctypes.c_uint64, ctypes.c_void_p
    function.argtypes = [ctypes.c_uint] * 2 + [array, uint64, array] + [uint64] * 4

    def launch(grid, block, n, key):
        words, step = np.zeros(n + 8, np.uint64), np.array([key.step], np.uint64)
        data = words.ctypes.data, n, step.ctypes.data
        function(grid, block, *data, key.seed, *key.stream_words)
        assert not words[n:].any()  # nothing is written behind the last word
        return words[:n]

    return launch


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 511, 512, 513, 1001])
@pytest.mark.parametrize(
    "key",
    [
        Key(0),
        Key(1, 2, 3),
        Key(LAST, 2**192 - 1, LAST),
        Key(12345, 2**63 | 5 << 64 | 7 << 128, 2**40),
    ],
)
def test_the_kernel_gives_the_words_of_numpys_philox(launch_philox, key, n):
    words = launch_philox(-(-n // 512), 128, n, key)
    np.testing.assert_array_equal(words, NumpyBackend().bits(key, n))


def test_the_kernel_may_have_more_threads_than_words(launch_philox):
    np.testing.assert_array_equal(
        launch_philox(7, 32, 10, Key(1, 2, 3)), NumpyBackend().bits(Key(1, 2, 3), 10)
    )
