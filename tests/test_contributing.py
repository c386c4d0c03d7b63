"""The layer of CONTRIBUTING.md. Its code is taken from that page, then checked and trained."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate2d

import nngan as nn

ROOT = Path(__file__).parents[1]
LAYER, CHECK = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.S | re.M
)
CASES = [
    ((1, 5, 5), 1),
    ((2, 6, 5), 3),
    ((2, 6, 5), 3, 3, 2, 1),
    ((1, 4, 7), 2, 4, 1, 2),
    ((3, 5, 7), 2, 2, 3, 0),
    ((2, 1, 1), 2, 1),
    ((1, 2, 2), 2, 2, 1, 3),
]


def run(code):
    """Run the code of the page; return its names."""
    names = {"__name__": "conv2d"}
    exec(code, names)
    return names


@pytest.fixture(scope="module")
def Conv2d():
    return run(LAYER)["Conv2d"]


def in_float64(layer, backend="numpy"):
    """Return the layer with parameters that are not zero, in a network of its own."""
    net = nn.Sequential(layer, dtype="float64", backend=backend)
    net.params += net.backend.asarray(np.random.default_rng(8).standard_normal(net.size))
    return net.layers[0]


def inputs(layer, n=4):
    return np.random.default_rng(n).standard_normal((n, layer.n_in))


def small_game(Conv2d, backend):
    D = [Conv2d((1, 8, 8), 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    D += [Conv2d(D[0].out_shape, 8, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Linear(32, 1)]
    G = [nn.Linear(5, 32, "he"), nn.ReLU(), Conv2d((2, 4, 4), 16, padding=2), nn.ReLU()]
    G += [nn.Linear(G[2].n_out, 64), nn.Sigmoid()]
    networks = (nn.Sequential(*layers, seed=seed) for seed, layers in enumerate((G, D)))
    return nn.GAN(*networks, r1=1.0, seed=3, backend=backend)


# -- the code on the page ------------------------------------------------------------------------


def test_the_layer_is_under_60_lines_of_code():
    (layer,) = (node for node in ast.parse(LAYER).body if isinstance(node, ast.ClassDef))
    code = set(range(layer.lineno, layer.end_lineno + 1))
    for node in ast.walk(layer):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = [LAYER.splitlines()[i - 1].strip() for i in code]
    assert 20 < len([line for line in lines if line and not line.startswith("#")]) < 60


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("self.db += dy.sum(axis=0)", "self.db += dy.mean(axis=0)"),
        ("matmul(X.T, dy,", "matmul(X.T, -dy,"),
        ("padded[met] += dX[:, i, j]", "padded[met] = dX[:, i, j]"),
        ("padded[met] += dX[:, i, j]", "padded[met] += dX[:, j, i]"),
        ("matmul(X_dot.T, dy_dot,", "matmul(X_dot.T, 2 * dy_dot,"),
        ("matmul(self._patches(x_dot), self.W)", "matmul(self._patches(x_dot), -self.W)"),
    ],
)
def test_the_check_on_the_page_passes_and_finds_a_mistake(right, wrong):
    run(LAYER + CHECK)
    assert LAYER.count(right) == 1
    with pytest.raises(AssertionError, match="Conv2d"):
        run(LAYER.replace(right, wrong) + CHECK)


# -- the layer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_passes_agree_with_numerical_derivatives(Conv2d, case):
    layer = in_float64(Conv2d(*case))
    nn.assert_gradients(layer, inputs(layer), thorough=True)
    nn.assert_gradients(layer, inputs(layer, 1))


def test_all_passes_are_right_on_every_backend(Conv2d, backend):
    layer = in_float64(Conv2d((2, 4, 3), 2, 3, 2, 1), backend)
    nn.assert_gradients(layer, inputs(layer, 3))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_is_scipys_cross_correlation(Conv2d, case):
    layer = in_float64(Conv2d(*case))
    p, s, k = layer.padding, layer.stride, layer.kernel_size
    kernels = layer.W.T.reshape(layer.channels, -1, k, k)
    x = inputs(layer)
    images = np.pad(x.reshape(-1, *layer.in_shape), ((0, 0), (0, 0), (p, p), (p, p)))
    expected = [
        [
            sum(map(lambda a, w: correlate2d(a, w, "valid")[::s, ::s], image, kernel)) + b
            for kernel, b in zip(kernels, layer.b, strict=True)
        ]
        for image in images
    ]
    assert np.shape(expected)[1:] == layer.out_shape
    np.testing.assert_allclose(layer(x), np.reshape(expected, (len(x), -1)), rtol=1e-12)


def test_a_sample_does_not_depend_on_the_others(Conv2d):
    layer = in_float64(Conv2d((2, 6, 5), 3))
    x = inputs(layer)
    assert not layer.couples_samples
    np.testing.assert_allclose(layer(x)[1:2], layer(x[1:2]), rtol=1e-13)


def test_backends_agree(Conv2d, backend):
    results = []
    for b in (nn.NumpyBackend(), backend):
        net = nn.Sequential(Conv2d((2, 6, 5), 3, 3, 2, 1), nn.Tanh(), backend=b, seed=2)
        x = b.asarray(inputs(net), "float32")
        y, cache = net.forward(x)
        dx = net.backward(y, cache)
        assert {a.dtype for a in (y, dx, net.grads)} == {np.dtype("float32")}
        results.append([b.to_numpy(a) for a in (net.params, y, dx, net.grads)])
    np.testing.assert_array_equal(results[0][0], results[1][0])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_initial_weights_keep_the_variance_as_in_he_et_al(Conv2d):
    layer = nn.Sequential(Conv2d((8, 9, 9), 64, 5), seed=4).layers[0]
    assert (layer.b == 0).all()
    assert abs(layer.W.std() / np.sqrt(2 / (8 * 5 * 5)) - 1) < 5 / np.sqrt(2 * layer.W.size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((1, 8, 8), 0), "channels must be a positive whole number, got 0"),
        (((1, 8, 0), 4), "in_shape must be a positive whole number, got 0"),
        (((1, 8, 8), 4, 2.5), "kernel_size must be a positive whole number, got 2.5"),
        (((1, 8, 8), 4, 3, 0), "stride must be a positive whole number, got 0"),
        (((1, 8, 8), 4, 3, 1, -1), "padding must be a whole number"),
        (((1, 8, 8), 4, 11, 1, 1), "kernel_size must fit into the padded image, got 11"),
    ],
)
def test_wrong_arguments_are_refused(Conv2d, arguments, message):
    with pytest.raises(ValueError, match=message):
        Conv2d(*arguments)


def test_wrong_widths_are_refused(Conv2d):
    layer = Conv2d((2, 6, 5), 3)
    x = np.zeros((4, 60), "float32")
    with pytest.raises(ValueError, match=r"Conv2d\(\(2, 6, 5\), 3\) wants .* \(N, 60\), got"):
        layer.forward(np.zeros((4, 120), "float32"))
    with pytest.raises(ValueError, match=r"wants .* \(N, 36\), got \(4, 12\)"):
        layer.backward(np.zeros((4, 12), "float32"), layer.forward(x)[1])
    with pytest.raises(ValueError, match="wants 60 features, but"):
        nn.Sequential(nn.Linear(3, 59), layer)


# -- in a game -----------------------------------------------------------------------------------


def test_it_trains_with_r1_and_is_saved_and_loaded(Conv2d, backend, tmp_path):
    gan = small_game(Conv2d, backend)
    before = [backend.to_numpy(network.params).copy() for network in (gan.G, gan.D)]
    x, _ = nn.datasets.digits()
    history = gan.fit(x[:96], epochs=1, batch_size=32, progress=False)
    assert np.isfinite([history["d_loss"], history["g_loss"]]).all()
    for network, params in zip((gan.G, gan.D), before, strict=True):
        after = backend.to_numpy(network.params)
        assert np.isfinite(after).all()
        assert (after != params).mean() > 0.9
    gan.save(tmp_path / "gan.npz")
    with pytest.raises(ValueError, match=r"Conv2d.*layers=\["):
        nn.GAN.load(tmp_path / "gan.npz", backend=backend)
    loaded = nn.GAN.load(tmp_path / "gan.npz", backend=backend, layers=[Conv2d])
    assert repr(loaded.G) == repr(gan.G)
    np.testing.assert_array_equal(loaded.sample(5), gan.sample(5))


# -- the list of names ---------------------------------------------------------------------------


def test_what_is_public_follows_the_list_of_layers():
    assert set(nn.layers.__all__) <= set(nn.__all__)
    for name in nn.layers.__all__:
        kind = getattr(nn, name)
        assert kind is getattr(nn.layers, name)
        assert issubclass(kind, nn.Layer)


def test_every_layer_has_its_derivation():
    mathematics = (ROOT / "docs" / "mathematics.md").read_text()
    titles = set(re.findall(r"\w+", " ".join(re.findall(r"^## (.*)$", mathematics, re.M))))
    assert set(nn.layers.__all__) - {"Layer"} <= titles
