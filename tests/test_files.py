"""Files that are whole or not there; what a crash leaves is in test_checkpoint.py."""

import os

import pytest

from nngan.files import atomic_write


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
