"""Processes of the tests: waiting for what one has done, stopping one at a certain instant.

The machine may be slow and busy, so nothing here waits for a time. The limit only ends a hang.
"""

import os
import time

import psutil

LIMIT = 600  # seconds


def wait_for(condition, process):
    """Wait until a condition holds; fail if the process ends before it does."""
    end = time.monotonic() + LIMIT
    while True:
        status = process.poll()  # first: what it has done before its end counts
        if condition():
            return
        if status is None and time.monotonic() < end:
            time.sleep(0.005)
            continue
        process.kill()
        streams = [getattr(process, name, None) for name in ("stdout", "stderr")]
        raise AssertionError([status, *(stream.read() for stream in streams if stream)])


def is_stopped(process):
    """Tell whether a process has been stopped, and can go on."""
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def with_startup(folder, code):
    """Return an environment in which every Python executes `code` before anything else."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
