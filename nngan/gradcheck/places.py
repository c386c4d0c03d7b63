"""Every place from which an object's passes can take a number, as a path from the object.

A path reads and writes: ``layers``, ``[0]``, ``W`` is ``target.layers[0].W``. It goes through
attributes, slots, classes, containers, weak references, and the globals, closures and defaults of
functions. An immutable container on the way is rebuilt.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import Layer
from ..network import Sequential
from .code_names import names_in
from .leaves import is_leaf, is_number, odd_numbers
from .owners import is_foreign, is_library

MOST = 20_000  # objects that are looked at; the search for numbers ends there
LONGEST = 60  # characters of one name or key in a label; a label has at most three times as many


class Wrapper:
    """An object of the checker around the student's: the search for numbers goes inside."""

    inner: Any


@dataclass(frozen=True)
class Place:
    """One place: the steps to it from the object.

    Attributes
    ----------
    steps : tuple of (str, object)
        The way of each step ("attr", "item", "cell", ...) and its name, key or index.
    outside : bool
        Whether the place belongs to a class, a module or a function, and not to the object alone.
    """

    steps: tuple[tuple[str, Any], ...] = ()
    outside: bool = False

    def then(self, way: str, key: Any) -> Place:
        """Return the place one step further."""
        outside = self.outside or way in _OUTSIDE
        return Place((*self.steps, (way, key)), outside or (way, key) == ("attr", "__class__"))

    @property
    def tokens(self) -> tuple[Any, ...]:
        """The names, keys and indices on the way; what stands between them is left out."""
        return tuple(k for way, k in self.steps if way in _SHOWN and k != "__class__")

    @property
    def label(self) -> str:
        """The place in Python's words: layers[0].W, params['W']."""
        parts: list[str] = []
        for way, key in self.steps:
            is_name = isinstance(key, str) and key.isidentifier()
            is_key = way == "item" and (parts or not isinstance(key, str))
            if is_key or (way in _SHOWN and not is_name):
                parts.append(f"[{_short(repr(key))}]")
            elif way in _SHOWN and key != "__class__":
                parts.append("." * bool(parts) + _short(key, "_"))
        text = "".join(parts)
        if len(text) > 3 * LONGEST:  # a deep place
            text = f"{parts[0]}[...{_digest(text)}]{parts[-1]}"
        return text

    @property
    def is_item(self) -> bool:
        """Whether the place is in a container."""
        return self.steps[-1][0] == "item"

    def read(self, target: Any) -> Any:
        """Return what is there. Raises some exception if there is nothing."""
        return functools.reduce(_step, self.steps, target)

    def layer(self, target: Any) -> Layer | None:
        """Return the library's layer whose parameter or gradient this is, if it is one."""
        owner, (way, name) = Place(self.steps[:-1]).read(target), self.steps[-1]
        if way == "attr" and isinstance(owner, Layer):
            return owner if name in owner.shapes or name[1:] in owner.shapes else None
        return None

    def write(self, target: Any, value: Any) -> None:
        """Put a value there. Raises some exception if that cannot be done."""
        *before, (way, key) = self.steps
        above = Place(tuple(before))
        owner = above.read(target)
        if way == "attr":
            try:
                setattr(owner, key, value)
            except AttributeError:  # a frozen dataclass
                object.__setattr__(owner, key, value)
        elif way == "item" and isinstance(owner, tuple):
            parts = [*owner[:key], value, *owner[key + 1 :]]
            make = getattr(owner, "_make", type(owner))
            above.write(target, make(parts))
        elif way == "item":
            owner[key] = value
        elif way == "cell":
            _cell(owner, key).cell_contents = value
        elif way == "global":
            owner.__globals__[key] = value
        elif way == "default":
            d, i = owner.__defaults__, _with_default(owner).index(key)
            owner.__defaults__ = (*d[:i], value, *d[i + 1 :])
        elif way == "kwdefault":
            owner.__kwdefaults__[key] = value
        else:
            raise TypeError(f"nothing can be put at {self.label}")


_OUTSIDE = ("cell", "global", "module", "default", "kwdefault", "deref")
_SHOWN = ("attr", "item", "cell", "global", "module", "default", "kwdefault")


