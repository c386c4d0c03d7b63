"""A command line in general: its parser, its numbers, its errors and its exit status."""

from __future__ import annotations

import _thread
import argparse
import contextlib
import difflib
import io
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .interrupts import STOPPED, work_begins, work_ends
from .threads import wait_asleep

# Set in the environment of a process that ends with the process that holds its standard input.
PARENT = "NNGAN_STOPS_WITH_STDIN"


LONGEST = 600  # letters of a message: a hostile value is not repeated whole
MOST = 900  # letters of a message that says what to do, too


class OneSentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence and whose options are never abbreviated.

    The description is printed as it is written.
    """

    def __init__(self, prog: str | None = None, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog, allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words of a command line; ``--option=--`` has no value (Python drops it)."""
        words = sys.argv[1:] if args is None else list(args)
        if empty := next((w for w in words if re.fullmatch(r"--[\w-]+=--", w)), None):
            self.error(f"argument {empty[:-3]}: expected one argument")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Print `message` alone, without the usage, and exit with status 2.

        An option that does not exist gets the most similar one that does, if any.
        """
        if message.startswith(("unrecognized arguments", "argument ", "there is no command")):
            message = " ".join(message.split())  # of words that somebody typed
            message = message if len(message) < LONGEST else f"{message[:LONGEST]} ..."
        if wrong := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            known = [name for action in self._actions for name in action.option_strings]
            if similar := difflib.get_close_matches(wrong[1], known, n=1, cutoff=0.7):
                message += f": did you mean {similar[0]}?"
            else:
                message += f": {self.prog} --help lists the options"
        elif word := re.fullmatch(r"unrecognized arguments: ([^-]\S*)", message):
            options = [action.option_strings for action in self._actions]
            if all(options) and ["--data"] in options:  # no word stands alone
                message += f": did you mean --data {word[1]}?"
        message = message if len(message) < MOST else f"{message[:MOST]} ..."
        self.exit(2, f"{self.prog}: error: {message}\n")


def stop_with_parent() -> None:
    """Stop as by Ctrl-C when standard input ends, if whoever started this process asked for it.

    A pipe ends with the process that holds its other end, however that process ends.
    """
    if os.environ.pop(PARENT, None) and sys.stdin is not None:

        def wait() -> None:
            with contextlib.suppress(OSError, ValueError):
                while os.read(0, 1):
                    pass
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                os._exit(STOPPED)
            if os.name == "posix":  # a signal also ends a wait
                os.kill(os.getpid(), signal.SIGINT)
            else:
                _thread.interrupt_main()

        threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does, also where Ctrl-C is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def run_main(main: Callable[[], int | None]) -> NoReturn:
    """Run a program and exit with its status; after Ctrl-C with 130, without a traceback.

    Programs that call `nngan.interrupts.install` first have none at any other time either.

    Pictures are drawn into files, whatever backend of matplotlib the environment names, and threads
    that wait for others soon sleep.
    """
    try:
        _prepare()
        work_begins()
        stop_with_parent()
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()
        work_ends(status or 0)
    except KeyboardInterrupt:
        work_ends(STOPPED)  # often pressed twice
        with contextlib.suppress(KeyboardInterrupt):
            print("\nStopped.", file=sys.stderr)
        status = STOPPED
    except SystemExit as stop:  # of the parser
        work_ends(stop.code if isinstance(stop.code, int) else 1)
        raise
    except OSError as error:
        work_ends(1)
        if error.filename is not None:
            print(f"error: {one_sentence(error)}", file=sys.stderr)
            sys.exit(1)
        _discard_output()
        if not isinstance(error, BrokenPipeError):  # the reader, such as head, has seen enough
            print(f"error: the output cannot be written: {one_sentence(error)}", file=sys.stderr)
        status = 1
    sys.exit(status)


def _prepare() -> None:
    """Let nothing around the process disturb it: matplotlib's backend, its streams."""
    os.environ["MPLBACKEND"] = "agg"
    wait_asleep()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file would get its number, and what C libraries print
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding is no error


def say(text: str) -> None:
    """Print a line now. If output is closed or full, nothing happens: work goes on without it."""
    try:
        print(text, flush=True)
    except UnicodeEncodeError:
        say(text.encode("ascii", "backslashreplace").decode())
    except (OSError, ValueError):
        _discard_output()


def _discard_output() -> None:
    """Send what is still to be printed nowhere, so that no later line fails."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    sys.stdout = None  # print then prints nothing


def one_sentence(error: BaseException) -> str:
    """Return the message of an error in one line; for an error of the system also the file."""
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(reason.split())


def positive(kind: type[int] | type[float]) -> Callable[[str], Any]:
    """Return a converter to positive numbers of one kind, for argparse."""
    return _converter(kind, lambda value: 0 < value < math.inf, "a positive {}")


def between(low: float, high: float) -> Callable[[str], Any]:
    """Return a converter to numbers from `low` to `high`, of the type of `low`, for argparse."""
    kind = int if isinstance(low, int) else float
    return _converter(kind, lambda value: low <= value <= high, f"a {{}} from {low} to {high}")


def _converter(
    kind: type[int] | type[float], accepts: Callable[[float], bool], wanted: str
) -> Callable[[str], Any]:
    def convert(text: str) -> int | float:
        with contextlib.suppress(ValueError):
            if accepts(value := kind(text)):
                return value
        what = wanted.format("whole number" if kind is int else "number")
        raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}")

    return convert
