"""Put JupyterLite with the notebooks into the site: python notebooks.py SITE PYODIDE.

SITE is the folder of the built site, PYODIDE that of a release of Pyodide with its wheels. All that
a notebook needs is served by the site: JupyterLite, Pyodide, nngan and the notebooks' own modules.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from build import CORE, checked_file

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "docs" / "notebooks"
# What nngan, the notebooks and the kernel import, with what these need.
NEEDED = ("numpy", "pillow", "matplotlib", "scikit-learn", "ipython", "jedi", "micropip", "sqlite3")
# What `nngan notebooks` copies next to the notebooks: modules that some of them import.
STAND_INS = [ROOT / "tests" / f"{name}.py" for name in ("strict_cupy", "fake_cublas", "philox")]
WHEELS = sorted((ROOT / "build" / "lite").glob("*.whl"))
PLUGIN = "@jupyterlite/pyodide-kernel-extension:kernel"


def main(site: str, pyodide: str) -> int:
    """Build the folder `lite` of the site; return the exit status."""
    lite = Path(site) / "lite"
    shutil.rmtree(lite, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        contents = Path(place, "contents")
        contents.mkdir()
        for notebook in NOTEBOOKS.glob("*.ipynb"):
            (contents / notebook.name).write_text(json.dumps(prepared(notebook)))
        Path(place, "jupyter-lite.json").write_text(json.dumps(settings()))
        subprocess.run(
            [
                sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", place,
                "--contents", contents, "--output-dir", lite.resolve(), "--apps", "notebooks",
                "--no-sourcemaps", *(f"--piplite-wheels={wheel.resolve()}" for wheel in WHEELS),
            ],
            check=True, stdout=subprocess.DEVNULL, cwd=place,
        )  # fmt: skip
    copy_pyodide(Path(pyodide), lite / "pyodide")
    size = sum(file.stat().st_size for file in lite.rglob("*") if file.is_file()) / 1e6
    print(f"The notebooks run on the site ({size:.0f} MB): {lite.absolute()}")
    return 0


def prepared(notebook: Path) -> dict[str, Any]:
    """Return a notebook for JupyterLite: its kernel named, its outputs left to the reader."""
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    content["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python (Pyodide)"}
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return content


def settings() -> dict[str, Any]:
    """Return what JupyterLite reads: nothing comes from another server."""
    return {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "nngan",
            "exposeAppInBrowser": True,
            "litePluginSettings": {
                PLUGIN: {
                    "pyodideUrl": "../pyodide/pyodide.mjs",
                    "disablePyPIFallback": True,
                }
            },
        },
    }


def copy_pyodide(release: Path, folder: Path) -> None:
    """Copy what the notebooks need of a release, and pack what they import of this clone.

    Raises
    ------
    OSError, ValueError
        If a file is missing or is not that of the release.
    """
    lock = json.loads((release / "pyodide-lock.json").read_bytes())
    packages = lock["packages"]
    folder.mkdir()
    kept = {name: packages[name] for name in wanted(packages, NEEDED)}
    checksums = CORE | {package["file_name"]: package["sha256"] for package in kept.values()}
    for name, checksum in checksums.items():
        (folder / name).write_bytes(checked_file(release / name, checksum))
    ours = [(file, file.relative_to(ROOT)) for file in (ROOT / "nngan").rglob("*.py")]
    figures = [(file, file.relative_to(NOTEBOOKS)) for file in (NOTEBOOKS / "figures").glob("*.py")]
    stand_ins = [(file, Path(file.name)) for file in STAND_INS]
    kept["nngan"] = pack(folder, "nngan", ours, list(NEEDED[:4]))
    kept["figures"] = pack(folder, "figures", figures, ["nngan"])
    kept["stand_ins"] = pack(folder, "stand_ins", stand_ins, ["nngan"])
    lock["packages"] = kept
    (folder / "pyodide-lock.json").write_text(json.dumps(lock))


def wanted(packages: dict[str, Any], names: Iterable[str]) -> set[str]:
    """Return the names of packages with all that they depend on."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            left += packages[name]["depends"]
    return found


def pack(
    folder: Path, name: str, files: Iterable[tuple[Path, Path]], depends: list[str]
) -> dict[str, Any]:
    """Write modules as a package of Pyodide; return its entry in the lock file."""
    path = folder / f"{name}.zip"
    imports = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, place in sorted(files):
            archive.write(file, place.as_posix())
            imports.add(place.parts[0].removesuffix(".py"))
    return {
        "name": name, "version": "0", "file_name": path.name, "install_dir": "site",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "package_type": "package",
        "imports": sorted(imports), "depends": depends, "unvendored_tests": False,
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
