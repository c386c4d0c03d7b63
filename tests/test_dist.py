"""The wheel and the sdist: each is built, installed, and used where there is no clone.

`make dist` does the same with dependencies from the index; here they are those of this environment,
so that no network is needed.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ["01_a_layer_by_hand", "09_gpu"]  # they import their figures

pytestmark = pytest.mark.slow


def run(*words, folder):
    """Run a command in a folder, without a network, data or this clone; return what it prints."""
    proxies = dict.fromkeys(["http_proxy", "https_proxy"], "http://127.0.0.1:9")  # nobody listens
    environment = {**os.environ, **proxies, "NNGAN_DATA": str(folder / "no-data")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("hatchling", reason="hatchling builds the wheel: make test installs it")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, folder=ROOT)
    return folder


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"])
def installed(request, built, tmp_path_factory):
    """Return the folder of the programs of an environment that has the package in it."""
    (file,) = built.glob(request.param)
    home = tmp_path_factory.mktemp("environment")
    venv.create(home)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", where, folder=home).strip())
    # A folder that is named in such a file comes last, and its own such files are not read: an
    # editable nngan in it is not seen.
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "dependencies.pth").write_text("\n".join(others))
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, file, folder=home)
    place = run(python, "-c", "import nngan; print(nngan.__file__)", folder=home).strip()
    assert Path(place).is_relative_to(packages)
    return programs


def test_the_commands_work_without_the_clone(installed, tmp_path):
    assert run(installed / "nngan", "--version", folder=tmp_path).startswith("nngan ")
    digits = ["--data", "digits", "--recipe", "small", "--epochs", "2", "--out", "run"]
    run(installed / "nngan", "train", *digits, folder=tmp_path)
    assert (tmp_path / "run" / "progress.gif").stat().st_size > 1000
    run(installed / "nngan", "latent", "run", folder=tmp_path)
    solution = ROOT / "docs" / "assignment" / "solution.py"
    assert "right" in run(installed / "python", "-m", "nngan.gradcheck", solution, folder=tmp_path)


def test_the_course_runs_without_the_clone(installed, tmp_path):
    pytest.importorskip("nbclient", reason="the notebooks' tools are missing: make docs")
    out = run(installed / "nngan", "notebooks", "course", folder=tmp_path)
    assert out.startswith(f"10 notebooks, and what they import, are in {tmp_path / 'course'}\n")
    assert len(list((tmp_path / "course").glob("*.ipynb"))) == 10
    for name in NOTEBOOKS:
        notebook = tmp_path / "course" / f"{name}.ipynb"
        assert '"outputs": [],' in notebook.read_text(encoding="utf-8")
        done = run(installed / "python", ROOT / "tests" / "notebooks.py", notebook, folder=tmp_path)
        assert len(done.splitlines()) == 1, done  # no faults
