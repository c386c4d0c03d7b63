"""Each layer: its formula, its derivative in float64, and the contract of its passes."""

import copy
import json

import numpy as np
import pytest
from layer_examples import (
    ARGUMENTS,
    ELEMENTWISE,
    EVERYTHING,
    EXAMPLES,
    Double,
    examples_of,
    layer_kinds,
)
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan import layers
from nngan.backend import Key
from nngan.layers.activations import sigmoid

each_layer = pytest.mark.parametrize("example", EVERYTHING.values(), ids=EVERYTHING)


def parameters(layer):
    """Return (name, parameter, gradient) of each parameter array, nested ones included."""
    if isinstance(layer, nn.Sequential):
        return [p for inner in layer.layers for p in parameters(inner)]
    return [(n, getattr(layer, n), getattr(layer, "d" + n)) for n in layer.shapes]


@pytest.mark.parametrize("n", [1, 7])
@each_layer
def test_backward_agrees_with_the_numerical_derivative(example, n):
    rng = np.random.default_rng(0)
    layer, x = example.layer(), example.x(n)
    for _, p, _ in parameters(layer):
        p[...] = rng.standard_normal(p.shape)  # biases too: zeros can hide a mistake
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)

    def loss():
        return (dy * layer.forward(x)[0]).sum()

    dx = layer.backward(dy, cache)
    assert dx.dtype == np.float64
    assert relative_error(dx, numerical_gradient(loss, x)) < 1e-8
    for name, p, dp in parameters(layer):
        assert relative_error(dp, numerical_gradient(loss, p)) < 1e-8, name


@each_layer
def test_a_pass_changes_nothing_that_it_was_handed(example):
    rng = np.random.default_rng(1)
    layer, x = example.layer(), example.x(4)
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    before = copy.deepcopy((x, dy, y, cache))
    layer.backward(dy, cache)
    for a, b in zip(leaves(before), leaves((x, dy, y, cache)), strict=True):
        np.testing.assert_array_equal(a, b)


def leaves(tree):
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [] if tree is None else [tree]


@each_layer
def test_gradients_add_and_the_cache_belongs_to_the_call(example):
    rng = np.random.default_rng(2)
    layer, x1, x2 = example.layer(), example.x(4), example.x(4, seed=1)
    y1, cache1 = layer.forward(x1)
    dy = rng.standard_normal(y1.shape)
    dx1 = layer.backward(dy, cache1)
    once = [dp.copy() for _, _, dp in parameters(layer)]
    layer.forward(x2)  # a second forward must not disturb the first one's backward
    np.testing.assert_array_equal(layer.backward(dy, cache1), dx1)
    for (name, _, dp), first in zip(parameters(layer), once, strict=True):
        np.testing.assert_array_equal(dp, 2 * first, err_msg=name)


@each_layer
def test_a_caller_can_leave_out_the_half_that_nobody_reads(example):
    rng = np.random.default_rng(3)
    layer, x = example.layer(), example.x(4)
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy, cache)
    both = [dp.copy() for _, _, dp in parameters(layer)]
    np.testing.assert_array_equal(layer.backward(dy, cache, param_grads=False), dx)
    for (_, _, dp), first in zip(parameters(layer), both, strict=True):
        np.testing.assert_array_equal(dp, first)
        dp.fill(0)
    assert layer.backward(dy, cache, input_grad=False) is None
    for (_, _, dp), first in zip(parameters(layer), both, strict=True):
        np.testing.assert_array_equal(dp, first)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_layer
def test_the_dtype_is_kept(example, dtype, backend):
    layer = example.make()
    if layer.size or layer.is_random:
        layer = nn.Sequential(layer, dtype=dtype, backend=backend)
    x = backend.asarray(example.x(4), dtype)
    y, cache = layer.forward(x)
    assert y.dtype == dtype
    assert layer.backward(y, cache).dtype == dtype


