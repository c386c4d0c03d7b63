"""BatchNorm: its derivative through the statistics of the minibatch, and its running averages."""

import copy

import numpy as np
import pytest
from games import (
    Still,
    assert_captured,
    batch,
    batchnorm_game,
    data,
    fit,
    record_passes,
    saved_state,
    step_of,
)
from numerical import numerical_gradient, relative_error

import nngan as nn


def layer_and_x(n=6, seed=0):
    rng = np.random.default_rng(seed)
    layer = nn.BatchNorm(3, dtype="float64")
    for name in ("gamma", "beta", "running_mean"):
        getattr(layer, name)[...] = rng.standard_normal(3)
    layer.running_var[...] = rng.uniform(0.5, 2, 3)
    return layer, 2 + rng.standard_normal((n, 3))


def network(backend="numpy", dtype="float64", seed=1):
    return nn.Sequential(
        nn.Linear(2, 5), nn.BatchNorm(5), nn.ReLU(), nn.Linear(5, 4), nn.BatchNorm(4, 0.2),
        seed=seed, dtype=dtype, backend=backend,
    )  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [2, 6])
def test_backward_agrees_with_the_numerical_derivative(n, training):
    layer, x = layer_and_x(n)
    y, cache = layer.forward(x, training)
    kept = layer.running_mean.copy(), layer.running_var.copy()
    dy = np.random.default_rng(1).standard_normal(y.shape)

    def loss():
        layer.running_mean[...], layer.running_var[...] = kept
        return (dy * layer.forward(x, training)[0]).sum()

    dx = layer.backward(dy, cache)
    numerical = numerical_gradient(loss, x)
    if n > 2:  # of two samples x_hat is 1 and -1, and dx is a part of eps
        assert relative_error(dx, numerical) < 1e-7
    np.testing.assert_allclose(dx, numerical, atol=1e-8)
    assert relative_error(layer.dgamma, numerical_gradient(loss, layer.gamma)) < 1e-8
    assert relative_error(layer.dbeta, numerical_gradient(loss, layer.beta)) < 1e-8


def test_the_gradient_is_orthogonal_to_what_the_layer_does_not_see():
    layer, x = layer_and_x()
    layer.eps = 0.0
    y, cache = layer.forward(x)
    dx = layer.backward(np.cos(y), cache)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((dx * (x - x.mean(axis=0))).sum(axis=0), 0, atol=1e-12)


def test_the_minibatch_comes_out_at_beta_and_gamma():
    layer, x = layer_and_x(500)
    y, _ = layer.forward(1000 * x + 1e6)
    np.testing.assert_allclose(y.mean(axis=0), layer.beta, atol=1e-9)
    np.testing.assert_allclose(y.std(axis=0), np.abs(layer.gamma), rtol=1e-6)


def test_a_large_mean_costs_no_digits():
    layer = nn.BatchNorm(1)
    x = (1000 + np.linspace(-1, 1, 64, dtype=np.float32)).reshape(-1, 1)
    exact = x.astype(np.float64) - x.astype(np.float64).mean()
    np.testing.assert_allclose(layer.forward(x)[0], exact / exact.std(), atol=1e-3)


def test_running_averages_follow_the_minibatches_and_serve_inference():
    layer = nn.BatchNorm(3, momentum=0.25, dtype="float64")
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(4):
        x = layer_and_x(5, seed)[1]
        layer.forward(x)
        mean += 0.25 * (x.mean(axis=0) - mean)
        var += 0.25 * (x.var(axis=0, ddof=1) - var)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-13)
    before = layer.buffer_values()
    np.testing.assert_allclose(layer(x[:1]), (x[:1] - mean) / np.sqrt(var + layer.eps))
    layer.backward(np.ones((1, 3)), layer.forward(x[:1], training=False)[1])
    np.testing.assert_array_equal(layer.buffer_values(), before)  # inference leaves them alone


