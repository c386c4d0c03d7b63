"""The stand-in for CuPy refuses each fault that is planted here, and computes what NumPy does."""

import copy
import inspect
import pickle
import socket
import urllib.request

import numpy as np
import pytest
import strict_cupy as cp

from nngan.backend import array_module


@pytest.fixture
def a():
    return cp.array(np.arange(12, dtype="float32").reshape(3, 4))


HOST = np.ones((3, 4), "float32")


# -- faults ----------------------------------------------------------------------------------------


def assign(a, value, index=...):
    a[index] = value


def add_in_place(a, b):
    a += b


def multiply_in_place(a, b):
    a @= b


MIXED = {
    "np.asarray": np.asarray,
    "np.array of a list of arrays": lambda a: np.array([a, a]),
    "np.float32": lambda a: np.float32(a[0, 0]),
    "a + numpy": lambda a: a + HOST,
    "numpy + a": lambda a: HOST + a,
    "a + list": lambda a: a + [1.0] * 4,
    "a + zero-dimensional numpy": lambda a: a + np.array(1.0),
    "a < numpy": lambda a: a < HOST,
    "a @ numpy": lambda a: a @ HOST.T,
    "a += numpy": lambda a: add_in_place(a, HOST),
    "numpy += a": lambda a: add_in_place(HOST.copy(), a),
    "numpy[...] = a": lambda a: assign(HOST.copy(), a),
    "a[...] = numpy": lambda a: assign(a, HOST),
    "a[...] = list": lambda a: assign(a, [1.0] * 4),
    "fill(numpy)": lambda a: a.fill(HOST),
    "a[numpy]": lambda a: a[np.array([0, 1])],
    "a[:, numpy]": lambda a: a[:, np.array([0, 1])],
    "a[numpy] = 1": lambda a: assign(a, 1, np.array([0, 1])),
    "numpy[a]": lambda a: HOST[a.astype(int)],
    "a ufunc of numpy": lambda a: cp.exp(HOST),
    "a ufunc of a list": lambda a: cp.exp([1.0]),
    "a ufunc of both": lambda a: cp.maximum(a, HOST),
    "NumPy's ufunc of both": lambda a: np.maximum(HOST, a),
    "out=numpy": lambda a: cp.add(a, 1, out=HOST.copy()),
    "NumPy's ufunc, out=numpy": lambda a: np.add(a, 1, out=HOST.copy()),
    "positional out=numpy": lambda a: cp.add(a, 1, HOST.copy()),
    "sum(out=numpy)": lambda a: a.sum(0, out=np.zeros(4, "float32")),
    "sum of numpy": lambda a: cp.sum(HOST),
    "sum of a list": lambda a: cp.sum([1.0, 2.0]),
    "where of numpy": lambda a: cp.where(a > 0, a, HOST),
    "where on numpy": lambda a: cp.where(HOST > 0, a, a),
    "where on a bool": lambda a: cp.where(True, a, a),
    "clip by numpy": lambda a: cp.clip(a, HOST, 2),
    "concatenate": lambda a: cp.concatenate([a, HOST]),
    "NumPy's concatenate": lambda a: np.concatenate([a, HOST]),
    "stack": lambda a: cp.stack((HOST, HOST)),
    "take of numpy": lambda a: cp.take(HOST, 0),
    "take by numpy": lambda a: cp.take(a, np.array([1])),
    "full_like by numpy": lambda a: cp.full_like(a, HOST),
    "zeros_like of numpy": lambda a: cp.zeros_like(HOST),
    "arange of an array": lambda a: cp.arange(a[0, 2]),
    "range of an array": lambda a: range(cp.array(3)),
    "np.testing": lambda a: np.testing.assert_array_equal(a, a),
    # what CuPy does not have, or not like this
    "np.add.reduce": np.add.reduce,
    "np.add.outer": lambda a: np.add.outer(a, a),
    "np.linalg.norm": np.linalg.norm,
    "sum(where=)": lambda a: a.sum(where=a > 0),
    "max(initial=)": lambda a: a.max(initial=0),
    "exp(where=)": lambda a: np.exp(a, where=a > 0),
    "take(mode=)": lambda a: cp.take(a, 0, mode="clip"),
    "clip(min=)": lambda a: cp.clip(a, min=0),
    "a @= a": lambda a: multiply_in_place(a, a.T),
    "hash": hash,
}


@pytest.mark.parametrize("fault", MIXED.values(), ids=MIXED)
def test_mixing_raises(a, fault):
    with pytest.raises(TypeError):
        fault(a)


