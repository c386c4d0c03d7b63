"""What the page of mathematics says and no notebook asserts."""

import numpy as np
import pytest

import nngan as nn
from nngan.backend import NumpyBackend
from nngan.metrics import frechet_distance

# -- the Dirac-GAN ---------------------------------------------------------------------------------


def matrix(eta, gamma, simultaneous):
    """Return the matrix of one step of (theta, psi) near the goal."""
    d_moves = np.array([[1.0, 0.0], [-eta / 2, 1 - eta * gamma]])
    g_moves = np.array([[1.0, eta / 2], [0.0, 1.0]])
    return d_moves + g_moves - np.eye(2) if simultaneous else g_moves @ d_moves


def largest(eta, gamma, simultaneous):
    """Return the largest |eigenvalue| of a step: below 1, steps converge."""
    return np.abs(np.linalg.eigvals(matrix(eta, gamma, simultaneous))).max()


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_the_eigenvalues_of_the_flow(gamma):
    root = np.sqrt(complex(gamma**2 / 4 - 1 / 4))
    found = np.linalg.eigvals((matrix(1.0, gamma, simultaneous=True) - np.eye(2)).astype(complex))
    for expected in (-gamma / 2 - root, -gamma / 2 + root):
        assert np.abs(found - expected).min() < 1e-7


def test_the_flow_converges_fastest_with_gamma_1():
    gammas = np.linspace(0, 4, 401)
    flows = [matrix(1.0, gamma, simultaneous=True) - np.eye(2) for gamma in gammas]
    rates = [np.linalg.eigvals(flow).real.max() for flow in flows]
    assert gammas[np.argmin(rates)] == pytest.approx(1.0)


@pytest.mark.parametrize("eta", [0.01, 0.2, 1.0])
def test_the_limits_of_the_penalty(eta):
    assert largest(eta, 0, True) == pytest.approx(np.sqrt(1 + eta**2 / 4), abs=1e-12)
    assert largest(eta, 0, False) == pytest.approx(1, abs=1e-12)
    for simultaneous, lower, upper in (
        (True, eta / 4, (2 + eta**2 / 8) / eta),
        (False, 0.0, (2 - eta**2 / 8) / eta),
    ):
        inside, outside = (lower + 0.01 * upper, 0.99 * upper), (1.01 * upper, 0.99 * lower)
        assert all(largest(eta, gamma, simultaneous) < 1 for gamma in inside)
        assert all(largest(eta, gamma, simultaneous) > 1 - 1e-12 for gamma in outside)


# -- what a penalty costs --------------------------------------------------------------------------


class Counting(NumpyBackend):
    """NumPy that counts its products."""

    products = 0

    def matmul(self, *args, **options):
        self.products += 1
        return super().matmul(*args, **options)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("curved", [False, True])
def test_the_products_of_a_penalty(n, curved):
    layers = [nn.Linear(6, 6)]
    for _ in range(n - 1):
        layers += [nn.Tanh() if curved else nn.LeakyReLU(0.2), nn.Linear(6, 6)]
    layers[-1] = nn.Linear(6, 1)
    counts = []
    for penalised in (False, True):
        backend = Counting()
        D = nn.Sequential(*layers, seed=0, backend=backend)
        logits, cache = D.forward(np.ones((8, 6), np.float32))
        dlogits = nn.bce_with_logits(logits, np.ones_like(logits))[1]
        if penalised:
            phi = nn.penalties.zero_centred(1.0)
            nn.penalties.add_penalty(D, logits, cache, phi, dlogits=dlogits)
        else:
            D.backward(dlogits, cache, input_grad=False)
        counts.append(backend.products)
    assert counts == [3 * n - 1, 4 * n + (2 * (n - 1) - 1 if curved else 0)]


# -- the Frechet distance --------------------------------------------------------------------------


def power(S, exponent):
    w, u = np.linalg.eigh(S)
    return (u * w**exponent) @ u.T


def test_nothing_carries_one_cloud_to_another_on_a_shorter_way():
    rng = np.random.default_rng(0)
    cloud = rng.standard_normal((2000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.5]])
    goal = rng.standard_normal((2000, 2)) @ np.array([[0.3, 0.0], [0.5, 1.2]]) + [1.0, -0.5]
    S_x, S_y = np.cov(cloud.T), np.cov(goal.T)
    root, back = power(S_x, 0.5), power(S_x, -0.5)
    centred, shift = cloud - cloud.mean(axis=0), goal.mean(axis=0) - cloud.mean(axis=0)

    def way(moved):
        return ((centred - moved) ** 2).sum() / (len(cloud) - 1) + shift @ shift

    T = back @ power(root @ S_y @ root, 0.5) @ back
    np.testing.assert_allclose(T @ S_x @ T, S_y, atol=1e-12)
    shortest = way(centred @ T)
    assert shortest == pytest.approx(frechet_distance(cloud, goal).value, abs=1e-9)
    ways = []
    for angle in np.linspace(0, 2 * np.pi, 361):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = centred @ back @ turn @ power(S_y, 0.5)
        np.testing.assert_allclose(np.cov(moved.T), S_y, atol=1e-12)  # it arrives, too
        ways.append(way(moved))
    assert shortest - 1e-9 < min(ways) < shortest + 1e-3
    assert max(ways) > shortest + 1


# -- finite differences ----------------------------------------------------------------------------


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


@pytest.mark.parametrize("h", [1e-4, 2e-4, 1e-2])
def test_a_central_difference_across_a_kink(h):
    a, x = 0.2, 1e-4
    slope = central(lambda x: max(x, a * x), x, h)
    assert slope == pytest.approx((1 + a) / 2 + (1 - a) / 2 * x / h, abs=1e-9)


def test_two_steps_cancel_the_next_error():
    errors = [
        abs((4 * central(np.exp, 1, h / 2) - central(np.exp, 1, h)) / 3 - np.e) for h in (0.2, 0.1)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.1)


# -- losses and the prior --------------------------------------------------------------------------


@pytest.mark.parametrize(("logit", "left"), [(-16, 0.94), (-17, 0.35), (-20, 0.02)])
def test_the_gradient_of_a_clipped_loss_fades(logit, left):
    sigmoid = nn.Sigmoid()
    p, cache = sigmoid.forward(np.array([[logit]], np.float32))
    clipped = sigmoid.backward(nn.bce(p, 1.0)[1], cache)
    assert clipped.item() == pytest.approx(-left, abs=0.005)  # of -1, nearly


def test_the_gradient_of_a_fake_that_d_calls_real_is_gone_where_p_is_1():
    sigmoid = nn.Sigmoid()
    o = np.array([[16.5], [16.7]], np.float32)
    p, cache = sigmoid.forward(o)
    clipped = 2 * sigmoid.backward(nn.bce(p, 0.0)[1], cache)
    assert p.ravel().tolist() != [1, 1]
    assert clipped[0] > 0.9
    assert clipped[1] == 0


def test_two_columns_of_a_category_are_correlated():
    K = 5
    codes = (K * np.eye(K) - 1) / np.sqrt(K - 1)
    covariance = codes.T @ codes / K
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(covariance, np.eye(K) - (1 - np.eye(K)) / (K - 1), atol=1e-12)
