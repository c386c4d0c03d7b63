"""Numbers in modules, in text, behind borrowed names and beyond the limit of the search."""

import base64
import json
import re
import types

import numpy as np
import pytest

from nngan.gradcheck import check_gradients, places
from nngan.gradcheck.owners import is_foreign
from nngan.gradcheck.process.remote import check_file
from nngan.gradcheck.process.wire import label
from nngan.gradcheck.styles.made import Settings
from nngan.gradcheck.texts import other_texts

W = np.random.default_rng(0).standard_normal((4, 3))
X = np.random.default_rng(1).standard_normal((5, 4))


def kinds(report):
    return [f.kind for f in report.findings]


# -- another module --------------------------------------------------------------------------------

PARAMS = "import numpy as np\n\nW = np.arange(12.0).reshape(4, 3) / 7\ndW = np.zeros((4, 3))\n"
LAYER = """
class Layer:
    def forward(self, x):
        return x @ params.W, x

    def backward(self, dy, x):
        params.dW += {factor} * x.T @ dy
        return dy @ params.W.T
"""
IMPORTS = {
    "a module": ("import params\n", LAYER),
    "its names": ("from params import W, dW\n", LAYER.replace("params.", "").replace(
        "dW +=", "dW[...] +=")),
    "inside the passes": ("", re.sub(
        r"(        )(return x|params.dW)", r"\1import params\n\1\2", LAYER)),
    "in an attribute": ("import params as p\n", LAYER.replace(
        "    def forward", "    def __init__(self): self.p = p\n    def forward").replace(
        "params.", "self.p.")),
    "by getattr": ("import params\n", LAYER.replace("params.W", "getattr(params, 'W')")),
    "a class in it": ("from params import Store as params\n", LAYER),
}  # fmt: skip


@pytest.mark.parametrize("factor", [1, 5])
@pytest.mark.parametrize("name", IMPORTS)
def test_parameters_in_a_module_beside_the_file(name, factor, tmp_path):
    head, code = IMPORTS[name]
    store = "\nclass Store:\n    W, dW = W, dW\n"
    (tmp_path / "params.py").write_text(PARAMS + store)
    (tmp_path / "layer.py").write_text(head + code.format(factor=factor))
    (report,) = check_file(tmp_path / "layer.py", "Layer", Settings(), 30)
    assert report.verdict == ("right" if factor == 1 else "wrong"), str(report)
    assert report.parameters[0].endswith("W")


def test_a_module_without_a_gradient_is_unchecked(tmp_path):
    (tmp_path / "params.py").write_text(PARAMS)
    code = LAYER.format(factor=1).replace("params.dW +=", "dW =")
    (tmp_path / "layer.py").write_text(f"import params\n{code}")
    (report,) = check_file(tmp_path / "layer.py", "Layer", Settings(), 30)
    assert report.verdict == "inconclusive", str(report)
    assert "params.W affects the output" in str(report)


def test_constants_of_libraries_are_no_parameters():
    class Layer:
        def forward(self, x):
            return np.pi * np.tanh(x), x

        def backward(self, dy, x):
            return np.pi * dy / np.cosh(x) ** 2

    report = check_gradients(Layer(), X)
    assert report.ok, str(report)
    assert report.constants == ()


# -- names that any code can set -------------------------------------------------------------------


@pytest.mark.parametrize("module", ["numpy", "numpy.x", "threading", "nngan.layers", "builtins"])
def test_a_class_is_not_foreign_by_its_name(module):
    class Store:
        def __init__(self):
            self.W, self.dW = W.copy(), np.zeros_like(W)

    class Layer:
        def __init__(self):
            self.store = Store()

        def forward(self, x):
            return x @ self.store.W, x

        def backward(self, dy, x):
            self.store.dW += 5 * x.T @ dy
            return dy @ self.store.W.T

    Store.__module__ = Layer.__module__ = module
    Layer.forward.__module__ = module
    assert check_gradients(Layer(), X).verdict == "wrong"


@pytest.mark.parametrize(
    "kind",
    [int, np.ndarray, np.random.Generator, types.SimpleNamespace, json.JSONDecoder, places.Place],
)
def test_classes_of_libraries_are_foreign(kind):
    assert is_foreign(kind)


