"""The gradient checker names every mistake in the zoo, and finds none in right layers."""

import copy
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_examples import ELEMENTWISE
from zoo import W53, ZOO, Linear, X, leaky, sigmoid, table

import nngan as nn
from nngan.gradcheck import Finding, Report, assert_gradients, check_gradients
from nngan.gradcheck.report import INCONCLUSIVE, gradient_name
from nngan.losses import OBJECTIVES

PAGE = (Path(__file__).parents[1] / "docs" / "gradcheck.md").read_text(encoding="utf-8")

# -- the zoo ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reports():
    return {name: check_gradients(e.target, *e.inputs, **e.options) for name, e in ZOO.items()}


def test_the_zoo_is_large_and_covers_every_mistake():
    kinds = {kind for e in ZOO.values() for kind in (*e.kinds, *e.notes)}
    assert len(ZOO) >= 100
    assert kinds >= {
        "missing_mean", "doubled_mean", "sign", "transpose", "ignores_upstream", "output_for_input",
        "input_for_output", "other_activation", "slope_swapped", "slope", "bias_not_summed",
        "bias_averaged", "bias_axis", "zero", "path", "factor", "accumulates", "overwrites",
        "stale_cache", "writes_input", "float32", "kink", "rows_or_columns", "raises", "not_finite",
        "contract", "shape", "not_repeatable", "cache_consumed", "strided", "inexact", "unknown",
        "not_linear", "writes_parameters", "replaced", "region", "unchecked", "mask",
    }  # fmt: skip


def test_the_table_in_the_documentation_is_what_the_checker_prints():
    assert table() in PAGE, "put the output of `python tests/zoo.py` there"


def test_the_shortest_form_in_the_documentation_is_that_of_the_tests_and_runs():
    first, second = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)[:2]
    source = (Path(__file__).parent / "numerical.py").read_text()
    assert source.endswith("\n\n" + first)
    exec(first + second, {})
    with pytest.raises(AssertionError):
        exec(first + second.replace("backward(dy", "backward(-dy"), {})


@pytest.mark.parametrize("name", ZOO)
def test_each_mistake_gets_its_diagnosis(reports, name):
    entry, report = ZOO[name], reports[name]
    assert tuple(f.kind for f in report.findings if f.mistake) == entry.kinds, str(report)
    assert tuple(f.kind for f in report.findings if not f.mistake) == entry.notes, str(report)
    assert report.ok == (not entry.kinds and not INCONCLUSIVE & set(entry.notes))
    assert (report.verdict == "wrong") == bool(entry.kinds)
    assert all(f.sentence.endswith(".") for f in report.findings)
    # For these two kinds the sentence says everything.
    assert all(f.evidence for f in report.findings if f.kind not in ("contract", "not_finite"))


@pytest.mark.parametrize("name", ZOO)
def test_the_report_shows_array_place_and_both_values(reports, name):
    report = reports[name]
    text = str(report)
    assert "Traceback" not in text
    assert ("are WRONG" in text) == (report.verdict == "wrong")
    assert ("gradients agree" in text) == report.ok
    for f in report.findings:
        assert f.sentence in text
        assert f.evidence in text
    for a in report.arrays:
        row = next(
            line for line in text.splitlines() if line.startswith(f"  {gradient_name(a.name)} ")
        )
        assert row.endswith("ok" if a.ok else "WRONG")
        assert str(a.shape) in row
        assert ("a random direction" if a.index is None else str(list(a.index))) in row
        assert f"{a.analytic:.6g}" in row
        assert f"{a.numerical:.6g}" in row


@pytest.mark.parametrize("name", ZOO)
def test_the_notebook_display_is_well_formed(reports, name):
    report = reports[name]
    root = ET.fromstring(f"<div>{report._repr_html_()}</div>")
    text = "".join(root.itertext())
    assert all(f.sentence in text for f in report.findings)
    assert len(root.findall(".//svg")) == sum(
        a.wrong is not None and not a.ok for a in report.arrays
    )
    wrong = [a for a in report.arrays if a.wrong is not None and not a.ok]
    red = [r for r in root.iter("rect") if r.get("fill") == "#b42318"]
    assert len(red) == sum(int(a.wrong.sum()) for a in wrong)