@pytest.mark.parametrize(
    "fault",
    [
        lambda a: cp.argsort(a, kind="quicksort"),
        lambda a: cp.array(["text"]),
        lambda a: bool(a > 0),
        lambda a: a[:, :2].view("uint16"),
    ],
    ids=["argsort's kind", "text", "bool of many", "bytes of a gap"],
)
def test_values_that_cupy_refuses(a, fault):
    with pytest.raises(ValueError):  # noqa: PT011 (its words are CuPy's or NumPy's)
        fault(a)


@pytest.mark.parametrize("name", ["random", "fft", "fromiter", "vectorize", "asanyarray", "Inf"])
def test_what_is_not_listed_is_not_offered(name):
    with pytest.raises(AttributeError, match=f"no {name!r} in strict_cupy: add it if CuPy's"):
        getattr(cp, name)
    assert not hasattr(cp.ndarray, name)


READS = {
    "get": lambda a: a.get(),
    "asnumpy": cp.asnumpy,
    "item": lambda a: a[0, 0].item(),
    "tolist": lambda a: a.tolist(),
    "float": lambda a: float(a.sum()),
    "int": lambda a: int(a.sum()),
    "bool": lambda a: bool(a.sum() > 0),
    "if": lambda a: 1 if a.sum() > 0 else 2,
    "assert all": lambda a: all(a[0] >= 0),
    "in": lambda a: 3.0 in a[0],
    "values of an iteration": lambda a: [float(x) for x in a[0]],
    "max of Python": lambda a: max(a[0]),
    "str": str,
    "repr": repr,
    "format": lambda a: f"{a.sum():.3f}",
    "pickle": pickle.dumps,
    "mask": lambda a: a[a > 0],
    "length of a mask": lambda a: len(a[a > 0]),
    "row mask": lambda a: a[a[:, 0] > 0, 1],
    "mask = 1": lambda a: assign(a, 1, a > 0),
    "nonzero": lambda a: a.nonzero(),
    "cp.nonzero": cp.nonzero,
    "where of one argument": lambda a: cp.where(a > 0),
    "NumPy's where of one argument": lambda a: np.where(a > 0),
}
UPLOADS = {
    "asarray": lambda a: cp.asarray(HOST),
    "array of numpy": lambda a: cp.array(HOST),
    "array of a list": lambda a: cp.array([1.0, 2.0]),
    "array of a tuple": lambda a: cp.asarray((1.0, 2.0), dtype="float32"),
    "index of a list": lambda a: a[[0, 1]],
    "second index of a list": lambda a: a[:, [0, 1]],
    "index of a list = 1": lambda a: assign(a, 1, [0, 1]),
    "index of a bool": lambda a: a[True],
    "take of a list": lambda a: a.take([0, 1], axis=0),
    "concatenate of nine": lambda a: cp.concatenate([a] * 9),
    "stack of nine": lambda a: cp.stack([a] * 9),
}


@pytest.mark.parametrize("touch", READS.values(), ids=READS)
def test_a_read_is_counted_and_refused_in_a_capture(a, touch):
    before = cp.counts["read"]
    touch(a)
    assert cp.counts["read"] > before
    with cp.capturing(), pytest.raises(RuntimeError, match="the current stream is capturing"):
        touch(a)


@pytest.mark.parametrize("touch", UPLOADS.values(), ids=UPLOADS)
def test_an_upload_is_counted_and_refused_in_a_capture(a, touch):
    before = cp.counts["upload"]
    touch(a)
    assert cp.counts["upload"] == before + 1
    with cp.capturing(), pytest.raises(RuntimeError, match="the current stream is capturing"):
        touch(a)


def test_other_refusals_of_a_capture(a):
    with cp.capturing(), pytest.raises(RuntimeError, match="waiting for the stream"):
        cp.cuda.get_current_stream().synchronize()
    with cp.capturing(), pytest.raises(RuntimeError, match="index of type ndarray"):
        a[np.array([0, 1])]
    with cp.capturing(cublas=False), pytest.raises(NotImplementedError, match="cuBLAS"):
        a @ a.T


def test_a_capture_ends_however_its_block_ends(a):
    with pytest.raises(ZeroDivisionError), cp.capturing(cublas=False):
        1 / 0  # noqa: B018
    assert float((a @ a.T)[0, 0]) == 14


def test_a_capture_counts_its_products(a):
    a @ a.T
    with cp.capturing() as counts:
        b = a @ a.T
        cp.matmul(a, a.T, out=b)
        np.matmul(a, a.T)
        cp.dot(a, a.T)
        a.dot(a.T)
    assert counts == {"cublas": 5}


