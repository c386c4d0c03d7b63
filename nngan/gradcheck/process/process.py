"""The process of a submission, seen from the checker: start it, ask it, end it in time."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...backend import Array
from ..report import Finding
from ..sayings import CONTRACT, is_said
from ..subject import Broken, Ended
from . import wire
from .watch import seen

START = 60.0  # seconds for Python and NumPy to start, on a machine with much to do
GRACE = 5.0  # seconds in which the process may still say where it was, or end by itself
# Not "-m": that would let files of the current folder take the place of Python's modules.
BEGIN = (
    "import sys; sys.path[:] = sys.argv.pop().split('\\n')\n"
    "from nngan.gradcheck.process.child import main\nmain()"
)


class Process:
    """A process that executes one submission, to be used in a ``with`` statement.

    Parameters
    ----------
    file : Path
        The submission.
    timeout : float
        Seconds for everything, from the file's first line.
    """

    def __init__(self, file: Path, timeout: float) -> None:
        self.file, self.timeout = file, timeout
        self.ended: Finding | None = None
        self.forget: list[int] = []  # numbers of subjects and calls that nobody needs any more
        self.count = 0
        self.deadline = self.begin = time.monotonic() + START
        self.is_ready = False
        self.last_words = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self.connection, self.theirs = socket.socketpair()
        try:
            self.process = self._start(self.theirs)
        except BaseException:
            self._close()
            raise

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        on_windows = sys.platform == "win32"
        options: dict[str, Any] = {}
        if not on_windows:
            options = {"start_new_session": True, "pass_fds": [theirs.fileno()]}
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-c", BEGIN, str(theirs.fileno()), "\n".join(_search_path())],
            stdin=subprocess.PIPE,  # it closes when this process ends, however it ends
            stdout=subprocess.DEVNULL,
            stderr=self.last_words,
            env=_environment(),
            **options,
        )
        if on_windows:
            assert process.stdin
            process.stdin.write(wire.shared(theirs, process.pid))
            process.stdin.flush()
        else:
            theirs.close()
        return process

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._close()

    def _close(self) -> None:
        for each in (self.connection, self.theirs, self.last_words):
            each.close()

    # -- questions --------------------------------------------------------------------------

    def load(self, seed: int, memory: int | None) -> tuple[list[str], str]:
        """Execute the file; return the names of what can be checked, or advice if there is none."""
        self._receive(self.deadline)  # it is ready: the time starts now
        self.theirs.close()
        self.is_ready = True
        self.begin = time.monotonic()
        self.deadline = self.begin + self.timeout + GRACE
        (names, notes, adapter), _ = self.ask(
            "load",
            {
                "names": wire.listed(wire.identifier, 1000),
                "notes": wire.listed(wire.said("cell", "line"), 1000),
                "adapter": wire.optional_said("adapter", "adapter with a cache"),
            },
            file=str(self.file),
            seed=seed,
            timeout=self.timeout,
            memory=memory,
        )
        if adapter:
            layer = adapter.removeprefix("class ").partition("Adapter:")[0]
            notes.append(f"If {layer} is the layer, add this adapter below it:\n{adapter}")
        return names, "\n".join(notes)

    def ask(
        self, do: str, fields: dict[str, wire.Check], arrays: Sequence[Array] = (), **question: Any
    ) -> tuple[list[Any], list[Array]]:
        """Ask one question; return the fields of the answer, checked, and its arrays.

        Raises
        ------
        Broken
            If the student's code raises, or returns something that is forbidden.
        Ended
            If there is no answer, or one that is not of the right form.
        """
        if self.ended:
            raise Ended(self.ended)
        self.count += 1
        forget, self.forget = self.forget, []
        header = {"n": self.count, "do": do, "forget": forget, **question}
        try:
            wire.send(self.connection, header, arrays, self.deadline)
        except wire.Closed:
            raise self._died() from None
        except TimeoutError:
            raise self._stop(self._hangs()) from None
        answer, arrays = self._receive(self.deadline)
        kind = answer.pop("kind")
        try:
            if kind == "done":
                return wire.record(**fields)(answer), list(arrays)
            if arrays:
                raise wire.Garbled("numbers with an error")
            if kind == "broken":
                where, detail, place = broken(answer)
                if detail.startswith(("MemoryError", "_ArrayMemoryError")):
                    finding = Finding("memory", RAISED["memory"], f"{detail} {place}".rstrip())
                    raise self._stop(finding)
                raise Broken(where, detail, place)
            if kind == "refused":
                reason, sentence, more = wire.record(**REFUSED)(answer)
                raise self._stop(Finding(reason, sentence, more, reason != "unrecognised"))
            words = wire.record(what=wire.one_of(*RAISED), message=wire.text(), at=wire.text())
            what, message, at = words(answer)
        except wire.Garbled as error:
            raise self.garbled(error) from None
        if kind == "missing" and do.endswith("tangent"):
            raise NotImplementedError(message)
        evidence = f"{message}, {at}" if at else message
        raise self._stop(Finding(what, RAISED[what], evidence))

    def _receive(self, deadline: float) -> tuple[wire.Header, list[Array]]:
        """Return the answer to the last question."""
        try:
            answer, arrays = wire.receive(self.connection, deadline, self._is_alive)
            if answer.pop("n", None) != self.count or answer.get("kind") not in KINDS:
                raise wire.Garbled("not an answer to this question")
        except wire.Garbled as error:
            raise self.garbled(error) from None
        except wire.Closed:
            raise self._died() from None
        except TimeoutError:
            raise self._stop(self._hangs()) from None
        return answer, arrays

    # -- its end ----------------------------------------------------------------------------

    def garbled(self, error: wire.Garbled) -> Ended:
        """End the process, because it sent data that is not an answer."""
        sentence = "The process sent data that is not an answer: it must not write to the checker."
        return self._stop(Finding("garbled", sentence, f"what came was {error}"))

    def _died(self) -> Ended:
        has_hung = time.monotonic() >= self.begin + self.timeout
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self._end_group()
        if has_hung:
            return self._stop(self._hangs())
        self.end()
        status = self.process.returncode
        words = self._read_last_words()
        if not self.is_ready:
            sentence = "The process of the check cannot start; this is not the submission's fault."
            last = wire.printable(words.strip().rpartition("\n")[2])
            return self._stop(Finding("cannot_start", sentence, last))
        sentence = "The process died during the check: os._exit, a crash, or out of memory."
        evidence = f"its exit status was {status}"
        if place := self._place(words):
            evidence += f", {place}"
        if what := seen(words):
            sentence = (
                f"The code looks at {what}, so what it computes here may not be what it computes "
                "elsewhere: compute with the arguments alone."
            )
            return self._stop(Finding("inconclusive", sentence, place, mistake=False))
        if "MemoryError" in words or "cannot allocate memory" in words.lower():
            return self._stop(Finding("memory", RAISED["memory"], evidence))
        return self._stop(Finding("exits", sentence, evidence))

    def _hangs(self) -> Finding:
        self.end()
        seconds = f"{self.timeout:g} s"
        sentence = f"Timed out after {seconds} (infinite loop?). Allow more with --timeout."
        place = self._place(self._read_last_words()) or f"outside {self.file.name}"
        return Finding("hangs", sentence, f"after {seconds} it was {place}")

    def _stop(self, finding: Finding) -> Ended:
        self.ended = self.ended or finding
        self.end()
        return Ended(self.ended)

    def end(self) -> None:
        """End the process and those that it started."""
        if self.process.returncode is None:
            self._end_group()
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        assert self.process.stdin
        self.process.stdin.close()

    def _end_group(self) -> None:
        """End the processes that the submission started, before their number can be given away."""
        if sys.platform == "win32":
            tree = ["taskkill", "/F", "/T", "/PID", str(self.process.pid)]
            subprocess.run(tree, capture_output=True, check=False)
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _is_alive(self) -> bool:
        if self.process.poll() is None:
            return True
        self._end_group()
        return False

    def _read_last_words(self) -> str:
        """Return what the process has left: the lines at which it was, if all went well."""
        self.last_words.seek(0)
        return self.last_words.read(2**16).decode("ascii", "replace")

    def _place(self, words: str) -> str:
        """Return the innermost line of the main thread that is in the file or next to it."""
        # Python's own form: threads from the newest to the oldest, frames from the innermost.
        threads = re.split(r"^(?:Current t|T)hread 0x", words, flags=re.M)
        folder = ascii(str(self.file.parent))[1:-1]
        for thread in reversed(threads):
            for path, line, name in re.findall(
                r'^  File "(.*)", line (\d+) in (.*)$', thread, re.M
            ):
                if os.path.dirname(path) == folder:
                    file = wire.printable(os.path.basename(path), 100)
                    place = f"at {file}, line {line}, in {wire.printable(name, 100)}"
                    return place + self.source(os.path.basename(path), int(line))
        return ""

    def source(self, name: str, line: int) -> str:
        """Return a line of the submission; of no other file, because it may name any."""
        if name != ascii(self.file.name)[1:-1] or self.file.suffix != ".py":
            return ""
        with contextlib.suppress(OSError, IndexError):
            lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
            return ": " + wire.printable(lines[line - 1].strip())
        return ""


BROKEN: dict[str, wire.Check] = {
    "where": wire.one_of(
        "forward", "backward", "tangent", "backward_tangent", "contract", "not_finite"
    ),
    "detail": wire.text(),
    "place": wire.text(),
}


def broken(value: Any) -> tuple[str, str, str]:
    """Check a description of what is broken: of the checker's own, or an exception."""
    where, detail, place = wire.record(**BROKEN)(value)
    if where in ("contract", "not_finite") and not is_said(detail, CONTRACT):
        raise wire.Garbled("not a sentence of the checker")
    return where, detail, place


REFUSALS = ("no arguments", "no targets", "no network", "needs", "refuses", "other class",
            "uses indices", "needs more", "unknown", "list")  # fmt: skip
REFUSED: dict[str, wire.Check] = {
    "reason": wire.one_of("unrecognised", "needs_arguments", "contract"),
    "sentence": wire.said(*REFUSALS),
    "evidence": wire.evidence,
}
KINDS = ("done", "broken", "raised", "missing", "refused")
RAISED = {
    "raises": "It raises an exception.",
    "exits": "It calls sys.exit, which ends the program.",
    "memory": "It needs more memory than it may have. Allow more with --memory.",
}


def _search_path() -> list[str]:
    """Return where the process finds modules; the current folder comes last."""
    here, package = os.getcwd(), str(Path(__file__).parents[3])
    paths = [p or here for p in sys.path]
    return [*(p for p in paths if p != here or p == package), here]


def _environment() -> dict[str, str]:
    """Return the environment: one thread, because the arrays are small and memory is limited."""
    one = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
    return {**one, **os.environ}
