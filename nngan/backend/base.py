"""The base of all backends, and NumPy, the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .formulas import box_muller, unit_interval
from .keys import Array, Key
from .memory import keep_freed_memory
from .products import matmul

Step = TypeVar("Step", bound=Callable[..., Any])
INSTEAD = ', or use backend="numpy"'  # the end of a message that names what is missing


def negligible(dtype: Any) -> Any:
    """Return the number of `dtype` below which a moment may as well be zero: 1.2e-32 in float32.

    It is well above the smallest normal number, so that a moment that was set to zero stays out of
    the subnormal numbers for long; and far too small to matter next to a useful gradient.
    """
    return np.dtype(dtype).type(2**20 * np.finfo(dtype).tiny)


@dataclass(frozen=True)
class Shard:
    """The part of each minibatch that a backend computes with: all of it, or one of equal shards.

    Attributes
    ----------
    index, count : int
        Which of the shards, and of how many.
    mean : callable
        Takes an array of this shard and returns the mean of the arrays of all shards. For means
        over a shard's rows, that is the mean over the whole minibatch.
    """

    index: int = 0
    count: int = 1
    mean: Callable[[Array], Array] = lambda array: array


class BackendUnavailable(ImportError):
    """The backend cannot run here; the message says which part is missing and what to type."""


class Backend:
    """The base of all backends: arrays, products, random numbers, ``compile``.

    The methods are written for `xp`, whatever array module that is, except `matmul` and `bits`,
    which each backend has of its own. A backend is stateless: one instance serves any number of
    networks.

    Attributes
    ----------
    name : str
        As in ``GAN(..., backend=name)``.
    xp : module
        ``numpy`` or ``cupy``.
    shard : Shard
        The part of each minibatch that is here. Random numbers for its rows are the rows of the
        whole draw that belong to it.
    joins_layers : bool
        Whether layers run as one operation where they can (`nngan.layers.joint`).
    """

    name: str
    xp: Any
    shard: Shard = Shard()
    joins_layers = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self  # stateless; and a module, such as `xp`, cannot be copied

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
        """Return ``a @ b`` of (m, k) and (k, n), in `out` if given, added to it if `accumulate`."""
        raise NotImplementedError

    def sum_rows(
        self, a: Array, out: Array, accumulate: bool = False, weights: Array | None = None
    ) -> None:
        """Write the sum of the rows of `a` into `out`, (n,), or add it there if `accumulate`.

        With `weights`, (N, 1), each row is multiplied by its own first.
        """
        a = a if weights is None else weights * a
        if accumulate:
            out += a.sum(axis=0)
        else:
            a.sum(axis=0, out=out)

    def with_row_sums(
        self,
        formula: Callable[..., Array],
        arrays: Sequence[Array],
        sums: Array,
        accumulate: bool = False,
        **numbers: Any,
    ) -> Array:
        """Return ``formula(*arrays, **numbers)`` and do ``sum_rows(result, sums, accumulate)``.

        Parameters
        ----------
        formula : callable
            Element-wise, of arithmetic and comparisons alone.
        arrays : sequence of array of shape (N, n), all of one dtype
        sums : array of shape (n,) and that dtype
        accumulate : bool
        **numbers : float, or a formula
            The same for all elements.
        """
        result = formula(*arrays, **numbers)
        self.sum_rows(result, sums, accumulate)
        return result

    def decay(self, a: Array, factor: float | Array) -> None:
        """Multiply `a` by `factor` in place.

        Parameters
        ----------
        a : array
        factor : float, or array of shape (1,) and the dtype of `a`
            An array, on the device, if the factor changes with the step: a momentum that grows.
        """
        a *= factor

    def write_row(self, table: Array, row: Array, values: Sequence[Array]) -> None:
        """Write `values`, 0-d arrays, into one row of `table`, whose number is an array (1,)."""
        table[row] = self.xp.stack(list(values))

    # -- random numbers: pure functions of a key -----------------------------------------------

    def bits(self, key: Key, n: int, first: int = 0) -> Array:
        """Return `n` random words from word `first` on, uint64 of shape (n,), of Philox4x64-10.

        Its key is (seed, s0) and its counter (block, step, s1, s2). One block is four words, and
        s0, s1, s2 are the stream's words.

        References
        ----------
        Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
        """
        raise NotImplementedError

    def uniform(self, key: Key, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Return uniform numbers in (0, 1], 32 random bits each."""
        words = self._integers(key, math.prod(shape), np.uint32)
        return unit_interval(words, dtype=np.dtype(dtype)).reshape(shape)

    def normal(self, key: Key, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Return standard normal numbers, two from each random word.

        With u1, u2 uniform, ``sqrt(-2 ln u1) * (cos(2 pi u2), sin(2 pi u2))`` is a pair of
        independent normals. The first n of a longer draw are the draw of n.

        References
        ----------
        Box and Muller, "A note on the generation of random normal deviates", 1958.
        """
        n = math.prod(shape)
        first, skipped = divmod(self.shard.index * n, 2)
        pairs = self.xp.empty(((skipped + n + 1) // 2, 2), dtype)
        words = self.bits(key, len(pairs), first).view(np.uint32).reshape(-1, 2)
        box_muller(words[:, 0], words[:, 1], pairs[:, 0], pairs[:, 1], dtype=pairs.dtype)
        normals: Array = pairs.reshape(-1)[skipped : skipped + n].reshape(shape)
        return normals

    def with_random_bits(
        self, formula: Callable[..., tuple[Array, Array]], key: Key, x: Array, **numbers: float
    ) -> tuple[Array, Array]:
        """Return ``formula(bits, x, **numbers)``, two arrays like `x`, with 16 bits per element.

        Parameters
        ----------
        formula : callable
            Element-wise; `bits` is a uint16 array, drawn at `key`, of the shape of `x`.
        key : Key
        x : array
        **numbers : float
            The same for all elements.
        """
        bits = self._integers(key, x.size, np.uint16)
        return formula(bits.reshape(x.shape), x, **numbers)

    def _integers(self, key: Key, n: int, dtype: type[np.unsignedinteger[Any]]) -> Array:
        """Return the `n` integers of this part in a draw of part.count n, several in each word."""
        in_a_word = 8 // np.dtype(dtype).itemsize
        first, skipped = divmod(self.shard.index * n, in_a_word)
        words = self.bits(key, -(-(skipped + n) // in_a_word), first)
        integers: Array = words.view(dtype)[skipped : skipped + n]
        return integers

    def permutation(self, key: Key, n: int) -> Array:
        """Return a random order of ``range(n)``, intp of shape (n,): the sorting of n words."""
        order: Array = self.xp.argsort(self.bits(key, n), kind="stable")
        return order

    # -- execution -----------------------------------------------------------------------------

    def update_in_place(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        """Apply ``formula(backend, *arrays, *numbers)``, which changes flat arrays in place.

        Element i of any array must depend on the elements i alone, so that a backend may apply the
        formula to one piece after another, or its compiled form (`nngan.backend.loops`).

        Parameters
        ----------
        formula : callable
        arrays : sequence of array of shape (n,), all of one dtype
        *numbers : float, or array of shape (1,) and that dtype
            The same for all elements.
        """
        formula(self, *arrays, *numbers)

    def elementwise(self, formula: Callable[..., Array], *arrays: Array, **numbers: float) -> Array:
        """Return ``formula(*arrays, **numbers)``, or the same by the formula's compiled form.

        Parameters
        ----------
        formula : callable
            Element-wise.
        *arrays : array, all of one shape and dtype
        **numbers : float
            The same for all elements.
        """
        return formula(*arrays, **numbers)

    def compile(self, step: Step) -> Step:
        """Return a function that does the same as `step`, faster if the backend knows how.

        The contract: `step` takes no arguments, reads nothing back to the host and updates all
        state in place.
        """
        return step

    def synchronize(self) -> None:
        """Wait until everything that was asked for has been computed."""


class NumpyBackend(Backend):
    """NumPy, the reference backend; in a browser with SciPy's products, if SciPy is there."""

    name = "numpy"
    xp = np

    def matmul(
        self, a: Array, b: Array, out: Array | None = None, accumulate: bool = False
    ) -> Array:
        if a.shape[1] == b.shape[0] == 1:
            product: Array = a * b  # NumPy hands an outer product to no BLAS: 3 to 10 times slower
        elif out is not None and not accumulate:
            return matmul(a, b, out=out)
        else:
            product = matmul(a, b)
        if out is None:
            return product
        if accumulate:
            out += product
        else:
            out[...] = product
        return out

    def decay(self, a: Array, factor: float | Array) -> None:
        """Multiply `a` by `factor` in place; numbers too small for the dtype become zero.

        A mean that is fed with zeros decays to the smallest numbers there are, and stays: 0.9 times
        the smallest is rounded to the smallest. Processors multiply such subnormal numbers many
        times slower than others, and an epoch of Adam would take twice as long.
        """
        try:
            with np.errstate(under="raise"):
                a *= factor
        except FloatingPointError:  # raised after the multiplication is done
            a[np.abs(a) < negligible(a.dtype)] = 0

    def bits(self, key: Key, n: int, first: int = 0) -> Array:
        """Return the words of `Backend.bits` from NumPy's own `numpy.random.Philox`."""
        s0, s1, s2 = key.stream_words
        step = int(np.asarray(key.step).item())
        block, skipped = divmod(first, 4)
        generator = np.random.Philox(
            key=np.array([key.seed, s0], np.uint64),
            counter=np.array([block, step, s1, s2], np.uint64),
        )
        bits: Array = generator.random_raw(skipped + n)[skipped:]
        return bits

    def update_in_place(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        # Pieces whose operands stay in a core's cache from one operation to the next.
        size = 1 << 15
        for start in range(0, arrays[0].size, size):
            formula(self, *(array[start : start + size] for array in arrays), *numbers)

    def compile(self, step: Step) -> Step:
        """Return `step` itself, and keep the memory that it frees for its next call.

        On Linux this changes malloc for the whole process; `nngan.backend.memory` says how.
        """
        keep_freed_memory()
        return step
