"""The game: whole gradients, who is updated, what a step may touch."""

import numpy as np
import pytest
from games import (
    FEATURES,
    Still,
    assert_captured,
    batch,
    batchnorm_game,
    game,
    record_passes,
    step_of,
)
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.game import Prior, steps
from nngan.losses import OBJECTIVES


@pytest.mark.parametrize("trained", [0, 20])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_the_generators_whole_gradient_is_right(loss, dropout, trained):
    """dL_G/dtheta_G, through D(G(z)), against a numerical derivative."""
    gan = game(loss=loss, dropout=dropout)
    x, z = batch()
    for _ in range(trained):
        gan.discriminator_step(x, z)
        gan.generator_step(z, x)
    gan.g_optimizer.lr = 0.0
    gan.D.grads.fill(7)
    gan.generator_step(z, x)
    assert (gan.D.grads == 7).all()  # D takes no part
    numerical = numerical_gradient(lambda: gan.generator_step(z, x), gan.G.params, h=1e-5)
    gan.generator_step(z, x)
    assert relative_error(gan.G.grads, numerical) < 1e-6
    assert np.abs(gan.G.grads).max() > 1e-6


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_discriminators_whole_gradient_is_right(smoothing, dropout):
    gan = game(label_smoothing=smoothing, dropout=dropout, d_optimizer=Still())
    x, z = batch()
    gan.G.grads.fill(7)
    numerical = numerical_gradient(lambda: gan.discriminator_step(x, z)[0], gan.D.params, h=1e-5)
    gan.discriminator_step(x, z)
    assert relative_error(gan.D.grads, numerical) < 1e-6
    assert (gan.G.grads == 7).all()


def test_each_step_moves_one_player_in_the_right_direction():
    for loss in OBJECTIVES:
        gan = game(loss=loss, g_optimizer=nn.SGD(0.1), d_optimizer=nn.SGD(0.1))
        x, z = batch()
        G, D = gan.G.params.copy(), gan.D.params.copy()
        before = gan.discriminator_step(x, z)[0]
        np.testing.assert_array_equal(gan.G.params, G)
        assert (gan.D.params != D).any()
        after = gan.discriminator_step(x, z)[0]
        assert after < before
        D = gan.D.params.copy()
        before = gan.generator_step(z, x)
        np.testing.assert_array_equal(gan.D.params, D)
        assert (gan.G.params != G).any()
        assert gan.generator_step(z, x) < before


def test_what_the_steps_return():
    gan = game()
    x, z = batch()
    fake = gan.G(z)
    p_real, p_fake = (nn.Sigmoid()(gan.D(a)) for a in (x, fake))
    loss, d_real, d_fake = gan.discriminator_step(x, z)
    np.testing.assert_allclose(d_real, p_real.mean())
    np.testing.assert_allclose(d_fake, p_fake.mean())
    np.testing.assert_allclose(loss, -(np.log(p_real) + np.log(1 - p_fake)).mean())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "hinge", "k": 2},
        {"loss": "relativistic", "pack": 2},
        {"loss": "wasserstein", "gradient_penalty": 10.0},
        {"classes": 3, "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_data_and_fakes_in_one_minibatch_give_the_step_of_two_passes(options):
    x, z = batch(n=4)
    y = np.eye(3)[[0, 2, 1, 1]] if "classes" in options else None
    results = []
    for step in (steps.discriminator_step, steps.joined_discriminator_step):
        gan = game(d_optimizer=Still(), **options)
        passes = record_passes(gan.D)
        results.append([*step(gan, x, z, 1, y=y), gan.D.grads])
    assert len(passes) == (2 if "gradient_penalty" in options else 1)
    for two_passes, joined in zip(*results, strict=True):
        np.testing.assert_allclose(joined, two_passes, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "penalise", "passes"),
    [
        ({}, True, 1),
        ({"r1": 1.0}, True, 2),
        ({"r2": 1.0}, True, 2),
        ({"r1": 1.0}, False, 1),
        ({"dropout": 0.2}, True, 2),
    ],
    ids=str,
)
def test_d_sees_both_minibatches_in_one_pass_where_that_is_the_same(options, penalise, passes):
    gan = game(**options)
    seen = record_passes(gan.D)
    gan.discriminator_step(*batch(), penalise=penalise)
    assert len(seen) == passes


