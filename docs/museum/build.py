"""Build the museum: play each game, broken and cured, and write its page and its pictures.

Without names it builds everything, in a few minutes; with names of games, such as ``calm swings``,
their pages and pictures alone, and no index.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from exhibits import EXHIBITS, Played, broken, cured, difference, parts, play
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from nngan.command_line import OneSentenceParser
from nngan.plotting import tile
from nngan.plotting.colours import BLUE, VERMILION

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
POINTS = 100  # of a curve of single steps or many epochs: each is a mean
# A picture has no background, and a grey that can be read on a light page and on a dark one.
GREY = "#808080"
COLOURS = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")

PAGE = """# {number}. {title}

<style>
.highlight-text pre {{ white-space: pre-wrap; }}
html[data-theme="dark"] .bd-content .bd-article img {{ filter: none; background: none; }}
</style>

{seen}

![Curves and samples of the broken game](pictures/{name}.png)

**Which bug is it?**

<details>
<summary>The game</summary>

```python
{code}
```

</details>

<details>
<summary>The diagnosis</summary>

```text
{diagnosis}
```

{why}

</details>

<details>
<summary>The cure</summary>

```diff
{difference}
```

![Curves and samples of the cured game](pictures/{name}_cured.png)

The diagnosis of this game: {cured}.

</details>

[All games](index.md)
"""

INDEX = """# A museum of broken games

{n} games, each with one mistake. No game raises an error, and each takes a few seconds. Look at the
curves and at the samples, guess which bug it is, and unfold the game, the
[diagnosis](../diagnose.md) and the cure.

<style>
.museum {{
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr));
  gap: 1rem;
  margin-bottom: 1.5rem;
}}
.museum.container, .museum .container {{ padding: 0; }}
.museum p {{ margin: 0; }}
html[data-theme="dark"] .bd-content .bd-article img {{ filter: none; background: none; }}
</style>

:::::{{container}} museum
{grid}
:::::

In each picture, left: the losses of D (blue) and G (orange), and, where the library plays the game,
the means of D(x) (blue) and D(G(z)) (orange). Right: samples, unselected; in the plane the data are
grey.

The games are scripts in `docs/museum/games/`, one for each page. Each trains, diagnoses and prints;
a comment beside the broken line has the cure. One command plays all games, broken and cured, and
writes these pages and pictures:

    python docs/museum/build.py

`python -m pytest -m slow tests/test_museum.py` asserts the table below: each broken game gets its
kind and no other finding above a note, and each cured game gets none.

## The answers

<details>
<summary>What was broken, and what the diagnosis says</summary>

| game | what was broken | diagnosis | broken, s | cured, s |
|---|---|---|---|---|
{table}

</details>

The seconds are those of one processor, training and diagnosis, measured by the command above.

```{{toctree}}
:hidden:

{names}
```
"""


def main(names: list[str]) -> None:
    """Write pages and pictures of the games with these names, or of all, with the index."""
    PICTURES.mkdir(exist_ok=True)
    rows = {name: exhibit(name) for name in names or EXHIBITS}
    if names:
        return
    cells = "\n".join(
        f"::::{{container}}\n[![{title(name)}](pictures/{name}.png)]({name}.md)\n\n"
        f"**{number(name)}** [{title(name)}]({name}.md)\n::::"
        for name in EXHIBITS
    )
    text = INDEX.format(
        n=len(EXHIBITS), grid=cells, table="\n".join(rows.values()), names="\n".join(EXHIBITS)
    )
    write(HERE / "index.md", text)


def exhibit(name: str) -> str:
    """Write one page and its two pictures, and return its row of the table."""
    heading, seen, why, code = parts(name)
    was, now = play(name, broken(code)), play(name, cured(code))
    draw(was, PICTURES / f"{name}.png")
    draw(now, PICTURES / f"{name}_cured.png")
    text = PAGE.format(
        number=number(name), title=heading, seen=seen, name=name, code=broken(code).strip(),
        diagnosis=findings(was.variables["report"]), why=why,
        difference="\n".join(difference(code)), cured=now.variables["report"].head,
    )  # fmt: skip
    write(HERE / f"{name}.md", text)
    kinds = ", ".join(f"`{kind}`" for kind in dict.fromkeys(was.variables["report"].kinds))
    row = (
        f"| [{number(name)}]({name}.md) | {EXHIBITS[name].broken} | {kinds} | "
        f"{was.seconds:.1f} | {now.seconds:.1f} |"
    )
    print(row, flush=True)
    return row


def number(name: str) -> int:
    """Return the place of a game in the museum, from 1 on."""
    return list(EXHIBITS).index(name) + 1


def title(name: str) -> str:
    """Return the title of a game."""
    return parts(name)[0]


def write(path: Path, text: str) -> None:
    """Write a page, with the same bytes on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")


