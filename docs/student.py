"""Write the course's notebooks for students: without solutions, and without outputs.

python docs/student.py [FOLDER]       # default: student/; `make student` does it
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"
# What the notebook on GPUs imports from the tests.
STAND_INS = ("strict_cupy.py", "fake_cublas.py", "philox.py")
ANNOUNCED = " Solutions are folded away below each."  # in the text of the first notebook


def main() -> None:
    """Write all notebooks, and what they import: their figures, and stand-ins for a GPU."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "student"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        notebook = without_solutions(json.loads(path.read_text(encoding="utf-8")))
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        (folder / path.name).write_text(text, encoding="utf-8")
        print(folder / path.name)
    pycache = shutil.ignore_patterns("__pycache__")
    (folder / "stand_ins").mkdir(exist_ok=True)
    for name in STAND_INS:
        shutil.copy(ROOT / "tests" / name, folder / "stand_ins" / name)
    shutil.copytree(NOTEBOOKS / "figures", folder / "figures", ignore=pycache, dirs_exist_ok=True)


def without_solutions(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without the cells tagged as solutions, as if it had never been run."""
    cells = [cell for cell in notebook["cells"] if not _is_solution(cell)]
    for cell in cells:
        source = "".join(cell["source"]).replace(ANNOUNCED, "")
        source = source.replace('"../../tests"', '"stand_ins"')
        source = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", source)  # pages of the clone
        cell["source"] = source.splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return {**notebook, "cells": cells}


def _is_solution(cell: dict[str, Any]) -> bool:
    return any(tag.startswith("solution-") for tag in cell["metadata"].get("tags", []))


if __name__ == "__main__":
    main()
