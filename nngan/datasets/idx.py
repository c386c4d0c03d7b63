"""A reader of MNIST's file format: a short header and the bytes of one array."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ..backend import Array


class DatasetError(RuntimeError):
    """A file of a data set is missing, unreadable or wrong; the message says what to do."""


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read a file of unsigned bytes in MNIST's IDX format, compressed by gzip or not.

    ===========  =======  ===========================================================
    offset       bytes    meaning
    ===========  =======  ===========================================================
    0            2        zero
    2            1        type of the elements: 0x08, unsigned byte
    3            1        d, the number of dimensions
    4            4 d      their sizes, 32-bit integers, most significant byte first
    4 + 4 d      product  the elements, last dimension fastest
    ===========  =======  ===========================================================

    So images (N, 28, 28) begin with the *magic number* 00 00 08 03, labels (N,) with 00 00 08 01.

    Parameters
    ----------
    path : path
        The file. Its content tells whether it is compressed.

    Returns
    -------
    uint8 array of the shape in the header.

    Raises
    ------
    DatasetError
        If the file cannot be read, is damaged, or has another length than its header says.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    return decode_idx(content, path)


def decode_idx(content: bytes, path: Path) -> Array:
    """Return the array in the content of an IDX file. The path is for the messages only."""
    try:
        if content[:2] == b"\x1f\x8b":  # gzip's magic number; an IDX file begins with 00 00
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is a damaged gzip file ({error}): fetch it again") from error

    magic = content[:4]
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 3:
        raise DatasetError(
            f"{path} begins with {magic.hex(' ') or 'nothing'}, and must begin with 00 00 08 03 "
            "(images) or 00 00 08 01 (labels): fetch a genuine IDX file"
        )
    header = 4 + 4 * magic[3]
    if len(content) < header:
        raise DatasetError(f"{path} is truncated within its header: fetch it again")
    shape = struct.unpack(f">{magic[3]}I", content[4:header])
    length = header + math.prod(shape)
    if 0 in shape:
        raise DatasetError(f"{path} is empty (its shape is {shape}): fetch it again")
    if len(content) != length:
        fault = "truncated" if len(content) < length else "too long"
        raise DatasetError(
            f"{path} is {fault} ({len(content)} bytes uncompressed, and its header with shape "
            f"{shape} says {length}): fetch it again"
        )
    # A copy, because a view of bytes is read-only.
    array: Array = np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
    return array
