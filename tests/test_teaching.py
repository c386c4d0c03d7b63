"""The page for teachers: its assignment, its solutions and its grades are what happens."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nngan.gradcheck.__main__ import main

PAGE = (Path(__file__).parents[1] / "docs" / "teaching.md").read_text(encoding="utf-8")


def code(caption):
    """Return the code of the page that has this caption."""
    pattern = rf"^:::{{code-block}} python\n:caption: {caption}\n\n(.*?)^:::$"
    (block,) = re.findall(pattern, PAGE, re.M | re.S)
    return block


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
    """Return the files of the page by the names that it gives them."""
    right = code("student_a.py")
    wrong = [patched(right, diff) for diff in fenced("diff")]
    return dict(
        zip(
            ("student_a", "student_b", "student_c", "prelu"),
            (right, *wrong, code("prelu.py")),
            strict=True,
        )
    )


def shown():
    """Return what the page shows of each command."""
    return dict(block.removeprefix("$ ").split("\n", 1) for block in fenced("console"))


def words(text):
    """Return the words of a report, the numbers left out: they differ by machine."""
    return re.sub(r"[-+\d.e]*\d", "#", text).split()


@pytest.mark.parametrize("name", ["prelu", "student_b", "student_c"])
def test_the_checker_says_of_the_assignment_what_the_page_shows(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.py").write_text(submissions()[name])
    assert main([f"{name}.py"]) == 1
    assert words(capfd.readouterr().out) == words(shown()[f"python -m nngan.gradcheck {name}.py"])


def test_the_solution_is_right(tmp_path, capfd):
    (tmp_path / "prelu.py").write_text(submissions()["student_a"])
    assert main([str(tmp_path / "prelu.py")]) == 0
    assert "gradients agree" in capfd.readouterr().out


@pytest.mark.slow
def test_the_grades_of_a_folder(tmp_path):
    """Those of the page, and of what the two checks are for, each alone."""
    (tmp_path / "submissions").mkdir()
    files = submissions()
    files["student_d"] = files.pop("prelu")
    files["student_e"] = "class PReLU\n"
    for name, source in files.items():
        (tmp_path / "submissions" / f"{name}.py").write_text(source)
    (tmp_path / "grade.py").write_text(code("grade.py"))
    command = "python grade.py submissions"
    line = [sys.executable, *command.split()[1:]]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == shown()[command] + "student_e,1,2,\n"
    for row in csv.DictReader(done.stdout.splitlines()):
        report = (tmp_path / "reports" / f"{row['name']}.txt").read_text()
        assert ("gradients agree" in report) == (row["gradients"] == "0")


def test_right_gradients_of_the_wrong_function_fail_on_the_numbers_of_the_sheet(tmp_path):
    names = {}
    exec(re.search(r'^FORWARD = """.*?"""\n', code("grade.py"), re.M | re.S)[0], names)
    right = submissions()["student_a"]
    identity = right.replace("np.where(x > 0, x, self.a * x), x", "x, x")
    assert identity != right
    for source, status in ((right, 0), (identity, 1)):
        (tmp_path / "prelu.py").write_text(source)
        line = [sys.executable, "-c", names["FORWARD"], str(tmp_path / "prelu.py")]
        assert subprocess.run(line).returncode == status


def test_every_mistake_in_the_rubric_is_one_that_the_checker_knows():
    rubric = PAGE.partition("| points | mistakes |")[2].partition("\n\n")[0]
    kinds = set(re.findall(r"`(\w+)`", rubric))
    assert len(kinds) > 15
    package = Path(main.__code__.co_filename).parent
    source = "".join(file.read_text(encoding="utf-8") for file in package.glob("*.py"))
    unknown = {kind for kind in kinds if f'"{kind}"' not in source}
    assert not unknown
