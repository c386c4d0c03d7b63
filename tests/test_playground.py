"""The playground: its Python as such, and its page in a headless Chromium.

The page needs Pyodide and Chromium: ``make test-browser`` brings both. NNGAN_PYODIDE and
NNGAN_CHROMIUM name others.
"""

import copy
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, browser, served

import nngan as nn

FOLDER = Path(__file__).parents[1] / "docs" / "playground"
PYODIDE = os.environ.get("NNGAN_PYODIDE")
PATIENCE = 600  # seconds for what takes a few on a quiet machine


def module(name):
    spec = importlib.util.spec_from_file_location(f"{name}_of_the_site", FOLDER / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


sys.path.append(str(FOLDER))  # build.py imports from there
playground, build = module("playground"), module("build")


# -- its Python ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def digits(tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 17, (200, 64), dtype=np.uint8)
    np.savez(tmp_path / "digits.npz", x=x)
    monkeypatch.setattr(playground, "DIGITS", tmp_path / "digits.npz")


CHOICES = [
    {},
    {"data": "grid", "loss": "relativistic", "depth": 1},
    {"data": "moons", "loss": "wasserstein", "k": 3, "activation": "tanh", "r1": 0},
    {"data": "curve", "curve": [-1, 0, 0, 1, 1, 0], "label_smoothing": 0.1, "activation": "relu"},
    {"data": "digits", "loss": "least_squares"},
    *({"mistake": mistake} for mistake in playground.MISTAKES),
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_game_is_played_and_drawn(choice):
    game = playground.Playground(choice)
    game.run(1e9, until=3)
    frame, start = game.frame(), game.start()
    assert frame["step"] == 3
    assert len(frame["losses"]) == 12
    assert len(frame["fakes"]) == (36 * 64 if not start["plane"] else 800)
    arrays = [value for value in frame.values() if isinstance(value, np.ndarray)]
    assert all(array.dtype == np.float32 and array.ndim == 1 for array in arrays)
    assert all(np.isfinite(array).all() for array in arrays)
    if start["plane"]:
        assert np.abs(start["data"]).max() < start["view"]
        assert len(frame["heat"]) == 1600


def test_the_game_is_that_of_fit():
    game = playground.Playground({"r1": 0.1, "seed": 3})
    G, D = playground.networks(game.options, 2, 2)
    optimizers = {name: nn.Adam(1e-3, beta1=0.5) for name in ("g_optimizer", "d_optimizer")}
    gan = nn.GAN(G, D, r1=0.1, seed=9, **optimizers)
    gan.fit(game.x, 2, playground.BATCH, progress=False)
    game.run(1e9, until=200)
    np.testing.assert_array_equal(game.gan.G.params, gan.G.params)
    assert game.gan.history == gan.history


@pytest.mark.parametrize("choice", [{}, {"k": 2, "r1": 0}, {"loss": "relativistic"}], ids=str)
def test_the_lines_of_slow_motion_do_what_the_step_does(choice, monkeypatch):
    game, other = playground.Playground(choice), playground.Playground(choice)
    copies, deepcopy = [], copy.deepcopy

    def kept(gan):
        copies.append(deepcopy(gan))
        return copies[-1]

    monkeypatch.setattr(playground, "deepcopy", kept)
    for _ in range(3):
        told = game.slow_step()
        other.step()
        np.testing.assert_allclose(copies[-1].G.params, other.gan.G.params, atol=1e-5)
        np.testing.assert_allclose(copies[-1].D.params, other.gan.D.params, atol=1e-5)
        np.testing.assert_array_equal(game.gan.G.params, other.gan.G.params)
    assert [line["title"] for line in told][1] == "G makes fakes"
    assert told[1]["arrays"][0]["shape"] == "128 x 2"


def test_ring_is_learned():
    game = playground.Playground({})
    game.run(1e9, until=1200)
    frame = game.frame()
    assert frame["found"] == 8
    assert frame["quality"] > 0.4


@pytest.mark.parametrize("name", playground.TEXTS)
def test_the_texts_of_the_editor(name):
    report = playground.check(playground.TEXTS[name])
    assert report["ok"] == ("," not in name)
    if "transpose" in name:
        assert "transpose" in report["text"]
    if report["ok"]:  # and so it trains as the library's layer does
        plain = playground.Playground({})
        own = playground.Playground({"source": playground.TEXTS[name]})
        for game in (plain, own):
            game.run(1e9, until=5)
        np.testing.assert_allclose(own.gan.G.params, plain.gan.G.params, atol=1e-5)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"data": "cats"}, "data must be ring, grid, moons, curve or digits, got 'cats'"),
        ({"data": "curve", "curve": [1, 1]}, "draw a curve first"),
        ({"data": "curve", "curve": [1, 1, 1, 1]}, "the curve is one point"),
        ({"source": "x = 1"}, "the text defines no layer"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "label_smoothing must be 0"),
    ],
)
def test_a_wrong_choice_gets_one_sentence(choice, words):
    with pytest.raises(ValueError, match=words) as caught:
        playground.Playground(choice)
    assert "\n" not in str(caught.value)


