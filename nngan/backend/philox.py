"""Philox4x64-10, the random words of all backends, in array operations.

NumPy's backend takes the same words from ``numpy.random.Philox``, which is quicker there. On a GPU
these formulas are joined with those that use the words: what is drawn is one kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .formulas import box_muller, fused
from .keys import Array

LOW = np.uint64(2**32 - 1)
MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
# The golden ratio and sqrt(3) - 1, as 64-bit fractions.
GROWTH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


# fmt: off
def philox(
    block: Array, first: Any, step: Array, seed: Any, s0: Any, s1: Any, s2: Any
) -> tuple[Array, ...]:
    """Return the four words of each block of `Backend.bits`, four arrays of shape (n,).

    Ten rounds of two multiplications and four exclusive-ors; between rounds the key grows.

    Parameters
    ----------
    block : uint64 array of shape (n,)
    first : numpy.uint64
        Added to each block. numpy.random.Philox advances its counter before it draws: its block 0
        is 1 here.
    step : uint64 array of shape (1,)
    seed, s0, s1, s2 : numpy.uint64
        The seed and the words of the stream, as in `Key`.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3.
    """
    c0, c1, c2, c3 = block + first, step, s1, s2
    k0, k1 = seed, s0
    for _ in range(10):
        high0, low0 = _product(MULTIPLIERS[0], c0)
        high1, low1 = _product(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + GROWTH[0], k1 + GROWTH[1]
    return c0, c1, c2, c3
# fmt: on


def _product(a: Any, b: Any) -> tuple[Array, Array]:
    """Return the upper and the lower 64 bits of the 128-bit product of a and b."""
    shift = np.uint64(32)
    a0, a1, b0, b1 = a & LOW, a >> shift, b & LOW, b >> shift
    middle = a1 * b0 + (a0 * b0 >> shift)
    carry = a0 * b1 + (middle & LOW)
    return a1 * b1 + (middle >> shift) + (carry >> shift), a * b


@fused
def all_words(*counter: Any) -> None:
    """Write the words into four arrays (n,) that follow the operands of `philox`."""
    for word, out in zip(philox(*counter[:7]), counter[7:], strict=True):
        out[...] = word


@fused
def normals(*counter: Any, dtype: Any) -> None:
    """Write `box_muller` of the words into eight arrays (n,) that follow those of `philox`."""
    x = counter[7:]
    for i, word in enumerate(philox(*counter[:7])):
        low, high = (half.astype(np.uint32) for half in (word & LOW, word >> np.uint64(32)))
        box_muller(low, high, x[2 * i], x[2 * i + 1], dtype=dtype)


@fused
def with_bits(*counter: Any, formula: Callable[..., tuple[Array, Array]], **numbers: float) -> None:
    """Write ``formula(bits, x, **numbers)``, two arrays, for the 16 pieces of 16 bits in a block.

    The operands of `philox` are followed by three times 16 arrays (n,): x and the two results.
    """
    words = philox(*counter[:7])
    for i in range(16):
        bits = (words[i // 4] >> np.uint64(16 * (i % 4)) & np.uint64(2**16 - 1)).astype(np.uint16)
        x, y, z = counter[7 + i :: 16]
        y[...], z[...] = formula(bits, x, **numbers)