# -- a capture that is replayed --------------------------------------------------------------------


def capture(step, pool=None):
    pool = pool or cp.cuda.MemoryPool()
    stream = cp.cuda.Stream(non_blocking=True)
    with stream, cp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        try:
            result = step()
        finally:
            graph = stream.end_capture()
    return graph, result, pool


RECORDED = {
    "a ufunc": lambda a: a + 1,
    "out": lambda a: cp.add(a, 1, out=a),
    "a copy": lambda a: a.copy(),
    "a cast": lambda a: a.astype("float64"),
    "a view": lambda a: a[1:].T.view(),
    "rows": lambda a: a[cp.arange(2)],
    "a reshaped transpose": lambda a: a.T.reshape(-1),
    "a number": lambda a: cp.asarray(3.0),
    "where": lambda a: cp.where(a > 3, a, 0.5),
    "stack": lambda a: cp.stack([a, a]),
    "argsort": lambda a: cp.argsort(a, axis=1),
    "in place, in a view": lambda a: a[1].__iadd__(1),
    "an assignment": lambda a: (a.__setitem__(cp.arange(2), cp.full(4, 7)), a[:2])[1],
    "a fill": lambda a: (a.fill(2), a)[1],
    "empty": lambda a: cp.empty(3),
}


@pytest.mark.parametrize("compute", RECORDED.values(), ids=RECORDED)
def test_a_graph_computes_when_it_is_launched_not_when_it_is_captured(a, compute):
    before = a.get()
    compute(a.copy())  # loads its kernels
    graph, result, _pool = capture(lambda: compute(a))
    np.testing.assert_array_equal(a.get(), before)
    for scale in (2, 3):  # with the numbers of the day, in the same place
        a[...] = before = scale * cp.array(before)
        expected = compute(before.copy()).get()
        graph.launch()
        np.testing.assert_array_equal(result.get(), expected)
        before = before.get()


def test_a_capture_leaves_nothing_but_memory(a):
    step = lambda: (a + 1, cp.arange(3))  # noqa: E731
    step()
    _graph, (b, c), _pool = capture(step)
    assert np.isnan(b.get()).all()
    assert (c.get() == np.iinfo("int64").max).all()


def test_a_graph_has_to_have_memory_of_its_own(a):
    a + 1
    graph, _, pool = capture(lambda: a + 1)
    graph.launch()
    del pool
    with pytest.raises(RuntimeError, match="temporaries are not its own"):
        graph.launch()
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        graph = stream.end_capture()
    with pytest.raises(RuntimeError, match="temporaries are not its own"):
        graph.launch()


LOADS = {
    "a ufunc": lambda a: a * 2,
    "another number": lambda a: a + np.float32(2),
    "another type": lambda a: a.astype(int) + 1,
    "another layout": lambda a: a[:, 1:] + 1,
    "another dimension": lambda a: a[0] + 1,
    "out": lambda a: cp.add(a, 1, out=a),
    "a reduction": lambda a: a.sum(),
    "an assignment": lambda a: assign(a, 1),
    "rows": lambda a: a[cp.arange(2)],
    "a RawKernel": lambda a: cp.RawKernel("", "philox4x64")(
        (1,), (1,), (cp.empty(4, "uint64"), np.uint64(4), *map(np.uint64, [0] * 5))
    ),
}


@pytest.mark.parametrize("launch", LOADS.values(), ids=LOADS)
def test_a_kernel_is_not_loaded_in_a_capture(a, launch, monkeypatch):
    monkeypatch.setattr(cp, "loaded", set())
    for warm_up in (lambda a: a + 1, lambda a: a.astype(int), lambda a: cp.empty(4, "uint64")):
        warm_up(a)
    cp.arange(2)
    with pytest.raises(RuntimeError, match=r"the kernel \w+ is loaded while a stream is capturing"):
        capture(lambda: launch(a))
    launch(a)
    capture(lambda: launch(a))


def test_a_view_loads_no_kernel(a, monkeypatch):
    monkeypatch.setattr(cp, "loaded", set())
    capture(lambda: a[1:, ::2].T.reshape(2, 2).view())
    assert cp.loaded == set()


def test_a_launch_on_another_stream_than_the_capturing_one_is_refused(a):
    def step():
        with cp.cuda.Stream(non_blocking=True):
            a + 1

    step()
    with pytest.raises(RuntimeError, match="on another stream than the capturing one"):
        capture(step)