@each_layer
def test_backends_agree(example, backend):
    x, results = example.x(6), []
    for b in (nn.NumpyBackend(), backend):
        net = example.network(b)
        y, cache = net.forward(b.asarray(x))
        dy = b.asarray(np.cos(np.arange(y.size).reshape(y.shape)))
        dx = net.backward(dy, cache)
        results.append([b.to_numpy(a) for a in (y, dx, net.params, net.grads)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@each_layer
def test_a_config_makes_the_same_layer(example):
    net = example.network()
    again = nn.Sequential.from_config(json.loads(json.dumps(net.config())))
    assert repr(again) == repr(net)
    assert again.config() == net.config()


class NeedsAWidth(nn.Layer):
    def __init__(self, width):
        self.width = width


class NeedsAShape(NeedsAWidth):
    def __init__(self, shape):
        super().__init__(len(shape))


def test_a_new_layer_is_tested_as_its_defaults_make_it_or_asks_for_arguments():
    assert list(examples_of("Double", Double)) == ["Double()"]
    assert list(examples_of("NeedsAWidth", NeedsAWidth)) == ["NeedsAWidth(3)"]
    with pytest.raises(TypeError, match=r"NeedsAShape.*give NeedsAShape a line in ARGUMENTS"):
        examples_of("NeedsAShape", NeedsAShape)
    assert set(ARGUMENTS) <= set(layer_kinds())


def test_linear_is_x_W_plus_b():
    layer = nn.Linear(2, 3)
    layer.W[...] = [[1, 2, 3], [4, 5, 6]]
    layer.b[...] = [10, 20, 30]
    y = layer(np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    np.testing.assert_array_equal(y, [[11, 22, 33], [14, 25, 36], [15, 27, 39]])


def test_activations_at_known_points():
    x = np.array([[-2.0, 0.0, 3.0]])
    np.testing.assert_array_equal(nn.ReLU()(x), [[0, 0, 3]])
    np.testing.assert_array_equal(nn.LeakyReLU(0.25)(x), [[-0.5, 0, 3]])
    np.testing.assert_allclose(nn.Tanh()(x), [[-0.964027580, 0, 0.995054754]], rtol=1e-8)
    np.testing.assert_allclose(nn.Sigmoid()(x), [[0.119202922, 0.5, 0.952574127]], rtol=1e-8)


def test_at_the_kink_the_left_derivative_is_taken():
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    assert nn.ReLU().backward(one, nn.ReLU().forward(zero)[1]) == 0
    leaky = nn.LeakyReLU(0.2)
    assert leaky.backward(one, leaky.forward(zero)[1]) == 0.2


def test_sigmoid_is_stable_far_out(backend):
    x = np.array([[-1e4, -104, -88, -20, 0, 20, 88, 1e4]], np.float32)
    y = backend.to_numpy(sigmoid(backend.asarray(x)))
    exact = 1 / (1 + np.exp(-np.clip(x.astype(np.float64), -700, 700)))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, exact, rtol=3e-7, atol=1e-44)
    layer = nn.Sigmoid()
    y, cache = layer.forward(x)
    assert np.isfinite(layer.backward(np.ones_like(x), cache)).all()


def test_non_contiguous_inputs_give_the_same():
    rng = np.random.default_rng(6)
    layer = nn.Linear(5, 3, dtype="float64")
    x = rng.standard_normal((5, 8)).T[::2]
    dy = rng.standard_normal((3, 4)).T
    y, cache = layer.forward(x)
    dx = layer.backward(dy, cache)
    y2, cache2 = layer.forward(x.copy())
    np.testing.assert_allclose(y, y2, rtol=1e-14)
    np.testing.assert_allclose(dx, layer.backward(dy.copy(), cache2), rtol=1e-14)


# -- dropout -----------------------------------------------------------------------------------


def test_dropout_drops_the_given_share_and_keeps_the_mean():
    x = np.ones((1000, 100), np.float32)
    y, _ = nn.Dropout(0.3).forward(x)
    dropped = (y == 0).mean()
    assert abs(dropped - 0.3) < 5 * np.sqrt(0.3 * 0.7 / x.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)


def test_dropout_depends_on_the_key_alone():
    x = np.ones((10, 100), np.float32)
    layer = nn.Dropout(0.5)
    a, b = (layer.forward(x, key=Key(1, step=7).fold_in(2))[0] for _ in range(2))
    np.testing.assert_array_equal(a, b)
    for other in (Key(2, step=7).fold_in(2), Key(1, step=8).fold_in(2), Key(1, step=7).fold_in(3)):
        assert (layer.forward(x, key=other)[0] != a).any()


def test_a_networks_masks_follow_its_seed_and_differ_between_layers():
    x = np.ones((10, 100), np.float32)
    masks = [nn.Sequential(nn.Dropout(0.5), seed=seed).forward(x)[0] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


def test_dropout_does_nothing_in_inference():
    x = np.ones((10, 100), np.float32)
    np.testing.assert_array_equal(nn.Dropout(0.5)(x), x)
    net = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
    np.testing.assert_array_equal(net(x), x)
    y, _ = net.forward(x)
    assert abs((y == 0).mean() - 0.75) < 0.1  # the two masks differ


# -- initial weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "std", "limit"),
    [
        ("glorot", np.sqrt(2 / 500), np.sqrt(6 / 500)),
        ("he", np.sqrt(2 / 200), None),
        ("fan_in", 1 / np.sqrt(600), 1 / np.sqrt(200)),
        (("normal", 0.01), 0.01, None),
        (("uniform", 0.05), 0.05 / np.sqrt(3), 0.05),
        (["normal", 0.5], 0.5, None),
    ],
)
def test_initial_weights(init, std, limit):
    layer = nn.Sequential(nn.Linear(200, 300, init), seed=5).layers[0]
    W = layer.W
    assert (layer.b == 0).all()
    assert W.dtype == np.float32
    assert abs(W.mean()) < 5 * std / np.sqrt(W.size)
    # The standard error of a std is at most std / sqrt(2 n).
    assert abs(W.std() - std) < 5 * std / np.sqrt(2 * W.size)
    if limit:
        assert 0.99 * limit < np.abs(W).max() <= limit * (1 + 1e-6)


def test_a_network_begins_from_its_seed_whatever_its_layers_were():
    layer = nn.Linear(3, 2)
    layer.W.fill(5)
    layer.b.fill(5)
    fresh = nn.Sequential(nn.Linear(3, 2), seed=4)
    np.testing.assert_array_equal(nn.Sequential(layer, seed=4).params, fresh.params)


def test_initial_weights_come_from_the_seed(backend):
    def make(seed):
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), seed=seed, backend=backend)
        return backend.to_numpy(net.params)

    np.testing.assert_array_equal(make(1), make(1))
    numpy = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), seed=1).params
    np.testing.assert_array_equal(make(1), numpy)
    assert (make(1) != make(2)).any()
    first, second = make(1)[:9], make(1)[12:21]
    assert (first != second).all()  # two layers of one network differ


