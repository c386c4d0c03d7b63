"""The command line as a whole: its overview, its names, one sentence for each mistake."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nngan as nn
from nngan import commands
from nngan.command_line import OneSentenceParser
from nngan.commands import COMMANDS, options
from nngan.recipes import RECIPES

FOLDER = Path(commands.__file__).parent
ROOT = FOLDER.parents[1]


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Run the command line in this process, in an empty folder without CuPy; return its status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)

    def run(*arguments):
        try:
            return commands.main(list(arguments))
        except SystemExit as stop:
            return stop.code

    return run


# -- the whole -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_overview_names_every_command(call, capsys, arguments):
    assert call(*arguments) == 0
    out = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert f"  {name} " in out
        assert line in out
    assert max(map(len, out.splitlines())) < 80


def test_the_version(call, capsys):
    assert call("--version") == 0
    assert capsys.readouterr().out == f"nngan {nn.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(call, capsys, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert call(name, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: nngan {name} ")
    assert f"nngan {name}" in out.partition("options:")[0]
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_an_example_and_explains_every_option(call, name, monkeypatch):
    parsers = []
    monkeypatch.setattr(
        OneSentenceParser, "parse_args", lambda self, _: sys.exit(parsers.append(self))
    )
    call(name)
    (parser,) = parsers
    examples = [line for line in parser.description.splitlines() if line.startswith("nngan ")]
    assert any(line.split()[1] == name for line in examples)
    for action in parser._actions:
        words = (action.help or "").partition("default: ")[0]
        assert len(words) > 5, action


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian", "there is no command 'trian': choose one of demo, train, recipes, "),
        ("--wrong", "unrecognized arguments: --wrong"),
        ("--vers", "unrecognized arguments: --vers"),
        ("train --epoch 3", "unrecognized arguments: --epoch 3"),
    ],
)
def test_a_word_that_is_not_known(call, capsys, words, message):
    assert call(*words.split()) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert message in error
    assert error.count("\n") == 1


def run_process(*words):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=600)


def test_python_m_nngan_is_the_command_line():
    for words in (["recipes"], ["train", "--list-recipes"]):
        result = run_process(sys.executable, "-m", "nngan", *words)
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in lines] == list(RECIPES)
        assert all(len(line) < 100 for line in lines)
    result = run_process(sys.executable, "-m", "nngan", "nothing")
    assert result.returncode == 2
    assert result.stderr.startswith("nngan: error: there is no command 'nothing'")


def test_the_installed_script_is_the_command_line():
    script = shutil.which("nngan", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the script nngan is not installed in this environment")
    result = run_process(script, "--version")
    assert (result.returncode, result.stdout) == (0, f"nngan {nn.__version__}\n")


def test_a_command_is_imported_only_when_it_is_called():
    program = (
        "import sys, nngan.commands; "
        "print([m for m in sys.modules if m.startswith('nngan.commands.')]); "
        "nngan.commands.main(['recipes']); "
        "print(sorted(m for m in sys.modules if m.startswith('nngan.commands.')))"
    )
    lines = run_process(sys.executable, "-c", program).stdout.splitlines()
    assert (lines[0], lines[-1]) == ("[]", "['nngan.commands.recipes']")


def test_every_module_with_a_main_is_in_the_table():
    modules = {
        path.stem
        for path in FOLDER.glob("*.py")
        if path.stem != "__init__" and "\ndef main(" in path.read_text()
    }
    assert set(COMMANDS) == modules


def test_every_parser_refuses_abbreviations():
    files = [path for name in ("nngan", "examples") for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 100
    for path in files:
        assert "argparse.ArgumentParser(" not in path.read_text(), path
    with pytest.raises(SystemExit):
        OneSentenceParser("program").parse_args(["--hel"])


# -- mistakes ------------------------------------------------------------------------------------

MISTAKES = [
    ("demo --out=", "argument --out: must name a folder, got ''"),
    ("demo --seed -1", "argument --seed: must be a whole number from 0 to 6148914691236517204"),
    ("diagnose", "the following arguments are required: RUN"),
    ("diagnose nowhere", "there is no run in nowhere"),
    ("evaluate", "the following arguments are required: RUN"),
    ("evaluate nowhere", "there is no run in nowhere"),
    ("evaluate run --samples 0", "--samples: must be a whole number from 40 to 40000, got '0'"),
    (
        "evaluate run --seed -1",
        "argument --seed: must be a whole number from 0 to 18446744073709551615",
    ),
    ("export nowhere page.html", "there is no run in nowhere"),
    ("grade nowhere", "there is no folder nowhere"),
    ("grade . --timeout 0", "argument --timeout: must be a number from 0.1 to 3600.0, got '0'"),
    ("grade . --resume", "--resume needs --csv FILE.csv, the rows of the earlier run"),
    ("latent nowhere", "there is no run in nowhere"),
    ("latent run --pairs 0", "argument --pairs: must be a whole number from 1 to 50, got '0'"),
    ("latent run --steps x", "argument --steps: must be a whole number from 2 to 50, got 'x'"),
    (
        "latent run --seed 1.5",
        "argument --seed: must be a whole number from 0 to 18446744073709551615",
    ),
    ("mixtures", "the following arguments are required: mixture"),
    ("mixtures disc", "argument mixture: invalid choice: 'disc'"),
    ("mixtures ring --plot x.gif", "--plot: must end in .png or .svg or .pdf, got 'x.gif'"),
    ("mixtures ring --seeds 0", "argument --seeds: must be a positive whole number, got '0'"),
    ("mixtures ring --steps x", "argument --steps: must be a positive whole number, got 'x'"),
    ("mixtures grid --processes 0", "--processes: must be a positive whole number, got '0'"),
    ("mixtures grid --json no/x.json", "argument --json: there is no folder no"),
    ("mixtures grid --plot no/x.png", "argument --plot: there is no folder no"),
    ("table r1 --seeds 0", "argument --seeds: must be a positive whole number, got '0'"),
    ("table r1 --processes 0", "--processes: must be a positive whole number, got '0'"),
    ("table r1 --out=", "argument --out: must name a folder, got ''"),
    ("train --seed x", "argument --seed: must be a whole number from 0 to 6148914691236"),
    ("notebooks", "the following arguments are required: DIR"),
    ("notebooks .. --no-solutions", "argument DIR: .. is not empty: name a new folder"),
    ("recipes now", "unrecognized arguments: now"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_is_computed(
    call, tmp_path, capsys, words, message
):
    assert call(*words.split()) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith(f"nngan {words.split()[0]}: error: ")
    assert message in error
    assert not list(tmp_path.iterdir())


def test_every_command_is_tried():
    assert {words.split()[0] for words, _ in MISTAKES} == set(COMMANDS)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('use backend="numpy"', "use --backend numpy"),
        ("update='simultaneous' needs k=1", "--update simultaneous needs --k 1"),
        ("label_smoothing must lie in [0, 1)", "--label-smoothing must lie in [0, 1)"),
        ("k must be positive", "--k must be positive"),
        (
            "x has one value everywhere: look (check=False in GAN plays the game anyway)",
            "the data set has one value everywhere: look",
        ),
        ("leave data_dir out", "leave --data-dir out"),
        ("less than latent_dim=8, got 10", "less than --latent-dim 8, got 10"),
        ("the loss is no longer finite at step 7", "the loss is no longer finite at step 7"),
        ("runs/data_dir_1/k=1", "runs/data_dir_1/k=1"),
    ],
)
def test_an_error_speaks_of_options(message, said):
    parser = OneSentenceParser()
    for name in ("backend", "update", "k", "label-smoothing", "data-dir", "latent-dim", "loss"):
        parser.add_argument(f"--{name}")
    parser.add_argument("latent")  # not an option
    assert options.in_options(ValueError(message), parser) == said
