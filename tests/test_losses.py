"""Losses: value, gradient, stability; the objectives at chance and far from it."""

import math

import numpy as np
import pytest
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.losses import OBJECTIVES, softplus


def random_case(seed=0, n=6):
    rng = np.random.default_rng(seed)
    return 2 * rng.standard_normal((n, 1)), rng.uniform(0, 1, (n, 1))


@pytest.mark.parametrize("n", [1, 6])
def test_gradients_agree_with_the_numerical_derivative(n):
    logits, target = random_case(n=n)
    dlogits = nn.bce_with_logits(logits, target)[1]
    numerical = numerical_gradient(lambda: nn.bce_with_logits(logits, target)[0], logits)
    assert relative_error(dlogits, numerical) < 1e-8
    p = nn.Sigmoid()(logits)
    dp = nn.bce(p, target)[1]
    assert relative_error(dp, numerical_gradient(lambda: nn.bce(p, target)[0], p, h=1e-7)) < 1e-7


def test_both_forms_are_one_loss_and_one_gradient():
    logits, target = random_case(1)
    sigmoid = nn.Sigmoid()
    p, cache = sigmoid.forward(logits)
    textbook, dp = nn.bce(p, target)
    loss, dlogits = nn.bce_with_logits(logits, target)
    assert math.isclose(textbook, loss, rel_tol=1e-12)
    np.testing.assert_allclose(sigmoid.backward(dp, cache), dlogits, rtol=1e-12)


def test_a_loss_is_the_mean_and_its_gradient_has_the_same_n():
    logits, target = random_case(2)
    for loss, outputs in ((nn.bce_with_logits, logits), (nn.bce, nn.Sigmoid()(logits))):
        one, d_one = loss(outputs, target)
        two, d_two = loss(np.tile(outputs, (2, 1)), np.tile(target, (2, 1)))
        assert math.isclose(one, two, rel_tol=1e-12)
        np.testing.assert_allclose(d_two[: len(d_one)], d_one / 2, rtol=1e-12)


def test_a_number_is_a_target_too():
    logits, _ = random_case(3)
    for target in (0.0, 0.9, 1):
        a = nn.bce_with_logits(logits, target)
        b = nn.bce_with_logits(logits, np.full_like(logits, target))
        assert a[0] == b[0]
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_any_size_are_exact(dtype, backend):
    logits = np.array([[-1e4], [-100], [-20], [0], [20], [100], [1e4]], dtype)
    tail = math.log1p(math.exp(-20))
    for target, exact in (
        (1.0, [1e4, 100, 20 + tail, math.log(2), tail, math.exp(-100), 0]),
        (0.0, [0, math.exp(-100), tail, math.log(2), 20 + tail, 100, 1e4]),
    ):
        for o, value in zip(logits, exact, strict=True):
            loss, dlogits = nn.bce_with_logits(backend.asarray(o.reshape(1, 1)), target)
            assert loss.dtype == dtype
            assert dlogits.dtype == dtype
            rtol = 10 * np.finfo(dtype).eps
            np.testing.assert_allclose(backend.to_numpy(loss), value, rtol=rtol, atol=1e-40)


def test_a_confident_mistake_keeps_its_gradient():
    wrong = np.array([[-200.0]], np.float32)  # certain that a real sample is a fake
    assert nn.bce_with_logits(wrong, 1.0)[1] == -1
    sigmoid = nn.Sigmoid()
    p, cache = sigmoid.forward(wrong)
    _, dp = nn.bce(p, 1.0)
    assert np.isfinite(dp).all()
    assert abs(sigmoid.backward(dp, cache)).max() < 1e-6  # the textbook pair has lost it


def test_bce_is_finite_where_p_is_certain():
    p = np.array([[0.0], [1.0], [0.0], [1.0]], np.float32)
    loss, dp = nn.bce(p, np.array([[0.0], [1.0], [1.0], [0.0]], np.float32))
    assert 0 < loss < 20
    assert np.isfinite(dp).all()
    assert loss.dtype == dp.dtype == np.float32


def test_bce_is_the_textbooks_formula_near_certainty_too():
    p = np.array([[1e-12], [1 - 1e-12], [1e-12], [1 - 1e-12]])
    target = np.array([[1.0], [1.0], [0.0], [0.0]])
    for i in range(4):
        loss, dp = nn.bce(p[i : i + 1], target[i : i + 1])
        t, q = target[i, 0], p[i, 0]
        assert math.isclose(loss, -(t * math.log(q) + (1 - t) * math.log(1 - q)), rel_tol=1e-12)
        assert math.isclose(dp[0, 0], -t / q + (1 - t) / (1 - q), rel_tol=1e-12)


