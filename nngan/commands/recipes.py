"""List the recipes: complete games, each under a name.

nngan recipes
nngan train --recipe r1   # trains one of them
"""

from __future__ import annotations

from collections.abc import Sequence

from ..command_line import OneSentenceParser
from ..recipes import RECIPES

# Measured on one thread: 6,600 samples a second of 16x16x3 for small, 2,300 for default, and 2,100
# and 820 of 32x32x3. A run of small has 360,000 samples, one of default 3,000,000.
ADVICE = """\
small is for a first try on any data, best with --size 16: it finishes 25 times as fast
as default, in about a minute for 16x16 pixels in colour. default is for
better samples of up to 32x32 pixels: 20 minutes for 16x16 in colour, an hour for
32x32. conditional needs labels. The others are games to compare with."""


def main(arguments: Sequence[str] | None = None, program: str = "nngan recipes") -> int:
    """Run the command; return the exit status."""
    OneSentenceParser(program, description=__doc__).parse_args(arguments)
    list_recipes()
    return 0


def list_recipes() -> None:
    """Print a line for each recipe: its name and its summary."""
    for name, recipe in RECIPES.items():
        print(f"{name:<15} {recipe.summary}")
    print(f"\n{ADVICE}")
