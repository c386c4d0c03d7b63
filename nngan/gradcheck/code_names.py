"""The names that a function's code mentions, which say where its numbers can come from."""

from __future__ import annotations

import dis
import functools
import types
from typing import NamedTuple


class Names(NamedTuple):
    """The names in a function's code: globals, imports, and whatever may be an attribute."""

    read: frozenset[str]
    imported: frozenset[str]
    mentioned: frozenset[str]


@functools.cache
def names_in(code: types.CodeType) -> Names:
    """Return the names in a function's code, and in the code inside it."""
    read: set[str] = set()
    imported: set[str] = set()
    mentioned = {*code.co_names, *(c for c in code.co_consts if isinstance(c, str))}
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(i.argval)
        elif i.opname == "IMPORT_NAME":
            imported.add(i.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = names_in(constant)
            read |= inner.read
            imported |= inner.imported
            mentioned |= inner.mentioned
    return Names(frozenset(read), frozenset(imported), frozenset(mentioned))
