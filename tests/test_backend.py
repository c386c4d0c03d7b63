"""Backends: products, random numbers that are the same everywhere, errors that say what to do."""

import copy
import itertools
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from games import assert_captured
from hypothesis import given, settings
from hypothesis import strategies as st

import nngan as nn
from nngan.backend import (
    BACKENDS,
    BackendUnavailable,
    CupyBackend,
    Key,
    NumpyBackend,
    Shard,
    Stream,
    array_module,
    fastest_backend,
    fused,
    get_backend,
    mean_of,
)
from nngan.backend.formulas import box_muller
from nngan.backend.philox import philox

LAST = 2**64 - 1
KEYS = [
    Key(0),
    Key(1),
    Key(0, 1),
    Key(0, 0, 1),
    Key(2**32, 2**32 - 1, 2**32),
    Key(12345, 2**63, 2**40),
    Key(LAST, LAST, 2**63 - 1),
]
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def numpys_words(key, n):
    """The words that `bits` promises, from NumPy's generator: 64 bits of a number are a word."""
    generator = np.random.Philox(key=key.seed | key.stream << 64, counter=key.step << 64)
    return generator.random_raw(n)


def on_device(backend, key):
    """The same key as a training step has it: its step is an array of the backend."""
    return key._replace(step=backend.asarray(np.array([key.step], np.int64)))


def with_words(backend, words):
    """A backend that draws exactly these words."""
    backend = copy.copy(backend)
    backend.bits = lambda key, n, first=0: backend.asarray(
        np.asarray(words, np.uint64)[first : first + n]
    )
    return backend


# -- arrays ----------------------------------------------------------------------------------------


def test_arrays_go_to_the_backend_and_back(backend):
    a = backend.asarray(np.arange(6.0).reshape(2, 3), dtype="float32")
    assert isinstance(a, backend.xp.ndarray)
    assert a.dtype == np.float32
    assert backend.asarray(a) is a
    assert backend.asarray(a, "float64").dtype == np.float64
    host = backend.to_numpy(a)
    assert type(host) is np.ndarray
    np.testing.assert_array_equal(host, [[0, 1, 2], [3, 4, 5]])


def test_array_module_is_the_module_of_the_array(backend):
    assert array_module(backend.asarray(np.zeros(2))) is backend.xp
    assert array_module(np.float32(1)) is np


@pytest.mark.parametrize("x", [[1.0, 2.0], 1.0, (1, 2), "abc", None])
def test_array_module_wants_an_array(x):
    with pytest.raises(TypeError, match=f"x must be an array, got {type(x).__name__}"):
        array_module(x)


@pytest.mark.parametrize("transposed", [False, True])
def test_matmul(backend, transposed):
    a, b = np.arange(12, dtype="float32").reshape(3, 4), np.ones((4, 2), "float32")
    expected = a @ b
    a, b = (backend.asarray(x) for x in (a.T.copy() if transposed else a, b))
    a = a.T if transposed else a
    product = backend.matmul(a, b)
    assert product.dtype == np.float32
    np.testing.assert_array_equal(backend.to_numpy(product), expected)
    np.testing.assert_array_equal(backend.to_numpy(backend.matmul(a, b, accumulate=True)), expected)

    out = backend.asarray(np.full((3, 2), 7, "float32"))
    assert backend.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(backend.to_numpy(out), expected)
    assert backend.matmul(a, b, out=out, accumulate=True) is out
    np.testing.assert_array_equal(backend.to_numpy(out), 2 * expected)


def test_an_outer_product(backend):
    a, b = np.arange(3, dtype="float32")[:, None], np.arange(1, 3, dtype="float32")[None]
    x, y = backend.asarray(a), backend.asarray(b)
    np.testing.assert_array_equal(backend.to_numpy(backend.matmul(x, y)), a @ b)
    out = backend.asarray(np.full((3, 2), 7, "float32"))
    assert backend.matmul(x, y, out=out) is out
    np.testing.assert_array_equal(backend.to_numpy(out), a @ b)
    backend.matmul(x, y, out=out, accumulate=True)
    np.testing.assert_array_equal(backend.to_numpy(out), 2 * (a @ b))


def near_the_smallest_numbers(dtype):
    """Return two arrays of `dtype`: ordinary numbers, and numbers at the end of its range."""
    tiny = float(np.finfo(dtype).tiny)
    return np.array([1, -3, 1e-20], dtype), np.array([1e3 * tiny, tiny, -tiny, tiny / 8, 0], dtype)


