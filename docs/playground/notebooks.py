"""Put the notebooks in JupyterLite into the site: python docs/playground/notebooks.py SITE PYODIDE.

SITE is the folder of the built site, PYODIDE that of a release of Pyodide with its wheels. The site
serves all that a notebook needs: JupyterLite, Pyodide, nngan and what the notebooks import.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from release import CORE, checked_file, is_no_release

from nngan.commands.notebooks import PACKAGE, as_written, source

# JupyterLite's kernel cannot load pyodide.mjs: its bundler has replaced the import of an address.
FILES = {name: CORE[name] for name in CORE if name != "pyodide.mjs"} | {
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
}
# Of the release: what nngan and the kernel import.
OURS = ["numpy", "pillow", "matplotlib", "scikit-learn"]
KERNEL = ["ssl", "sqlite3", "ipython", "jedi", "micropip"]
# Of this environment, all of it plain Python: what they import and the release does not bring.
INSTALLED = ["tqdm", "comm"]
SETTINGS = {
    "appName": "nngan",
    "exposeAppInBrowser": True,  # as window.jupyterapp, for tests/test_site.py
    # It would let the kernel see JupyterLite's files; the notebooks read none.
    "disabledExtensions": ["@jupyterlite/application-extension:service-worker-manager"],
    "litePluginSettings": {
        "@jupyterlite/pyodide-kernel-extension:kernel": {
            "pyodideUrl": "./pyodide/pyodide.js",
            "disablePyPIFallback": True,
        }
    },
}


def main(site: str, pyodide: str) -> int:
    """Build the folder `lite` of the site; return the exit status."""
    lite = Path(site).absolute() / "lite"
    shutil.rmtree(lite, ignore_errors=True)
    build_jupyterlite(lite)
    try:
        copy_pyodide(Path(pyodide), lite / "pyodide")
    except (OSError, ValueError) as error:
        return is_no_release(error)
    size = sum(file.stat().st_size for file in lite.rglob("*") if file.is_file()) / 1e6
    print(f"The notebooks run on the site ({size:.0f} MB): {lite}")
    return 0


def build_jupyterlite(lite: Path) -> None:
    """Write JupyterLite with the notebooks into a folder."""
    with tempfile.TemporaryDirectory() as place:
        contents = Path(place, "contents")
        contents.mkdir()
        for path in source().glob("[0-9]*.ipynb"):
            notebook = as_written(json.loads(path.read_text(encoding="utf-8")), True)
            notebook["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python"}
            (contents / path.name).write_text(json.dumps(notebook), encoding="utf-8")
        settings = {"jupyter-lite-schema-version": 0, "jupyter-config-data": SETTINGS}
        Path(place, "jupyter-lite.json").write_text(json.dumps(settings))
        subprocess.run(
            [
                sys.executable, "-W", "ignore", "-m", "jupyterlite_core", "build",
                "--lite-dir", place, "--contents", contents, "--output-dir", lite,
                "--apps", "notebooks", "--no-sourcemaps", "--log-level", "ERROR",
            ],
            check=True, stdout=subprocess.DEVNULL, cwd=place,
        )  # fmt: skip


def copy_pyodide(release: Path, folder: Path) -> None:
    """Copy what the notebooks need of a release, with packages of what else they import.

    Raises
    ------
    OSError, ValueError
        If a file is missing or is not that of the release.
    """
    lock = json.loads((release / "pyodide-lock.json").read_bytes())
    kept = {name: lock["packages"][name] for name in wanted(lock["packages"], OURS + KERNEL)}
    folder.mkdir()
    for name, checksum in (
        FILES | {package["file_name"]: package["sha256"] for package in kept.values()}
    ).items():
        (folder / name).write_bytes(checked_file(release / name, checksum))
    for name in INSTALLED:
        files = importlib.metadata.files(name) or []
        modules = [(Path(str(file.locate())), Path(file)) for file in files if file.suffix == ".py"]
        kept[name] = pack(folder, name, modules, [])
    for name, package in (("nngan", PACKAGE), ("figures", source() / "figures")):
        modules = [(file, file.relative_to(package.parent)) for file in package.rglob("*.py")]
        kept[name] = pack(folder, name, modules, OURS + INSTALLED)
    lock["packages"] = kept
    (folder / "pyodide-lock.json").write_text(json.dumps(lock))


def wanted(packages: dict[str, Any], names: list[str]) -> set[str]:
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
