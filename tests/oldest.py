"""Print the oldest versions that pyproject.toml declares, as pip takes them: numpy==2.0 ...

What is declared without a version is printed without one.
"""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "pyproject.toml").read_text()
FIELDS = ("dependencies", "test", "numba")


def floors(text: str = TEXT) -> list[str]:
    """Return a requirement for each package that the library, its tests and Numba need."""
    found = []
    for field in FIELDS:
        listed = re.search(rf"^{field} = \[(.*?)\]$", text, re.M | re.S)
        found += [r.replace(">=", "==") for r in re.findall(r'"([\w-]+(?:>=[\d.]+)?)"', listed[1])]
    return found


if __name__ == "__main__":
    print(*floors())
