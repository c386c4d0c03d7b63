"""All state that a function of the user's can reach, so that it can be put back.

A step that is written by hand works on its own objects: networks and optimizers in globals, in
closures, in attributes. A copy of the function would still move them. So the step is played on the
objects themselves, and afterwards every array, container, attribute, variable and random state
that it can reach is put back, bit for bit.
"""

from __future__ import annotations

import array
import contextlib
import random
import types
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np

from ...backend import Backend
from ...gradcheck.copies import SHARED
from ...gradcheck.leaves import is_number
from ...gradcheck.owners import is_foreign, is_library

PLAIN = (str, bytes, bool, type(None), np.generic, types.CodeType, types.BuiltinFunctionType,
         np.dtype, np.ufunc)  # fmt: skip
MISSING = object()


class Kept:
    """The state of everything that some objects reach.

    Parameters
    ----------
    *roots : object
        Functions, networks, optimizers.

    Attributes
    ----------
    objects : list of object
        All objects that were reached, each once.

    Raises
    ------
    ValueError
        If an iterator is among them: nothing can put back what was taken from it.
    """

    def __init__(self, *roots: Any) -> None:
        self.objects: list[Any] = []
        self._restorers: list[Callable[[], None]] = []
        self._arrays: set[int] = set()
        self._seen: set[int] = set()
        self._queue: deque[Any] = deque(roots)
        legacy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
        self._restorers.append(lambda: np.random.set_state(legacy))  # noqa: NPY002
        self._restorers.append(lambda: random.setstate(python))
        while self._queue:
            value = self._queue.popleft()
            if isinstance(value, PLAIN) or is_number(value) or id(value) in self._seen:
                continue
            self._seen.add(id(value))
            self.objects.append(value)  # and so its id belongs to nothing else
            self._keep(value)

    def restore(self) -> None:
        """Put everything back."""
        for put_back in reversed(self._restorers):
            put_back()

    def _keep(self, value: Any) -> None:
        """Keep what one object holds, and look at that next."""
        kind = type(value)
        if isinstance(value, np.ndarray) or (hasattr(value, "dtype") and hasattr(value, "get")):
            self._keep_array(value)
        elif isinstance(value, np.random.Generator):
            self._queue.append(value.bit_generator)
        elif isinstance(value, np.random.BitGenerator | np.random.RandomState):
            self._keep_random(value)
        elif isinstance(value, random.Random):
            state = value.getstate()
            self._restorers.append(lambda: value.setstate(state))
        elif isinstance(value, types.FunctionType):
            self._keep_function(value)
        elif isinstance(value, types.CellType):
            self._keep_cell(value)
        elif isinstance(value, type):
            if not is_foreign(value):
                names = [n for n in vars(value) if n[:2] != "__" or callable(vars(value)[n])]
                self._keep_names(value, names)
                self._queue.extend(value.__mro__[1:])
        elif isinstance(value, types.ModuleType | Backend):
            return  # a backend holds buffers, and nothing that a step must find again
        elif kind.__module__.partition(".")[0] in SHARED:
            return
        else:
            if hasattr(kind, "__next__") and is_foreign(kind):
                raise ValueError(
                    f"the step reads an iterator ({kind.__name__}), and what is taken from it "
                    "cannot be put back: give the step an argument for the minibatch, "
                    "step(x_batch), and diagnose hands it one"
                )
            self._keep_container(value)
            self._keep_attributes(value)

    def _keep_array(self, value: Any) -> None:
        while isinstance(getattr(value, "base", None), np.ndarray):  # a view: keep all of it
            value = value.base
        if id(value) in self._arrays:
            return
        self._arrays.add(id(value))
        self.objects.append(value)
        if not isinstance(value, np.ndarray) or value.flags.writeable:
            saved = value.copy()
            self._restorers.append(lambda: value.__setitem__(..., saved))
        if value.dtype == object:
            self._queue.extend(value.flat)

    def _keep_random(self, value: Any) -> None:
        if isinstance(value, np.random.RandomState):
            legacy = value.get_state()
            self._restorers.append(lambda: value.set_state(legacy))
        else:
            state = value.state
            copied = {k: v.copy() if hasattr(v, "copy") else v for k, v in state.items()}
            self._restorers.append(lambda: setattr(value, "state", copied))

    def _keep_function(self, function: types.FunctionType) -> None:
        self._queue.extend(function.__closure__ or ())
        self._queue.extend(function.__defaults__ or ())
        self._queue.extend([function.__kwdefaults__, vars(function)])
        if is_library(function.__code__.co_filename):  # a decorator, whose closure is the user's
            return
        names = set(_names(function.__code__))
        self._keep_entries(function.__globals__, names)
        for name in names & function.__globals__.keys():
            module = function.__globals__[name]
            file = getattr(module, "__file__", None) or "<built-in>"
            if isinstance(module, types.ModuleType) and not is_library(file):
                self._keep_entries(vars(module), names)

    def _keep_cell(self, cell: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # nothing was assigned yet

            def empty() -> None:
                with contextlib.suppress(ValueError):
                    del cell.cell_contents

            self._restorers.append(empty)
            return
        self._restorers.append(lambda: setattr(cell, "cell_contents", content))
        self._queue.append(content)

    def _keep_entries(self, table: Any, names: set[str]) -> None:
        """Keep some entries of a table of names, and that the others are missing."""
        saved = {name: table.get(name, MISSING) for name in names}
        self._queue.extend(v for v in saved.values() if v is not MISSING)

        def put_back() -> None:
            for name, value in saved.items():
                if table.get(name, MISSING) is not value:
                    if value is MISSING:
                        del table[name]
                    else:
                        table[name] = value

        self._restorers.append(put_back)

    def _keep_names(self, owner: Any, names: list[str]) -> None:
        """Keep some attributes of a class, or of an object with slots."""
        for name in names:
            value = vars(owner)[name] if isinstance(owner, type) else getattr(owner, name, MISSING)
            inside = [getattr(value, n, None) for n in ("__func__", "fget", "fset")]
            self._queue.extend([value, *inside])

            def put_back(name: str = name, value: Any = value) -> None:
                table = vars(owner) if isinstance(owner, type) else {}
                now = table.get(name, getattr(owner, name, MISSING))
                if value is MISSING and now is not MISSING:
                    delattr(owner, name)
                elif now is not value:
                    setattr(owner, name, value)

            self._restorers.append(put_back)

    def _keep_container(self, value: Any) -> None:
        if isinstance(value, dict):
            self._keep_table(value)
        elif isinstance(value, list):
            items = list(value)
            self._queue.extend(v for v in items if not is_number(v))
            self._restorers.append(lambda: value.__setitem__(slice(None), items))
        elif isinstance(value, deque | set):
            parts = list(value)
            self._queue.extend(parts)
            add = value.extend if isinstance(value, deque) else value.update

            def refill() -> None:
                value.clear()
                add(parts)

            self._restorers.append(refill)
        elif isinstance(value, bytearray | array.array):
            saved: Any = value[:]
            self._restorers.append(lambda: value.__setitem__(slice(None), saved))
        elif isinstance(value, tuple | frozenset):
            self._queue.extend(v for v in value if not is_number(v))
        elif isinstance(value, types.MethodType):
            self._queue.extend([value.__self__, value.__func__])
        elif hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
            self._queue.extend([value.func, value.args, value.keywords])

    def _keep_table(self, table: MutableMapping[Any, Any]) -> None:
        saved = dict(table)
        self._queue.extend([*saved.keys(), *saved.values()])

        def put_back() -> None:
            now = list(table.items())
            if len(now) != len(saved) or any(
                k is not k2 or v is not v2
                for (k, v), (k2, v2) in zip(now, saved.items(), strict=True)
            ):
                table.clear()
                table.update(saved)

        self._restorers.append(put_back)

    def _keep_attributes(self, value: Any) -> None:
        kind = type(value)
        with contextlib.suppress(TypeError):
            self._keep_table(vars(value))
        for base in kind.__mro__:
            if is_foreign(base):
                continue
            slots = vars(base).get("__slots__", ())
            names = [s for s in ((slots,) if isinstance(slots, str) else slots) if s[:2] != "__"]
            self._keep_names(value, names)
        self._queue.append(kind)


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code mentions, those that it only assigns too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