def test_d_with_batchnorm_sees_both_minibatches_apart():
    gan = batchnorm_game(dtype="float64")
    seen = record_passes(gan.D)
    gan.discriminator_step(*batch())
    assert [len(p.x) for p in seen] == [5, 5]


def test_dropout_masks_of_real_and_fake_data_and_of_two_steps_differ():
    gan = game(dropout=0.5, g_optimizer=Still(), d_optimizer=Still())
    x, z = batch(n=64)
    losses = {float(gan.discriminator_step(x, z, i)[0]) for i in (0, 1)}
    gan.clock += 1
    losses |= {float(gan.discriminator_step(x, z, i)[0]) for i in (0, 1)}
    assert len(losses) == 4
    gan.clock -= 1
    assert float(gan.discriminator_step(x, z, 0)[0]) in losses


def steps_and_keys(monkeypatch):
    """Play two training steps; return the passes, and (stream, step) of each draw of z."""
    gan, step = play("numpy", steps=2)
    draws, draw = [], Prior.draw

    def spy(prior, backend, key, n, dtype):
        draws.append((key.stream, int(key.step[0])))
        return draw(prior, backend, key, n, dtype)

    with monkeypatch.context() as patch:
        patch.setattr(Prior, "draw", spy)
        of_G, of_D = record_passes(gan.G), record_passes(gan.D)
        step()
        step()
    return of_G + of_D, draws


def test_every_pass_and_every_draw_has_a_key_of_its_own(monkeypatch):
    passes, draws = steps_and_keys(monkeypatch)
    # k = 2: each step of D applies G once and D twice, the step of G applies each once.
    assert len(passes) == 2 * (2 * 3 + 2)
    assert len({p.key for p in passes}) == len(passes)
    assert all(p.training for p in passes)
    assert {(p.key.seed, p.key.step) for p in passes} == {(3, 0), (3, 1)}
    assert len(set(draws)) == len(draws) == 2 * 3
    assert len({p.key.stream for p in passes} | {stream for stream, _ in draws}) == 8 + 3


def test_a_sample_depends_on_its_seed_and_not_on_the_steps_noise():
    gan, step = play("numpy", steps=2)
    step()
    assert (gan.sample(4, seed=3) != gan.generate(gan.noise(4))).any()


def test_the_labels_and_latent_vectors_of_a_sample_have_streams_of_their_own(monkeypatch):
    passes, draws = steps_and_keys(monkeypatch)
    streams = {p.key.stream for p in passes} | {stream for stream, _ in draws}
    gan = game(classes=2)
    drawn, bits = [], nn.NumpyBackend.bits
    monkeypatch.setattr(
        nn.NumpyBackend, "bits", lambda *a: (drawn.append(a[1].stream), bits(*a))[1]
    )
    gan.sample(4)
    assert len(drawn) == 2
    assert len(streams | set(drawn)) == len(streams) + 2


def test_g_and_d_must_be_two_networks():
    one = nn.Sequential(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="G and D share a layer: create a separate layer"):
        nn.GAN(one, one)


# -- backends ----------------------------------------------------------------------------------


def play(backend, steps=30, dtype="float64", data=None, **options):
    gan = game(backend, dtype, **{"dropout": 0.3, "k": 2, **options})
    return gan, step_of(gan, steps, batch_size=4, compiled=False, dtype=data or dtype)


