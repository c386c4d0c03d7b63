"""The backend on a CUDA GPU, through CuPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from ..checks import one_line
from .base import INSTEAD, Backend, BackendUnavailable, Step
from .columns import with_row_sums
from .cublas import Cublas
from .graph import CudaGraph
from .keys import Array, Key
from .philox import all_words, normals, with_bits

INSTALL = "pip install 'cupy-cuda13x[ctk]<15'"


class CupyBackend(Backend):
    """Arrays, products and random numbers on a CUDA GPU, through CuPy.

    Raises
    ------
    BackendUnavailable
        If CuPy, a GPU with its driver, or CUDA's headers and libraries are missing; it says which.
    """

    name = "cupy"
    joins_layers = True
    tf32 = False

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise BackendUnavailable(
                f"CuPy cannot be imported ({one_line(error)}): {INSTALL} (or cuda12x; "
                f"nvidia-smi shows the CUDA version of your driver){INSTEAD}"
            ) from error
        if not cupy.is_available():
            try:
                cupy.cuda.runtime.getDeviceCount()
                reason = "no CUDA device"
            except Exception as error:  # CuPy's own error type lives below a module of CUDA
                reason = one_line(error)
            raise BackendUnavailable(
                f"CuPy finds no usable GPU ({reason}): check that nvidia-smi lists one and that "
                f"its driver is recent enough for this CuPy{INSTEAD}"
            )
        try:
            cupy.arange(2) + 1  # the first kernel: compiled here, where its failure has a name
            self._cublas = Cublas(cupy, self.tf32)
        except MemoryError as error:  # cuBLAS's workspace is 32 MB
            raise BackendUnavailable(
                f"the GPU has too little free memory ({one_line(error)}): nvidia-smi shows which "
                f"programs use it. End one{INSTEAD}"
            ) from error
        except Exception as error:  # CuPy has several types for it
            raise BackendUnavailable(
                f"CuPy cannot compile a kernel or find cuBLAS ({one_line(error)}): install CUDA's "
                f"headers and libraries with {INSTALL} (or cuda12x, as your CuPy){INSTEAD}"
            ) from error
        self.xp = cupy
        self._kernels: dict[Any, Any] = {}  # of the formulas of `update_in_place`
        # Constants, by their length, a power of two: 0, 1, ... and ones. They are kept, because
        # graphs know their addresses.
        self._blocks: dict[int, Array] = {}
        self._ones: dict[Any, Array] = {}

    def to_numpy(self, a: Array) -> Array:
        host: Array = self.xp.asnumpy(a)
        return host

    def matmul(
        self, a: Array, b: Array, out: Array | None = None, accumulate: bool = False
    ) -> Array:
        if out is None:
            out, accumulate = self.xp.empty((a.shape[0], b.shape[1]), a.dtype), False
        self._cublas.gemm(a, b, out, accumulate)
        return out

    def sum_rows(
        self, a: Array, out: Array, accumulate: bool = False, weights: Array | None = None
    ) -> None:
        """Do `Backend.sum_rows` as one product, of a row of the weights, or of ones, with `a`."""
        if weights is None:
            size = power_of_two(len(a))
            if (key := (size, a.dtype)) not in self._ones:
                self._ones[key] = self.xp.ones((size, 1), a.dtype)
            weights = self._ones[key][: len(a)]
        self.matmul(weights.T, a, out=out.reshape(1, -1), accumulate=accumulate)

    def with_row_sums(
        self,
        formula: Callable[..., Array],
        arrays: Sequence[Array],
        sums: Array,
        accumulate: bool = False,
        **numbers: Any,
    ) -> Array:
        return with_row_sums(self.xp, formula, arrays, sums, accumulate, **numbers)

    def update_in_place(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        if formula not in self._kernels:

            def one_kernel(*operands: Any) -> None:
                formula(self, *operands)

            one_kernel.__name__ = formula.__name__
            self._kernels[formula] = self.xp.fuse(one_kernel)
        self._kernels[formula](*arrays, *numbers)

    def write_row(self, table: Array, row: Array, values: Sequence[Array]) -> None:
        """Do `Backend.write_row` as one kernel; ``xp.stack`` would copy the values one by one."""
        row_writer(self.xp, len(values))(*values, row, table)

    def bits(self, key: Key, n: int, first: int = 0) -> Array:
        """Return the same words as `Backend.bits`, computed where `key.step` lives."""
        first, skipped = divmod(first, 4)
        words: Array = self.xp.empty((-(-(skipped + n) // 4), 4), np.uint64)
        all_words(*self._counter(key, first, len(words)), *words.T)
        return words.reshape(-1)[skipped : skipped + n]

    def normal(self, key: Key, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Return the numbers of `Backend.normal`, with their words as one kernel."""
        n = math.prod(shape)
        first, skipped = divmod(self.shard.index * n, 8)
        x: Array = self.xp.empty((-(-(skipped + n) // 8), 8), dtype)
        normals(*self._counter(key, first, len(x)), *x.T, dtype=x.dtype)
        return x.reshape(-1)[skipped : skipped + n].reshape(shape)

    def with_random_bits(
        self, formula: Callable[..., tuple[Array, Array]], key: Key, x: Array, **numbers: float
    ) -> tuple[Array, Array]:
        if x.size % 16 or not x.flags.c_contiguous:
            return super().with_random_bits(formula, key, x, **numbers)
        y, z = self.xp.empty_like(x), self.xp.empty_like(x)
        pieces = (column for array in (x, y, z) for column in array.reshape(-1, 16).T)
        blocks = x.size // 16
        counter = self._counter(key, self.shard.index * blocks, blocks)
        with_bits(*counter, *pieces, formula=formula, **numbers)
        return y, z

    def _counter(self, key: Key, first: int, n: int) -> tuple[Any, ...]:
        """Return the operands of `philox` for `n` blocks from block `first` on."""
        xp = self.xp
        size = power_of_two(n)
        if size not in self._blocks:
            self._blocks[size] = xp.arange(size, dtype=np.uint64)
        if isinstance(key.step, xp.ndarray):
            step = key.step.view(np.uint64)
        else:
            step = xp.full(1, np.asarray(key.step).item(), dtype=np.uint64)
        seed, *stream = map(np.uint64, (key.seed, *key.stream_words))
        return self._blocks[size][:n], np.uint64(first + 1), step, seed, *stream

    def compile(self, step: Step) -> Step:
        """Return `step` as a CUDA graph; see `nngan.backend.graph`."""
        return cast(Step, CudaGraph(self.xp, step))

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()


def power_of_two(n: int) -> int:
    """Return the smallest power of two that is not below n."""
    return 1 << max(n - 1, 0).bit_length()


@functools.cache
def row_writer(xp: Any, n: int) -> Any:
    """Return ``table[row] = values`` for n values as one kernel."""
    values = "".join(f"{chr(65 + i)} value{i}, " for i in range(n))  # each of a dtype of its own
    writes = "".join(f"table[{n} * row + {i}] = value{i};" for i in range(n))
    return xp.ElementwiseKernel(values + "int64 row", "raw T table", writes, "write_row")


class Tf32Backend(CupyBackend):
    """CuPy, with products of float32 in TF32: faster on Ampere and later, three decimals right.

    Some sums over the rows, the gradients of biases, are products too.

    References
    ----------
    NVIDIA, "NVIDIA A100 tensor core GPU architecture", 2020; cuBLAS's documentation,
    ``CUBLAS_TF32_TENSOR_OP_MATH``.
    """

    name = "cupy-tf32"
    tf32 = True
