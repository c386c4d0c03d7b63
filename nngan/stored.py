"""Files that anybody may have written: JSON and NumPy's arrays, checked before they are believed.

Whatever a file says about its own size is compared with the size that it has before memory is
taken, and with one limit. Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .checks import shortened

LIMIT = 2**30  # bytes that one file may fill in memory, unless NNGAN_MEMORY says otherwise
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
PIECE = 2**20  # bytes that are read at a time
JSON_GROWS = 40  # times at most, when its text becomes Python's objects
DEEPEST = 100  # of lists and dicts in each other
# Deflate packs 1,032 bytes into one at best.
PACKED = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}

NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # which Windows does not have


class DamagedFile(ValueError):
    """A file is not what it should be; the message says why, without the file's name."""


def memory_limit() -> int:
    """Return how many bytes one file may fill in memory: NNGAN_MEMORY, such as 4G, or 1G.

    Raises
    ------
    DamagedFile
        If NNGAN_MEMORY is set to anything else.
    """
    text = os.environ.get("NNGAN_MEMORY", "").strip().upper()
    if not text:
        return LIMIT
    found = re.fullmatch(r"([0-9]{1,12})([KMG]?)", text)
    if not found:
        raise DamagedFile(
            f"the environment variable NNGAN_MEMORY must be a number of bytes, 4G say, got {text}"
        )
    return int(found[1]) * UNITS[found[2]]


def check_memory(size: int) -> None:
    """Refuse a content of more bytes than the limit."""
    if size > (limit := memory_limit()):
        raise DamagedFile(
            f"it would fill {readable(size)} of memory, and the limit is {readable(limit)}: set "
            "the environment variable NNGAN_MEMORY, to 4G for instance, if you trust the file"
        )


def readable(size: int) -> str:
    """Return a number of bytes in the largest unit that has at least one."""
    for name in ("G", "M", "K"):
        if size >= UNITS[name]:
            return f"{size / UNITS[name]:,.1f} {name}iB"
    return f"{size} bytes"


@contextmanager
def open_plain(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a file to read; yield it with its size. DamagedFile if it is no plain file.

    A device or a pipe may have no end.
    """
    # Without this flag a pipe that nobody writes into would be waited for.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise DamagedFile("it is a device or a pipe, and must be a file")
        yield file, status.st_size


# -- JSON ----------------------------------------------------------------------------------------


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    OSError
        If it cannot be opened.
    DamagedFile
        If it is no JSON.
    """
    with open_plain(path) as (file, size):
        check_memory(JSON_GROWS * size)
        return from_json(file.read(size))


def from_json(text: bytes) -> Any:
    """Return the value of a text in JSON; DamagedFile if it is none."""
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"it is no JSON ({error})") from error
    if not _is_shallow(value, DEEPEST):
        raise DamagedFile(f"its lists and dicts are more than {DEEPEST} deep")
    return value


