"""List the recipes: complete games, each under a name.

nngan recipes
nngan train --recipe r1   # trains one of them
"""

from __future__ import annotations

from collections.abc import Sequence

from ..command_line import OneSentenceParser
from ..recipes import RECIPES


def main(arguments: Sequence[str] | None = None, program: str = "nngan recipes") -> int:
    """Run the command; return the exit status."""
    OneSentenceParser(program, description=__doc__).parse_args(arguments)
    list_recipes()
    return 0


def list_recipes() -> None:
    """Print a line for each recipe: its name and its summary."""
    for name, recipe in RECIPES.items():
        print(f"{name:<15} {recipe.summary}")
