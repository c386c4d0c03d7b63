"""A strict stand-in for CuPy on the CPU: it refuses what would fail, wait or copy on a GPU.

It stands in CuPy's place (``xp = strict_cupy``). Its `ndarray` is no NumPy array, so that nothing
becomes one unasked, and `cuda.Stream` captures as CUDA does: nothing is computed, calls are
recorded with their addresses and host numbers, and `Graph.launch` makes them again. `capturing`
is the lenient form for tests of single calls, which run in it. Names and parameters are
those of CuPy 14 (tests/test_strict_cupy.py compares them where CuPy is installed); where the two
differ, this one is stricter: CuPy uploads a NumPy array that is used as an index, wraps indices
that are out of bounds, leaves old numbers in ``empty`` and, with a driver of CUDA 12.3 or newer,
may load a kernel in a capture; here the third is NaN and the others raise.

It cannot see: the rounding, speed and memory of a GPU, whether kernels compile, which of two
writes to one place wins in ``a[indices] = b``.
"""

import itertools
import weakref
from collections import Counter
from contextlib import contextmanager
from operator import attrgetter
from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

counts = Counter()  # "read" and "upload" (host transfers), "synchronize", "cublas" (products)
memory = weakref.WeakValueDictionary()  # by address, as far as somebody has asked for it
loaded = set()  # kernels: the function, and the kinds of its arguments
_capture = SimpleNamespace(active=False, cublas=True, calls=None, pool=None)


@contextmanager
def capturing(cublas=True):
    """Model a stream capture: whatever needs the host raises RuntimeError.

    Yields a counter of the block. CuPy cannot capture its own products: ``cublas=False`` refuses
    them as CuPy 14 does.
    """
    before, inside = counts.copy(), Counter()
    _capture.active, _capture.cublas = True, cublas
    try:
        yield inside
    finally:
        _capture.active = False
        inside.update(counts - before)


def _touch_host(kind, what):
    if _capture.active:
        raise RuntimeError(f"{what} is not permitted: the current stream is capturing")
    counts[kind] += 1


# -- every computation goes through launch or _compute ---------------------------------------------


def _kind(x):
    """Return what CuPy compiles for: an array's type, dimensions and layout, a number's type."""
    if isinstance(x, list | tuple):
        return tuple(map(_kind, x))
    return (x.dtype, x.ndim, x.flags.c_contiguous) if isinstance(x, np.ndarray) else type(x)


def _load(function, args, options):
    """Compile and load a kernel when it is first called: older drivers refuse it in a capture."""
    kernel = function.__name__, _kind(args), _kind([*options.values()])
    if _capture.calls is None:
        loaded.add(kernel)
    elif kernel not in loaded:
        raise RuntimeError(f"the kernel {function.__name__} is loaded while a stream is capturing")
    elif _streams[-1] is not _capture.stream:
        raise RuntimeError("a launch on another stream than the capturing one: it is not recorded")


def launch(function, *args, **options):
    """Call a function that writes into its arguments, or record the call."""
    _load(function, args, options)
    if _capture.calls is not None:
        _capture.calls.append(lambda: launch(function, *args, **options))
        return
    _run(function, *args, **options)


def _run(function, *args, **options):
    with np.errstate(all="ignore"):  # a GPU does not warn
        return function(*args, **options)


def _replayed(host, result):
    """Put a result where the capture has put it."""
    np.copyto(host, result)


def _compute(function, *args, **options):
    """Call a function of NumPy; its result is a new array of the device, or a view."""
    result = _run(function, *args, **options)
    if not isinstance(result, np.ndarray | np.generic):
        return result
    array = ndarray.__new__(ndarray)
    array._host = host = np.asarray(result)
    # Made in a capture, an array is memory alone: a replay computes it, each time in this place.
    # (It has its numbers until the capture ends, so that what follows finds indices in bounds.)
    if _capture.calls is None:
        _load(function, args, options)
    elif not any(np.may_share_memory(host, a) for a in args if isinstance(a, np.ndarray)):
        _load(function, args, options)
        _capture.calls.append(lambda: launch(_replayed, host, _run(function, *args, **options)))
        _capture.made.append(host)
    return array


# -- what goes into a function ---------------------------------------------------------------------


def _array(x):
    """Unwrap an array; nothing else will do."""
    if not isinstance(x, ndarray):
        raise TypeError(f"Unsupported type {type(x)}: not an array of the device")
    return x._host


