"""Put the playground next to the site: python docs/playground/build.py SITE [PYODIDE].

SITE is the folder of the built site. PYODIDE is the folder of a release of Pyodide with its wheels;
the files that the page needs are copied once their check-sums are those of that release. Without
it the page is built all the same, and says what is missing.
"""

import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "nngan"
PAGE = ("index.html", "playground.css", "playground.js", "draw.js", "worker.js")
RELEASE = "0.27.7"
# SHA-256 of the files of that release, equal to those of npm's `pyodide` and of its lock file.
CORE = {
    "pyodide.mjs": "04c052c815abb0bf2981fa38c2dfa58e3120ee5288c956df2b2a15e301782c5f",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
WHEELS = {
    "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl": (
        "ebb61241d962b98b21597d7ce43b67668a6d5bab3acec4fbe958657320d7cd08"
    ),
    "pillow-10.2.0-cp312-cp312-pyodide_2024_0_wasm32.whl": (
        "43eab147a9355385a99eeac18fb577d4af2fe4bd0bbd23d3ba3ddb92e72c2815"
    ),
}


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
        print(
            f"{error}: PYODIDE must be the folder of Pyodide {RELEASE}, unpacked, with its wheels"
        )
        return 2
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


def checked_file(path: Path, checksum: str) -> bytes:
    """Return the content of a file, or raise ValueError if it is another than it should be."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ValueError(f"{path} is not that of Pyodide {RELEASE} (wrong check-sum)")
    return content


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
