"""Run the notebooks, and say what is wrong with a committed one.

python tests/notebooks.py             # run all of docs/notebooks in place: `make notebooks`

The committed pictures show MNIST: name its folder in the environment variable NNGAN_DATA.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
import warnings
from base64 import b64decode
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
SECONDS = 90
PICTURE_BYTES = 400_000
# Tag of a cell whose numbers are others on another machine or in another run: durations, and losses
# and scores of trained games, where differences of rounding grow. Where MNIST is missing, all
# numbers of its digits are others, too.
VARIES = "varies"
NUMBER = re.compile(r"[ \t]*[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")
MACHINE = re.compile(r"/(?:home|root|Users|tmp|usr|opt|work)/|site-packages|[A-Z]:\\")


def main() -> None:
    """Run the notebooks named on the command line, or all, in place."""
    for path in map(Path, sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb"))):
        start = time.perf_counter()
        nbformat.write(run(path), path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s")
        for fault in faults(read(path)):
            print(f"  {fault}")


def read(path: Path) -> Any:
    """Return the notebook."""
    return nbformat.read(path, as_version=4)


def run(path: Path) -> Any:
    """Return the notebook as a fresh kernel leaves it; raise what its first failing cell raises.

    It runs in its own folder, without a network or a GPU. It sees MNIST only where NNGAN_DATA names
    its folder, and scikit-learn's digits elsewhere.
    """
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as empty, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the event loop and its sockets, not of the notebook
        alone = {
            "http_proxy": "http://127.0.0.1:9",  # where nobody listens
            "https_proxy": "http://127.0.0.1:9",
            "CUDA_VISIBLE_DEVICES": "",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",  # of `figures`, into the folder of the notebooks
            "XDG_CACHE_HOME": empty,
            "NNGAN_DATA": os.environ.get("NNGAN_DATA", empty),
        }
        client = NotebookClient(
            notebook,
            timeout=10 * SECONDS,  # on a busy machine
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
        )
        client.execute(env={**os.environ, **alone})
    return clean(notebook)


def clean(notebook: Any) -> Any:
    """Return the notebook with nothing in it that differs from machine to machine or run to run."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        outputs = cell.get("outputs", [])
        for i in range(len(outputs) - 1, 0, -1):  # where the kernel cuts a stream is chance
            before, after = outputs[i - 1 : i + 1]
            if before.output_type == after.output_type == "stream" and before.name == after.name:
                before.text += outputs.pop(i).text
    return notebook


def faults(notebook: Any) -> list[str]:
    """Return what is wrong with a notebook as it was committed, one sentence each."""
    found = []
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        found.append(f"not one run from top to bottom: its cells have the numbers {counts}")
    if "widgets" in notebook.metadata:
        found.append("it keeps the state of widgets")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("its kernel must be called python3")
    for n, cell in enumerate(cells, 1):
        found += [f"cell {n}: {fault}" for output in cell.outputs for fault in _faults(output)]
    return found


def _faults(output: Any) -> list[str]:
    found = []
    if output.output_type == "error":
        found.append(f"it ends in {output.ename}: {output.evalue}")
    if output.get("name") == "stderr":
        found.append(f"it writes to stderr: {output.text[:100]}")
    if path := MACHINE.search(_text(output)):
        found.append(f"its output shows a path of a machine, at {path.group()!r}")
    for mime, data in output.get("data", {}).items():
        if mime.startswith("image/") and len(b64decode(data)) > PICTURE_BYTES:
            found.append(f"a picture has more than {PICTURE_BYTES:,} bytes")
        if "widget" in mime:
            found.append("its output is a widget")
    return found


def differences(committed: Any, fresh: Any) -> list[str]:
    """Return where the outputs that were committed are not those of a run now.

    Texts are compared, and pictures only counted. In a cell tagged `varies` every number, with the
    blanks that fill its column, counts as the same.
    """
    found = []
    cells = [
        [cell for cell in notebook.cells if cell.cell_type == "code"]
        for notebook in (committed, fresh)
    ]
    for n, (was, now) in enumerate(zip(*cells, strict=True), 1):
        varies = VARIES in was.metadata.get("tags", [])
        before, after = (_comparable(cell.outputs, varies) for cell in (was, now))
        if before != after:
            found.append(f"cell {n} was committed with {before}, and a run now gives {after}")
    return found


def _comparable(outputs: list[Any], varies: bool) -> list[tuple[str, ...]]:
    kept: list[tuple[str, ...]] = []
    for output in outputs:
        kinds = tuple(sorted(output.get("data", {}))) or (output.output_type,)
        text = NUMBER.sub(" #", _text(output)) if varies else _text(output)
        kept.append((*kinds, text))
    return kept


def _text(output: Any) -> str:
    """Return all that can be read in an output, without the addresses of objects."""
    texts = [output.get("text", "")]
    texts += [str(v) for k, v in sorted(output.get("data", {}).items()) if k.startswith("text/")]
    return re.sub(r"0x[0-9a-f]{6,}", "0x", "\n".join(texts))


if __name__ == "__main__":
    main()
