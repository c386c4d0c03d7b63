"""`Sequential`: flat buffers, views, copies, descriptions."""

import copy
import json

import numpy as np
import pytest
from layer_examples import Double

import nngan as nn


def make(**options):
    layers = (nn.Linear(3, 4), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(4, 2), nn.Sigmoid())
    return nn.Sequential(*layers, **{"seed": 1, **options})


def test_parameters_and_gradients_are_views_of_two_flat_buffers(backend):
    net = make(backend=backend)
    assert net.params.shape == net.grads.shape == (3 * 4 + 4 + 4 * 2 + 2,)
    first, last = net.layers[0], net.layers[3]
    net.params[...] = backend.asarray(np.arange(26), "float32")
    np.testing.assert_array_equal(backend.to_numpy(first.W), np.arange(12).reshape(3, 4))
    np.testing.assert_array_equal(backend.to_numpy(first.b), [12, 13, 14, 15])
    np.testing.assert_array_equal(backend.to_numpy(last.b), [24, 25])
    last.db[...] = 7
    np.testing.assert_array_equal(backend.to_numpy(net.grads)[-2:], 7)
    net.zero_grad()
    assert (backend.to_numpy(net.grads) == 0).all()


def test_forward_is_one_layer_after_the_other():
    net, x = make(), np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    y = x
    for layer in net.layers:
        y = layer(y)
    np.testing.assert_array_equal(net(x), y)


def test_nested_networks_share_the_outer_buffer():
    inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    outer = nn.Sequential(inner, nn.Linear(4, 2), seed=3)
    assert np.shares_memory(inner.params, outer.params)
    assert np.shares_memory(inner.layers[0].dW, outer.grads)
    assert outer.size == 26
    assert (outer.n_in, outer.n_out) == (3, 2)


def test_seed_none_keeps_the_weights():
    a, b = make(seed=5), nn.Sequential(nn.Linear(2, 1), seed=6)
    kept = a.params.copy(), b.params.copy()
    both = nn.Sequential(a, b, seed=None, dtype="float64")
    assert both.dtype == a.layers[0].W.dtype == np.float64
    np.testing.assert_array_equal(both.params, np.concatenate(kept))


def test_a_copy_is_a_network_of_its_own(backend):
    net = make(backend=backend)
    net.grads.fill(3)
    twin = copy.deepcopy(net)
    before = backend.to_numpy(net.params).copy()
    twin.params.fill(0)
    np.testing.assert_array_equal(backend.to_numpy(net.params), before)
    assert (backend.to_numpy(twin.layers[0].W) == 0).all()  # still a view
    assert (backend.to_numpy(twin.grads) == 3).all()
    assert twin.seed == net.seed


def test_a_network_moves_to_a_backend_and_back(backend):
    net = make()
    net.grads[...] = np.arange(net.size)
    params, grads = net.params.copy(), net.grads.copy()
    net.to(backend)
    assert net.layers[0].backend is backend
    np.testing.assert_array_equal(backend.to_numpy(net.layers[0].W), params[:12].reshape(3, 4))
    net.to("numpy")
    np.testing.assert_array_equal(net.params, params)
    np.testing.assert_array_equal(net.grads, grads)
    assert np.shares_memory(net.layers[0].W, net.params)


def test_a_config_makes_the_same_network():
    net = nn.Sequential(make(), nn.Linear(2, 1, ("normal", 0.02)), seed=4, dtype="float64")
    config = json.loads(json.dumps(net.config()))
    again = nn.Sequential.from_config(config)
    assert json.loads(json.dumps(again.config())) == config
    np.testing.assert_array_equal(again.params, net.params)


def test_a_layer_of_your_own():
    net = nn.Sequential(nn.Linear(2, 2), Double(), nn.Linear(2, 1))
    with pytest.raises(ValueError, match=r"unknown layer '.*Double': pass its class in layers="):
        nn.Sequential.from_config(net.config())
    again = nn.Sequential.from_config(net.config(), layers=[Double])
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(again(x), net(x))


def test_a_config_cannot_name_anything_but_a_layer():
    config = {"layers": [{"type": "sigmoid"}], "seed": 0, "dtype": "float32"}
    with pytest.raises(ValueError, match="unknown layer 'sigmoid'"):
        nn.Sequential.from_config(config)


def test_nothing_is_computed_below_the_last_gradient_that_is_read():
    class Probe(nn.Layer):
        def forward(self, x, training=True, key=None):
            return x, None

        def backward(self, dy, cache, *, input_grad=True, param_grads=True):
            raise AssertionError("nobody reads this")

    net = nn.Sequential(Probe(), nn.Linear(3, 1))
    y, cache = net.forward(np.ones((2, 3), np.float32))
    assert net.backward(np.ones_like(y), cache, input_grad=False) is None
    assert net.grads.any()


def passes(backend="numpy"):
    net = nn.Sequential(
        nn.Tanh(), nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.2)), nn.Linear(4, 1),
        dtype="float64", backend=backend,
    )  # fmt: skip
    x, dy = (np.random.default_rng(i).standard_normal((6, n)) for i, n in enumerate((3, 1)))
    x, dy = net.backend.asarray(x), net.backend.asarray(dy)
    return net, x, dy, net.forward(x)[1]


def test_gradients_are_added_or_written(backend):
    net, _, dy, cache = passes(backend)
    net.grads.fill(2)
    net.backward(dy, cache, accumulate=False)
    written = backend.to_numpy(net.grads).copy()
    net.backward(dy, cache)
    np.testing.assert_allclose(backend.to_numpy(net.grads), 2 * written, rtol=1e-12)


