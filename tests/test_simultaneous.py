"""One pass for both players: the same gradients as two backward passes, however sure D is."""

import numpy as np
import pytest
from games import FEATURES, LATENT, Still, assert_captured, batch, data, fit, game, step_of

import nngan as nn
from nngan.losses import OBJECTIVES


def two_passes(gan, x, z):
    """Return both players' gradients, each from a forward and a backward pass of its own."""
    G, D = gan.G, gan.D
    fake, g_cache = G.forward(z)
    real_logits, real_cache = D.forward(x)
    fake_logits, fake_cache = D.forward(fake)
    _, d_real, d_fake = gan.rules.objective.discriminator(
        real_logits, fake_logits, gan.label_smoothing
    )
    D.zero_grad()
    D.backward(d_real, real_cache)
    D.backward(d_fake, fake_cache)
    d_grads = D.grads.copy()
    logits = [fake_logits, real_logits] if gan.rules.objective.pairs else [fake_logits]
    _, d_logits = gan.rules.objective.generator(*logits)
    G.zero_grad()
    G.backward(D.backward(d_logits, fake_cache, param_grads=False), g_cache)
    return d_grads, G.grads.copy()


@pytest.mark.parametrize("bias", [0.0, 30.0, -30.0, 300.0, -300.0])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_it_is_two_backward_passes(loss, bias):
    """Where D is sure its gradient vanishes, and G's must not be lost with it, nor overflow."""
    options = {"g_optimizer": Still(), "d_optimizer": Still()}
    smoothing = 0.1 if OBJECTIVES[loss].labels else 0.0
    gan = game(update="simultaneous", loss=loss, label_smoothing=smoothing, **options)
    gan.D.layers[-1].b[...] = bias
    x, z = batch()
    expected = two_passes(gan, x, z)
    gan.simultaneous_step(x, z)
    for grads, reference in zip((gan.D.grads, gan.G.grads), expected, strict=True):
        np.testing.assert_allclose(grads, reference, rtol=1e-12, atol=1e-14 * abs(reference).max())
    if loss == "non_saturating" and bias < 0:
        assert np.abs(gan.G.grads).max() > 1e-4  # D is sure of every fake: G learns all the more


def test_both_players_move_from_where_both_were(backend):
    """After one step G has moved against the old D: the alternating step's G sees the new one."""
    first, second = (game(backend, "float32", update=u) for u in ("simultaneous", "alternating"))
    x, z = (backend.asarray(a.astype("float32")) for a in batch())
    first.simultaneous_step(x, z)
    second.discriminator_step(x, z)
    np.testing.assert_allclose(
        *(backend.to_numpy(gan.D.params) for gan in (first, second)), rtol=1e-5, atol=1e-6
    )
    assert (backend.to_numpy(first.G.params) != backend.to_numpy(second.G.params)).any()


def test_what_it_returns():
    gan = game(update="simultaneous", g_optimizer=Still(), d_optimizer=Still())
    x, z = batch()
    d_loss, g_loss, d_real, d_fake = gan.simultaneous_step(x, z)
    again = game(d_optimizer=Still(), g_optimizer=Still())
    np.testing.assert_allclose((d_loss, d_real, d_fake), again.discriminator_step(x, z))
    np.testing.assert_allclose(g_loss, again.generator_step(z))


def test_backends_play_the_same_simultaneous_game(backend):
    results = []
    for b in (nn.NumpyBackend(), backend):
        gan = game(b, dropout=0.3, update="simultaneous")
        step = step_of(gan, 30, batch_size=4, compiled=False)
        for _ in range(30):
            step()
        results.append([b.to_numpy(a) for a in (gan.G.params, gan.D.params, gan.log)])
    for reference, result in zip(*results, strict=True):
        np.testing.assert_allclose(result, reference, rtol=1e-4, atol=1e-6)


def test_the_simultaneous_step_can_be_captured(gpu):
    gan = game(gpu, dropout=0.3, update="simultaneous")
    assert_captured(gpu, step_of(gan, 9, batch_size=4, compiled=False), calls=6)
    assert gpu.to_numpy(gan.clock)[0] == 6


