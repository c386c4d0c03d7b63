"""The names under which layers and optimizers stand in a checkpoint."""

from __future__ import annotations

import inspect
from collections.abc import Container
from functools import lru_cache
from typing import Any


def constructor_arguments(value: object) -> dict[str, Any]:
    """Return the arguments of the constructor by name, which `value` keeps as attributes.

    Raises
    ------
    AttributeError
        If it does not keep one of them under its name.
    """
    kind = type(value)
    names = _names(kind)  # type: ignore[arg-type]  # mypy takes no class for hashable
    if missing := [name for name in names if not hasattr(value, name)]:
        raise AttributeError(
            f"{kind.__name__} cannot be described: keep the constructor's argument as "
            f"self.{missing[0]}, or write a config() of its own"
        )
    return {name: getattr(value, name) for name in names}


@lru_cache(maxsize=100)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(inspect.signature(kind).parameters)


def type_name(kind: type, library: Container[type]) -> str:
    """Return the name of a class; one that is not of the library has its module's name too."""
    return kind.__name__ if kind in library else f"{kind.__module__}.{kind.__qualname__}"
