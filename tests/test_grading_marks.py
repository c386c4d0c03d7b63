"""``nngan grade``: what a right or nearly right file earns, whatever its style."""

import csv
import json
import re

import pytest

from nngan.commands import grade as command

HEAD = "import numpy as np\n\n\n"


@pytest.fixture
def graded(tmp_path, monkeypatch, capfd):
    """Grade sources by name with one scheme; return for each (lost parts, mistakes, page)."""
    monkeypatch.chdir(tmp_path)

    def grade(sources, reference=None, **scheme):
        folder = tmp_path / "class"
        folder.mkdir(exist_ok=True)
        (tmp_path / "g.csv").unlink(missing_ok=True)
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(HEAD + source)
        for old in {*folder.iterdir()} - {folder / f"{name}.py" for name in sources}:
            old.unlink()
        if reference is not None:
            (tmp_path / "ref.py").write_text(HEAD + reference)
            scheme = {"reference": "ref.py", **scheme}
        (tmp_path / "scheme.json").write_text(json.dumps(scheme))
        words = ["class", "--scheme", "scheme.json", "--csv", "g.csv", "--html", "h", "--json", "j"]
        try:
            status = command.main([*words, "--timeout", "60"])
        except SystemExit as stop:
            status = stop.code
        err = capfd.readouterr().err
        assert (status, err) == (0, ""), err
        lines = (tmp_path / "g.csv").read_text().splitlines()
        rows = {row["name"]: row for row in csv.DictReader(lines)}
        found = {}
        for name in sources:
            tests = json.loads((tmp_path / "j" / f"{name}.json").read_text())["tests"]
            lost = {test["name"]: test["output"] for test in tests if test["status"] == "failed"}
            page = (tmp_path / "h" / "students" / f"{name}.html").read_text(encoding="utf-8")
            found[name] = lost, rows[name]["mistakes"], page
        return found

    return grade


def lost_by(found):
    """Return which parts each has lost."""
    return {name: tuple(lost) for name, (lost, _, _) in found.items()}


# -- cells with several inputs -------------------------------------------------------------------

CELL = """class RNNCell:
    def __init__(self, n_in=4, n_hidden=3):
        self.Wx = np.random.randn(n_in, n_hidden)
        self.Wh = np.random.randn(n_hidden, n_hidden)
        self.dWx, self.dWh = np.zeros_like(self.Wx), np.zeros_like(self.Wh)

    def forward(self, x, h):
        next_h = np.tanh(x @ self.Wx + h @ self.Wh)
        return next_h, (x, h, next_h)

    def backward(self, dnext_h, cache):
        x, h, next_h = cache
        da = dnext_h * (1 - next_h**2)
        self.dWx += x.T @ da
        self.dWh += h.T @ da
        return da @ self.Wx.T, da @ self.Wh.T
"""
CELL_POINTS = {"forward": 2, "dx": 2, "dh": 2, "dWx": 1, "dWh": 1}
CELL_STATE = (
    CELL.replace("next_h, (x, h, next_h)", "next_h")
    .replace("        return next_h\n", "        self.kept = x, h, next_h\n        return next_h\n")
    .replace("dnext_h, cache", "dnext_h")
    .replace("= cache", "= self.kept")
)
CELL_NAMES = CELL.replace("x, h)", "x_t, h_prev)").replace("x @", "x_t @").replace(
    "h @ self", "h_prev @ self").replace("(x, h, next_h)", "(x_t, h_prev, next_h)")  # fmt: skip
CELL_FUNCTIONS = """def rnn_step_forward(x, prev_h, Wx, Wh):
    next_h = np.tanh(x @ Wx + prev_h @ Wh)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da
"""


WRONG_CELLS = {
    "minus": CELL.replace("np.tanh(x @ self.Wx + h", "np.tanh(x @ self.Wx - h"),
    "turned": CELL.replace("da @ self.Wh.T", "da @ self.Wh"),
}


@pytest.mark.parametrize("sizes", [{}, {"args": {"n_in": 6, "n_hidden": 2}}], ids=["own", "args"])
def test_cells_of_every_style(graded, sizes):
    right = {"cell": CELL, "state": CELL_STATE, "names": CELL_NAMES, "pair": CELL_FUNCTIONS}
    keys = {"class": ["RNNCell", "rnn_step"], "points": CELL_POINTS, **sizes}
    lost = lost_by(graded({**right, **WRONG_CELLS}, CELL, **keys))
    assert {name: lost[name] for name in right} == dict.fromkeys(right, ())
    assert "forward" in lost["minus"]
    assert lost["turned"] == ("dh",)


