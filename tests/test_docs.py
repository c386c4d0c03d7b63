"""What the documentation says: its examples run, its lists are complete, its links lead somewhere.

The tests marked `docs` read the site that ``make docs`` has built.
"""

import importlib
import inspect
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

import nngan as nn

ROOT = Path(__file__).parents[1]
DOCS, SITE = ROOT / "docs", ROOT / "docs" / "_build" / "html"
MODULES = [
    "nngan",
    "nngan.checkpoint",
    "nngan.command_line",
    "nngan.commands",
    "nngan.datasets",
    "nngan.estimator",
    "nngan.files",
    "nngan.gan",
    "nngan.gradcheck",
    "nngan.latent",
    "nngan.layers",
    "nngan.losses",
    "nngan.metrics",
    "nngan.optim",
    "nngan.penalties",
    "nngan.plotting",
    "nngan.recipes",
    "nngan.runs",
    "nngan.training",
]


def blocks(path, caption=None):
    """Return the Python code of a page, joined: all of it, or what has this caption."""
    fence = r"```python" if caption is None else rf":::{{code-block}} python\n:caption: {caption}"
    return "\n".join(re.findall(rf"^{fence}\n(.*?)^(?:```|:::)$", path.read_text(), re.S | re.M))


# -- examples ------------------------------------------------------------------------------------


def test_the_first_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = blocks(DOCS / "index.md")
    assert "epochs=20" in code
    exec(code.replace("epochs=20", "epochs=1"), {})
    assert (tmp_path / "digits.png").stat().st_size > 1000


def test_the_page_on_scikit_learn(capsys):
    names = {}
    exec(blocks(DOCS / "estimator.md"), names)
    best, scores = capsys.readouterr().out.splitlines()
    assert best == "{'lr': 0.003}"
    assert np.fromstring(scores.strip("[]"), sep=" ") == pytest.approx([-0.3, -0.1], abs=0.1)
    assert names["samples"].shape == (100, 64)
    assert names["threes"].shape == names["images"].shape == (16, 64)


def test_the_page_on_own_images(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(blocks(DOCS / "own_images.md"), names)
    assert (names["x"].shape, names["shape"]) == ((500, 3072), (32, 32, 3))
    for name in ("sheet.png", "runs/python/progress.gif", "runs/python/losses.png"):
        assert Path(name).stat().st_size > 1000
    assert "epoch 4/4" in capsys.readouterr().out


def column(caption, steps):
    """Return the names in a column of beside.md, run as it stands but for the number of steps."""
    code, names = blocks(DOCS / "beside.md", caption), {}
    assert "range(2000)" in code
    exec(code.replace("range(2000)", f"range({steps})"), names)
    return names


@pytest.fixture
def game():
    return column("nngan", steps=0)


def minibatches(n):
    x, rng = nn.datasets.ring(1000)[0], np.random.default_rng(0)
    for _ in range(n):
        yield x[rng.integers(len(x), size=64)], rng.standard_normal((2, 64, 2), dtype=np.float32)


def test_the_game_beside_pytorch_is_that_of_the_library(game):
    networks = [nn.Sequential.from_config(game[name].config()) for name in "GD"]
    g_adam, d_adam = nn.Adam(1e-3, 0.5), nn.Adam(1e-3, 0.5)
    gan = nn.GAN(*networks, g_optimizer=g_adam, d_optimizer=d_adam)
    for x, z in minibatches(20):
        assert game["d_step"](x, z[0]) == pytest.approx(gan.discriminator_step(x, z[0])[0], 1e-5)
        assert game["g_step"](z[1]) == pytest.approx(gan.generator_step(z[1]), 1e-5)


def test_the_game_is_the_same_in_pytorch(game):
    torch = pytest.importorskip("torch", reason="PyTorch is missing: make test-torch")
    twin = column("PyTorch", steps=0)
    with torch.no_grad():
        for name in "GD":
            for ours, theirs in zip(game[name].layers[::2], twin[name][::2], strict=True):
                theirs.weight.copy_(torch.from_numpy(ours.W.T))
                theirs.bias.copy_(torch.from_numpy(ours.b))
    for x, z in minibatches(20):
        a, b = map(torch.from_numpy, z)
        d_loss = twin["d_step"](torch.from_numpy(x), a).item()
        assert game["d_step"](x, z[0]) == pytest.approx(d_loss, rel=1e-4)
        assert game["g_step"](z[1]) == pytest.approx(twin["g_step"](b).item(), rel=1e-4)


@pytest.mark.parametrize("caption", ["nngan", "PyTorch"])
def test_a_column_trains_on_the_ring_and_prints_its_losses(caption, capsys):
    if caption == "PyTorch":
        pytest.importorskip("torch", reason="PyTorch is missing: make test-torch")
    names = column(caption, steps=201)
    radius = np.linalg.norm(np.asarray(names["x"]), axis=1)
    assert names["x"].shape == (50_000, 2)
    assert abs(radius.mean() - 1) < 0.001
    assert abs(radius.std() - 0.01) < 0.001
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["0", "200"]
    assert lines[0].split()[1:] != lines[1].split()[1:]
    assert all(0 < float(loss) < 5 for line in lines for loss in line.split()[2::2])


# -- what is said of the code --------------------------------------------------------------------


def public(module):
    """Return what a module offers under names without underscore, with those names."""
    names = getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    ]
    return {name: getattr(module, name) for name in names}


