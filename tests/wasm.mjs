// Runs tests in Pyodide: node wasm.mjs PYODIDE ROOT PACKAGES ARGUMENT...
// PYODIDE is the folder of a release and ROOT the clone. PACKAGES are the folders of pure Python
// packages that the tests import, as one JSON list. The arguments and the status are pytest's.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const [pyodide, root, packages, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
try {
  const env = { HOME: "/home/pyodide", LOSSES: process.env.LOSSES ?? "" };
  const python = await loadPyodide({ indexURL: `${pyodide}/`, env });
  await python.loadPackage(["numpy", "pillow", "scipy"], { messageCallback: () => {} });
  for (const path of JSON.parse(packages)) {
    const there = `/packages/${basename(path)}`;
    if (path.endsWith(".py")) python.FS.writeFile(there, readFileSync(path));
    else python.mountNodeFS(there, path);
  }
  python.mountNodeFS("/clone", root);
  python.globals.set("options", python.toPy(options));
  process.exitCode = python.runPython(`
import os, sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/packages", "/clone"]
os.chdir("/clone")
import pytest

int(pytest.main(options))
`);
} catch (error) {
  console.error(error.message); // without it node shows the line of Pyodide, a megabyte long
  process.exitCode = 1;
}