def test_a_cell_without_a_reference(graded):
    found = graded({"cell": CELL}, **{"class": "RNNCell", "points": CELL_POINTS, "shape": [4]})
    assert lost_by(found) == {"cell": ()}


# -- backward is right for the sheet, forward is wrong -------------------------------------------

PRELU = """class PReLU:
    def __init__(self, n_in=4):
        self.n_in = n_in
        self.a = np.full(n_in, 0.25)
        self.da = np.zeros(n_in)

    def forward(self, x):
        return np.where(x > 0, x, self.a * x), x

    def backward(self, dy, cache):
        x = cache
        self.da += (dy * np.minimum(x, 0)).sum(axis=0)
        return dy * np.where(x > 0, 1, self.a)
"""
PRELU_KEYS = {"class": "PReLU", "points": {"forward": 3, "dx": 2, "da": 2, "contract": 1}}
ONLY_FORWARD = "backward is right for the assignment; only forward is wrong."


OTHER_FORWARDS = [
    "np.maximum(self.a * x, x)",
    "np.where(x > 0, x, -self.a * x)",
    "np.where(x > 0, x, self.a)",
    "np.where(x > 0, x, self.a + x)",
    "np.where(x > 0, 2 * x, self.a * x)",
]


def test_a_wrong_forward_costs_the_points_of_forward_alone(graded):
    sources = {
        f"s{i}": PRELU.replace("np.where(x > 0, x, self.a * x)", forward)
        for i, forward in enumerate(OTHER_FORWARDS)
    }
    negated = sources["s1"]
    also = {
        "both": negated.replace("minimum", "maximum"),  # da is neither of the two
        # Right for the student's own forward: that counts, as well.
        "own": negated.replace("np.min", "-np.min").replace("1, self.a)", "1, -self.a)"),
    }
    found = graded({**sources, **also}, PRELU, **PRELU_KEYS)
    for name in sources:
        lost, kinds, page = found[name]
        assert list(lost) == ["forward"], name
        assert ONLY_FORWARD in lost["forward"]
        assert kinds == "forward"
        assert "erive it" not in page
    assert list(found["both"][0]) == ["forward", "da"]
    assert ONLY_FORWARD not in found["both"][0]["forward"]
    assert list(found["own"][0]) == ["forward"]


def test_a_strict_scheme_wants_the_derivative_of_the_students_own_forward(graded):
    source = PRELU.replace("np.where(x > 0, x, self.a * x)", OTHER_FORWARDS[1])
    found = graded({"ann": source}, PRELU, **PRELU_KEYS, backward="own")
    assert lost_by(found) == {"ann": ("forward", "dx", "da", "contract")}


# -- sizes and names -----------------------------------------------------------------------------

LINEAR = """class Linear:
    def __init__(self, n_in=4, n_out=3):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        return x @ self.W + self.b, x

    def backward(self, dy, x):
        self.dW += x.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W.T
"""
LINEAR_KEYS = {"class": "Linear", "points": {"forward": 2, "dx": 1, "dW": 1, "db": 1}}
WIDER = LINEAR.replace("n_in=4, n_out=3", "n_in=6, n_out=2")
DLS = """class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
"""


def with_arguments(first, second):
    source = LINEAR.replace("n_in=4, n_out=3", f"{first}, {second}")
    return source.replace("randn(n_in, n_out)", f"randn({first}, {second})").replace(
        "zeros(n_out)", f"zeros({second})"
    )


@pytest.mark.parametrize("by", ["args", "reference"])
def test_sizes_come_from_the_scheme_whatever_their_names(graded, by):
    sources = {
        "torch": with_arguments("in_features", "out_features"),
        "keras": with_arguments("input_dim", "units"),
        "mixed": with_arguments("fan_in", "n_out"),
        "arrays": DLS,
    }
    if by == "args":
        sources["unknown"] = with_arguments("rows_of_W", "columns_of_W")
    keys = {"args": {"n_in": 6, "n_out": 2}} if by == "args" else {}
    found = graded(sources, LINEAR if by == "args" else WIDER, **LINEAR_KEYS, **keys)
    assert lost_by(found) == dict.fromkeys(sources, ())
    if by == "reference":
        created = "Created as Linear(in_features=6, out_features=2), guessed by name."
        assert created in found["torch"][2]


