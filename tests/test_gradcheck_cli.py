"""The command line of the gradient checker, on files that do anything."""

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from processes import LIMIT, wait_for
from right_linear import SOURCE as RIGHT

from nngan.gradcheck.__main__ import main

PAGE = Path(__file__).parents[1] / "docs" / "gradcheck.md"

PATIENT = ["--timeout", "100"]  # for what takes less than a second on a quiet machine
WRONG = RIGHT.replace("return dy @", "return -dy @")
TWICE = """
class Twice:
    def forward(self, x):
        return 2 * x, None

    def backward(self, dy, cache):
        return 2 * dy
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capfd):
    """Write a file, check it in this process, return exit status, output and error output."""
    monkeypatch.chdir(tmp_path)

    def run(source, *options, target="layer.py"):
        Path("layer.py").write_text(source, encoding="utf-8")
        patient = [] if "--timeout" in options else PATIENT
        try:
            status = main([target, *patient, *map(str, options)])
        except SystemExit as stop:
            status = stop.code
        return status, *capfd.readouterr()

    return run


def command(*arguments, **options):
    """Run ``python -m nngan.gradcheck`` in a process of its own."""
    line = [sys.executable, "-W", "error", "-m", "nngan.gradcheck", *PATIENT, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=LIMIT, **options)


# -- verdicts ---------------------------------------------------------------------------------


def test_a_right_class_in_a_path_with_spaces_that_imports_a_neighbour(tmp_path):
    folder = tmp_path / "home work"
    folder.mkdir()
    (folder / "neighbour.py").write_text("import nngan\n" + WRONG)
    (folder / "my layer.py").write_text(
        "import abc\nfrom dataclasses import dataclass\n"
        "from neighbour import Linear\n"  # wrong, but not defined in this file
        "from nngan import Tanh\n" + TWICE + "class Helper:\n    def backward(self): pass\n"
        "class Base(abc.ABC):\n    backward = None\n"
        "    @abc.abstractmethod\n    def forward(self, x): pass\n"
        '@dataclass\nclass Thrice:\n    n: "float" = 3.0\n'  # needs its module to be known
        "    def forward(self, x): return self.n * x, None\n"
        "    def backward(self, dy, cache): return self.n * dy\n"
        "def typed(n: int): ...\nassert typed.__annotations__['n'] is int\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = command(folder / "my layer.py", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^(\w+): gradients (.*)$", done.stdout, re.M) == [
        ("Twice", "agree"),
        ("Thrice", "agree"),
    ]
    assert done.stdout.endswith("\n\n2 classes checked: 2 right, 0 wrong.\n")
    assert sorted(p.name for p in folder.iterdir()) == ["my layer.py", "neighbour.py"]


def test_a_wrong_class_on_a_terminal_without_its_alphabet(tmp_path):
    (tmp_path / "layer.py").write_text(WRONG.replace("Linear", "Слой"), encoding="utf-8")
    done = command("layer.py", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(r"\u0421\u043b\u043e\u0439: gradients are WRONG")
    assert done.stdout.endswith("\n\n1 class checked: 0 right, 1 wrong.\n")


def test_one_wrong_class_of_two_decides(check):
    status, out, err = check(WRONG + TWICE)
    assert (status, err) == (1, "")
    assert "Linear: gradients are WRONG" in out
    assert "Twice: gradients agree" in out
    assert out.endswith("2 classes checked: 1 right, 1 wrong.\n")


def test_a_class_can_be_chosen(check):
    status, out, _ = check(WRONG + TWICE, target="layer.py:Twice")
    assert status == 0
    assert "Linear" not in out
    assert out.endswith("1 class checked: 1 right, 0 wrong.\n")


def test_a_class_can_be_chosen_by_an_option(check):
    status, out, _ = check(WRONG + TWICE, "--class", "Twice")
    assert (status, "Linear" in out) == (0, False)
    assert check(WRONG + TWICE, "--class", "Twice", target="layer.py:Twice")[0] == 2
    assert check(WRONG + TWICE, "--class", "Two words")[0] == 2


@pytest.mark.parametrize(
    ("parts", "missing"),
    [("W,b", ""), ("dW, db", ""), ("x", ""), ("W,gamma", "gamma"), ("slope", "slope")],
)
def test_parts_must_be_there(check, parts, missing):
    source = RIGHT.replace("class Linear:", "class Linear:\n    slope = 1.0").replace(
        "x @ self.W +", "self.slope * x @ self.W +"
    )
    status, out, _ = check(source, "--parts", parts)
    assert status == (1 if missing else 0)
    assert (f"-> {missing} is a part of this exercise" in out) == bool(missing)
    assert "constant: slope = 1, not compared" in out


def test_what_could_not_be_checked_is_counted(check):
    constant = "import numpy\nclass Twice:\n    two = numpy.full(4, 2.0)"
    status, out, _ = check(TWICE.replace("2 *", "self.two *").replace("class Twice:", constant))
    assert status == 1
    assert out.startswith("Twice: not everything could be checked\n")
    assert out.endswith("1 class checked: 0 right, 0 wrong, 1 not fully.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory")
def test_memory_is_limited(check):
    body = "np.ones(10**9); return x @"
    status, out, _ = check(RIGHT.replace("return x @", body), "--memory", 300)
    assert status == 1
    assert "It needs more memory than it may have. Allow more with --memory. [memory]" in out
    status, _, err = check(RIGHT + "np.ones(10**9)", "--memory", 300)
    assert status == 2
    assert "layer.py cannot be imported: It needs more memory than it may have." in err


@pytest.mark.parametrize(
    ("source", "options", "shape"),
    [
        (RIGHT.replace("self.b =", "self.n_in = 'three'; self.b ="), (), "(5, 3)"),
        (RIGHT.replace("n_in=3", "n_in=5"), (), "(7, 5)"),  # not square
        (TWICE, ("--width", 6, "--batch", 2), "(2, 6)"),
    ],
)
def test_the_shape_of_the_input(check, source, options, shape):
    status, out, _ = check(source, *options)
    assert status == 0
    assert re.search(rf"dx +{re.escape(shape)}", out)


def test_n_in_goes_before_W_and_width_before_both(check):
    transposed = RIGHT.replace("(n_in, n_out)", "(n_out, n_in)").replace("self.W +", "self.W.T +")
    transposed = transposed.replace("x.T @ dy", "dy.T @ x").replace("self.W.T\n", "self.W\n")
    status, out, _ = check(transposed, "--width", 2)
    assert status == 1
    assert "x has shape (5, 2); its width comes from --shape. --width N changes it." in out
    assert check(transposed, "--width", 3)[0] == 0
    assert check(transposed)[0] == 0  # W.shape[0] does not fit, W.shape[1] does
    assert check(transposed.replace("self.b =", "self.n_in = np.int64(n_in); self.b ="))[0] == 0


def test_overwriting_is_wrong_unless_it_is_asked_for(check):
    overwrites = RIGHT.replace("+=", "=")
    assert check(overwrites)[0] == 1
    assert check(overwrites, "--overwrite")[0] == 0
    assert check(RIGHT, "--overwrite")[0] == 1


def test_a_gradient_never_written_counts_as_wrong(check):
    forgets = RIGHT.replace("self.dW +=", "self.gradient_of_W =")
    status, out, _ = check(forgets.replace("self.dW,", "_,"))
    assert status == 1
    assert re.search(r"-> W .*\bdW\b", out)
    two = "class Twice:\n    two = 2.0"  # a number is a constant
    assert check(TWICE.replace("2 *", "self.two *").replace("class Twice:", two))[0] == 0
    # An array of the class may be a parameter; one that forward makes is a constant.
    twos = "import numpy\nclass Twice:\n    twos = numpy.full(4, 2.0)"
    status, out, _ = check(TWICE.replace("2 *", "self.twos *").replace("class Twice:", twos))
    assert status == 1
    assert "[unchecked]" in out
    constant = "import numpy\nclass Twice:"
    inside = TWICE.replace("2 *", "numpy.full(4, 2.0) *").replace("class Twice:", constant)
    assert check(inside)[0] == 0


def test_the_seed_decides_everything_and_thorough_compares_elements(check):
    _, first, _ = check(RIGHT, "--seed", 0)
    assert check(RIGHT)[1] == first
    assert check(RIGHT, "--seed", 1)[1] != first
    assert check(RIGHT, "--seed", 2**32 - 1)[0] == 0
    assert check(RIGHT, "--thorough")[1] != first


def test_parameters_that_start_at_one_hide_nothing(check):
    scale = """
