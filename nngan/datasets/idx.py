"""A reader of MNIST's file format: a short header and the elements of one array."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np

from ..backend import Array
from ..stored import PIECE, DamagedFile, check_memory, open_plain, read_into

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
    with open_data(path) as (file, size):
        return decode_idx(file, path, size)


@contextmanager
def open_data(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file of data, unpacked if it is compressed by gzip; yield its size if it is not.

    Whatever goes wrong with it is a DatasetError: within the ``with`` statement too.
    """
    try:
        with open_plain(path) as (file, size):
            if file.read(2) == b"\x1f\x8b":  # gzip's magic number
                file.seek(0)
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast(IO[bytes], unpacked), None
            else:
                file.seek(0)
                yield file, size
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is a damaged gzip file ({error}): fetch it again") from error
    except DamagedFile as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked if it is compressed by gzip."""
    with open_data(path) as (file, size):
        check_memory(size or 0)
        return read_all(file)


def unpacked(content: bytes, path: Path) -> bytes:
    """Return the content of a file without gzip's compression. The path is for messages only."""
    if content[:2] != b"\x1f\x8b":  # gzip's magic number
        return content
    try:
        return read_all(cast(IO[bytes], gzip.GzipFile(fileobj=io.BytesIO(content))))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is a damaged gzip file ({error}): fetch it again") from error
    except DamagedFile as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def read_all(file: IO[bytes]) -> bytes:
    """Return what is in a file, in pieces; DamagedFile as soon as it is more than the limit."""
    content = io.BytesIO()
    while piece := file.read(PIECE):
        check_memory(content.tell() + len(piece))
        content.write(piece)
    return content.getvalue()


def decode_idx(file: IO[bytes], path: Path, size: int | None = None) -> Array:
    """Return the array in an unpacked IDX file; its size may be known. The path is for messages."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= 32:
        raise DatasetError(
            f"{path} begins with {magic.hex(' ') or 'nothing'}, and an IDX file begins with 00 00, "
            "the type of its elements (08 for bytes) and the number of its dimensions: fetch a "
            "genuine IDX file"
        )
    dtype, header = np.dtype(DTYPES[magic[2]]), 4 + 4 * magic[3]
    sizes = file.read(header - 4)
    if len(sizes) < header - 4:
        raise DatasetError(f"{path} is truncated within its header: fetch it again")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    if 0 in shape:
        raise DatasetError(f"{path} is empty (its shape is {shape}): fetch it again")
    length = math.prod(shape) * dtype.itemsize
    said = (
        f"uncompressed, and its header with shape {shape} says {header + length}): fetch it again"
    )
    if size is not None and size != header + length:
        fault = "truncated" if size < header + length else "too long"
        raise DatasetError(f"{path} is {fault} ({size} bytes {said}")
    check_memory(length)
    content = np.zeros(length, np.uint8)  # memory is taken where it is written
    done = read_into(file, content)
    if done < length:
        raise DatasetError(f"{path} is truncated ({header + done} bytes {said}")
    if file.read(1):
        raise DatasetError(f"{path} is too long (more than {header + length} bytes {said}")
    elements: Array = content.view(dtype).reshape(shape)
    return elements.astype(dtype.newbyteorder("="), copy=False)
