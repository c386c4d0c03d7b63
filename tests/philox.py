"""Philox4x64-10 in array operations: NumPy's generator is compared with it."""

import numpy as np


def _multiply_high_low(a, b):
    """Return the upper and the lower 64 bits of the 128-bit product ``a * b``."""
    low32 = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    a_high, a_low = np.uint64(a >> 32), np.uint64(a & 0xFFFFFFFF)
    b_high, b_low = b >> shift, b & low32
    middle = b_low * a_high + ((b_low * a_low) >> shift)
    carry = b_high * a_low + (middle & low32)
    return b_high * a_high + (middle >> shift) + (carry >> shift), b * np.uint64(a)


def philox4x64(c0, c1, c2, c3, key):
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