def findings(report: Any) -> str:
    """Return what a report prints, without what was looked at."""
    return str(report).split("\nlooked at:")[0]


def draw(played: Played, path: Path) -> None:
    """Draw the curves and the samples of a game."""
    figure = Figure(figsize=(5.2, 2.6), dpi=110, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.05))
    with rc_context(dict.fromkeys(COLOURS, GREY)):
        curves(left, played.variables)
    axes = right.subplots()
    axes.set_axis_off()
    rows = samples(played.variables)
    if rows.shape[1] == 2:
        real = played.variables["x"][: len(rows)]
        axes.scatter(*real.T, s=25, color="0.7", lw=0)
        axes.scatter(*rows.T, s=4, color=VERMILION, lw=0)
        axes.set_aspect("equal")
    else:
        axes.imshow(tile(rows.clip(0, 1)), cmap="gray", vmin=0, vmax=1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True)
    image = Image.open(buffer).quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def curves(figure: Any, variables: dict[str, Any]) -> None:
    """Draw the losses, and the answers of D if the library has played the game."""
    if "gan" in variables:
        history = variables["gan"].history
        top, bottom = figure.subplots(2, 1, sharex=True)
        panels = ((top, "loss", ("d_loss", "g_loss")), (bottom, "mean of D", ("d_real", "d_fake")))
        for axes, name, keys in panels:
            line(axes, name, *(history[key] for key in keys))
        bottom.set(ylim=(-0.05, 1.05), xlabel="epoch")
    else:
        axes = figure.subplots()
        line(axes, "loss", *np.array(variables["losses"]).T)
        axes.set_xlabel("step")


def line(axes: Any, name: str, d: Any, g: Any) -> None:
    """Draw a curve of D and one of G, of many values as means."""
    length = max(1, len(d) // POINTS)
    for values, colour in ((d, BLUE), (g, VERMILION)):
        means = np.reshape(values, (-1, length)).mean(axis=1)
        axes.plot(length * np.arange(1, len(means) + 1), means, color=colour, lw=1.5)
    axes.set_ylabel(name)
    axes.tick_params(labelsize=8)
    axes.grid(color=GREY, alpha=0.2)


def samples(variables: dict[str, Any]) -> Any:
    """Return samples of a game; of one with classes, each row of the sheet is a class."""
    if "gan" not in variables:
        z = np.random.default_rng(1).standard_normal((49, 16), dtype=np.float32)
        return variables["G"](z)
    gan = variables["gan"]
    if gan.rules.classes:
        return gan.sample(100, labels=np.repeat(np.arange(10), 10))
    return gan.sample(500 if gan.D.layers[0].shapes["W"][0] == 2 else 49)


if __name__ == "__main__":
    parser = OneSentenceParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args().names
    unknown = [name for name in chosen if name not in EXHIBITS]
    if unknown:
        parser.error(f"no game is called {unknown[0]!r}: take names of {', '.join(EXHIBITS)}")
    main(chosen)
