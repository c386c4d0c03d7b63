"""Ctrl-C and SIGTERM at every stage of a program: no traceback, status 130."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send")

ROOT = Path(__file__).parents[1]
# A process that gets a signal when it looks for its n-th module after `install`, or at its end.
PROGRAM = """
import atexit, os, runpy, signal, sys
number, at, path, *words = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored here
class Finder:
    names = []
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if signal.getsignal(signal.SIGTERM) is nngan.interrupts._handle:
            cls.names.append(name)
        if str(len(cls.names)) == at:
            os.kill(os.getpid(), int(number))
def at_exit():
    print(len(Finder.names))
    sys.stdout.flush()
    if at == "exit":
        os.kill(os.getpid(), int(number))
atexit.register(at_exit)
sys.argv = [path, *words]
run = runpy.run_path if path.endswith(".py") else runpy.run_module
import nngan.interrupts
sys.meta_path.insert(0, Finder)
run(path, run_name="__main__")
"""
PROGRAMS = {
    "nngan recipes": ["nngan", "recipes"],
    "nngan train": ["nngan", "train", "--list-recipes"],
    "gradcheck": ["nngan.gradcheck", "--help"],
    "an example": [str(ROOT / "examples/ring.py"), "--help"],
}


def started(words, number, at):
    """Return the status and output of a program that gets a signal at one moment."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number)), str(at), *words],
        capture_output=True, text=True, env=environment, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_imports_ends_without_a_traceback(name, number):
    words = PROGRAMS[name]
    status, out, err = started(words, number, "exit")
    assert (status, err) == (0, "")
    modules = int(out.split()[-1])
    assert modules > 100
    for at in (1, 20, modules // 2, modules - 30):
        status, out, err = started(words, number, at)
        assert (status, out) == (130, ""), at
        assert err in ("", "\nStopped.\n"), at


def test_a_signal_after_the_work_changes_nothing():
    assert started(["nngan", "nothing"], signal.SIGINT, "exit")[0] == 2


def test_a_signal_that_is_ignored_stays_ignored():
    program = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from nngan import interrupts\n"
        "interrupts.install(); os.kill(os.getpid(), signal.SIGINT); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_program_that_uses_the_library_is_left_alone():
    program = (
        "import signal\nboth = signal.SIGINT, signal.SIGTERM\n"
        "handlers = lambda: [*map(signal.getsignal, both)]\nbefore = handlers()\n"
        "import nngan, nngan.__main__\nnngan.commands.main(['recipes']); nngan.check_gradients\n"
        "assert before == handlers()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