def _is_shallow(value: Any, depth: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value
    return not isinstance(value, dict | list) or (
        depth > 0 and all(_is_shallow(item, depth - 1) for item in inside)
    )


# -- NumPy ---------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What an array is, by the first bytes of its file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_fortran: bool

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> Header:
    """Read the header of NumPy's format; the elements follow in `file`.

    Booleans, numbers and texts are read; objects, which would be pickles, are not.
    """
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or len(magic) < 8 or magic[6] not in (1, 2, 3):
        raise DamagedFile("an array in it is not in NumPy's format")
    length = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
    if length > 10_000:
        raise DamagedFile("the header of an array in it is too long")
    text = file.read(length).decode("latin-1")
    kind = re.search(r"""["']descr["']: *["']([<>|=]?[biufcU][0-9]{1,9})["']""", text)
    order = re.search(r"""["']fortran_order["']: *(True|False)""", text)
    sizes = re.search(r"""["']shape["']: *\(([0-9, ]*)\)""", text)
    numbers = sizes and [number.strip() for number in sizes[1].split(",") if number.strip()]
    if not kind or not order or numbers is None or not all(n.isdigit() for n in numbers):
        raise DamagedFile("an array in it is not of numbers, or its header is damaged")
    if len(numbers) > 32 or any(len(n) > 18 for n in numbers):
        raise DamagedFile("the shape of an array in it is impossible")
    try:
        dtype = np.dtype(kind[1])
    except TypeError as error:
        raise DamagedFile(f"an array in it has the unknown dtype {kind[1]}") from error
    shape = tuple(map(int, numbers))
    if not dtype.itemsize or math.prod(max(n, 1) for n in shape) * dtype.itemsize > 2**62:
        raise DamagedFile("the shape of an array in it is impossible")
    return Header(dtype, shape, order[1] == "True")


def read_elements(file: IO[bytes], header: Header) -> NDArray[Any]:
    """Return the array whose elements follow in `file`, and with which it must end."""
    elements = np.empty(header.nbytes, np.uint8)
    is_short = read_into(file, elements) < len(elements)
    if is_short or file.read(1):  # at the end zipfile compares the check-sum
        raise DamagedFile("an array in it is not as long as its header says")
    order = "F" if header.is_fortran else "C"
    return elements.view(header.dtype).reshape(header.shape, order=order)  # type: ignore[call-overload, no-any-return]


def read_into(file: IO[bytes], content: NDArray[np.uint8]) -> int:
    """Fill an array of bytes from a file, in pieces; return how many there were."""
    done = 0
    while done < len(content) and (piece := file.read(min(PIECE, len(content) - done))):
        content.data[done : done + len(piece)] = piece
        done += len(piece)
    return done


def read_npy(file: IO[bytes], size: int) -> NDArray[Any]:
    """Return the array in an open ``.npy`` file of `size` bytes. DamagedFile if it is not whole."""
    header = read_header(file)
    if header.nbytes != size - file.tell():
        raise DamagedFile("it is not as long as its header says")
    check_memory(header.nbytes)
    return read_elements(file, header)


class Archive:
    """The arrays in an ``.npz`` file; the shapes of all are known before one is read.

    Attributes
    ----------
    headers : dict of str to Header
    """

    def __init__(self, zip_file: zipfile.ZipFile, size: int) -> None:
        self._zip = zip_file
        members = zip_file.infolist()
        self._members = {member.filename.removesuffix(".npy"): member for member in members}
        if len(self._members) < len(members):
            raise DamagedFile("it has two arrays of one name")
        if sum(member.compress_size for member in members) > size:
            raise DamagedFile("its arrays are longer than the file")
        for member in members:
            most = PACKED.get(member.compress_type)
            if most is None or member.flag_bits & 1:
                raise DamagedFile(f"{member.filename} is packed or encrypted in an unknown way")
            if member.file_size > most * member.compress_size + 64:
                raise DamagedFile(f"{member.filename} cannot be as long as the file says")
        self.headers = {name: self._header(member) for name, member in self._members.items()}

    def _header(self, member: zipfile.ZipInfo) -> Header:
        with self._zip.open(member) as file:
            header = read_header(file)
            if header.nbytes + file.tell() != member.file_size:
                raise DamagedFile(f"{member.filename} is not as long as its header says")
        return header

    def read(self, name: str) -> NDArray[Any]:
        """Return one array, whose check-sum is right. DamagedFile if there is no such array."""
        if name not in self.headers:
            raise DamagedFile(f"it has no entry {name!r}")
        check_memory(self.headers[name].nbytes)
        try:
            with self._zip.open(self._members[name]) as file:
                header = read_header(file)
                return read_elements(file, header)
        except DamagedFile:
            raise
        except Exception as error:  # of zipfile and zlib, which may be any
            raise DamagedFile(f"{name} cannot be unpacked ({error})") from error


def open_archive(file: IO[bytes], size: int) -> Archive:
    """Return the arrays in an open ``.npz`` file of `size` bytes. DamagedFile if it is damaged."""
    try:
        archive = Archive(zipfile.ZipFile(file), size)
    except DamagedFile:
        raise
    except zipfile.BadZipFile as error:
        raise DamagedFile("it is no .npz file, or the end of it is missing") from error
    except Exception as error:  # of zipfile and zlib, which may be any
        raise DamagedFile(f"it cannot be unpacked ({error})") from error
    return archive


@contextmanager
def open_npz(path: Path) -> Iterator[Archive]:
    """Open an ``.npz`` file. OSError if it cannot be opened, DamagedFile if it is damaged."""
    with open_plain(path) as (file, size):
        archive = open_archive(file, size)
        check_memory(sum(header.nbytes for header in archive.headers.values()))
        yield archive


def entry(value: Mapping[str, Any], name: str, *kinds: type) -> Any:
    """Return an entry of a dict that was read; DamagedFile if it is missing or of another kind."""
    if not isinstance(value, dict) or name not in value:
        raise DamagedFile(f"it has no entry {name!r}")
    found = value[name]
    if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
        raise DamagedFile(f"its entry {name!r} must be {_names(kinds)}, got {shortened(found)}")
    return found


def _names(kinds: tuple[type, ...]) -> str:
    names = {dict: "a dict", list: "a list", str: "a text", int: "a whole number"}
    names |= {np.ndarray: "an array", float: "a number", bool: "True or False", type(None): "null"}
    return " or ".join(dict.fromkeys(names[kind] for kind in kinds))