def test_only_the_release_is_copied(tmp_path, capsys):
    for name in ("pyodide-lock.json", *build.CORE, *build.WHEELS):
        (tmp_path / name).write_text("{}")
    assert build.main(tmp_path / "site", str(tmp_path)) == 2
    assert "is not that of Pyodide 0.27.7 (wrong check-sum)" in capsys.readouterr().out
    assert build.main(tmp_path / "site", str(tmp_path / "nowhere")) == 2
    assert "PYODIDE must be the folder" in capsys.readouterr().out
    assert not (tmp_path / "site/playground/pyodide").exists()
    assert build.main(tmp_path / "site") == 0
    assert "make playground PYODIDE=DIR" in capsys.readouterr().out


# -- its page --------------------------------------------------------------------------------------

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYODIDE, reason="Pyodide is not here: make test-browser fetches it"),
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not here: make test-browser says why"),
]


def in_browser(test):
    for mark in needs_browser:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    assert build.main(folder, PYODIDE) == 0
    with served(folder) as url:
        yield f"{url}/playground/index.html"


@pytest.fixture(scope="module")
def chromium():
    with browser() as made:
        yield made


@pytest.fixture
def page(site, chromium):
    """The page, opened and ready; after the test nothing else was asked for, nothing logged."""
    chromium.requests.clear()
    chromium.resize(1280, 900)
    chromium.open_ready = lambda told="": open_ready(chromium, site, told)
    chromium.open_ready()
    yield chromium
    origin = site.partition("/playground")[0]
    foreign = [u for u in chromium.requests if not u.startswith((origin, "data:", "blob:"))]
    assert not foreign
    assert any(f"{origin}/playground/pyodide/numpy" in url for url in chromium.requests)
    assert chromium.console == []


def open_ready(chromium, site, told):
    chromium.open("about:blank")
    chromium.open(site + told)
    chromium.wait("document.querySelector('#play')?.disabled === false", PATIENCE)
    chromium.wait("/step \\d/.test(document.querySelector('#status').textContent)", PATIENCE)


def text(page, selector):
    return page.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")


def steps(page):
    return int(text(page, "#status").split()[-1])


@in_browser
def test_all_eight_modes_are_found(page):
    began = time.monotonic()
    page.click("#play")
    page.wait("document.querySelector('#score').textContent.includes('found: 8 of 8')", PATIENCE)
    print(f"{time.monotonic() - began:.0f} s, {steps(page)} steps")
    page.click("#play")
    assert text(page, "#play") == "Play"


@in_browser
def test_a_site_without_pyodide_says_so(chromium, tmp_path):
    build.main(tmp_path)
    with served(tmp_path) as url:
        chromium.open(f"{url}/playground/index.html")
        chromium.wait("!document.querySelector('#message').hidden", PATIENCE)
        assert "make playground PYODIDE=DIR" in text(chromium, "#message")
    chromium.console.clear()  # it has the file that is missing


@in_browser
def test_a_second_sigmoid_is_visible(page):
    page.choose("[name=mistake]", "sigmoid")
    page.wait("document.querySelector('#shows').textContent.includes('0.73')", PATIENCE)
    page.click("#play")
    page.wait("+document.querySelector('#status').textContent.split(' ')[1] > 100", PATIENCE)
    page.click("#play")
    means = [float(part.split()[1]) for part in text(page, "#score").split(", ")[2:4]]
    assert all(0.5 <= mean <= 0.7311 for mean in means), text(page, "#score")
    assert "mistake=sigmoid" in page.evaluate("location.hash")


