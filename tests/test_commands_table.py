"""``nngan table``: the commands it runs, the folders it leaves alone, the means it prints."""

import _thread
import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nngan.commands import table
from nngan.recipes import RECIPES
from nngan.runs import RunSettings


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Run the command in this process with a stand-in for the two it calls; return its status."""
    calls = []

    def play(command, stdin, stdout, stderr, env):
        assert command[:3] == [sys.executable, "-m", "nngan"]
        name, *arguments = command[3:]
        calls.append((name, *arguments))
        if "--out" in arguments:
            given = dict(zip(arguments[::2], arguments[1::2], strict=False))
            folder = Path(given["--out"])
            folder.mkdir(exist_ok=True)
            recipe = RECIPES[given["--recipe"]]
            numbers = {name: int(given[f"--{name}"]) for name in ("seed", "images", "epochs")}
            settings = RunSettings(
                data=given["--data"], recipe=given["--recipe"], batch_size=recipe.batch_size,
                **numbers,
            )  # fmt: skip
            config = {**asdict(settings), "gan": recipe.build(784, settings.seed).config()}
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "checkpoint.npz").write_text("")
        else:
            folder = Path(arguments[0])
            epoch = json.loads((folder / "config.json").read_text())["epochs"]
            write(folder, epoch, value=float(folder.name.rsplit("-", 1)[1]))
        return SimpleNamespace(wait=lambda: int(folder.name == "r1-1"))

    def write(folder, epoch, value):
        metrics = {key: {"value": value, "real": 0.5} for key in table.COLUMNS}
        report = {"epoch": epoch, "samples": 10_000, "seed": 0, "metrics": metrics}
        (folder / "metrics.json").write_text(json.dumps(report))

    monkeypatch.setattr(table.subprocess, "Popen", play)

    def run(*arguments):
        calls.clear()
        given = ["--out", str(tmp_path), "--processes", "1", *map(str, arguments)]
        return table.main(given)

    run.calls, run.write = calls, write
    return run


def test_runs_of_all_seeds_become_one_row(script, tmp_path, capsys):
    assert script("default", "tf_basic") == 0
    assert len(script.calls) == 2 * 2 * 3
    assert script.calls[0] == (
        "train", "--out", str(tmp_path / "default-0"), "--backend", "auto",
        "--data", "mnist", "--recipe", "default", "--seed", "0", "--images", "50000",
        "--epochs", str(RECIPES["default"].epochs),
    )  # fmt: skip
    assert script.calls[1] == ("evaluate", str(tmp_path / "default-0"), "--backend", "auto")
    out = capsys.readouterr().out.splitlines()
    assert out[-3].startswith("| *real images* |  | 0.5 | 0.50 |")
    error, epochs = np.std([0, 1, 2], ddof=1) / 3**0.5, RECIPES["default"].epochs
    row = f"| `default`, {epochs} epochs | 3 | 1.0 ± {error:.1f} | 1.00 ± {error:.2f}"
    assert out[-2].startswith(row)
    assert out[-1].startswith("| `tf_basic`, 100 epochs | 3 |")


def test_a_recipe_has_as_many_epochs_of_few_images_as_train_gives_it(script):
    script("r1", "--seeds", 1, "--images", 10_000)
    assert script.calls[0][-2:] == ("--epochs", str(6 * RECIPES["r1"].epochs))


def test_what_is_there_is_not_made_again(script, tmp_path, capsys):
    script("r1", "--seeds", 1, "--epochs", 7)
    script("r1", "--seeds", 1, "--epochs", 7)
    assert not script.calls
    assert "| `r1`, 7 epochs | 1 | 0.0 | 0.00 |" in capsys.readouterr().out  # of one, no error
    script("r1", "--seeds", 1, "--epochs", 9)  # the run has 7: it goes on
    assert script.calls[0] == (
        "train", "--out", str(tmp_path / "r1-0"), "--backend", "auto",
        "--data", "mnist", "--recipe", "r1", "--seed", "0", "--images", "50000",
        "--epochs", "9", "--resume",
    )  # fmt: skip


def test_a_run_that_was_measured_on_the_way_goes_on(script, tmp_path, capsys):
    script("r1", "--seeds", 1, "--epochs", 7)
    script.write(tmp_path / "r1-0", epoch=3, value=5.0)
    capsys.readouterr()
    assert script("r1", "--seeds", 1, "--epochs", 7) == 0
    assert [call[0] for call in script.calls] == ["train", "evaluate"]
    assert "| `r1`, 7 epochs | 1 | 0.0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"recipe": "tf_basic"}, "recipe tf_basic (not default)"),
        ({"seed": 5}, "seed 5 (not 1)"),
        ({"images": 60_000}, "images 60000 (not 50000)"),
        ({"data": "fashion"}, "data fashion (not mnist)"),
        ({"epochs": 8}, "epochs 8 (not 7)"),
        ({"seed": 2, "images": 100}, "seed 2 (not 1), images 100 (not 50000)"),
        ({"batch_size": 64}, "other options than the recipe default has now"),
        (
            {"gan": RECIPES["default"].with_lr(0.5).build(784, 1).config()},
            "other options than the recipe default has now",
        ),
        ({"gan": {}}, "other options than the recipe default has now"),
    ],
)
def test_a_folder_of_another_setting_is_named_and_left_alone(
    script, tmp_path, capsys, changed, said
):
    script("default", "--epochs", 7)
    folder = tmp_path / "default-1"
    config = json.loads((folder / "config.json").read_text()) | changed
    (folder / "config.json").write_text(json.dumps(config))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert script("default", "--epochs", 7) == 1
    out, error = capsys.readouterr()
    assert error == f"{folder} holds a run with {said}: choose another --out\n"
    assert not script.calls
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "| `default`, 7 epochs | 2 | 1.0 ± 1.0 |" in out  # of the seeds 0 and 2


def test_a_damaged_folder_is_named_and_left_alone(script, tmp_path, capsys):
    script("default", "--epochs", 7)
    (tmp_path / "default-1" / "config.json").write_text('{"epochs": 7')
    capsys.readouterr()
    assert script("default", "--epochs", 7) == 1
    error = capsys.readouterr().err
    assert "default-1/config.json is damaged (" in error
    assert error.count("\n") == 1
    assert not script.calls


@pytest.mark.parametrize("other", [{"samples": 40}, {"seed": 3}])
def test_a_run_that_was_measured_in_another_way_is_measured_again(script, tmp_path, other):
    script("r1", "--seeds", 1, "--epochs", 7)
    metrics = tmp_path / "r1-0" / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | other))
    assert script("r1", "--seeds", 1, "--epochs", 7) == 0
    assert script.calls[-1][0] == "evaluate"


def test_the_table_has_the_seeds_that_were_asked_for(script, capsys):
    script("r1", "--seeds", 1, "--epochs", 7)
    script("default", "--seeds", 3, "--epochs", 7)
    capsys.readouterr()
    assert script("default", "--seeds", 2, "--epochs", 7) == 0
    assert not script.calls
    out = capsys.readouterr().out
    assert "| `default`, 7 epochs | 2 | 0.5 ± 0.5 |" in out
    assert "r1" not in out


def test_ctrl_c_says_that_the_same_call_goes_on(script, monkeypatch, capsys):
    def interrupted(job, options):
        raise KeyboardInterrupt

    monkeypatch.setattr(table, "play", interrupted)
    assert script("r1", "--seeds", 3) == 130
    out, error = capsys.readouterr()
    assert error == "Stopped; what is done is kept, and the same call goes on with it\n"
    assert "| `r1`" not in out


def test_ctrl_c_lets_the_run_under_way_finish_and_begins_no_other(script, monkeypatch):
    begun, both = [], threading.Barrier(2)

    class Run:
        def __init__(self, *_, **__):
            begun.append(self)
            self.has_ended = threading.Event()

        def wait(self):
            if threading.current_thread() is threading.main_thread():  # it has had Ctrl-C
                self.has_ended.set()
            elif both.wait(600) == 0:  # both are under way
                _thread.interrupt_main()
            assert self.has_ended.wait(600)
            return 130  # as after Ctrl-C

    monkeypatch.setattr(table.subprocess, "Popen", Run)
    assert script("r1", "--seeds", 5, "--processes", 2, "--backend", "numpy") == 130
    assert len(begun) == 2
    assert all(run.has_ended.is_set() for run in begun)


def test_runs_that_a_cluster_has_given_up_are_counted(script, monkeypatch, capsys):
    def gives_up(function, jobs, *_, **__):
        return ((job, function(job)) for job in jobs[:1])

    monkeypatch.setattr(table, "side_by_side", gives_up)
    assert script("r1", "--seeds", 3, "--backend", "numpy") == 1
    assert capsys.readouterr().err == "2 runs gave no answer; the same call goes on with them\n"


def test_a_run_that_failed_is_named_with_its_log_and_the_others_go_on(script, tmp_path, capsys):
    assert script("r1", "--seeds", 3, "--epochs", 7) == 1
    out, error = capsys.readouterr()
    log = tmp_path / "r1-1.train.log"
    assert error == f"nngan train ended with status 1: see {log}\n"
    assert "| `r1`, 7 epochs | 2 | 1.0 ± 1.0 |" in out


def test_mistakes_get_one_sentence(script, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for arguments, message in (
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["r1", "--epochs", -1], "--epochs: must be a positive whole number, got '-1'"),
        (["r1", "--out", tmp_path / "file"], "file: File exists"),
    ):
        with pytest.raises(SystemExit) as stop:
            script(*arguments)
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not script.calls