def test_the_report_points_at_the_wrong_element(reports):
    result = {a.name: a for a in reports["first column of dW zero"].arrays}["W"]
    np.testing.assert_array_equal(np.flatnonzero(result.wrong.any(axis=0)), [0])
    assert result.index[1] == 0
    assert result.analytic == 0
    assert result.error == pytest.approx(1)
    result = {a.name: a for a in reports["one element of db wrong"].arrays}["b"]
    assert result.index == (1,)
    assert result.analytic == pytest.approx(2 * result.numerical)


def test_the_complex_step_confirms_and_says_so(reports):
    report = check_gradients(nn.Tanh(), X)
    assert report.arrays[0].complex_error < 1e-15
    assert "complex step confirms dx" in str(report)
    assert "complex step confirms dx" in report._repr_html_()
    # It confirms only the right arrays.
    assert "confirms dx, db to" in str(reports["dW off by 1e-10"])


def test_the_complex_step_is_left_out_where_forward_is_not_analytic():
    def forward(x):
        return np.sqrt((x * x.conj()).real), x

    report = check_gradients((forward, lambda dy, x: dy * np.sign(x)), X)
    assert report.ok, str(report)
    assert report.arrays[0].complex_error is None
    assert "complex" not in str(report)


# -- the interface ---------------------------------------------------------------------------------


def test_assert_gradients_raises_with_the_report():
    wrong = ZOO["dW has the wrong sign"].target
    with pytest.raises(AssertionError, match=r"dW has the wrong sign\. \[sign\]"):
        assert_gradients(wrong, X)
    assert assert_gradients(nn.Tanh(), X) is None


def test_the_target_and_its_inputs_are_left_alone():
    layer = ZOO["backward takes the optimizer's step"].target
    before, x = copy.deepcopy(vars(layer)), X.copy()
    check_gradients(layer, x)
    np.testing.assert_array_equal(x, X)
    for name, value in vars(layer).items():
        np.testing.assert_array_equal(value, before[name])
    net = nn.Sequential(nn.Linear(5, 2), seed=1)
    params = net.params.copy()
    check_gradients(net, X)
    np.testing.assert_array_equal(net.params, params)
    assert net.dtype == np.float32
    assert not net.grads.any()