def _short(text: str, between: str = "...") -> str:
    """Return a printable name or key of at most `LONGEST` characters, another for each text."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    if len(text) <= LONGEST and "]" not in text:
        return text
    return f"{text[:40].replace(']', ')')}{between}{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def _step(owner: Any, step: tuple[str, Any]) -> Any:
    way, key = step
    if way == "attr":
        return getattr(owner, key)
    if way == "item":
        return owner[key]
    if way == "member":
        return list(owner)[key]
    if way == "cell":
        return _cell(owner, key).cell_contents
    if way == "global":
        return owner.__globals__[key]
    if way == "module":  # that a function imports
        return sys.modules[key]
    if way == "default":
        return owner.__defaults__[_with_default(owner).index(key)]
    if way == "kwdefault":
        return owner.__kwdefaults__[key]
    if way == "base":
        return owner.__mro__[key]
    if way == "function":  # of a class, without binding it
        return vars(owner)[key]
    if way == "inside":  # a function in a static method, a property, a decorator
        return getattr(owner, key)
    return owner()  # a weak reference


def _with_default(function: Any) -> tuple[str, ...]:
    """Return the names of the positional arguments that have a default."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    return tuple(names[len(names) - len(function.__defaults__ or ()) :])


def _cell(function: Any, name: str) -> Any:
    return function.__closure__[function.__code__.co_freevars.index(name)]


def places(target: Any, odd: bool = False) -> Iterator[tuple[Place, Any]]:
    """Yield each place with a number, an array, a list of numbers, or nothing (None).

    With `odd`, yield also those with numbers in another form, see `odd_numbers`.
    """

    def is_found(value: Any) -> bool:
        is_usual = is_number(value) or is_leaf(value) or value is None
        return is_usual or (odd and odd_numbers(value) is not None)

    yield from ((place, value) for place, value in walk(target, is_found) if is_found(value))


def layers_in(target: Any) -> Iterator[Layer]:
    """Yield the library's layers in an object: a network, but not the layers of the network."""
    found: dict[int, Layer] = {}
    for place, value in walk(target, lambda v: is_number(v) or is_leaf(v) or type(v) is Sequential):
        if isinstance(value, Layer) and not place.outside:
            found.setdefault(id(value), value)
    yield from found.values()


def is_cut(target: Any) -> bool:
    """Whether an object holds more than the search for numbers looks at."""
    return any(v is CUT for _, v in walk(target, lambda v: is_number(v) or is_leaf(v)))


def walk(target: Any, is_end: Callable[[Any], bool]) -> Iterator[tuple[Place, Any]]:
    """Yield each object once; what `is_end` says is an end, with every place that it has.

    Of a module, the names are visited that the functions in `target` mention. After `MOST` objects
    the walk ends with `CUT`.
    """
    seen: set[int] = set()
    queue: deque[tuple[Place, Any]] = deque([(Place(), target)])
    alive = []  # an id is unique only as long as its object lives
    mentioned: set[str] = set()
    modules: dict[int, tuple[Place, types.ModuleType, set[str]]] = {}
    left = MOST
    while queue:
        place, value = queue.popleft()
        if not left:
            yield Place(), CUT
            return
        left -= 1
        if is_end(value):
            yield place, value
        elif id(value) not in seen:
            seen.add(id(value))
            alive.append(value)
            yield place, value
            if isinstance(value, types.FunctionType) and not is_library(value.__code__.co_filename):
                mentioned |= names_in(value.__code__).mentioned
            if isinstance(value, types.ModuleType):
                modules[id(value)] = place, value, set()
            queue.extend(_children(place, value))
        if not queue:  # now all functions that lead to other modules are known
            for place, module, visited in modules.values():
                queue.extend(_of_module(place, module, mentioned - visited))
                visited |= mentioned


CUT = object()
ARRAYS_AND_CODE = (np.ndarray, type, types.FunctionType, types.ModuleType)


