"""Check the classes in a file: what a student runs on a layer, and a teacher grades with.

python -m nngan.gradcheck linear.py                 # every class with forward and backward
python -m nngan.gradcheck linear.py:Linear          # one of them

The file is executed, with your rights. A class is made without arguments; its parameters are the
arrays p that have a partner dp (W and dW), its input width is its n_in or W.shape[0]. Exit status:
0 if all are right, 1 if one is wrong, 2 if there is nothing that can be checked.
"""

from __future__ import annotations

import argparse
import inspect
import io
import multiprocessing
import os
import sys
import threading
import traceback
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..command_line import OneSentenceParser, between
from .check import check_gradients
from .report import Finding, Report


def parser() -> OneSentenceParser:
    """Return the parser of the command line."""
    name, form = "python -m nngan.gradcheck", argparse.RawDescriptionHelpFormatter
    p = OneSentenceParser(name, description=__doc__, formatter_class=form)
    p.add_argument("target", metavar="FILE.py[:ClassName]")
    p.add_argument("--width", type=between(1, 10**6), metavar="N", help="features of the input")
    p.add_argument("--batch", type=between(1, 10**6), metavar="N", help="rows of it; default: 5")
    p.add_argument("--seed", type=between(0, 2**32 - 1), default=0, metavar="N", help="default: 0")
    p.add_argument("--timeout", type=between(0.1, 3600.0), default=20.0, metavar="SECONDS",
                   help="for each class; default: 20")  # fmt: skip
    p.add_argument("--thorough", action="store_true", help="compare element by element")
    p.add_argument("--overwrite", action="store_true", help="backward sets dW, it does not add")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    command = parser()
    options = command.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a student may write in any alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    path, _, name = options.target.rpartition(":")
    if not name.isidentifier():  # no colon, or that of a drive, as in C:\linear.py
        path, name = options.target, ""
    options.file = Path(path).resolve()
    if not options.file.is_file():
        command.error(f"there is no file {path}")
    names = _ask(options)
    if isinstance(names, Finding):
        command.error(f"{path} cannot be imported: {names.evidence}")
    if not names or name not in ("", *names):
        has = f"; it has {', '.join(names)}" if names else ""
        what = f"class {name}" if name else "class"
        command.error(f"{path} defines no {what} with forward and backward{has}")
    verdicts = []
    for each in [name] if name else names:
        answer = _ask(options, each)
        report = Report(each, [], [answer], "") if isinstance(answer, Finding) else answer
        print(report, end="\n\n", flush=True)
        verdicts.append(report.ok)
    n, right = len(verdicts), sum(verdicts)
    print(f"{n} {'class' if n == 1 else 'classes'} checked: {right} right, {n - right} wrong.")
    return 0 if right == n else 1


def _ask(options: argparse.Namespace, name: str | None = None) -> Any:
    """Ask a child for the names of the classes or the report of one; a Finding says why not."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(there, options, name))
    child.start()
    there.close()
    with here:
        try:
            here.recv()  # it is up: now its time begins, which it keeps itself if it can
            if here.poll(options.timeout + 1):
                return here.recv()
            return _late(options.timeout, "in a call that cannot be interrupted")
        except EOFError:
            child.join()
            what = "Its process ended before the check did: os._exit, a crash or want of memory."
            return Finding("exits", what, f"it ended with status {child.exitcode}")
        finally:
            child.kill()
            child.join()


def _late(timeout: float, place: str) -> Finding:
    what = f"It did not end within {timeout:g} s: a loop without an end? --timeout gives it more."
    return Finding("hangs", what, f"after {timeout:g} s it was {place}")


# What follows runs in the child, and so does the student's code.


def _answer(connection: Connection, options: argparse.Namespace, name: str | None) -> None:
    """Answer `_ask`, whatever the file does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what it prints would bury the report
        os.dup2(nowhere, stream)
    main_thread = threading.get_ident()

    def stop() -> None:
        try:
            stack = traceback.extract_stack(sys._current_frames()[main_thread])
            connection.send(_late(options.timeout, _place(stack, options.file)))
        finally:
            os._exit(1)

    connection.send("ready")
    timer = threading.Timer(options.timeout, stop)
    timer.daemon = True
    timer.start()
    answer: list[str] | Report | Finding
    np.random.seed(options.seed)  # noqa: NPY002 (a class may draw its weights from it)
    try:
        classes = _load(options.file)
        answer = list(classes) if name is None else _check(classes[name], options)
    except BaseException as error:  # sys.exit is one
        answer = _raised(error, options.file)
    connection.send(answer)


