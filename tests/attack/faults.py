"""A fault at one file operation of a process: its end, a full disk, a broken disk, a short write.

The operations below a folder are counted: to make, open for writing, write, flush to the disk,
rename, link, remove a file or folder, and to change its size or mode. Writes are those of the
system: what Python has gathered in a buffer is one.
"""

import builtins
import contextlib
import errno
import io
import os
import pathlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATHS = (
    "open", "mkdir", "rmdir", "unlink", "remove", "replace", "rename", "link", "symlink",
    "truncate", "chmod", "utime",
)  # fmt: skip
FILES = ("fsync", "fdatasync", "ftruncate", "fchmod", "write")  # of an open file's number


class Faults:
    """Count the file operations below `folder`, and do what `phase` says at the `at`-th.

    ``phase`` is one of PHASES: the process ends before, in the middle of (half of a write) or after
    it; or it fails, and with it all that need room ("full"); or it fails alone ("broken"); or half
    of a write is done and the rest fails ("short").
    """

    ENDS = ("before", "middle", "after")
    ERRORS = ("full", "broken", "short")

    def __init__(self, folder: Path, at: int = -1, phase: str = ""):
        self.folder, self.at, self.phase = os.path.abspath(folder), at, phase
        self.count, self.full = 0, False
        self.names: list[str] = []

    def install(self) -> None:
        """Put this into the place of the system's functions. There is no way back: for a fork."""
        pathlib_36 = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 has copies of them
        for name in (*PATHS, *FILES):
            if (function := getattr(os, name, None)) is None:
                continue
            new = (self._on_path if name in PATHS else self._on_file)(name, function)
            setattr(os, name, new)
            if pathlib_36 is not None and hasattr(pathlib_36, name) and name != "open":
                setattr(pathlib_36, name, staticmethod(new))
        opened = self._open(io.open)
        io.open = builtins.open = opened
        if pathlib_36 is not None:
            pathlib_36.open = staticmethod(opened)

    def happen(
        self, name: str, path: object, do: Callable[[], Any], half: Callable[[], Any] | None = None
    ) -> Any:
        """Do one operation, or what there is instead of it."""
        at = self.count
        self.count += 1
        self.names.append(f"{name} {os.path.basename(str(path))}")
        if at == self.at:
            if self.phase == "before":
                _end()
            if self.phase == "middle":
                if half is not None:
                    half()
                _end()
            if self.phase == "full":
                self.full = True
            if self.phase == "broken":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if self.phase == "short":
                self.full = True
                if half is not None:
                    return half()
        needs_room = name in ("open", "mkdir", "write", "fsync", "link", "symlink")
        if self.full and needs_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        result = do()
        if at == self.at and self.phase == "after":
            _end()
        return result

    def _below(self, path: object) -> bool:
        with contextlib.suppress(TypeError, ValueError):
            return os.path.abspath(os.fspath(path)).startswith(self.folder)  # type: ignore[call-overload]
        return False

    def _on_path(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Any, *args: Any, **options: Any) -> Any:
            flags = args[0] if name == "open" and args else os.O_CREAT
            if not self._below(path) or not flags & (os.O_CREAT | os.O_TRUNC):
                return function(path, *args, **options)
            return self.happen(name, path, lambda: function(path, *args, **options))

        return operation

    def _on_file(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(file: Any, *args: Any) -> Any:
            if isinstance(file, int) and file <= 2:
                return function(file, *args)
            half = None
            if name == "write":
                half = lambda: function(file, args[0][: len(args[0]) // 2])  # noqa: E731
            return self.happen(name, "", lambda: function(file, *args), half)

        return operation

    def _open(self, original: Callable[..., Any]) -> Callable[..., Any]:
        faults = self

        class Raw(io.FileIO):
            def write(self, data: Any) -> Any:
                view = memoryview(data)
                write = super().write
                half = lambda: write(view[: len(view) // 2])  # noqa: E731
                return faults.happen("write", "", lambda: write(view), half)

            def truncate(self, size: int | None = None) -> int:
                truncate = super().truncate
                return faults.happen("ftruncate", "", lambda: truncate(size))

        def opened(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any):
            is_file = isinstance(file, int) and file > 2
            if not set(mode) & set("wxa+") or not (is_file or self._below(file)):
                return original(file, mode, buffering, *args, **options)
            kind = mode.replace("b", "").replace("t", "")
            closefd, opener = options.pop("closefd", True), options.pop("opener", None)
            make = lambda: Raw(file, kind, closefd, opener)  # noqa: E731
            raw = make() if is_file else self.happen("open", file, make)
            if buffering == 0:
                return raw
            buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **options)

        return opened


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