def test_options_of_backward():
    layer, x = layer_and_x()
    y, cache = layer.forward(x)
    dy = np.cos(y)
    dx = layer.backward(dy, cache)
    once = layer.dgamma.copy(), layer.dbeta.copy()
    np.testing.assert_array_equal(layer.backward(dy, cache, param_grads=False), dx)
    assert layer.backward(dy, cache, input_grad=False) is None
    np.testing.assert_array_equal([layer.dgamma, layer.dbeta], 2 * np.array(once))
    layer.backward(dy, cache, accumulate=False)
    np.testing.assert_array_equal([layer.dgamma, layer.dbeta], once)


def test_a_pass_changes_nothing_that_it_was_handed():
    layer, x = layer_and_x()
    y, cache = layer.forward(x)
    dy = np.cos(y)
    before = copy.deepcopy((x, y, dy, *cache))
    layer.backward(dy, cache)
    layer.forward(2 * x)
    for a, b in zip(before, (x, y, dy, *cache), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [3, 8])
def test_the_checker_finds_nothing(n, backend):
    x = np.random.default_rng(3).standard_normal((n, 2))
    nn.assert_gradients(network(backend), x, thorough=True)
    net = nn.Sequential(nn.BatchNorm(2), backend=backend)
    nn.assert_gradients(net.layers[0], x, thorough=True)


def test_backends_agree_and_the_dtype_is_kept(backend):
    x = np.random.default_rng(4).standard_normal((7, 2))
    for dtype in ("float32", "float64"):
        results = []
        for b in (nn.NumpyBackend(), backend):
            net = network(b, dtype)
            for _ in range(3):
                y, cache = net.forward(b.asarray(x, dtype))
                dx = net.backward(b.asarray(np.cos(np.arange(28)).reshape(7, 4), dtype), cache)
            arrays = y, dx, net.params, net.grads, net.buffers, net(b.asarray(x, dtype))
            assert {str(a.dtype) for a in arrays} == {dtype}
            results.append([b.to_numpy(a) for a in arrays])
        for a, b in zip(*results, strict=True):
            # Some gradients are zero on paper, such as that of a bias below BatchNorm: what
            # rounding leaves there belongs to terms as large as the others.
            assert np.abs(a - b).max() <= 20 * np.finfo(dtype).eps * np.abs(b).max()


# -- running averages are state of the network ---------------------------------------------------


def moved(backend="numpy"):
    net = network(backend)
    net.forward(net.backend.asarray(np.random.default_rng(5).standard_normal((8, 2))))
    return net


def test_the_networks_state_is_one_array_and_the_layers_have_views(backend):
    net = moved(backend)
    assert net.buffers.shape == (18,)
    norm = net.layers[1]
    net.buffers[...] = 7
    assert (backend.to_numpy(norm.running_var) == 7).all()
    norm.running_mean.fill(3)
    assert (backend.to_numpy(net.buffers)[:5] == 3).all()
    assert not nn.Sequential(nn.Linear(2, 2)).buffers.size


def test_a_copy_has_a_state_of_its_own(backend):
    net = moved(backend)
    twin = copy.deepcopy(net)
    kept = backend.to_numpy(net.buffers).copy()
    np.testing.assert_array_equal(backend.to_numpy(twin.buffers), kept)
    twin.forward(backend.asarray(np.ones((2, 2))))
    np.testing.assert_array_equal(backend.to_numpy(net.buffers), kept)
    assert (backend.to_numpy(twin.buffers) != kept).any()


def test_state_moves_with_the_network_and_into_a_larger_one(backend):
    net = moved()
    kept, x = net.buffers.copy(), np.ones((2, 2))
    y = net(x)
    np.testing.assert_array_equal(backend.to_numpy(net.to(backend).buffers), kept)
    np.testing.assert_allclose(backend.to_numpy(net(backend.asarray(x))), y, rtol=1e-12)
    outer = nn.Sequential(net, nn.Linear(4, 1), seed=None, dtype="float64", backend=backend)
    np.testing.assert_array_equal(backend.to_numpy(outer.buffers), kept)
    outer.buffers[...] = 2
    assert (backend.to_numpy(net.layers[1].running_mean) == 2).all()
    fresh = nn.Sequential(net, seed=1, dtype="float64", backend=backend)  # a seed begins anew
    np.testing.assert_array_equal(backend.to_numpy(fresh.buffers)[:10], [0] * 5 + [1] * 5)