def _children(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    """Yield what one object holds."""
    if isinstance(value, Mapping):
        yield from _tried((place.then("item", k), functools.partial(value.__getitem__, k))
                          for k in list(value))  # fmt: skip
        if type(value) in (dict, types.MappingProxyType):
            return
    elif isinstance(value, tuple | MutableSequence):
        yield from ((place.then("item", i), v) for i, v in enumerate(value))
    elif isinstance(value, np.ndarray) and value.dtype.names:
        yield from ((place.then("item", n), value[n]) for n in value.dtype.names)
    elif isinstance(value, np.ndarray):  # of objects
        yield from ((place.then("item", i), value[i]) for i in np.ndindex(value.shape))
    elif isinstance(value, Set):
        yield from ((place.then("member", i), v) for i, v in enumerate(value))
    elif isinstance(value, weakref.ref):
        yield place.then("deref", None), value()
    elif isinstance(value, types.MethodType):
        yield place.then("inside", "__self__"), value.__self__
        yield place.then("inside", "__func__"), value.__func__
    elif isinstance(value, types.FunctionType):
        yield from _of_function(place, value)
    elif isinstance(value, functools.partial):
        yield from ((place.then("inside", n), getattr(value, n))
                    for n in ("func", "args", "keywords"))  # fmt: skip
    elif isinstance(value, staticmethod | classmethod):
        yield place.then("inside", "__func__"), value.__func__
    elif isinstance(value, property):
        yield place.then("inside", "fget"), value.fget
    elif isinstance(value, type):
        if not is_foreign(value):
            yield from _of_class(place, value)
        return
    elif isinstance(value, types.ModuleType):
        return
    if not isinstance(value, types.FunctionType):
        yield from _of_object(place, value)


def _of_object(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    kind = type(value)
    if isinstance(value, Wrapper):  # the student's object is inside
        yield place.then("inside", "inner"), value.inner
        return
    hidden: set[str] = set()
    if isinstance(value, Layer):
        for p in value.shapes if not isinstance(value, Sequential) else ():
            yield place.then("attr", p), getattr(value, p, None)
        names = [*value.shapes, *("d" + p for p in value.shapes), *value.buffer_shapes]
        hidden = {*names, "shapes", "buffer_shapes", "backend", "seed"}
        if is_foreign(kind):
            if isinstance(value, Sequential):
                yield place.then("attr", "layers"), value.layers
            return
    elif is_foreign(kind) and kind.__module__.partition(".")[0] in ("numpy", "nngan", "cupy"):
        return
    for name, own in list(_attributes(value).items()):
        if name not in hidden:
            yield place.then("attr", name), own
    for base in kind.__mro__:
        if is_foreign(base):
            continue
        slots = vars(base).get("__slots__", ())
        names = [n for n in ((slots,) if isinstance(slots, str) else slots) if n[:2] != "__"]
        names += [n for n, v in vars(base).items() if isinstance(v, property)]
        yield from _tried(
            (place.then("attr", n), functools.partial(getattr, value, n)) for n in names
        )
    if not is_foreign(kind):
        yield place.then("attr", "__class__"), kind


def _attributes(value: Any) -> dict[str, Any]:
    """Return an object's own attributes, whatever its class answers to that question."""
    found: dict[str, Any] = {}
    for look in (object.__getattribute__, getattr):  # the second for threading.local
        with contextlib.suppress(Exception):
            found = found or look(value, "__dict__")
    return found


def _of_class(place: Place, kind: type) -> Iterator[tuple[Place, Any]]:
    for base in kind.__mro__[1:]:
        if not is_foreign(base):
            yield place.then("base", kind.__mro__.index(base)), base
    is_layer = issubclass(kind, Layer)
    for name, value in list(vars(kind).items()):
        if name[:2] == "__" and not isinstance(value, types.FunctionType):
            continue
        if is_layer and name in ("shapes", "buffer_shapes", "backend"):
            continue
        if isinstance(value, types.FunctionType | staticmethod | classmethod | property):
            yield place.then("function", name), value
        else:
            yield place.then("attr", name), value


def _of_function(place: Place, function: Any) -> Iterator[tuple[Place, Any]]:
    code = function.__code__
    yield from _tried(
        (place.then("cell", name), functools.partial(lambda c: c.cell_contents, cell))
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)
    )
    if hasattr(function, "__wrapped__"):
        yield place.then("inside", "__wrapped__"), function.__wrapped__
    if is_library(code.co_filename):  # a decorator holds the student's function
        return
    names = names_in(code)
    for name in sorted(names.read):
        if name in function.__globals__:
            yield place.then("global", name), function.__globals__[name]
    for name in sorted(names.imported & sys.modules.keys()):
        yield place.then("module", name), sys.modules[name]
    for name, value in zip(_with_default(function), function.__defaults__ or (), strict=True):
        yield place.then("default", name), value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield place.then("kwdefault", name), value
    for name, value in vars(function).items():
        if name != "__wrapped__":
            yield place.then("attr", name), value


def _of_module(
    place: Place, module: types.ModuleType, mentioned: set[str]
) -> Iterator[tuple[Place, Any]]:
    is_own = not is_library(getattr(module, "__file__", None) or "<built-in>")
    for name in sorted(mentioned & vars(module).keys()):
        value = vars(module)[name]
        if is_own or isinstance(value, ARRAYS_AND_CODE):  # not np.pi, os.environ
            yield Place((*place.steps, ("attr", name)), True), value


def _tried(pairs: Any) -> Iterator[tuple[Place, Any]]:
    for place, get in pairs:
        try:
            value = get()
        except Exception:  # a property that fails, an empty slot or cell
            continue
        yield place, value
