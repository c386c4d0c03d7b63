"""Maxout: the largest piece and its derivative, alone and in a game."""

import numpy as np
import pytest
from games import assert_captured
from numerical import numerical_gradient, relative_error

import nngan as nn


def unit(backend="numpy", pieces=3, dtype="float64"):
    return nn.Sequential(
        nn.Linear(5, 4 * pieces), nn.Maxout(4, pieces), nn.Linear(4, 1),
        seed=1, dtype=dtype, backend=backend,
    )  # fmt: skip


def test_a_unit_is_the_largest_of_its_pieces():
    x = np.array([[1.0, -5, 7, 2, 0, -9], [-3, -2, -1, -2, -4, -5]])
    np.testing.assert_array_equal(nn.Maxout(2, 3)(x), [[7, 2], [-1, -2]])
    np.testing.assert_array_equal(nn.Maxout(3, 2)(x), [[2, 0, 7], [-2, -2, -1]])


def test_one_piece_is_the_identity_and_two_with_a_zero_are_relu():
    x = np.random.default_rng(0).standard_normal((5, 4))
    np.testing.assert_array_equal(nn.Maxout(4, 1)(x), x)
    both = np.concatenate([x, np.zeros_like(x)], axis=1)
    np.testing.assert_array_equal(nn.Maxout(4, 2)(both), nn.ReLU()(x))


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_backward_agrees_with_the_numerical_derivative(n, pieces):
    rng = np.random.default_rng(0)
    layer = nn.Maxout(3, pieces)
    x = rng.standard_normal((n, 3 * pieces))
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    numerical = numerical_gradient(lambda: (dy * layer.forward(x)[0]).sum(), x)
    assert relative_error(layer.backward(dy, cache), numerical) < 1e-8
    assert layer.backward(dy, cache, input_grad=False) is None


@pytest.mark.parametrize("pieces", [1, 3, 11])
@pytest.mark.parametrize("n", [1, 6])
def test_the_maxout_unit_passes_the_checker(n, pieces, backend):
    x = np.random.default_rng(2).standard_normal((n, 5))
    nn.assert_gradients(unit(backend, pieces), x, thorough=True)


def test_where_pieces_are_equal_one_gets_the_gradient():
    layer = nn.Maxout(2, 3)
    dx = layer.backward(np.array([[1.0, 2.0]]), layer.forward(np.zeros((1, 6)))[1])
    np.testing.assert_array_equal(dx, [[1, 2, 0, 0, 0, 0]])


def test_backends_agree_and_the_dtype_is_kept(backend):
    x = np.random.default_rng(3).standard_normal((6, 5)).astype(np.float32)
    results = []
    for b in (nn.NumpyBackend(), backend):
        net = unit(b, dtype="float32")
        y, cache = net.forward(b.asarray(x))
        dx = net.backward(b.xp.ones_like(y), cache)
        assert y.dtype == dx.dtype == np.float32
        results.append([b.to_numpy(a) for a in (y, dx, net.grads)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_layout_of_the_input_does_not_matter(order):
    x, dy = np.random.default_rng(4).standard_normal((2, 4, 6))
    layer = nn.Maxout(2, 3)
    y, cache = layer.forward(np.asarray(x, order=order))
    np.testing.assert_array_equal(y, layer(x))
    dx = layer.backward(np.asarray(dy[:, :2], order=order), cache)
    np.testing.assert_array_equal(dx, layer.backward(dy[:, :2], layer.forward(x)[1]))


def test_it_can_be_captured_with_many_pieces(gpu):
    net = unit(gpu, pieces=11)
    x, dx = gpu.asarray(np.ones((3, 5))), gpu.asarray(np.zeros((3, 5)))

    def step():
        y, cache = net.forward(x)
        dx[...] = net.backward(y, cache)

    assert_captured(gpu, step)
    assert gpu.to_numpy(dx).any()


def test_a_network_knows_its_widths_and_comes_back_from_its_description():
    net = nn.Sequential(nn.Linear(5, 8), nn.Maxout(2, 4))
    assert (net.n_in, net.n_out) == (5, 2)
    assert repr(nn.Sequential.from_config(net.config())) == repr(net)
    assert repr(nn.Maxout(2, 4)) == "Maxout(2, 4)"


def test_a_game_with_maxout_in_d_learns_in_one_pass_too(backend):
    for update in ("alternating", "simultaneous"):
        G = nn.Sequential(nn.Linear(2, 5), seed=2)
        gan = nn.GAN(G, unit(dtype="float32"), update=update, backend=backend)
        x = np.random.default_rng(0).standard_normal((32, 5))
        history = gan.fit(x, 2, 8, progress=False)
        assert np.isfinite(history["d_loss"]).all()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: nn.Maxout(0, 2), "n_out must be a positive whole number, got 0"),
        (lambda: nn.Maxout(2, 1.5), "pieces must be a positive whole number, got 1.5"),
        (lambda: nn.Maxout(2, 3)(np.ones((4, 5))), r"wants x of shape \(N, 6\).*got \(4, 5\)"),
        (lambda: nn.Maxout(2, 3)(np.ones(6)), r"wants x of shape \(N, 6\).*got \(6,\)"),
        (
            lambda: nn.Maxout(2, 3).backward(np.ones((4, 1)), np.zeros((4, 2), np.int16)),
            r"wants dy of its output's shape \(4, 2\), got \(4, 1\)",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 8), nn.Maxout(2, 3)),
            r"Maxout\(2, 3\) wants 6 features, but Linear\(3, 8\) gives 8",
        ),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()