@each_dtype
def test_decay_multiplies_in_place(backend, dtype):
    normal, small = near_the_smallest_numbers(dtype)
    a = backend.asarray(np.concatenate([normal, small]))
    backend.decay(a, 0.9)
    decayed = backend.to_numpy(a)
    np.testing.assert_array_equal(decayed[: len(normal)], normal * normal.dtype.type(0.9))
    assert (np.abs(decayed[len(normal) :]) <= np.abs(small)).all()


@each_dtype
def test_decay_ends_in_zero_on_a_cpu(backend, dtype):
    """A GPU multiplies subnormal numbers as fast as others: its `decay` is a plain product."""
    if not isinstance(backend, NumpyBackend):
        pytest.skip("only the backends of a CPU promise it")
    normal, small = near_the_smallest_numbers(dtype)
    a = np.concatenate([normal, small])
    backend.decay(a, 0.9)
    assert not a[len(normal) :].any()
    for _ in range(10_000):
        backend.decay(a, 0.9)
    assert not a.any()  # alone, 0.9 times the smallest number is the smallest number


def test_decay_is_a_plain_product_where_nothing_underflows():
    a = np.random.default_rng(0).standard_normal(1000).astype("float32")
    decayed = a.copy()
    nn.NumpyBackend().decay(decayed, 0.5)
    np.testing.assert_array_equal(decayed, a * np.float32(0.5))


def test_products_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="matmul"):
        nn.NumpyBackend().matmul(np.ones((5, 1)), np.ones((5, 3)))


@pytest.mark.parametrize("n", [0, 1, 2**15, 2**15 + 1, 10**5])
def test_an_elementwise_formula_sees_every_element_once(backend, n):
    def formula(seen_by, a, b, factor, summand):
        assert seen_by is backend
        a += factor * b + summand

    a, b = (backend.asarray(np.arange(n, dtype="float32")) for _ in range(2))
    backend.update_in_place(formula, (a, b), 2.0, backend.asarray(np.ones(1, "float32")))
    assert a.dtype == "float32"
    np.testing.assert_array_equal(backend.to_numpy(a), 3 * np.arange(n, dtype="float32") + 1)


@each_dtype
@pytest.mark.parametrize("accumulate", [False, True])
def test_the_sum_of_the_rows(backend, dtype, accumulate):
    rng = np.random.default_rng(0)
    a, w, before = (rng.integers(-9, 9, shape).astype(dtype) for shape in ((6, 4), (6, 1), 4))
    for weights, expected in [(None, a.sum(axis=0)), (w, (w * a).sum(axis=0))]:
        out = backend.asarray(before.copy())
        given = None if weights is None else backend.asarray(weights)
        backend.sum_rows(backend.asarray(a), out, accumulate, given)
        assert out.dtype == dtype
        np.testing.assert_array_equal(backend.to_numpy(out), expected + accumulate * before)


@each_dtype
def test_values_go_into_a_row_of_a_table(backend, dtype):
    table = backend.asarray(np.zeros((3, 2), dtype))
    values = [backend.asarray(np.array(2.5, dtype)), backend.asarray(np.array(-1, "float64"))]
    backend.write_row(table, backend.asarray(np.array([1])), values)
    np.testing.assert_array_equal(backend.to_numpy(table), [[0, 0], [2.5, -1], [0, 0]])


@each_dtype
@pytest.mark.parametrize("n", [1, 3, 100, 128, 1000, 4096])
def test_the_mean_of_a_formula(backend, n, dtype):
    x = np.random.default_rng(n).standard_normal((n, 1)).astype(dtype)
    mean = mean_of(np.negative if backend.xp is np else backend.xp.negative, backend.asarray(x))
    assert mean.shape == ()
    assert mean.dtype == dtype
    if backend.xp is np:  # to the bit
        assert mean == (-x).mean()
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(backend.to_numpy(mean), -x.mean(), atol=4 * eps * abs(x).max())


@fused
def added_to_both(a, b, c):
    a += c
    b += c


def test_operands_that_are_refused_spoil_no_kernel(gpu):
    """CuPy's fuse tries them in another way, and would go that way for all operands to come."""
    a, b, c = (gpu.asarray(np.ones(3) * i) for i in range(3))
    with pytest.raises(TypeError):
        added_to_both(a, b, c.astype("complex128"))
    added_to_both(a, b, c)
    np.testing.assert_array_equal(gpu.to_numpy(gpu.xp.stack([a, b])), [[2] * 3, [3] * 3])


