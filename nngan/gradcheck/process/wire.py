"""What goes between the checker and a submission's process: JSON headers, and numbers as bytes.

A message is four known bytes, the length of the header, the header, and the numbers of its arrays.
The header's "arrays" lists the type, the shape and the memory layout of each.

The checker must not trust what it reads: a submission may write anything. Nothing is unpickled or
executed. Sizes are compared with limits before memory is taken for them, and each field of a header
is checked by a function of this file. What does not fit raises `Garbled`.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...backend import Array
from ..sayings import LABEL, is_said

MAGIC = b"nngc"
MAX_HEADER = 2**18  # bytes
MAX_ARRAYS = 2000  # in one message
MAX_NUMBERS = 2**24  # in one message: 128 MB of float64
TYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"}

# What a backward did to a parameter or a gradient, whose label is sent.
FACTS = ("changed_parameter", "replaced_gradient", "overwritten_gradient")

# Taken now, because the student's code may replace what Python's modules and classes hold.
SEND, RECEIVE = socket.socket.sendall, socket.socket.recv_into
ENCODE = json.JSONEncoder().encode

Header = dict[str, Any]
Check = Callable[[Any], Any]


class Garbled(Exception):
    """A message that has not the form of one."""


class Closed(Exception):
    """The other process has closed the connection."""


# -- messages -----------------------------------------------------------------------------------


def send(
    connection: socket.socket,
    header: Header,
    arrays: Sequence[Array] = (),
    deadline: float = math.inf,
) -> None:
    """Send one message; `deadline` is a time of `time.monotonic`."""
    forms, parts = [], []
    for a in arrays:
        code = f"{a.dtype.kind}{a.dtype.itemsize}"
        assert code in TYPES, code
        plain = a.flags.c_contiguous
        strides = None if plain else [s // a.dtype.itemsize for s in a.strides]
        forms.append([code, list(a.shape), strides])
        parts.append(a.astype(np.dtype(code).newbyteorder("<"), copy=False).tobytes())
    text = ENCODE({**header, "arrays": forms}).encode()
    _wait_until(connection, deadline)
    try:
        SEND(connection, b"".join([MAGIC, struct.pack("<I", len(text)), text, *parts]))
    except (BrokenPipeError, ConnectionError) as error:
        raise Closed from error


def receive(
    connection: socket.socket,
    deadline: float = math.inf,
    is_alive: Callable[[], bool] | None = None,
) -> tuple[Header, list[Array]]:
    """Return the header and the arrays of the next message.

    Raises
    ------
    Garbled
        If what comes is not a message.
    Closed
        If the other process has closed the connection, or is dead by `is_alive`.
    TimeoutError
        If the message is not complete at `deadline`.
    """

    def read(n: int) -> bytearray:
        return _read(connection, n, deadline, is_alive)

    start = read(8)
    (length,) = struct.unpack("<I", start[4:])
    if start[:4] != MAGIC or not 0 < length <= MAX_HEADER:
        raise Garbled("no header")
    header = _parse(read(length))
    forms = listed(_form, MAX_ARRAYS)(header.pop("arrays", None))
    if sum(math.prod(shape) for _, shape, _ in forms) > MAX_NUMBERS:
        raise Garbled("too many numbers")
    arrays = []
    for code, shape, strides in forms:
        dtype = np.dtype(code).newbyteorder("<")
        flat = np.frombuffer(read(math.prod(shape) * dtype.itemsize), dtype)
        a = flat.reshape(shape).astype(code, copy=False)
        arrays.append(a if strides is None else _laid_out(a, strides))
    return header, arrays


def shared(connection: socket.socket, process: int) -> bytes:
    """Return what another process needs to take the connection (Windows)."""
    share: bytes = connection.share(process)  # type: ignore[attr-defined, unused-ignore]
    return struct.pack("<I", len(share)) + share


def from_share(descriptor: int) -> socket.socket:
    """Take a connection, from what `shared` returned (Windows)."""

    def read(n: int) -> bytes:
        data = b""
        while len(data) < n:
            data += os.read(descriptor, n - len(data))
        return data

    share = read(*struct.unpack("<I", read(4)))
    taken: socket.socket = socket.fromshare(share)  # type: ignore[attr-defined, unused-ignore]
    return taken


def _read(
    connection: socket.socket, n: int, deadline: float, is_alive: Callable[[], bool] | None
) -> bytearray:
    data, done = bytearray(n), 0
    view = memoryview(data)
    was_alive = True
    while done < n:
        # A process that has ended leaves the connection open if a child of its own still holds it.
        _wait_until(connection, min(deadline, time.monotonic() + 0.5))
        try:
            count = RECEIVE(connection, view[done:])
        except TimeoutError:
            if time.monotonic() >= deadline:
                raise
            if not was_alive:
                raise Closed from None
            was_alive = is_alive is None or is_alive()
            continue
        except ConnectionError as error:
            raise Closed from error
        if not count:
            raise Closed
        done += count
    return data


def _wait_until(connection: socket.socket, deadline: float) -> None:
    """Let the next call on the connection raise TimeoutError at `deadline`."""
    left = deadline - time.monotonic()
    connection.settimeout(None if left == math.inf else max(left, 1e-4))


def _parse(text: bytearray) -> Header:
    """Return the header, a JSON object; NaN, doubled names and endless numbers are refused."""

    def refuse(_: str) -> None:
        raise Garbled("not a finite number")

    def number(digits: str) -> int:
        if len(digits) > 20:
            raise Garbled("a number of too many digits")
        return int(digits)

    def names(pairs: list[tuple[str, Any]]) -> Header:
        if len(dict(pairs)) < len(pairs):
            raise Garbled("a name twice")
        return dict(pairs)

    try:
        header = json.loads(text, parse_constant=refuse, parse_int=number, object_pairs_hook=names)
    except (ValueError, RecursionError) as error:
        raise Garbled("not JSON") from error
    if not isinstance(header, dict):
        raise Garbled("not an object")
    return header


def _form(value: Any) -> tuple[str, tuple[int, ...], list[int] | None]:
    """Check the entry of one array: type, shape, and strides counted in elements."""
    if not isinstance(value, list) or len(value) != 3:
        raise Garbled("not an array")
    code = one_of(*TYPES)(value[0])
    sizes, strides = shape(value[1]), value[2]
    if strides is not None:
        strides = listed(whole(-(2**31), 2**31), 32)(strides)
        if len(strides) != len(sizes):
            raise Garbled("not an array")
    return code, sizes, strides


def _laid_out(a: Array, strides: list[int]) -> Array:
    """Return a copy of `a` with other strides."""
    ends = [(n - 1) * s for n, s in zip(a.shape, strides, strict=True)]
    if not a.size or sum(map(abs, ends)) > MAX_NUMBERS:
        raise Garbled("too many numbers")
    start = -sum(end for end in ends if end < 0)
    memory = np.zeros(sum(map(abs, ends)) + 1, a.dtype)
    steps = [s * a.dtype.itemsize for s in strides]
    copy = np.lib.stride_tricks.as_strided(memory[start:], a.shape, steps)
    copy[...] = a
    return copy


def packed(value: Any) -> Any:
    """Return a value with its tuples in a form that JSON keeps."""
    if isinstance(value, tuple):
        return {"tuple": packed(list(value))}
    if isinstance(value, dict):
        return {"dict": [[packed(k), packed(v)] for k, v in value.items()]}
    if isinstance(value, list):
        return [packed(v) for v in value]
    # JSON has no name for infinity.
    return {"float": repr(value)} if isinstance(value, float) else value


def unpacked(value: Any) -> Any:
    """Return what `packed` was given."""
    if isinstance(value, list):
        return [unpacked(v) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "float":
        return float(inside)
    return tuple(unpacked(inside)) if kind == "tuple" else dict(unpacked(inside))


# -- the fields of a header ---------------------------------------------------------------------


def record(**checks: Check) -> Check:
    """Return a check of an object that has exactly these fields."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, dict) or set(value) != set(checks):
            raise Garbled(f"not an object with {', '.join(checks)}")
        return [f(value[name]) for name, f in checks.items()]

    return check