def _operand(x):
    """Unwrap an array, or take a Python or NumPy scalar as it is."""
    return x if isinstance(x, bool | int | float | complex | np.generic) else _array(x)


def _argument(x):
    """Unwrap any other argument (a shape, a list of arrays) that may hold arrays."""
    if isinstance(x, list | tuple):
        return type(x)(map(_argument, x))
    return _array(x) if isinstance(x, ndarray | np.ndarray) else x


def _indices(index):
    """Unwrap an index: numbers, slices, arrays."""
    parts = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, list | tuple | bool | np.bool_ | np.ndarray):
            _touch_host("upload", f"an index of type {type(part).__name__}")
        if isinstance(part, np.ndarray):
            raise TypeError("Unsupported index numpy.ndarray: CuPy would upload it each time")
        if isinstance(part, ndarray) and part.dtype == bool:
            _touch_host("read", "an index that is a mask (the result's length is data)")
        parts.append(part._host if isinstance(part, ndarray) else part)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)  # then NumPy gives a view of a single element too, not a scalar
    return tuple(parts)


def _read(convert):
    """Return a method that reads the array back and converts it."""
    return lambda self, *arguments: convert(self.get(), *arguments)


class ndarray(NDArrayOperatorsMixin):
    """An array of the device: `_host` holds its numbers, in NumPy."""

    __slots__ = ("_host",)
    __array_priority__ = 100
    __imatmul__ = None  # CuPy has none: a @= b is a new array there

    def __init__(self, shape, dtype=float):
        self._host = empty(shape, dtype)._host

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method != "__call__" or ufunc.__name__ not in NAMES:
            return NotImplemented
        return NAMES[ufunc.__name__](*inputs, *out, **options)

    def __array_function__(self, function, types, args, options):
        if function.__name__ not in NAMES:
            return NotImplemented
        return NAMES[function.__name__](*args, **options)

    def get(self):
        _touch_host("read", "a copy from the device to the host")
        return self._host.copy()

    item, tolist = _read(np.ndarray.item), _read(np.ndarray.tolist)
    __bool__, __int__, __float__ = _read(bool), _read(int), _read(float)
    __repr__, __str__, __format__ = _read(repr), _read(str), _read(format)

    def __reduce__(self):
        return array, (self.get(),)

    def __deepcopy__(self, memo):
        return self.copy()

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return _compute(np.ndarray.__getitem__, self._host, _indices(index))

    def __setitem__(self, index, value):
        launch(np.ndarray.__setitem__, self._host, _indices(index), _operand(value))

    def fill(self, value):
        self[...] = value

    def copy(self, order="C"):
        return _compute(np.copy, self._host, order)

    def astype(self, dtype, copy=True):
        if not copy and self.dtype == dtype:
            return self
        return _compute(np.ndarray.astype, self._host, dtype)

    def view(self, dtype=None):
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        if dtype.itemsize != self.itemsize and not self._host.flags.c_contiguous:
            raise ValueError("a view with another itemsize needs a C-contiguous array")
        return _compute(np.ndarray.view, self._host, dtype)

    def reshape(self, *shape):
        return _compute(np.ndarray.reshape, self._host, *shape)

    @property
    def T(self):
        return _compute(np.transpose, self._host)

    @property
    def data(self):
        address = self._host.ctypes.data
        memory[address] = self._host
        return SimpleNamespace(ptr=address)

    @property
    def flags(self):
        names = ("c_contiguous", "f_contiguous", "owndata")
        return SimpleNamespace(**{name: getattr(self._host.flags, name) for name in names})


for _name in ("dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides"):
    setattr(ndarray, _name, property(attrgetter(f"_host.{_name}")))


# -- functions with rules of their own -------------------------------------------------------------


def array(obj, dtype=None, copy=True):
    """Upload, or copy on the device. A single number is no upload: it goes with a kernel."""
    if isinstance(obj, ndarray):
        return obj.astype(obj.dtype if dtype is None else dtype, copy)
    host = np.array(obj, dtype)
    if host.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {host.dtype}")
    if host.ndim:
        _touch_host("upload", "a copy from the host to the device")
    return _compute(host.copy)


def asarray(a, dtype=None):
    return array(a, dtype, copy=False)


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def argsort(a, axis=-1, kind=None):
    if kind not in (None, "stable"):
        raise ValueError(f"kind can only be None or 'stable', not {kind!r}")
    return _compute(np.argsort, _array(a), axis, kind="stable")


