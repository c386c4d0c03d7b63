"""Break one expression of the library at a time, and see whether the tests notice.

python tests/mutants.py            # all; about ten minutes
python tests/mutants.py losses     # one module

Each mutant changes one expression of a copy of the library: a sign, a factor, a transpose, a
dropped term, a comparison, a constant, an in-place operator. The mutants that no test catches are
printed. Some of them change no value (x > 0 and x >= 0 differ only at a kink).
"""

from __future__ import annotations

import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The tests of each module, the fastest first.
MODULES = {
    "layers/linear.py": ["test_layers.py", "test_gradients.py", "test_penalties.py"],
    "layers/activations.py": ["test_layers.py", "test_gradients.py", "test_penalties.py"],
    "layers/joint.py": ["test_joint.py"],
    "layers/dropout.py": ["test_layers.py", "test_gradients.py"],
    "penalties.py": ["test_penalties.py"],
    "losses/bce.py": ["test_losses.py", "test_gradients.py"],
    "losses/objectives.py": ["test_objectives.py", "test_gan.py"],
    "optim.py": ["test_optim.py"],
    "network.py": ["test_network.py", "test_layers.py", "test_penalties.py"],
    "game/rules.py": ["test_gan.py", "test_conditional.py", "test_simultaneous.py"],
    "game/steps.py": [
        "test_gan.py",
        "test_training.py",
        "test_penalties.py",
        "test_conditional.py",
    ],
    "game/inputs.py": ["test_conditional.py", "test_packing.py", "test_latent.py"],
    "metrics/scores.py": ["test_metrics.py"],
}
SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Gt: ast.Lt,
    ast.GtE: ast.Lt,
    ast.Lt: ast.GtE,
}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the broken forms of `node`."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in SWAPS:
            yield ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
        yield node.left  # a dropped term or factor
        yield node.right
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield ast.Compare(node.left, [SWAPS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value)
        if type(node.op) in SWAPS:
            yield ast.AugAssign(node.target, SWAPS[type(node.op)](), node.value)


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield (description, source) of each way to break one expression inside a function."""
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name.startswith("__repr"):
            continue
        for parent in [n for statement in function.body for n in ast.walk(statement)]:
            if isinstance(parent, ast.Raise | ast.JoinedStr | ast.Assert):
                continue
            for field, value in ast.iter_fields(parent):
                children = value if isinstance(value, list) else [value]
                for i, child in enumerate(children):
                    if not isinstance(child, ast.AST):
                        continue
                    for broken in variants(child):
                        changed = ast.fix_missing_locations(ast.copy_location(broken, child))
                        before, after = ast.unparse(child), ast.unparse(changed)
                        if isinstance(value, list):
                            value[i] = changed
                        else:
                            setattr(parent, field, changed)
                        line = getattr(child, "lineno", 0)
                        yield f"{line}: {before}  ->  {after}", ast.unparse(copy.deepcopy(tree))
                        if isinstance(value, list):
                            value[i] = child
                        else:
                            setattr(parent, field, child)


def caught(folder: str, tests: list[str]) -> bool:
    """Return whether one of the tests fails on the copy of the library or takes too long."""
    environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not gpu and not slow"]
    command += ["-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)]
    try:
        result = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return True
    return result.returncode != 0


def main() -> int:
    """Try every mutant of the modules named on the command line; return how many survived."""
    wanted = sys.argv[1:]
    tried, survived = 0, []
    with tempfile.TemporaryDirectory() as folder:
        copy_root = Path(folder)
        for name in ("nngan", "tests", "examples", "pyproject.toml"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy_root / name)
        for module, tests in MODULES.items():
            if wanted and not any(word in module for word in wanted):
                continue
            if caught(folder, tests):  # or they seem to catch every mutant
                sys.exit(f"{', '.join(tests)}: must pass on the library as it is")
            path = copy_root / "nngan" / module
            original = path.read_text()
            for description, source in dict(mutants(original)).items():
                path.write_text(source)
                tried += 1
                if not caught(folder, tests):
                    survived.append(f"{module}:{description}")
                    print("survived:", survived[-1], flush=True)
            path.write_text(original)
    print(f"{tried} mutants, {len(survived)} survived")
    return len(survived)


if __name__ == "__main__":
    sys.exit(min(main(), 100))