# -- Philox ----------------------------------------------------------------------------------------


# Random123, kat_vectors, philox4x64 with 10 rounds: counter, key, words.
PI = "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89"
KNOWN_ANSWERS = [
    (
        "0 0 0 0",
        "0 0",
        "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    ),
    (
        " ".join(["ffffffffffffffff"] * 4),
        " ".join(["ffffffffffffffff"] * 2),
        "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    ),
    (
        PI,
        "452821e638d01377 be5466cf34e90c6c",
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter, key, words):
    counter, key, words = ([int(w, 16) for w in x.split()] for x in (counter, key, words))

    # NumPy's generator gives the same; it adds one to the counter before it draws
    number = sum(word << (64 * i) for i, word in enumerate(counter))
    generator = np.random.Philox(key=key[0] | key[1] << 64, counter=(number - 1) % 2**256)
    assert generator.random_raw(4).tolist() == words

    c0, c1, c2, c3, k0, k1 = (np.array([word], np.uint64) for word in (*counter, *key))
    assert [int(word[0]) for word in philox(c0, np.uint64(0), c1, k0, k1, c2, c3)] == words


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 1001])
def test_bits_are_the_words_of_numpys_philox(backend, key, n):
    for k in (key, on_device(backend, key)):
        bits = backend.to_numpy(backend.bits(k, n))
        assert bits.dtype == np.uint64
        np.testing.assert_array_equal(bits, numpys_words(key, n))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    seed=st.integers(0, LAST),
    stream=st.integers(0, LAST),
    step=st.integers(0, 2**63 - 1) | st.integers(0, 2**40),
    n=st.integers(1, 40),
)
def test_bits_at_any_key(backend, seed, stream, step, n):
    key = Key(seed, stream, step)
    for k in (key, on_device(backend, key)):
        np.testing.assert_array_equal(backend.to_numpy(backend.bits(k, n)), numpys_words(key, n))


@pytest.mark.parametrize("step", [np.int64(7), np.uint64(7), np.array([7])], ids=repr)
def test_a_step_may_be_a_number_of_numpys(backend, step):
    bits = backend.to_numpy(backend.bits(Key(1, 2, step), 9))
    np.testing.assert_array_equal(bits, numpys_words(Key(1, 2, 7), 9))


def test_bits_at_the_last_step_of_all(backend):
    key = Key(1, 2, LAST)
    np.testing.assert_array_equal(backend.to_numpy(backend.bits(key, 9)), numpys_words(key, 9))


@pytest.mark.parametrize("first", [0, 1, 3, 4, 10])
def test_words_can_begin_anywhere(backend, first):
    key = Key(5, 6, 7)
    bits = backend.to_numpy(backend.bits(on_device(backend, key), 9, first))
    np.testing.assert_array_equal(bits, numpys_words(key, first + 9)[first:])


# -- what is drawn from the words ------------------------------------------------------------------


@each_dtype
def test_uniform_is_the_middle_of_a_cell_of_32_bits(backend, dtype):
    cells = numpys_words(Key(3, 1, 4), 500).view(np.uint32)[:999]
    u = backend.to_numpy(backend.uniform(Key(3, 1, 4), (3, 333), dtype))
    assert u.dtype == dtype
    assert u.shape == (3, 333)
    expected = (cells.astype("float64") + 0.5) / 2**32
    np.testing.assert_allclose(u.reshape(-1), expected, rtol=2 * np.finfo(dtype).eps)


@each_dtype
def test_uniform_is_the_same_number_on_every_backend(backend, dtype):
    key, shape = Key(11, 5, 17), (1001, 3)
    u = backend.to_numpy(backend.uniform(on_device(backend, key), shape, dtype))
    np.testing.assert_array_equal(u, NumpyBackend().uniform(key, shape, dtype))


@each_dtype
def test_uniform_is_above_zero_and_at_most_one(backend, dtype):
    ends = with_words(backend, [0, LAST]).uniform(Key(0), (4,), dtype)
    low, low_too, high, high_too = backend.to_numpy(ends)
    assert 0 < low == low_too < 1e-9
    assert 1 - 1e-6 < high == high_too <= 1


@each_dtype
def test_normal_is_the_transform_of_box_and_muller(backend, dtype):
    u = NumpyBackend().uniform(Key(2, 7, 1), (500, 2), dtype).astype("float64")
    radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * math.pi * u[:, 1]
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    z = backend.to_numpy(backend.normal(on_device(backend, Key(2, 7, 1)), (999,), dtype))
    assert z.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(z, expected[:999], rtol=32 * eps, atol=32 * eps)


