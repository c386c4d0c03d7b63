"""Processes that are there at once, because they are forks of one that has imported everything."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LONGEST = 300  # seconds of one process
HUNG = 124  # the status of a process that took longer


class Child:
    """A fork that runs `target` and exits with its status; its output goes to a file."""

    def __init__(self, target: Callable[[], object], output: Path):
        self.path = output
        self.status: int | None = None  # once it has ended
        sys.stdout.flush()
        # A signal waits until `target` runs: what arrives sooner would be an error of this file.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.pid = os.fork()
        if self.pid == 0:
            _be(target, output)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def send(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if self.status is None:  # it is not reaped: no other process has its id
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Tell whether it has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def wait(self, seconds: float = LONGEST) -> int:
        """Return the exit status, minus the signal that ended it, or HUNG."""
        end = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.status = HUNG
            time.sleep(0.001)
        return self.status

    def output(self) -> str:
        """Return what it has printed, both streams."""
        return self.path.read_text(errors="replace") if self.path.exists() else ""


def _be(target: Callable[[], object], output: Path) -> None:
    status = 99
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            status = target() or 0
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else stop.code is not None
    except BaseException as error:
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        innermost = [file for file in files if file != signal.__file__][-1]
        if isinstance(error, KeyboardInterrupt) and Path(innermost).parent == Path(__file__).parent:
            status = 130  # it came before or after `target`
        else:
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(int(status))