def test_weights_of_samples(backend):
    """With weights w the gradient in the parameters is that of w * dy, and dx that of dy."""
    net, _, dy, cache = passes(backend)
    w = backend.asarray(np.arange(6.0)[:, None])
    dx = net.backward(dy, cache, sample_weight=w, accumulate=False)
    weighted = backend.to_numpy(net.grads).copy()
    net.backward(w * dy, cache, accumulate=False)
    np.testing.assert_allclose(weighted, backend.to_numpy(net.grads), rtol=1e-12)
    expected = net.backward(dy, cache, param_grads=False)
    np.testing.assert_array_equal(backend.to_numpy(dx), backend.to_numpy(expected))


def test_the_largest_seed_is_a_seed():
    assert (make(seed=2**64 - 1).params != make(seed=0).params).any()


def test_repr_tells_layers_and_size():
    text = repr(make())
    assert "Linear(3, 4)" in text
    assert "26 parameters, float32, numpy" in text


linear = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: nn.Sequential(), ValueError, "needs at least one layer"),
        (lambda: nn.Sequential(nn.Linear), TypeError, "layer 0 must be a Layer, got type"),
        (lambda: nn.Sequential(linear, linear), ValueError, "layers 0 and 1 are the same object"),
        (
            lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(5, 1)),
            ValueError,
            r"Linear\(5, 1\) wants 5 features, but Linear\(3, 4\) gives 4",
        ),
        (lambda: make(dtype="int32"), ValueError, "dtype must be float32 or float64, got 'int32'"),
        (lambda: make(seed=2**64), ValueError, "seed must be a whole number in"),
        (lambda: make(seed=-1), ValueError, "seed must be a whole number in"),
        (
            lambda: make(backend="jax"),
            ValueError,
            "one of numpy, .*, cupy-tf32, got 'jax'",
        ),
        (
            lambda: make()(np.ones((2, 3))),
            TypeError,
            "computes in float32, got x of dtype float64: convert it with x.astype",
        ),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake()


class Residual(nn.Sequential):
    """A network of one's own: y = x + f(x)."""

    def forward(self, x, training=True, key=None):
        y, cache = super().forward(x, training, key)
        return y + x, cache

    def backward(self, dy, cache, **options):
        dx = super().backward(dy, cache, **options)
        return None if dx is None else dx + dy

    def tangent(self, x_dot, cache):
        return super().tangent(x_dot, cache) + x_dot


class Wrong(Residual):
    def backward(self, dy, cache, **options):
        return nn.Sequential.backward(self, dy, cache, **options)


def test_a_network_of_ones_own_is_copied_as_what_it_is():
    net = nn.Sequential(nn.Linear(3, 4), Residual(nn.Linear(4, 4), nn.Tanh()), seed=2)
    twin, x = copy.deepcopy(net), np.ones((2, 3), np.float32)
    assert isinstance(twin.layers[1], Residual)
    np.testing.assert_array_equal(twin(x), net(x))
    twin.params[...] = 0  # all of it are views of this one array
    assert not twin(x).any()
    assert net(x).any()


def test_a_network_of_ones_own_is_checked_as_what_it_is():
    x = np.random.default_rng(0).standard_normal((5, 4))
    assert nn.check_gradients(Residual(nn.Linear(4, 4), nn.Tanh()), x).ok
    assert not nn.check_gradients(Wrong(nn.Linear(4, 4), nn.Tanh()), x).ok


@pytest.mark.parametrize("inside", [False, True])
def test_a_network_of_ones_own_is_described_and_must_be_passed(inside):
    net = Residual(nn.Linear(4, 4), seed=2)
    if inside:
        net = nn.Sequential(net, nn.Linear(4, 4))
    config = json.loads(json.dumps(net.config()))
    with pytest.raises(ValueError, match=r"unknown layer '.*Residual': pass its class"):
        nn.Sequential.from_config(config)
    again = nn.Sequential.from_config(config, layers=[Residual])
    assert isinstance(again.layers[0] if inside else again, Residual)
    assert json.loads(json.dumps(again.config())) == config


def test_a_layer_with_a_name_of_the_librarys_is_not_taken_for_it():
    class ReLU(nn.Layer):
        couples_samples = False

        def forward(self, x, training=True, key=None):
            return np.clip(x, 0, 6), x

        def backward(self, dy, cache, *, input_grad=True, param_grads=True):
            return dy * ((cache > 0) & (cache < 6))

    config = nn.Sequential(nn.Linear(2, 2), ReLU(), nn.ReLU()).config()
    with pytest.raises(ValueError, match="ReLU': pass its class"):
        nn.Sequential.from_config(config)
    again = nn.Sequential.from_config(config, layers=[ReLU])
    assert [type(layer) for layer in again.layers] == [nn.Linear, ReLU, nn.ReLU]


def test_a_layer_belongs_once_into_a_network_however_deep():
    linear = nn.Linear(3, 3)
    with pytest.raises(
        ValueError, match="layers 0 and 1 are the same object: make one Linear for each"
    ):
        nn.Sequential(nn.Sequential(linear, nn.ReLU()), linear)


def test_parameters_that_no_shapes_name_are_refused():
    class Forgetful(nn.Layer):
        def __init__(self):
            self.W, self.dW = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)

    with pytest.raises(ValueError, match="Forgetful has W and dW, but shapes does not"):
        nn.Sequential(Forgetful())
