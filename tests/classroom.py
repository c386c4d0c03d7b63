"""Submissions for the assignment "Linear", each with the marks that it deserves.

`a_hundred` is a class: 40 are right, 42 are wrong in 12 ways, 5 hang, 5 take memory without end, 5
do not parse, and 3 are notebooks. `ten` are a small class of those that end by themselves.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

POINTS = {"forward": 2, "dx": 3, "dW": 3, "db": 2, "contract": 1}
SCHEME = {
    "title": "The layer Linear",
    "file": "linear.py",
    "class": "Linear",
    "points": POINTS,
    "reference": "reference.py:Linear",
    "accumulate": True,
}
ALL = tuple(POINTS)

RIGHT = '''\
"""The layer Linear."""

import numpy as np


class Linear:
    """y = x W + b."""

    def __init__(self, n_in=4, n_out=3):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def forward(self, x):
        return x @ self.W + self.b, x

    def backward(self, dy, cache):
        x = cache
        self.dW += x.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W.T
'''
TEMPLATE = RIGHT.partition("    def forward")[0] + (
    "    def forward(self, x):\n"
    '        raise NotImplementedError("write forward")\n\n'
    "    def backward(self, dy, cache):\n"
    '        raise NotImplementedError("write backward")\n'
)
LOOPS = """\
        for n in range(len(dy)):
            for j in range(len(self.b)):
                self.db[j] += dy[n, j]
