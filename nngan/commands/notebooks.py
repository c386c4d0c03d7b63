"""Copy the course into a new folder: ten notebooks, from a first GAN to a GPU.

nngan notebooks course                 # then: jupyter lab course
nngan notebooks student --no-solutions # to hand out

They run there as they are: the package of their figures comes with them. They
have no outputs yet. JupyterLab folds the cells that prove what the text claims.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..command_line import OneSentenceParser, one_sentence
from .options import new_folder

PACKAGE = Path(__file__).parents[1]
HIDDEN = "remove-cell"  # tag of the cells that the site leaves out: assertions
ANNOUNCED = " Solutions are folded away below each."  # in the text of the first notebook


def source() -> Path:
    """Return the folder of the notebooks: of the wheel, or of the clone."""
    course = PACKAGE / "course"  # see pyproject.toml
    return course if course.exists() else PACKAGE.parent / "docs" / "notebooks"


def main(arguments: Sequence[str] | None = None, program: str = "nngan notebooks") -> int:
    """Run the command; return the exit status."""
    parser = OneSentenceParser(program, description=__doc__)
    parser.add_argument("folder", type=new_folder, metavar="DIR", help="the new folder")
    parser.add_argument(
        "--no-solutions", action="store_true", help="leave out the solutions of the exercises"
    )
    options = parser.parse_args(arguments)
    try:
        count = copy(options.folder, with_solutions=not options.no_solutions)
    except OSError as error:
        parser.error(one_sentence(error))
    print(f"{count} notebooks, and what they import, are in {options.folder.absolute()}")
    print("Open them with:")
    if importlib.util.find_spec("jupyterlab") is None:
        print("  python -m pip install jupyterlab")
    print(f"  jupyter lab {options.folder}")
    return 0


def copy(folder: Path, with_solutions: bool = True) -> int:
    """Write the notebooks and what they import into a folder; return how many they are."""
    notebooks = source()
    pycache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(notebooks / "figures", folder / "figures", ignore=pycache)
    paths = sorted(notebooks.glob("[0-9]*.ipynb"))
    for path in paths:
        notebook = as_written(json.loads(path.read_text(encoding="utf-8")), with_solutions)
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        (folder / path.name).write_text(text, encoding="utf-8")
    return len(paths)


def as_written(notebook: dict[str, Any], with_solutions: bool) -> dict[str, Any]:
    """Return a notebook as if it had never been run, without links out of its folder."""
    cells = [cell for cell in notebook["cells"] if with_solutions or not is_solution(cell)]
    for cell in cells:
        source = "".join(cell["source"]).replace("python examples/train_mnist.py", "nngan train")
        if not with_solutions:
            source = source.replace(ANNOUNCED, "")
        source = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", source)  # pages of the clone
        cell["source"] = source.splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if HIDDEN in cell["metadata"].get("tags", []):
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return {**notebook, "cells": cells}


def is_solution(cell: dict[str, Any]) -> bool:
    """Return whether a cell is the solution of an exercise."""
    return any(tag.startswith("solution-") for tag in cell["metadata"].get("tags", []))
