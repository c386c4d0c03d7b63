"""Measure the playground on a quiet machine: python tests/playground_speed.py PYODIDE [SECONDS].

PYODIDE is the folder of a release of Pyodide with its wheels. For each game it prints a line of the
table in docs/playground.md: steps of training and pictures drawn a second, and what one costs.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from browser import CHROMIUM, browser, served

sys.path.append(str(Path(__file__).parents[1] / "docs" / "playground"))
import build

GAMES = {
    "ring, two hidden layers of 64, R1": "",
    "two moons, the same without R1": "#data=moons&r1=0",
    "grid, two hidden layers of 128, R1": "#data=grid&width=128",
    "digits, two hidden layers of 64, R1": "#data=digits",
}
# Counts what the page draws before it is shown, and the time that this takes.
COUNTED = """
const later = window.requestAnimationFrame.bind(window);
window.drawn = window.spent = 0;
window.requestAnimationFrame = (draw) => later((now) => {
  const began = performance.now();
  draw(now);
  window.drawn += 1;
  window.spent += performance.now() - began;
});
"""
STATE = """[+document.querySelector('#status').textContent.split(' ')[1], drawn, spent,
performance.now()]"""


def main(pyodide: str, seconds: str = "30") -> int:
    """Print the table; return the exit status."""
    if not CHROMIUM:
        print("Chromium is not here: python tests/fetch_chromium.py fetches one, or says why not.")
        return 2
    with tempfile.TemporaryDirectory() as site:
        if status := build.main(site, pyodide):
            return status
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {seconds} seconds each\n")
        print("| game | steps a second | pictures a second | ms a picture |\n|---|---|---|---|")
        with served(site) as url, browser() as chromium:
            chromium.resize(1280, 900)
            chromium.call("Page.addScriptToEvaluateOnNewDocument", source=COUNTED)
            for name, told in GAMES.items():
                print(f"| {name} | {measured(chromium, url, told, float(seconds))} |", flush=True)
    return 0


def measured(chromium, url, told, seconds):
    """Return the last cells of a game's row."""
    chromium.open("about:blank")
    chromium.open(f"{url}/playground/index.html{told}")
    chromium.wait("document.querySelector('#play')?.disabled === false", 600)
    chromium.click("#play")
    chromium.wait("+document.querySelector('#status').textContent.split(' ')[1] > 20", 600)
    before = chromium.evaluate(STATE)
    time.sleep(seconds)
    steps, drawn, spent, ms = np.subtract(chromium.evaluate(STATE), before)
    chromium.click("#play")
    return f"{1000 * steps / ms:.0f} | {1000 * drawn / ms:.1f} | {spent / drawn:.1f}"


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