def listed(check: Check, most: int) -> Check:
    """Return a check of a list of at most `most` values."""

    def each(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise Garbled("not a list of the right length")
        return [check(v) for v in value]

    return each


def tuple_of(*checks: Check) -> Check:
    """Return a check of a list of so many values, one check for each."""

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(checks):
            raise Garbled("not a list of the right length")
        return tuple(f(v) for f, v in zip(checks, value, strict=True))

    return check


def nothing(value: Any) -> None:
    """Check null."""
    if value is not None:
        raise Garbled("not null")


def optional(check: Check) -> Check:
    """Return a check that also accepts null."""
    return lambda value: None if value is None else check(value)


def whole(low: int, high: int) -> Check:
    """Return a check of a whole number."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Garbled("not a whole number in its range")
        return value

    return check


def truth(value: Any) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise Garbled("not true or false")
    return value


def one_of(*words: str) -> Check:
    """Return a check of a word."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Garbled("not a known word")
        return value

    return check


def text(most: int = 300) -> Check:
    """Return a check of a text; the result is one printable line of at most `most` characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Garbled("not a text")
        return printable(value, most)

    return check


def lines(value: Any) -> str:
    """Check a text of some lines; the result has no control characters but line ends."""
    if not isinstance(value, str):
        raise Garbled("not a text")
    every = []
    for line in value[:4000].split("\n")[:30]:
        indent = len(line) - len(line.lstrip(" "))
        every.append(" " * min(indent, 40) + printable(line, 150))
    return "\n".join(every)


def said(*kinds: str) -> Check:
    """Return a check of a sentence of the checker's own, of one of these kinds."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Garbled("not a text")
        line = lines(value) if "\n" in value.strip() else printable(value, 2000)
        if value.endswith(" "):
            line += " "
        if not is_said(line, kinds):
            raise Garbled("not a sentence of the checker")
        return line

    return check


def optional_said(*kinds: str) -> Check:
    """Return a check of such a sentence, or of no text."""
    return lambda value: "" if value == "" else said(*kinds)(value)


def evidence(value: Any) -> str:
    """Check the evidence for a finding: one line, or the lines of an adapter."""
    if isinstance(value, str) and "\n" in value.strip():
        return str(said("adapter", "adapter with a cache")(value)).replace("\n", "\n    ")
    return str(text()(value))


def label(value: Any) -> str:
    """Check the name of an array, such as layers[0].W."""
    is_short = isinstance(value, str) and len(value) <= 200
    if not is_short or not value.isprintable() or not re.fullmatch(LABEL, value):
        raise Garbled("not the name of an array")
    return str(value)


def identifier(value: Any) -> str:
    """Check the name of a class or a function."""
    if not isinstance(value, str) or len(value) > 100 or not value.isidentifier():
        raise Garbled("not a name")
    return value


def shape(value: Any) -> tuple[int, ...]:
    """Check the shape of an array."""
    sizes = tuple(listed(whole(0, MAX_NUMBERS), 32)(value))
    if math.prod(sizes) > MAX_NUMBERS:
        raise Garbled("too many numbers")
    return sizes


def printable(value: str, most: int = 300) -> str:
    """Return a text that somebody else wrote as one line without control characters.

    Otherwise it could move a terminal's cursor, or look like lines of a report.
    """
    line = " ".join(value[: 4 * most].split())
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return line if len(line) <= most else line[: most - 3] + "..."