import numpy as np

class Scale:
    def __init__(self):
        self.g, self.dg = np.ones(4), np.zeros(4)

    def forward(self, x):
        return x * self.g, x

    def backward(self, dy, x):
        self.dg += (x * dy).sum(axis=0)
        return dy
"""
    status, out, _ = check(scale)
    assert status == 1
    assert "Seen only at random values of g: the initial values hide it." in out
    assert check(scale.replace("return dy", "return dy * self.g"))[0] == 0


def test_a_parameter_may_have_a_domain(check):
    status, out, _ = check("""
import numpy as np

class Root:
    def __init__(self):
        self.g, self.dg = np.full(4, 0.01), np.zeros(4)

    def forward(self, x):
        assert (self.g > 0).all()
        return x * np.sqrt(self.g), x

    def backward(self, dy, x):
        self.dg += (x * dy).sum(axis=0) / (2 * np.sqrt(self.g))
        return dy * np.sqrt(self.g)
""")
    assert (status, "hide" in out) == (0, False)


# -- classes that misbehave: a diagnosis each, and the others are still checked ------------------

MISBEHAVING = {
    "Arguments": ("def __init__(self, wobble): pass", ["--args wobble=VALUE", "give it a default"]),
    "InsideConstructor": (
        "def __init__(self): np.linalg.inv(1)",
        [
            "LinAlgError",
            "at layer.py, line ",
            ", in __init__: def __init__(self): np.linalg.inv(1)",
        ],
    ),
    "TypeErrorInside": ("def __init__(self): len(3)", ["TypeError", "int", "at layer.py"]),
    "Raises": ("def forward(self, x): return undefined, x", ["NameError", "'undefined'"]),
    "RaisesInBackward": ("def backward(self, dy, x): return dy / [], x", ["backward", "Error"]),
    "Exits": ("def __init__(self): raise SystemExit(0)", ["sys.exit", "SystemExit: 0"]),
    "ExitsInForward": ("def forward(self, x): raise SystemExit(0)", ["SystemExit"]),
    "Dies": ("def forward(self, x): os._exit(0)", ["os._exit", "its exit status was 0"]),
    "Asks": ("def forward(self, x): input()", ["EOFError"]),
    "Speechless": ("def __init__(self): raise Mute", ["Mute"]),
    "Nothing": ("def forward(self, x): pass", ["None"]),
    "Nonsense": ("def forward(self, x): return 'hello', 1", ["hello"]),
    "NaN": ("def forward(self, x): return x / 0 - x / 0, x", ["NaN"]),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Check all of `MISBEHAVING` in one run; return status, reports by name, and the last line."""
    file = tmp_path_factory.mktemp("misbehaving") / "layer.py"
    source = RIGHT + "\nimport os\n"
    source += "class Mute(Exception):\n    def __str__(self): return 1 / 0\n"
    for name, (body, _) in MISBEHAVING.items():
        source += f"class {name}(Linear):\n    {body}\n"
    chatty = "print('noise' * 10**6); os.write(2, b'noise'); return super().forward(x)"
    source += f"class Chatty(Linear):\n    def forward(self, x): {chatty}\n"
    file.write_text(source)
    done = command(file)
    assert done.stderr == ""
    *blocks, last = done.stdout.split("\n\n")
    return done.returncode, {block.split(":")[0]: block for block in blocks}, last


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_class_that_misbehaves_gets_a_diagnosis(reports, name):
    report = reports[1][name]
    assert report.startswith(f"{name}: gradients are WRONG\n")
    for part in MISBEHAVING[name][1]:
        assert part in report
    assert "Traceback" not in report