def documented():
    """Yield every public class, function and method with its full name."""
    for name in MODULES:
        module = importlib.import_module(name)
        yield name, module
        for short, thing in public(module).items():
            if inspect.ismodule(thing) or not (inspect.isclass(thing) or callable(thing)):
                continue
            yield f"{name}.{short}", thing
            if inspect.isclass(thing):
                for method, value in vars(thing).items():
                    is_own = inspect.isfunction(value) or isinstance(value, property | classmethod)
                    if is_own and not method.startswith("_"):
                        yield f"{name}.{short}.{method}", getattr(thing, method)


def test_every_public_name_has_a_docstring():
    """Its own, or that of the method which it overrides and whose contract it keeps."""
    missing = [name for name, thing in documented() if not inspect.getdoc(thing)]
    assert not missing
    assert len(list(documented())) > 150


def test_every_public_name_is_in_the_reference():
    reference = set(re.findall(r"^   (\w+)$", (DOCS / "api.md").read_text(), re.M))
    if "layers" in reference:  # the page of this module lists all names in its __all__
        reference |= set(nn.layers.__all__)
    for name in nn.__all__:
        assert name in reference or f"`nngan.{name}`" in (DOCS / "api.md").read_text(), name
    for module in ("datasets", "metrics", "plotting"):
        for name, thing in public(importlib.import_module(f"nngan.{module}")).items():
            assert name in reference or not callable(thing), f"nngan.{module}.{name}"


@pytest.mark.docs
def test_docstrings_keep_to_numpydoc():
    validate = pytest.importorskip("numpydoc.validate").validate
    # No docstring; sections in another order or of another name; a summary without a full stop;
    # parameters that are not there, in another order, or without a description of their type.
    checks = {"GL06", "GL07", "GL08", "PR02", "PR03", "SS03"}
    found = [
        f"{name}: {text}"
        for name, thing in documented()
        if name.count(".") > 1 and inspect.getdoc(thing) == inspect.cleandoc(thing.__doc__ or "")
        for code, text in validate(name)["errors"]
        if code in checks
    ]
    assert not found, "\n".join(found)


# -- the built site --------------------------------------------------------------------------------


class Page(HTMLParser):
    """The addresses in a page: what it loads, what it links to, what can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.links, self.anchors = set(), set(), {""}
        self.equations = 0
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.equations += tag == "math"
        if "href" in given:
            (self.links if tag == "a" else self.loads).add(given["href"])
        if "src" in given:
            self.loads.add(given["src"])


@pytest.fixture(scope="module")
def pages():
    # JupyterLite makes its own pages; test_site.py opens one.
    paths = (p for p in SITE.rglob("*.html") if not {"_static", "lite"} & set(p.parts))
    made = {path: Page(path) for path in paths}
    assert len(made) > 50, "make docs builds the site"
    return made


@pytest.mark.docs
def test_nothing_comes_from_another_server(pages):
    for path, page in pages.items():
        remote = {url for url in page.loads if re.match(r"(https?:)?//", url)}
        assert not remote, path
    for sheet in SITE.rglob("*.css"):
        assert not re.search(r"@import[^;]*//|url\([\"']?(https?:)?//", sheet.read_text()), sheet


@pytest.mark.docs
def test_every_link_within_the_site_leads_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for url in page.links | page.loads:
            if re.match(r"[a-z]+:|//", url):
                continue
            file, _, anchor = unquote(url).partition("#")
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            known = target.exists() and (target not in pages or anchor in pages[target].anchors)
            if not known:
                broken.append(f"{path.relative_to(SITE)}: {url}")
    assert not broken, "\n".join(broken)


@pytest.mark.docs
def test_equations_are_set(pages):
    """KaTeX has set each; its MathML is there for readers that speak."""
    assert pages[SITE / "mathematics.html"].equations > 100
    for path in pages:
        text = re.sub(r"<(pre|code|script|annotation)\b.*?</\1>", "", path.read_text(), flags=re.S)
        assert not re.search(r"\\(frac|sum|partial|begin)\b|katex-error", text), path
        assert text.count("<math") == text.count('class="katex"'), path
    fonts = re.findall(r"fonts/[\w-]+\.woff2", (SITE / "_static/katex.min.css").read_text())
    assert len(fonts) > 10
    assert all((SITE / "_static" / font).exists() for font in fonts)
