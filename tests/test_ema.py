"""The moving average of G's weights: its formula, what it is read for, that it survives."""

import numpy as np
import pytest
from games import assert_captured, batch, batchnorm_game, data, fit, float32_game, game, step_of

import nngan as nn


def host(gan, array):
    return gan.backend.to_numpy(array).copy()


def uncompiled_step(gan):
    return step_of(gan, 20, batch_size=4, compiled=False)


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_the_average_follows_its_formula(update, backend):
    gan = game(backend, ema=0.4, update=update)
    average = host(gan, gan.G_ema.params)
    np.testing.assert_array_equal(average, host(gan, gan.G.params))
    step = uncompiled_step(gan)
    for t in range(12):
        step()
        d = min(0.4, (1 + t) / (10 + t))  # from t = 5 on it is 0.4
        average = d * average + (1 - d) * host(gan, gan.G.params)
        np.testing.assert_allclose(host(gan, gan.G_ema.params), average, rtol=1e-12)
    assert (average != host(gan, gan.G.params)).any()


def test_early_averages_have_left_the_initial_weights():
    gan = game(ema=0.999)
    initial, step = gan.G.params.copy(), uncompiled_step(gan)
    step()
    np.testing.assert_allclose(gan.G_ema.params, 0.1 * initial + 0.9 * gan.G.params)


def test_the_average_changes_nothing_in_the_game(backend):
    games = [game(backend, ema=ema, dropout=0.3) for ema in (0.0, 0.9)]
    for gan in games:
        step = uncompiled_step(gan)
        for _ in range(5):
            step()
    np.testing.assert_array_equal(*[host(gan, gan.G.params) for gan in games])
    np.testing.assert_array_equal(*[gan.sample(4, averaged=False) for gan in games])
    assert games[0].G_ema is None


def test_samples_come_from_the_average_unless_one_asks():
    gan, z = game(ema=0.5), batch()[1]
    step = uncompiled_step(gan)
    for _ in range(5):
        step()
    np.testing.assert_array_equal(gan.generate(z), gan.G_ema(z))
    np.testing.assert_array_equal(gan.generate(z, averaged=False), gan.G(z))
    assert (gan.sample(3) != gan.sample(3, averaged=False)).any()
    without = game()
    np.testing.assert_array_equal(without.sample(3), without.sample(3, averaged=False))


def test_running_averages_of_batchnorm_are_averaged_too():
    gan = batchnorm_game(dtype="float64", ema=0.3)
    average, step = gan.G.buffers.copy(), uncompiled_step(gan)
    for t in range(8):
        step()
        d = min(0.3, (1 + t) / (10 + t))
        average = d * average + (1 - d) * gan.G.buffers
        np.testing.assert_allclose(gan.G_ema.buffers, average, rtol=1e-12)


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize("kind", [float32_game, batchnorm_game])
def test_a_resumed_run_ends_with_the_bytes_of_the_uninterrupted_one(
    kind, epochs, backend, tmp_path
):
    def everything(gan):
        arrays = gan.G_ema.params, gan.G_ema.buffers, gan.G.params, gan.G.buffers, gan.D.params
        return [host(gan, a).tobytes() for a in arrays]

    whole, first = kind(backend, ema=0.9), kind(backend, ema=0.9)
    fit(whole, epochs=3)
    fit(first, epochs=epochs)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz", backend)
    assert second.ema == 0.9
    assert everything(second) == everything(first)
    fit(second, epochs=3 - epochs)
    assert everything(second) == everything(whole)
    np.testing.assert_array_equal(second.sample(3), whole.sample(3))


def test_a_checkpoint_from_before_there_were_averages_loads(tmp_path):
    gan = float32_game()
    config = gan.config()
    del config["ema"]
    assert nn.GAN.from_config(config).G_ema is None
    gan.save(tmp_path / "gan.npz")
    with np.load(tmp_path / "gan.npz") as file:
        assert not [name for name in file.files if "ema" in name or "state" in name]


def test_a_step_can_be_captured_and_keeps_its_arrays(gpu):
    gan = batchnorm_game(gpu, ema=0.99)
    params, state, before = gan.G_ema.params, gan.G_ema.buffers, host(gan, gan.G_ema.params)
    assert_captured(gpu, uncompiled_step(gan))
    assert gan.G_ema.params is params
    assert gan.G_ema.buffers is state
    assert (host(gan, params) != before).any()


def test_a_compiled_step_replays_the_average(gpu):
    gans = [float32_game(backend, ema=0.9) for backend in ("numpy", gpu)]
    for gan in gans:
        fit(gan, data(), epochs=2)
    np.testing.assert_allclose(
        host(gans[1], gans[1].G_ema.params), gans[0].G_ema.params, rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("ema", [-0.1, 1.0, 2])
def test_a_decay_out_of_range_gets_one_clear_sentence(ema):
    with pytest.raises(ValueError, match=rf"ema must lie in \[0, 1\), got {ema}"):
        game(ema=ema)