# -- in a game -----------------------------------------------------------------------------------


def test_both_players_whole_gradients():
    gan = batchnorm_game(dtype="float64", g_optimizer=Still(), d_optimizer=Still())
    rng, (x, z) = np.random.default_rng(0), batch(n=6)
    gan.G.params[...] += 0.1 * rng.standard_normal(gan.G.size)
    gan.D.params[...] += 0.1 * rng.standard_normal(gan.D.size)
    for network, step in (
        (gan.D, lambda: gan.discriminator_step(x, z)[0]),
        (gan.G, lambda: gan.generator_step(z)),
    ):
        step()
        analytic = network.grads.copy()
        numerical = numerical_gradient(step, network.params, h=1e-5)
        assert relative_error(analytic, numerical) < 1e-6


def test_real_and_fake_data_go_through_d_apart():
    gan = batchnorm_game()
    passes = record_passes(gan.D)
    gan.discriminator_step(data(8), gan.noise(8))
    assert [len(p.x) for p in passes] == [8, 8]
    with pytest.raises(ValueError, match="update='alternating'"):
        batchnorm_game(update="simultaneous")


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumed_run_ends_with_the_bytes_of_the_uninterrupted_one(epochs, backend, tmp_path):
    whole, first = batchnorm_game(backend), batchnorm_game(backend)
    fit(whole, epochs=3)
    fit(first, epochs=epochs)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz", backend)
    assert saved_state(second) == saved_state(first)
    fit(second, epochs=3 - epochs)
    assert saved_state(second) == saved_state(whole)
    np.testing.assert_array_equal(second.sample(3), whole.sample(3))
    assert (backend.to_numpy(whole.G.buffers)[:5] != 0).all()


def test_a_checkpoint_without_the_state_is_damaged(tmp_path):
    batchnorm_game().save(tmp_path / "gan.npz")
    with np.load(tmp_path / "gan.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "D.buffers"}
    np.savez(tmp_path / "gan.npz", **arrays)
    with pytest.raises(ValueError, match=r"D.buffers must be \(12,\) of float32, got nothing"):
        nn.GAN.load(tmp_path / "gan.npz")


def test_a_step_can_be_captured_and_keeps_its_arrays(gpu):
    gan = batchnorm_game(gpu)
    state = gan.G.buffers
    assert_captured(gpu, step_of(gan, 9, batch_size=8, compiled=False))
    assert gan.G.buffers is state
    assert np.isfinite(gpu.to_numpy(state)).all()


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: nn.BatchNorm(0), ValueError, "n must be a positive whole number, got 0"),
        (lambda: nn.BatchNorm(2, 0.0), ValueError, r"momentum must lie in \(0, 1\], got 0.0"),
        (lambda: nn.BatchNorm(2, eps=0), ValueError, "eps must be a positive number, got 0"),
        (
            lambda: nn.BatchNorm(2)(np.ones((3, 4), np.float32)),
            ValueError,
            r"BatchNorm\(2\) wants x of shape \(N, 2\), got \(3, 4\)",
        ),
        (lambda: nn.BatchNorm(2)(np.ones((3, 2))), TypeError, r"x.astype\('float32'\)"),
        (
            lambda: nn.BatchNorm(2).forward(np.ones((1, 2), np.float32)),
            ValueError,
            "two samples or more in training.*raise the batch size",
        ),
        (
            lambda: nn.BatchNorm(2).backward(
                np.ones((3, 1)), nn.BatchNorm(2).forward(np.ones((3, 2), np.float32))[1]
            ),
            ValueError,
            r"wants dy of its output's shape \(3, 2\), got \(3, 1\)",
        ),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, error, message):
    with pytest.raises(error, match=message) as caught:
        mistake()
    assert "\n" not in str(caught.value)


def test_repr_and_config():
    assert repr(nn.BatchNorm(3)) == "BatchNorm(3)"
    net = network()
    assert repr(nn.Sequential.from_config(net.config())) == repr(net)
