"""The adversarial objectives beyond the first two: their papers' formulas, and in a game."""

import math

import numpy as np
import pytest
from games import Still, assert_captured, batch, game, record_passes, record_steps, step_of
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.losses import OBJECTIVES

NEW = ("least_squares", "hinge", "wasserstein", "relativistic")


def logits(n=6, seed=0):
    return 2 * np.random.default_rng(seed).standard_normal((2, n, 1))


def generator(name, fake, real):
    objective = OBJECTIVES[name]
    return objective.generator(fake, real) if objective.pairs else objective.generator(fake)


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("name", NEW)
def test_gradients_agree_with_the_numerical_derivative(name, n):
    real, fake = logits(n)
    discriminator = OBJECTIVES[name].discriminator
    _, d_real, d_fake = discriminator(real, fake, 0.0)
    for o, gradient in ((real, d_real), (fake, d_fake)):
        numerical = numerical_gradient(lambda: discriminator(real, fake, 0.0)[0], o)
        assert relative_error(gradient, numerical) < 1e-8
    numerical = numerical_gradient(lambda: generator(name, fake, real)[0], fake)
    assert relative_error(generator(name, fake, real)[1], numerical) < 1e-8


def test_the_objectives_are_those_of_the_papers():
    real, fake = logits()
    expected = {
        "least_squares": (
            ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2,
            ((fake - 1) ** 2).mean() / 2,
        ),
        "hinge": (
            -np.minimum(0, real - 1).mean() - np.minimum(0, -fake - 1).mean(),
            -fake.mean(),
        ),
        "wasserstein": (fake.mean() - real.mean(), -fake.mean()),
        "relativistic": (
            -np.log(nn.Sigmoid()(real - fake)).mean(),
            -np.log(nn.Sigmoid()(fake - real)).mean(),
        ),
    }
    for name, (d_loss, g_loss) in expected.items():
        assert math.isclose(OBJECTIVES[name].discriminator(real, fake, 0.0)[0], d_loss)
        assert math.isclose(generator(name, fake, real)[0], g_loss)


def test_beyond_its_margin_a_sample_counts_no_more():
    real, fake = np.array([[1.5], [0.5], [1.0]]), np.array([[-1.5], [-0.5], [-1.0]])
    _, d_real, d_fake = OBJECTIVES["hinge"].discriminator(real, fake, 0.0)
    np.testing.assert_allclose(d_real, [[0], [-1 / 3], [0]])
    np.testing.assert_allclose(d_fake, [[0], [1 / 3], [0]])


def test_a_relativistic_loss_sees_differences_alone():
    real, fake = logits()
    for shift in (0.0, 50.0):
        values = OBJECTIVES["relativistic"].discriminator(real + shift, fake + shift, 0.0)
        assert math.isclose(values[0], OBJECTIVES["relativistic"].discriminator(real, fake, 0.0)[0])
    with pytest.raises(ValueError, match=r"pairs real and fake logits.*\(6, 1\) and \(5, 1\)"):
        OBJECTIVES["relativistic"].discriminator(real, fake[:5], 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NEW)
def test_logits_of_any_size_stay_finite_and_keep_their_dtype(name, dtype, backend):
    real = backend.asarray(np.array([[-1e4], [0], [1e4]], dtype))
    fake = backend.asarray(np.array([[1e4], [0], [-1e4]], dtype))
    arrays = [*OBJECTIVES[name].discriminator(real, fake, 0.0), *generator(name, fake, real)]
    assert {str(a.dtype) for a in arrays} == {dtype}
    assert all(np.isfinite(backend.to_numpy(a)).all() for a in arrays)


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_a_step_can_be_captured(gpu, name, update):
    gan = game(gpu, loss=name, update=update)
    assert_captured(gpu, step_of(gan, 9, batch_size=4, compiled=False))
    assert np.isfinite(gpu.to_numpy(gan.log)).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_both_updates_have_the_same_gradients(name):
    """Before anybody has moved, the simultaneous step is both steps."""
    x, z = batch()
    still = {"g_optimizer": Still(), "d_optimizer": Still()}
    apart, at_once = game(loss=name, **still), game(loss=name, update="simultaneous")
    apart.discriminator_step(x, z)
    g_loss = apart.generator_step(z, x)
    assert math.isclose(at_once.simultaneous_step(x, z)[1], g_loss, rel_tol=1e-12)
    assert relative_error(at_once.D.grads, apart.D.grads) < 1e-12
    assert relative_error(at_once.G.grads, apart.G.grads) < 1e-12


def test_gs_step_pairs_fakes_with_the_data_that_d_saw_last(monkeypatch):
    gan, steps = game(loss="relativistic", k=2), record_steps(monkeypatch)
    gan.fit(batch(n=40)[0], 1, 10, progress=False)
    assert [step.player for step in steps] == ["D", "D", "G"] * 2  # k = 2
    np.testing.assert_array_equal(steps[1].x, steps[2].x)
    with pytest.raises(ValueError, match="loss='relativistic' pairs fakes with data: pass x too"):
        gan.generator_step(batch()[1])


def test_only_an_objective_that_pairs_pays_for_a_pass_of_real_data():
    for name in OBJECTIVES:
        gan = game(loss=name)
        passes = record_passes(gan.D)
        gan.generator_step(*reversed(batch()))
        assert len(passes) == (2 if name == "relativistic" else 1)


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "relativistic"])
def test_without_labels_there_is_nothing_to_smooth(name):
    with pytest.raises(ValueError, match=f"must be 0, because loss='{name}' has no labels"):
        game(loss=name, label_smoothing=0.1)


def test_a_loss_whose_chance_is_open_is_shown_without_one(capsys):
    G, D = (nn.Sequential(nn.Linear(i, o)) for i, o in ((2, 3), (3, 1)))
    nn.GAN(G, D, loss="wasserstein").fit(np.eye(20, 3), 1, 10)
    out = capsys.readouterr().out
    assert "at chance: D loss 0.000, D(x) 0.50, D(G(z)) 0.50" in out
