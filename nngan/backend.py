"""NumPy or CuPy, as one small object: arrays, products, random numbers, ``compile(step)``.

`NumpyBackend` is the complete reference. `CupyBackend` overrides what a GPU does differently and
imports CuPy when it is made, not before. There is no module-level switch: a network is handed a
backend, and formulas that need only element-wise functions take them from the array itself,
through `array_module`, so that networks on NumPy and on CuPy live side by side.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"
Step = TypeVar("Step", bound=Callable[..., Any])


class BackendUnavailable(ImportError):
    """The backend that was asked for cannot run here; the message says what is missing."""


def array_module(x: Array) -> Any:
    """Return the module that computes with `x`: ``numpy``, or ``cupy`` for a CuPy array.

    Parameters
    ----------
    x : array
        A NumPy array or scalar, or a CuPy array.

    Raises
    ------
    TypeError
        When `x` is not an array (a list, say).
    """
    if isinstance(x, np.ndarray | np.generic):
        return np
    module = sys.modules[type(x).__module__.partition(".")[0]]
    if not hasattr(module, "ndarray"):
        raise TypeError(f"expected an array, got {type(x).__name__}: pass numpy.asarray(...)")
    return module


class Stream(IntEnum):
    """What random numbers are for: one name each, so that no two uses share a stream."""

    WEIGHTS = 0
    DROPOUT = 1
    ORDER = 2
    NOISE = 3
    DISCRIMINATOR_STEP = 4
    GENERATOR_STEP = 5
    SAMPLE = 6
    DATA = 7


class Key(NamedTuple):
    """The address of a block of random numbers: everything random is a function of it.

    Attributes
    ----------
    seed : int
        The run's seed, 0 <= seed < 2**64.
    stream : int
        What the numbers are for, 0 <= stream < 2**192; `fold_in` makes one for each purpose.
    step : int or int64 array of shape (1,)
        When: the training step. On a GPU it is an array there, so that a step reads nothing back.
    """

    seed: int
    stream: int = 0
    step: int | Array = 0

    def fold_in(self, i: int) -> Key:
        """Return the key of the `i`-th purpose below this one (0 <= i < 65535, twelve levels)."""
        if not 0 <= i < 0xFFFF or self.stream >> 176:
            raise ValueError(f"no stream {i} below stream {self.stream:#x}: 12 levels of 65535")
        return self._replace(stream=(self.stream << 16) | (i + 1))

    @property
    def stream_words(self) -> tuple[int, int, int]:
        """The stream in 64-bit words, the lowest first."""
        mask = 2**64 - 1
        return self.stream & mask, (self.stream >> 64) & mask, self.stream >> 128


class NumpyBackend:
    """The reference backend. Stateless, so that one instance serves any number of networks."""

    name = "numpy"
    xp: Any = np

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __deepcopy__(self, memo: dict[int, Any]) -> NumpyBackend:
        return self  # stateless; and a module, which CuPy's backend holds, cannot be copied

    # -- arrays --------------------------------------------------------------------------------

    def asarray(self, a: Any, dtype: Any = None) -> Array:
        """Return `a` as an array of this backend, copied only when it has to be."""
        array: Array = self.xp.asarray(a, dtype=dtype)
        return array

    def to_numpy(self, a: Array) -> Array:
        """Return `a` as a NumPy array on the host."""
        return np.asarray(a)

    def matmul(
        self, a: Array, b: Array, out: Array | None = None, accumulate: bool = False
    ) -> Array:
        """Matrix product ``a @ b``; into `out` if given, added to it if `accumulate`."""
        if out is None or accumulate:
            product: Array = self.xp.matmul(a, b)
            if out is None:
                return product
            out += product
        else:
            self.xp.matmul(a, b, out=out)
        return out

    # -- random numbers: pure functions of a key -----------------------------------------------

    def bits(self, key: Key, n: int) -> Array:
        """Return `n` random words, uint64 of shape (n,): word i of Philox4x64-10.

        The generator is NumPy's own `numpy.random.Philox`. Its key is (seed, s0) and its counter
        (block, step, s1, s2), where one block is four words and s0, s1, s2 are the stream's words.

        References
        ----------
        Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
        """
        s0, s1, s2 = key.stream_words
        step = int(np.asarray(key.step).item())
        generator = np.random.Philox(
            key=np.array([key.seed, s0], np.uint64), counter=np.array([0, step, s1, s2], np.uint64)
        )
        bits: Array = generator.random_raw(n)
        return bits

    def uniform(self, key: Key, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Return uniform numbers in (0, 1], 32 random bits each."""
        n = math.prod(shape)
        words = self.bits(key, (n + 1) // 2).view(np.uint32)[:n]
        u: Array = (words.astype(dtype) + 0.5) * 2.0**-32
        return u.reshape(shape)

    def normal(self, key: Key, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Return standard normal numbers, two from each random word.

        With u1, u2 uniform, ``sqrt(-2 ln u1) * (cos(2 pi u2), sin(2 pi u2))`` is a pair of
        independent normals. The first n of a longer draw are the draw of n.

        References
        ----------
        Box and Muller, "A note on the generation of random normal deviates", 1958.
        """
        xp = self.xp
        n = math.prod(shape)
        u = self.uniform(key, ((n + 1) // 2, 2), dtype)
        radius = xp.sqrt(-2.0 * xp.log(u[:, 0]))
        angle = (2.0 * math.pi) * u[:, 1]
        pairs = xp.empty_like(u)
        pairs[:, 0] = radius * xp.cos(angle)
        pairs[:, 1] = radius * xp.sin(angle)
        normals: Array = pairs.reshape(-1)[:n].reshape(shape)
        return normals

    def bernoulli(self, key: Key, shape: tuple[int, ...], p: float) -> Array:
        """Return booleans that are True with probability `p`, to within 2**-17.

        Integers are compared, 16 bits each, so that every backend draws the same mask.
        """
        n = math.prod(shape)
        words = self.bits(key, (n + 3) // 4).view(np.uint16)[:n]
        mask: Array = words < self.xp.uint32(round(p * 2**16))
        return mask.reshape(shape)

    def permutation(self, key: Key, n: int) -> Array:
        """Return a random order of ``range(n)``, int64 of shape (n,): the sorting of n words."""
        order: Array = self.xp.argsort(self.bits(key, n), kind="stable")
        return order.astype(np.int64)

    # -- execution -----------------------------------------------------------------------------

    def blocks(self, n: int) -> list[slice]:
        """Cut ``range(n)`` into the pieces in which a long element-wise update runs fastest.

        Here: pieces whose operands stay in a core's cache from one operation to the next.
        """
        size = 1 << 15
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def compile(self, step: Step) -> Step:
        """Return a function that does what `step` does, faster where the backend knows how.

        The contract: `step` takes no arguments, reads nothing back to the host and updates all
        state in place.
        """
        return step

    def synchronize(self) -> None:
        """Wait until everything that was asked for has been computed."""


class CupyBackend(NumpyBackend):
    """The same on a CUDA GPU, through CuPy.

    Raises
    ------
    BackendUnavailable
        When CuPy, a GPU with its driver, or the CUDA headers are missing; it says which.
    """

    name = "cupy"

    def __init__(self) -> None:
        instead = 'or use backend="numpy"'
        try:
            import cupy
        except ImportError as error:
            raise BackendUnavailable(
                f"CuPy cannot be imported ({error}): pip install 'nngan[cuda13]' (or "
                f"'nngan[cuda12]'; nvidia-smi shows the CUDA version of your driver), {instead}"
            ) from error
        if not cupy.is_available():
            try:
                cupy.cuda.runtime.getDeviceCount()
                reason = "no CUDA device"
            except Exception as error:  # CuPy's own error type lives below a module of CUDA
                reason = str(error)
            raise BackendUnavailable(
                f"CuPy finds no usable GPU ({reason}): check that nvidia-smi lists one and that "
                f"its driver is recent enough for this CuPy, {instead}"
            )
        try:
            cupy.arange(2) + 1  # the first kernel: compiled here, where its failure has a name
        except Exception as error:  # CuPy has several types for it
            raise BackendUnavailable(
                f"CuPy cannot compile a kernel ({error}): install the CUDA headers with "
                f"pip install 'cupy-cuda13x[ctk]' (or cuda12x, as your CuPy), {instead}"
            ) from error
        self.xp = cupy

    def to_numpy(self, a: Array) -> Array:
        host: Array = self.xp.asnumpy(a)
        return host

    def bits(self, key: Key, n: int) -> Array:
        """Return the same words as `NumpyBackend.bits`, computed where `key.step` lives."""
        xp = self.xp
        # numpy.random.Philox advances its counter before it draws, so block 0 has counter 1.
        block = xp.arange(1, (n + 3) // 4 + 1, dtype=np.uint64)
        if isinstance(key.step, int):
            step = xp.full(1, key.step, dtype=np.uint64)
        else:
            step = key.step.astype(np.uint64)
        s0, s1, s2 = key.stream_words
        s1, s2 = (xp.full(1, word, dtype=np.uint64) for word in (s1, s2))
        words = philox4x64(block, step, s1, s2, (key.seed, s0))
        bits: Array = xp.stack(words, axis=1).reshape(-1)[:n]
        return bits

    def blocks(self, n: int) -> list[slice]:
        return [slice(0, n)]  # one launch over everything

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()


def get_backend(backend: str | NumpyBackend) -> NumpyBackend:
    """Return the backend called "numpy" or "cupy"; a backend object is returned as it is."""
    if isinstance(backend, NumpyBackend):
        return backend
    backends = {"numpy": NumpyBackend, "cupy": CupyBackend}
    if not isinstance(backend, str) or backend not in backends:
        raise ValueError(f"backend must be one of {', '.join(backends)}, got {backend!r}")
    return backends[backend]()


def _multiply_high_low(a: int, b: Array) -> tuple[Array, Array]:
    """Return the upper and the lower 64 bits of the 128-bit product ``a * b``."""
    low32 = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    a_high, a_low = np.uint64(a >> 32), np.uint64(a & 0xFFFFFFFF)
    b_high, b_low = b >> shift, b & low32
    middle = b_low * a_high + ((b_low * a_low) >> shift)
    carry = b_high * a_low + (middle & low32)
    return b_high * a_high + (middle >> shift) + (carry >> shift), b * np.uint64(a)


def philox4x64(
    c0: Array, c1: Array, c2: Array, c3: Array, key: tuple[int, int]
) -> tuple[Array, Array, Array, Array]:
    """Philox4x64-10 in array operations: four uint64 words from a counter of four.

    Ten rounds of two multiplications and four exclusive-ors; between rounds the key grows by the
    golden ratio and by sqrt(3) - 1, as 64-bit fractions.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3.
    """
    k0, k1 = key
    for _ in range(10):
        high0, low0 = _multiply_high_low(0xD2E7470EE14C6C93, c0)
        high1, low1 = _multiply_high_low(0xCA5A826395121157, c2)
        c0, c1 = high1 ^ c1 ^ np.uint64(k0), low1
        c2, c3 = high0 ^ c3 ^ np.uint64(k1), low0
        k0 = (k0 + 0x9E3779B97F4A7C15) % 2**64
        k1 = (k1 + 0xBB67AE8584CAA73B) % 2**64
    return c0, c1, c2, c3
