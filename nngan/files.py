"""Files that are written whole or not at all, folders that belong to one process.

A lock is held by an open file, so that it ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # a Python in a browser has one process; JupyterLite's fcntl is empty

        def _lock(descriptor: int) -> None:
            raise OSError(errno.EOPNOTSUPP, "there are no locks")
    else:

        def _lock(descriptor: int) -> None:
            flock(descriptor, LOCK_EX | LOCK_NB)


IS_WINDOWS = os.name == "nt"  # where an open file cannot be renamed
MOST_WRITERS = 100  # of one file at a time
FEW_WRITERS = 10  # so many names are looked at, even if there are gaps between them
IN_USE = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # what a lock says that another has


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file next to `path` to write; rename it to `path` once it is safely on the disk.

    A link is followed, and a file that is replaced leaves its permissions to the new one. What
    killed processes left behind is taken over or removed by the next writer of the same `path`.

    Raises
    ------
    OSError
        If the file cannot be written, or if `path` is a folder, a device or a pipe, which cannot
        be replaced.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    mode = _mode_of(target, path)
    part, file = _open_part(target)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if mode is not None:
            part.chmod(mode)
        if IS_WINDOWS:
            file.close()
        part.replace(target)
    except BaseException as error:
        if IS_WINDOWS:
            with contextlib.suppress(OSError):
                file.close()
        part.unlink(missing_ok=True)
        # A full disk names no file.
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(part)):
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # after a full disk it is full again
            file.close()
    _remove_left(target)


def check_writable(path: Path) -> None:
    """Raise OSError if `path` is a folder, a device or a pipe, or its folder cannot be written."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    _mode_of(target, path)
    part, file = _open_part(target)
    file.close()
    part.unlink(missing_ok=True)


def _mode_of(target: Path, path: Path) -> int | None:
    """Return the permissions of a file that will be replaced; None if there is no file yet."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder: add the name of a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is a device or a pipe: name a file", str(path))
    return stat.S_IMODE(mode)


def _open_part(target: Path) -> tuple[Path, IO[bytes]]:
    """Return a locked, empty file next to `target`, whose name follows from that of `target`.

    The names are few, so that what a killed process left is found again. A file that another
    writer has locked is left alone.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    for part in _part_names(target):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(part.lstat().st_mode):
                continue  # not of ours
        try:
            descriptor = os.open(part, flags, 0o666)
        except PermissionError:
            if part.exists():
                continue  # of another user
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target)) from None
        except OSError as error:
            error.filename = str(target)
            raise
        if _owns(descriptor, part):
            os.ftruncate(descriptor, 0)
            return part, os.fdopen(descriptor, "w+b")
        os.close(descriptor)
    raise OSError(errno.EBUSY, f"has {MOST_WRITERS} writers at once", str(target))


def _part_names(target: Path) -> Iterator[Path]:
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    for i in range(MOST_WRITERS):
        yield target.with_name(f".nngan-{digest}-{i}.part")


def _remove_left(target: Path) -> None:
    """Remove what other writers of `target` left, if they were killed: nobody has it locked."""
    for i, part in enumerate(_part_names(target)):
        with contextlib.suppress(OSError):  # whatever is wrong with it, the new file is there
            try:
                is_plain = stat.S_ISREG(part.lstat().st_mode)
            except FileNotFoundError:
                if i < FEW_WRITERS:
                    continue
                return
            if is_plain and IS_WINDOWS:
                part.unlink()  # Windows refuses it while a writer has it open
            elif is_plain:
                descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    _lock(descriptor)
                    if os.path.samestat(os.fstat(descriptor), part.lstat()):
                        part.unlink()
                finally:
                    os.close(descriptor)


def _owns(descriptor: int, part: Path) -> bool:
    """Lock an open file; tell whether it is ours: free, and still the one of that name."""
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in IN_USE:
            return False
        return os.fstat(descriptor).st_size == 0  # no locks here: take none that has a content
    with contextlib.suppress(OSError):  # the last writer may have renamed it before our lock
        return os.path.samestat(os.fstat(descriptor), part.lstat())
    return False


# -- folders -------------------------------------------------------------------------------------


def new_folder(path: Path) -> Path:
    """Make a new folder and return it: `path`, or if there is one, with -2, -3, ... after it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted, i = path, 1
    while True:
        try:
            path.mkdir()
        except FileExistsError:
            i += 1
            path = wanted.with_name(f"{wanted.name}-{i}")
        else:
            return path


class FolderLock:
    """A folder that no other process can lock while this object is there.

    Locks of one process do not exclude each other. Where the file system has no locks, nothing is
    excluded; over a network it depends on the server.

    Raises
    ------
    BlockingIOError
        If another process has locked the folder.
    OSError
        If no file can be made in it.
    """

    def __new__(cls, folder: Path) -> FolderLock:
        """Return the lock that this process has already, if any."""
        path = os.path.realpath(folder / ".lock")
        lock = _held.get(path)
        if lock is None or lock.process != os.getpid():
            lock = super().__new__(cls)
            lock._take(path, folder)
            _held[path] = lock
        return lock

    def _take(self, path: str, folder: Path) -> None:
        self.process = os.getpid()  # a forked process has no part in it
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in IN_USE:
                os.close(descriptor)
                reason = "is in use by another process: wait for its end, or choose another folder"
                raise BlockingIOError(errno.EAGAIN, reason, str(folder)) from None
        weakref.finalize(self, os.close, descriptor)


_held: weakref.WeakValueDictionary[str, FolderLock] = weakref.WeakValueDictionary()
