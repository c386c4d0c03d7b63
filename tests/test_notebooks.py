"""The notebooks run, prove what they say, and show what a run shows."""

import copy
import os
from base64 import b64encode

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebooks' tools are missing: make docs")
pytest.importorskip("nbclient", reason="the notebooks' tools are missing: make docs")

import notebooks as nb  # noqa: E402 (needs the tools)
from nbclient.exceptions import CellExecutionError  # noqa: E402

pytestmark = pytest.mark.notebooks
ALL = sorted(nb.NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("path", ALL, ids=[path.stem for path in ALL])
def test_a_notebook_is_one_clean_run(path):
    committed, files = nb.read(path), set(nb.NOTEBOOKS.rglob("*"))
    assert not nb.faults(committed)
    assert committed == nb.clean(copy.deepcopy(committed)), "refresh it with make notebooks"
    start = os.times()
    fresh = nb.run(path)
    end = os.times()
    used = end.children_user + end.children_system - start.children_user - start.children_system
    assert used < nb.SECONDS  # of the processor: other work on the machine is not it
    assert not nb.faults(fresh)
    assert not nb.differences(committed, fresh)
    assert set(nb.NOTEBOOKS.rglob("*")) == files, "it leaves files behind"


def test_there_are_notebooks():
    assert ALL


# -- and the checker finds what is wrong ---------------------------------------------------------


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Return a function: sources of cells to the notebook that a fresh kernel makes of them."""
    monkeypatch.delenv("NNGAN_DATA", raising=False)

    def run(*sources):
        nbformat.write(notebook(*sources), tmp_path / "a.ipynb")
        return nb.run(tmp_path / "a.ipynb")

    return run


def test_a_run_is_clean_and_equals_itself(ran):
    first = ran("x = 2", "print(x)", "x + 1", "object()")
    assert not nb.faults(first)
    assert [o.get("text") or o.data["text/plain"] for c in first.cells for o in c.outputs][:2] == [
        "2\n",
        "3",
    ]
    assert not nb.differences(first, ran("x = 2", "print(x)", "x + 1", "object()"))


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("assert 1 + 1 == 3", "AssertionError"),
        ("open('missing.csv')", "FileNotFoundError"),
        ("nothing", "NameError"),
        ("import nngan as nn; nn.datasets.mnist()", "DatasetError"),
    ],
)
def test_a_cell_that_fails_fails(ran, source, error):
    with pytest.raises(CellExecutionError, match=error):
        ran("1", source)


def test_a_stream_that_was_cut_is_one():
    cell = nbformat.v4.new_code_cell("print()", execution_count=1)
    pieces = [("stdout", "a"), ("stdout", "b\n"), ("stderr", "c"), ("stdout", "d")]
    cell.outputs = [nbformat.v4.new_output("stream", name=n, text=t) for n, t in pieces]
    (cleaned,) = nb.clean(nbformat.v4.new_notebook(cells=[cell])).cells
    assert [(o.name, o.text) for o in cleaned.outputs] == [
        ("stdout", "ab\n"), ("stderr", "c"), ("stdout", "d"),
    ]  # fmt: skip


def test_a_warning_is_a_fault(ran):
    assert (
        "cell 1: it writes to stderr" in nb.faults(ran("import warnings; warnings.warn('no')"))[0]
    )


def test_outputs_that_are_not_of_one_run():
    cells = notebook("1", "2")
    nb.clean(cells)
    for counts in ([None, None], [1, 3], [2, 1], [1, None]):
        for cell, count in zip(cells.cells, counts, strict=True):
            cell.execution_count = count
        assert nb.faults(cells) == [
            f"not one run from top to bottom: its cells have the numbers {counts}"
        ]


def shows(text, tags=(), **data):
    cell = nbformat.v4.new_code_cell("show()", execution_count=1, metadata={"tags": list(tags)})
    data = {"text/plain": text, **data}
    cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    made = nbformat.v4.new_notebook(cells=[cell])
    made.metadata["kernelspec"] = {"name": "python3"}
    return made


def test_outdated_outputs():
    assert not nb.differences(shows("<A at 0x7f12345678>"), shows("<A at 0x7f87654321>"))
    assert "cell 1 was committed with" in nb.differences(shows("0.25"), shows("0.26"))[0]
    picture, other = ({"image/png": b64encode(text).decode()} for text in (b"one", b"two"))
    assert not nb.differences(shows("Figure", **picture), shows("Figure", **other))
    assert nb.differences(shows("Figure", **picture), shows("Figure"))
    assert nb.differences(shows("", [nb.VARIES], **picture), shows("", [nb.VARIES]))


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("0.25 s", "12 s"),
        ("loss    9.75 ± 0.1", "loss  -10.2 ± 1.5e-03"),  # in a column of one width
        ("1,797 steps, then 3", "64 steps, then 3"),
    ],
)
def test_numbers_that_vary_are_not_compared(was, now):
    assert nb.differences(shows(was), shows(now))
    assert not nb.differences(shows(was, [nb.VARIES]), shows(now, [nb.VARIES]))


@pytest.mark.parametrize(("was", "now"), [("0.25 s", "0.25 ms"), ("1 2", "1"), ("0.5", "nan")])
def test_the_text_around_numbers_that_vary_is_compared(was, now):
    assert nb.differences(shows(was, [nb.VARIES]), shows(now, [nb.VARIES]))


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (shows("/home/me/data.csv"), "shows a path of a machine, at '/home/'"),
        (shows("", **{"image/png": b64encode(bytes(400_001)).decode()}), "more than 400,000 bytes"),
        (shows("", **{"application/vnd.jupyter.widget-view+json": {}}), "its output is a widget"),
    ],
)
def test_outputs_that_do_not_belong_into_a_repository(made, fault):
    (found,) = nb.faults(made)
    assert fault in found