def empty(shape, dtype=float):
    """Return what nobody should read: NaN, or the largest integer."""
    kind = np.dtype(dtype).kind
    return _compute(np.full, shape, np.iinfo(dtype).max if kind in "iu" else np.nan, dtype)


def empty_like(prototype, dtype=None):
    return empty(_array(prototype).shape, prototype.dtype if dtype is None else dtype)


def nonzero(a):
    _touch_host("read", "nonzero (the result's length is data)")
    return tuple(_compute(indices.copy) for indices in np.nonzero(_array(a)))


def result_type(*arrays_and_dtypes):
    return np.result_type(*map(_argument, arrays_and_dtypes))


def where(condition, x=None, y=None):
    if x is None and y is None:
        return nonzero(condition)
    return _compute(np.where, _array(condition), _operand(x), _operand(y))


# -- streams, graphs, memory, kernels --------------------------------------------------------------


class Stream:
    """A stream: it waits, and it captures. The first one is the null stream."""

    _numbers = itertools.count()

    def __init__(self, non_blocking=False):
        self.ptr, self._non_blocking = next(self._numbers), non_blocking

    def __enter__(self):
        _streams.append(self)

    def __exit__(self, *_):
        _streams.pop()

    def synchronize(self):
        _touch_host("synchronize", "waiting for the stream")

    def begin_capture(self):
        if _streams[-1] is not self or not self._non_blocking:
            raise RuntimeError("capture on a non-blocking stream, and make it the current one")
        _capture.active, _capture.cublas, _capture.calls, _capture.made = True, False, [], []
        _capture.stream = self

    def end_capture(self):
        graph = Graph.__new__(Graph)
        graph._calls, graph._pool = _capture.calls, _capture.pool and weakref.ref(_capture.pool)
        _capture.active, _capture.cublas, _capture.calls = False, True, None
        for host in _capture.made:
            host[...] = empty(host.shape, host.dtype)._host  # a capture computes nothing
        return graph


class Graph:
    """A recorded step. Here it has to have memory of its own, as long as it is launched."""

    def launch(self):
        if self._pool is None or self._pool() is None:
            raise RuntimeError("the graph's temporaries are not its own: others write there")
        for call in self._calls:
            call()


class MemoryPool:
    """A pool of memory. It gives none, but it is known whose memory a graph uses."""

    def malloc(self, size):
        raise NotImplementedError

    def free_all_blocks(self):
        pass


@contextmanager
def using_allocator(allocator=None):
    before, _capture.pool = _capture.pool, getattr(allocator, "__self__", None)
    try:
        yield
    finally:
        _capture.pool = before


class RawKernel:
    """A CUDA kernel: in its stead runs the function of its name in `twins`, on NumPy arrays."""

    twins = {}  # noqa: RUF012 (one for all)

    def __init__(self, code, name):
        self._twin = self.twins[name]

    def __call__(self, grid, block, args):
        if not grid[0] * block[0]:
            raise RuntimeError("cudaErrorInvalidConfiguration: a launch of no threads")
        if not all(isinstance(a, ndarray | np.generic) for a in args):
            raise TypeError("pass a kernel arrays and NumPy's numbers: their types are its own")
        launch(self._twin, grid[0] * block[0], *map(_operand, args))


def _eigen(name):
    def call(a, UPLO="L"):
        _touch_host("read", f"linalg.{name} (it asks the device whether it converged)")
        result = getattr(np.linalg, name)(_array(a), UPLO)
        if isinstance(result, tuple):
            return tuple(_compute(np.asarray, part) for part in result)
        return _compute(np.asarray, result)

    return call


# -- the other functions: NumPy's, with CuPy's parameters ------------------------------------------