def test_each_stream_has_a_number_of_its_own():
    streams = [cp.cuda.get_current_stream(), cp.cuda.Stream(), cp.cuda.Stream(non_blocking=True)]
    assert streams[0].ptr == 0  # the null stream
    assert len({stream.ptr for stream in streams}) == 3


def test_which_streams_can_be_captured(a):
    for stream in (cp.cuda.get_current_stream(), cp.cuda.Stream()):
        with stream, pytest.raises(RuntimeError, match="non-blocking"):
            stream.begin_capture()
    with pytest.raises(RuntimeError, match="make it the current one"):
        cp.cuda.Stream(non_blocking=True).begin_capture()


def test_a_kernel_takes_arrays_and_numbers_of_a_known_type(a):
    kernel = cp.RawKernel("", "philox4x64")
    with pytest.raises(TypeError, match="pass a kernel arrays and NumPy's numbers"):
        kernel((1,), (1,), (a, 3))


# -- what a training step may do -------------------------------------------------------------------


ALLOWED = {
    "arithmetic": lambda a: 2 * a + a / 3 - a**2,
    "NumPy's scalars": lambda a: np.float32(2) * a + np.uint8(1),
    "integers": lambda a: (a.astype(np.uint64) * np.uint64(2**63 + 1)) >> np.uint64(3),
    "NumPy's ufunc": lambda a: np.exp(-a),
    "the module's ufunc": lambda a: array_module(a).exp(-a),
    "logaddexp": lambda a: array_module(a).logaddexp(0, a),
    "sigmoid": lambda a: 1 / (1 + array_module(a).exp(-a)),
    "no warning": lambda a: array_module(a).log(a) / 0,
    "where": lambda a: array_module(a).where(a > 5, a, 0.2 * a),
    "where of numbers": lambda a: array_module(a).where(a > 5, 1.0, 0.2),
    "compare": lambda a: (a > 3) & ~(a == 5),
    "sum": lambda a: a.sum(),
    "mean, kept": lambda a: a.mean(axis=1, keepdims=True),
    "NumPy's sum": lambda a: np.sum(a, axis=0),
    "max, argmax": lambda a: a.max(0) + a.argmax(0),
    "all": lambda a: array_module(a).isfinite(a).all(),
    "take": lambda a: array_module(a).take(a, array_module(a).arange(2), axis=0),
    "index by an array": lambda a: a[array_module(a).arange(2) * 2, 1:],
    "argsort": lambda a: array_module(a).argsort(a * -1, axis=1, kind="stable"),
    "slices": lambda a: a[1, ::2] + a[-1, None, 1::2],
    "iteration": lambda a: sum(row[0] for row in a),
    "len": lambda a: a * len(a),
    "concatenate": lambda a: array_module(a).concatenate([a] * 8),
    "stack": lambda a: array_module(a).stack([a, a], axis=1),
    "matmul": lambda a: a @ a.T,
    "clip": lambda a: array_module(a).clip(a, 2, 7),
    "reshape": lambda a: a.reshape(-1)[:6].reshape((2, 3)).ravel(),
    "broadcast": lambda a: array_module(a).broadcast_to(a[0], (3, 4)) * 1,
    "view": lambda a: a.view(np.uint16).sum(),
    "creation": lambda a: array_module(a).arange(4, dtype="float32") * array_module(a).eye(4),
    "linspace": lambda a: array_module(a).linspace(0, 1, 4) + a,
    "full": lambda a: array_module(a).full((), 2, dtype="float32") * a,
    "like": lambda a: array_module(a).ones_like(a) + array_module(a).full_like(a, 2),
    "an uploaded number": lambda a: array_module(a).asarray(2.0, dtype="float32") * a,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("compute", ALLOWED.values(), ids=ALLOWED)
def test_a_capture_allows_and_gives_what_numpy_gives(a, compute):
    with cp.capturing():
        result = compute(a)
    assert type(result) is cp.ndarray
    with np.errstate(all="ignore"):
        expected = np.asarray(compute(a.get()))
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result.get(), expected)


def test_in_place_and_out_change_the_array_itself(a):
    b, before = a, a.get()
    with cp.capturing():
        b += 1
        b *= a
        assert b is a
        assert cp.sqrt(a, out=a) is a
        assert np.subtract(a, 1, out=a) is a
        assert cp.multiply(a, 2, a) is a
        row = cp.zeros(4, "float32")
        assert a.sum(axis=0, out=row) is row
    np.testing.assert_array_equal(a.get(), 2 * before)
    np.testing.assert_array_equal(row.get(), 2 * before.sum(axis=0))


