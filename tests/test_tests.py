"""The tests themselves: helpers have a home outside the test modules, and every test asserts."""

import ast
from pathlib import Path

import pytest

MODULES = {path.name: path for path in sorted(Path(__file__).parent.glob("test_*.py"))}

# graphlib itself raises CycleError; scikit-learn's checks assert.
ASSERTED_BY_A_LIBRARY = {
    "test_no_two_files_import_each_other_in_any_way", "test_scikit_learns_own_checks",
}  # fmt: skip


def imported(tree):
    """Return the names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(alias.name for alias in node.names)}
    return names


def asserts(function):
    """Tell whether a function has an assert, or calls raises, warns or an assert_..."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("raises", "warns") or name.startswith("assert_"):
                return True
    return False


def without_assertion(tree):
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not asserts(node)
    ]


def test_the_checks_see_what_they_look_for():
    tree = ast.parse(
        "def test_a():\n    from test_b import x\n    print(x)\n"
        "class TestC:\n    def test_d(self):\n        import test_e as e, numpy as np\n"
        "        np.testing.assert_allclose(1, e.f())\n"
        "def test_g():\n    with pytest.raises(ValueError):\n        h()\n"
        "def test_i():\n    assert_right(1)\n"
    )
    assert imported(tree) == {"test_b", "x", "test_e", "numpy"}
    assert without_assertion(tree) == ["test_a"]


@pytest.mark.parametrize("name", MODULES)
def test_no_test_module_imports_another(name):
    others = {other.removesuffix(".py") for other in MODULES}
    tree = ast.parse(MODULES[name].read_text())
    assert not {part for module in imported(tree) for part in module.split(".")} & others


@pytest.mark.parametrize("name", MODULES)
def test_every_test_has_an_assertion(name):
    missing = without_assertion(ast.parse(MODULES[name].read_text()))
    assert set(missing) <= ASSERTED_BY_A_LIBRARY