ONES = np.ones((4, 3))


# -- mistakes of the caller --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: nn.Linear(0, 3), ValueError, "n_in must be a positive whole number, got 0"),
        (lambda: nn.Linear(3, 2.5), ValueError, "n_out must be a positive whole number, got 2.5"),
        (lambda: nn.Linear(3, 2, "xavier"), ValueError, "weight_init must be one of 'glorot'"),
        (lambda: nn.Linear(3, 2, ("normal", -1)), ValueError, "weight_init must be one of"),
        (lambda: nn.Linear(3, 2, ("normal", np.nan)), ValueError, "weight_init must be one of"),
        (lambda: nn.LeakyReLU(1.5), ValueError, r"slope must lie in \[0, 1\], got 1.5"),
        (lambda: nn.LeakyReLU(-0.1), ValueError, r"slope must lie in \[0, 1\]"),
        (lambda: nn.Dropout(1.0), ValueError, r"rate must lie in \[0, 1\), got 1.0"),
        (lambda: nn.Dropout(-0.1), ValueError, r"rate must lie in \[0, 1\)"),
        (
            lambda: nn.Linear(3, 2)(np.ones((4, 2), np.float32)),
            ValueError,
            r"Linear\(3, 2\) wants x of shape \(N, 3\), got \(4, 2\)",
        ),
        (lambda: nn.Linear(3, 2)(np.ones(3, np.float32)), ValueError, r"got \(3,\)"),
        (lambda: nn.Linear(3, 2)(np.ones((4, 3))), TypeError, r"x.astype\('float32'\)"),
        (
            lambda: nn.Linear(3, 1).backward(np.ones(4, np.float32), np.ones((4, 3), np.float32)),
            ValueError,
            r"wants dy of shape \(N, 1\), got \(4,\)",
        ),
        *[
            (
                lambda layer=layer: layer.backward(
                    np.ones((4, 1)), layer.forward(np.ones((4, 3)))[1]
                ),
                ValueError,
                r"wants dy of its output's shape \(4, 3\), got \(4, 1\)",
            )
            for layer in (example.make() for example in ELEMENTWISE.values())
        ],
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, error, message):
    with pytest.raises(error, match=message) as caught:
        mistake()
    assert "\n" not in str(caught.value)


def test_repr_is_the_call_that_makes_the_layer():
    for layer in (nn.Dropout(), *(example.make() for example in EXAMPLES.values())):
        assert repr(eval(repr(layer), dict(vars(layers)))) == repr(layer)
    assert repr(nn.Linear(3, 2, ("normal", 0.01))) == "Linear(3, 2, weight_init=('normal', 0.01))"