def test_the_others_are_still_checked_and_what_they_print_is_dropped(reports):
    status, by_name, last = reports
    assert list(by_name) == ["Linear", *MISBEHAVING, "Chatty"]
    assert "Linear: gradients agree" in by_name["Linear"]
    assert "Chatty: gradients agree" in by_name["Chatty"]
    assert last == f"{len(by_name)} classes checked: 2 right, {len(MISBEHAVING)} wrong.\n"
    assert status == 1


@pytest.mark.parametrize(
    "body",
    ["while True: pass", "sum(itertools.repeat(0))"],  # the second cannot be interrupted
)
def test_a_class_that_hangs_is_ended(check, body):
    source = f"import itertools\nclass Loop:\n    def forward(self, x):\n        {body}\n"
    source += "    def backward(self, dy, cache): pass\n"
    for seconds in (1.5, 15, 100):  # a busy machine needs more for the second class
        status, out, err = check(source + TWICE, "--timeout", seconds)
        if "Twice: gradients agree" in out:
            break
    assert (status, err) == (1, "")
    assert f"Loop: gradients are WRONG\n  -> Timed out after {seconds:g} s" in out
    assert f"after {seconds:g} s it was at layer.py, line 4, in forward: {body}" in out
    assert "Twice: gradients agree" in out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send on Windows")