"""


@dataclass(frozen=True)
class Case:
    """One sort of submission: its source, the parts that are right, mistakes that must be named."""

    source: str
    right: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    suffix: str = ".py"

    @property
    def points(self):
        return sum(POINTS[part] for part in self.right)


def changed(*pairs):
    """Return the right source with lines exchanged."""
    source = RIGHT
    for old, new in pairs:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def without(*parts):
    return tuple(part for part in ALL if part not in parts)


def notebook(source):
    """Return the source as a notebook, with a magic and a cell of text."""
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# My layer\n"]},
        {
            "cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [],
            "source": ["%matplotlib inline\n", *source.splitlines(True)],
        },
    ]  # fmt: skip
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


RIGHTS = {
    "right": Case(RIGHT, ALL),
    "right_einsum": Case(changed(("x.T @ dy", 'np.einsum("ni,nj->ij", x, dy)')), ALL),
    "right_dot": Case(changed(("x @ self.W +", "np.dot(x, self.W) +")), ALL),
    "right_loops": Case(changed(("        self.db += dy.sum(axis=0)\n", LOOPS)), ALL),
    "right_prints": Case(changed(("        x = cache\n", "        x = cache; print(x)\n")), ALL),
}
# The twelve ways to be wrong.
WRONGS = {
    "sign": Case(changed(("return dy @", "return -dy @")), without("dx"), ("sign",)),
    "mean": Case(changed(("x.T @ dy", "x.T @ dy / len(x)")), without("dW"), ("doubled_mean",)),
    "unsummed": Case(
        changed(("self.db += dy.sum(axis=0)", "self.db = self.db + dy")),
        without("db"), ("bias_not_summed",),
    ),
    "transpose": Case(changed(("self.W.T", "self.W")), ("forward",), ("transpose",)),
    "overwrites": Case(changed(("self.dW +=", "self.dW =")), without("contract"), ("overwrites",)),
    "stale": Case(
        changed(("self.b, x\n", "self.b, None\n"), ("return x @", "self.x = x; return x @"),
                ("x = cache", "x = self.x")),
        without("contract"), ("stale_cache",),
    ),
    "no_dW": Case(
        changed(("        self.dW = np.zeros_like(self.W)\n", ""), ("self.dW +=", "dW =")),
        without("dW"), ("missing",),
    ),
    "no_bias": Case(
        changed((" + self.b, x", ", x")), without("forward"), ("forward",)
    ),
    "doubled": Case(
        changed(("return x @ self.W + self.b", "return 2 * (x @ self.W + self.b)"),
                ("        x = cache\n", "        x, dy = cache, 2 * dy\n")),
        without("forward"), ("forward",),
    ),
    "writes": Case(
        changed(("        return dy @ self.W.T", "        dx = dy @ self.W.T\n"
                 "        dy[...] = 0\n        return dx")),
        without("contract"), ("writes_input",),
    ),
    "no_db": Case(changed(("self.db += dy", "db = dy")), without("db"), ("zero",)),
    "template": Case(TEMPLATE, (), ("raises",)),
}  # fmt: skip
LOOP = "        while True:\n            pass\n"
HANGS = {
    "hang_import": Case(RIGHT + "\n\nwhile True:\n    pass\n", (), ("hangs",)),
    "hang_sleep": Case("import time\n\ntime.sleep(10**6)\n" + RIGHT, (), ("hangs",)),
    "hang_init": Case(changed(("n_out=3):\n", f"n_out=3):\n{LOOP}")), (), ("hangs",)),
    "hang_forward": Case(
        changed(("forward(self, x):\n", f"forward(self, x):\n{LOOP}")), (), ("hangs",)
    ),
    "hang_backward": Case(
        changed(("        x = cache\n", LOOP)), (), ("hangs",)
    ),
}  # fmt: skip
GROW = "while True: kept.append(bytearray(2**26))\n"
MEMORIES = {
    "memory_import": Case(f"{RIGHT}\n\nkept = []\n{GROW}", (), ("memory",)),
    "memory_init": Case(
        changed(("n_out=3):\n", f"n_out=3):\n        kept = []\n        {GROW}")), (), ("memory",)
    ),
    "memory_forward": Case(
        changed(("forward(self, x):\n", f"forward(self, x):\n        kept = []\n        {GROW}")),
        (), ("memory",),
    ),
    "memory_array": Case(
        changed(("forward(self, x):\n", "forward(self, x):\n        np.ones((10**6, 10**6))\n")),
        (), ("memory",),
    ),
    "memory_text": Case(RIGHT + '\n\ntext = "x"\nwhile True: text += text\n', (), ("memory",)),
}  # fmt: skip
UNREADABLE = {
    "parse_colon": Case(changed(("class Linear:", "class Linear")), (), ("cannot_import",)),
    "parse_indent": Case(
        changed(("        x = cache\n", "    x = cache\n")), (), ("cannot_import",)
    ),
    "parse_bracket": Case(changed(("dy.sum(axis=0)", "dy.sum(axis=0")), (), ("cannot_import",)),
    "parse_word": Case("Dear teacher, my layer is below.\n" + RIGHT, (), ("cannot_import",)),
    "parse_tabs": Case(changed(("        x = cache\n", "\tx = cache\n")), (), ("cannot_import",)),
}
NOTEBOOKS = {
    "notebook_right": Case(notebook(RIGHT), ALL, (), ".ipynb"),
    "notebook_sign": Case(notebook(WRONGS["sign"].source), without("dx"), ("sign",), ".ipynb"),
    "notebook_parse": Case(notebook("class Linear:\n"), (), ("no_class",), ".ipynb"),
}


def a_hundred():
    """Return 100 submissions by the names of the students."""
    ways = itertools.cycle(WRONGS.items())
    rights = itertools.cycle(RIGHTS.items())
    chosen = [next(rights) for _ in range(40)] + [next(ways) for _ in range(42)]
    chosen += [*HANGS.items(), *MEMORIES.items(), *UNREADABLE.items(), *NOTEBOOKS.items()]
    return {f"student_{i:03}_{name}": case for i, (name, case) in enumerate(chosen)}


def ten():
    """Return 10 submissions, none of which runs into a limit."""
    names = (
        "right", "right_loops", "mean", "unsummed", "stale", "no_dW", "doubled", "no_bias",
        "parse_colon", "notebook_sign",
    )  # fmt: skip
    cases = {**RIGHTS, **WRONGS, **HANGS, **UNREADABLE, **NOTEBOOKS}
    return {name: cases[name] for name in names}


def write(cases, folder: Path):
    """Write the scheme, the reference, and each submission: every third in a folder of its own."""
    (folder / "scheme.json").write_text(json.dumps(SCHEME))
    (folder / "reference.py").write_text(RIGHT)
    submissions = folder / "submissions"
    submissions.mkdir()
    for i, (name, case) in enumerate(cases.items()):
        file = submissions / f"{name}{case.suffix}"
        if i % 3 == 2:
            (submissions / name).mkdir()
            file = submissions / name / f"linear{case.suffix}"
        file.write_text(case.source)
    return submissions