@pytest.mark.parametrize(
    ("target", "inputs", "error", "message"),
    [
        (nn.Tanh, (X,), TypeError, "not its class: Tanh(...)"),
        (3, (X,), TypeError, "a pair of such functions"),
        (nn.Tanh(), (), TypeError, "takes at least one input, got 0"),
        (nn.Tanh(), ("text",), TypeError, "arrays of numbers"),
        ((leaky, leaky), (), TypeError, "needs at least one input"),
        (nn.Tanh(), (np.zeros((0, 5)),), ValueError, "empty, its shape is (0, 5)"),
        (nn.Tanh(), (X * np.nan,), ValueError, "NaN"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_sentence(target, inputs, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        check_gradients(target, *inputs)
    assert "\n" not in str(caught.value)


def test_thorough_compares_every_element():
    report = check_gradients(nn.Linear(5, 3), X, thorough=True)
    assert report.ok
    assert [(a.method, a.checked) for a in report.arrays] == [
        ("elements", 30), ("elements", 15), ("elements", 3)
    ]  # fmt: skip
    report = check_gradients(nn.Linear(5, 3), X)
    assert {a.method for a in report.arrays} == {"projection"}


def test_the_seed_decides_everything():
    wrong = ZOO["dW random noise added"].target
    assert str(check_gradients(wrong, X, seed=3)) == str(check_gradients(wrong, X, seed=3))
    assert str(check_gradients(wrong, X, seed=3)) != str(check_gradients(wrong, X, seed=4))


def test_a_report_is_true_when_it_is_ok():
    assert bool(Report("r", [], [], "")) is True
    assert bool(Report("r", [], [Finding("k", "Note.", mistake=False)], "")) is True
    assert bool(Report("r", [], [Finding("k", "Wrong.")], "")) is False


def test_an_exception_is_reported_with_its_line():
    evidence = check_gradients(ZOO["raises in backward"].target, X).findings[0].evidence
    assert "TypeError" in evidence
    assert 'dy * cache["x"]' in evidence


# -- odd targets -----------------------------------------------------------------------------------


def kinds(report):
    return [f.kind for f in report.findings]


def test_gradients_that_are_none_before_the_first_backward():
    class Late(Linear):
        def __init__(self):
            super().__init__()
            self.dW = self.db = None

        def backward(self, dy, cache):
            self.dW, self.db = cache.T @ dy, dy.sum(axis=0)
            return dy @ self.W.T

    report = check_gradients(Late(), X, accumulate=False)
    assert report.ok, str(report)
    assert [a.name for a in report.arrays] == ["x", "W", "b"]


def test_gradients_that_only_backward_makes():
    class Later(Linear):
        def __init__(self):
            self.W, self.b = W53.copy(), np.arange(3.0)

        def backward(self, dy, cache):
            self.dW, self.db = cache.T @ dy, -dy.sum(axis=0)
            return dy @ self.W.T

    report = check_gradients(Later(), X, accumulate=False)
    assert kinds(report) == ["sign"], str(report)
    assert [a.name for a in report.arrays] == ["x", "W", "b"]


def test_attributes_that_only_look_like_parameters():
    class Busy(Linear):
        def __init__(self):
            super().__init__()
            self.x, self.dx = np.zeros((2, 5)), np.zeros((2, 5))  # the values of the last call
            self.im, self.dim = np.ones(3), 3
            self.t, self.dt = 0.5, 0.01

        def forward(self, x):
            self.x = x
            return super().forward(x)

        def backward(self, dy, cache):
            self.dx = super().backward(dy, cache)
            return self.dx

    report = check_gradients(Busy(), X)
    assert report.ok, str(report)
    assert [a.name for a in report.arrays] == ["x", "W", "b"]


def test_whole_numbers_as_parameters_are_moved_as_floats():
    layer = Linear()
    layer.W = np.arange(15).reshape(5, 3)
    report = check_gradients(layer, np.arange(10).reshape(2, 5))
    assert report.ok, str(report)
    assert [a.name for a in report.arrays] == ["x", "W", "b"]


def test_a_parameter_of_zeros_hides_no_mistake():
    layer = copy.deepcopy(ZOO["dx without the transpose, square"].target)
    layer.W[...] = 0
    assert kinds(check_gradients(layer, X[:, :4])) == ["transpose"]


def test_empty_parameters_and_scalars():
    class Scale:
        def __init__(self, g):
            self.g, self.dg = g, np.zeros_like(g)

        def forward(self, x):
            return x * (self.g if self.g.size else 2.0), x

        def backward(self, dy, cache):
            self.dg += (dy * cache).sum() if self.dg.size else 0.0
            return dy * (self.g if self.g.size else 2.0)

    for g in (np.array(1.5), np.zeros(0)):
        report = check_gradients(Scale(g), X)
        assert report.ok, str(report)
    report = check_gradients(nn.Tanh(), 0.5)
    assert report.ok, str(report)
    assert report.arrays[0].shape == ()


def test_layers_inside_a_layer_are_checked_too():
    class Block:
        def __init__(self, layers):
            self.first, self.rest = nn.Linear(5, 4), layers

        def forward(self, x):
            x, c = self.first.forward(x)
            caches = [c]
            for layer in self.rest:
                x, c = layer.forward(x)
                caches.append(c)
            return x, caches

        def backward(self, dy, cache):
            for layer, c in zip(self.rest[::-1], cache[:0:-1], strict=True):
                dy = layer.backward(dy, c)
            return self.first.backward(dy, cache[0])

    right = Block([nn.Tanh(), nn.Sequential(nn.Linear(4, 5), nn.Sigmoid()), Linear()])
    report = check_gradients(right, X)
    assert report.ok, str(report)
    names = ["first.W", "first.b", "rest[1].layers[0].W", "rest[1].layers[0].b", "rest[2].W"]
    assert [a.name for a in report.arrays] == ["x", *names, "rest[2].b"]
    assert "rest[1].layers[0].dW" in str(report)
    wrong = Block([nn.Tanh(), nn.Linear(4, 5), ZOO["dW has the wrong sign"].target])
    report = check_gradients(wrong, X)
    assert [a.name for a in report.arrays if not a.ok] == ["rest[2].W"]
    assert kinds(report) == ["sign"]


def test_a_library_layer_that_belongs_to_no_network():
    class Gain(nn.Layer):
        shapes = {"g": (5,)}  # noqa: RUF012

        def forward(self, x, training=True, key=None):
            return x * self.g, x

        def backward(self, dy, cache, *, input_grad=True, param_grads=True):
            self.dg += (dy * cache).sum(axis=0)
            return dy * self.g

    report = check_gradients(Gain(), X)
    assert report.ok, str(report)
    assert [a.name for a in report.arrays] == ["x", "g"]


def test_an_object_that_cannot_be_copied_gets_a_report():
    class Stuck(Linear):
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    report = check_gradients(Stuck(), X)
    assert kinds(report) == ["contract"]
    assert "cannot be copied" in str(report)


def test_the_report_says_when_every_element_is_at_a_kink():
    report = check_gradients(nn.ReLU(), np.zeros((2, 3)))
    assert report.ok
    assert kinds(report) == ["kink"]
    assert "nothing could be compared" in str(report)


def test_a_kink_hides_no_mistake_next_to_it():
    x = np.array([[0.0, 0.0, 0.0, 0.0, 1.5]])
    report = check_gradients((lambda x: (leaky(x), x), lambda dy, x: dy * 0.5), x)
    assert not report.ok
    assert report.arrays[0].index == (0, 4)
    assert report.arrays[0].kinks == 4


def test_a_network_of_another_backend(gpu):
    net = nn.Sequential(nn.Linear(5, 4), nn.LeakyReLU(), nn.Linear(4, 1), backend=gpu)
    report = check_gradients(net, gpu.asarray(X))
    assert report.ok, str(report)


# -- large arrays: only a part is compared element by element --------------------------------------


def large(index, by=2.0, W=(90, 90)):
    class Wrong(Linear):
        def weight_gradient(self, dy, x):
            g = x.T @ dy
            g[index] *= by
            return g

        def bias_gradient(self, dy, x):
            return dy.sum(axis=0)

    layer = Wrong()
    layer.W = np.random.default_rng(0).standard_normal(W)
    layer.b, layer.dW = np.ones(W[1]), np.zeros(W)
    layer.db = np.zeros(W[1])
    return layer, np.random.default_rng(1).standard_normal((3, W[0]))


@pytest.mark.parametrize("shape", [(90, 90), (110, 50), (50, 110)])
def test_one_wrong_row_of_many_is_found(shape):
    report = check_gradients(*large(37, W=shape))
    assert kinds(report) == ["rows_or_columns"], str(report)
    assert "dW is wrong only in row 37" in str(report)


def test_one_wrong_element_of_many_is_found():
    report = check_gradients(*large((61, 17), W=(110, 50)))
    assert not report.ok
    result = next(a for a in report.arrays if a.name == "W")
    assert result.index == (61, 17)
    assert result.checked < 110 * 50


def test_a_large_square_matrix_transposed():
    layer, x = large(0, 1.0)
    type(layer).weight_gradient = lambda self, dy, x: dy.T @ x
    assert kinds(check_gradients(layer, x)) == ["transpose"]


@pytest.mark.parametrize("x_scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("w_scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shape", [(1, 5), (6, 5)])
def test_scale_hides_no_mistake(x_scale, w_scale, shape):
    x = x_scale * np.resize(X, shape)
    for d in ("dx", "dW", "db"):
        wrong = {"dx": ZOO["dx has the wrong sign"], "dW": ZOO["dW off by 1e-4"]}
        layer = copy.deepcopy(wrong.get(d, ZOO["db has the wrong sign"]).target)
        layer.W *= w_scale
        report = check_gradients(layer, x)
        assert [gradient_name(a.name) for a in report.arrays if not a.ok] == [d], str(report)


def test_backward_may_not_change_its_shapes():
    class Shifty(Linear):
        calls = 0

        def input_gradient(self, dy, x):
            self.calls += 1
            return (dy @ self.W.T)[: 6 if self.calls < 4 else 2]

    report = check_gradients(Shifty(), X)
    assert kinds(report) == ["contract"]
    assert "another shape in a later call" in str(report)


@pytest.mark.parametrize("x", [42.87, 743.3, 800.0, -745.0])
def test_gradients_too_small_for_the_format_are_no_mistake(x):
    report = check_gradients(nn.Sigmoid(), np.array([[x], [-x]]))
    assert report.ok, str(report)
    assert "complex" not in str(report)  # the complex step confirms nothing here


@pytest.mark.parametrize("x", [[3.78106764, -10.45496883], [6.31404612, -16.53786658]])
def test_a_loss_near_zero_has_lost_digits_and_no_mistake(x):
    assert_gradients(cross_entropy, np.array([x]), np.array([0]))


# -- no false alarm: 2,000 draws -------------------------------------------------------------------


def draws(n):
    """Draw n examples, always the same, without a time limit."""
    checks = list(HealthCheck)
    return settings(
        max_examples=n, derandomize=True, deadline=None, database=None, suppress_health_check=checks
    )


@st.composite
def batches(draw, width=None, largest=1e6):
    """Draw an input of any shape, dtype and scale, with many zeros."""
    n, width = draw(st.integers(1, 6)), width or draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((n, width))
    x *= min(10.0 ** draw(st.integers(-6, 6)), largest)
    x *= rng.uniform(size=x.shape) < draw(st.sampled_from([1.0, 1.0, 0.5, 0.1]))
    dtype = draw(st.sampled_from(["float64", "float64", "float32", "int64", "int8", "bool"]))
    if dtype in ("int64", "int8"):
        x = np.clip(x, -100, 100)
    return x.astype(dtype)


@draws(50)
@given(st.data(), st.sampled_from(list(ELEMENTWISE)), st.integers(0, 99))
def test_no_false_alarm_activations(data, name, percent):
    of_a_fraction = {"LeakyReLU": nn.LeakyReLU, "Dropout": nn.Dropout}.get(name)
    layer = of_a_fraction(percent / 100) if of_a_fraction else ELEMENTWISE[name].make()
    assert_gradients(layer, data.draw(batches()), seed=percent, thorough=percent < 30)


@draws(40)
@given(batches(), st.integers(1, 6), st.integers(-6, 6), st.integers(0, 2**32))
def test_no_false_alarm_linear(x, n_out, exponent, seed):
    layer = nn.Linear(x.shape[1], n_out, weight_init=("normal", 10.0**exponent))
    assert_gradients(layer, x, seed=seed)


@draws(25)
@given(
    batches(largest=10.0),
    st.lists(st.sampled_from(["linear", "wide", *ELEMENTWISE]), min_size=1, max_size=6),
    st.integers(0, 2**32),
)
def test_no_false_alarm_networks(x, kinds, seed):
    layers, width = [], x.shape[1]
    for kind in kinds:
        n_out = {"linear": 3, "wide": 40}.get(kind)
        layers.append(
            nn.Linear(width, n_out, weight_init="he") if n_out else ELEMENTWISE[kind].make()
        )
        width = n_out or width
    assert_gradients(nn.Sequential(*layers, seed=seed), x, seed=seed)


LOSSES = ["bce", "bce of labels", "probabilities", *OBJECTIVES, "two batches"]


@draws(40)
@given(batches(width=1, largest=100.0), batches(1, 100.0), st.floats(0, 1), st.sampled_from(LOSSES))
def test_no_false_alarm_losses(logits, fake, label, name):
    if name == "bce":
        assert_gradients(nn.bce_with_logits, logits, label)
    elif name == "bce of labels":
        assert_gradients(nn.bce_with_logits, logits, logits > 0)
    elif name == "probabilities":
        p = sigmoid(np.clip(logits.astype(float), -10, 10))
        assert_gradients(nn.bce, p, np.float64(label))
    elif name == "two batches":
        assert_gradients(OBJECTIVES["minimax"].discriminator, logits, fake, label / 2)
    elif OBJECTIVES[name].pairs:
        real = np.resize(fake, logits.shape).astype(float)
        assert_gradients(OBJECTIVES[name].generator, logits, real)
    else:
        assert_gradients(OBJECTIVES[name].generator, logits)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def layer_norm(x):
    c = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt((c * c).mean(axis=1, keepdims=True) + 1.0)
    return c / s, (c / s, s)


def layer_norm_backward(dy, cache):
    y, s = cache
    mean = dy.mean(axis=1, keepdims=True)
    return (dy - mean - y * (dy * y).mean(axis=1, keepdims=True)) / s


def row_max(x):
    return x.max(axis=1), (x.argmax(axis=1), x.shape)


def row_max_backward(dy, cache):
    where, shape = cache
    dx = np.zeros(shape)
    dx[np.arange(len(dx)), where] = dy
    return dx


def cross_entropy(logits, labels):
    p = softmax(logits)
    rows = np.arange(len(p))
    d = p.copy()
    d[rows, labels] -= 1
    return -np.log(p[rows, labels]).mean(), d / len(p)


def l1(x):
    return np.abs(x).mean(), np.sign(x) / x.size


def logarithm(x):
    return np.log(np.abs(x) + 1e-3), x


def logarithm_backward(dy, x):
    return dy * np.sign(x) / (np.abs(x) + 1e-3)


PAIRS = {
    "softplus": (lambda x: (np.logaddexp(0, x), x), lambda dy, x: dy * sigmoid(x)),
    "swish": (
        lambda x: (x * sigmoid(x), x),
        lambda dy, x: dy * sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    ),
    "softmax": (
        lambda x: (softmax(x),) * 2,
        lambda dy, y: y * (dy - (dy * y).sum(axis=1, keepdims=True)),
    ),
    "layer norm": (layer_norm, layer_norm_backward),
    "abs": (lambda x: (np.abs(x), x), lambda dy, x: dy * np.sign(x)),
    "square": (lambda x: (x * x, x), lambda dy, x: 2 * dy * x),
    "row max": (row_max, row_max_backward),
    "log": (logarithm, logarithm_backward),
    "sum": (
        lambda x: (x.sum(axis=1, keepdims=True), x),
        lambda dy, x: np.broadcast_to(dy, x.shape),
    ),
    "residual": (lambda x: (x + np.tanh(x), x), lambda dy, x: dy * (2 - np.tanh(x) ** 2)),
}


@draws(40)
@given(batches(largest=20.0), st.sampled_from([*PAIRS, "l1", "cross-entropy", "Linear"]))
def test_no_false_alarm_student_code(x, name):
    if name == "l1":
        assert_gradients(l1, x)
    elif name == "cross-entropy":
        assert_gradients(cross_entropy, x, np.arange(len(x)) % x.shape[1])
    elif name == "Linear":
        assert_gradients(Linear(np.resize(W53, (x.shape[1], 3))), x)
    else:
        assert_gradients(PAIRS[name], x)