def _function(name, parameters, first):
    function, parameters = getattr(np, name), parameters.split()
    unwrap = _operand if first == "operand" else _argument

    def call(*args, **options):
        if len(args) > len(parameters) or options.keys() - set(parameters):
            raise TypeError(f"{name}{tuple(parameters)} got {len(args)} arguments, {set(options)}")
        if first == "array":
            _array(args[0])
        if first == "arrays" and len([_array(a) for a in args[0]]) > 8:
            _touch_host("upload", f"{name} of more than eight arrays (CuPy uploads a table)")
        if first == "number" and any(isinstance(a, ndarray) for a in args):
            raise TypeError(f"{name} takes numbers of the host, not arrays")
        if name == "take" and isinstance(args[1], list | tuple):
            _touch_host("upload", "a list of indices")
        if name in ("dot", "matmul"):
            if _capture.active and not _capture.cublas:
                raise NotImplementedError("calling cuBLAS API during stream capture: unsupported")
            counts["cublas"] += 1
        given = dict(zip(parameters, args, strict=False))
        out = options.pop("out", given.pop("out", None))
        options = {key: _argument(value) for key, value in options.items()}
        inputs = map(unwrap, given.values())
        if out is None:
            return _compute(function, *inputs, **options)
        launch(function, *inputs, out=_array(out), **options)
        return out

    return call


UFUNCS = """
    abs absolute add bitwise_and bitwise_or bitwise_xor ceil cos cosh divide equal exp exp2 expm1
    floor floor_divide greater greater_equal invert isfinite isinf isnan left_shift less less_equal
    log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul maximum
    minimum multiply negative not_equal positive power remainder right_shift rint sign sin sinh
    sqrt square subtract tan tanh true_divide
"""
FUNCTIONS = [  # what comes first, names, parameters
    ("array", "all any max min", "a axis out keepdims"),
    ("array", "argmax argmin mean prod sum", "a axis dtype out keepdims"),
    ("array", "ascontiguousarray", "a dtype"),
    ("array", "broadcast_to", "array shape"),
    ("array", "clip", "a a_min a_max out"),
    ("array", "copyto", "dst src casting where"),
    ("array", "cumsum", "a axis dtype out"),
    ("array", "dot", "a b out"),
    ("array", "expand_dims squeeze", "a axis"),
    ("array", "full_like", "a fill_value dtype order subok shape"),
    ("array", "ones_like zeros_like", "a dtype order subok shape"),
    ("array", "partition", "a kth axis"),
    ("array", "ravel", "a order"),
    ("array", "reshape", "a newshape order"),
    ("array", "shares_memory", "a b max_work"),
    ("array", "std var", "a axis dtype out ddof keepdims"),
    ("array", "take", "a indices axis out"),
    ("array", "trace", "a offset axis1 axis2 dtype out"),
    ("array", "transpose", "a axes"),
    ("arrays", "concatenate stack", "tup axis out dtype casting"),
    ("number", "arange", "start stop step dtype"),
    ("number", "eye", "N M k dtype order"),
    ("number", "full", "shape fill_value dtype order"),
    ("number", "linspace", "start stop num endpoint retstep dtype axis"),
    ("number", "ones zeros", "shape dtype order"),
]
METHODS = """
    all any argmax argmin argsort clip cumsum dot max mean min nonzero prod ravel squeeze std sum
    take trace var
"""
CONSTANTS = """
    bool_ dtype e finfo float16 float32 float64 iinfo inf int8 int16 int32 int64 nan newaxis pi
    uint8 uint16 uint32 uint64
"""
_own = (array, asarray, asnumpy, argsort, empty, empty_like, nonzero, result_type, where)
_streams = [Stream()]

NAMES = {function.__name__: function for function in _own}
NAMES |= {name: getattr(np, name) for name in CONSTANTS.split()}
for _name in UFUNCS.split():
    _inputs = "x" if getattr(np, _name).nin == 1 else "x1 x2"
    NAMES[_name] = _function(_name, f"{_inputs} out casting dtype", "operand")
for _first, _names, _parameters in FUNCTIONS:
    NAMES |= {name: _function(name, _parameters, _first) for name in _names.split()}
NAMES["cuda"] = SimpleNamespace(
    get_current_stream=lambda: _streams[-1],
    **{x.__name__: x for x in (Graph, MemoryPool, Stream, using_allocator)},
)
NAMES["RawKernel"] = RawKernel
NAMES["linalg"] = SimpleNamespace(eigh=_eigen("eigh"), eigvalsh=_eigen("eigvalsh"))
NAMES["is_available"] = lambda: True
for _name in METHODS.split():
    setattr(ndarray, _name, NAMES[_name])


def __getattr__(name):
    """Look `name` up in NAMES: as globals, `sum` and `any` would hide Python's in here."""
    if name in NAMES:
        return NAMES[name]
    raise AttributeError(f"no {name!r} in strict_cupy: add it if CuPy's documentation has it")
