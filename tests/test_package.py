"""The package as a whole: a light import, an honest README, a complete public face."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nngan as nn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FOLDERS = "nngan", "examples", "docs", "tests"


HEAVY = "numpy", "matplotlib", "sklearn", "cupy", "numba", "scipy", "pooch", "tqdm", "PIL"


def test_the_names_load_little(tmp_path):
    """Heavy libraries are imported where they are used; the rest takes 1.3 times what NumPy does.

    NumPy takes 0.08 s. The time is that of the processor: other work on the machine is not in it.
    """
    program = (
        "import sys; from time import process_time as now; t = [now()]; import numpy; "
        "t.append(now()); from nngan import GAN, Linear; t.append(now()); "
        "print(t[1] - t[0], t[2] - t[1]); "
        f"print([m for m in {HEAVY[1:]} if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds = []
    for _ in range(6):
        result = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        first, heavy = result.stdout.splitlines()
        assert heavy == "[]"
        seconds.append([*map(float, first.split())])
    numpys, ours = np.min(seconds[1:], axis=0)  # the first run compiles every module
    assert ours < 1.3 * numpys


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["trian"]])
def test_the_command_line_answers_without_numpy(words):
    program = (
        "import atexit, sys, nngan.commands; "
        f"atexit.register(lambda: print([m for m in {HEAVY} if m in sys.modules])); "
        "nngan.commands.run()"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_public_name_is_there_and_documented():
    for name in nn.__all__:
        assert getattr(nn, name).__doc__, name
    assert re.fullmatch(r"\d+\.\d+\.\d+", nn.__version__)
    assert f'version = "{nn.__version__}"' in (ROOT / "pyproject.toml").read_text()


def lines(*files):
    """Count the lines of files that are not blank."""
    return sum(bool(line.strip()) for file in files for line in file.read_text().splitlines())


def test_the_readme_states_the_lines_of_the_book():
    rows = re.findall(r"^\| \[`(.*)`\]\(.*\) \| (\d+) \| ", README, re.M)
    book = {ROOT / name: int(number) for name, number in rows}
    game = (ROOT / "nngan" / "game").glob("[a-z]*.py")
    parts = {"minimal_gan.py", "base.py", "linear.py", "activations.py", "network.py", "optim.py"}
    assert {path.name for path in book} == {
        *parts, *(path.name for path in game), "bce.py", "objectives.py",
    }  # fmt: skip
    for path, stated in book.items():
        assert abs(stated - lines(path)) <= 3, f"{path.name} has {lines(path)} lines"
    (total,) = re.findall(r"\*\*The book\*\* is ([\d,]+) lines", README)
    assert abs(int(total.replace(",", "")) - lines(*book)) <= 20
    assert lines(*book) < 2000


def test_the_readme_states_the_size_of_the_tools():
    everything = lines(*(ROOT / "nngan").rglob("*.py"))
    checker = lines(*(ROOT / "nngan" / "gradcheck").rglob("*.py"))
    rows = re.findall(r"^\| \[`(nngan/.*)`\]\(.*\) \| \d+ \| ", README, re.M)
    book = lines(*(ROOT / name for name in rows))
    stated = re.search(r"around the book: ([\d,]+) lines,.*\s.*\s?has ([\d,]+)\.", README).groups()
    for says, there in zip(stated, (everything - book, checker), strict=True):
        assert abs(int(says.replace(",", "")) - there) <= 0.03 * there, f"there are {there}"


def test_the_readmes_examples_run(monkeypatch, tmp_path):
    """The public face, on a stand-in for MNIST that needs no download."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 2
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (300, 784)).astype(np.float32)
    labels = rng.integers(0, 10, 300, dtype=np.uint8)
    monkeypatch.setattr(nn.datasets, "mnist", lambda split: (x, labels))
    monkeypatch.chdir(tmp_path)
    exec(blocks[0], {})
    assert (tmp_path / "digits.png").stat().st_size > 1000
    names = {}
    exec(blocks[1], names)
    assert names["images"].shape == (64, 784)
    assert len(names["history"]["d_loss"]) == 20
    assert names["dx"].shape == (8, 784)
    assert (tmp_path / "gan.npz").exists()
    assert names["report"].ok


def test_what_the_readme_names_exists():
    for name in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / name).exists(), name
    there = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
    for name in re.findall(r"`(\w+\.py)`", README):
        assert {name, name.removesuffix(".py")} & there, name


@pytest.mark.parametrize(
    "name", ["Makefile", ".ci/run", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"]
)
def test_the_customary_files_are_there(name):
    assert (ROOT / name).stat().st_size > 100


@pytest.mark.parametrize("name", ["plotting", "recipes", "training", "latent", "metrics", "runs"])
def test_a_submodule_is_there_after_the_import(name):
    script = f"import nngan as nn; print(nn.{name}.__name__, {name!r} in dir(nn))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"nngan.{name} True\n"
