"""Memory that a training step has freed stays for the next one."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
LARGEST_TRIM, LARGEST_MMAP = 2**31 - 1, 2**25  # bytes: the largest numbers that are taken


def keep_freed_memory() -> None:
    """Tell the C library to keep memory that is freed, as CuPy's memory pool does on a GPU.

    A training step frees all its activations, and the next one asks for as many. glibc returns
    large arrays to the system and fetches them anew, page by page, each filled with zeros. With
    large minibatches this takes up to a third of a step. Arrays above 32 MB are still returned.
    Where the C library has no ``mallopt`` (macOS, Windows, musl) nothing is done.

    References
    ----------
    The GNU C library, reference manual, "Malloc tunable parameters".
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_TRIM_THRESHOLD, LARGEST_TRIM)
    mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP)
