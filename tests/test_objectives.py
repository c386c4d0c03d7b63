"""The adversarial objectives beyond the first two: their papers' formulas, and in a game."""

import math

import numpy as np
import pytest
from numerical import numerical_gradient, relative_error
from strict_cupy import capturing
from test_gan import batch, make, play

import nngan as nn
from nngan.losses import OBJECTIVES
from nngan.training import loop

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
def test_a_step_can_be_captured(strict, name, update):
    gan = make(strict, loss=name, update=update)
    gan.log = strict.xp.zeros((2, 4))
    order = strict.asarray(np.arange(40))
    step = loop.make_step(gan, strict.asarray(batch(n=40)[0]), order, 4)
    step()
    with capturing():
        step()
    assert np.isfinite(strict.to_numpy(gan.log)).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_both_updates_have_the_same_gradients(name):
    """Before anybody has moved, the simultaneous step is both steps."""
    x, z = batch()
    still = {"g_optimizer": nn.SGD(1e-30), "d_optimizer": nn.SGD(1e-30)}
    apart, at_once = make(loss=name, **still), make(loss=name, update="simultaneous")
    apart.discriminator_step(x, z)
    g_loss = apart.generator_step(z, x)
    assert math.isclose(at_once.simultaneous_step(x, z)[1], g_loss, rel_tol=1e-12)
    assert relative_error(at_once.D.grads, apart.D.grads) < 1e-12
    assert relative_error(at_once.G.grads, apart.G.grads) < 1e-12


def test_gs_step_pairs_fakes_with_the_data_that_d_saw_last(monkeypatch):
    gan, _ = play("numpy", loss="relativistic")
    seen, d_step, g_step = [], loop.discriminator_step, loop.generator_step

    def spy_on_d(game, x, z, i, **options):
        seen.append(("D", x))
        return d_step(game, x, z, i, **options)

    def spy_on_g(game, z, x, **options):
        seen.append(("G", x))
        return g_step(game, z, x, **options)

    monkeypatch.setattr(loop, "discriminator_step", spy_on_d)
    monkeypatch.setattr(loop, "generator_step", spy_on_g)
    gan.fit(batch(n=40)[0], 1, 10, progress=False)
    assert [player for player, _ in seen] == ["D", "D", "G"] * 2  # k = 2
    np.testing.assert_array_equal(seen[1][1], seen[2][1])
    with pytest.raises(ValueError, match="loss='relativistic' pairs fakes with data: pass x too"):
        gan.generator_step(batch()[1])


def test_only_an_objective_that_pairs_pays_for_a_pass_of_real_data():
    for name in OBJECTIVES:
        gan, passes = make(loss=name), []
        forward = gan.D.forward
        gan.D.forward = lambda *a, _f=forward, _p=passes, **k: (_p.append(a), _f(*a, **k))[1]
        gan.generator_step(*reversed(batch()))
        assert len(passes) == (2 if name == "relativistic" else 1)


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "relativistic"])
def test_without_labels_there_is_nothing_to_smooth(name):
    with pytest.raises(ValueError, match=f"must be 0, because loss='{name}' has no labels"):
        make(loss=name, label_smoothing=0.1)


def test_a_loss_whose_chance_is_open_is_shown_without_one(capsys):
    G, D = (nn.Sequential(nn.Linear(i, o)) for i, o in ((2, 3), (3, 1)))
    nn.GAN(G, D, loss="wasserstein").fit(np.ones((20, 3)), 1, 10)
    out = capsys.readouterr().out
    assert "(chance 0.000)  G loss" in out
    assert out.count("chance") == 1
