"""``nngan grade``: what a right or nearly right file earns, whatever its style."""

import csv
import json

import pytest

from nngan.commands import grade as command

HEAD = "import numpy as np\n\n\n"


@pytest.fixture
def graded(tmp_path, monkeypatch, capfd):
    """Grade sources by name with one scheme; return for each (lost parts, mistakes, page)."""
    monkeypatch.chdir(tmp_path)

    def grade(sources, reference=None, **scheme):
        folder = tmp_path / "class"
        folder.mkdir()
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(HEAD + source)
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
