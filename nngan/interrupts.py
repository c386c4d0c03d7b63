"""Ctrl-C and SIGTERM in a program: before and after its work they end it at once, without a word.

A KeyboardInterrupt inside an import would be a traceback, or whatever error a library makes of it,
and nothing has begun that could be lost. So a program installs this before it imports anything
else. A program that only uses the library is left alone.
"""

from __future__ import annotations

import os

STOPPED = 130  # the exit status of a program that was stopped

try:
    import contextlib
    import signal
except KeyboardInterrupt:
    os._exit(STOPPED)

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Iterator

_status: int | None = STOPPED  # with which a signal ends the process; None: it raises


def install() -> None:
    """Handle both signals, from now on; what is ignored stays ignored, in `nohup` for instance."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def _handle(number: int, frame: object) -> None:
    if _status is not None:
        os._exit(_status)
    raise KeyboardInterrupt


def work_begins() -> None:
    """Raise KeyboardInterrupt from now on, if the program has called `install`."""
    global _status
    _status = None


def work_ends(status: int) -> None:
    """End the process with `status` from now on, if the program has called `install`."""
    global _status
    _status = status


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """End the process in this block, if the program has called `install`."""
    global _status
    before, _status = _status, STOPPED
    try:
        yield
    finally:
        _status = before
