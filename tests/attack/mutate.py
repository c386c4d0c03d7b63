"""Damage to bytes, to JSON and to NumPy's files, all of it drawn from one random generator."""

import copy
import io
import json
import random
import re
import zipfile
from typing import Any

import numpy as np

NUMBERS = (
    0, 1, 2, 3, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e-300, 1e308, 1e6, 10**6, 10**9, 10**18,
    -(10**18), 10**40, float("nan"), float("inf"), -float("inf"), "", "x", "numpy", "Linear",
    "Sequential", "Adam", "../../x", "\u0000", "é" * 50, "9" * 5000, [], {}, [[]], [0], [1, 2, 3],
    [None], [-1, 1], ["linear", 0], ["x", "y"], {"type": "Linear"}, {"x": 1}, {"type": "Tanh"},
    [1] * 3000,
)  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return bytes with one to four faults."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        n = len(result)
        at, length = rng.randrange(n + 1), rng.choice((1, 2, 4, 8, rng.randrange(1, 200)))
        kind = rng.randrange(9)
        if kind <= 1 and n:  # bit by bit: the least that can happen
            result[at % n] ^= 1 << rng.randrange(8)
        elif kind == 2:
            result[at : at + length] = rng.randbytes(length)
        elif kind == 3:
            size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
            number = rng.choice(NUMBERS) % 2 ** (8 * size)
            result[at : at + size] = number.to_bytes(size, order)
        elif kind == 4:
            del result[at : at + length]
        elif kind == 5:
            result[at:at] = result[at : at + length] * rng.choice((1, 1, 3, 50))
        elif kind == 6:
            result[at:at] = rng.randbytes(length)
        elif kind == 7:
            del result[at:]
        else:  # another number in a text, such as a header of NumPy
            found = list(re.finditer(rb"\d+", bytes(result[:20_000])))
            if found:
                one = rng.choice(found)
                new = rng.choice((b"-1", b"0", b"1e9", b"nan", b"%d" % rng.choice(NUMBERS)))
                result[one.start() : one.end()] = new
    return bytes(result)


def damaged_json(rng: random.Random, value: Any) -> Any:
    """Return a JSON value with one to three nodes that are others, missing, renamed or nested."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places: list[tuple[Any, Any, Any]] = [(None, None, value), *_places(value)]
        holder, key, node = rng.choice(places)
        kind = rng.randrange(8)
        if kind <= 3:
            new = copy.deepcopy(rng.choice(VALUES))
            if kind == 3 and isinstance(node, int | float):
                new = rng.choice((-node, node * 1000, node + 0.5, str(node), [node], node + 1))
        elif kind == 4 and holder is not None:
            del holder[key]
            continue
        elif kind == 5 and isinstance(holder, dict):
            holder[rng.choice((f"{key}_", "x", "type", "seed"))] = holder.pop(key)
            continue
        elif kind == 6:
            new = node
            for _ in range(rng.choice((1, 2, 150, 2000))):
                new = [new] if rng.random() < 0.5 else {"x": new}
        else:
            new = [node] * rng.choice((0, 2, 50)) if isinstance(holder, dict) else node
            if isinstance(node, list):
                new = node * rng.choice((2, 30)) if rng.random() < 0.5 else node[::-1]
        if holder is None:
            value = new
        else:
            holder[key] = new
    return value


def _places(value: Any) -> list[tuple[Any, Any, Any]]:
    """Return each node in a JSON value with what holds it and the key there."""
    found, waiting = [], [value]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, dict | list):
            continue
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, node in list(items):
            found.append((holder, key, node))
            if len(found) < 500:
                waiting.append(node)
    return found


def as_text(value: Any) -> str:
    """Return JSON, however deep."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 5000 + "]" * 5000


DTYPES = ("f4", "<f4", ">f8", "f8", "i8", "<i8", "u1", "b1", "c8", "U5", "S3", "f2", "O", "M8[s]",
          "V4", "<U9")  # fmt: skip


def array_file(rng: random.Random, array: np.ndarray) -> bytes:
    """Return an .npy file of another shape or type, or with a header that says something else."""
    kind = rng.randrange(6)
    if kind == 0:
        with np.errstate(all="ignore"):
            return npy(_cast(array, rng.choice(DTYPES)))
    if kind == 1:
        shapes = [(), (0,), (1,), (2, 3), (array.size,), (*array.shape, 1), (array.size + 1,)]
        return npy(np.resize(array, rng.choice(shapes)))
    if kind == 2 and array.dtype.kind == "f" and array.size:
        other = array.copy()
        other.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, 1e30, -1))
        return npy(other)
    if kind == 3 and array.dtype.kind in "iu":
        number = np.array(rng.choice((-1, -(2**63), 2**63 - 1, 10**12)), "i8")
        return npy(np.full(array.shape, number).astype(array.dtype))
    data = npy(array)
    sizes = [str(rng.choice(NUMBERS)) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    header = {
        "descr": rng.choice((array.dtype.str, *DTYPES, "|O", "x", "<f99")),
        "fortran_order": rng.choice((False, True, 0, None)),
        "shape": f"({', '.join(sizes)}{',' * (len(sizes) == 1)})",
    }
    if kind == 4:
        header[rng.choice(tuple(header))] = rng.choice(
            ("", "(", "None", "-1", "()", "1e5", "[" * 300)
        )
    text = (
        f"{{'descr': {header['descr']!r}, 'fortran_order': {header['fortran_order']!r}, "
        f"'shape': {header['shape']}, }}"
    ).encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x09\x00"))
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data[128:]


def _cast(array: np.ndarray, dtype: str) -> np.ndarray:
    try:
        return array.astype(dtype)
    except (TypeError, ValueError):
        return np.zeros(array.shape, dtype)


def npy(array: np.ndarray) -> bytes:
    """Return an array as an .npy file; objects are pickled, as an attacker would."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def zipped(members: dict[str, bytes], compressed: bool = False) -> bytes:
    """Return a zip file, with the right check-sums."""
    file = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    """Return the members of a zip file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def text_in(data: bytes) -> str:
    """Return the text in an .npy file: one long word, or bytes."""
    array = np.load(io.BytesIO(data))
    return str(array) if array.dtype.kind == "U" else array.tobytes().decode()


def text_like(data: bytes, text: str) -> bytes:
    """Return an .npy file with another text, in the form of `data`."""
    array = np.load(io.BytesIO(data))
    if array.dtype.kind == "U":
        return npy(np.array(text))
    if array.dtype.kind == "S":
        return npy(np.array(text.encode()))
    return npy(np.frombuffer(text.encode(), array.dtype))
