"""Copies of objects that may hold what cannot be copied: a module, a lock, a pool of threads.

Copies share such things. Everything else is copied deeply.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import threading
import types
from collections import deque
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np

from ..backend import Array
from .leaves import is_number
from .owners import is_foreign
from .places import MOST, places

# Modules of Python whose objects belong to the process: a copy of one does not work.
SHARED = {"_asyncio", "_contextvars", "_queue", "_socket", "_thread", "asyncio", "concurrent",
          "contextvars", "io", "_io", "logging", "mmap", "multiprocessing", "queue", "select",
          "socket", "sqlite3", "ssl", "subprocess", "threading"}  # fmt: skip
PICKLING = ("__reduce_ex__", "__reduce__", "__getstate__", "__deepcopy__")


def deepcopy(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a deep copy that shares what cannot be copied."""
    attempt = dict(memo or {})
    try:
        twin = copy.deepcopy(value, attempt)
    except Exception:
        attempt = dict(memo or {})
        for part in _parts(value):
            if type(part) is threading.local:
                own = threading.local()
                attempt[id(part)] = own
                vars(own).update(copy.deepcopy(vars(part), attempt))
            elif id(part) not in attempt and _is_shared(part):
                attempt[id(part)] = part
        twin = copy.deepcopy(value, attempt)
    if memo is not None:
        memo.update(attempt)
    return twin


def _is_shared(part: Any) -> bool:
    """Whether copies have the same object: it belongs to the process, or has no copy."""
    kind = type(part)
    is_shared = kind.__module__.partition(".")[0] in SHARED and is_foreign(kind)
    if is_shared or isinstance(part, types.ModuleType):
        return True
    own = any(isinstance(getattr(kind, n, None), types.FunctionType) for n in PICKLING)
    if isinstance(part, np.ndarray | type | types.FunctionType | types.MethodType) or (
        own and not is_foreign(kind)
    ):
        return False
    try:
        part.__reduce_ex__(4)
    except Exception:
        return True
    return False


def _parts(value: Any) -> Iterator[Any]:
    """Yield the objects that a deep copy meets, each once."""
    seen: set[int] = set()
    queue, alive = deque([value]), []
    while queue and len(seen) < MOST:
        part = queue.popleft()
        if id(part) in seen or is_number(part) or isinstance(part, str | bytes | bool | type):
            continue
        seen.add(id(part))
        alive.append(part)
        yield part
        if isinstance(part, types.ModuleType | types.FunctionType):
            continue
        if isinstance(part, np.ndarray):
            queue.extend(part.flat if part.dtype == object else ())
        elif isinstance(part, Mapping):
            queue.extend([*part.keys(), *part.values()])
        elif isinstance(part, list | tuple | deque | Set):
            queue.extend(part)
        elif isinstance(part, types.MethodType):
            queue.append(part.__self__)
        elif isinstance(part, functools.partial):
            queue.extend([part.func, part.args, part.keywords])
        with contextlib.suppress(Exception):  # it has no attributes
            queue.extend(vars(part).values())
        for base in type(part).__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(part, name):
                    queue.append(getattr(part, name))


def copied(target: Any, *others: Any) -> Any:
    """Return a deep copy in which views of one array are views of one array again."""
    memo: dict[int, Any] = {}
    bases: dict[int, list[Array]] = {}
    for _, value in places((target, *others)):
        if isinstance(value, np.ndarray) and isinstance(base := _base(value), np.ndarray):
            bases.setdefault(id(base), []).append(value)
    for views in bases.values():
        base = _base(views[0])
        distinct = {id(v): v for v in views}
        if len(distinct) > 1 and base.flags.c_contiguous and base.dtype.kind in "fiub":
            new = base.copy()
            memo[id(base)] = new
            start = base.__array_interface__["data"][0]
            for v in distinct.values():
                if v is not base:
                    offset = v.__array_interface__["data"][0] - start
                    memo[id(v)] = np.ndarray(v.shape, v.dtype, new, offset, v.strides)
    for _, value in places((target, *others)):
        if type(value) is np.ndarray and not value.flags.writeable and value.dtype != object:
            fixed = value.copy()
            fixed.flags.writeable = False
            memo.setdefault(id(value), fixed)
    original = (target, *others) if others else target
    twin = deepcopy(original, memo)
    for one in (target, *memo.get(id(memo), ())):  # what was copied
        other = memo.get(id(one), twin if one is original else one)
        if type(other) is not type(one) and not is_foreign(type(one)):
            raise TypeError(f"a copy of {type(one).__name__} is a {type(other).__name__}")
    return twin


def _base(value: Array) -> Any:
    base: Any = value
    while isinstance(base.base, np.ndarray):
        base = base.base
    return base
