"""examples/recipe_table.py: what it runs, what it leaves alone, the means it prints."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "recipe_table.py"


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Run the script in this process with a stand-in for the two it calls; return its status."""
    spec = importlib.util.spec_from_file_location("recipe_table_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    calls = []

    def play(command, stdout, stderr, env):
        name, arguments = Path(command[1]).name, command[2:]
        calls.append((name, *arguments))
        if "--out" in arguments:
            folder = Path(arguments[arguments.index("--out") + 1])
            folder.mkdir(exist_ok=True)
            (folder / "config.json").write_text(json.dumps({"epochs": 7}))
            (folder / "checkpoint.npz").write_text("")
        else:
            folder = Path(arguments[0])
            write(folder, epoch=7, value=float(folder.name.rsplit("-", 1)[1]))
        return subprocess.CompletedProcess(command, int(folder.name == "r1-1"))

    def write(folder, epoch, value):
        metrics = {key: {"value": value, "real": 0.5} for key in module.COLUMNS}
        (folder / "metrics.json").write_text(json.dumps({"epoch": epoch, "metrics": metrics}))

    monkeypatch.setattr(module.subprocess, "run", play)

    def run(*arguments):
        calls.clear()
        given = [*map(str, arguments), "--out", str(tmp_path), "--processes", "1"]
        monkeypatch.setattr(sys, "argv", ["recipe_table.py", *given])
        return module.main()

    run.calls = calls
    return run


def test_runs_of_all_seeds_become_one_row(script, tmp_path, capsys):
    assert script("default", "tf_basic") == 0
    assert len(script.calls) == 2 * 2 * 3
    assert script.calls[0] == (
        "train_mnist.py", "--out", str(tmp_path / "default-0"), "--backend", "numpy",
        "--data", "mnist", "--recipe", "default", "--seed", "0", "--images", "50000",
    )  # fmt: skip
    assert script.calls[1] == ("evaluate.py", str(tmp_path / "default-0"), "--backend", "numpy")
    out = capsys.readouterr().out.splitlines()
    assert out[-3].startswith("| *real images* |  | 0.5 | 0.50 |")
    error = np.std([0, 1, 2], ddof=1) / 3**0.5
    assert out[-2].startswith(f"| `default`, 7 epochs | 3 | 1.0 ± {error:.1f} | 1.00 ± {error:.2f}")
    assert out[-1].startswith("| `tf_basic`, 7 epochs | 3 |")


def test_what_is_there_is_not_made_again(script, tmp_path, capsys):
    script("r1", "--seeds", 1)
    script("r1", "--seeds", 1)
    assert not script.calls
    assert "| `r1`, 7 epochs | 1 | 0.0 | 0.00 |" in capsys.readouterr().out  # of one, no error
    script("r1", "--seeds", 1, "--epochs", 9)  # the run has 7: it goes on
    assert script.calls[0] == (
        "train_mnist.py", "--out", str(tmp_path / "r1-0"), "--backend", "numpy",
        "--epochs", "9", "--resume",
    )  # fmt: skip


def test_a_run_that_failed_is_named_with_its_log_and_the_others_go_on(script, tmp_path, capsys):
    assert script("r1", "--seeds", 3) == 1
    out, error = capsys.readouterr()
    log = tmp_path / "r1-1.train_mnist.log"
    assert error == f"train_mnist.py ended with status 1: its output is in {log}\n"
    assert "| `r1`, 7 epochs | 2 | 1.0 ± 1.0 |" in out


def test_mistakes_get_one_sentence(script, capsys):
    for arguments in (["nonsense"], ["r1", "--seeds", 0], ["r1", "--epochs", -1]):
        with pytest.raises(SystemExit) as stop:
            script(*arguments)
        assert stop.value.code == 2
    assert "--epochs must be at least 1, got -1" in capsys.readouterr().err
