"""The built site in a headless Chromium: ``make docs`` builds it, ``make test-browser`` looks."""

import gzip
import json
import time
from pathlib import Path

import pytest
from browser import CHROMIUM, browser, served

SITE = Path(__file__).parents[1] / "docs" / "_build" / "html"
PAGES = [
    "index.html", "mathematics.html", "api.html", "teaching.html", "recipes.html", "mixtures.html",
    "gradcheck.html", "notebooks/index.html", "notebooks/04_why_logits.html", "playground.html",
    "generated/nngan.GAN.html", "_modules/nngan/layers/linear.html",
]  # fmt: skip
COMPRESSED = {".html", ".css", ".js", ".svg"}  # by any server

PATIENCE = 600  # seconds for what takes half a minute on a quiet machine

pytestmark = [
    pytest.mark.docs,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not here: make test-browser says why"),
    pytest.mark.skipif(not SITE.exists(), reason="the site is not here: make docs builds it"),
]


@pytest.fixture(scope="module")
def url():
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        made.call("Network.setCacheDisabled", cacheDisabled=True)  # each visit is a first one
        yield made


@pytest.fixture
def visit(chromium, url):
    def open_page(page, width=1280, dark=False):
        chromium.resize(width, 800, dark)
        chromium.open("about:blank")
        chromium.requests.clear()
        chromium.console.clear()
        chromium.open(f"{url}/{page}")
        return chromium

    return open_page


def settle(chromium, seconds=0.5):
    """Take in what the page still asks for and says."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        chromium.evaluate("1")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_light_and_silent(page, visit, url):
    chromium = visit(page)
    settle(chromium)
    assert all(request.startswith((f"{url}/", "data:")) for request in chromium.requests)
    # The theme says which of light and dark it took, and where its sidebar was.
    assert [line for line in chromium.console if not line.startswith("[PST]: ")] == []
    weight = 0
    for request in {r.partition("?")[0] for r in chromium.requests if r.startswith(url)}:
        content = (SITE / request.removeprefix(f"{url}/")).read_bytes()
        packed = Path(request).suffix in COMPRESSED
        weight += len(gzip.compress(content) if packed else content)
    print(f"{page}: {weight / 1000:.0f} kB")
    assert 50_000 < weight < 500_000


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_no_wider_than_the_screen(page, width, visit):
    chromium = visit(page, width)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width


def test_the_reference_is_read_without_scrolling_sideways(visit):
    chromium = visit("api.html", 390)
    hidden = chromium.evaluate(
        "[...document.querySelectorAll('.autosummary td')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert len(hidden) > 100
    assert max(hidden) <= 0


def test_a_wide_equation_begins_at_its_left_end(visit):
    chromium = visit("mathematics.html", 390)
    places = chromium.evaluate(
        "[...document.querySelectorAll('div.math')].map(e => "
        "[e.getBoundingClientRect().left, e.querySelector('.base').getBoundingClientRect().left])"
    )
    assert len(places) > 20
    assert all(equation >= frame for frame, equation in places)


@pytest.mark.parametrize(
    ("page", "anchor"),
    [("_modules/nngan/layers/linear.html", "Linear.backward"), ("mathematics.html", "batchnorm")],
)
def test_a_link_to_a_line_is_not_under_the_head(page, anchor, visit):
    chromium = visit(f"{page}#{anchor}")
    settle(chromium)
    top = f"document.getElementById({json.dumps(anchor)}).getBoundingClientRect().top"
    head = "document.querySelector('.bd-header').getBoundingClientRect().bottom"
    assert chromium.evaluate(f"{top} - {head}") > 0
    assert chromium.evaluate(top) < 800


def test_search_finds_a_word(visit):
    chromium = visit("search.html?q=maxout")
    chromium.wait("document.querySelectorAll('#search-results li a').length > 2", PATIENCE)
    names = "[...document.querySelectorAll('#search-results li a')].map(e => e.textContent)"
    assert any("Maxout" in name for name in chromium.evaluate(names))


def test_the_course_comes_first(visit):
    chromium = visit("index.html")
    names = "[...document.querySelectorAll('.navbar-nav > li > a')].map(e => e.textContent.trim())"
    assert chromium.evaluate(names)[:2] == ["Notebooks", "Teaching"]


def test_the_exported_generator_needs_no_server(visit):
    chromium = visit("generator.html")
    chromium.open("about:blank")
    chromium.requests.clear()
    address = (SITE / "exported.html").as_uri()
    chromium.open(address)
    chromium.wait("document.querySelector('#verdict').textContent", PATIENCE)
    # It has compared its images with those of nngan, to 1e-3.
    verdict = chromium.evaluate("document.querySelector('#verdict').textContent")
    assert verdict.startswith("This page draws what nngan draws")
    assert [u for u in chromium.requests if not u.startswith(("data:", "blob:"))] == [address]
    assert [line for line in chromium.console if not line.startswith("[PST]: ")] == []


# -- the notebooks in JupyterLite ------------------------------------------------------------------

in_jupyterlite = pytest.mark.skipif(
    not (SITE / "lite").exists(), reason="JupyterLite is not here: make docs PYODIDE=DIR adds it"
)


@in_jupyterlite
def test_every_notebook_has_a_button():
    notebooks = [path.stem for path in (SITE.parents[1] / "notebooks").glob("*.ipynb")]
    assert len(notebooks) >= 10
    for name in notebooks:
        assert (SITE / "lite" / "files" / f"{name}.ipynb").exists()
        page = (SITE / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert f'href="../lite/notebooks/index.html?path={name}.ipynb"' in page


@in_jupyterlite
def test_a_notebook_trains_in_the_browser(visit, url):
    chromium = visit("notebooks/03_the_game_in_one_dimension.html")
    chromium.open(chromium.evaluate("document.querySelector('a.run-here').href"))
    notebook = "window.jupyterapp?.shell.currentWidget"
    chromium.wait(f"{notebook}?.sessionContext.kernelDisplayStatus == 'idle'", PATIENCE)
    chromium.evaluate("jupyterapp.commands.execute('notebook:run-all-cells'), 1")
    cells = f"[...{notebook}.content.model.cells].filter(c => c.type == 'code')"
    chromium.wait(f"{cells}.every(c => c.executionCount)", PATIENCE)
    outputs = chromium.evaluate(f"{cells}.flatMap(c => c.outputs.toJSON())")
    errors = [output for output in outputs if output["output_type"] == "error"]
    assert not errors
    assert any("step 1000: loss of D" in "".join(output.get("text", "")) for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert all(request.startswith((f"{url}/", "data:", "blob:")) for request in chromium.requests)
    assert any(f"{url}/lite/pyodide/numpy" in request for request in chromium.requests)
