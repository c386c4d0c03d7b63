"""``nngan export``: a page whose JavaScript draws what the generator draws."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from games import image_game

import nngan as nn
from nngan.commands import export
from nngan.runs import RunFolder, RunSettings

NODE = shutil.which("node")
SCRIPTS = Path(export.__file__).parent / "exported"


def trained(**options):
    """Return a game of 4x4 images whose weights and running averages have moved."""
    gan = image_game(features=16, **options)
    x = np.random.default_rng(0).uniform(0, 1, (64, 16)).astype(np.float32)
    labels = np.arange(64) % gan.classes if gan.classes else None
    gan.fit(x, 3, 16, labels=labels, progress=False)
    return gan


def with_generator(*layers, latent_dim=5, **options):
    G = nn.Sequential(*layers, seed=1)
    D = nn.Sequential(nn.Linear(G.n_out, 1), seed=2)
    gan = nn.GAN(G, D, check=False, **options)
    gan.fit(np.random.default_rng(0).uniform(0, 1, (64, G.n_out)), 3, 16, progress=False)
    return gan


GENERATORS = {
    "tanh": trained,
    "classes": lambda: trained(classes=3),
    "categories": lambda: trained(categories=3),
    "uniform": lambda: trained(latent="uniform"),
    "average": lambda: trained(ema=0.9),
    "BatchNorm": lambda: with_generator(
        nn.Linear(5, 8), nn.BatchNorm(8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid()
    ),
    "BatchNorm first": lambda: with_generator(
        nn.BatchNorm(5), nn.Linear(5, 16), nn.LeakyReLU(0.1), nn.BatchNorm(16), nn.Sigmoid()
    ),
    "Maxout": lambda: with_generator(nn.Linear(5, 24), nn.Maxout(8, 3), nn.Linear(8, 9)),
    "nested": lambda: with_generator(
        nn.Sequential(nn.Linear(5, 8), nn.BatchNorm(8)), nn.BatchNorm(8), nn.Linear(8, 12)
    ),
}
SHAPES = {12: (2, 2, 3)}


def settings_of(gan):
    shape = SHAPES.get(gan.G.n_out)
    return RunSettings(epochs=3, shape=shape) if shape else None


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.skipif(NODE is None, reason="node is not installed: nothing here runs JavaScript")
def test_the_page_draws_what_nngan_draws(name, tmp_path):
    gan = GENERATORS[name]()
    data = export.describe(gan, settings_of(gan), Path("gan.npz"))
    program = (SCRIPTS / "generator.js").read_text() + (
        "const page = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        "console.log(largestDifference(page, generator(page)));\n"
        "page.check.x = page.check.x.replace(/./g, 'A');\n"  # zeros: another image
        "console.log(largestDifference(page, generator(page)));\n"
    )
    (tmp_path / "program.js").write_text(program)
    done = subprocess.run(
        [NODE, tmp_path / "program.js"], input=json.dumps(data), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    same, other = map(float, done.stdout.split())
    assert same < 1e-3
    assert other > 0.1


def test_batchnorm_is_folded_into_the_linear_layer_before_it():
    def kinds(name):
        return [layer["type"] for layer in export.folded(export.described(GENERATORS[name]().G))]

    assert kinds("BatchNorm") == ["linear", "relu", "linear", "sigmoid"]
    assert kinds("BatchNorm first") == ["affine", "linear", "leaky_relu", "affine", "sigmoid"]
    assert kinds("nested") == ["linear", "linear"]


def test_the_command_writes_one_page_that_asks_for_nothing(tmp_path, capsys):
    run = RunFolder(tmp_path / "run", {"epochs": 3}, shape=(4, 4))
    gan = trained()
    run.create(gan)
    assert export.main([str(run.path), str(tmp_path / "page.html")]) == 0
    assert f"Written: {tmp_path / 'page.html'} (0.0 MB)" in capsys.readouterr().out
    text = (tmp_path / "page.html").read_text()
    assert not re.findall(r"@[A-Z]+@", text)
    assert not re.findall(r"(?:src|href)=|https?://|import ", text)
    assert "default-src 'none'" in text
    data = data_of(text)
    assert data["history"]["d_loss"] == gan.history["d_loss"]
    assert data["history"]["epochs"] == [1, 2, 3]


def test_names_cannot_leave_the_page(tmp_path):
    name = "<b></script>"
    settings = RunSettings(epochs=3, data=f"/tmp/{name.replace('/', '')}", recipe=name)
    text = export.page(trained(), settings, Path("x"))
    assert "<b>" not in text
    assert html.escape(name) in text


def test_long_curves_are_thinned():
    gan = trained()
    for values in gan.history.values():
        values[:] = range(1000)
    assert len(export.history(gan)["d_loss"]) <= export.POINTS
    assert export.history(gan)["epochs"][:3] == [1, 4, 7]


class Own(nn.Tanh):
    """A layer that the page does not know."""


@pytest.mark.parametrize(
    ("gan", "words"),
    [
        (lambda: with_generator(nn.Linear(5, 7)), "are 7 numbers, not images"),
        (lambda: with_generator(nn.Linear(5, 4), Own()), "the page knows no layer Own: export"),
    ],
)
def test_what_cannot_be_exported_gets_one_sentence(gan, words):
    with pytest.raises(ValueError, match=words):
        export.page(gan(), None, Path("gan.npz"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("gan.npz", "the following arguments are required: PAGE.html"),
        ("gan.npz page.txt", "argument PAGE.html: must end in .html, got 'page.txt'"),
        ("gan.npz none/page.html", "argument PAGE.html: there is no folder none"),
        ("nothing page.html", "there is no run in nothing"),
    ],
)
def test_a_wrong_use_gets_one_sentence(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    trained().save("gan.npz")
    with pytest.raises(SystemExit) as stopped:
        export.main(arguments.split())
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not Path("page.html").exists()
