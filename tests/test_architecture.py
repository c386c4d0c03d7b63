"""The house: which file may import which, and where methods live."""

import ast
import importlib
import inspect
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "nngan").rglob("*.py"))
}


def house():
    """Return the table of design.md: each room of the library and the rooms that it uses."""
    rows = re.findall(
        r"^\| `([\w./]+)` \| .* \| (.*) \|$", (ROOT / "docs/design.md").read_text(), re.M
    )
    return {re.sub(r"\.py$|/$", "", room): re.findall(r"`(\w+)`", uses) for room, uses in rows}


def targets(node, module):
    """Yield the modules of nngan that one import statement of `module` names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in FILES)
        return
    source = node.module or ""
    if node.level:
        package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        source = f"{package}.{source}".rstrip(".")
    for alias in node.names:
        if (name := f"{source}.{alias.name}") in FILES:
            yield name
        elif source in FILES:
            yield source


def imports(module, source=None):
    """Return the modules that one imports, anywhere: in functions and under TYPE_CHECKING too."""
    tree = ast.parse(FILES[module].read_text() if source is None else source)
    nodes = (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
    return {target for node in nodes for target in targets(node, module)}


def room(module):
    """Return the room of a module; that of ``nngan/__init__.py`` is "__init__"."""
    return [*module.split("."), "__init__"][1]


def test_every_kind_of_import_is_read():
    source = (
        "import nngan.files\nfrom .game import steps\nif TYPE_CHECKING:\n    from .gan import GAN\n"
        "def f():\n    from . import penalties\n    import numpy\n"
    )
    assert imports("nngan.recipes", source) == {
        "nngan.files", "nngan.game.steps", "nngan.gan", "nngan.penalties",
    }  # fmt: skip
    inside = (
        "from ..backend import Array\nfrom ..backend.base import Backend\nfrom . import rules\n"
    )
    assert imports("nngan.game.steps", inside) == {
        "nngan.backend", "nngan.backend.base", "nngan.game.rules",
    }  # fmt: skip
    assert imports("nngan.game", "from .game import Game\n") == {"nngan.game.game"}


def test_the_design_lists_every_room():
    assert set(house()) == {room(module) for module in FILES}


@pytest.mark.parametrize("module", FILES)
def test_a_file_imports_only_from_rooms_below_its_own(module):
    rooms = list(house())
    below = rooms[rooms.index(room(module)) + 1 :]
    others = {room(target) for target in imports(module)} - {room(module)}
    assert others <= set(below)


def test_the_design_says_which_rooms_a_room_uses():
    for name, uses in house().items():
        files = [module for module in FILES if room(module) == name]
        assert set(uses) <= {room(target) for module in files for target in imports(module)}, name


def test_no_two_files_import_each_other_in_any_way():
    TopologicalSorter({module: imports(module) - {module} for module in FILES}).prepare()


def test_every_method_is_written_in_the_file_of_its_class():
    for name in FILES:
        if name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        classes = [c for c in vars(module).values() if inspect.isclass(c)]
        for kind in (c for c in classes if c.__module__ == name):
            for method in vars(kind).values():
                function = getattr(method, "__func__", getattr(method, "fget", method))
                if inspect.isfunction(function) and function.__module__.startswith("nngan"):
                    assert function.__module__ == name, f"{kind}: {function}"
