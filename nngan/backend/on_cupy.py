"""The same on a CUDA GPU, through CuPy."""

from __future__ import annotations

import numpy as np

from .keys import Array, Key
from .on_numpy import NumpyBackend


class BackendUnavailable(ImportError):
    """The backend that was asked for cannot run here; the message says what is missing."""


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
