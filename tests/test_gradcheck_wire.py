"""The boundary between the checker and a submission: what a hostile process may send and do."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import numpy as np
import pytest
from processes import wait_for
from right_linear import SOURCE

from nngan.gradcheck import check_gradients
from nngan.gradcheck.process import wire
from nngan.gradcheck.process.process import Process
from nngan.gradcheck.process.remote import check_file, outputs
from nngan.gradcheck.report import Finding
from nngan.gradcheck.styles.made import Settings

LINEAR = f"import os, sys\n{SOURCE}"
OUT = "return x @ self.W + self.b, x"
WRONG = LINEAR.replace("self.dW += x", "self.dW += 5 * x")
LONG = 100.0  # seconds for what takes less than one on a quiet machine
FORWARD, BACKWARD, INIT = "        return x @", "        return dy @", "        self.W ="
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and hard limits")
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def before(at, code, source=LINEAR):
    """Insert code before a line of a method."""
    return source.replace(at, indent(code.strip("\n"), " " * 8) + "\n" + at)


@pytest.fixture
def verdict(tmp_path, monkeypatch):
    """Write a file, check it; return the report, and see that no process is left."""
    start, started = Process._start, []

    def remembered(self, theirs):
        started.append(start(self, theirs))
        return started[-1]

    monkeypatch.setattr(Process, "_start", remembered)

    def run(source, name="Linear", timeout=LONG, memory=None, **settings):
        file = tmp_path / "layer.py"
        file.write_text(source, encoding="utf-8")
        (report,) = check_file(file, name, Settings(**settings), timeout, memory)
        assert started
        assert all(process.returncode is not None for process in started)
        return report

    return run


def kinds(report):
    return [f.kind for f in report.findings]


# -- messages -------------------------------------------------------------------------------------


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "a",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6.0, dtype="f4").reshape(2, 3).T,
        np.arange(12.0).reshape(3, 4)[::-1, ::2],
        np.array(2.5),
        np.zeros((0, 3)),
        np.array([1 + 2j]),
        np.array([True, False]),
        np.array([1, -2], ">i4"),
    ],
)
def test_an_array_arrives_as_it_was_sent(pair, a):
    ours, theirs = pair
    wire.send(ours, {"n": 1}, [a, a])
    header, arrays = wire.receive(theirs)
    assert header == {"n": 1}
    for b in arrays:
        assert b.dtype == a.dtype.newbyteorder("=")
        assert b.strides == a.strides or not a.size
        assert b.flags.writeable
        np.testing.assert_array_equal(a, b)


def test_settings_arrive_as_they_are():
    value = {"a": (1, (2.5, "x")), "b": [float("inf"), None, True, {1: "y"}], "c": {}}
    assert wire.unpacked(json.loads(json.dumps(wire.packed(value)))) == value


def message(text, numbers=b"", magic=wire.MAGIC, length=None):
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return magic + struct.pack("<I", len(text) if length is None else length) + text + numbers


def arrays(*forms, **header):
    return message({**header, "arrays": list(forms)})


GARBLED = {
    "another beginning": message({"arrays": []}, magic=b"\x80\x04\x95\x00"),
    "an endless header": message({"arrays": []}, length=2**31),
    "an empty header": message(b""),
    "not JSON": message(b"hello"),
    "not UTF-8": message(b'{"a": "\xff"}'),
    "a list": message([]),
    "NaN": message(b'{"a": NaN, "arrays": []}'),
    "infinity": message(b'{"a": [-Infinity], "arrays": []}'),
    "a name twice": message(b'{"n": 1, "n": 2, "arrays": []}'),
    "a number without end": message(b'{"n": ' + b"1" * 5000 + b', "arrays": []}'),
    "nested without end": message(b"[" * 10**5),
    "no arrays": message({}),
    "arrays that are none": arrays(7),
    "an unknown type": arrays(["O8", [1], None]),
    "a type that is a list": arrays([["f8"], [1], None]),
    "a shape that is none": arrays(["f8", 3, None]),
    "a negative size": arrays(["f8", [-1], None]),
    "a broken size": arrays(["f8", [1.5], None]),
    "a size that is true": arrays(["f8", [True], None]),
    "petabytes": arrays(["f8", [2**24, 2**24], None]),
    "much in many arrays": arrays(*[["f8", [2**22], None]] * 5),
    "too many arrays": arrays(*[["f8", [0], None]] * 3000),
    "too many dimensions": arrays(["f8", [1] * 40, None]),
    "other strides": arrays(["f8", [1, 1], [1]]),
}


@pytest.mark.parametrize("name", GARBLED)
def test_what_is_no_message_is_garbled(pair, name):
    ours, theirs = pair
    ours.sendall(GARBLED[name])
    with pytest.raises(wire.Garbled):
        wire.receive(theirs, time.monotonic() + LONG)


def test_strides_do_not_reach_beyond_the_limit(pair):
    ours, theirs = pair
    ours.sendall(arrays(["f8", [2], [2**30]]) + bytes(16))
    with pytest.raises(wire.Garbled):
        wire.receive(theirs, time.monotonic() + LONG)


def test_half_a_message_ends_at_the_deadline_or_with_the_process(pair):
    ours, theirs = pair
    ours.sendall(wire.MAGIC)
    with pytest.raises(TimeoutError):
        wire.receive(theirs, time.monotonic() + 0.1)
    ours.sendall(wire.MAGIC)
    with pytest.raises(wire.Closed):
        wire.receive(theirs, time.monotonic() + 60, lambda: False)
    ours.close()
    with pytest.raises(wire.Closed):
        wire.receive(theirs)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (wire.label, ["W", "layers[0].W", "params['W1']", "größe", "[0].b", "d[('a', 1)]",
                      "d[\"it's\"].w (2)", "d['fc-1']"],
         ["", "a b", "W\n", "W: agree", "[", "[\n]", "W\x1b[2J", "params['a\x1b']",
          "a" * 300, 1, None]),
        (wire.identifier, ["Linear", "Слой"], ["a b", "a.b", "", 3, "a" * 200]),
        (wire.whole(0, 9), [0, 9], [-1, 10, True, 1.0, "1", None]),
        (wire.truth, [True, False], [0, 1, None, "true"]),
        (wire.one_of("a", "b"), ["a"], ["c", ["a"], None]),
        (wire.tuple_of(wire.truth, wire.label), [[True, "W"]], [[True], [True, "W", 1], "ab"]),
        (wire.listed(wire.truth, 2), [[], [True, False]], [[True] * 3, [1], None, {}]),
        (wire.record(a=wire.truth), [{"a": True}], [{}, {"a": 1}, {"a": True, "b": 1}, []]),
        (wire.optional(wire.truth), [None, True], [0]),
        (wire.nothing, [None], [0, False]),
        (wire.shape, [[], [2, 3]], [[2**30], ["2"], None, [-1]]),
    ],
)  # fmt: skip
def test_fields_are_checked(check, good, bad):
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(wire.Garbled):
            check(value)


@pytest.mark.parametrize("check", [wire.label, wire.said("created", "called", "mode", "input")])
@pytest.mark.parametrize(
    "text",
    ["[a]" * 60 + "!", "Created as L(" + "a=[], " * 300 + "!", "Called with " + "a=() " * 400],
)
def test_no_text_takes_long(check, text):
    begin = time.process_time()
    with pytest.raises(wire.Garbled):
        check(text)
    assert time.process_time() - begin < 1


def test_a_text_is_one_printable_line():
    assert wire.printable("a\x1b[2J\r\nLinear: gradients agree") == (
        r"a\x1b[2J Linear: gradients agree"
    )
    assert wire.printable("\u202eabc\ud800") == r"\u202eabc\ud800"
    assert len(wire.printable("a " * 10**6)) <= 300
    with pytest.raises(wire.Garbled):
        wire.text()(7)


# -- the checker on this side ----------------------------------------------------------------------


def test_a_right_class_is_right_and_a_wrong_one_is_named(verdict):
    assert verdict(LINEAR).ok
    report = verdict(WRONG)
    assert (report.ok, kinds(report)) == (False, ["factor"])


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (OUT, "x += 1; " + OUT, "writes_input"),
        ("self.dW += x.T @ dy", "self.dW += x.T @ dy; dy *= 2", "writes_input"),
        ("self.dW += x.T @ dy", "self.dW += x.T @ dy; x *= 2", "writes_input"),
        ("self.dW += x.T @ dy", "self.dW += x.T @ dy; self.W -= 1", "writes_parameters"),
        ("self.dW += x.T @ dy", "self.dW = x.T @ dy", "overwrites"),
        (OUT, "self.x = x; " + OUT, None),
        ("self.dW += x.T @ dy", "self.dW += self.x.T @ dy", "stale_cache"),
        (OUT,
         "y = getattr(self, 'y_', np.zeros((len(x), 2))); self.y_ = (y,)[0]; y[...] = x @ self.W "
         "+ self.b; return y, x", "stale_cache"),
        (OUT, "return (x @ self.W).astype('f4'), x", "float32"),
        (OUT, "return x @ self.W + np.random.randn(), x", "not_repeatable"),
        (OUT, "return x.base is None and x @ self.W or x, x", "raises"),
    ],
)  # fmt: skip
def test_what_the_passes_do_to_arrays_is_seen_from_here(verdict, old, new, kind):
    source = LINEAR.replace(old, new)
    if kind == "stale_cache" and "self.x.T" in new:
        source = source.replace(OUT, f"self.x = x; {OUT}")
    if "y_" in new:  # one buffer again and again, made for the batch
        source = source.replace("np.zeros((len(x), 2))", "np.zeros((5, 2))")
    report = verdict(source)
    assert (kind in kinds(report)) or (kind is None and report.ok), report


def test_the_outputs_of_a_submission_can_be_asked_for(tmp_path):
    file = tmp_path / "layer.py"
    file.write_text(LINEAR)
    rng = np.random.default_rng(0)
    points = [{"x": rng.normal(size=(n, 3)), "W": rng.normal(size=(3, 2))} for n in (4, 7)]
    answer = outputs(file, "Linear", Settings(), 15.0, points)
    assert [np.allclose(y, p["x"] @ p["W"]) for y, p in zip(answer, points, strict=True)] == (
        [True, True]
    )
    for name, point, kind in (
        ("Linear", {"x": np.ones((5, 3)), "V": np.ones(3)}, "no_parameter"),
        ("Linear", {"x": np.ones((5, 3)), "W": np.ones(3)}, "shape"),
        ("Linear", {"x": np.ones((5, 4))}, "raises"),
        ("Other", {"x": np.ones((5, 4))}, "no_class"),
    ):
        answer = outputs(file, name, Settings(), 15.0, [point])
        assert isinstance(answer, Finding)
        assert answer.kind == kind


# -- hostile submissions ---------------------------------------------------------------------------

# Finds the connection as a submission can: it is the only socket of the process.
TAKE = """
import json, os, socket, stat, struct, sys, threading, time
for fd in range(3, 200):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            line = socket.socket(fileno=fd)
    except OSError:
        pass
