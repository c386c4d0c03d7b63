"""``nngan grade``: the scheme, the submissions, the marks, the files that it writes."""

import csv
import dataclasses
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import classroom as examples
import numpy as np
import pytest
import right_linear
from processes import LIMIT

import nngan as nn
from nngan.commands import grade as command
from nngan.commands.grading import pages, tables
from nngan.commands.grading.advice import STEPS, TITLES
from nngan.commands.grading.forward import forward_mark
from nngan.commands.grading.index import index, write_index
from nngan.commands.grading.marks import CONTRACT, ENDED, Grade, Mark, ended, grade_task
from nngan.commands.grading.reference import Reference
from nngan.commands.grading.scheme import BUILT_IN, SchemeError, load_scheme
from nngan.commands.grading.submissions import find_submissions
from nngan.commands.grading.words import WORDS
from nngan.gradcheck import Finding, Report
from nngan.gradcheck.__main__ import parser as gradcheck_parser
from nngan.gradcheck.report import INCONCLUSIVE

PATIENT = ["--timeout", "100"]  # for what takes less than a second on a quiet machine
POINTS = {"forward": 2, "dx": 3, "dW": 3, "db": 2, "contract": 1}


@pytest.fixture
def scheme(tmp_path):
    """Write a scheme and read it; keywords change its keys."""

    def make(**keys):
        content = {"class": "Linear", "points": POINTS, **keys}
        path = tmp_path / "scheme.json"
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
        return load_scheme(path)

    return make