@pytest.mark.parametrize("loss", OBJECTIVES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backends_play_the_same_game(backend, dtype, loss):
    results = []
    for b in (nn.NumpyBackend(), backend):
        gan, step = play(b, dtype=dtype, loss=loss)
        for _ in range(30):
            step()
        results.append([b.to_numpy(a) for a in (gan.G.params, gan.D.params, gan.log)])
    rtol = 1e-4 if dtype == "float32" else 1e-10
    for reference, result in zip(*results, strict=True):
        assert reference.dtype == result.dtype == dtype
        np.testing.assert_allclose(result, reference, rtol=rtol, atol=rtol * 1e-2)


@pytest.mark.parametrize("data", ["float64", "uint8"])
@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_a_step_can_be_captured(gpu, data, latent):
    """Nothing goes to the host or comes from it, so that a CUDA graph can replay the step."""
    gan, step = play(
        gpu, data=data, latent=latent, data_range=(-1, 1), label_smoothing=0.1,
        g_optimizer=nn.SGD(0.1, 0.9),
    )  # fmt: skip
    assert_captured(gpu, step, calls=6)
    assert gpu.to_numpy(gan.clock)[0] == 6
    assert np.isfinite(gpu.to_numpy(gan.log)[:6]).all()


def test_a_step_updates_all_state_in_place(backend):
    gan, step = play(backend)

    def arrays():
        states = gan.g_optimizer.state, gan.d_optimizer.state
        moments = [array for state in states for array in state.values()]
        return [gan.G.params, gan.G.grads, gan.D.params, gan.D.grads, gan.clock, gan.log, *moments]

    before = arrays()
    step()
    assert all(a is b for a, b in zip(before, arrays(), strict=True))


def test_two_games_on_two_backends_live_side_by_side(backend):
    (a, step_a), (b, step_b), (c, step_c) = play("numpy"), play(backend), play("numpy")
    for _ in range(3):
        step_a(), step_b()
    for _ in range(3):
        step_c()
    np.testing.assert_array_equal(a.G.params, c.G.params)
    np.testing.assert_allclose(b.backend.to_numpy(b.G.params), a.G.params, rtol=1e-10)


# -- sampling ----------------------------------------------------------------------------------


def test_samples(backend):
    gan = game(backend, "float32")
    y = gan.sample(64)
    assert isinstance(y, np.ndarray)
    assert y.shape == (64, FEATURES)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(gan.sample(64), y)
    np.testing.assert_allclose(gan.sample(5), y[:5], rtol=1e-6)
    assert (gan.sample(64, seed=1) != y).any()
    assert len(np.unique(y, axis=0)) == 64


def test_samples_lie_row_by_row(backend):
    """Like any image: a program in C, or a new shape, must not find them turned."""
    for data_range in ((0, 1), (-1, 1)):
        images = game(backend, "float32", data_range=data_range).sample(4)
        assert images.flags.c_contiguous


def test_samples_are_mapped_back_to_the_range_of_the_data():
    gan = game(data_range=(-1, 1))
    z = batch()[1]
    np.testing.assert_allclose(gan.generate(z), (gan.G(z) + 1) / 2)


def test_latent_priors():
    normal, uniform = game(), game(latent="uniform")
    z = normal.noise(10_000)
    assert abs(z.std() - 1) < 0.03
    z = uniform.noise(10_000)
    assert -1 <= z.min() < -0.99
    assert 0.99 < z.max() <= 1
    assert (normal.noise(4, 0) != normal.noise(4, 1)).all()
    first = normal.noise(4)
    normal.clock += 1
    assert (normal.noise(4) != first).all()


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_z_begins_with_a_category(backend, latent, k):
    """One column stands out, each as often as the others; all have mean 0 and variance 1."""
    G = nn.Sequential(nn.Linear(5, FEATURES))
    D = nn.Sequential(nn.Linear(FEATURES, 1))
    games = [nn.GAN(G, D, latent=latent, categories=n, backend=backend) for n in (k, 0)]
    z, plain = (backend.to_numpy(gan.noise(9_000)) for gan in games)
    category = z[:, :k]
    values = np.array([-1] * (k - 1) + [k - 1]) / (k - 1) ** 0.5
    np.testing.assert_allclose(np.sort(category), np.tile(values, (9_000, 1)), rtol=1e-6)
    np.testing.assert_array_equal(category.argmax(axis=1), plain[:, :k].argmax(axis=1))
    np.testing.assert_allclose(category.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(category.std(axis=0), 1, atol=0.03)
    np.testing.assert_array_equal(z[:, k:], plain[:, k:])


def test_a_config_makes_the_same_game():
    gan = game(loss="minimax", k=3, label_smoothing=0.1, latent="uniform", data_range=(-1, 1),
               categories=2,
               g_optimizer=nn.SGD(0.1), d_optimizer=nn.Adam(1e-3, 0.9))  # fmt: skip
    again = nn.GAN.from_config(gan.config())
    assert again.config() == gan.config()
    np.testing.assert_array_equal(again.sample(3), gan.sample(3))


# -- mistakes of the caller --------------------------------------------------------------------


def networks(g_out=6, d_in=6, d_out=1, dtype="float32"):
    return (
        nn.Sequential(nn.Linear(3, g_out)),
        nn.Sequential(nn.Linear(d_in, d_out), dtype=dtype),
    )


ADAM = nn.Adam()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: nn.GAN(*networks(g_out=5)), "G maps 3 to 5 in float32, D maps 6 to 1 in float32"),
        (lambda: nn.GAN(*networks(d_out=2)), r"D \(N, features\) to \(N, 1\)"),
        (lambda: nn.GAN(*networks(dtype="float64")), "in one dtype"),
        (lambda: game(g_optimizer=ADAM, d_optimizer=ADAM), "are the same object"),
        (lambda: game().sample(3, seed=-1), "seed must be a whole number"),
        (lambda: game(loss="bce"), "loss must be one of minimax, non_saturating, .*, got 'bce'"),
        (lambda: game(latent="cauchy"), "latent must be one of normal, uniform, got 'cauchy'"),
        (lambda: game(categories=1), "at least 2 and less than latent_dim=3, got 1"),
        (lambda: game(categories=3), "at least 2 and less than latent_dim=3, got 3"),
        (lambda: game(categories=-1), "categories must be a whole number"),
        (lambda: game(k=0), "k must be a positive whole number, got 0"),
        (lambda: game(label_smoothing=1.0), r"label_smoothing must lie in \[0, 1\), got 1.0"),
        (lambda: game(data_range=(1, 0)), r"data_range must be \(low, high\) with low < high"),
        (lambda: game().sample(0), "n must be a positive whole number, got 0"),
        (lambda: game().sample(2.5), "n must be a positive whole number, got 2.5"),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()


def test_an_optimizer_of_another_game_is_refused():
    options = {"g_optimizer": nn.Adam(), "d_optimizer": nn.Adam()}
    game(**options)
    with pytest.raises(ValueError, match=r"g_optimizer is already bound .*create a new Adam"):
        game(**options)


@pytest.mark.parametrize("wrong", ["adam", nn.Adam])
def test_what_is_no_optimizer_is_refused(wrong):
    with pytest.raises(TypeError, match="d_optimizer must be an optimizer such as"):
        game(d_optimizer=wrong)


def test_networks_with_a_layer_in_common_are_refused():
    shared = nn.Linear(6, 6)
    G, D = nn.Sequential(nn.Linear(4, 6), shared), nn.Sequential(shared, nn.Linear(6, 1))
    with pytest.raises(ValueError, match="G and D share a layer"):
        nn.GAN(G, D)


def test_a_bare_layer_is_no_network():
    with pytest.raises(TypeError, match="D must be a Sequential, got Linear"):
        nn.GAN(nn.Sequential(nn.Linear(2, 3)), nn.Linear(3, 1))