def test_a_class_of_ones_own_is_not_foreign(monkeypatch):
    kind = type("Own", (), {"__module__": "numpy", "forward": lambda self, x: x})
    assert not is_foreign(kind)
    monkeypatch.setattr(np, "Own", kind, raising=False)
    assert not is_foreign(kind)


# -- beyond the limit ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10, 300])
def test_a_search_that_ends_before_all_is_seen_says_so(n, monkeypatch):
    class Layer:
        def __init__(self):
            self.ballast = [{"key": str(i)} for i in range(n)]
            self.inside = [[[self.ballast, {"W": W.copy()}]]]

        def forward(self, x):
            return x @ self.inside[0][0][1]["W"], x

        def backward(self, dy, x):
            return dy @ self.inside[0][0][1]["W"].T

    monkeypatch.setattr(places, "MOST", 200)
    report = check_gradients(Layer(), X)
    assert report.verdict == "inconclusive", str(report)
    assert kinds(report) == (["inconclusive"] if n > 200 else ["unchecked"])
    assert ("the search for parameters ended there" in str(report)) == (n > 200)


# -- numbers in text -------------------------------------------------------------------------------

TEXTS = {
    "bytes": (W.tobytes(), lambda raw: np.frombuffer(raw)),
    "bytes of float32": (W.astype("f4").tobytes(), lambda raw: np.frombuffer(raw, "f4")),
    "JSON": (json.dumps(W.tolist()), json.loads),
    "base64": (
        base64.b64encode(W.tobytes()).decode(), lambda raw: np.frombuffer(base64.b64decode(raw)),
    ),
    "hexadecimal": (W.tobytes().hex(), lambda raw: np.frombuffer(bytes.fromhex(raw))),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_parameter_in_text_is_unchecked(name):
    raw, read = TEXTS[name]

    class Layer:
        def __init__(self):
            self.raw = {"W": raw}

        def forward(self, x):
            return x @ np.asarray(read(self.raw["W"]), float).reshape(4, 3), x

        def backward(self, dy, x):
            return dy @ np.asarray(read(self.raw["W"]), float).reshape(4, 3).T

    report = check_gradients(Layer(), X)
    assert report.verdict == "inconclusive", str(report)
    assert "raw['W'] is text or bytes that affect the output" in str(report)


def test_words_are_not_moved():
    for word in ("", "relu", "same", "softmax_cross_entropy_with_logits_2", "version 3"):
        assert list(other_texts(word)) == []
    assert list(other_texts(b"")) == []


# -- labels ----------------------------------------------------------------------------------------

LONG = "block/" * 20


@pytest.mark.parametrize(
    "names",
    [
        (LONG + "a", LONG + "b"),
        ("fc-1", "fc-2"),
        ("a].b", "a][b"),
        ("a\nb", "W: agree"),
        ("w" * 300 + "a", "w" * 300 + "b"),
        ("größe", "大きさ"),
    ],
)
@pytest.mark.parametrize("store", ["vars(self)", "self.p"])
def test_any_name_arrives(names, store, tmp_path):
    a, b = names
    code = f"""
import numpy as np

class Layer:
    def __init__(self):
        self.p, self.grads = {{}}, {{}}
        for name in {a!r}, {b!r}:
            {store}[name] = np.ones((4, 4)) + np.eye(4)

    def forward(self, x):
        return x @ {store}[{a!r}] @ {store}[{b!r}], x

    def backward(self, dy, x):
        A, B = {store}[{a!r}], {store}[{b!r}]
        self.grads[{a!r}] = x.T @ (dy @ B.T)
        self.grads[{b!r}] = (x @ A).T @ dy
        return dy @ B.T @ A.T
"""
    (tmp_path / "layer.py").write_text(code, encoding="utf-8")
    (report,) = check_file(tmp_path / "layer.py", "Layer", Settings(accumulate=False), 30)
    assert report.ok, str(report)
    assert len({*report.parameters}) == 2


def test_a_deep_place_has_a_short_label_of_its_own():
    deep = [
        places.Place((*(("attr", f"{'part' * 12}{i}") for i in range(9)), ("item", end)))
        for end in ("a", "b")
    ]
    assert len({label(place.label) for place in deep}) == 2
