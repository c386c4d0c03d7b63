"""Texts and bytes in an object, which may be made of the numbers of a parameter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .leaves import is_leaf
from .places import Place, walk

DECIMAL = re.compile(r"\d+\.\d+")
# Hexadecimal, or base64.
CODED = re.compile(r"[0-9a-fA-F]{24,}|(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[0-9A-Za-z+/_-]{24,}=*")


def texts(target: Any) -> Iterator[tuple[Place, str | bytes]]:
    """Yield each place with a text or bytes, which may be made of numbers."""
    for place, value in walk(target, lambda v: is_leaf(v) or isinstance(v, str | bytes)):
        if isinstance(value, str | bytes):
            yield place, value


def other_texts(text: str | bytes) -> Iterator[str | bytes]:
    """Yield other values of a text that may be made of numbers; a word has none."""
    if isinstance(text, bytes):
        for kind in "d", "f":
            if len(text) and len(text) % np.dtype(kind).itemsize == 0:
                yield (np.frombuffer(text, kind) * 1.5 + 0.1).astype(kind).tobytes()
        for i in range(0, len(text), max(1, len(text) // 8)):
            yield text[:i] + bytes([text[i] ^ 1]) + text[i + 1 :]
    elif DECIMAL.search(text):
        yield DECIMAL.sub(lambda m: f"{1.5 * float(m[0]) + 0.1:.6f}", text)
    elif CODED.fullmatch(text):
        for i in range(0, len(text), len(text) // 8):
            other = {"0": "1", "A": "B", "a": "b"}.get(text[i], "0Aa"[
                0 if text[i].isdigit() else 1 if text[i].isupper() else 2])  # fmt: skip
            yield text[:i] + other + text[i + 1 :]
