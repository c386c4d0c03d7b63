"""The museum: each broken game gets its diagnosis and no other, each cured game gets none."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MUSEUM = ROOT / "docs" / "museum"
sys.path.insert(0, str(MUSEUM))

from exhibits import EXHIBITS, broken, cured, difference, parts, play  # noqa: E402


def test_every_game_is_an_exhibit_with_a_page_and_two_pictures():
    for folder, pattern in (("games", "{}.py"), (".", "{}.md"), ("pictures", "{}.png")):
        for name in EXHIBITS:
            assert (MUSEUM / folder / pattern.format(name)).is_file(), name
    assert {path.stem for path in (MUSEUM / "games").glob("*.py")} == set(EXHIBITS)
    assert len(EXHIBITS) >= 16
    pictures = list((MUSEUM / "pictures").glob("*.png"))
    assert len(pictures) == 2 * len(EXHIBITS)
    for path in pictures:
        assert path.stat().st_size < 60_000, path.name


@pytest.mark.parametrize("name", EXHIBITS)
def test_a_page_shows_the_game_as_it_is(name):
    title, seen, why, code = parts(name)
    page = (MUSEUM / f"{name}.md").read_text(encoding="utf-8")
    for part in (title, seen, why, broken(code).strip(), "\n".join(difference(code))):
        assert part in page
    assert 60 <= len(re.findall(r"\S+", f"{seen} {why}")) <= 120
    assert "# cure" not in page
    assert f"[{EXHIBITS[name].kind}]" in page
    assert "The diagnosis of this game: nothing found." in page


def test_a_cure_replaces_its_line_or_takes_it_away():
    code = "a = 1  # cure: a = 2\nif a:\n    b = 1  # cure:\n    # cure: d()\n    c = 1\n"
    assert broken(code) == "a = 1\nif a:\n    b = 1\n    c = 1\n"
    assert cured(code) == "a = 2\nif a:\n    d()\n    c = 1\n"
    assert difference(code) == ["- a = 1", "+ a = 2", "- b = 1", "+ d()"]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXHIBITS)
def test_the_broken_game_gets_its_diagnosis_and_no_other(name):
    report = play(name, broken(parts(name)[3])).variables["report"]
    assert set(report.kinds) == {EXHIBITS[name].kind}, report


@pytest.mark.slow
@pytest.mark.parametrize("name", EXHIBITS)
def test_the_cured_game_gets_none(name):
    report = play(name, cured(parts(name)[3])).variables["report"]
    assert report.kinds == (), report
