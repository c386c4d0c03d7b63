"""The release of Pyodide from which the site takes files, each by its check-sum."""

import hashlib
from pathlib import Path

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


def checked_file(path: Path, checksum: str) -> bytes:
    """Return the content of a file, or raise ValueError if it is another than it should be."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ValueError(f"{path} is not that of Pyodide {RELEASE} (wrong check-sum)")
    return content


def is_no_release(error: Exception) -> int:
    """Say why a folder cannot be used; return the exit status."""
    print(f"{error}: PYODIDE must be the folder of Pyodide {RELEASE}, unpacked, with its wheels")
    return 2