@each_dtype
def test_normal_agrees_between_backends_to_a_few_ulp(backend, dtype):
    key, shape = Key(11, 5, 17), (1001, 3)
    z = backend.to_numpy(backend.normal(on_device(backend, key), shape, dtype))
    eps = np.finfo(dtype).eps
    expected = NumpyBackend().normal(key, shape, dtype)
    np.testing.assert_allclose(z, expected, rtol=8 * eps, atol=4 * eps)


def test_normal_has_the_moments_of_a_normal_distribution(backend):
    n = 2**20
    z = backend.to_numpy(backend.normal(Key(2024), (n,))).astype("float64")
    for moment, expected, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**moment).mean() - expected) < 5 * math.sqrt(variance / n), moment
    # the two of a pair are independent, and so are their sizes and the pairs
    for a, b in [(z[0::2], z[1::2]), (z[0::2] ** 2, z[1::2] ** 2), (z[:-2:2], z[2::2])]:
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(n / 2)


def test_normal_is_finite_at_both_ends(backend):
    z, words = backend.xp.empty((2, 4), "float32"), np.array([[0, 0, 2**32 - 1, 2**32 - 1]] * 2)
    words[1] = [0, 2**32 - 1] * 2
    box_muller(*backend.asarray(words.astype(np.uint32)), *z, dtype=z.dtype)
    z = backend.to_numpy(z)
    assert np.isfinite(z).all()
    assert 5 < abs(z).max() < 7  # sqrt(2 * 33 * ln 2): the farthest that 32 bits reach


@pytest.mark.parametrize("draw", ["uniform", "normal"])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 64])
def test_the_first_of_a_long_draw_are_the_short_draw(backend, draw, n):
    long, short = (backend.to_numpy(getattr(backend, draw)(Key(5), (size,))) for size in (1001, n))
    assert short.shape == (n,)
    np.testing.assert_allclose(short, long[:n], rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (5, 3), (2, 3, 4)])
def test_a_draw_fills_its_shape_row_by_row(backend, shape):
    n = math.prod(shape)
    for draw in (backend.uniform, backend.normal, lambda *of: bits(backend, *of)):
        x = backend.to_numpy(draw(Key(8), shape))
        assert x.shape == shape
        flat = backend.to_numpy(draw(Key(8), (n,)))
        np.testing.assert_array_equal(x.reshape(-1), flat)


@fused
def as_they_are(bits, x, *, factor):
    """A formula for `with_random_bits`."""
    return bits.astype(x.dtype), factor * x


def bits(backend, key, shape):
    """The bits that a formula is handed, for elements in this shape."""
    x = backend.xp.ones(shape, "float32")
    drawn, twice = backend.with_random_bits(as_they_are, key, x, factor=2.0)
    np.testing.assert_array_equal(backend.to_numpy(twice), np.full(shape, 2, "float32"))
    return drawn


@pytest.mark.parametrize("shape", [(7, 9), (4, 12), (64, 33)])  # with 16 in a block: 16 or a rest
def test_random_bits_are_quarters_of_the_words(backend, shape):
    key, n = Key(11, 5, 17), math.prod(shape)
    drawn = backend.to_numpy(bits(backend, on_device(backend, key), shape)).reshape(-1)
    np.testing.assert_array_equal(drawn, numpys_words(key, n).view(np.uint16)[:n])


def test_random_bits_go_to_the_elements_of_any_layout(backend):
    x = np.random.default_rng(0).random((32, 16))
    given = backend.asarray(x.T.copy()).T
    drawn, twice = backend.with_random_bits(as_they_are, Key(3), given, factor=2.0)
    expected = NumpyBackend().with_random_bits(as_they_are, Key(3), x, factor=2.0)
    np.testing.assert_array_equal(backend.to_numpy(drawn), expected[0])
    np.testing.assert_array_equal(backend.to_numpy(twice), expected[1])