def send(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    line.sendall(b"nngc" + struct.pack("<I", len(text)) + text + numbers)
"""
# Answers every question itself, for y = x; `odd` says what is odd about its answers.
SERVER = (
    TAKE
    + """
import numpy as np
from nngan.gradcheck.process import wire

def serve(**odd):
    n, header, numbers, xs = 1, {"names": ["Linear"], "notes": [], "adapter": ""}, [], {}
    xs[1] = np.ones((5, 3))
    facts = {"layer": None, "inputs": ["x"], "parameters": [], "unseen": [], "constants": [],
             "modes": [], "is_loss": False, "has_tangent": False, "batch_axis": 0}
    while True:
        wire.send(line, {"kind": "done", "n": n, **header}, numbers)
        ask, arrays = wire.receive(line)
        n, do, one, numbers = ask["n"], ask["do"], ask.get("subject"), []
        for name in ask.get("moved", []):
            xs[one][...] = arrays.pop(0)
        if do == "make":
            numbers = [xs[1]]
            header = {"subjects": [{"subject": 1, **facts}], "accumulate": None, "notes": [],
                      "input_note": "", "others": [], "style": "a loss"}
        elif do == "copy":
            header = {"subjects": []}
            if ask["how"] != "layers":
                x = arrays[0] if ask["how"] == "inputs" else xs[one].astype(complex)
                new = max(xs) + 1
                xs[new], numbers = x.copy(), [x]
                header = {"subjects": [{"subject": new, **facts}]}
        elif do == "forward":
            numbers = [xs[one] if ask["own"] else arrays[0]]
            header = {"call": 1 if ask["keep"] else None, "changed": [False] * len(arrays),
                      "overwritten": []}
        elif do == "outputs":
            numbers = [np.repeat(xs[one][None], len(arrays[1]), 0)]
            for y, i, move in zip(numbers[0], *arrays):
                y.flat[i] += move
            header = {"is_there": [True] * len(arrays[1])}
        elif do == "backward":
            header = {"names": ["x"], "changed_dy": False, "labels": [None] * 3}
            numbers = arrays[:1]
        else:
            header = {"cache_snapshot": {"digest": ""}, "as_left": {"left": None},
                      "overflows": {"is_there": False}}[do]
        if do in odd:
            more, numbers = odd[do]
            header = {**header, **more}
"""
)
PRINTED = r"\nLinear: gradients agree\n\n1 class checked: 1 right, 0 wrong.\n"
ESCAPES = r"\x1b[2J\x1b[H" + PRINTED


def subjects(**odd):
    """Return the answer to "make", with something odd in it."""
    facts = {"subject": 1, "layer": None, "inputs": ["x"], "parameters": [], "unseen": [],
             "constants": [], "modes": [], "is_loss": False, "has_tangent": False,
             "batch_axis": 0}  # fmt: skip
    return repr({"subjects": [facts | odd]})


GARBLING = {
    "a pickle": TAKE + "import pickle\nclass Run:\n    def __reduce__(self):\n"
    "        return os.system, ('touch executed',)\nline.sendall(pickle.dumps(Run()) * 3)\n",
    "petabytes": TAKE + "send({'kind': 'done', 'n': 1, 'names': [], 'arrays': "
    "[['f8', [2**24, 2**24], None]]})\n",
    "NaN": TAKE + 'send(b\'{"kind": "done", "n": NaN, "names": [], "arrays": []}\')\n',
    "a report": TAKE + f"line.sendall(b'{PRINTED}' * 9)\n",
    "an answer to another question": TAKE + "send({'kind': 'done', 'n': 7, 'names': ['Linear'], "
    "'arrays': []})\n",
    "a verdict": TAKE + "send({'kind': 'report', 'n': 1, 'ok': True, 'arrays': []})\n",
    "names that are none": TAKE + "send({'kind': 'done', 'n': 1, 'names': ['Linear\\n'], "
    "'arrays': []})\n",
    "an answer too much": TAKE + "send({'kind': 'done', 'n': 1, 'names': ['Linear'], "
    "'arrays': []})\n" + WRONG,
    "a flood": TAKE + "def flood():\n    while True: line.sendall(b'a' * 10**6)\n"
    "threading.Thread(target=flood, daemon=True).start()\ntime.sleep(999)\n",
    "no subject": SERVER + "serve(make=({'subjects': []}, []))",
    "a label that speaks": SERVER
    + f"serve(make=({subjects(parameters=['W: agree'])}, [np.ones((5, 3))] * 2))",
    "one label twice": SERVER
    + f"serve(make=({subjects(parameters=['x'])}, [np.ones((5, 3))] * 2))",
    "no array for a label": SERVER + f"serve(make=({subjects(parameters=['W'])}, [np.ones(3)]))",
    "another gradient": SERVER + "serve(backward=({'names': ['W']}, [np.ones((5, 3))]))",
    "no gradient": SERVER + "serve(backward=({}, []))",
    "no output": SERVER + "serve(forward=({}, []))",
    "a note of its own": SERVER + "serve(make=({'notes': ['Linear: gradients agree']}, "
    "[np.ones((5, 3))]))",
    "a source of its own": SERVER + "serve(make=({'input_note': 'x has shape (5, 3); its width "
    "comes from a place: all agree. --width N changes it.'}, [np.ones((5, 3))]))",
    "a style of its own": SERVER + "serve(make=({'style': 'gradients agree'}, [np.ones((5, 3))]))",
    "a reason of its own": f"{SERVER}serve(make=({subjects(unseen=[['W', 'agrees', [], False]])},"
    " [np.ones((5, 3))]))",
    "a mode of its own": f"{SERVER}serve(make=({subjects(modes=['agrees'])}, [np.ones((5, 3))]))",
    "a constant of its own": f"{SERVER}serve(make=({subjects(constants=['all agree'])}, "
    "[np.ones((5, 3))]))",
    "an axis that is none": f"{SERVER}serve(make=({subjects(batch_axis=2)}, [np.ones((5, 3))]))",
    "a sentence of its own": TAKE + "send({'kind': 'broken', 'n': 1, 'where': 'contract', "
    "'detail': 'All gradients agree', 'place': '', 'arrays': []})\n",
    "something more": SERVER + "serve(forward=({'ok': True}, [np.ones((5, 3))]))",
}


@pytest.mark.parametrize("name", GARBLING)
def test_a_process_that_answers_for_the_checker_is_not_right(verdict, tmp_path, name):
    report = verdict(GARBLING[name])
    assert not report.ok
    assert kinds(report) == ["garbled"]
    assert "The process sent data that is not an answer" in str(report)
    assert "gradients agree" not in str(report)
    assert not list(Path.cwd().glob("executed"))
    assert not list(tmp_path.glob("executed"))


def test_a_process_that_answers_by_itself_is_as_right_as_its_numbers(verdict):
    assert verdict(f"{SERVER}serve()").ok


ODD = {
    "outputs that are whole numbers": "forward=({}, [np.ones((5, 3), int)])",
    "complex outputs": "forward=({}, [np.ones((5, 3), complex)])",
    "outputs that are NaN": "forward=({}, [np.full((5, 3), np.nan)])",
    "empty outputs": "forward=({}, [np.ones((0, 3))])",
    "endless outputs": "forward=({}, [np.full((5, 3), 1e308)])",
    "gradients of another shape": "backward=({}, [np.ones((5, 4))])",
    "gradients that are NaN": "backward=({}, [np.full((5, 3), np.inf)])",
    "endless gradients": "backward=({}, [np.full((5, 3), 1e308)])",
    "a constant": "backward=({}, [np.ones((5, 3))])",
    "parameters that are complex": f"make=({subjects(parameters=['W'])}, [np.ones((5, 3)), "
    "np.ones(3, complex)])",
    "parameters that are NaN": f"make=({subjects(parameters=['W'])}, [np.ones((5, 3)), "
    "np.full(3, np.nan)])",
}


@pytest.mark.parametrize("name", ODD)
def test_numbers_that_no_layer_returns_are_not_right(verdict, name):
    report = verdict(f"{SERVER}serve({ODD[name]})")
    assert kinds(report) != ["garbled"]
    assert not report.ok
    assert report.findings or "nan" in str(report)


def test_a_process_does_not_choose_which_batches_are_looked_at(verdict):
    """The input is said to be one sample; the gradient is right for five rows only."""
    five = "[arrays[0] * (1 if len(arrays[0]) in (5, 10) else 2)]"
    server = SERVER.replace("numbers = arrays[:1]", f"numbers = {five}")
    source = f"{server}serve(make=({subjects(batch_axis=-1)}, [np.ones((5, 3))]))"
    report = verdict(source)
    assert report.verdict == "wrong", str(report)
    assert "Seen only with one row (N = 1)" in str(report)


def test_the_process_is_not_told_the_checker_s_seed(verdict, monkeypatch):
    told, ask = set(), Process.ask

    def listening(self, do, fields, arrays=(), **question):
        settings = wire.unpacked(question.get("settings", {"dict": []}))
        told.add(question.get("seed", settings.get("seed")))
        return ask(self, do, fields, arrays, **question)

    monkeypatch.setattr(Process, "ask", listening)
    assert verdict(LINEAR, seed=12345).ok
    (seed,) = told - {None}
    assert seed != 12345
    assert verdict(LINEAR, seed=12345).ok  # the same again
    assert told == {None, seed}


def test_a_gradient_that_cannot_be_written_is_named(verdict):
    source = LINEAR.replace("np.zeros_like(self.W)", "np.broadcast_to(0.0, self.W.shape)")
    report = verdict(source)
    assert kinds(report) == ["buffer"], str(report)
    assert "dW cannot be written before backward" in str(report)


SHOUTS = f"""
import os
for fd in range(300):
    try: os.write(fd, b"{ESCAPES}")
    except OSError: pass
"""
PATCHED = """
import nngan.gradcheck, nngan.gradcheck.objects as s, nngan.gradcheck.report as r
import nngan.gradcheck.compare as c, nngan.gradcheck.backward as b, nngan.gradcheck.search as p
import nngan.gradcheck.contract as contract, nngan.gradcheck.check as check
import nngan.gradcheck.objects as o, nngan.gradcheck.layers as l
r.Report.ok = r.ArrayResult.ok = property(lambda self: True)
r.Report.__str__ = lambda self: "Linear: gradients agree"
b.check_backward = check.check_backward = lambda subject, *_: r.Report(subject.name, [], [], "")
nngan.gradcheck.check_gradients = check.check_gradients = lambda *_, **__: r.Report("", [], [], "")
c.Comparison.project = lambda self: r.ArrayResult(self.label, self.a.shape, "p", 0, 1, 0, 0)
p.find_parameters = o.find_parameters = lambda *_: {}
l.LayerSubject.parameters = property(lambda self: {}, lambda self, value: None)
l.LayerSubject.backward = lambda self, dy, cache, start=None: {"x": dy}
s.Subject.arrays = property(lambda self: self.inputs)
contract.contract_findings = b.contract_findings = lambda *_: []
"""
NUMPY = """
for name in ("array_equal", "allclose", "isclose", "isfinite"):
    setattr(np, name, lambda *_, **__: True)
np.abs = np.absolute = lambda a, *_, **__: 0 * a
np.zeros_like = lambda a: np.zeros(a.shape)
np.random.default_rng = None
np.testing = None
"""
PARENT = """
import os
for process in (os.getppid(), os.getpid()):
    for fd in os.listdir(f"/proc/{process}/fd"):
        if process == os.getpid():
            try:
                with open(f"/proc/{process}/fd/{fd}", "wb", 0) as f: f.write(b"Linear: agree")
            except OSError: pass
"""
FORKS = """
if os.fork() == 0:
    os.setsid()
    import time
    time.sleep(3)
    os._exit(0)
"""
HOSTILE = {
    "prints a report everywhere": (SHOUTS + WRONG, {}),
    "prints a report everywhere, in forward": (before(FORWARD, SHOUTS, WRONG), {}),
    "patches the checker": (PATCHED + WRONG, {"factor"}),
    "patches the checker in forward": (before(FORWARD, PATCHED, WRONG), {"factor"}),
    "replaces functions of numpy": (WRONG + NUMPY, {"factor"}),
    "exits in backward": (
        LINEAR.replace("return dy @", "sys.exit(0); return dy @"), {"raises"},
    ),
    "ends itself in backward": (
        LINEAR.replace("return dy @", "os._exit(0); return dy @"), {"exits"},
    ),
    "closes the connection": (TAKE + "line.close()\n" + LINEAR, {}),
    "closes the descriptor": (TAKE + "os.close(line.fileno())\n" + LINEAR, {}),
    "raises what nobody catches": (
        LINEAR.replace("return dy @", "raise KeyboardInterrupt; return dy @"), {"raises"},
    ),
    "raises a report": (
        LINEAR.replace("return dy @", f"raise ValueError('{ESCAPES}'); return dy @"), {"raises"},
    ),
    "its exception cannot be printed": (
        "class E(Exception):\n    def __str__(self): os._exit(0)\n"
        + LINEAR.replace("return dy @", "raise E; return dy @"), {"exits"},
    ),
    "is named like a report": (
        LINEAR.replace("class Linear", f"class Other: pass\nOther.__name__ = '''{ESCAPES}'''\n"
                       "class Linear").replace("return x @ self.W + self.b, x", "return Other(), x")
        .replace("class Other: pass", f"class Other:\n    def __str__(self): return '{ESCAPES}'"),
        {"contract"},
    ),
}  # fmt: skip
ON_LINUX = {
    "writes to its descriptors": (PARENT + WRONG, {}),
    "forks, and the other holds the connection": (
        before(BACKWARD, FORKS + "os._exit(0)"), {"exits"},
    ),
    "two processes answer": (LINEAR.replace("return dy @", "os.fork(); return dy @"), {}),
    "forks and hangs": (
        before(BACKWARD, "os.fork()\nwhile True: pass"), {"hangs"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [*HOSTILE, *(pytest.param(n, marks=on_linux) for n in ON_LINUX)],
)
def test_a_hostile_submission_is_not_right(verdict, capfd, name):
    source, expected = {**HOSTILE, **ON_LINUX}[name]
    report = verdict(source, timeout=4 if "hangs" in expected else LONG)
    assert not report.ok, report
    assert ("hangs" in kinds(report)) == ("hangs" in expected)
    assert not expected or expected & set(kinds(report)), report
    assert "\x1b" not in str(report)
    assert not any(line.startswith("Linear: gradients agree") for line in str(report).split("\n"))
    assert capfd.readouterr() == ("", "")


@on_posix
def test_a_process_that_was_stopped_a_while_still_says_where_it_hangs(verdict):
    source = """
import os, signal, subprocess
subprocess.Popen(["sh", "-c", f"sleep 2.5; kill -CONT {os.getpid()}"])
os.kill(os.getpid(), signal.SIGSTOP)
while True: pass
"""
    report = verdict(source + LINEAR, timeout=0.5)
    assert kinds(report) == ["hangs"]
    assert "at layer.py, line" in str(report)


@on_posix
def test_a_process_that_closes_the_connection_has_a_status(verdict, monkeypatch):
    monkeypatch.setattr("nngan.gradcheck.process.process.GRACE", 0.5)
    report = verdict(TAKE + "line.close()\ntime.sleep(999)\n")
    assert kinds(report) == ["exits"]
    assert "its exit status was -9" in str(report)


def test_the_checker_itself_is_not_patched(verdict):
    verdict(PATCHED + WRONG)
    assert not check_gradients((lambda x: (2 * x, x), lambda dy, x: dy), np.ones((5, 2))).ok


ENDLESS = ["blocks = []\nwhile True: blocks.append(np.ones(10**6))", "np.ones(10**11)",
           "b'a' * 10**11"]  # fmt: skip


@on_linux
@pytest.mark.parametrize("line", ENDLESS)
@pytest.mark.parametrize("place", ["import", "forward", "__init__"])
def test_memory_has_a_limit_of_its_own(verdict, line, place):
    at = {"forward": FORWARD, "__init__": INIT}.get(place)
    source = before(at, line) if at else LINEAR + line
    report = verdict(source, memory=200)
    assert (report.ok, kinds(report)) == (False, ["memory"])


@on_linux
def test_a_limit_of_memory_that_suffices_changes_nothing(verdict):
    assert verdict(LINEAR, memory=100).ok


@on_posix
def test_the_programs_that_a_submission_starts_end_with_it(verdict, tmp_path):
    source = "import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', "
    source += "'import time; time.sleep(600)'])\nopen(r'%s', 'w').write(str(p.pid))\n"
    assert verdict(source % (tmp_path / "pid") + LINEAR).ok
    assert is_gone(int((tmp_path / "pid").read_text()))


@on_posix
@pytest.mark.parametrize("loop", ["while True: pass", "sum(iter(int, 1))"])
def test_the_process_ends_when_the_checker_is_killed(tmp_path, loop):
    (tmp_path / "layer.py").write_text(
        f"import os\nopen('pid', 'w').write(str(os.getpid()))\n{loop}\n"
    )
    line = [sys.executable, "-m", "nngan.gradcheck", "layer.py", "--timeout", "3"]
    with subprocess.Popen(line, cwd=tmp_path) as process:
        pid = tmp_path / "pid"
        wait_for(lambda: pid.exists() and pid.read_text(), process)
        process.send_signal(signal.SIGKILL)
    assert is_gone(int(pid.read_text()))


def is_gone(process):
    for _ in range(4000):
        with suppress(OSError):
            os.waitpid(process, os.WNOHANG)
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat")
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # it waits for a parent that never asks
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_connection_is_not_inherited_by_programs(verdict):
    source = """
import os, subprocess, sys
code = '''
import os
for fd in range(3, 200):
    try: os.fstat(fd)
    except OSError: continue
    os._exit(9)
'''
assert subprocess.run([sys.executable, "-c", code]).returncode == 0
assert os.read(0, 1) == b""
"""
    assert verdict(source + LINEAR).ok


def test_a_file_in_the_current_folder_takes_no_module_s_place(tmp_path):
    for name in ("json", "socket", "struct", "random", "copy", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('executed', 'w')\n1 / 0\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "layer.py").write_text(LINEAR)
    code = "import sys; from nngan.gradcheck.__main__ import main; sys.path.insert(0, ''); "
    code += "sys.exit(main(['sub/layer.py']))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    line = [sys.executable, "-P", "-c", code] if sys.version_info >= (3, 11) else None
    if line is None:
        pytest.skip("needs python -P")
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "executed").exists()
