"""The second look: passes that work at one point or for one number of rows only."""

import numpy as np
import pytest

from nngan.gradcheck import check_gradients

X = np.random.default_rng(1).uniform(0.1, 0.9, (5, 4))
X[0, 0] = 0.5


def layer(function, slope, where=lambda x: True):
    """Return y = f(x), which raises an exception where it is not to work."""

    class Layer:
        def forward(self, x):
            if not where(x):
                raise RuntimeError("not here")
            return function(x), x

        def backward(self, dy, x):
            return dy * slope(x)

    return Layer()


ONLY = {
    "at the numbers given": (
        lambda x: np.abs(x[0, 0] - 0.5) < 1e-4, "fail at all other inputs of this shape",
        "at another input: RuntimeError: not here",
    ),
    "for the number of rows given": (
        lambda x: x.shape == (5, 4), "fail at another number of rows",
        "with many rows (N = 132): RuntimeError: not here",
    ),
    "for few rows": (
        lambda x: len(x) < 200, "fail at another number of rows",
        "with many rows (N = 300): RuntimeError: not here",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONLY)
def test_passes_that_work_here_only_are_not_right(name):
    where, words, evidence = ONLY[name]
    report = check_gradients(layer(np.sin, np.cos, where), X)
    assert report.verdict == "inconclusive", str(report)
    finding = report.findings[0]
    assert (finding.kind, finding.evidence) == ("inconclusive", evidence)
    assert f"The passes work at x of shape (5, 4), but {words}" in finding.sentence


RIGHT = {
    "positive numbers": layer(np.log, lambda x: 1 / x, lambda x: (x > 0).all()),
    "numbers between 0 and 1": layer(
        lambda x: np.log(x / (1 - x)), lambda x: 1 / (x * (1 - x)),
        lambda x: ((x > 0) & (x < 1)).all(),
    ),
    "numbers between 0.05 and 0.95": layer(
        np.square, lambda x: 2 * x, lambda x: ((x > 0.05) & (x < 0.95)).all()
    ),
    "two rows or more": layer(np.sin, np.cos, lambda x: len(x) > 1),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_layer_for_some_numbers_is_right(name):
    report = check_gradients(RIGHT[name], X)
    assert report.ok, str(report)
