"""Tries in one process that is forked once, and replaced when a try ends it.

It is quick, as a process for each try is not, and a crash in a library written in C is one finding.
"""

import json
import os
import select
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

Job = TypeVar("Job")
PATIENCE = 120  # seconds for an answer: Python's own alarm does not end a loop in C


def in_worker(jobs: Iterator[Job], do: Callable[[Job], str]) -> Iterator[tuple[Job, str]]:
    """Yield each job with what `do` says of it in the worker, or how the job ended the worker."""
    while True:
        worker = Worker(jobs, do)
        try:
            for job in jobs:
                said = worker.answer()
                yield job, said
                if worker.status is not None:
                    break  # a new one goes on after this job
            else:
                return
        finally:
            worker.end()


class Worker:
    """A fork that does jobs one after the other; its copy of the iterator is where ours is."""

    def __init__(self, jobs: Iterator[Job], do: Callable[[Job], str]):
        self.reader, writer = os.pipe()
        self.answers: deque[bytes] = deque()
        self.rest = b""
        self.status: int | None = None  # once it has ended
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reader)
            _work(jobs, do, writer)
        os.close(writer)

    def answer(self) -> str:
        """Return the next answer, or how the process ended instead."""
        while not self.answers:
            if not select.select([self.reader], [], [], PATIENCE)[0]:
                self.end()
                return f"the process gave no answer in {PATIENCE} s"
            if not (piece := os.read(self.reader, 2**16)):
                self.end()
                return f"the process ended with status {self.status}"
            *lines, self.rest = (self.rest + piece).split(b"\n")
            self.answers.extend(lines)
        said, failure = json.loads(self.answers.popleft())
        if failure:
            raise RuntimeError(f"the campaign itself failed:\n{failure}")
        return str(said)

    def end(self) -> None:
        """Let the process end, if it has not."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)  # nothing happens to one that has ended itself
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.reader)


def _work(jobs: Iterator[Job], do: Callable[[Job], str], writer: int) -> NoReturn:
    """Be the worker."""
    said, failure = "", ""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where libraries in C complain
        for job in jobs:
            try:
                said = do(job)
            except BaseException:
                failure = traceback.format_exc()
            os.write(writer, json.dumps((said, failure)).encode() + b"\n")
    finally:
        os._exit(0)
