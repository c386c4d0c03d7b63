"""A reader of MNIST's file format: a short header and the elements of one array."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ..backend import Array

# Code of the elements' type in the header, and the dtype that it stands for.
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class DatasetError(RuntimeError):
    """A file of a data set is missing, unreadable or wrong; the message says what to do."""


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read a file in MNIST's IDX format, compressed by gzip or not.

    ===========  ========  ===========================================================
    offset       bytes     meaning
    ===========  ========  ===========================================================
    0            2         zero
    2            1         type of the elements: 0x08 unsigned byte, 0x09 signed byte,
                           0x0B, 0x0C integer of 16, 32 bits, 0x0D, 0x0E float of 32, 64
    3            1         d, the number of dimensions
    4            4 d       their sizes, 32-bit integers, most significant byte first
    4 + 4 d      the rest  the elements, last dimension fastest, most significant byte first
    ===========  ========  ===========================================================

    So images (N, 28, 28) begin with the *magic number* 00 00 08 03, labels (N,) with 00 00 08 01.

    Parameters
    ----------
    path : path
        The file. Its content tells whether it is compressed.

    Returns
    -------
    array of the shape and the type in the header.

    Raises
    ------
    DatasetError
        If the file cannot be read, is damaged, or has another length than its header says.
    """
    path = Path(path)
    return decode_idx(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked if it is compressed by gzip."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    return unpacked(content, path)


def unpacked(content: bytes, path: Path) -> bytes:
    """Return the content of a file without gzip's compression. The path is for messages only."""
    if content[:2] != b"\x1f\x8b":  # gzip's magic number
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is a damaged gzip file ({error}): fetch it again") from error


def decode_idx(content: bytes, path: Path) -> Array:
    """Return the array in the unpacked content of an IDX file. The path is for messages only."""
    magic = content[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= 32:
        raise DatasetError(
            f"{path} begins with {magic.hex(' ') or 'nothing'}, and an IDX file begins with 00 00, "
            "the type of its elements (08 for bytes) and the number of its dimensions: fetch a "
            "genuine IDX file"
        )
    dtype, header = np.dtype(DTYPES[magic[2]]), 4 + 4 * magic[3]
    if len(content) < header:
        raise DatasetError(f"{path} is truncated within its header: fetch it again")
    shape = struct.unpack(f">{magic[3]}I", content[4:header])
    length = header + math.prod(shape) * dtype.itemsize
    if 0 in shape:
        raise DatasetError(f"{path} is empty (its shape is {shape}): fetch it again")
    if len(content) != length:
        fault = "truncated" if len(content) < length else "too long"
        raise DatasetError(
            f"{path} is {fault} ({len(content)} bytes uncompressed, and its header with shape "
            f"{shape} says {length}): fetch it again"
        )
    elements: Array = np.frombuffer(content, dtype, offset=header).reshape(shape)
    return elements.astype(dtype.newbyteorder("="))  # a copy: a view of bytes is read-only
