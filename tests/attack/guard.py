"""One call under watch: which exception it raises, how much memory and how long it takes."""

import contextlib
import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS = 5  # of the processor: other work on the machine takes none of them
PATIENCE = 100  # seconds of the clock, for a call that only waits
LIMIT = 2**27  # bytes: NNGAN_MEMORY of the attack
MOST = 3 * LIMIT  # a file's content, the arrays made from it, and a copy on the way
FORBIDDEN = 2**31  # more address space than this is not given
os.environ["NNGAN_MEMORY"] = str(LIMIT)


class TooSlow(BaseException):
    """The call took too much of the processor's time, or does not end."""


class Watched:
    """Watch calls of one process, from now on."""

    def __init__(self) -> None:
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, _too_slow)
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            size = pages * resource.getpagesize() + FORBIDDEN
            resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        self.most = _peak() + MOST

    def call(
        self, function: Callable[[], object], allowed: tuple[type[BaseException], ...], *words: str
    ) -> str:
        """Call; return what was wrong, or "".

        An exception must be one of `allowed`, and its message one short sentence with all `words`.
        """
        said = ""
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            function()
        except TooSlow as error:
            said = f"over {SECONDS} s in {place(error)}"
        except BaseException as error:
            said = self._judged(error, allowed, words)
        finally:
            for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                signal.setitimer(timer, 0)
        if (peak := _peak()) > self.most:
            said = f"{(peak - self.most + MOST) >> 20} MiB of memory"
            _forget_peak()
            self.most = max(self.most, _peak() + MOST)
        return said

    def _judged(
        self, error: BaseException, allowed: tuple[type[BaseException], ...], words: tuple[str, ...]
    ) -> str:
        link: BaseException | None = error
        while link is not None:
            if isinstance(link, MemoryError):
                return f"MemoryError in {place(link)}: over {FORBIDDEN >> 30} GiB were asked for"
            link = link.__cause__ or link.__context__
        message = str(error)
        if not isinstance(error, allowed):
            return f"{type(error).__name__} in {place(error)} | {message[:150]}"
        if "pickle" in message and "unsafely" in message:
            return f"an advice to load pickles in {place(error)}"
        missing = [word for word in words if word not in message]
        if missing or len(message) > 1000:
            return (
                f"a message of {len(message)} letters without {missing}, in {place(error)} | "
                f"{message[:150]}"
            )
        return ""


def command(main: Callable[[list[str]], int], words: list[str]) -> tuple[object, str]:
    """Call a command; return its exit status and what it wrote to stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status: object = main(words)
        except SystemExit as stop:
            status = stop.code
    return status, err.getvalue()


def sentence(status: object, error: str, most: int = 1) -> str:
    """Return what is wrong with the end of a command."""
    if status not in (0, 1, 2):
        return f"status {status}"
    if "Traceback" in error or error.count("\n") > most or "unsafely" in error:
        return f"no sentence | {error[-300:]}"
    if status == 2 and (not error.strip() or len(error) > 1000):
        return f"no sentence | {error[-300:]}"
    return ""


def place(error: BaseException) -> str:
    """Return the last function of the library, and the last of all, that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{os.sep}nngan{os.sep}" in f.filename]
    names = [
        f"{Path(f.filename).parent.name}/{Path(f.filename).name} {f.name}"
        for f in (*ours[-1:], *frames[-1:])
    ]
    return " > ".join(dict.fromkeys(names))


def _too_slow(number: int, frame: object) -> None:
    raise TooSlow


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _forget_peak() -> None:
    with contextlib.suppress(OSError):  # Linux alone can forget it
        Path("/proc/self/clear_refs").write_text("5")
