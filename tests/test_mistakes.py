"""The mistakes that are made on purpose: each changes the game in the way that it says."""

import numpy as np
import pytest

import nngan as nn
from nngan.mistakes import MISTAKES


def game(mistake="", **options):
    made = MISTAKES[mistake] if mistake else None

    def network(player, *layers, seed):
        kind = made.network if made and made.player == player else nn.Sequential
        return kind(*layers, seed=seed)

    G = network("G", nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 2), seed=1)
    D = network("D", nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), seed=2)
    return nn.GAN(G, D, check=False, **options)


def minibatch():
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 32, 2), dtype=np.float32)


@pytest.mark.parametrize("r1", [0, 0.1])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_mistake_raises_an_error_and_each_changes_a_player(mistake, r1):
    x = nn.datasets.ring(640)[0]
    right, wrong = game(r1=r1), game(mistake, r1=r1)
    for gan in (right, wrong):
        gan.fit(x, 2, 64, progress=False)
    player = MISTAKES[mistake].player
    assert np.abs(getattr(right, player).params - getattr(wrong, player).params).max() > 1e-4
    assert np.isfinite(wrong.G.params).all()


def test_gradients_that_are_never_zeroed_are_a_sum():
    x, z = minibatch()
    right, wrong = game(), game("not_zeroed")
    right.discriminator_step(x, z)
    first = right.D.grads.copy()
    wrong.D.grads[...] = 1
    wrong.discriminator_step(x, z)
    np.testing.assert_allclose(wrong.D.grads, 1 + first, rtol=1e-5)


def test_one_cache_takes_the_gradient_of_the_data_at_the_fakes():
    x, z = minibatch()
    gan, plain = game("stale_cache"), game()
    fake = gan.G(z)
    real_logits, fake_logits = plain.D(x), plain.D(fake)
    _, d_real, d_fake = nn.losses.OBJECTIVES["non_saturating"].discriminator(
        real_logits, fake_logits
    )
    _, cache = plain.D.forward(fake)
    plain.D.backward(d_real + d_fake, cache)
    gan.discriminator_step(x, z)
    np.testing.assert_allclose(gan.D.grads, plain.D.grads, rtol=1e-4, atol=1e-7)


def test_the_wrong_sign_turns_the_gradient_of_g():
    _, z = minibatch()
    right, wrong = game(), game("wrong_sign")
    for gan in (right, wrong):
        gan.generator_step(z)
    np.testing.assert_allclose(wrong.G.grads, -right.G.grads, rtol=1e-6)


def test_a_second_sigmoid_keeps_d_between_a_half_and_three_quarters():
    x, z = minibatch()
    gan = game("sigmoid")
    gan.D.params *= 100
    _, d_real, d_fake = gan.discriminator_step(100 * x, z)
    assert 0.5 <= d_real <= 0.7311
    assert 0.5 <= d_fake <= 0.7311
