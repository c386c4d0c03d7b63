"""Files that are whole or not there; what a crash leaves is in test_checkpoint.py."""

import gc
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nngan.files import FolderLock, atomic_write, check_writable, new_folder

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX alone has it")


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as one, atomic_write(path) as other:
        one.write(b"one")
        other.write(b"the other")
    assert path.read_bytes() == b"one"  # who ends last
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space") as full, atomic_write(tmp_path / "a"):
        raise OSError(28, "No space left on device")  # a full disk does not say of which file
    assert full.value.filename == str(tmp_path / "a")


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


def in_another_process(code, *arguments):
    """Start Python on some code; return it after its first line."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def end(process, kill=False):
    with process:
        if kill:
            process.kill()
        process.stdin.close()


HALF = """
import sys; from pathlib import Path; from nngan.files import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(b"half"); file.flush(); print("ready", flush=True); sys.stdin.read()
"""


def test_what_a_killed_process_left_is_taken_over_by_the_next_writer(tmp_path):
    path = tmp_path / "file"
    for _ in range(3):
        end(in_another_process(HALF, path), kill=True)
    assert len(os.listdir(tmp_path)) == 1
    write(path)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"new"


def test_what_one_of_several_killed_writers_left_is_removed_too(tmp_path):
    path = tmp_path / "file"
    processes = [in_another_process(HALF, path) for _ in range(4)]  # one name each
    end(processes[0])  # it has the first name, and leaves it free
    end(processes[2])
    end(processes[1], kill=True)
    end(processes[3], kill=True)
    assert len(os.listdir(tmp_path)) == 3
    write(path)
    assert os.listdir(tmp_path) == ["file"]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    path = tmp_path / "file"
    process = in_another_process(HALF, path)
    write(path)
    assert path.read_bytes() == b"new"
    end(process)
    assert path.read_bytes() == b"half"  # it ended last
    assert os.listdir(tmp_path) == ["file"]


def test_many_writers_of_one_file(tmp_path):
    path, contents = tmp_path / "file", [bytes([i]) * 100_000 for i in range(8)]
    threads = [
        threading.Thread(target=lambda c=c: [write(path, c) for _ in range(20)]) for c in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("length", [242, 250, 255])
def test_long_names(tmp_path, length):
    path = tmp_path / ("x" * length)
    write(path)
    assert path.read_bytes() == b"new"


@POSIX
def test_a_link_is_followed_and_the_permissions_are_kept(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    write(link)  # into the void
    real.chmod(0o600)
    write(link, b"newer")
    assert link.is_symlink()
    assert real.read_bytes() == b"newer"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@POSIX
def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, link, Path("/dev/null")):
        for use in (write, check_writable):
            with pytest.raises(OSError, match="is a device or a pipe: name a file"):
                use(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@POSIX
def test_a_link_under_a_temporary_name_is_not_followed(tmp_path):
    path, mine = tmp_path / "file", tmp_path / "mine"
    mine.write_bytes(b"mine")
    end(in_another_process(HALF, path), kill=True)
    (part,) = tmp_path.glob(".nngan-*")
    part.unlink()
    part.symlink_to(mine)
    write(path)
    assert (mine.read_bytes(), path.read_bytes()) == (b"mine", b"new")


def test_where_there_are_no_locks_nothing_is_taken_over(tmp_path, monkeypatch):
    def none(_):
        raise OSError(95, "Operation not supported")

    path = tmp_path / "file"
    end(in_another_process(HALF, path), kill=True)
    monkeypatch.setattr("nngan.files._lock", none)
    write(path)
    assert path.read_bytes() == b"new"
    assert len(os.listdir(tmp_path)) == 2
    FolderLock(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fcntl")
def test_a_file_is_written_where_fcntl_is_empty(tmp_path):
    """As it is in JupyterLite's kernel."""
    program = """
import sys, types; sys.modules["fcntl"] = types.ModuleType("fcntl")
from pathlib import Path; from nngan.files import atomic_write
with atomic_write(Path(sys.argv[1])) as file: file.write(b"written")
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "file"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_bytes() == b"written"


# -- folders -------------------------------------------------------------------------------------


LOCK = """
import sys; from pathlib import Path; from nngan.files import FolderLock
lock = FolderLock(Path(sys.argv[1])); print("ready", flush=True); sys.stdin.read()
"""


@pytest.mark.parametrize("kill", [False, True])
def test_a_folder_belongs_to_one_process_until_its_end(tmp_path, kill):
    process = in_another_process(LOCK, tmp_path)
    with pytest.raises(BlockingIOError, match="is in use by another process: wait"):
        FolderLock(tmp_path)
    end(process, kill)
    first = FolderLock(tmp_path)
    assert FolderLock(tmp_path) is first


def test_a_lock_ends_with_its_object(tmp_path):
    lock = FolderLock(tmp_path)
    del lock
    gc.collect()
    other = in_another_process(LOCK, tmp_path)
    end(other)
    assert other.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX alone forks")
def test_a_forked_process_is_another_one(tmp_path):
    code = """
import os, sys; from pathlib import Path; from nngan.files import FolderLock
lock = FolderLock(Path(sys.argv[1])); print("ready", flush=True); pid = os.fork()
if not pid:
    try: FolderLock(Path(sys.argv[1]))
    except BlockingIOError: os._exit(3)
    os._exit(4)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    process = in_another_process(code, tmp_path)
    end(process)
    assert process.returncode == 3


def test_ten_that_want_one_name_get_ten_folders(tmp_path):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(new_folder(tmp_path / "a" / "run")))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in made) == sorted(["run", *(f"run-{i}" for i in range(2, 11))])
    assert all(path.is_dir() for path in made)
