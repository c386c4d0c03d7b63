"""The examples: a mistake is one sentence, and what they promise is there."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from nngan.commands import train

EXAMPLES = Path(__file__).parents[1] / "examples"
MISTAKES = [
    ("benchmark/race.py --rounds 0", "argument --rounds: must be a positive whole number, got '0'"),
    (
        "benchmark/race.py --threads x",
        "argument --threads: must be a positive whole number, got 'x'",
    ),
    ("benchmark/race.py --seconds nan", "argument --seconds: must be a positive number, got 'nan'"),
    ("benchmark/race.py --json no/x.json", "argument --json: there is no folder no"),
    ("benchmark/race.py --json .", "argument --json: must name a file, got the folder '.'"),
    (
        "benchmark/race.py --plot x.gif",
        "argument --plot: must end in .png or .svg or .pdf, got 'x.gif'",
    ),
    ("benchmark/race.py --backend cupy", "pip install 'cupy-cuda13x[ctk]<15'"),
    ("benchmark/gpu_report.py --quick", "CuPy cannot be imported"),
    ("benchmark/ranks.py --shards x", "argument --shards: must be"),
    ("benchmark/scaling.py --batch-size 0", "argument --batch-size: must be a positive whole"),
    ("benchmark/scaling_here.py --width x", "argument --width: must be a positive whole number"),
    ("false_alarms.py ringo", "there is no recipe 'ringo': choose of"),
    (
        "benchmark/penalty_cost.py many",
        "argument rounds: must be a positive whole number, got 'many'",
    ),
    ("ring.py --steps x", "argument --steps: must be a positive whole number, got 'x'"),
    ("ring.py --seed -1", "argument --seed: must be a whole number from 0 to 6148914691236517204"),
    (f"ring.py --out {'x' * 300}.png", "File name too long"),
    ("ring.py --out no/ring.png", "argument --out: there is no folder no"),
    ("ring.py --wrong", "unrecognized arguments: --wrong"),
    ("train_mnist.py --seed x", "argument --seed: must be a whole number from 0 to 6148914691236"),
]


@pytest.mark.parametrize(("command", "message"), MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_is_computed(
    monkeypatch, tmp_path, capsys, command, message
):
    script, *arguments = command.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str((EXAMPLES / script).parent))
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    out, error = capsys.readouterr()
    assert (stop.value.code, out, error.count("\n")) == (2, "", 1)
    assert f"{Path(script).name}: error: " in error
    assert message in error
    assert not list(tmp_path.iterdir())


def test_every_command_line_is_tried():
    scripts = {
        str(path.relative_to(EXAMPLES))
        for path in EXAMPLES.rglob("*.py")
        if "__main__" in path.read_text()
    }
    assert {command.split()[0] for command, _ in MISTAKES} == scripts


def test_no_example_imports_another_outside_the_benchmark():
    names = {path.stem for path in EXAMPLES.rglob("*.py")}
    for path in EXAMPLES.glob("*.py"):
        imported = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.M)
        assert not names & set(imported), path


def test_the_example_on_mnist_is_the_command_train(monkeypatch, tmp_path, capsys):
    """The same function with the same options, under another name."""
    script = EXAMPLES / "train_mnist.py"
    assert len(script.read_text().splitlines()) < 20
    given = []
    monkeypatch.setattr(train, "main", lambda *arguments: given.append(arguments) or 0)
    monkeypatch.setattr(sys, "argv", [str(script), "--data", "digits", "--backend", "cupy"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(script), run_name="__main__")
    assert stop.value.code == 0
    options = ["--data", "digits", "--backend", "cupy"]
    assert given == [(options, "python examples/train_mnist.py")]
    help_text = train.parser("python examples/train_mnist.py").format_help()
    assert "python examples/train_mnist.py --backend numpy" in help_text
    assert "nngan train" not in help_text


def test_the_minimal_game_fits_on_a_page_and_runs(tmp_path):
    source = (EXAMPLES / "minimal_gan.py").read_text()
    assert len(source.splitlines()) < 80
    assert "STEPS, BATCH, LATENT = 8000" in source
    (tmp_path / "minimal_gan.py").write_text(source.replace("= 8000,", "= 2000,"))
    result = subprocess.run(
        [sys.executable, "minimal_gan.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "step 2000  D loss 1." in result.stdout
    assert (tmp_path / "minimal_gan.png").stat().st_size > 1000