def _raised(error: BaseException, file: Path) -> Finding:
    """Say what ended the check, and at which line."""
    if isinstance(error, SyntaxError):
        message = f"{type(error).__name__}: {error.msg}"
        place = f"at {Path(error.filename or file).name}, line {error.lineno or 1}"
    else:
        message = " ".join(traceback.format_exception_only(error)[0].split())[:300]
        place = _place(traceback.extract_tb(error.__traceback__), file)
    exits = isinstance(error, SystemExit)
    what = "It calls sys.exit, which ends the program." if exits else "It raises an exception."
    return Finding("exits" if exits else "raises", what, f"{message}, {place}")


def _place(stack: traceback.StackSummary, file: Path) -> str:
    """Return the innermost line that is in the file or in one beside it."""
    for frame in reversed(stack):
        if Path(frame.filename).parent == file.parent:
            name = Path(frame.filename).name
            return f"at {name}, line {frame.lineno}, in {frame.name}: {frame.line}"
    return f"outside {file.name}"


def _load(file: Path) -> dict[str, type]:
    """Execute the file; return the classes that it defines and that have both passes, by name."""
    # Executed, not imported: no stale bytecode, and the name of the file shadows no module.
    module = ModuleType(f"{file.stem} (checked)")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(file.parent))
    sys.dont_write_bytecode = True
    exec(compile(file.read_bytes(), file, "exec", dont_inherit=True), vars(module))
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    return {
        name: cls
        for name, cls in classes.items()
        if cls.__module__ == module.__name__ and not inspect.isabstract(cls)
        if hasattr(cls, "forward") and hasattr(cls, "backward")
    }


def _check(cls: type, options: argparse.Namespace) -> Report:
    """Make the class and check it, where its parameters begin and then at random ones.

    For a parameter that begins at 0 hides mistakes in what it multiplies, and one that begins at 1
    hides that it was forgotten.
    """
    try:
        layer: Any = cls()
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # not the call, something inside
        what = "It cannot be made without arguments: give each of them a default."
        return Report(cls.__name__, [], [Finding("needs_arguments", what, str(error))], "")
    rng = np.random.default_rng(options.seed)
    width, source = _width(layer, options.width)
    x = rng.standard_normal((options.batch or (5 if width != 5 else 7), width))
    settings = {"thorough": options.thorough, "accumulate": not options.overwrite}
    check = partial(check_gradients, layer, x, seed=options.seed, **settings)
    report, notes = check(), []
    names = [a.name for a in report.arrays[1:] if hasattr(layer, a.name)]
    if report.ok and names:
        for p in names:
            setattr(layer, p, getattr(layer, p) + rng.uniform(-0.5, 0.5, getattr(layer, p).shape))
        moved = check()
        if moved.arrays and not moved.ok:  # no arrays: it may be that a parameter cannot be there
            report, values = moved, " and ".join(names)
            what = f"Seen at random values of {values} only: those that it begins with hide it."
            notes = [Finding("hidden", what, mistake=False)]
    if not report.arrays:
        what = f"x had shape {x.shape}, its width from {source}; --width N sets another."
        notes = [Finding("input", what, mistake=False)]
    # A gradient that nobody wrote is no right one.
    found = [replace(f, mistake=f.mistake or f.kind == "unchecked") for f in report.findings]
    return replace(report, findings=[*found, *notes])


def _width(layer: Any, given: int | None) -> tuple[int, str]:
    """Return the width of the input, and where it is from."""
    n_in, W = getattr(layer, "n_in", None), getattr(layer, "W", None)
    if given is not None:
        return given, "--width"
    if isinstance(n_in, int | np.integer) and n_in > 0:
        return int(n_in), "n_in"
    if isinstance(W, np.ndarray) and W.ndim and len(W):
        return len(W), "W.shape[0]"
    return 4, "nothing, for there is no n_in and no W"


if __name__ == "__main__":
    # By the name under which a child process finds it: to a child, __main__ is another module.
    from nngan.gradcheck.__main__ import main

    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
