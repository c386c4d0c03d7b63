"""Gradient penalties: each layer's tangent, the whole gradient, what is refused, the game."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.penalties import gradient_penalty, r1, r2

LAYERS = {
    "Linear": lambda: nn.Linear(4, 3),
    "ReLU": lambda: nn.ReLU(),
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
    "Sigmoid": lambda: nn.Sigmoid(),
    "Tanh": lambda: nn.Tanh(),
    "Dropout": lambda: nn.Dropout(0.4),
    "Sequential": lambda: nn.Sequential(
        nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 3), nn.Sigmoid(), nn.LeakyReLU()
    ),
}
ACTIVATIONS = ["ReLU", "LeakyReLU", "Sigmoid", "Tanh", "Dropout"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def make(name, backend="numpy"):
    """Return one layer in float64, with weights and biases that are not zero."""
    net = nn.Sequential(LAYERS[name](), dtype="float64", backend=backend)
    net.params += net.backend.asarray(0.3 * normal(net.size, seed=9))
    return net.layers[0]


# -- each layer --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_tangent_is_the_directional_derivative(name, backend):
    layer, x, x_dot = make(name, backend), normal(6, 4), normal(6, 4, seed=1)

    def along(h):
        return backend.to_numpy(layer.forward(backend.asarray(x + h * x_dot))[0])

    _, cache = layer.forward(backend.asarray(x))
    y_dot = backend.to_numpy(layer.tangent(backend.asarray(x_dot), cache))
    assert relative_error(y_dot, (along(1e-6) - along(-1e-6)) / 2e-6) < 1e-8


@pytest.mark.parametrize("name", LAYERS)
def test_tangent_is_the_transpose_of_backward(name):
    layer, x, x_dot = make(name), normal(6, 4), normal(6, 4, seed=1)
    y, cache = layer.forward(x)
    dy = normal(*y.shape, seed=2)
    ours, theirs = (
        (dy * layer.tangent(x_dot, cache)).sum(),
        (layer.backward(dy, cache) * x_dot).sum(),
    )
    assert abs(ours - theirs) < 1e-13 * np.abs(dy * y).sum()


class Tangent:
    """A layer's tangent along a fixed direction, as a layer: its backward is `backward_tangent`."""

    def __init__(self, layer, x_dot):
        self.layer, self.x_dot, self.backend = layer, x_dot, layer.backend

    def forward(self, x):
        _, cache = self.layer.forward(x)
        return self.layer.tangent(self.x_dot, cache), cache

    def backward(self, dy_dot, cache):
        dx = self.layer.backward_tangent(dy_dot, self.x_dot, cache)
        return self.backend.xp.zeros_like(self.x_dot) if dx is None else dx


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("name", LAYERS)
def test_backward_tangent_is_the_derivative_of_tangent(name, n):
    nn.assert_gradients(Tangent(make(name), normal(n, 4)), normal(n, 4, seed=1), thorough=True)


@pytest.mark.parametrize("name", LAYERS)
def test_no_pass_changes_what_it_was_handed(name):
    layer, x, x_dot = make(name), normal(6, 4), normal(6, 4, seed=1)
    y, cache = layer.forward(x)
    dy_dot = normal(*y.shape, seed=2)
    first = layer.backward(dy_dot, cache)
    for array in (x, x_dot, dy_dot):
        array.flags.writeable = False
    layer.tangent(x_dot, cache)
    layer.backward_tangent(dy_dot, x_dot, cache)
    np.testing.assert_array_equal(layer.backward(dy_dot, cache), first)


# -- the whole gradient ------------------------------------------------------------------------

PENALTIES = {
    "r1": lambda D, x, **options: r1(D, x, 3.0, **options),
    "r2": lambda D, x, **options: r2(D, x, 3.0, **options),
    "gradient_penalty": gradient_penalty,
}


def discriminator(*names, features=4, width=5, backend="numpy", seed=1):
    """Return a D with a Linear before each of these layers and one at the end."""
    layers, n_in = [], features
    for name in names:
        layers += [nn.Linear(n_in, width), LAYERS[name]()]
        n_in = width
    net = nn.Sequential(*layers, nn.Linear(n_in, 1), seed=seed, dtype="float64", backend=backend)
    net.params += net.backend.asarray(0.3 * normal(net.size, seed=9))
    return net


def value(D, x, penalty):
    """Return the penalty by its definition, from the gradient in the input alone."""
    y, cache = D.forward(x)
    squares = (D.backward(np.ones_like(y), cache, param_grads=False) ** 2).sum(axis=1)
    if penalty == "gradient_penalty":
        return 10 * ((np.sqrt(squares) - 1) ** 2).mean()
    return 1.5 * squares.mean()


def assert_right(D, x, penalty):
    D.grads.fill(7)
    returned = PENALTIES[penalty](D, x)
    assert relative_error(returned, value(D, x, penalty)) < 1e-13
    numerical = numerical_gradient(lambda: value(D, x, penalty), D.params, h=1e-5)
    assert relative_error(D.grads - 7, numerical) < 1e-6  # 7: it adds


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("first", ACTIVATIONS)
@pytest.mark.parametrize("second", ACTIVATIONS)
def test_every_pair_of_layers(first, second, penalty):
    assert_right(discriminator(first, second), normal(3, 4), penalty)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_one_linear_layer_and_one_feature(penalty):
    """|grad_x D| is |W| everywhere."""
    assert_right(discriminator(), normal(3, 4), penalty)
    assert_right(discriminator(features=1), normal(1, 1), penalty)


@settings(deadline=None, max_examples=30)
@given(
    names=st.lists(st.sampled_from(ACTIVATIONS), min_size=0, max_size=4),
    penalty=st.sampled_from(list(PENALTIES)),
    n=st.integers(1, 4),
    width=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_random_networks(names, penalty, n, width, seed):
    D = discriminator(*names, features=3, width=width, seed=seed)
    x = normal(n, 3, seed=seed)
    # Within the step of the differences no ReLU may bend, and no gradient vanish (a kink of |g|).
    assume(distance_to_a_kink(D, x) > 1e-3)
    y, cache = D.forward(x)
    g = D.backward(np.ones_like(y), cache, param_grads=False)
    assume(np.abs(g).max(axis=1).min() > 1e-3)
    assert_right(D, x, penalty)


def distance_to_a_kink(D, x):
    distance = 1.0
    for layer in D.layers:
        if isinstance(layer, nn.ReLU | nn.LeakyReLU):
            distance = min(distance, np.abs(x).min())
        x = layer.forward(x)[0]
    return distance


def test_the_same_on_every_backend(backend):
    D, twin = (discriminator("LeakyReLU", "Tanh", "Dropout", backend=b) for b in ("numpy", backend))
    x = normal(6, 4)
    for penalty in PENALTIES.values():
        ours, theirs = penalty(D, x), penalty(twin, backend.asarray(x))
        assert relative_error(ours, backend.to_numpy(theirs)) < 1e-13
    assert relative_error(D.grads, backend.to_numpy(twin.grads)) < 1e-13
