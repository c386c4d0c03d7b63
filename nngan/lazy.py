"""Packages whose names are imported when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the function `__getattr__` of a package.

    Parameters
    ----------
    package : str
    homes : mapping of str to str
        For each submodule the names that the package takes from it, with blanks between them. Other
        submodules are found by their own names.
    """
    home_of = {name: home for home, there in homes.items() for name in there.split()}

    def find(name: str) -> Any:
        import sys
        from importlib import import_module

        path = f"{package}.{home_of.get(name, name)}"
        try:
            if name.startswith("_"):  # nobody's submodule, and __main__ would run
                raise ModuleNotFoundError(name=path)
            module = import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
        if name not in home_of:
            return module
        # From now on it is found without this function, as a submodule is.
        return vars(sys.modules[package]).setdefault(name, getattr(module, name))

    return find
