"""The reference backend: NumPy."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .keys import Array, Key
from .memory import keep_freed_memory

Step = TypeVar("Step", bound=Callable[..., Any])


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


def negligible(dtype: Any) -> Any:
    """Return the number of `dtype` below which a moment may as well be zero: 1.2e-32 in float32.

    It is well above the smallest normal number, so that what is cleared once stays clear of
    subnormal ones for long; and nothing that a gradient of any use is added to.
    """
    return np.dtype(dtype).type(2**20 * np.finfo(dtype).tiny)


class BackendUnavailable(ImportError):
    """The backend that was asked for cannot run here; the message says what is missing."""


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
        """Return ``a @ b`` of (m, k) and (k, n), in `out` if given, added to it if `accumulate`.

        A product that is not written into `out` is laid out by columns. Element-wise functions keep
        that order, so that all activations of a minibatch have it.
        """
        xp = self.xp
        product: Array
        if a.shape[1] == b.shape[0] == 1:
            product = (b.T * a.T).T  # NumPy hands an outer product to no BLAS: 3 to 10 times slower
        elif out is not None and not accumulate:
            xp.matmul(a, b, out=out)
            return out
        else:
            # a b = (b' a')': OpenBLAS takes 5 to 15 % less time for a minibatch in this order.
            product = xp.matmul(b.T, a.T).T
        if out is None:
            return product
        if accumulate:
            out += product
        else:
            out[...] = product
        return out

    def stack(self, batches: Sequence[Array]) -> Array:
        """Return the rows of all `batches` below each other, by columns if one of them lies so.

        Copying a product, which lies by columns, into rows takes up to ten times as long. Rows that
        are copied into columns are, 512 at a time, few enough to stay in a core's cache meanwhile:
        of 4096 images at once every number would be fetched from further away.
        """
        pieces = [batch[i : i + 512].T for batch in batches for i in range(0, len(batch), 512)]
        stacked: Array = self.xp.concatenate(pieces, axis=1).T
        return stacked

    def decay(self, a: Array, factor: float | Array) -> None:
        """Multiply `a` by `factor` in place; what becomes too small for its dtype becomes zero.

        A mean that is fed with zeros decays to the smallest numbers there are, and stays: 0.9 times
        the smallest is rounded to the smallest. Processors multiply such subnormal numbers many
        times slower than others, and an epoch of Adam would take twice as long.

        Parameters
        ----------
        a : array
        factor : float, or array of shape (1,) and the dtype of `a`
            An array, on the device, where the factor changes with the step: a momentum that grows.
        """
        try:
            with np.errstate(under="raise"):
                a *= factor
        except FloatingPointError:  # said after the multiplication, of which one result underflowed
            a[np.abs(a) < negligible(a.dtype)] = 0

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
        u: Array = words.astype(dtype)
        u += 0.5
        u *= 2.0**-32
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
        pairs = self.uniform(key, ((n + 1) // 2, 2), dtype)
        u1, u2 = pairs.T.copy()
        radius = xp.sqrt(-2.0 * xp.log(u1))
        angle = (2.0 * math.pi) * u2
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

    def elementwise(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        """Apply ``formula(backend, *arrays, *numbers)``, which changes flat arrays in place.

        Element i of any array must depend on the elements i alone, so that the formula may be
        applied to one piece after another. Here they are pieces whose operands stay in a core's
        cache from one operation to the next.

        Parameters
        ----------
        formula : callable
        arrays : sequence of array of shape (n,), all of one dtype
        *numbers : float, or array of shape (1,) and that dtype
            The same for all elements.
        """
        size = 1 << 15
        for start in range(0, arrays[0].size, size):
            formula(self, *(array[start : start + size] for array in arrays), *numbers)

    def fused(self, formula: Callable[..., Array], *arrays: Array, **numbers: float) -> Array:
        """Return ``formula(*arrays, **numbers)``, in one pass through memory where there is one.

        Parameters
        ----------
        formula : callable
            Element-wise, and a function of a module, by whose name a backend may know it.
        *arrays : array, all of one shape and dtype
        **numbers : float
            The same for all elements.
        """
        return formula(*arrays, **numbers)

    def compile(self, step: Step) -> Step:
        """Return a function that does what `step` does, faster where the backend knows how.

        The contract: `step` takes no arguments, reads nothing back to the host and updates all
        state in place. Here it is `step` itself, and what it frees is kept for its next call.
        """
        keep_freed_memory()
        return step

    def synchronize(self) -> None:
        """Wait until everything that was asked for has been computed."""
