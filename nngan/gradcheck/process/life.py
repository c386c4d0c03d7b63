"""The life of a submission's process: what it takes over, what ends it, its memory."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from . import wire


def take_over() -> tuple[socket.socket, int, int]:
    """Take the connection and the private files; leave nothing of the checker's in 0, 1 and 2."""
    if sys.platform == "win32":
        connection = wire.from_share(0)
    else:
        connection = socket.socket(fileno=int(sys.argv[1]))
        connection.set_inheritable(False)
    # Copies of a descriptor are not inherited by the programs that the student's code starts.
    life, last_words = os.dup(0), os.dup(2)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return connection, life, last_words


def end_with(life: int, read: Callable[[int, int], bytes], end: Callable[[], None]) -> None:
    """End this process when the checker's does: its end of the pipe closes then."""
    read(life, 1)
    end()


def end(
    leave: Callable[[int], None] = os._exit,
    send_signal: Callable[[int, int], None] = os.kill,
) -> None:
    """End this process and, except on Windows, those that it started."""
    if sys.platform != "win32":
        send_signal(0, signal.SIGKILL)  # to the group
    leave(1)


def limit_memory(megabytes: int) -> None:
    """Let the process take so much memory more than Python and NumPy have taken (Linux)."""
    if sys.platform != "linux":
        return
    import resource

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = taken + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