def test_an_in_place_operation_does_not_widen(a):
    with pytest.raises(TypeError, match="Cannot cast"):
        a.astype(int).__iadd__(0.5)


VIEWS = {
    "slice": lambda a: a[1:],
    "row": lambda a: a[1],
    "element": lambda a: a[1, 2],
    "ellipsis": lambda a: a[..., 2],
    "new axis": lambda a: a[:, None],
    "reshape": lambda a: a.reshape(4, 3),
    "cp.reshape": lambda a: cp.reshape(a, (12,)),
    "ravel": lambda a: a.ravel(),
    "T": lambda a: a.T,
    "view": lambda a: a.view(),
    "expand_dims": lambda a: cp.expand_dims(a, 0),
    "iteration": lambda a: list(a)[1],
    "no cast": lambda a: a.astype("float32", copy=False),
    "asarray": cp.asarray,
}
COPIES = {
    "copy": lambda a: a.copy(),
    "astype": lambda a: a.astype("float32"),
    "array": cp.array,
    "deepcopy": copy.deepcopy,
    "index by an array": lambda a: a[cp.arange(2)],
    "unpickled": lambda a: pickle.loads(pickle.dumps(a)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_shares_memory(a, view):
    b = view(a)
    assert cp.shares_memory(a, b)
    b[...] = -1
    assert float(a[1, 2]) == -1
    a.fill(-2)
    assert (b.get() == -2).all()


def test_a_view_of_bytes_shares_memory(a):
    a.view(np.uint32)[...] = 0
    assert (a.get() == 0).all()


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_does_not_share_memory(a, make):
    b = make(a)
    assert type(b) is cp.ndarray
    assert not cp.shares_memory(a, b)
    a.fill(-1)
    assert (b.get() >= 0).all()


def test_get_is_a_copy(a):
    a.get()[...] = -1
    assert float(a.min()) == 0


def test_results_are_arrays_also_of_no_dimension(a):
    for x in (a.sum(), a[0, 0], a.max(), cp.all(a), np.mean(a), cp.add(1, 2), -a[0, 0]):
        assert type(x) is cp.ndarray
        assert x.shape == ()


def test_attributes(a):
    assert (a.shape, a.ndim, a.size, a.dtype) == ((3, 4), 2, 12, np.float32)
    assert (a.itemsize, a.nbytes, a.strides, len(a)) == (4, 48, (16, 4), 3)
    assert a.flags.c_contiguous
    assert not a.T.flags.c_contiguous
    assert not a[1:].flags.owndata
    assert array_module(a) is cp
    assert cp.float32 is np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_what_is_empty_is_rubbish(dtype):
    for x in (cp.empty((2, 3), dtype), cp.empty_like(cp.ones(3, dtype)), cp.ndarray(2, dtype)):
        assert x.dtype == dtype
        numbers = x.get()
        assert (np.isnan(numbers) if numbers.dtype.kind == "f" else numbers > 100).all()


def test_names_and_parameters_are_cupys():
    cupy = pytest.importorskip("cupy", reason="CuPy (a GPU is not needed) is not installed")
    assert [name for name in cp.NAMES if not hasattr(cupy, name)] == []
    for _, names, parameters in cp.FUNCTIONS:
        for name in names.split():
            theirs = list(inspect.signature(getattr(cupy, name)).parameters)
            assert theirs[: len(parameters.split())] == parameters.split(), name
    pairs = [(cp.ndarray, cupy.ndarray), (cp.cuda, cupy.cuda)]
    pairs += [(vars(cp.cuda)[x], getattr(cupy.cuda, x)) for x in ("Graph", "MemoryPool", "Stream")]
    for stand_in, original in pairs:
        ours = {name for name in vars(stand_in) if not name.startswith("_")}
        assert ours <= set(dir(original)), stand_in


# -- the guard of conftest.py ----------------------------------------------------------------------


def connect_ex():
    with socket.socket() as s:
        s.connect_ex(("192.0.2.1", 9))


@pytest.mark.parametrize(
    "reach",
    [
        lambda: urllib.request.urlopen("http://example.org", timeout=1),
        lambda: socket.create_connection(("192.0.2.1", 9), timeout=1),
        connect_ex,
        lambda: socket.getaddrinfo("example.org", 80),
    ],
    ids=["urlopen", "create_connection", "connect_ex", "getaddrinfo"],
)
def test_no_test_reaches_the_network(reach):
    with pytest.raises(RuntimeError, match="must not reach the network"):
        reach()


def test_this_machine_can_be_reached():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as connection,
    ):
        assert connection.getpeername() == server.getsockname()
