"""Put the playground next to the site: python docs/playground/build.py SITE [PYODIDE].

SITE is the folder of the built site. PYODIDE is the folder of a release of Pyodide with its wheels;
the files that the page needs are copied once their check-sums are those of that release. Without
it the page is built all the same, and says what is missing.
"""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
from release import CORE, RELEASE, WHEELS, checked_file, is_no_release
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "nngan"
PAGE = ("index.html", "playground.css", "playground.js", "draw.js", "worker.js")


def main(site: str, pyodide: str = "") -> int:
    """Build the page; return the exit status."""
    page = Path(site) / "playground"
    shutil.rmtree(page, ignore_errors=True)
    page.mkdir(parents=True)
    for name in PAGE:
        shutil.copyfile(HERE / name, page / name)
    pack(page / "nngan.zip")
    if not pyodide:
        print("The playground has no Python: make playground PYODIDE=DIR adds it.")
        return 0
    try:
        files = checked(Path(pyodide))
    except (OSError, ValueError) as error:
        return is_no_release(error)
    (page / "pyodide").mkdir()
    for name, content in files.items():
        (page / "pyodide" / name).write_bytes(content)
    size = sum(map(len, files.values())) / 1e6
    print(f"The playground has Pyodide {RELEASE} ({size:.0f} MB): {page.absolute()}")
    return 0


def pack(path: Path) -> None:
    """Write what Python reads there: the library, the playground's Python, the digits."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(PACKAGE.rglob("*.py")):
            archive.write(file, file.relative_to(PACKAGE.parent).as_posix())
        archive.write(HERE / "playground.py", "playground.py")
        with archive.open("digits.npz", "w") as file:
            np.savez_compressed(file, x=load_digits().data.astype(np.uint8))


def checked(folder: Path) -> dict[str, bytes]:
    """Return the files of Pyodide that the page needs, with a lock file for these alone.

    Raises
    ------
    OSError, ValueError
        If one is missing or is not that of the release.
    """
    lock = json.loads((folder / "pyodide-lock.json").read_bytes())
    files = {}
    for name, checksum in (CORE | WHEELS).items():
        files[name] = checked_file(folder / name, checksum)
    lock["packages"] = {
        name: package
        for name, package in lock["packages"].items()
        if WHEELS.get(package["file_name"]) == package["sha256"]
    }
    files["pyodide-lock.json"] = json.dumps(lock).encode()
    return files


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
