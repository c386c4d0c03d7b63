"""Run a student's file in a process of its own, because it may hang, exit or crash."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from .report import Finding, Report
from .submission import check_class, load_classes


def ask(options: argparse.Namespace, name: str | None = None) -> Any:
    """Return the names of the file's classes or the report of one; a Finding if that fails."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sender, options, name))
    child.start()
    sender.close()
    with receiver:
        try:
            receiver.recv()  # the child is ready: the time starts now
            if receiver.poll(options.timeout + 1):  # the child stops itself, if it can
                return receiver.recv()
            return _timed_out(options.timeout, "in a call that cannot be interrupted")
        except EOFError:
            child.join()
            sentence = "The process died during the check: os._exit, a crash, or out of memory."
            return Finding("exits", sentence, f"its exit status was {child.exitcode}")
        finally:
            child.kill()
            child.join()


def _timed_out(timeout: float, place: str) -> Finding:
    sentence = f"Timed out after {timeout:g} s (infinite loop?). Allow more with --timeout."
    return Finding("hangs", sentence, f"after {timeout:g} s it was {place}")


# The rest runs in the child, and so does the student's code.


def _answer(connection: Connection, options: argparse.Namespace, name: str | None) -> None:
    """Send the answer, whatever the file does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # the file's own output would bury the report
        os.dup2(nowhere, stream)
    main_thread = threading.get_ident()

    def stop() -> None:
        time.sleep(options.timeout)
        try:
            stack = traceback.extract_stack(sys._current_frames()[main_thread])
            connection.send(_timed_out(options.timeout, _place(stack, options.file)))
        finally:
            os._exit(1)

    connection.send("ready")
    threading.Thread(target=stop, daemon=True).start()
    answer: list[str] | Report | Finding
    np.random.seed(options.seed)  # noqa: NPY002 (a class may draw its weights from it)
    try:
        classes = load_classes(options.file)
        answer = list(classes) if name is None else check_class(classes[name], options)
    except BaseException as error:  # sys.exit is one
        answer = _raised(error, options.file)
    connection.send(answer)


def _raised(error: BaseException, file: Path) -> Finding:
    """Return the exception that ended the check, with its line."""
    if isinstance(error, SyntaxError):
        message = f"{type(error).__name__}: {error.msg}"
        place = f"at {Path(error.filename or file).name}, line {error.lineno or 1}"
    else:
        message = " ".join(traceback.format_exception_only(error)[0].split())[:300]
        place = _place(traceback.extract_tb(error.__traceback__), file)
    evidence = f"{message}, {place}"
    if isinstance(error, SystemExit):
        return Finding("exits", "It calls sys.exit, which ends the program.", evidence)
    return Finding("raises", "It raises an exception.", evidence)


def _place(stack: traceback.StackSummary, file: Path) -> str:
    """Return the innermost line that is in the file or in one next to it."""
    for frame in reversed(stack):
        if Path(frame.filename).parent == file.parent:
            name = Path(frame.filename).name
            return f"at {name}, line {frame.lineno}, in {frame.name}: {frame.line}"
    return f"outside {file.name}"
