"""Optimizers against their formulas, written out plainly for one parameter at a time."""

import math

import numpy as np
import pytest

import nngan as nn
from nngan.optim import optimizer_from_config

GRADIENTS = np.random.default_rng(0).standard_normal((5, 8))


def run(optimizer, backend, dtype="float64"):
    net = nn.Sequential(nn.Linear(3, 2), dtype=dtype, backend=backend)
    optimizer.bind(net)
    path = [backend.to_numpy(net.params).copy()]
    for g in GRADIENTS:
        net.grads[...] = backend.asarray(g, dtype)
        optimizer.step()
        path.append(backend.to_numpy(net.params).copy())
    assert path[-1].dtype == dtype
    return np.array(path)


def adam_by_hand(start, lr, beta1, beta2, eps):
    path = [start]
    m = v = np.zeros_like(start)
    for t, g in enumerate(GRADIENTS, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        path.append(path[-1] - lr * m_hat / (np.sqrt(v_hat) + eps))
    return np.array(path)


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
def test_adam_is_algorithm_1(backend, beta1, eps):
    path = run(nn.Adam(0.01, beta1=beta1, beta2=0.99, eps=eps), backend)
    expected = adam_by_hand(path[0], 0.01, beta1, 0.99, eps)
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-15)


def test_the_first_step_of_adam_is_lr_whatever_the_gradient(backend):
    path = run(nn.Adam(0.01), backend)
    np.testing.assert_allclose(path[1] - path[0], -0.01 * np.sign(GRADIENTS[0]), rtol=1e-6)


def test_adam_in_float32_keeps_the_small_corrections_exact(backend):
    # 1 - 0.999**t in float32 would be wrong in the fifth digit at t = 1.
    single, double = run(nn.Adam(1.0), backend, "float32"), run(nn.Adam(1.0), backend)
    np.testing.assert_allclose(single, double, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(backend, momentum):
    path = run(nn.SGD(0.1, momentum), backend)
    v, p = np.zeros(8), path[0]
    for g, after in zip(GRADIENTS, path[1:], strict=True):
        v = momentum * v + g
        p = p - 0.1 * v
        np.testing.assert_allclose(after, p, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("schedule", [None, ("exponential", 0.9)])
def test_momentum_that_grows(schedule, backend):
    path = run(nn.SGD(0.1, (0.5, 0.7, 2), schedule), backend)
    v, p = np.zeros(8), path[0]
    for t, (g, after) in enumerate(zip(GRADIENTS, path[1:], strict=True)):
        v = (0.5, 0.6, 0.7, 0.7, 0.7)[t] * v + g
        p = p - 0.1 * (1 if schedule is None else 0.9**t) * v
        np.testing.assert_allclose(after, p, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimizer", [nn.Adam(0.1), nn.SGD(0.1, 0.5)])
def test_every_block_of_a_long_buffer_is_updated_alike(optimizer):
    net = nn.Sequential(nn.Linear(300, 250))
    pieces = []
    net.backend.update_in_place(lambda backend, piece: pieces.append(piece.size), [net.params])
    assert len(pieces) > 2
    optimizer.bind(net)
    net.params.fill(1)
    net.grads.fill(0.5)
    optimizer.step()
    optimizer.step()
    assert len(np.unique(net.params)) == 1
    assert net.params[0] < 1


@pytest.mark.parametrize("optimizer", [nn.Adam(1e-3, 0.9, 0.99), nn.SGD(1e-3, 0.9)])
def test_moments_without_gradients_vanish(optimizer):
    """Left subnormal, they would make every later step several times slower."""
    net = nn.Sequential(nn.Linear(5, 4))
    optimizer.bind(net)
    net.grads.fill(1e-3)
    optimizer.step()
    net.grads.fill(0)
    for _ in range(10_000):
        optimizer.step()
    for name, moment in optimizer.state.items():
        assert name == "t" or not moment.any()
    assert np.isfinite(net.params).all()


@pytest.mark.parametrize("optimizer", [nn.Adam(3e-4, 0.5, 0.99, 1e-7), nn.SGD(0.1, 0.5)])
def test_a_config_makes_the_same_optimizer(optimizer):
    assert repr(optimizer_from_config(optimizer.config())) == repr(optimizer)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: nn.Adam("0.1"), "lr must be a number >= 0, got '0.1'"),
        (lambda: nn.Adam(math.nan), "lr must be a number >= 0, got nan"),
        (lambda: nn.Adam(beta1=1.0), r"beta1 must lie in \[0, 1\), got 1.0"),
        (lambda: nn.Adam(beta2=-0.1), r"beta2 must lie in \[0, 1\), got -0.1"),
        (lambda: nn.Adam(eps=0), "eps must be a positive number, got 0"),
        (lambda: setattr(nn.Adam(), "lr", -1), "lr must be a number >= 0, got -1"),
        (lambda: nn.SGD(-1), "lr must be a number >= 0, got -1"),
        (lambda: nn.SGD(1, 1), r"momentum must lie in \[0, 1\), got 1"),
        (
            lambda: nn.SGD(1, (0.5, 0.7)),
            r"momentum must be a number or \(first, last, steps\), got",
        ),
        (lambda: nn.SGD(1, (0.5, 1.0, 9)), r"momentum must lie in \[0, 1\), got 1.0"),
        (lambda: nn.SGD(1, (0.5, 0.7, 0)), "steps of momentum must be a positive number, got 0"),
        (
            lambda: optimizer_from_config({"type": "Lion"}),
            "unknown optimizer 'Lion'",
        ),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()