@pytest.mark.parametrize("shape", [(2, 4), (3, 1), (5, 3), (1, 7), (4, 16)])
@pytest.mark.parametrize("draw", ["uniform", "normal", "bits"])
def test_the_draws_of_all_parts_are_one_draw(backend, draw, shape):
    count = 4

    def drawn_by(backend, shape):
        of = bits if draw == "bits" else getattr(type(backend), draw)
        return backend.to_numpy(of(backend, Key(8), shape))

    drawn = []
    for index in range(count):
        shard = copy.copy(backend)
        shard.shard = Shard(index, count)
        drawn.append(drawn_by(shard, shape))
    whole = drawn_by(backend, (count * shape[0], shape[1]))
    np.testing.assert_allclose(np.concatenate(drawn), whole, rtol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_permutation_is_the_order_of_the_words(backend, n):
    order = backend.to_numpy(backend.permutation(on_device(backend, Key(1, 2, 3)), n))
    assert order.dtype == np.int64
    assert sorted(order) == list(range(n))
    assert (np.diff(numpys_words(Key(1, 2, 3), n)[order].astype("float64")) > 0).all()


def test_permutation_breaks_ties_by_position(backend):
    words = np.arange(1000) % 3
    order = backend.to_numpy(with_words(backend, words).permutation(Key(0), 1000))
    np.testing.assert_array_equal(order, [i for w in range(3) for i in range(w, 1000, 3)])


def test_permutation_gives_every_order_its_share(backend):
    orders = [tuple(backend.to_numpy(backend.permutation(Key(0, 0, t), 3))) for t in range(300)]
    for order in itertools.permutations(range(3)):
        assert abs(orders.count(order) - 50) < 5 * math.sqrt(300 * 5 / 36)


# -- keys ------------------------------------------------------------------------------------------


def test_different_keys_draw_different_and_uncorrelated_numbers(backend):
    n = 2**13
    words = [backend.to_numpy(backend.bits(key, n)) for key in KEYS]
    assert len(np.unique(np.concatenate(words))) == n * len(KEYS)
    correlations = np.corrcoef([w.astype("float64") for w in words])
    off_diagonal = correlations[~np.eye(len(KEYS), dtype=bool)]
    assert abs(off_diagonal).max() < 5 / math.sqrt(n)


def test_a_stream_has_one_purpose():
    paths = [
        path for levels in range(5) for path in itertools.product((0, 1, 254, 65534), repeat=levels)
    ]
    streams = set()
    for path in paths:
        key = Key(seed=4, step=9)
        for i in path:
            key = key.fold_in(i)
        assert key.seed == 4
        assert key.step == 9
        assert 0 <= key.stream <= LAST
        streams.add(key.stream)
    assert len(streams) == len(paths)
    assert len(Stream.__members__) == len(Stream)  # no two names for one number


@pytest.mark.parametrize("i", [-1, 65535, 2**40])
def test_fold_in_has_65535_purposes(i):
    with pytest.raises(ValueError, match=f"no stream {i} below stream 0x0"):
        Key(0).fold_in(i)


def test_fold_in_has_twelve_levels(backend):
    key, draws = Key(0), []
    for _ in range(12):
        key = key.fold_in(65534)
        draws.append(backend.to_numpy(backend.bits(key, 8)))
        np.testing.assert_array_equal(draws[-1], NumpyBackend().bits(key, 8))
    assert len(np.unique(draws)) == 12 * 8
    with pytest.raises(ValueError, match="12 levels"):
        key.fold_in(0)


# -- execution -------------------------------------------------------------------------------------


def test_draws_at_a_device_step_stay_on_the_device(gpu):
    key = on_device(gpu, Key(1, 2, 3))
    draws = {
        "bits": (9,),
        "uniform": ((5, 3),),
        "normal": ((5, 3),),
        "permutation": (9,),
    }
    drawn = {}

    def step():
        drawn.update({name: getattr(gpu, name)(key, *args) for name, args in draws.items()})

    assert_captured(gpu, step)
    for name, args in draws.items():
        expected = getattr(NumpyBackend(), name)(Key(1, 2, 3), *args)
        np.testing.assert_allclose(gpu.to_numpy(drawn[name]), expected, rtol=1e-5)


def test_a_compiled_step_does_what_the_step_does(backend):
    clock = backend.asarray(np.zeros(1, np.int64))
    sums = backend.asarray(np.zeros(3, "float64"))

    def step():
        noise = backend.uniform(Key(0, 1, clock), (3,), "float64")
        backend.xp.add(sums, noise, out=sums)
        clock[...] = clock + 1

    compiled = backend.compile(step)
    for _ in range(4):
        compiled()
    backend.synchronize()
    assert backend.to_numpy(clock).tolist() == [4]
    expected = sum(NumpyBackend().uniform(Key(0, 1, t), (3,), "float64") for t in range(4))
    np.testing.assert_allclose(backend.to_numpy(sums), expected, rtol=1e-14)


def test_synchronize_waits_for_the_stream(gpu):
    cuda = gpu.xp.cuda
    with cuda.Stream(non_blocking=True) as stream:
        gpu.xp.ones(1000).sum()
        gpu.synchronize()
        assert stream.done


# -- which backend ---------------------------------------------------------------------------------


def test_get_backend(backend):
    assert get_backend(backend) is backend
    assert type(get_backend("numpy")) is NumpyBackend
    assert get_backend("numpy").name == "numpy"
    assert copy.deepcopy(backend) is backend


@pytest.mark.parametrize("name", ["torch", "NumPy", "", None, 3])
def test_get_backend_knows_its_names(name):
    with pytest.raises(ValueError, match=f"one of numpy, .*, cupy-tf32, got {name!r}"):
        get_backend(name)


def fails(*_):
    raise RuntimeError("the reason that CUDA gives")


@pytest.mark.parametrize(
    ("cupy", "message"),
    [
        (None, r"CuPy cannot be imported .*: pip install 'cupy-cuda13x\[ctk\]<15'"),
        (
            SimpleNamespace(
                is_available=lambda: False,
                cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=fails)),
            ),
            r"no usable GPU \(the reason that CUDA gives\): check that nvidia-smi",
        ),
        (
            SimpleNamespace(
                is_available=lambda: False,
                cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 0)),
            ),
            r"no usable GPU \(no CUDA device\)",
        ),
        (
            SimpleNamespace(is_available=lambda: True, arange=fails),
            r"cannot compile a kernel or find cuBLAS \(the reason that CUDA gives\).*\[ctk\]",
        ),
    ],
    ids=["no CuPy", "no driver", "no GPU", "no headers"],
)
def test_an_unusable_cupy_says_what_is_missing(monkeypatch, cupy, message):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(BackendUnavailable, match=message) as caught:
        get_backend("cupy")
    assert str(caught.value).endswith('or use backend="numpy"')
    assert isinstance(caught.value, ImportError)


