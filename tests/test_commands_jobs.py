"""Sweeps through joblib: on a cluster of Dask, after an interruption, with a run that fails."""

import json
import os
import threading
import time

import joblib
import numpy as np
import pytest

from nngan.commands import main, mixtures
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
        distributed.Client(workers),
    ):
        yield


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
