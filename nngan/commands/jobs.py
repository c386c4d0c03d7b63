"""Runs side by side, through joblib: in threads, in processes, or on the cluster of the caller.

A caller's Dask or Ray takes them with joblib's own context manager::

    with joblib.parallel_config(backend="dask"):
        nngan.commands.main(["mixtures", "ring"])
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed, effective_n_jobs

Job = TypeVar("Job")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    processes: int | None,
    errors: tuple[type[Exception], ...],
    prefer: str | None = None,
) -> Iterator[tuple[Job, Result | Exception]]:
    """Yield each job with its result, or with the error that ended it, as soon as it ends.

    Parameters
    ----------
    function : callable
        It is called with each job, where joblib's active backend calls it.
    jobs : sequence
    processes : int or None
        How many run at once. None: as many as the active backend of joblib can, or one per core.
    errors : tuple of exception types
        Errors that end one job alone.
    prefer : str, optional
        "threads" or "processes", where the caller has chosen no backend.
    """
    if processes is None:
        processes = max(effective_n_jobs(None), os.cpu_count() or 1)
    processes = max(1, min(processes, len(jobs)))
    run = Parallel(
        processes, prefer=prefer, return_as="generator_unordered", pre_dispatch="n_jobs",
        initializer=follow, initargs=(os.getpid(),),
    )  # fmt: skip
    handler = signal.getsignal(signal.SIGINT)
    if prefer != "threads":  # joblib's processes inherit this: Ctrl-C is for their parent
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        results: Iterator[tuple[Job, Result | Exception]] = run(
            delayed(attempt)(function, job, errors) for job in jobs
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    return results


def attempt(
    function: Callable[[Job], Result], job: Job, errors: tuple[type[Exception], ...]
) -> tuple[Job, Result | Exception]:
    """Return a job with its result, or with the error that ended it."""
    try:
        return job, function(job)
    except errors as error:
        return job, error


def follow(parent: int) -> None:
    """End this process with its parent, however that ends, if `parent` has started it."""
    is_of_joblib = multiprocessing.current_process().name.startswith("LokyProcess")
    if parent != os.getppid() and not is_of_joblib:  # a cluster's
        return

    def wait() -> None:
        known = multiprocessing.parent_process()
        if os.name == "nt" and known is not None:  # there the number of the parent stays
            known.join()
        while os.name != "nt" and os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