DICT = """class LayerNorm:
    def __init__(self, n_in=6):
        self.params = {"gamma": np.ones(n_in), "beta": np.zeros(n_in)}
        self.grads = {}

    def forward(self, x):
        xc = x - x.mean(1)[:, None]
        std = np.sqrt((xc**2).mean(1) + 1e-5)[:, None]
        self.cache = xc / std, std
        return self.params["gamma"] * self.cache[0] + self.params["beta"]

    def backward(self, dout):
        xn, std = self.cache
        D = dout.shape[1]
        self.grads["gamma"] = np.sum(dout * xn, 0)
        self.grads["beta"] = np.sum(dout, 0)
        g = dout * self.params["gamma"]
        return (D * g - g.sum(1, keepdims=True) - xn * (g * xn).sum(1, keepdims=True)) / (D * std)
"""
NORM = DICT.replace('self.params["gamma"]', "self.gamma").replace(
    'self.params["beta"]', "self.beta").replace('self.grads["gamma"]', "self.dgamma").replace(
    'self.grads["beta"]', "self.dbeta").replace("        self.grads = {}\n", "").replace(
    'self.params = {"gamma": np.ones(n_in), "beta": np.zeros(n_in)}',
    "self.gamma, self.beta = np.ones(n_in), np.zeros(n_in)")  # fmt: skip
NORM_FUNCTIONS = """def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    std = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    xhat = (x - x.mean(axis=1, keepdims=True)) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def layernorm_backward(dout, cache):
    xhat, std, gamma = cache
    d = dout * gamma
    dx = (d - d.mean(axis=1, keepdims=True) - xhat * (d * xhat).mean(axis=1, keepdims=True)) / std
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)
"""
NORM_KEYS = {
    "class": ["LayerNorm", "layernorm"],
    "points": {"forward": 2, "dx": 3, "dgamma": 1, "dbeta": 1},
    "accumulate": False,
}


def test_names_in_a_dict_and_functions_are_names(graded):
    sources = {
        "self": NORM,
        "dict": DICT,
        "functions": NORM_FUNCTIONS,
        "torch": NORM.replace("n_in=6", "normalized_shape, epsilon=1e-5").replace(
            "n_in", "normalized_shape"
        ),
    }
    found = graded(sources, NORM, **NORM_KEYS, names=True)
    assert lost_by(found) == dict.fromkeys(sources, ())
    assert not any("is called" in page for _, _, page in found.values())


# -- files that do not run to their end, and files that are no Python files ------------------------

FAILING = {
    "assert": 'assert PReLU(4).forward(np.ones((1, 4)))[0][0, 0] == 2, "my test"\n',
    "input": 'name = input("your name? ")\n',
    "load": 'x = np.load("mnist.npz")["x"]\nPReLU(4).forward(x)\n',
    "import": "from mytests import check\ncheck(PReLU)\n",
    "colab": "from google.colab import drive\nget_ipython().run_line_magic('cd', '/')\n",
    "exit": "import sys\nsys.exit()\nwhile True: pass\n",
}


def test_a_line_that_fails_costs_nothing(graded):
    sources = {name: PRELU + "\n\n" + lines for name, lines in FAILING.items()}
    sources["first"] = "from mytests import check\nONE = 1\n" + PRELU.replace(
        "x > 0, 1", "x > 0, ONE"
    )
    sources["lost"] = "import torch_is_not_here\n" + PRELU.replace("PReLU:", "PReLU(torch.nn.M):")
    found = graded(sources, PRELU, **PRELU_KEYS)
    lost = lost_by(found)
    assert lost.pop("lost") == ("forward", "dx", "da", "contract")
    assert lost == dict.fromkeys(lost, ())
    for name, failure in (("assert", "AssertionError: my test"), ("load", "FileNotFoundError")):
        assert re.search(rf"Line \d+ failed: {failure}", found[name][2])
    assert found["lost"][1] == "cannot_import"
    assert "line 4, in &lt;module&gt;: import torch_is_not_here" in found["lost"][2]
    assert "Go to the line that is named" in found["lost"][2]


# -- other forms -----------------------------------------------------------------------------------

LISTS = PRELU.replace(
    "np.where(x > 0, x, self.a * x), x",
    "[[u if u > 0 else a * u for u, a in zip(row, self.a)] for row in x], x",
)
ODD = PRELU.replace("forward", "apply").replace("backward", "derive")
ADAPTER = """

class PReLUAdapter:
    def __init__(self):
        self.inner = PReLU()

    def forward(self, x):
        return self.inner.apply(x)

    def backward(self, dy, cache):
        return self.inner.derive(dy, cache)
"""