def test_a_simultaneous_run_learns_and_is_the_same_again():
    ends = []
    for _ in range(2):
        gan = game(dtype="float32", update="simultaneous")
        before = gan.G.params.copy(), gan.D.params.copy()
        fit(gan, data(64))
        assert (before[0] != gan.G.params).any()
        assert (before[1] != gan.D.params).any()
        ends.append(gan.G.params.tobytes())
    assert ends[0] == ends[1]
    assert nn.GAN.from_config(gan.config()).update == "simultaneous"


class Centre(nn.Layer):
    """A layer that couples samples: y = x minus the mean of the minibatch."""

    def forward(self, x, training=True, key=None):
        return x - x.mean(axis=0), None

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return dy - dy.mean(axis=0)


class Scale(nn.Layer):
    """A student's layer with a parameter, and without the options of `Linear.backward`."""

    couples_samples = False

    def __init__(self, n):
        self.n = n
        self.shapes = {"s": (n,)}
        self.bind(np.ones(n), np.zeros(n), self.backend)

    def forward(self, x, training=True, key=None):
        return self.s * x, x

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        if param_grads:
            self.ds += (dy * cache).sum(axis=0)
        return self.s * dy


def with_layer(layer, **options):
    """Return a game of its own: the tests are about the layer in the middle of D."""
    G = nn.Sequential(nn.Linear(LATENT, FEATURES), seed=1, dtype="float64")
    D = nn.Sequential(nn.Linear(FEATURES, 6), layer, nn.Linear(6, 1), seed=2, dtype="float64")
    return nn.GAN(G, D, **options)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: game(update="simultaneous", k=2),
        lambda: with_layer(Centre(), update="simultaneous"),
        lambda: with_layer(Scale(6), update="simultaneous"),
        lambda: with_layer(nn.Sequential(Scale(6)), update="simultaneous"),
    ],
)
def test_where_one_pass_is_not_enough(mistake):
    with pytest.raises(ValueError, match="update='simultaneous' needs k=1 and a D whose layers"):
        mistake()


def test_update_has_two_values():
    with pytest.raises(ValueError, match="update must be one of alternating, simultaneous"):
        game(update="both")


@pytest.mark.parametrize("layer", [nn.LeakyReLU(0.2), Centre(), Scale(6)], ids=type)
def test_the_gradient_of_d_is_that_of_two_passes(layer):
    """Also with a layer that couples samples."""
    gan = with_layer(layer, d_optimizer=Still())
    x, z = batch()
    gan.D.grads.fill(5)  # what an earlier step left must not matter
    gan.discriminator_step(x, z)
    expected, _ = two_passes(with_layer(layer), x, z)
    np.testing.assert_allclose(gan.D.grads, expected, rtol=1e-12, atol=1e-15)


class Centred(nn.Linear):
    """A library's layer that a student changed: now it couples samples, and does not say so."""

    def forward(self, x, training=True, key=None):
        return super().forward(x - x.mean(axis=0), training, key)

    def backward(self, dy, cache, **options):
        dx = super().backward(dy, cache, **options)
        return dx if dx is None else dx - dx.mean(axis=0)


def test_a_changed_forward_is_not_believed_to_leave_samples_apart():
    assert Centred(6, 6).couples_samples
    assert not nn.Linear(6, 6).couples_samples
    gan = with_layer(Centred(6, 6), d_optimizer=Still())
    x, z = batch()
    gan.discriminator_step(x, z)
    expected, _ = two_passes(with_layer(Centred(6, 6)), x, z)
    np.testing.assert_allclose(gan.D.grads, expected, rtol=1e-12, atol=1e-15)


class Residual(nn.Layer):
    """A layer around a layer: it has parameters, but no `shapes` of its own."""

    couples_samples = False

    def __init__(self, n):
        self.n, self.f = n, nn.Linear(n, n)

    @property
    def size(self):
        return self.f.size

    def values(self):
        return self.f.values()

    def bind(self, params, grads, backend):
        self.f.bind(params, grads, backend)

    def forward(self, x, training=True, key=None):
        y, cache = self.f.forward(x)
        return x + y, cache

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return dy + self.f.backward(dy, cache, param_grads=param_grads)


def test_gradients_of_a_layer_around_a_layer_do_not_pile_up():
    gan = with_layer(Residual(6), d_optimizer=Still())
    x, z = batch()
    gan.discriminator_step(x, z)
    first = gan.D.grads.copy()
    gan.discriminator_step(x, z)
    np.testing.assert_array_equal(gan.D.grads, first)