def test_a_usable_cupy_is_used(gpu):
    assert type(gpu) is CupyBackend
    assert gpu.name == "cupy"
    assert gpu.xp.__name__ == "cupy"


def test_a_full_gpu_is_not_missing_software(gpu, monkeypatch):
    def full(*_, **__):
        raise gpu.xp.cuda.memory.OutOfMemoryError(33554432, 512)

    monkeypatch.setattr(gpu.xp, "empty", full)  # of cuBLAS's workspace
    with pytest.raises(BackendUnavailable, match=r"too little free memory .* nvidia-smi shows"):
        get_backend("cupy")


class Wrong(NumpyBackend):
    def matmul(self, a, b, out=None, accumulate=False):
        return 2 * super().matmul(a, b)


class Silent(NumpyBackend):
    def to_numpy(self, a):
        raise RuntimeError("the device\ndoes not answer")


def broken():
    raise BackendUnavailable('the driver is too old: renew it, or use backend="numpy"')


@pytest.mark.parametrize(
    ("cupy", "numba", "taken", "said"),
    [
        (NumpyBackend, NumpyBackend, "cupy", []),
        (None, NumpyBackend, "numba", []),
        (None, None, "numpy", []),
        (broken, NumpyBackend, "numba", ["the driver is too old: renew it"]),
        (Silent, NumpyBackend, "numba", ["the device does not answer"]),
        (
            Wrong,
            broken,
            "numpy",
            ["cupy computes wrong products", "the driver is too old: renew it"],
        ),
    ],
    ids=["all", "no GPU", "neither", "a broken driver", "a silent device", "both broken"],
)
def test_the_fastest_backend_that_computes_is_taken(monkeypatch, cupy, numba, taken, said):
    for name, kind in (("cupy", cupy), ("numba", numba)):
        if kind is None:  # not installed
            monkeypatch.setitem(sys.modules, name, None)
        else:
            kind = type(name, (kind,), {"name": name}) if isinstance(kind, type) else kind
            monkeypatch.setitem(BACKENDS, name, kind)
    backend, faults = fastest_backend()
    assert (backend.name, faults) == (taken, said)


def test_cupy_is_imported_when_it_is_asked_for_and_not_before(tmp_path):
    (tmp_path / "cupy.py").write_text("print('cupy'); raise ImportError")
    script = f"""if True:
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import nngan.backend
        print("nngan")
        try:
            nngan.backend.get_backend("cupy")
        except nngan.backend.BackendUnavailable:
            print("unavailable")
    """
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (result.stdout.split(), result.stderr) == (["nngan", "cupy", "unavailable"], "")