def test_lists_adapters_and_shapes(graded):
    sources = {
        "lists": LISTS,
        "adapter": ODD + ADAPTER,
        "number": PRELU.replace("np.full(n_in, 0.25)", "0.25").replace("np.zeros(n_in)", "0.0")
        .replace(".sum(axis=0)", ".sum()"),
        "vector": PRELU.replace("np.full(n_in, 0.25)", "0.25").replace("np.zeros(n_in)", "0.0"),
        "name": PRELU.replace("class PReLU", "class Prelu"),
    }  # fmt: skip
    found = graded(sources, PRELU, **PRELU_KEYS)
    assert "np.array is missing" in found["lists"][2]
    assert list(found["adapter"][0]) == []
    assert list(found["number"][0]) == ["forward"]
    for name in ("number", "vector"):
        assert "a must have the shape (4,)." in found[name][0]["forward"]
    assert "Call your class PReLU, written as here" in found["name"][2]


LOSS = """class SoftmaxCrossEntropy:
    def forward(self, x, t):
        z = x - np.max(x, axis=1, keepdims=True)
        self.p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        self.t = t
        return -np.mean(np.log(self.p[np.arange(len(x)), t]))

    def backward(self, dout=1):
        dx = self.p.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)
"""
LOSS_FUNCTION = """def softmax_loss(x, y):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), y]).mean()
    p[np.arange(len(x)), y] -= 1
    return loss, p / len(x)
"""


def test_losses(graded):
    sources = {
        "right": LOSS,
        "function": LOSS_FUNCTION,
        "epsilon": LOSS.replace("t]))", "t] + 1e-7))"),
        "rows": LOSS.replace("-np.mean(", "-("),
        "sum": LOSS.replace("np.mean", "np.sum"),
        "naive": LOSS.replace(" - np.max(x, axis=1, keepdims=True)", ""),
    }
    keys = {"class": ["SoftmaxCrossEntropy", "softmax_loss"], "points": {"forward": 2, "dx": 2}}
    found = graded(sources, LOSS, **keys)
    lost = lost_by(found)
    assert lost == {
        "right": (), "function": (), "epsilon": (), "naive": (),
        "rows": ("forward",), "sum": ("forward",),
    }  # fmt: skip
    assert "up to a small term" in found["epsilon"][2]
    assert "not a loss for each row" in found["rows"][0]["forward"]
    assert "forward is not finite at inputs of -800 and 800" in found["naive"][2]
    alone = graded({"epsilon": sources["epsilon"]}, **keys)["epsilon"]
    assert alone[1] == "inexact"
    assert "1e-7" in alone[2]


PAIR = """def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)
"""


def test_functions(graded):
    sources = {
        "right": PAIR,
        "names": PAIR.replace("(x, w, b)", "(X, weights, bias)", 1).replace(
            "x @ w + b, (x, w, b)", "X @ weights + bias, (X, weights, bias)"),
        "keeps": PAIR.replace("axis=0)", "axis=0, keepdims=True)"),
        "turned": PAIR.replace("dout @ w.T", "dout @ w").replace("x @ w + b", "x @ w.T + b")
        .replace("x.T @ dout", "dout.T @ x"),
        "class": DLS.replace("Linear", "Affine"),
    }  # fmt: skip
    keys = {"class": "affine", "points": {"forward": 1, "dx": 1, "dw": 1, "db": 1}}
    found = graded(sources, PAIR, **keys)
    assert lost_by(found) == {
        "right": (), "names": (), "keeps": ("db",), "turned": (),
        "class": ("forward", "dx", "dw", "db"),
    }  # fmt: skip
    assert "has shape (1, 3)" in found["keeps"][2]
    assert "Write the functions affine_forward and affine_backward" in found["class"][2]


def test_one_mistake_is_named_once(graded):
    source = CELL.replace("da = dnext_h * (1 - next_h**2)", "da = dnext_h * (1 - next_h) ** 3")
    lost, kinds, page = graded(
        {"ann": source}, CELL, **{"class": "RNNCell", "points": CELL_POINTS}
    )["ann"]
    assert list(lost) == ["dx", "dh", "dWx", "dWh"]
    assert kinds == "unknown"
    assert page.count("Derive it again on paper") == 1
    assert page.count("One mistake may spoil them all") == 1
