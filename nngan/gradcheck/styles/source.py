"""A student's file or notebook: execute it, and find what can be checked in it."""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import inspect
import json
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..sayings import say
from .adapters import arguments, first_words, is_required, pass_names, returns_several
from .cells import is_network
from .guesses import adapter_lines, argument_sets

# Magics in front of a cell that leave its code in place; with any other, the cell is not Python.
KEEPING = {"time", "timeit", "capture", "prun", "python", "python3", "pypy"}
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)
FORWARD_ENDS, BACKWARD_ENDS = ("_forward", "_fwd", "_forward_pass"), ("_backward", "_bwd", "_back",
                                                                      "_backward_pass")  # fmt: skip
EMPTY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}  # a body that is `pass`
LOSS = re.compile(r"(?i)(loss|cost|cross_?entropy|criterion|mse|nll)")


@dataclass
class Checkable:
    """A class, a pair of functions, or a loss that a file defines.

    Attributes
    ----------
    name : str
    kind : str
        "class", "pair", "loss" or "network".
    parts : tuple
        The class; or the functions forward and backward; or the loss.
    notes : list of str
        What went wrong in the notebook.
    """

    name: str
    kind: str
    parts: tuple[Any, ...]
    notes: list[str] = field(default_factory=list)


def load(file: Path) -> ModuleType:
    """Execute a file, or the code cells of a notebook; return its names as a module.

    A statement of a file that raises does not end it: what is defined elsewhere can be checked.

    In a notebook, magics and lines for the shell are dropped. A cell that raises does not end it:
    the definitions of the cell are still made. Cells after the last definition are not executed,
    because they train and plot.
    """
    # Executed, not imported: no stale bytecode, and the file's name hides no other module.
    is_taken = file.stem in sys.modules or file.stem in sys.stdlib_module_names
    module = ModuleType(f"{file.stem} (checked)" if is_taken else file.stem)
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(file.parent))
    sys.dont_write_bytecode = True
    os.environ["MPLBACKEND"] = "Agg"  # plt.show() must not open a window and wait
    is_notebook = file.suffix.lower() == ".ipynb"
    notes = _run_notebook(file, module) if is_notebook else _run_file(file, vars(module))
    vars(module)["__notes__"] = notes  # now, because the file may use the name
    return module


def checkable(module: ModuleType) -> dict[str, Checkable]:
    """Return what can be checked of what the module itself defines, by name.

    That is each class with both passes under usual names; each pair of functions such as
    ``affine_forward`` and ``affine_backward``, under the name ``affine``; each function with loss
    in its name that returns two values; and each class with ``loss(X, y)`` and no passes.
    """
    own = {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    }
    notes = vars(module).get("__notes__", [])
    found = {
        name: Checkable(name, "class", (cls,), notes)
        for name, cls in own.items()
        if inspect.isclass(cls)
        and not inspect.isabstract(cls)
        and pass_names(cls)
        and not _is_base(cls)
    }
    found |= {
        name: Checkable(name, "network", (cls,), notes)
        for name, cls in own.items()
        if inspect.isclass(cls) and not inspect.isabstract(cls) and is_network(cls)
    }
    functions = {name: f for name, f in own.items() if inspect.isfunction(f)}
    for name, forward, backward in _pairs(functions):
        found.setdefault(name, Checkable(name, "pair", (forward, backward), notes))
    for name, f in functions.items():
        is_part = any(f in c.parts for c in found.values())
        if LOSS.search(name) and not is_part and _returns_gradient(f):
            found.setdefault(name, Checkable(name, "loss", (f,), notes))
    order = {id(value): i for i, value in enumerate(own.values())}
    return dict(sorted(found.items(), key=lambda pair: order[id(pair[1].parts[0])]))


def _is_base(cls: type) -> bool:
    """Whether a class is only there for others to inherit from."""
    if not cls.__subclasses__():
        return False
    forward = getattr(cls, (pass_names(cls) or ("", ""))[0], None)
    code = getattr(forward, "__code__", None)
    is_empty = code is not None and (
        "NotImplementedError" in code.co_names
        or {i.opname for i in dis.get_instructions(code)} <= EMPTY
    )
    return is_empty or _cannot_be_created(cls)


def _cannot_be_created(cls: type) -> bool:
    try:
        next(argument_sets(cls, {}, np.random.default_rng(0)))
    except KeyError:
        return True
    return False


def adapter_of(module: ModuleType) -> str:
    """Return an adapter for a file in which nothing can be checked, or ""."""
    classes = {
        n: v
        for n, v in vars(module).items()
        if inspect.isclass(v) and v.__module__ == module.__name__
    }
    for n, cls in list(classes.items())[:1]:
        if len([k for k, v in vars(cls).items() if callable(v) and not k.startswith("_")]) > 1:
            return adapter_lines(n, cls)
    return ""


