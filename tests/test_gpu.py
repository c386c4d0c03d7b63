"""On a GPU: ``pytest -m gpu``. Skipped, with the reason, where CuPy cannot run.

The bodies that every backend shares are in the other modules; here is what only a GPU can show.
"""

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from games import ALIKE, GAMES, play, state, step_of
from matrices import LAYOUTS, SHAPES, each_dtype, numbers

import nngan as nn
from nngan import distributed
from nngan.backend import Key, cublas, get_backend
from nngan.recipes import RECIPES

pytestmark = pytest.mark.gpu
STEPS = 50
MOST_OPERATIONS = {"tf_basic": 54, "pytorch_mlp": 110, "default": 156}


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


# -- one game, three ways --------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_captured_is_eager_bit_for_bit(gpu, game):
    """A fallback would warn, and warnings are errors."""
    assert_same(play(gpu, game, STEPS), play(gpu, game, STEPS, compiled=False))


class Twin:
    """A communicator of two processes whose other one has the same gradients as this one."""

    rank, size = 0, 2

    def Sendrecv(self, ours, to, *, recvbuf, source):
        assert isinstance(ours, np.ndarray)  # any MPI can send it
        recvbuf[...] = ours


@pytest.mark.parametrize("comm", [distributed.ALONE, Twin()], ids=["threads", "processes"])
@pytest.mark.parametrize("game", ["penalties", "toolbox"])
def test_shards_on_a_gpu_are_those_of_numpy(gpu, comm, game):
    x = np.random.default_rng(0).random((160, 64), dtype=np.float32)
    ours, theirs = (GAMES[game](backend=backend) for backend in (gpu, nn.NumpyBackend()))
    for gan in (ours, theirs):
        distributed.fit(gan, x, 2, 16, shards=4, comm=comm, progress=False)
    for name in "GD":
        a, b = (gan.backend.to_numpy(getattr(gan, name).params) for gan in (ours, theirs))
        assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(b)


@pytest.mark.parametrize("game", ALIKE)
def test_a_gpu_plays_numpys_game(gpu, game):
    ours, theirs = (GAMES[game](backend=backend) for backend in (gpu, nn.NumpyBackend()))
    steps = [step_of(gan, STEPS) for gan in (ours, theirs)]
    for _ in range(STEPS):
        for step in steps:
            step()
    for name in "GD":
        a, b = (gan.backend.to_numpy(getattr(gan, name).params) for gan in (ours, theirs))
        assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(b)


def test_a_captured_step_draws_numpys_numbers(gpu):
    """Rows of the minibatch and words of the noise: integers, and the same ones."""
    xp, n = gpu.xp, 37
    clock, order = xp.zeros(1, np.int64), gpu.permutation(Key(5), 1000)
    rows, words = xp.zeros((9, n), np.int64), xp.zeros((9, n), np.uint64)

    def step():
        rows[clock] = xp.take(order, clock * n + xp.arange(n))
        words[clock] = gpu.bits(Key(2**63, 7, clock), n)
        clock.__iadd__(1)

    compiled = gpu.compile(step)
    for _ in range(9):
        compiled()
    numpy = nn.NumpyBackend()
    expected = numpy.permutation(Key(5), 1000)[: 9 * n].reshape(9, n)
    np.testing.assert_array_equal(gpu.to_numpy(rows), expected)
    for t, drawn in enumerate(gpu.to_numpy(words)):
        np.testing.assert_array_equal(drawn, numpy.bits(Key(2**63, 7, t), n))


@pytest.mark.parametrize("n", [1, 511, 512, 513, 10**6 + 3])
@pytest.mark.parametrize("key", [Key(0), Key(2**64 - 1, 2**192 - 1, 2**64 - 1), Key(1, 2**70, 3)])
def test_the_kernel_gives_the_words_of_numpys_philox(gpu, key, n):
    np.testing.assert_array_equal(gpu.to_numpy(gpu.bits(key, n)), nn.NumpyBackend().bits(key, n))


# -- graphs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_replays_are_right_after_unrelated_allocations(gpu, game):
    """CuPy keeps what is freed in lists of each stream: only from emptied ones is it handed on."""

    def overwrite():
        gpu.xp.get_default_memory_pool().free_all_blocks()
        junk = [gpu.xp.full(1 << size, np.nan, np.float32) for size in range(7, 20)]
        gpu.synchronize()
        del junk
        gpu.xp.get_default_memory_pool().free_all_blocks()

    assert_same(play(gpu, game, STEPS, between=overwrite), play(gpu, game, STEPS))