def test_softplus(backend):
    x = np.array([-1e4, -100, -1, 0, 1, 100, 1e4], np.float32)
    y = backend.to_numpy(softplus(backend.asarray(x)))
    exact = np.logaddexp(0, x.astype(np.float64))
    np.testing.assert_allclose(y, exact, rtol=1e-6, atol=1e-43)


# -- objectives --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_agree_with_the_numerical_derivative(name):
    objective = OBJECTIVES[name]
    real, fake = np.random.default_rng(4).standard_normal((2, 5, 1))
    _, d_real, d_fake = objective.discriminator(real, fake, 0.1)
    for logits, gradient in ((real, d_real), (fake, d_fake)):
        numerical = numerical_gradient(lambda: objective.discriminator(real, fake, 0.1)[0], logits)
        assert relative_error(gradient, numerical) < 1e-8
    logits = [fake, real] if objective.pairs else [fake]
    gradient = objective.generator(*logits)[1]
    numerical = numerical_gradient(lambda: objective.generator(*logits)[0], fake)
    assert relative_error(gradient, numerical) < 1e-8


@pytest.mark.parametrize("name", OBJECTIVES)
def test_chance_is_where_d_cannot_tell(name):
    objective = OBJECTIVES[name]
    even = np.full((3, 1), 0.5 if name == "least_squares" else 0.0)
    loss, d_real, d_fake = objective.discriminator(even, even, 0.0)
    assert math.isclose(loss, objective.d_chance)
    np.testing.assert_allclose(d_real, -d_fake)  # D has no reason to move
    if objective.g_chance is not None:
        logits = [even, even] if objective.pairs else [even]
        assert math.isclose(objective.generator(*logits)[0], objective.g_chance)


def test_the_objectives_are_those_of_the_paper():
    real, fake = np.random.default_rng(5).standard_normal((2, 4, 1))
    d_real, d_fake = nn.Sigmoid()(real), nn.Sigmoid()(fake)
    value = np.log(d_real).mean() + np.log(1 - d_fake).mean()  # equation 1
    assert math.isclose(OBJECTIVES["minimax"].discriminator(real, fake, 0.0)[0], -value)
    assert math.isclose(OBJECTIVES["minimax"].generator(fake)[0], np.log(1 - d_fake).mean())
    assert math.isclose(OBJECTIVES["non_saturating"].generator(fake)[0], -np.log(d_fake).mean())


def test_where_d_is_sure_only_minimax_saturates():
    sure = np.full((1, 1), -30.0)
    assert abs(OBJECTIVES["minimax"].generator(sure)[1]) < 1e-12
    assert abs(OBJECTIVES["non_saturating"].generator(sure)[1] + 1) < 1e-12


def test_label_smoothing_is_one_sided():
    # The optimal D for equal densities and the labels 0.9 and 0: sigmoid(o) = 0.45.
    o = np.full((1, 1), math.log(0.45 / 0.55))
    _, d_real, d_fake = OBJECTIVES["non_saturating"].discriminator(o, o, 0.1)
    np.testing.assert_allclose(d_real + d_fake, 0, atol=1e-15)
    _, plain_real, plain_fake = OBJECTIVES["non_saturating"].discriminator(o, o, 0.0)
    np.testing.assert_allclose(plain_real + 0.1, d_real)
    np.testing.assert_array_equal(plain_fake, d_fake)


@pytest.mark.parametrize("loss", [nn.bce, nn.bce_with_logits])
@pytest.mark.parametrize("target", [np.float64(0.9), 1, np.ones((4, 1)), np.ones((4, 1), int)])
def test_the_gradient_keeps_the_dtype_of_the_outputs(loss, target):
    value, gradient = loss(np.full((4, 1), 0.5, np.float32), target)
    assert value.dtype == gradient.dtype == np.float32


@pytest.mark.parametrize("loss", [nn.bce, nn.bce_with_logits])
def test_shapes_that_differ_are_an_error_not_a_broadcast(loss):
    with pytest.raises(
        ValueError, match=r"target must have the shape of \w+, \(4, 1\), got \(4,\)"
    ):
        loss(np.full((4, 1), 0.5), np.ones(4))


@pytest.mark.parametrize("loss", [nn.bce, nn.bce_with_logits])
def test_whole_numbers_are_refused_because_labels_would_be_rounded(loss):
    with pytest.raises(TypeError, match=r"must be an array of floats, got dtype int64: convert it"):
        loss(np.array([[2], [-1]]), np.array([[0.9], [0.1]]))


def test_a_label_may_be_a_number_of_any_type():
    logits = np.array([[2.0], [-1.0]], np.float32)
    expected = nn.bce_with_logits(logits, 1.0)
    for label in (1, np.float32(1), np.int64(1), np.float64(1)):
        found = nn.bce_with_logits(logits, label)
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1].dtype == np.float32
