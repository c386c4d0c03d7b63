"""Mistakes in normalisations and losses by name; small terms and overflow."""

import numpy as np
import pytest

import nngan as nn

X = np.random.default_rng(0).standard_normal((5, 6))
NORM = """class LayerNorm:
    def __init__(self):
        self.gamma, self.beta = np.linspace(0.5, 1.5, 6), np.zeros(6)

    def forward(self, x):
        self.x, mean = x, x.mean(axis=1, keepdims=True)
        self.scale = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.hat = (x - mean) * self.scale
        return self.gamma * self.hat + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.hat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        g = dy * self.gamma
        part = g - g.mean(axis=1, keepdims=True)
        return self.scale * (part - self.hat * (g * self.hat).mean(axis=1, keepdims=True))
"""


def report_of(source, *changes, x=X):
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    names = {"np": np}
    exec(source, names)
    layer = next(v for k, v in names.items() if isinstance(v, type))()
    return nn.check_gradients(layer, x)


def test_a_right_layer_norm():
    report = report_of(NORM)
    assert report.ok
    assert report.findings == []


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("(dy * self.hat)", "(dy * self.x)", "input_for_output", "dgamma uses x, but forward"),
        ("dy.sum(axis=0)", "dy.mean(axis=0)", "bias_averaged", "dbeta is averaged over the rows"),
        ("return self.scale * (", "return self.scale * g  # (", "path", "as constants"),
        ("self.scale = 1 / np.sqrt(", "self.scale = 1 / (1e-5 + np.sqrt(", "inexact", "small term"),
    ],
)
def test_a_wrong_layer_norm_is_named(old, new, kind, words):
    changes = [(old, new)]
    if kind == "inexact":
        changes = [(" + 1e-5)\n", ") + 1e-5)\n"), ("1 / np.sqrt(", "1 / (np.sqrt(")]
    report = report_of(NORM, *changes)
    assert {f.kind for f in report.findings if f.mistake} == {kind}
    assert words in str(report)


def test_a_bias_of_one_row_that_is_averaged():
    report = report_of(
        NORM,
        ("np.zeros(6)", "np.zeros((1, 6))"),
        ("dy.sum(axis=0)", "dy.mean(axis=0, keepdims=True)"),
    )
    assert {f.kind for f in report.findings if f.mistake} == {"bias_averaged"}


def test_a_mask_is_lacking_only_where_forward_has_one():
    class PReLU:
        def __init__(self):
            self.a = np.full(6, 0.25)

        def forward(self, x):
            self.x = x
            return np.where(x > 0, x, self.a * x)

        def backward(self, dy):
            self.da = (dy * self.x).sum(axis=0)
            return np.where(self.x > 0, 1, self.a) * dy

    report = nn.check_gradients(PReLU(), X)
    assert {f.kind for f in report.findings if f.mistake} == {"mask"}


@pytest.mark.parametrize("x", [np.linspace(-1, 2, 12).reshape(4, 3), X])
def test_a_diagonal_is_named_where_the_rows_have_one_spread(x):
    """In such rows a softmax is the same: its diagonal looks like a scale of each column."""

    class Diagonal:
        def forward(self, x):
            e = np.exp(x)
            y = e / e.sum(axis=1, keepdims=True)
            return y, y

        def backward(self, dy, y):
            return dy * y * (1 - y)

    (finding,) = nn.check_gradients(Diagonal(), x).findings
    assert finding.kind == "path"
    assert "its own output" in finding.sentence


SOFTMAX = """class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dy):
        return self.p * (dy - (dy * self.p).sum(axis=1, keepdims=True))
"""
SIGMOID = """class Sigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        return dy * self.y * (1 - self.y)
"""
STABLE = "np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))"


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        (SOFTMAX, [], None),
        (SOFTMAX, [(" - x.max(axis=1, keepdims=True)", "")], "forward is not finite at inputs of"),
        (SIGMOID, [], "A number in forward overflows at inputs of -800 and 800"),
        (SIGMOID, [("1 / (1 + np.exp(-x))", STABLE)], None),
    ],
    ids=["softmax", "naive softmax", "naive sigmoid", "sigmoid"],
)
def test_an_overflow_is_a_note(source, changes, words):
    report = report_of(source, *changes)
    assert report.ok
    found = [f for f in report.findings if f.kind == "overflow"]
    assert len(found) == bool(words)
    assert all(words in f.sentence and not f.mistake for f in found)


@pytest.mark.parametrize(("eps", "ok"), [("", True), (" + 1e-12", True), (" + 1e-7", False)])
def test_an_epsilon_in_a_logarithm(eps, ok):
    def loss(x, labels):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(x))
        value = -np.log(p[rows, labels] + float(eps[3:] or 0)).mean()
        p[rows, labels] -= 1
        return value, p / len(x)

    report = nn.check_gradients(loss, X, np.array([0, 1, 2, 3, 0]))
    assert report.ok == ok
    assert {f.kind for f in report.findings if f.mistake} == (set() if ok else {"inexact"})
