"""Packing: D judges several samples at once, and each gets its own gradient."""

import numpy as np
import pytest
from games import FEATURES, Still, assert_captured, batch, game, step_of
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.game.inputs import d_input
from nngan.losses import OBJECTIVES


def make(pack=2, backend="numpy", dtype="float64", **options):
    return game(backend, dtype, pack=pack, **options)


def test_neighbours_share_a_row():
    gan, x = make(3), np.arange(6 * FEATURES, dtype=float).reshape(6, FEATURES)
    for order in "CF":
        packs = d_input(gan.rules, np.asarray(x, order=order), None)
        np.testing.assert_array_equal(packs[1], np.concatenate([x[3], x[4], x[5]]))


@pytest.mark.parametrize("pack", [1, 2, 3])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_both_players_whole_gradients(loss, pack, backend):
    gan = make(pack, backend, loss=loss, g_optimizer=Still(), d_optimizer=Still())
    to_numpy, asarray = backend.to_numpy, backend.asarray
    x, z = (asarray(a) for a in batch(n=6))
    for network, step in (
        (gan.D, lambda: gan.discriminator_step(x, z)[0]),
        (gan.G, lambda: gan.generator_step(z, x)),
    ):
        step()
        analytic, params = to_numpy(network.grads).copy(), to_numpy(network.params).copy()

        def value(network=network, params=params, step=step):
            network.params[...] = asarray(params)
            return to_numpy(step())

        assert relative_error(analytic, numerical_gradient(value, params, h=1e-5)) < 1e-6


def test_the_gradient_goes_back_to_each_sample_of_a_pack():
    """Against D written as a sum over the places of a pack."""
    first, last = nn.Linear(2 * FEATURES, 8), nn.Linear(8, 1)
    D = nn.Sequential(first, nn.LeakyReLU(0.2), last, seed=2, dtype="float64")
    gan = nn.GAN(make().G, D, pack=2, g_optimizer=Still())
    z = batch(n=4)[1]
    gan.generator_step(z)
    fake, cache = gan.G.forward(z)
    hidden = fake[0::2] @ first.W[:FEATURES] + fake[1::2] @ first.W[FEATURES:] + first.b
    o = np.where(hidden > 0, hidden, 0.2 * hidden) @ last.W + last.b
    d_hidden = OBJECTIVES["non_saturating"].generator(o)[1] @ last.W.T
    d_hidden *= np.where(hidden > 0, 1, 0.2)
    d_fake = np.empty_like(fake)
    d_fake[0::2] = d_hidden @ first.W[:FEATURES].T
    d_fake[1::2] = d_hidden @ first.W[FEATURES:].T
    expected = gan.G.grads.copy()
    gan.G.backward(d_fake, cache, accumulate=False)
    np.testing.assert_allclose(gan.G.grads, expected, rtol=1e-12)


@pytest.mark.parametrize("loss", OBJECTIVES)
def test_both_updates_have_the_same_gradients(loss):
    x, z = batch(n=6)
    still = {"g_optimizer": Still(), "d_optimizer": Still()}
    apart, at_once = make(3, loss=loss, **still), make(3, loss=loss, update="simultaneous")
    apart.discriminator_step(x, z)
    apart.generator_step(z, x)
    at_once.simultaneous_step(x, z)
    assert relative_error(at_once.D.grads, apart.D.grads) < 1e-12
    assert relative_error(at_once.G.grads, apart.G.grads) < 1e-12


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_a_run_trains_and_goes_on(update, backend, tmp_path):
    whole, first = (make(2, backend, "float32", update=update) for _ in range(2))
    x = batch(n=40)[0].astype(np.float32)
    whole.fit(x, 2, 8, progress=False)
    first.fit(x, 1, 8, progress=False)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz", backend)
    assert second.pack == 2
    second.fit(x, 1, 8, progress=False)
    assert backend.to_numpy(second.G.params).tobytes() == backend.to_numpy(whole.G.params).tobytes()
    assert whole.sample(3).shape == (3, FEATURES)


def test_a_step_can_be_captured(gpu):
    assert_captured(gpu, step_of(make(2, gpu), 9, batch_size=4, compiled=False))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: nn.GAN(make().G, make().D, pack=0),
            "pack must be a positive whole number, got 0",
        ),
        (
            lambda: nn.GAN(make().G, nn.Sequential(nn.Linear(6, 1), dtype="float64"), pack=2),
            r"D \(N, 2 \* features\) to \(N, 1\) in one dtype; G maps 3 to 6",
        ),
        (
            lambda: make().fit(batch(n=40)[0], 1, 5, progress=False),
            "batch_size must be a multiple of pack=2, got 5",
        ),
        (lambda: make().discriminator_step(*batch(n=5)), "multiple of pack=2 samples, got 5"),
        (
            lambda: make().fit(np.ones((40, 12)), 1, 4, progress=False),
            r"shape \(n, 6\), the features that G makes, got \(40, 12\)",
        ),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()