@pytest.fixture
def run(monkeypatch, tmp_path, capfd):
    """Run the command in this process; return status, output and error output."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            status = command.main([*PATIENT, *map(str, arguments)])
        except SystemExit as stop:
            status = stop.code
        return status, *capfd.readouterr()

    return call


# -- the scheme ----------------------------------------------------------------------------------


def test_a_scheme_of_one_class(scheme, tmp_path):
    (tmp_path / "reference.py").write_text(examples.RIGHT)
    read = scheme(title="Linear", file="linear.py", reference="reference.py", shape=[4])
    (task,) = read.tasks
    assert (read.title, read.file, read.points, read.parts) == (
        "Linear",
        "linear.py",
        11,
        [*POINTS],
    )
    assert task.reference == ((tmp_path / "reference.py").resolve(), ("Linear",))
    assert task.gradients == ["dx", "dW", "db"]
    assert task.settings(7).shape == (4,)
    assert task.settings(7).seed == 7


def test_a_scheme_of_two_tasks_names_its_parts_by_task(scheme):
    tasks = [
        {"class": "Linear", "points": {"dx": 1}},
        {"name": "act", "class": "ReLU", "points": {"dx": 2.5, "forward": 1}},
    ]
    read = scheme(**{"class": None, "points": None}, tasks=tasks)
    assert read.parts == ["Linear.dx", "act.dx", "act.forward"]
    assert (read.points, read.title) == (4.5, "Linear, act")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"class": None}, '"class" is missing'),
        ({"points": None}, '"points" is missing'),
        ({"points": {}}, '"points" must be an object such as {"forward": 2, "dx": 3}, got {}'),
        ({"points": {"foward": 1}}, "there is no part 'foward': a part is \"forward\""),
        ({"points": {"dx": 0}}, 'the points of "dx" must be a positive number, got 0'),
        ({"points": {"dx": True}}, 'the points of "dx" must be a positive number, got True'),
        ({"class": "my layer"}, "\"class\" must be a name in Python, got 'my layer'"),
        ({"class": 3}, '"class" must be a text, got 3'),
        ({"args": [4]}, '"args" must be an object such as {"n_in": 4}, got [4]'),
        ({"shape": [5, 0]}, '"shape" must be a list of sizes such as [4], got [5, 0]'),
        ({"shape": 5}, '"shape" must be a list of sizes such as [4], got 5'),
        ({"range": [2, 1]}, '"range" must be two numbers such as [-2, 2], got [2, 1]'),
        ({"accumulate": "yes"}, "\"accumulate\" must be true, false or null, got 'yes'"),
        ({"style": "theirs"}, '"style" must be "any" or "ours", got \'theirs\''),
        ({"class": ["A", "b c"]}, "\"class\" must be a name in Python, got 'b c'"),
        ({"class": []}, "\"class\" must be a name in Python, got ''"),
        ({"backward": "theirs"}, '"backward" must be "either" or "own", got \'theirs\''),
        ({"names": "W"}, "\"names\" must be true or false, got 'W'"),
        ({"reference": "none.py:A"}, '"reference" names the file none.py, which is not in '),
        ({"file": "a/b.py"}, "\"file\" must be the name of a .py or .ipynb file, got 'a/b.py'"),
        ({"titel": "x"}, 'there is no key "titel": the keys are "title", "file", "name"'),
        ({"tasks": []}, 'there is no key "class": the keys are "title", "file", "tasks"'),
        ({"class": None, "points": None, "tasks": []}, '"tasks" must be a list of at least one'),
        ({"class": None, "points": None, "tasks": [3]}, "tasks[0]: a task must be an object"),
        (
            {"class": None, "points": None, "tasks": [{"class": "A", "points": {"dx": 1}}] * 2},
            "two tasks are called 'A': give each a \"name\" of its own",
        ),
    ],
)
def test_a_scheme_that_cannot_be_meant(scheme, keys, sentence):
    with pytest.raises(SchemeError) as error:
        scheme(**keys)
    assert sentence in str(error.value)
    assert "scheme.json: " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{'class'", "is not JSON: Expecting property name enclosed in double quotes at line 1"),
        ("[]", 'it must be an object {"class": ..., "points": ...}, got []'),
        ("[" * 5000 + "]" * 5000, "cannot be meant: it is no JSON (maximum recursion depth"),
        ("[" * 200 + "]" * 200, "cannot be meant: its lists and dicts are more than 100 deep"),
        ("9" * 5000, "cannot be meant: it is no JSON (Exceeds the limit"),
        ('{"class": "X", "points": {"dx": 1' + "0" * 400 + "}}", "must be a positive number"),
        ('{"class": "X", "points": {"dx": 1}, "reference": "\\u0000"}', "names the file"),
        ('{"class": "X", "points": {"dx": 1}, "reference": "' + "x" * 300 + '"}', "names the file"),
        ('{"class": "X", "points": "' + "x" * 9000 + '"}', "xxx ..."),
    ],
    ids=itertools.count(),
)
def test_a_scheme_that_cannot_be_read(tmp_path, text, sentence):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(SchemeError) as error:
        load_scheme(tmp_path / "s.json")
    assert sentence in str(error.value)
    with pytest.raises(SchemeError, match="cannot be read: No such file"):
        load_scheme(tmp_path / "none.json")


def test_the_built_in_scheme_is_that_of_the_assignment():
    folder = Path(__file__).parents[1] / "docs" / "assignment"
    built_in, handed_out = load_scheme(BUILT_IN), load_scheme(folder / "scheme.json")
    ours, theirs = built_in.tasks[0], handed_out.tasks[0]
    assert (built_in.title, built_in.file, ours.points) == (
        handed_out.title,
        handed_out.file,
        theirs.points,
    )
    assert theirs.reference == ((folder / "solution.py").resolve(), ("PReLU",))
    classes = []
    for task in (ours, theirs):
        names = {}
        exec(task.reference[0].read_text(encoding="utf-8"), names)
        classes.append(names["PReLU"]())
    x, dy = np.random.default_rng(0).standard_normal((2, 5, 4))
    (y, cache), (y2, cache2) = (layer.forward(x) for layer in classes)
    assert np.array_equal(y, y2)
    dx, dx2 = classes[0].backward(dy, cache), classes[1].backward(dy, cache2)
    assert np.array_equal(dx, dx2)
    assert np.array_equal(classes[0].da, classes[1].da)


# -- the submissions -----------------------------------------------------------------------------


def test_files_and_folders_of_students(scheme, tmp_path):
    (tmp_path / "ref.py").write_text("")
    wanted = scheme(file="linear.py", reference="ref.py")
    folder = tmp_path / "class"
    for file in (
        "ann.py", "bob.ipynb", "notes.txt", ".hidden.py", "__pycache__/x.py",
        "cy/linear.py", "cy/test.py", "dan/deep/layer.py", "eve/a.py", "eve/b.py",
        "fay/readme.txt", "gus/linear.py", "gus/old/linear.py",
        "hal/x.ipynb", "hal/.ipynb_checkpoints/x-checkpoint.ipynb", "ida.PY", "ann.pdf",
    ):  # fmt: skip
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    found = {each.name: each for each in find_submissions(folder, wanted)}
    names = ["ann", "bob", "cy", "dan", "eve", "fay", "gus", "hal", "ida", "notes"]
    assert list(found) == names
    chosen = {name: each.shown for name, each in found.items() if not each.problem}
    assert chosen == {
        "ann": "ann.py", "bob": "bob.ipynb", "cy": "cy/linear.py", "dan": "dan/deep/layer.py",
        "hal": "hal/x.ipynb", "ida": "ida.PY",
    }  # fmt: skip
    sentences = {name: each.problem.sentence for name, each in found.items() if each.problem}
    assert sentences == {
        "eve": "The folder has 2 Python files, none of which is linear.py: hand in linear.py.",
        "fay": "The folder has no Python file: hand in linear.py.",
        "gus": "The folder has 2 files linear.py: hand in one of them.",
        "notes": "notes.txt is not a Python file: hand in linear.py.",
    }
    assert found["fay"].problem.evidence == "the files are readme.txt"
    assert found["eve"].problem.evidence == "the files are a.py, b.py"
    (alone,) = find_submissions(folder / "cy" / "linear.py", wanted)
    assert (alone.name, alone.shown) == ("linear", "linear.py")


def test_two_files_of_one_name_are_two_submissions(scheme, tmp_path):
    folder = tmp_path / "class"
    (folder / "ann").mkdir(parents=True)
    for file in ("ann.py", "ann.ipynb", "ann/x.py", "ref.py"):
        (folder / file).write_text("")
    found = find_submissions(folder, scheme(reference="class/ref.py"))  # which is the teacher's
    assert [each.name for each in found] == ["ann", "ann.ipynb", "ann.py"]


def test_the_folders_and_files_of_moodle_and_canvas(scheme, tmp_path):
    folder = tmp_path / "class"
    for file in (
        "Ada B_1_assignsubmission_file_/hw.zip", "Cy_2_assignsubmission_file_/linear.py",
        "Cy_3_assignsubmission_file_/linear.py", "dan_45_67_linear.py", "dan_45_68_notes.pdf",
        "eve_46_69_linear.zip", "grades.csv", "reports/index.html",
    ):  # fmt: skip
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    ours = [folder / "grades.csv", folder / "reports"]
    found = {each.name: each for each in find_submissions(folder, scheme(file="linear.py"), ours)}
    assert list(found) == [
        "Ada B", "Cy_2_assignsubmission_file_", "Cy_3_assignsubmission_file_",
        "dan_45_67_linear", "eve_46_69_linear",
    ]  # fmt: skip
    assert found["Ada B"].problem.evidence == "the files are hw.zip"
    assert "eve_46_69_linear.zip is not a Python file" in found["eve_46_69_linear"].problem.sentence


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_out_of_the_folder_is_not_followed(scheme, tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    (tmp_path / "solution.py").write_text("")
    (folder / "ann.py").symlink_to(tmp_path / "solution.py")
    (each,) = find_submissions(folder, scheme())
    assert each.problem.kind == "no_file"
    assert "a link to another place" in each.problem.sentence


# -- the marks: from a report to points ----------------------------------------------------------


class Linear(right_linear.Linear):
    """A right layer, of which the tests change one thing."""

    def __init__(self):
        super().__init__(4, 3)
        self.W = np.random.default_rng(1).standard_normal((4, 3))


X = np.random.default_rng(0).standard_normal((5, 4))


def graded(scheme, layer, forward=None):
    (task,) = scheme().tasks
    return grade_task(task, nn.check_gradients(layer, X), forward)


def statuses(task):
    return {mark.part: mark.status for mark in task.marks if mark.status != "right"}


def test_a_right_layer_has_all_points(scheme):
    task = graded(scheme, Linear(), Mark("forward", 2, 2, "right"))
    assert statuses(task) == {}
    assert sum(mark.points for mark in task.marks) == 11
    assert (task.kinds, task.problem) == ([], None)


def test_a_wrong_gradient_costs_its_own_points(scheme):
    class Sign(Linear):
        def backward(self, dy, x):
            return -super().backward(dy, x)

    task = graded(scheme, Sign())
    assert statuses(task) == {"forward": "not reached", "dx": "wrong"}
    assert task.kinds == ["sign"]


def test_a_gradient_of_the_wrong_shape_costs_its_own_points(scheme):
    class Keepdims(Linear):
        def backward(self, dy, x):
            dx = super().backward(dy, x)
            self.db = dy.sum(axis=0, keepdims=True)
            return dx

    assert statuses(graded(scheme, Keepdims())) == {"forward": "not reached", "db": "wrong"}


def test_a_missing_gradient_is_named(scheme):
    class Without(Linear):
        def __init__(self):
            super().__init__()
            del self.dW

        def backward(self, dy, x):
            self.db += dy.sum(axis=0)
            return dy @ self.W.T

    task = graded(scheme, Without())
    assert statuses(task) == {"forward": "not reached", "dW": "missing"}
    (reason,) = task.marks[2].reasons
    assert reason.sentence.startswith("There is no dW: keep the parameter W and its gradient dW")
    assert reason.evidence == "the gradients that were found are dx, db"
    assert (task.kinds, task.notes) == (["missing"], ())


def test_the_contract_costs_its_own_points_or_none(scheme):
    class Overwrites(Linear):
        def backward(self, dy, x):
            self.dW = x.T @ dy
            self.db = dy.sum(axis=0)
            return dy @ self.W.T

    report = nn.check_gradients(Overwrites(), X)
    (task,) = scheme().tasks
    assert statuses(grade_task(task, report, None)) == {
        "forward": "not reached",
        "contract": "wrong",
    }
    (task,) = scheme(points={"dx": 1, "dW": 1}).tasks
    free = grade_task(task, report, None)
    assert statuses(free) == {}
    assert {f.kind for f in free.notes} == {"overwrites"}
    assert free.kinds == ["overwrites"]


def test_code_that_does_nothing_has_no_points_for_the_contract(scheme):
    class Nothing(Linear):
        def backward(self, dy, x):
            return np.zeros_like(x)

    task = graded(scheme, Nothing())
    assert {mark.points for mark in task.marks} == {0}
    assert statuses(task)["contract"] == "not reached"


def test_after_an_exception_no_gradient_is_reached(scheme):
    class Raises(Linear):
        def backward(self, dy, x):
            raise NotImplementedError("write backward")

    task = graded(scheme, Raises(), Mark("forward", 2, 2, "right"))
    assert statuses(task) == dict.fromkeys(("dx", "dW", "db", "contract"), "not reached")
    assert task.problem.kind == "raises"


def report_of(*findings, base=None):
    base = base or nn.check_gradients(Linear(), X)
    return Report("Linear", base.arrays, list(findings), "")


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (Finding("inconclusive", "dW could not be compared.", "", False), {"dW": "inconclusive"}),
        (
            Finding("inconclusive", "Every number drawn was at a kink.", "", False),
            dict.fromkeys(("dx", "dW", "db"), "inconclusive") | {"contract": "not reached"},
        ),
        (Finding("unchecked", "scale affects the output.", "", False), {}),
        (Finding("kink", "dx has a kink somewhere.", "", False), {}),
        (Finding("dtype", "dW is an array of integers."), {"dW": "wrong"}),
        (
            Finding("not_linear", "A pass looks at the state of np.random."),
            dict.fromkeys(("dx", "dW", "db"), "wrong") | {"contract": "not reached"},
        ),
        (Finding("writes_input", "backward changes dy: work on a copy."), {"contract": "wrong"}),
    ],
)
def test_whom_a_finding_costs_points(scheme, finding, expected):
    (task,) = scheme().tasks
    marks = grade_task(task, report_of(finding), Mark("forward", 2, 2, "right"))
    assert statuses(marks) == expected
    if expected:
        assert marks.kinds == [finding.kind]


def test_an_empty_report_earns_nothing(scheme):
    (task,) = scheme().tasks
    marks = grade_task(task, Report("Linear", [], [], ""), None)
    assert {mark.points for mark in marks.marks} == {0}
    assert marks.problem.kind == "inconclusive"


def test_another_style_costs_the_contract_if_the_scheme_says_so(scheme):
    report = dataclasses.replace(report_of(), style="state kept in self")
    (task,) = scheme(style="ours").tasks
    marks = grade_task(task, report, Mark("forward", 2, 2, "right"))
    assert statuses(marks) == {"contract": "wrong"}
    assert marks.kinds == ["other_style"]
    assert "forward(x) returns (y, cache)" in marks.marks[-1].reasons[0].sentence
    (task,) = scheme().tasks
    assert statuses(grade_task(task, report, Mark("forward", 2, 2, "right"))) == {}


# -- the part "forward" --------------------------------------------------------------------------


def outputs_of(layer):
    def ask(points):
        answers = []
        for point in points:
            layer.W, layer.b = point["W"], point["b"]
            answers.append(layer.forward(point["x"])[0])
        return answers

    return ask


def forward_of(scheme, layer, with_reference):
    (task,) = scheme().tasks
    report = nn.check_gradients(Linear(), X)
    reference = None
    if with_reference:
        rng = np.random.default_rng(0)
        shapes = {"x": (5, 4), "W": (4, 3), "b": (3,)}
        points = [{k: rng.standard_normal(s) for k, s in shapes.items()} for _ in range(3)]
        reference = Reference(points, outputs_of(Linear())(points), [])
    return forward_mark(task, report, reference, 0, outputs_of(layer))


class Float32(Linear):
    def forward(self, x):
        return super().forward(x.astype(np.float32))[0].astype(np.float32), x


class WithoutBias(Linear):
    def forward(self, x):
        return x @ self.W, x


class Doubled(Linear):
    def forward(self, x):
        return 2 * (x @ self.W + self.b), x


class Row(Linear):
    def forward(self, x):
        return super().forward(x)[0][:1], x


class Infinite(Linear):
    def forward(self, x):
        return np.full((5, 3), np.inf), x


@pytest.mark.parametrize(
    ("layer", "with_reference", "sentence"),
    [
        (Linear, True, None),
        (Linear, False, None),
        (Float32, True, None),
        (Doubled, True, "forward does not return what the assignment asks for"),
        (Doubled, False, None),
        (WithoutBias, True, "forward does not return what the assignment asks for"),
        (WithoutBias, False, "The output of forward does not depend on b."),
        (Row, True, "The output of forward must have shape (5, 3), not (1, 3)."),
        (Infinite, True, "The output of forward holds NaN or infinity"),
        (Infinite, False, "The output of forward holds NaN or infinity"),
    ],
)
def test_forward_is_compared_with_the_reference(scheme, layer, with_reference, sentence):
    mark = forward_of(scheme, layer(), with_reference)
    assert (mark.status, mark.points) == (("wrong", 0) if sentence else ("right", 2))
    assert [f.sentence.startswith(sentence) for f in mark.reasons] == [True] * bool(sentence)
    if layer is Doubled and with_reference:
        number = r"-?[\d.]+"
        row, column = (rf"\({number}, {number}, {number}, {number}\)" for _ in range(2))
        pattern = (
            rf"all elements of y differ: y\[0, 0\] is {number} and should be {number}, where "
            rf"x\[0\] is {row}, W\[:, 0\] is {column}, b\[0\] is {number}"
        )
        assert re.fullmatch(pattern, mark.reasons[0].evidence)


def test_forward_that_cannot_be_tested_alone_earns_nothing(scheme):
    (task,) = scheme().tasks
    mark = forward_mark(task, Report("Linear", [], [], ""), None, 0, outputs_of(Linear()))
    assert (mark.status, mark.points) == ("inconclusive", 0)
    (task,) = scheme(points={"forward": 2, "dx": 1}, shape=[4]).tasks
    mark = forward_mark(
        task,
        Report("Linear", [], [], ""),
        None,
        0,
        lambda points: [2 * point["x"] for point in points],
    )
    assert (mark.status, mark.points) == ("right", 2)
    (task,) = scheme(points={"forward": 2, "dx": 1, "dq": 1}).tasks
    mark = forward_mark(task, nn.check_gradients(Linear(), X), None, 0, outputs_of(Linear()))
    assert (mark.status, mark.points) == ("inconclusive", 0)
    assert "The class has no parameter q." in mark.reasons[0].sentence
    (task,) = scheme(points={"dx": 1}).tasks
    assert forward_mark(task, Report("Linear", [], [], ""), None, 0, outputs_of(Linear())) is None


def test_the_input_may_have_another_name(scheme):
    (task,) = scheme().tasks
    report = nn.check_gradients(Linear(), X)
    renamed = [dataclasses.replace(report.arrays[0], name="inputs"), *report.arrays[1:]]
    asked = []

    def ask(points):
        asked.extend(points)
        return outputs_of(Linear())([{**point, "x": point["inputs"]} for point in points])

    report = dataclasses.replace(report, arrays=renamed)
    assert forward_mark(task, report, None, 0, ask).status == "right"
    assert set(asked[0]) == {"inputs", "W", "b"}
    assert statuses(grade_task(task, report, None)) == {"forward": "not reached"}


# -- the tables ----------------------------------------------------------------------------------


def a_grade(scheme, name="ann", problem=None):
    (task,) = scheme.tasks
    marks = (
        ended(task, problem)
        if problem
        else grade_task(task, nn.check_gradients(Linear(), X), Mark("forward", 2, 2, "right"))
    )
    return Grade(name, f"{name}.py", (marks,))


def test_rows_are_written_and_read_in_order(scheme, tmp_path):
    read = scheme()
    rows = [tables.row_of(a_grade(read, name)) for name in ("zoe", "=cmd()", "ann, the first")]
    path = tmp_path / "grades.csv"
    tables.write_rows(path, read, rows)
    lines = path.read_text().splitlines()
    assert lines[0] == "name,file,points,of,forward,dx,dW,db,contract,mistakes"
    assert lines[1] == "'=cmd(),'=cmd().py,11,11,2,3,3,2,1,"  # no formula in a spreadsheet
    assert tables.read_rows(path, read) == sorted(rows, key=lambda row: row.name)


def test_a_line_that_was_cut_off_is_left_out(scheme, tmp_path):
    read, path = scheme(), tmp_path / "grades.csv"
    tables.write_rows(path, read, [tables.row_of(a_grade(read, name)) for name in "ab"])
    whole = path.read_text()
    for text, names in ((whole[:-1], ["a"]), (whole + "c,c.py,11", ["a", "b"]), ("", [])):
        path.write_text(text)
        assert [row.name for row in tables.read_rows(path, read)] == names


def test_the_rows_of_another_scheme_are_not_continued(scheme, tmp_path):
    read, path = scheme(), tmp_path / "grades.csv"
    tables.write_rows(path, read, [tables.row_of(a_grade(read))])
    with pytest.raises(tables.CsvError, match="written with another scheme: its columns are name,"):
        tables.read_rows(path, scheme(points={"dx": 1}))
    with pytest.raises(tables.CsvError, match="'11' of '11' points for ann, and the scheme has 12"):
        tables.read_rows(path, scheme(points={**POINTS, "contract": 2}))
    path.write_text(f"{'x' * 2000}\n")
    with pytest.raises(tables.CsvError) as long:
        tables.read_rows(path, read)
    assert len(str(long.value)) < 1000
    path.write_text(f"{'x' * 200_000}\n")
    with pytest.raises(tables.CsvError, match=r"is no table in CSV .*: name another --csv"):
        tables.read_rows(path, read)


def test_the_results_for_gradescope(scheme):
    good = tables.results(a_grade(scheme()))
    assert (good["score"], len(good["tests"])) == (11, 5)
    assert good["output"] == "11 of 11 points. Everything is right."
    assert good["tests"][1] == {
        "name": "dx", "score": 3, "max_score": 3, "status": "passed", "output": "Right.",
        "output_format": "text",
    }  # fmt: skip
    problem = Finding("no_class", "The file defines no class Linear.", "it has Layer")
    hangs = Finding("hangs", "Timed out after 20 s. Allow more with --timeout.", "in line 3")
    assert "--timeout" not in json.dumps(tables.results(a_grade(scheme(), problem=hangs)))
    bad = tables.results(a_grade(scheme(), problem=problem))
    assert bad["score"] == 0
    assert {test["status"] for test in bad["tests"]} == {"failed"}
    for test in bad["tests"]:
        assert "no class Linear" in test["output"]
        assert "Call your class Linear" in test["output"]


# -- the pages -----------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The tags and the text of a page; every tag is closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


NASTY = "<script>alert(1)</script><img src=x onerror=alert(1)>&'\""


@pytest.mark.parametrize("kind", [None, *sorted(ENDED), "grader", "anything"])
def test_every_page_says_what_to_do_and_runs_nothing(scheme, kind):
    problem = Finding(kind, f"Something is wrong. {NASTY}", NASTY) if kind else None
    grade = a_grade(scheme(title=NASTY), NASTY, problem)
    text = pages.page(grade, scheme(title=NASTY))
    page = Elements(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe"})
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert NASTY in page.text
    if kind is None:
        assert page.text.index("What is right") < page.text.index("Everything is right")
    else:
        assert "What to do" in page.text
        assert text.count("<li>") >= 1
        assert "0 of 11 points" in page.text


def test_every_way_to_end_has_a_title_and_steps():
    assert set(TITLES) >= ENDED
    assert set(STEPS) >= ENDED


def test_a_cell_that_fails_is_no_other_name_of_the_class(scheme):
    evidence = "Cell 3 failed: IndentationError: expected an indented block, line 2"
    problem = Finding("no_class", "The file defines no class Linear.", evidence)
    text = Elements(pages.page(a_grade(scheme(), problem=problem), scheme())).text
    assert "A cell of your notebook fails" in text
    assert "Cell 3 failed" in text
    assert "was not found" not in text


def test_a_page_shows_what_is_right_first(scheme):
    class Sign(Linear):
        def backward(self, dy, x):
            return -super().backward(dy, x)

    task = graded(scheme, Sign(), Mark("forward", 2, 2, "right"))
    page = Elements(pages.page(Grade("ann", "ann.py", (task,)), scheme()))
    order = [
        "8 of 11 points", "What is right", "forward runs, and its output depends on",
        "dW agrees with the numerical derivative.", "What to do", "dx: wrong",
        "dx has the wrong sign.", "Marks", "The numbers of the check", "Check it at home",
        "python -m nngan.gradcheck ann.py:Sign",
    ]  # fmt: skip
    places = [page.text.index(text) for text in order]
    assert places == sorted(places)


def test_the_command_for_home_is_the_same_check(scheme):
    read = scheme(args={"n_in": 4, "kind": "a b"}, shape=[3, 8, 8], accumulate=False)
    (task,) = read.tasks
    grade = Grade("ann", "ann/my layer.py", (ended(task, Finding("hangs", "")),))
    line = (
        "python -m nngan.gradcheck 'my layer.py:Linear' --args n_in=4 'kind=\"a b\"' --shape 3,8,8"
    )
    assert f"{line} --overwrite" in Elements(pages.page(grade, read)).text
    options = gradcheck_parser().parse_args(shlex.split(line)[3:])
    assert (options.shape, dict(options.args)) == ((3, 8, 8), {"n_in": 4, "kind": "a b"})


def test_a_page_is_in_the_words_of_a_student(scheme):
    read = scheme()
    (task,) = read.tasks
    notes = (
        Finding("input", "x has shape (5, 4); its width comes from n_in.", "", False),
        Finding("style", "Created as A(n=4), guessed by name. --args n=V changes that.", "", False),
        Finding("names", "W is called weights here.", "", False),
    )
    report = report_of(Finding("overwrites", "Add to dW (+=), because G learns. Do."), *notes)
    marks = grade_task(task, report, Mark("forward", 2, 2, "not reached"))
    text = Elements(pages.page(Grade("ann", "ann.py", (marks,)), read)).text
    assert "Add to dW (+=). Do." in text
    assert "W is called weights here." in text
    assert "x has shape" not in text
    assert "Created as A(n=4), guessed by name." in text
    assert "--args n=V" not in text
    assert "It counts once the above is right." in text
    problem = Finding("contract", "The dx of backward must be an array, got None.")
    text = Elements(pages.page(Grade("ann", "ann.py", (ended(task, problem),)), read)).text
    assert "backward returns nothing: is `return dx` missing?" in text
    assert "They count once the above is right." in text


def test_the_check_at_home_does_not_compare_forward(scheme, tmp_path):
    (tmp_path / "reference.py").write_text(examples.RIGHT)
    sentence = "check of the gradients yourself, any number of times; it does not compare forward"
    for keys, is_there in (({"reference": "reference.py"}, True), ({}, False)):
        read = scheme(**keys)
        grade = Grade("ann", "ann.py", (ended(read.tasks[0], Finding("hangs", "")),))
        assert (sentence in Elements(pages.page(grade, read)).text) is is_there


def test_the_index_links_to_every_page(scheme, tmp_path):
    names = ["ann lee", "bob#1", "c%d", "zoë"]
    read = scheme()
    rows = [tables.row_of(a_grade(read, name)) for name in names]
    for name in names:
        pages.write_page(a_grade(read, name), read, pages.page_path(tmp_path, name))
    write_index(tmp_path / "index.html", read, rows)
    page = Elements((tmp_path / "index.html").read_text(encoding="utf-8"))
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert len(links) == 4
    for link in links:
        assert not set(link) & set("# ")
        assert (tmp_path / unquote(link)).is_file()


def test_the_index_explains_each_mistake_and_counts_each_part(scheme):
    parts = (["2", "3", "3", "2", "1"], ["0", "3", "0", "2", "1"], ["0", "3", "3", "2", "0"])
    rows = [
        tables.Row(f"s{i}", f"s{i}.py", "11" if i == 0 else "6", "11", part, kinds)
        for i, (part, kinds) in enumerate(zip(parts, ("", "sign", "sign forward"), strict=True))
    ]
    text = " ".join(re.sub(r"<[^>]*>", " ", index(scheme(), rows)).split())
    assert f"2 sign {WORDS['sign']} 1 forward {WORDS['forward']}" in text
    assert "right 33% 33% 100% 67% 100% 67% s0 11" in text


def test_every_mistake_has_words():
    package = Path(nn.__file__).parent
    files = [
        *(package / "gradcheck").rglob("*.py"),
        *(package / "commands" / "grading").glob("*.py"),
    ]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    calls = r"(?:Finding|find|unrecognised)\(\s*\"([a-z_]+)\""
    notes = {"as_asked", "float32", "hidden", "input", "kink", "names", "style"}
    assert set(re.findall(calls, source)) - notes <= set(WORDS)
    assert {"sign", "path", "overwrites", "forward"} <= set(re.findall(calls, source))
    assert {*ENDED, *CONTRACT, *INCONCLUSIVE} <= set(WORDS)


# -- the command, on processes -------------------------------------------------------------------


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """Grade ten submissions once; return the folder, the output and what was expected."""
    folder = tmp_path_factory.mktemp("class")
    cases = examples.ten()
    examples.write(cases, folder)
    line = "nngan grade submissions --scheme scheme.json --csv grades.csv --html reports"
    line += " --json results --timeout 100 --jobs 2"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", *line.split()],
        cwd=folder, capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout, cases


def check_rows(folder, cases):
    """Compare every mark of a CSV file with those that the submissions deserve."""
    rows = list(csv.DictReader((folder / "grades.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == sorted(cases)
    for row in rows:
        case = cases[row["name"]]
        got = {part: float(row[part]) for part in examples.POINTS}
        wanted = {part: n * (part in case.right) for part, n in examples.POINTS.items()}
        assert got == wanted, row
        assert set(case.kinds) <= set(row["mistakes"].split()), row
        assert (row["points"], row["of"]) == (str(case.points), "11")
        assert bool(row["mistakes"]) == (case.points < 11)


def test_the_marks_of_ten(ten):
    folder, out, cases = ten
    check_rows(folder, cases)
    *rows, _, summary, _, _, _ = out.splitlines()
    assert sorted(row.split()[0] for row in rows) == sorted(cases)
    mean = sum(case.points for case in cases.values()) / 10
    marks = rf"mean {mean:.1f} of 11, 2 with all points\."
    assert re.match(rf"10 submissions graded in \d+ s: {marks}", summary)


def test_ten_have_a_page_and_results_each(ten):
    folder, _, cases = ten
    assert {path.stem for path in (folder / "reports" / "students").iterdir()} == set(cases)
    for name, case in cases.items():
        page = Elements((folder / "reports" / "students" / f"{name}.html").read_text("utf-8"))
        assert f"{case.points} of 11 points" in page.text
        assert ("What is right" in page.text) == bool(case.right)
        assert ("What to do" in page.text) == (case.points < 11)
        results = json.loads((folder / "results" / f"{name}.json").read_text())
        assert results["score"] == case.points
        assert sum(test["score"] for test in results["tests"]) == case.points
    assert "line 6" in (folder / "reports" / "students" / "parse_colon.html").read_text("utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of the memory is Linux's")
def test_a_memory_hog_and_a_wrong_name(run, tmp_path):
    cases = {"hog": examples.MEMORIES["memory_init"]}
    examples.write(cases, tmp_path)
    (tmp_path / "submissions" / "name.py").write_text(examples.RIGHT.replace("Linear", "Layer"))
    words = "submissions --scheme scheme.json --csv grades.csv --html reports --memory 600"
    status, out, err = run(*words.split())
    assert (status, err) == (0, "")
    assert re.search(r"^hog +0 of 11 +memory$", out, re.M)
    assert re.search(r"^name +0 of 11 +no_class$", out, re.M)
    page = (tmp_path / "reports" / "students" / "hog.html").read_text("utf-8")
    assert "needs too much memory" in page
    assert "line " in page
    page = (tmp_path / "reports" / "students" / "name.html").read_text("utf-8")
    assert "Call your class Linear" in page
    assert "Layer" in page


def test_one_file_and_one_results_json(run, tmp_path):
    examples.write({"ann": examples.RIGHTS["right"]}, tmp_path)
    status, out, err = run(
        "submissions/ann.py", "--scheme", "scheme.json", "--json", "results.json"
    )
    assert (status, err) == (0, "")
    assert json.loads(Path("results.json").read_text())["score"] == 11
    assert "1 submission graded in" in out


def test_functions_and_two_tasks_with_arguments(run, tmp_path):
    """A scheme may ask for functions, and for a class that takes arguments."""
    right = (
        "import numpy as np\n\n\ndef affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n\n\n"
        "def affine_backward(dout, cache):\n    x, w = cache\n"
        "    return dout @ w.T, x.T @ dout, dout.sum(axis=0)\n\n\n"
    ) + examples.RIGHT.partition("\n\n\n")[2].replace("n_in=4, n_out=3", "n_in, n_out")
    (tmp_path / "reference.py").write_text(right)
    (tmp_path / "class").mkdir()
    wrong = right.replace("x.T @ dout", "-x.T @ dout").replace("(x, w, b)", "(inputs, w, b)")
    wrong = wrong.replace("return x @ w + b, (x, w)", "return inputs @ w + b, (inputs, w)")
    for name, source in (("ann", right), ("bob", wrong)):
        (tmp_path / "class" / f"{name}.py").write_text(source)
    points = {"forward": 1, "dx": 1, "dw": 1, "db": 1}
    args = {"n_in": 4, "n_out": 3}
    tasks = [
        {"class": "affine", "points": points, "reference": "reference.py"},
        {"class": "Linear", "points": {"forward": 1, "dW": 1}, "args": args},
    ]
    (tmp_path / "scheme.json").write_text(json.dumps({"tasks": tasks}))
    status, _, err = run("class", "--scheme", "scheme.json", "--csv", "grades.csv")
    assert (status, err) == (0, "")
    assert Path("grades.csv").read_text().splitlines() == [
        "name,file,points,of,affine.forward,affine.dx,affine.dw,affine.db,Linear.forward,Linear.dW,"
        "mistakes",
        "ann,ann.py,6,6,1,1,1,1,1,1,",
        "bob,bob.py,5,6,1,1,0,1,1,1,sign",
    ]


STATE = examples.changed(
    ("self.b, x\n", "self.b\n"),
    ("return x @", "self.x = x\n        return x @"),
    ("(self, dy, cache)", "(self, dy)"),
    ("x = cache", "x = self.x"),
)
FLAT = examples.changed(
    ("np.zeros(n_out)", "np.zeros((1, n_out))"), ("sum(axis=0)", "sum(axis=0, keepdims=True)")
)
OWN = re.sub(
    r"\bself\.(d?)W\b",
    r"self.\1weights",
    re.sub(r"\bself\.(d?)b\b", r"self.\1bias", examples.RIGHT),
)
TURNED = (
    OWN.replace("randn(n_in, n_out)", "randn(n_out, n_in)")
    .replace("x @ self.weights", "x @ self.weights.T")
    .replace("x.T @ dy", "dy.T @ x")
    .replace("dy @ self.weights.T", "dy @ self.weights")
)
ALIKE = "import numpy as np\n\n\nclass Linear:\n" + (
    "    def __init__(self):\n"
    "        self.NAME, self.OTHER = np.ones(4), np.ones(4)\n"
    "        self.dNAME, self.dOTHER = np.zeros(4), np.zeros(4)\n\n"
    "    def forward(self, x):\n"
    "        return x * self.NAME + self.OTHER, x\n\n"
    "    def backward(self, dy, x):\n"
    "        self.dNAME += (dy * x).sum(axis=0)\n"
    "        self.dOTHER += dy.sum(axis=0)\n"
    "        return dy * self.NAME\n"
)


def graded_file(run, tmp_path, source, reference=examples.RIGHT, **keys):
    """Grade one file with the scheme of Linear; return the marks by part, and the page."""
    (tmp_path / "reference.py").write_text(reference)
    content = {**examples.SCHEME, **keys}
    (tmp_path / "scheme.json").write_text(json.dumps(content))
    (tmp_path / "ann.py").write_text(source)
    status, _, err = run("ann.py", "--scheme", "scheme.json", "--json", "r.json", "--html", "h")
    assert (status, err) == (0, "")
    tests = json.loads((tmp_path / "r.json").read_text())["tests"]
    lost = {test["name"]: test["output"] for test in tests if test["status"] == "failed"}
    return lost, (tmp_path / "h" / "students" / "ann.html").read_text(encoding="utf-8")


def test_state_in_self_where_the_sheet_asks_for_a_cache(run, tmp_path):
    lost, _ = graded_file(run, tmp_path, STATE, style="ours")
    assert list(lost) == ["contract"]
    assert "your style: state kept in self" in lost["contract"]
    lost, _ = graded_file(run, tmp_path, STATE)
    assert lost == {}


def test_a_bias_of_one_row_is_the_same_bias(run, tmp_path):
    lost, _ = graded_file(run, tmp_path, FLAT)
    assert lost == {}


@pytest.mark.parametrize("source", [OWN, TURNED], ids=["own", "turned"])
def test_own_names_of_parameters_that_their_shapes_tell_apart(run, tmp_path, source):
    lost, page = graded_file(run, tmp_path, source)
    assert lost == {}
    assert "W is called weights here." in page
    assert "b is called bias here." in page


def test_own_names_where_the_scheme_is_strict_or_shapes_are_alike(run, tmp_path):
    lost, _ = graded_file(run, tmp_path, OWN, names=True)
    assert list(lost) == ["forward", "dW", "db"]
    assert "The sheet asks for W of shape (4, 3) and b of shape (3,)" in lost["forward"]
    reference = ALIKE.replace("NAME", "W").replace("OTHER", "b")
    source = ALIKE.replace("NAME", "u").replace("OTHER", "v")
    lost, _ = graded_file(run, tmp_path, source, reference, shape=[4])
    assert list(lost) == ["forward", "dW", "db"]
    assert "give your parameters these names" in lost["forward"]
    assert "There is no dW: keep the parameter W and its gradient dW" in lost["dW"]


def test_a_failure_of_the_grader_itself_is_one_students_page(scheme, monkeypatch, tmp_path):
    def fail(*_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(command.remote, "check_file", fail)
    (tmp_path / "ann.py").write_text("")
    read = scheme()
    grader = command.Grader(read, [None], 0, 1.0, 500)
    (each,) = find_submissions(tmp_path / "ann.py", read)
    grade = grader.grade(each)
    assert (grade.points, grade.kinds) == (0, ["grader"])
    assert "a mistake of ours" in pages.page(grade, read)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nowhere", "there is no folder nowhere"),
        ("submissions --resume", "--resume needs --csv FILE.csv, the rows of the earlier run"),
        ("submissions --csv there.csv", "there.csv exists: add --resume to go on with it, or name "
         "another file"),
        ("submissions --csv there.csv --resume", "there.csv was written with another scheme: its "
         "columns are a, b; name another --csv, or grade with the scheme of before"),
        ("submissions --json r.json", "--json r.json is for one student, and there are 2: name a "
         "folder"),
        ("submissions --scheme no.json", "the scheme no.json cannot be read: No such file or "
         "directory"),
        ("submissions --jobs 0", "argument --jobs: must be a whole number from 1 to 1024, got '0'"),
        ("submissions --memory 3", "argument --memory: must be a whole number from 64 to 1000000, "
         "got '3'"),
        ("empty", "empty has no file and no folder of a student"),
        ("submissions --scheme wrong.json", "the reference wrong.py:PReLU is not right itself:\n"),
        ("submissions --scheme lacks.json", 'the reference right.py:Linear has no part "dq": it '
         "has dx, dW, db"),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_is_said_before_the_first(run, tmp_path, words, sentence):
    for folder in ("submissions", "empty"):
        (tmp_path / folder).mkdir()
    for name in ("ann", "bob"):
        (tmp_path / "submissions" / f"{name}.py").write_text("")
    (tmp_path / "there.csv").write_text("a,b\n")
    (tmp_path / "wrong.py").write_text(examples.WRONGS["sign"].source.replace("Linear", "PReLU"))
    (tmp_path / "right.py").write_text(examples.RIGHT)
    content = {"class": "PReLU", "points": {"dx": 1}, "reference": "wrong.py"}
    (tmp_path / "wrong.json").write_text(json.dumps(content))
    content = {"class": "Linear", "points": {"dq": 1}, "reference": "right.py"}
    (tmp_path / "lacks.json").write_text(json.dumps(content))
    status, out, err = run(*words.split())
    assert (status, out) == (2, "")
    assert err.startswith(f"nngan grade: error: {sentence}")
    if not sentence.endswith("\n"):
        assert err == f"nngan grade: error: {sentence}\n"


def test_a_reference_that_sets_its_gradients_needs_a_key_of_the_scheme(run, tmp_path):
    source = examples.RIGHT.replace("self.dW +=", "self.dW =").replace("self.db +=", "self.db =")
    examples.write({"ann": examples.Case(source)}, tmp_path)
    (tmp_path / "reference.py").write_text(source)
    for accumulate, expected in ((None, 2), (False, 0)):
        content = json.dumps({**examples.SCHEME, "accumulate": accumulate})
        (tmp_path / "scheme.json").write_text(content)
        status, _, err = run("submissions", "--scheme", "scheme.json")
        assert status == expected
        assert ('Write "accumulate": false into the scheme' in err) is (expected == 2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send on Windows")
def test_ctrl_c_loses_no_row_and_resume_goes_on(tmp_path):
    cases = {"ann": examples.RIGHTS["right"], "bob": examples.HANGS["hang_import"]}
    examples.write(cases, tmp_path)
    line = "nngan grade submissions --scheme scheme.json --csv grades.csv --html reports --jobs 1"
    words = [sys.executable, "-m", *line.split()]
    with subprocess.Popen(
        [*words, "--timeout", "3000"], cwd=tmp_path, text=True, env={**os.environ},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline().split() == ["ann", "11", "of", "11"]
        row = (tmp_path / "grades.csv").read_text().splitlines()[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130  # it does not wait for the one that hangs
        assert process.stderr.read() == (
            "\nStopped: 1 of 2 submissions are graded.\n"
            "grades.csv has their rows. Go on with the same command and --resume.\n"
        )
    assert row == "ann,ann.py,11,11,2,3,3,2,1,"
    assert (tmp_path / "grades.csv").read_text().splitlines()[1:] == [row]
    page = tmp_path / "reports" / "students" / "ann.html"
    before = page.stat().st_mtime_ns
    for seconds in (2, 20, 100):  # a busy machine needs more for the reference
        line = [*words, "--resume", "--timeout", str(seconds)]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
        if done.returncode == 0:
            break
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bob ")
    assert page.stat().st_mtime_ns == before
    lines = (tmp_path / "grades.csv").read_text().splitlines()
    assert lines[1:] == [row, "bob,bob.py,0,11,0,0,0,0,0,hangs"]
    text = page.with_name("bob.html").read_text("utf-8")
    assert "It was ended, because it took too long" in text
    assert re.search(r"bob\.py, line \d+, in &lt;module&gt;", text)
    assert "--timeout" not in text
    assert "2 submissions" in (tmp_path / "reports" / "index.html").read_text("utf-8")


def test_a_student_without_a_page_or_with_a_failure_of_ours_is_graded_again(scheme, tmp_path):
    row = tables.row_of(a_grade(scheme()))
    places = {"ann": tmp_path / "ann.json"}
    assert command._is_complete(row, None, {})
    assert not command._is_complete(row, None, places)
    places["ann"].write_text("")
    assert command._is_complete(row, None, places)
    assert not command._is_complete(row, tmp_path, places)
    ours = Finding("cannot_start", "The process cannot start.")
    row = tables.row_of(a_grade(scheme(), problem=ours))
    assert not command._is_complete(row, None, {})
    assert command._summary([row], 1.0).endswith(
        "The grader failed on ann: try these again with --resume."
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of the memory is Linux's")
def test_a_hundred_submissions_in_five_minutes_on_two_cores(tmp_path):
    cases = examples.a_hundred()
    assert len(cases) == 100
    examples.write(cases, tmp_path)
    line = "nngan grade submissions --scheme scheme.json --csv grades.csv --html reports"
    line += " --json results --memory 1024 --jobs 2"
    begin = os.times()
    done = subprocess.run(
        [sys.executable, "-m", *line.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    end = os.times()
    used = end.children_user + end.children_system - begin.children_user - begin.children_system
    assert used / 2 + 50 < 300  # on two cores, of which the five that hang take 20 s each
    check_rows(tmp_path, cases)
    for name in cases:
        page = Elements((tmp_path / "reports" / "students" / f"{name}.html").read_text("utf-8"))
        assert "What" in page.text
