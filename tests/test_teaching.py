"""The pages on teaching and on grading: their files, commands and grades are what happens."""

import json
import re
import shlex
from pathlib import Path

import pytest

from nngan import commands
from nngan.commands import grade
from nngan.commands.grading.scheme import SCHEME_KEYS, TASK_KEYS, load_scheme
from nngan.commands.grading.words import WORDS
from nngan.gradcheck.__main__ import main

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "assignment"
PAGE = "".join(
    (ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("teaching.md", "grading.md")
)


def fenced(kind):
    """Return the texts of the page's blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


def patched(source, diff):
    """Return the source with the lines of a diff exchanged."""
    for removed, added in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", diff, re.M):
        old, new = (re.sub(r"^.", "", lines, flags=re.M) for lines in (removed, added))
        assert source.count(old) == 1
        source = source.replace(old, new)
    return source


def submissions():
    """Return the files of the page's students by their names."""
    right, start = ((FOLDER / name).read_text() for name in ("solution.py", "prelu.py"))
    wrong = [patched(right, diff) for diff in fenced("diff")]
    names = ("student_a", "student_b", "student_c", "student_d")
    return dict(zip(names, (right, *wrong, start), strict=True))


def shown():
    """Return what the page shows of each command."""
    return dict(block.removeprefix("$ ").split("\n", 1) for block in fenced("console"))


def words(text):
    """Return the words of a report, the numbers left out: they differ by machine."""
    return re.sub(r"[-+\d.e]*\d", "#", text).split()


def test_the_checker_says_of_the_assignment_what_the_page_shows(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("prelu.py").write_text((FOLDER / "prelu.py").read_text())
    assert main(["prelu.py"]) == 1
    assert words(capfd.readouterr().out) == words(shown()["python -m nngan.gradcheck prelu.py"])


def test_the_sheet_gives_the_points_and_the_numbers_of_the_scheme():
    sheet = (FOLDER / "README.md").read_text(encoding="utf-8")
    points = json.loads((FOLDER / "scheme.json").read_text())["points"]
    assert [int(n) for n in re.findall(r"\((\d) points?", sheet)] == [2, *points.values()]
    names = {}
    exec((FOLDER / "solution.py").read_text(), names)
    layer = names["PReLU"]()
    layer.a[...] = [0, 0.5, 1, 2]
    rows = [[-2.0, -2, -2, -2], [0, 1, 2, 3]]
    y, _ = layer.forward(names["np"].array(rows))
    assert y.tolist() == [[0, -1, -2, -4], [0, 1, 2, 3]]
    for row in (*rows, *y):
        assert f"$({', '.join(f'{value + 0.0:g}' for value in row)})$" in sheet


def test_the_grades_of_a_folder(tmp_path, monkeypatch, capfd):
    """The command of the page prints and writes what the page shows."""
    monkeypatch.chdir(tmp_path)
    Path("submissions").mkdir()
    Path("docs/assignment").mkdir(parents=True)
    for file in FOLDER.iterdir():
        if file.is_file():
            Path("docs/assignment", file.name).write_bytes(file.read_bytes())
    for name, source in submissions().items():
        Path("submissions", f"{name}.py").write_text(source)
    ((command, text),) = [item for item in shown().items() if item[0].startswith("nngan grade")]
    assert commands.main(shlex.split(command)[1:]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    rows, summary = out.replace("\\", "/").split("\n\n")
    rows_shown, summary_shown = text.split("\n\n")
    assert sorted(rows.splitlines()) == rows_shown.splitlines()  # they come as they are graded
    assert words(summary) == words(summary_shown)
    assert Path("grades.csv").read_text() == fenced("text")[0]
    pages = {path.stem for path in Path("reports/students").iterdir()}
    assert pages == set(submissions())


@pytest.mark.parametrize("files", [["prelu.py"], ["mine.py"], ["a.py", "b.py"], []], ids=str)
def test_the_last_line_of_gradescope_has_results_for_all_that_is_handed_in(
    tmp_path, monkeypatch, capfd, files
):
    monkeypatch.chdir(tmp_path)
    Path("class/student").mkdir(parents=True)
    for file in files:
        Path("class/student", file).write_text(submissions()["student_a"])
    lines = [line for text in fenced("sh") for line in text.splitlines()]
    (command,) = [line for line in lines if "nngan grade" in line]
    words = [Path(word).name if "/" in word else word for word in shlex.split(command)[1:]]
    assert commands.main(words) == 0
    capfd.readouterr()
    results = json.loads(Path("results.json").read_text())
    assert results["score"] == (8 if len(files) == 1 else 0)
    assert ("hand in prelu.py" in results["output"]) is (len(files) != 1)


def test_right_gradients_of_the_wrong_function_are_not_forward(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    right = submissions()["student_a"]
    identity = right.replace("np.where(x > 0, x, self.a * x), x", "x, x")
    assert identity != right
    Path("prelu.py").write_text(identity)
    assert commands.main(["grade", "prelu.py", "--json", "results.json"]) == 0
    capfd.readouterr()
    tests = {test["name"]: test for test in json.loads(Path("results.json").read_text())["tests"]}
    assert (tests["forward"]["status"], tests["forward"]["score"]) == ("failed", 0)


def test_the_schemes_of_the_page(tmp_path):
    first, second, _ = fenced("json")
    assert first == (FOLDER / "scheme.json").read_text()
    (tmp_path / "reference.py").touch()
    (tmp_path / "scheme.json").write_text(second)
    tanh, linear = load_scheme(tmp_path / "scheme.json").tasks
    assert (tanh.shape, linear.args, linear.accumulate) == ((4,), {"n_in": 4, "n_out": 3}, False)


def test_the_loss_and_the_cell_of_the_page(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (solutions,) = [text for text in fenced("python") if text.startswith("# solutions.py")]
    Path("solutions.py").write_text(solutions)
    Path("scheme.json").write_text(fenced("json")[2])
    Path("class").mkdir()
    Path("class", "ann.py").write_text(solutions)
    command = "grade class --scheme scheme.json --csv grades.csv --timeout 60"
    assert commands.main(command.split()) == 0
    capfd.readouterr()
    assert Path("grades.csv").read_text().splitlines()[1] == "ann,ann.py,10,10,2,2,2,1,1,1,1,"


def test_the_page_lists_every_option_and_every_key():
    options = set(re.findall(r"^\| `(--[\w-]+)", PAGE, re.M))
    actions = grade.parser("nngan grade")._actions
    assert options == {a.option_strings[-1] for a in actions if a.option_strings} - {"--help"}
    table = PAGE.partition("| key | |")[2].partition("\n\n")[0]
    assert {*re.findall(r"^\| `(\w+)`", table, re.M), "name"} == {*SCHEME_KEYS, *TASK_KEYS}


def test_every_mistake_is_in_one_of_the_lists_of_the_page():
    named = PAGE.partition("For half points")[2].partition("[The page on the checker]")[0]
    assert sorted(re.findall(r"`(\w+)`", named)) == sorted(WORDS)


# -- the notebooks for students ------------------------------------------------------------------


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """Write the notebooks without solutions once; return the folder."""
    folder = tmp_path_factory.mktemp("student")
    assert commands.main(["notebooks", str(folder), "--no-solutions"]) == 0
    return folder


NOTEBOOKS = sorted(path.name for path in (ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_students_get_the_exercises_and_no_solution(student, name):
    course = json.loads((ROOT / "docs" / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
    handed = json.loads((student / name).read_text(encoding="utf-8"))["cells"]

    def is_solution(cell):
        return any("solution" in tag for tag in cell["metadata"].get("tags", []))

    kept = [cell["id"] for cell in course if not is_solution(cell)]
    assert [cell["id"] for cell in handed] == kept
    assert len(course) - len(handed) == (0 if name.startswith("00") else 3)
    code = [cell for cell in handed if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    text = "\n".join("".join(cell["source"]) for cell in handed)
    assert "olution" not in text
    assert "<details>" not in text
    proofs = [cell for cell in code if re.search("^assert ", "".join(cell["source"]), re.M)]
    assert all(cell["metadata"]["jupyter"] == {"source_hidden": True} for cell in proofs)
    for cell in filter(is_solution, course):
        (answer,) = re.findall(r"```python\n(.*?)```", "".join(cell["source"]), re.S)
        assert answer not in text


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_link_of_the_students_leads_somewhere(student, name):
    cells = json.loads((student / name).read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r"(?:src|href)=\"([^\"#]+)", text)
    for link in links:
        assert link.startswith("http") or (student / link).exists(), link


def test_students_get_the_package_of_the_figures(student):
    names = {path.name for path in (ROOT / "docs" / "notebooks" / "figures").glob("*.py")}
    assert {path.name for path in (student / "figures").iterdir()} == names


def test_make_writes_them_into_a_folder_that_git_ignores():
    assert "\t$(BIN)/nngan notebooks student --no-solutions\n" in (ROOT / "Makefile").read_text()
    assert "/student/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "make student" in PAGE


def test_the_page_names_the_command_that_writes_them():
    assert "nngan notebooks student --no-solutions" in "".join(fenced("sh"))