def test_two_games_are_captured_side_by_side(gpu):
    names = ["default", "k=2, SGD"]
    games = [GAMES[name](backend=get_backend("cupy")) for name in names for _ in range(2)]
    steps = [step_of(gan, STEPS) for gan in games]
    for _ in range(STEPS):
        for step in steps:
            step()
    for i, gan in enumerate(games):
        assert_same(state(gan), play(gpu, names[i // 2], STEPS))


def test_memory_is_given_back_with_the_graph(gpu):
    def free_after(graphs):
        for _ in range(graphs):
            step = step_of(RECIPES["pytorch_mlp"].build(784, backend=gpu), 5, batch_size=512)
            for _ in range(5):
                step()
        del step
        gc.collect()
        gpu.synchronize()
        gpu.xp.get_default_memory_pool().free_all_blocks()
        return gpu.xp.cuda.runtime.memGetInfo()[0]

    before = free_after(1)
    assert free_after(20) > before - (64 << 20)  # each takes more than ten megabytes


def test_a_failing_capture_falls_back(gpu):
    def with_a_look(compiled):
        gan = GAMES["default"](backend=gpu)
        step = step_of(gan, STEPS, compiled=False)

        def look():
            step()
            float(gan.clock[0])

        run = gpu.compile(look) if compiled else look
        for _ in range(STEPS):
            run()
        return state(gan)

    with pytest.warns(RuntimeWarning, match="runs call by call") as caught:
        fallen_back = with_a_look(True)
    assert len(caught) == 1
    assert_same(fallen_back, with_a_look(False))
    assert_same(fallen_back, play(gpu, "default", STEPS))


def test_fit_and_resume(gpu, tmp_path):
    x = np.random.default_rng(0).random((100, 64), "float32")
    whole, first = (RECIPES["default"].build(64, backend=gpu) for _ in range(2))
    whole.fit(x, 4, 10, progress=False)
    first.fit(x, 2, 10, progress=False)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz", backend=gpu)
    second.fit(x, 2, 10, progress=False)
    assert_same(state(second), state(whole))


# -- products --------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize("shape", SHAPES)
def test_gemm_is_numpys_product_in_every_layout(gpu, shape, dtype):
    m, k, n = shape
    x, y, z = numbers(0, (m, k), dtype), numbers(1, (k, n), dtype), numbers(2, (m, n), dtype)
    a, b, c = map(gpu.asarray, (x, y, z))
    for of_a in LAYOUTS.values():
        for of_b in LAYOUTS.values():
            for of_out in LAYOUTS.values():
                out = of_out(c)
                gpu.matmul(of_a(a), of_b(b), out=out, accumulate=True)
                np.testing.assert_array_equal(gpu.to_numpy(out), x @ y + z)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-14)])
def test_gemm_of_the_sizes_of_training(gpu, dtype, tolerance):
    """In full precision: TF32 would be wrong in the third decimal."""
    rng = np.random.default_rng(0)
    for m, k, n in [(128, 784, 512), (784, 128, 512), (128, 512, 1), (512, 128, 1), (128, 1, 512)]:
        x, y = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n)))
        product = gpu.to_numpy(gpu.matmul(gpu.asarray(x), gpu.asarray(y)))
        expected = x.astype("float64") @ y.astype("float64")
        assert np.linalg.norm(product - expected) <= tolerance * np.linalg.norm(expected)


def test_there_is_one_cublas_in_the_process(gpu):
    gpu.xp.ones((2, 2)) @ gpu.xp.ones((2, 2))  # CuPy's own
    with open("/proc/self/maps") as maps:
        assert len({line.split()[-1] for line in maps if "libcublas.so" in line}) == 1


def test_tf32_is_asked_for_by_name_alone(gpu, monkeypatch):
    """What it changes only a GPU shows; here, that cuBLAS is told, and is not told else."""
    calls = []
    monkeypatch.setattr(cublas.Cublas, "_call", lambda self, *call: calls.append(call))
    get_backend("cupy")
    assert [name for name, *_ in calls] == ["cublasCreate_v2"]
    get_backend("cupy-tf32")
    name, _handle, mode = calls[-1]
    assert (name, mode) == ("cublasSetMathMode", 3)


# -- the number of operations ----------------------------------------------------------------------


@pytest.mark.parametrize(("recipe", "most"), MOST_OPERATIONS.items())
def test_a_step_has_few_operations(gpu, recipe, most):
    """As the emulated GPU counts them: kernels, products and copies of one captured step."""
    if "FAKE_GPU" not in os.environ:
        pytest.skip("only the emulated GPU counts the operations of a graph")
    program = f"""if True:
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from games import assert_captured, step_of
        from nngan.recipes import RECIPES
        recipe = RECIPES[{recipe!r}]
        gan = recipe.build(784, backend="cupy", steps=9)
        step = step_of(gan, 9, batch_size=recipe.batch_size, compiled=False)
        assert_captured(gan.backend, step)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "FAKE_GPU_VERBOSE": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    [operations] = re.findall(r"captured (\d+) operations", done.stderr)
    assert int(operations) <= most
