"""The conditional game: each sample beside its label, in D, in G, in the data, on a sheet."""

import numpy as np
import pytest
from games import (
    FEATURES,
    LATENT,
    Still,
    game,
    interrupt_at,
    record_passes,
    record_steps,
    saved_state,
)
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.backend import Stream
from nngan.game.inputs import d_input, d_input_gradient, g_input
from nngan.losses import OBJECTIVES

CLASSES = 3


def make(backend="numpy", dtype="float64", classes=CLASSES, **options):
    return game(backend, dtype, classes=classes, **options)


def batch(n=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    return rng.standard_normal((n, FEATURES)), rng.standard_normal((n, LATENT)), np.eye(3)[labels]


def data(n=50):
    """Samples whose first feature is half their label."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, CLASSES, n).astype(np.uint8)
    return np.column_stack([labels / 2, rng.uniform(0, 1, (n, FEATURES - 1))]), labels


def fit(gan, x=None, labels=None, epochs=1, **options):
    if x is None:
        x, labels = data()
    return gan.fit(x.astype(gan.G.dtype), epochs, 8, labels=labels, progress=False, **options)


# -- what the networks see ---------------------------------------------------------------------


def test_each_sample_stands_beside_its_label():
    x, z, y = batch(6)
    gan = make(pack=2)
    np.testing.assert_array_equal(g_input(gan.rules, z, y), np.column_stack([z, y]))
    for order in "CF":
        packs = d_input(gan.rules, np.asarray(x, order=order), y)
        assert packs.shape == (3, 2 * (FEATURES + CLASSES))
        np.testing.assert_array_equal(packs[1], np.concatenate([x[2], y[2], x[3], y[3]]))
        np.testing.assert_array_equal(
            d_input_gradient(gan.rules, np.asarray(packs, order=order)), x
        )
    assert gan.latent_dim == LATENT
    assert gan.noise(5).shape == (5, LATENT)


def test_without_classes_nothing_is_copied():
    gan, (x, _, _) = make(classes=0), batch()
    assert g_input(gan.rules, x, None) is d_input(gan.rules, x, None) is x
    assert gan.feature_columns is None


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_both_players_whole_gradients(loss, pack, backend):
    gan = make(backend, pack=pack, loss=loss, g_optimizer=Still(), d_optimizer=Still())
    to_numpy, asarray = backend.to_numpy, backend.asarray
    x, z, y = map(asarray, batch())
    for network, step in (
        (gan.D, lambda: gan.discriminator_step(x, z, y=y)[0]),
        (gan.G, lambda: gan.generator_step(z, x, y=y)),
    ):
        step()
        analytic, params = to_numpy(network.grads).copy(), to_numpy(network.params).copy()

        def value(network=network, params=params, step=step):
            network.params[...] = asarray(params)
            return to_numpy(step())

        assert relative_error(analytic, numerical_gradient(value, params, h=1e-5)) < 1e-6


def test_both_losses_are_those_of_the_labelled_samples():
    gan = make(g_optimizer=Still(), d_optimizer=Still())
    x, z, y = batch()
    fake = gan.G(np.column_stack([z, y]))
    p_real, p_fake = (nn.Sigmoid()(gan.D(np.column_stack([a, y]))) for a in (x, fake))
    loss = gan.discriminator_step(x, z, y=y)[0]
    np.testing.assert_allclose(loss, -(np.log(p_real) + np.log(1 - p_fake)).mean())
    np.testing.assert_allclose(gan.generator_step(z, y=y), -np.log(p_fake).mean())


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("penalty", ["r1", "r2", "gradient_penalty"])
def test_penalties_are_of_the_gradient_in_the_features(penalty, pack):
    """D as a function of the features alone, the labels held fixed, has that very penalty."""
    gan = make(pack=pack, d_optimizer=Still(), penalty_every=2, **{penalty: 1.5})
    x, z, y = batch()
    loss = gan.discriminator_step(x, z, y=y)[0]
    grads = gan.D.grads.copy()
    numerical = numerical_gradient(
        lambda: gan.discriminator_step(x, z, y=y)[0], gan.D.params, h=1e-5
    )
    assert relative_error(grads, numerical) < 1e-6
    bare = gan.discriminator_step(x, z, y=y, penalise=False)[0]
    fake = gan.G(g_input(gan.rules, z, y))
    if penalty == "gradient_penalty":
        e = gan.backend.uniform(gan.key(Stream.BETWEEN, 0), (6 // pack, 1), "float64")
        e = e.repeat(pack, axis=0)
        at = e * x + (1 - e) * fake
    else:
        at = x if penalty == "r1" else np.ascontiguousarray(fake)

    def d(samples):
        return gan.D(d_input(gan.rules, samples, y)).sum()

    # One sample's gradient is that of the sum: D leaves the packs apart.
    squares = (numerical_gradient(lambda: d(at), at, h=1e-5).reshape(6 // pack, -1) ** 2).sum(1)
    wanted = 1.5 * (squares**0.5 - 1) ** 2 if penalty == "gradient_penalty" else 0.75 * squares
    np.testing.assert_allclose(loss - bare, 2 * wanted.mean(), rtol=1e-7)


def test_a_label_between_data_and_fake_is_the_label():
    gan = make(gradient_penalty=1.0)
    passes = record_passes(gan.D)
    x, z, y = batch()
    gan.discriminator_step(x, z, y=y)
    np.testing.assert_array_equal(passes[-1].x[:, FEATURES:], y)
    assert (passes[-1].x[:, :FEATURES] != x).any()


@pytest.mark.parametrize("pack", [1, 3])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_both_updates_have_the_same_gradients(loss, pack):
    x, z, y = batch()
    still = {"g_optimizer": Still(), "d_optimizer": Still()}
    apart = make(pack=pack, loss=loss, **still)
    at_once = make(pack=pack, loss=loss, update="simultaneous")
    apart.discriminator_step(x, z, y=y)
    apart.generator_step(z, x, y=y)
    at_once.simultaneous_step(x, z, y=y)
    assert relative_error(at_once.D.grads, apart.D.grads) < 1e-12
    assert relative_error(at_once.G.grads, apart.G.grads) < 1e-12


# -- the loop ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_minibatch_takes_its_labels_along_and_g_gets_those_of_the_last(dtype, monkeypatch):
    steps = record_steps(monkeypatch)
    fit(make(k=2, dtype=dtype))
    assert len(steps) == 3 * (50 // 16)
    for step in steps:
        assert step.y.dtype == dtype
        np.testing.assert_array_equal(step.y, np.eye(CLASSES)[(2 * step.x[:, 0]).astype(int)])
    for first, second, third in zip(steps[::3], steps[1::3], steps[2::3], strict=True):
        assert [step.player for step in (first, second, third)] == ["D", "D", "G"]
        assert second.y is third.y
        assert (first.y != second.y).any()


@pytest.mark.parametrize("update", ["alternating", "simultaneous"])
def test_a_compiled_step_sees_the_labels_that_it_is_given(gpu, update):
    x, labels = data()
    ends = []
    for backend in (nn.NumpyBackend(), gpu):
        gan = make(backend, dtype="float32", update=update)
        for given in (labels, 2 - labels):  # the second run's are others
            fit(gan, x, given, epochs=4)
        ends.append(backend.to_numpy(gan.G.params))
    np.testing.assert_allclose(*ends, rtol=1e-3, atol=1e-5)
    same = make(dtype="float32", update=update)
    for _ in range(2):
        fit(same, x, labels, epochs=4)
    assert np.abs(same.G.params - ends[0]).max() > 1e-3


@pytest.mark.parametrize("kind", [np.uint8, np.int64, list])
def test_labels_of_any_kind_of_whole_number(kind, backend):
    x, labels = data()
    first, second = (make(backend, dtype="float32") for _ in range(2))
    fit(first, x, labels)
    fit(second, x, labels.tolist() if kind is list else backend.asarray(labels.astype(kind)))
    assert saved_state(first) == saved_state(second)


@pytest.mark.parametrize("stop", [None, 2, 9])
def test_a_resumed_run_ends_with_the_bytes_of_the_uninterrupted_one(stop, tmp_path):
    whole, first = (make(dtype="float32", r1=1.0, ema=0.9) for _ in range(2))
    fit(whole, epochs=4)
    if stop is None:
        fit(first, epochs=2)
    else:
        interrupt_at(first, stop)
        with pytest.raises(KeyboardInterrupt):
            fit(first, epochs=4)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz")
    assert second.config() == whole.config()
    fit(second, epochs=4 - second.epoch)
    assert saved_state(second) == saved_state(whole)
    np.testing.assert_array_equal(second.sample(5), whole.sample(5))


def test_a_config_of_before_has_no_classes():
    config = make(classes=0).config()
    del config["classes"]
    assert nn.GAN.from_config(config).classes == 0


def test_the_game_learns_what_belongs_to_which_label():
    """A cloud for each class, and G puts each where its label says."""
    rng = np.random.default_rng(2)
    labels = np.arange(384) % CLASSES
    centres = np.eye(CLASSES, FEATURES)
    x = np.clip(centres[labels] + 0.1 * rng.standard_normal((384, FEATURES)), 0, 1)
    adam = {"lr": 1e-2, "beta1": 0.0}
    gan = make(g_optimizer=nn.Adam(**adam), d_optimizer=nn.Adam(**adam), r1=1.0, ema=0.98)
    gan.fit(x, 60, 32, labels=labels, progress=False)
    for label, centre in enumerate(centres):
        mean = gan.sample(200, labels=label).mean(axis=0)
        assert np.abs(mean - centre).max() < 0.2


# -- sampling ----------------------------------------------------------------------------------


def test_samples_of_labels(backend):
    gan = make(backend, dtype="float32", ema=0.9)
    z = backend.to_numpy(gan.latents(7))

    def expected(labels):
        seen = np.column_stack([z, np.eye(CLASSES)[labels]]).astype("float32")
        return backend.to_numpy(gan.G(backend.asarray(seen)))

    for labels, row in (
        (1, [1] * 7),
        (np.uint8(2), [2] * 7),
        ([2, 1, 0, 0, 0, 1, 2], [2, 1, 0, 0, 0, 1, 2]),
        (backend.asarray(np.array([0, 2, 1, 0, 2, 1, 0])), [0, 2, 1, 0, 2, 1, 0]),
        (np.array([1, 1, 2, 2, 0, 0, 1], np.uint8), [1, 1, 2, 2, 0, 0, 1]),
    ):
        for averaged in (True, False):
            samples = gan.sample(7, labels=labels, averaged=averaged)
            assert isinstance(samples, np.ndarray)
            np.testing.assert_allclose(samples, expected(row), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(gan.generate(z, labels), samples)
    np.testing.assert_allclose(gan.sample(4), gan.sample(7)[:4], rtol=1e-6)
    assert (gan.sample(7, labels=0) != gan.sample(7, labels=1)).any()


def labels_drawn(gan, n, **options):
    """Return the labels of samples for which none were given, by a G that says what it was told."""
    G = nn.Sequential(nn.Linear(LATENT + CLASSES, FEATURES))
    D = nn.Sequential(nn.Linear(FEATURES + CLASSES, 1))
    telling = nn.GAN(G, D, classes=CLASSES, backend=gan.backend)
    telling.label_counts[...] = gan.label_counts
    G.params[...] = 0
    G.layers[0].W[LATENT:, :CLASSES] = gan.backend.xp.eye(CLASSES)
    return telling.sample(n, **options).argmax(axis=1)


def test_labels_left_out_are_as_frequent_as_in_the_data(backend):
    gan = make(backend, dtype="float32")
    n = 9_000
    before = np.bincount(labels_drawn(gan, n), minlength=CLASSES) / n
    np.testing.assert_allclose(before, 1 / 3, atol=4 * (2 / 9 / n) ** 0.5)
    gan = make(backend, dtype="float32")
    x, _ = data()
    fit(gan, x, np.repeat([0, 2], [20, 30]))
    assert backend.to_numpy(gan.label_counts).tolist() == [20, 0, 30]
    drawn = labels_drawn(gan, n)
    after = np.bincount(drawn, minlength=CLASSES) / n
    np.testing.assert_allclose(after, [0.4, 0, 0.6], atol=4 * (0.24 / n) ** 0.5)
    # At random: each of twenty groups of every twentieth has both, and each seed others.
    assert all(len(set(drawn[i::20])) == 2 for i in range(20))
    np.testing.assert_array_equal(labels_drawn(gan, 50), drawn[:50])
    assert (labels_drawn(gan, 50, seed=1) != drawn[:50]).any()


def test_both_backends_draw_the_same_labels(gpu):
    first, second = (labels_drawn(make(b, dtype="float32"), 500) for b in ("numpy", gpu))
    np.testing.assert_array_equal(first, second)


def test_the_shares_of_the_labels_are_saved(tmp_path):
    gan, path = make(), tmp_path / "gan.npz"
    fit(gan, *(a[data()[1] != 1] for a in data()))
    gan.save(path)
    again = nn.GAN.load(path)
    assert again.label_counts.tolist() == gan.label_counts.tolist() != [1, 1, 1]
    np.testing.assert_array_equal(again.sample(50), gan.sample(50))


def test_a_fit_that_is_refused_leaves_the_shares_alone():
    gan = make()
    x, labels = data()
    with pytest.raises(ValueError, match="one step takes"):
        fit(gan, x[:5], labels[:5])
    assert gan.label_counts.tolist() == [1, 1, 1]


# -- mistakes of the caller --------------------------------------------------------------------

X, LABELS = data()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: fit(make(), X), r"labels must be 50 .* in 0..2.* has classes=3; got None"),
        (
            lambda: fit(make(), X, LABELS[:9]),
            r"50 whole numbers .*, got shape \(9,\) of dtype uint",
        ),
        (lambda: fit(make(), X, 1), r"got shape \(\) of dtype int64"),
        (lambda: fit(make(), X, LABELS / 1), "one for each sample, got .* of dtype float64"),
        (lambda: fit(make(), X, LABELS + 1), r"50 whole numbers in 0..2, .*, got 1..3"),
        (lambda: fit(make(), X, LABELS - np.int64(1)), r"got -1..1"),
        (lambda: fit(make(classes=0), X, LABELS), r"labels are for a game with classes: make it"),
        (lambda: make(classes=0).sample(3, labels=1), "labels are for a game with classes"),
        (lambda: make(classes=0).generate(batch()[1], [0] * 6), "labels are for a game with class"),
        (lambda: make().generate(batch()[1]), r"6 whole numbers .* has classes=3; got None"),
        (lambda: make().sample(3, labels=3), r"labels must be 3 whole numbers in 0..2, .* 3..3"),
        (lambda: make().sample(3, labels=-1), r"got -1..-1"),
        (lambda: make().sample(3, labels=[0, 1]), r"3 whole numbers.*got shape \(2,\)"),
        (lambda: make().sample(3, labels=1.5), "of dtype float64"),
        (lambda: make().sample(3, labels=True), "of dtype bool"),
        (lambda: make(classes=-1), "classes must be a whole number >= 0, got -1"),
        (
            lambda: nn.GAN(make().G, make(classes=0).D, classes=3),
            r"G must map \(N, latent_dim \+ 3\) .* D \(N, features \+ 3\) to \(N, 1\)",
        ),
        (
            lambda: nn.GAN(make().G, make().D, classes=3, pack=2),
            r"D \(N, 2 \* \(features \+ 3\)\) to \(N, 1\) in one dtype; G maps 6 to 6",
        ),
        (
            lambda: nn.GAN(
                nn.Sequential(nn.Linear(3, 4)), nn.Sequential(nn.Linear(7, 1)), classes=3
            ),
            "G maps 3 to 4",  # no column is left for z
        ),
        (
            lambda: make().discriminator_step(*batch()[:2]),
            r"a game with classes=3 takes one-hot labels y of shape \(6, 3\), got None",
        ),
        (
            lambda: make().generator_step(batch()[1], y=np.zeros((6, 2))),
            r"takes one-hot labels y of shape \(6, 3\), got \(6, 2\)",
        ),
        (
            lambda: make(classes=0, update="simultaneous").simultaneous_step(
                *batch()[:2], y=batch()[2]
            ),
            r"a game with classes=0 takes no labels y, got \(6, 3\)",
        ),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message):
    with pytest.raises(ValueError, match=message) as error:
        mistake()
    assert "\n" not in str(error.value)