def _pairs(
    functions: Mapping[str, Callable[..., Any]],
) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Yield (name, forward, backward) for functions whose names belong together."""
    for name, backward in functions.items():
        stem, forward = "", None
        for end in BACKWARD_ENDS:
            if name.endswith(end):
                stem = name[: -len(end)]
                others = [stem + e for e in FORWARD_ENDS] + [stem]
                forward = next((functions[o] for o in others if o in functions), None)
        for begin, other in (("backward", "forward"), ("bwd", "fwd"), ("backprop", "forward")):
            if name == begin or name.startswith(f"{begin}_"):
                stem = name[len(begin) + 1 :] or other
                forward = functions.get(other + name[len(begin) :])
        if forward is not None:
            yield stem, forward, backward


def _returns_gradient(function: Any) -> bool:
    """Whether a loss returns more than a number, by its code."""
    if sum(map(is_required, arguments(function) or [])) < 2:
        return False
    return returns_several(function)


def _run_file(file: Path, names: dict[str, Any]) -> list[str]:
    """Execute a file, statement by statement; return what fails."""
    tree = ast.parse(file.read_bytes(), str(file))
    flags, notes = 0, []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            flags |= sum(getattr(__future__, a.name).compiler_flag for a in node.names)
        code = compile(ast.Module([node], []), str(file), "exec", flags, dont_inherit=True)
        try:
            exec(code, names)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            detail = first_words(f"{type(error).__name__}: {error}")
            notes.append(say("line", n=node.lineno, quote=detail))
            if isinstance(error, SystemExit):
                break
    return notes


# -- notebooks ------------------------------------------------------------------------------------


def code_cells(text: str) -> list[str]:
    """Return the Python code of a notebook's code cells, an empty string where there is none."""
    book = json.loads(text)
    sheets = book.get("worksheets") or [book]  # format 3
    cells = [c for sheet in sheets for c in sheet.get("cells", []) if c.get("cell_type") == "code"]
    sources = [c.get("source", c.get("input", "")) for c in cells]
    return [_python(s if isinstance(s, str) else "".join(s)) for s in sources]


def _python(cell: str) -> str:
    """Return a cell with magics and lines for the shell replaced by ``pass``."""
    lines = cell.splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%") and (first[2:].split() or [""])[0] not in KEEPING:
        return ""
    kept = []
    for line in lines:
        code = line.strip()
        magic = code.startswith(("%", "!", "?")) or re.fullmatch(r"[\w.]+\?{1,2}", code)
        shell = re.match(r"\s*[\w, ]+=\s*[!%]", line)
        indent = line[: len(line) - len(line.lstrip())]
        kept.append(f"{indent}pass" if magic or shell else line)
    return "\n".join(kept) + "\n"


def _run_notebook(file: Path, module: ModuleType) -> list[str]:
    """Execute the cells of a notebook, statement by statement; return what fails."""
    names, notes = vars(module), []
    names.update(display=_nothing, get_ipython=_Nothing)
    cells: list[tuple[int, str, ast.Module | None, str]] = []
    last = -1
    for number, code in enumerate(code_cells(file.read_text(encoding="utf-8")), 1):
        path = str(file.parent / f"{file.name}, cell {number}")
        linecache.cache[path] = (len(code), None, code.splitlines(True), path)
        tree: ast.Module | None
        try:
            tree = ast.parse(code, path)
        except SyntaxError as error:
            detail = f"{type(error).__name__}: {error.msg}, line {error.lineno}"
            cells.append((number, path, None, detail))
            continue
        if any(isinstance(node, DEFINITIONS[:3]) for node in tree.body):
            last = len(cells)
        cells.append((number, path, tree, ""))
    for number, path, parsed, problem in cells[: last + 1] if last >= 0 else cells:
        detail = problem if parsed is None else _run_cell(parsed, path, names)
        if detail:
            notes.append(say("cell", n=number, quote=detail))
    return notes


def _run_cell(tree: ast.Module, path: str, names: dict[str, Any]) -> str:
    """Execute one cell; after an error, only its definitions. Return the first error."""
    problem = ""
    for node in tree.body:
        if problem and not isinstance(node, DEFINITIONS):
            continue
        code = compile(ast.Module([node], []), path, "exec", dont_inherit=True)
        try:
            exec(code, names)
        except (Exception, SystemExit) as error:
            detail = first_words(f"{type(error).__name__}: {error}")
            problem = problem or f"{detail}, line {node.lineno}"
    return problem


def _nothing(*_: Any, **__: Any) -> None:
    """Stand in for display."""


class _Nothing:
    """Stand in for the shell of IPython: every method does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name in vars(builtins) or name.startswith("__"):
            raise AttributeError(name)
        return _nothing