def test_ctrl_c_ends_it_without_a_traceback(tmp_path):
    (tmp_path / "layer.py").write_text(
        "import pathlib\nclass Loop:\n    def backward(self, dy, cache): pass\n"
        "    def forward(self, x):\n        pathlib.Path('begun').touch()\n"
        "        while True: pass\n"
    )
    line = [sys.executable, "-m", "nngan.gradcheck", "layer.py", *PATIENT]
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=LIMIT) == (None, "")
        assert process.returncode == 130


@pytest.mark.skipif(sys.platform == "win32", reason="these are a shell's redirections")
@pytest.mark.parametrize(
    ("after", "status"),
    [("| (exec <&-; touch closed)", 1), ("> full", 1), (">&- 2>&- <&-", 0), (">&-", 0), ("<&-", 0)],
)
def test_no_stream_makes_a_traceback(tmp_path, after, status):
    (tmp_path / "layer.py").write_text(RIGHT)
    if "full" in after:
        try:
            os.mknod(tmp_path / "full", 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        except OSError:  # root alone makes one
            after = "> /dev/full"
    begin = "while [ ! -e closed ]; do sleep 0.01; done;" if "closed" in after else ""
    check = f"{begin} {sys.executable} -m nngan.gradcheck layer.py {' '.join(PATIENT)}"
    line = f"({check}; echo $? >&9) 9>status {after}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert "Traceback" not in done.stdout + done.stderr
    assert (tmp_path / "status").read_text() == f"{status}\n"


# -- files that cannot be used: one sentence, status 2 --------------------------------------------


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("a = (1,\n", {}, "layer.py cannot be imported: SyntaxError: '(' was never closed, "
         "at layer.py, line 1"),
        ("\nif 1:\na = 1\n", {}, "layer.py cannot be imported: IndentationError: expected an "
         "indented block after 'if' statement on line 2, at layer.py, line 3"),
        ("import os\n1 / 0\n", {}, "layer.py cannot be imported: ZeroDivisionError: division by "
         "zero, at layer.py, line 2, in <module>: 1 / 0"),
        ("import os\nos._exit(3)", {}, "layer.py cannot be imported: its exit status was 3"),
        ("import time\ntime.sleep(999)", {"--timeout": "2"}, "layer.py cannot be imported: after "
         "2 s it was at layer.py, line 2, in <module>: time.sleep(999)"),
        ("from nngan import Tanh\nclass A:\n  def forward(self, x): pass", {},
         "layer.py defines no class with forward and backward"),
        (TWICE, {"target": "layer.py:Linear"}, "layer.py defines no class Linear with forward and "
         "backward; it has Twice"),
        ("from nngan import Linear" + TWICE, {"target": "layer.py:Linear"}, "layer.py defines no "
         "class Linear with forward and backward; it has Twice"),
        ("", {"target": "other.py"}, "there is no file other.py"),
        ("", {"target": "."}, "there is no file ."),
        ("", {"target": "C:\\other.py:A"}, "there is no file C:\\other.py"),
        ("", {"--width": "0"},
         "argument --width: must be a whole number from 1 to 1000000, got '0'"),
        ("", {"--timeout": "nan"},
         "argument --timeout: must be a number from 0.1 to 3600.0, got 'nan'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_sentence(check, source, options, sentence):
    target = options.get("target", "layer.py")
    words = [word for pair in options.items() if pair[0] != "target" for word in pair]
    status, out, err = check(source, *words, target=target)
    assert (status, out, err) == (2, "", f"python -m nngan.gradcheck: error: {sentence}\n")


# -- the page ---------------------------------------------------------------------------------


def test_the_session_in_the_documentation_is_what_happens(check):
    """Every transcript of the page, in order, without the numbers, which differ by machine."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    source, statuses = "", []

    def words(text):
        return re.sub(r"[-+\d.e]*\d", "#", text).split()

    for kind, text in blocks:
        if kind == "python" and "class Linear" in text:
            source = text
        if kind == "diff":
            removed, added = (
                "".join(line[1:] for line in text.splitlines(True) if line[0] == sign)
                for sign in "-+"
            )
            assert source.count(removed) == 1
            source = source.replace(removed, added)
        if kind == "console":
            line, shown = text.split("\n", 1)
            assert line == "$ python -m nngan.gradcheck linear.py"
            status, out, _ = check(source)
            assert words(out) == words(shown), out
            statuses.append(status)
    assert statuses == [1, 1, 0]
