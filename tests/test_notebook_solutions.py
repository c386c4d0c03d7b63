"""The notebooks: short, run once, and with exercises that say "not yet", or solved "right".

The cells are read from the files and run without Jupyter. Tags tell them apart: "setup" is what
exercises build on, "exercise-1" what the reader edits, "check-1" what judges it, "solution-1" the
folded solution.
"""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))
WITHOUT_EXERCISES = "00_ten_minutes"


def cells(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def source(name, tag):
    """Return the code of the cells with a tag, without the lines that only Jupyter knows."""
    tagged = [cell for cell in cells(name) if tag in cell["metadata"].get("tags", [])]
    assert tagged, f"{name} has no cell tagged {tag}"
    lines = "".join("".join(cell["source"]) + "\n\n" for cell in tagged).splitlines()
    return "\n".join(line for line in lines if not line.startswith("%"))


def solution(name, i):
    text = source(name, f"solution-{i}")
    assert text.startswith("<details>")
    assert text.rstrip().endswith("</details>")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    return code


def printed(*codes):
    """Run pieces of code one after the other and return what the last one prints."""
    names = {"__name__": "__main__"}
    for code in codes:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, names)
    return output.getvalue()


@pytest.mark.parametrize("i", [1, 2, 3])
@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name != WITHOUT_EXERCISES])
def test_a_solution_is_right_and_the_stub_is_not(name, i):
    setup, stub, check = (source(name, tag) for tag in ("setup", f"exercise-{i}", f"check-{i}"))
    assert printed(setup, stub, check).startswith("not yet")
    assert printed(setup, stub, solution(name, i), check) == "right\n"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_was_run_from_top_to_bottom(name):
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = [output["output_type"] for cell in code for output in cell["outputs"]]
    assert "error" not in kinds
    assert not any(o.get("name") == "stderr" for cell in code for o in cell["outputs"])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_figures_are_there_and_small(name):
    outputs = [output for cell in cells(name) for output in cell.get("outputs", [])]
    sizes = [len(o["data"]["image/png"]) for o in outputs if "image/png" in o.get("data", {})]
    assert sizes or name == "09_gpu"  # which is about time, and has no GPU to draw
    assert max(sizes, default=0) < 200_000


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_short_and_says_how_long_it_takes(name):
    """Words are those of the Markdown cells, at 200 a minute; a line of code takes 5 seconds."""
    texts = {"markdown": [], "code": []}
    for cell in cells(name):
        texts[cell["cell_type"]].append("".join(cell["source"]))
    words = len(" ".join(texts["markdown"]).split())
    lines = sum(bool(line.strip()) for text in texts["code"] for line in text.splitlines())
    assert words <= 1100
    assert lines <= 200
    (said,) = re.findall(r"^\*About (\d+) minutes \(estimate\)", texts["markdown"][0], re.M)
    assert abs(int(said) - words / 200 - lines * 5 / 60) < 2.5


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_assertions_are_in_cells_that_the_site_leaves_out(name):
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    claim = re.compile(r"^(assert |np\.testing)", re.M)
    asserting = [cell for cell in code if claim.search("".join(cell["source"]))]
    assert asserting or name == "09_gpu"
    for cell in asserting:
        assert "remove-cell" in cell["metadata"].get("tags", []), "".join(cell["source"])
        assert not cell["outputs"]


def test_the_page_of_the_notebooks_names_each_with_its_minutes():
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    for name in NOTEBOOKS:
        (said,) = re.findall(r"\*About (\d+) minutes", "".join(cells(name)[0]["source"]))
        assert re.search(rf"\]\({name}\.ipynb\).* {said} \|$", page, re.M), name


def test_the_notebooks_are_found():
    assert len(NOTEBOOKS) >= 5
