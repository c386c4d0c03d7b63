"""Sweeps through joblib: on a cluster of Dask, after an interruption, with a run that fails."""

import json
import os
import sys
import threading
import time

import joblib
import numpy as np
import pytest

from nngan.commands import main, mixtures, table
from nngan.commands.jobs import side_by_side


def fails_at_two(job):
    time.sleep(0.01 * job)
    if job == 2:
        raise ValueError(f"no {job}")
    return 10 * job


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_one_failed_job_ends_no_other(processes, backend):
    with joblib.parallel_config(backend=backend):
        found = dict(side_by_side(fails_at_two, range(5), processes, (ValueError,)))
    assert str(found.pop(2)) == "no 2"
    assert found == {0: 0, 1: 10, 3: 30, 4: 40}


def test_the_number_of_jobs_is_that_of_the_callers_backend():
    n = 3 * (os.cpu_count() or 1)
    all_at_once = threading.Barrier(n)
    with joblib.parallel_config(backend="threading", n_jobs=n):
        assert len(list(side_by_side(lambda _: all_at_once.wait(600), range(n), None, ()))) == n


def test_seeds_that_were_kept_are_not_played_again(tmp_path, monkeypatch, capsys):
    words = ["mixtures", "ring", "--steps", "3", "--processes", "1", "--keep", str(tmp_path / "k")]
    assert main([*words, "--seeds", "2", "--json", str(tmp_path / "two.json")]) == 0
    assert main([*words, "--seeds", "3", "--json", str(tmp_path / "three.json")]) == 0
    two, three = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("two", "three"))
    assert three[:2] == two  # their minutes too
    assert len(three) == 3


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main(["mixtures", "ring", "--keep", str(tmp_path / "file")])
    assert capsys.readouterr().err.endswith("file: File exists\n")


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="Dask is missing: make test-mpi")
    options = {"threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=2, host="127.0.0.1", **options) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")  # those of Dask
def test_mixtures_on_a_cluster_of_dask(cluster, tmp_path):
    words = ["mixtures", "ring", "--seeds", "3", "--steps", "4"]
    with joblib.parallel_config(backend="dask"):
        assert main([*words, "--json", str(tmp_path / "dask.json")]) == 0
    rows = json.loads((tmp_path / "dask.json").read_text())
    for row in rows:
        run = mixtures.train(row["seed"], "ring", False, 4, "numpy")
        np.testing.assert_equal(row["reverse_kl"], run.modes.reverse_kl)
        assert row["high_quality"] == run.modes.high_quality


@pytest.mark.filterwarnings("ignore")
def test_a_table_on_a_cluster_of_dask_names_the_run_that_failed(cluster, tmp_path, capsys):
    words = ["table", "r1", "--seeds", "2", "--epochs", "1", "--data-dir", str(tmp_path / "none")]
    with joblib.parallel_config(backend="dask"):
        assert main([*words, "--out", str(tmp_path / "runs")]) == 1
    errors = capsys.readouterr().err
    for seed in range(2):
        log = tmp_path / "runs" / f"r1-{seed}.train.log"
        assert f"nngan train ended with status 2: see {log}" in errors
        assert log.read_text().startswith("nngan train: error: ")


# A Python for the runs of a table, in which `nngan train` makes a folder, except for seed 1, and
# `nngan evaluate` gives all scores the value of the seed. Without it a run takes MNIST and minutes.
PYTHON = """\
#!{python}
import json, os, sys
from pathlib import Path
_, module, name, *words = sys.argv[1:]
assert (sys.argv[1], module) == ("-m", "nngan")
if name == "train":
    options = dict(zip(words[::2], words[1::2]))
    Path(options["--out"]).mkdir()
    sys.exit(3 if options["--seed"] == "1" else 0)
scores = {{"value": float(words[0][-1]), "real": 0.5}}
report = {{"epoch": 7, "samples": 10_000, "seed": 0, "metrics": dict.fromkeys({columns}, scores)}}
Path(words[0], "metrics.json").write_text(json.dumps(report))
print("measured by process", os.getppid())
"""


@pytest.mark.filterwarnings("ignore")
def test_a_table_on_a_cluster_of_dask_has_the_runs_that_did_not_fail(cluster, tmp_path, capsys):
    python, runs = tmp_path / "python", tmp_path / "runs"
    python.write_text(PYTHON.format(python=sys.executable, columns=list(table.COLUMNS)))
    python.chmod(0o755)
    words = ["table", "r1", "--seeds", "4", "--epochs", "7", "--out", str(runs)]
    cluster.run(setattr, sys, "executable", str(python))
    try:
        with joblib.parallel_config(backend="dask"):
            assert main(words) == 1
    finally:
        cluster.run(setattr, sys, "executable", sys.executable)
    out, errors = capsys.readouterr()
    assert errors == f"nngan train ended with status 3: see {runs / 'r1-1.train.log'}\n"
    assert "| `r1`, 7 epochs | 3 | 1.7 ± 0.9 | 1.67 ± 0.88 | 1.6667 ± 0.8819 |" in out
    workers = {str(pid) for pid in cluster.run(os.getpid).values()}
    logs = [(runs / f"r1-{seed}.evaluate.log").read_text() for seed in (0, 2, 3)]
    assert {log.split()[-1] for log in logs} <= workers