@in_browser
def test_the_editor_names_a_missing_transpose(page):
    page.choose("#texts", "Linear, a transpose is missing")
    page.click("#check")
    page.wait("!document.querySelector('#report').hidden", PATIENCE)
    assert "A matrix is used instead of its transpose" in text(page, "#report")
    page.choose("#texts", "Linear")
    page.click("#check")
    page.wait("document.querySelector('#report').className == 'ok'", PATIENCE)
    page.click("#train")
    page.click("#step")
    page.wait("document.querySelector('#status').textContent == 'step 1'", PATIENCE)
    assert "source=class+MyLinear" in page.evaluate("location.hash")


@in_browser
def test_a_curve_drawn_by_hand_is_learned(page):
    page.choose("[name=data]", "curve")
    page.wait("document.querySelector('#plane').classList.contains('drawing')", PATIENCE)
    box = page.evaluate(
        "(() => { const b = document.querySelector('#plane').getBoundingClientRect();"
        " return [b.x, b.y, b.width, b.height]; })()"
    )
    points = [(0.2 + 0.02 * i, 0.5 - 0.2 * np.sin(0.2 * i)) for i in range(31)]
    places = [(box[0] + a * box[2], box[1] + b * box[3]) for a, b in points]
    page.mouse("mousePressed", *places[0])
    for place in places[1:]:
        page.mouse("mouseMoved", *place)
    page.mouse("mouseReleased", *places[-1])
    page.wait("location.hash.includes('curve=-9')", PATIENCE)
    page.click("#play")
    page.wait("+document.querySelector('#status').textContent.split(' ')[1] > 600", PATIENCE)
    page.click("#play")
    assert 0.3 < float(text(page, "#score").split(", ")[2].split()[1]) < 0.8


@in_browser
def test_a_link_leads_to_the_same_state_and_keys_play(page):
    page.open_ready("#data=moons&seed=4&steps=30")
    page.wait("document.querySelector('#status').textContent == 'step 30'", PATIENCE)
    page.wait("document.querySelector('#play').textContent == 'Play'", PATIENCE)
    score = text(page, "#score")
    game = playground.Playground({"data": "moons", "seed": 4})
    game.run(1e9, until=30)
    d_loss, g_loss = (float(part.split()[1]) for part in score.split(", ")[:2])
    assert d_loss == pytest.approx(game.losses[-1][0], abs=0.006)
    assert g_loss == pytest.approx(game.losses[-1][1], abs=0.006)
    page.press({"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "})
    page.wait("+document.querySelector('#status').textContent.split(' ')[1] > 30", PATIENCE)
    page.press({"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "})
    page.wait("document.querySelector('#play').textContent == 'Play'", PATIENCE)


@in_browser
def test_a_layer_in_a_link_waits_for_its_reader(page):
    page.open_ready("#source=class+MyLinear(nn.Linear):+pass")
    assert "This link brings a layer" in text(page, "#message")
    assert "MyLinear" in page.evaluate("document.querySelector('#source').value")
    assert page.evaluate("document.querySelector('#without').hidden")
    page.click("#train")
    page.wait("!document.querySelector('#without').hidden", PATIENCE)


@in_browser
def test_a_layer_that_never_ends_is_stopped(page):
    endless = playground.LINEAR.replace("x = cache", "x = cache\n        while True: pass")
    page.choose("#source", endless)
    page.click("#check")
    page.wait("document.querySelector('#message').textContent.includes('did not answer')", PATIENCE)
    page.wait("!document.querySelector('#play').disabled", PATIENCE)
    assert "did not answer for 20 seconds" in text(page, "#message")
    page.click("#step")
    page.wait("document.querySelector('#status').textContent == 'step 1'", PATIENCE)


@in_browser
def test_slow_motion_and_digits(page):
    page.choose("[name=data]", "digits")
    page.click("#slow")
    page.wait("document.querySelectorAll('#lines li').length == 14", PATIENCE)
    assert "fake, _ = G.forward(z)" in text(page, "#lines li:nth-child(2)")
    assert "fake: 128 x 64" in text(page, "#lines li:nth-child(2)")


@in_browser
def test_nothing_is_wider_than_the_screen(page):
    page.click("#slow")
    page.wait("document.querySelectorAll('#lines li').length == 14", PATIENCE)
    page.evaluate("document.querySelector('#workshop').open = true")
    for width in (320, 390, 800, 1280):
        page.resize(width, 800)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
