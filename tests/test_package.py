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


def test_import_is_light(tmp_path):
    """Heavy libraries are imported where they are used; the rest takes 0.1 s more than NumPy."""
    program = (
        "import sys, numpy, time; t = time.process_time(); import nngan; "
        "print(time.process_time() - t); "  # of this process: other work on the machine is not it
        "print([m for m in ('matplotlib', 'sklearn', 'cupy', 'numba', 'scipy', 'pooch', 'tqdm', "
        "'PIL') if m in sys.modules])"
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
        seconds.append(float(first))
    assert min(seconds[1:]) < 0.1  # the first run compiles every module


def test_every_public_name_is_there_and_documented():
    for name in nn.__all__:
        assert getattr(nn, name).__doc__, name
    assert re.fullmatch(r"\d+\.\d+\.\d+", nn.__version__)
    assert f'version = "{nn.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_the_readme_states_the_size_of_the_library():
    def lines(*names):
        paths = [ROOT / "nngan" / name for name in names]
        files = [f for path in paths for f in (path.rglob("*.py") if path.is_dir() else [path])]
        return sum(len(file.read_text().splitlines()) for file in files)

    rooms = "layers", "losses", "network.py", "optim.py", "penalties.py", "game", "gan.py"
    game, everything, checker = lines(*rooms), lines(""), lines("gradcheck")
    stated = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) lines", README)]
    for says, there in zip(stated, (game, everything - checker, checker), strict=True):
        assert abs(says - there) <= 0.03 * there, f"the README says {says}, there are {there}"


def test_the_readmes_example_runs(monkeypatch, tmp_path):
    """The public face, on a stand-in for MNIST that needs no download."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 1
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (300, 784)).astype(np.float32)
    labels = rng.integers(0, 10, 300, dtype=np.uint8)
    monkeypatch.setattr(nn.datasets, "mnist", lambda split: (x, labels))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(blocks[0], names)
    assert names["images"].shape == (64, 784)
    assert len(names["history"]["d_loss"]) == 20
    assert names["dx"].shape == (8, 784)
    assert (tmp_path / "gan.npz").exists()
    assert names["report"].ok


def test_what_the_readme_names_exists():
    for name in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+\.py)`", README):
        assert list(ROOT.rglob(name)) or list(ROOT.rglob(name.removesuffix(".py"))), name


@pytest.mark.parametrize(
    "name", ["Makefile", ".ci/run", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"]
)
def test_the_customary_files_are_there(name):
    assert (ROOT / name).stat().st_size > 100
