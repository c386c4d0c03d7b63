"""Gradient penalties: each layer's tangent, the whole gradient, what is refused, the game."""

import numpy as np
import pytest
from games import FEATURES, LATENT, Still, assert_captured, data, game, record_passes, record_steps
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layer_examples import ELEMENTWISE, PENALISED
from numerical import numerical_gradient, relative_error

import nngan as nn
from nngan.backend import Stream
from nngan.gradcheck.backward import check_backward
from nngan.gradcheck.tangents import TangentSubject
from nngan.gradcheck.targets import make_subject
from nngan.losses import OBJECTIVES
from nngan.penalties import add_penalty, gradient_penalty, one_centred, r1, r2, zero_centred

each_layer = pytest.mark.parametrize("example", PENALISED.values(), ids=PENALISED)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# -- each layer --------------------------------------------------------------------------------


@each_layer
def test_tangent_is_the_directional_derivative(example, backend):
    layer, x, x_dot = example.network(backend).layers[0], example.x(6), example.x(6, seed=1)

    def along(h):
        return backend.to_numpy(layer.forward(backend.asarray(x + h * x_dot))[0])

    _, cache = layer.forward(backend.asarray(x))
    y_dot = backend.to_numpy(layer.tangent(backend.asarray(x_dot), cache))
    assert relative_error(y_dot, (along(1e-6) - along(-1e-6)) / 2e-6) < 1e-8


@each_layer
def test_tangent_is_the_transpose_of_backward(example):
    layer, x, x_dot = example.network().layers[0], example.x(6), example.x(6, seed=1)
    y, cache = layer.forward(x)
    dy = normal(*y.shape, seed=2)
    ours, theirs = (
        (dy * layer.tangent(x_dot, cache)).sum(),
        (layer.backward(dy, cache) * x_dot).sum(),
    )
    assert abs(ours - theirs) < 1e-13 * np.abs(dy * y).sum()


@pytest.mark.parametrize("n", [1, 5])
@each_layer
def test_backward_tangent_is_the_derivative_of_tangent(example, n):
    layer = make_subject(example.network().layers[0], (example.x(n),))
    tangent = TangentSubject(layer, example.x(n, seed=1), example.x(n))
    report = check_backward(tangent, np.random.default_rng(0), thorough=True)
    assert report.ok, str(report)


@each_layer
def test_no_pass_changes_what_it_was_handed(example):
    layer, x, x_dot = example.network().layers[0], example.x(6), example.x(6, seed=1)
    y, cache = layer.forward(x)
    dy_dot = normal(*y.shape, seed=2)
    first = layer.backward(dy_dot, cache)
    for array in (x, x_dot, dy_dot):
        array.flags.writeable = False
    layer.tangent(x_dot, cache)
    layer.backward_tangent(dy_dot, x_dot, cache)
    np.testing.assert_array_equal(layer.backward(dy_dot, cache), first)


# -- the whole gradient ------------------------------------------------------------------------

PENALTIES = {
    "r1": lambda D, x, **options: r1(D, x, 3.0, **options),
    "r2": lambda D, x, **options: r2(D, x, 3.0, **options),
    "gradient_penalty": lambda D, x, **options: gradient_penalty(D, x, 0.5, **options),
}


def discriminator(*names, features=4, width=5, backend="numpy", seed=1):
    """Return a D with a Linear before each of these layers and one at the end."""
    layers, n_in = [], features
    for name in names:
        layers += [nn.Linear(n_in, width), ELEMENTWISE[name].make()]
        n_in = width
    net = nn.Sequential(*layers, nn.Linear(n_in, 1), seed=seed, dtype="float64", backend=backend)
    net.params += net.backend.asarray(0.3 * normal(net.size, seed=9))
    return net


def value(D, x, penalty):
    """Return the penalty by its definition, from the gradient in the input alone."""
    y, cache = D.forward(x)
    squares = (D.backward(np.ones_like(y), cache, param_grads=False) ** 2).sum(axis=1)
    if penalty == "gradient_penalty":
        return 0.5 * ((np.sqrt(squares) - 1) ** 2).mean()
    return 1.5 * squares.mean()


def assert_right(D, x, penalty):
    D.grads.fill(7)
    returned = PENALTIES[penalty](D, x)
    assert relative_error(returned, value(D, x, penalty)) < 1e-13
    numerical = numerical_gradient(lambda: value(D, x, penalty), D.params, h=1e-5)
    assert relative_error(D.grads - 7, numerical) < 1e-6  # 7: it adds


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("first", ELEMENTWISE)
@pytest.mark.parametrize("second", ELEMENTWISE)
def test_every_pair_of_layers(first, second, penalty):
    assert_right(discriminator(first, second), normal(3, 4), penalty)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_one_linear_layer_and_one_feature(penalty):
    """|grad_x D| is |W| everywhere."""
    assert_right(discriminator(), normal(3, 4), penalty)
    assert_right(discriminator(features=1), normal(1, 1), penalty)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_maxout(penalty):
    """The first D of all, made smaller."""
    D = nn.Sequential(
        nn.Linear(4, 6), nn.Maxout(2, 3), nn.Tanh(), nn.Linear(2, 6), nn.Maxout(3, 2),
        nn.Linear(3, 1), seed=3, dtype="float64",
    )  # fmt: skip
    assert_right(D, normal(3, 4), penalty)


@settings(deadline=None, max_examples=30)
@given(
    names=st.lists(st.sampled_from(list(ELEMENTWISE)), min_size=0, max_size=4),
    penalty=st.sampled_from(list(PENALTIES)),
    n=st.integers(1, 4),
    width=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_random_networks(names, penalty, n, width, seed):
    D = discriminator(*names, features=3, width=width, seed=seed)
    x = normal(n, 3, seed=seed)
    # Within the step of the differences no ReLU may bend, and no gradient vanish (a kink of |g|).
    assume(not is_near_a_kink(D, x))
    y, cache = D.forward(x)
    g = D.backward(np.ones_like(y), cache, param_grads=False)
    assume(np.abs(g).max(axis=1).min() > 1e-3)
    assert_right(D, x, penalty)


def is_near_a_kink(D, x, h=1e-3):
    """Tell whether the slope of a layer jumps within `h` of its input."""
    for layer in D.layers:
        above, below = (layer.forward(x + step)[1] for step in (h, -h))
        slopes = (layer.tangent(np.ones_like(x), cache) for cache in (above, below))
        if np.abs(np.subtract(*slopes)).max() > 0.05:  # a curve bends less within 2 h
            return True
        x = layer.forward(x)[0]
    return False


def test_the_same_on_every_backend(backend):
    D, twin = (discriminator("LeakyReLU", "Tanh", "Dropout", backend=b) for b in ("numpy", backend))
    x = normal(6, 4)
    for penalty in PENALTIES.values():
        ours, theirs = penalty(D, x), penalty(twin, backend.asarray(x))
        assert relative_error(ours, backend.to_numpy(theirs)) < 1e-13
    assert relative_error(D.grads, backend.to_numpy(twin.grads)) < 1e-13


# -- with the loss, in one ---------------------------------------------------------------------


class OwnLinear(nn.Layer):
    """A student's layer: it knows no options, only what a penalty asks for."""

    couples_samples = False

    def __init__(self, n_in, n_out):
        self.n_in, self.n_out = n_in, n_out
        self.shapes = {"W": (n_in, n_out)}
        self.bind(np.zeros(self.size), np.zeros(self.size), self.backend)

    def forward(self, x, training=True, key=None):
        return self.backend.matmul(x, self.W), x

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        if param_grads:
            self.dW += self.backend.matmul(cache.T, dy)
        return self.backend.matmul(dy, self.W.T)

    def tangent(self, x_dot, cache):
        return self.backend.matmul(x_dot, self.W)

    def backward_tangent(self, dy_dot, x_dot, cache):
        self.dW += self.backend.matmul(x_dot.T, dy_dot)


def own_discriminator():
    layers = OwnLinear(4, 5), nn.Tanh(), nn.Sequential(nn.Linear(5, 4), nn.LeakyReLU())
    net = nn.Sequential(*layers, nn.Linear(4, 1), seed=None, dtype="float64")
    net.params[...] = normal(net.size, seed=9)
    return net


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize(
    "make", [own_discriminator, lambda: discriminator("LeakyReLU", "Dropout", "Sigmoid")]
)
def test_the_losses_gradient_comes_along(make, accumulate):
    D, x, dlogits = make(), normal(6, 4), normal(6, 1, seed=3)
    logits, cache = D.forward(x)
    D.grads.fill(7 if accumulate else 0)
    D.backward(dlogits, cache)
    apart = add_penalty(D, logits, cache, zero_centred(3.0))
    expected = D.grads.copy()
    D.grads.fill(7)
    together = add_penalty(
        D, logits, cache, zero_centred(3.0), dlogits=dlogits, accumulate=accumulate
    )
    assert together == apart
    assert relative_error(D.grads, expected) < 1e-14


@pytest.mark.parametrize("phi", [zero_centred(3.0), one_centred(0.5)], ids=["zero", "one"])
def test_a_penalty_of_the_gradient_in_some_columns(phi):
    D, x, dlogits = discriminator("Tanh", "LeakyReLU"), normal(6, 4), normal(6, 1, seed=3)
    columns = np.array([1.0, 0.0, 1.0, 0.0])

    def slope(column):
        step = 1e-6 * (np.arange(4) == column)
        return (D(x + step) - D(x - step)) / 2e-6

    logits, cache = D.forward(x)
    penalty = add_penalty(D, logits, cache, phi, dlogits=dlogits, columns=columns)
    assert penalty == pytest.approx(phi(slope(0) ** 2 + slope(2) ** 2)[0].mean(), rel=1e-7)

    def value():
        y, cache = D.forward(x)
        g = D.backward(np.ones_like(y), cache, param_grads=False)[:, [0, 2]]
        return phi((g * g).sum(axis=1, keepdims=True))[0].mean() + (dlogits * y).sum()

    assert relative_error(D.grads, numerical_gradient(value, D.params, h=1e-5)) < 1e-6


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_layer_of_your_own(penalty):
    assert_right(own_discriminator(), normal(6, 4), penalty)


@pytest.mark.parametrize("make", [own_discriminator, lambda: discriminator("Tanh", "Sigmoid")])
def test_the_derivative_in_the_input_is_a_product_with_the_hessian(make):
    """H v, where H is the second derivative of D in one sample's features."""
    D, x, v = make(), normal(6, 4), normal(6, 4, seed=1)

    def g(x):
        y, cache = D.forward(x)
        return D.backward(np.ones_like(y), cache)

    y, cache = D.forward(x)
    ours = D.backward_tangent(np.ones_like(y), v, cache)
    assert relative_error(ours, (g(x + 1e-6 * v) - g(x - 1e-6 * v)) / 2e-6) < 1e-8


def test_where_d_is_flat_the_wasserstein_penalty_has_no_direction():
    D = nn.Sequential(nn.Linear(2, 1), dtype="float64")
    D.params.fill(0)
    assert gradient_penalty(D, normal(3, 2), 10.0) == 10
    assert (D.grads == 0).all()


# -- what is refused ---------------------------------------------------------------------------


class Coupled(OwnLinear):
    couples_samples = True


class WithoutTangent(OwnLinear):
    tangent = nn.Layer.tangent


class WithoutBackwardTangent(OwnLinear):
    backward_tangent = nn.Layer.backward_tangent


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Coupled, "Coupled couples the samples of a minibatch: leave it out of D"),
        (WithoutTangent, r"WithoutTangent has no tangent pass.*tangent\(x_dot, cache\)"),
        (WithoutBackwardTangent, "has parameters but no backward_tangent.* to dW"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_layers_that_cannot_be_penalised(layer, message, nested):
    layers = [nn.Sequential(layer(4, 3))] if nested else [layer(4, 3)]
    D = nn.Sequential(*layers, nn.Linear(3, 1), dtype="float64", seed=None)
    for penalty in PENALTIES.values():
        with pytest.raises(NotImplementedError, match=message):
            penalty(D, normal(5, 4))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: r1(nn.Sequential(nn.Linear(2, 3)), normal(5, 2)), "one output per sample, got 3"),
        (lambda: r1(discriminator(), normal(5, 4), -1.0), "gamma must be a number >= 0, got -1.0"),
        (lambda: gradient_penalty(discriminator(), normal(5, 4), np.nan), "weight must be a numb"),
        (lambda: game(r1=-1.0), "r1 must be a number >= 0, got -1.0"),
        (lambda: game(r2=np.inf), "r2 must be a number >= 0, got inf"),
        (lambda: game(gradient_penalty=-1), "gradient_penalty must be a number >= 0, got -1"),
        (
            lambda: game(update="simultaneous", gradient_penalty=1),
            "got gradient_penalty=1.0: make",
        ),
        (lambda: game(penalty_every=0), "penalty_every must be a positive whole number, got 0"),
        (lambda: game(update="simultaneous", r2=1.0), "takes no penalties, got r2=1.0: make it 0"),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()


def test_a_game_refuses_its_d_at_once():
    D = nn.Sequential(Coupled(6, 3), nn.Linear(3, 1), seed=None)
    G = nn.Sequential(nn.Linear(2, 6))
    nn.GAN(G, D)
    for name in ("r1", "r2", "gradient_penalty"):
        with pytest.raises(NotImplementedError, match="Coupled couples the samples"):
            nn.GAN(G, D, **{name: 1.0})


# -- the game ----------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("r1", "r2"), [(2.0, 0.0), (0.0, 2.0), (2.0, 3.0)])
def test_the_discriminators_whole_gradient(r1, r2, dropout, every):
    gan = game(r1=r1, r2=r2, penalty_every=every, dropout=dropout, d_optimizer=Still())
    x, z = normal(5, FEATURES), normal(5, LATENT, seed=1)
    gan.D.grads.fill(7)
    loss, *means = gan.discriminator_step(x, z)
    numerical = numerical_gradient(lambda: gan.discriminator_step(x, z)[0], gan.D.params, h=1e-5)
    gan.discriminator_step(x, z)
    assert relative_error(gan.D.grads, numerical) < 1e-6
    # The rest is what it was, and the penalties count so many times as much.
    plain = game(dropout=dropout, d_optimizer=Still())
    bare, *bare_means = plain.discriminator_step(x, z)
    np.testing.assert_allclose(means, bare_means)
    np.testing.assert_allclose(gan.discriminator_step(x, z, penalise=False)[0], bare)
    np.testing.assert_allclose(gan.D.grads, plain.discriminator_step(x, z) and plain.D.grads)
    penalties = 0.0
    for gamma, batch, j in ((r1, x, 1), (r2, plain.G.forward(z)[0], 2)):
        key = plain.key(Stream.DISCRIMINATOR_STEP, j)
        penalties += nn.penalties.r1(plain.D, batch, gamma, key=key)
    np.testing.assert_allclose(loss - bare, every * penalties)


def passes_of_d(gan, x, z, **options):
    """Return what D sees in its step, and with which stream of random numbers."""
    passes = record_passes(gan.D)
    gan.discriminator_step(x, z, **options)
    del gan.D.forward
    return [(p.x, p.key and p.key.stream) for p in passes]


def test_the_third_pass_looks_between_data_and_fakes():
    """Gulrajani et al. 2017, Algorithm 1: one e for each sample, and a new one in each step."""
    gan = game(dropout=0.3, gradient_penalty=10.0, d_optimizer=Still())
    x, z = normal(500, FEATURES), normal(500, LATENT, seed=1)

    def e(i=0):
        *_, (x_hat, _) = passes_of_d(gan, x, z, i=i)
        fake = gan.G.forward(z)[0]
        e = (x_hat - fake) / (x - fake)
        np.testing.assert_allclose(e, np.broadcast_to(e[:, :1], e.shape), rtol=1e-9)
        return e[:, 0]

    first = e()
    assert -1e-9 < first.min() < 0.01
    assert 0.99 < first.max() < 1 + 1e-9
    assert abs(first.mean() - 0.5) < 0.05
    assert abs(first.std() - 12**-0.5) < 0.02
    assert (e() == first).all()
    assert (e(1) != first).all()
    gan.clock += 1
    assert (e() != first).all()


def test_the_third_pass_is_there_only_where_it_is_due_and_has_masks_of_its_own():
    gan = game(dropout=0.3, gradient_penalty=10.0)
    x, z = normal(5, FEATURES), normal(5, LATENT, seed=1)
    streams = [stream for i in (0, 1) for _, stream in passes_of_d(gan, x, z, i=i)]
    assert len(set(streams)) == len(streams) == 6
    assert len(passes_of_d(gan, x, z, penalise=False)) == 2
    assert len(passes_of_d(game(dropout=0.3), x, z)) == 2


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("options", [{}, {"r1": 2.0}, {"r2": 2.0}], ids=str)
def test_the_whole_gradient_with_the_wasserstein_penalty(options, dropout, every):
    options = {"dropout": dropout, "penalty_every": every, **options}
    gan = game(gradient_penalty=3.0, d_optimizer=Still(), **options)
    plain = game(d_optimizer=Still(), **options)
    x, z = normal(5, FEATURES), normal(5, LATENT, seed=1)
    gan.D.grads.fill(7)
    loss, *means = gan.discriminator_step(x, z)
    numerical = numerical_gradient(lambda: gan.discriminator_step(x, z)[0], gan.D.params, h=1e-5)
    gan.discriminator_step(x, z)
    assert relative_error(gan.D.grads, numerical) < 1e-6
    # The rest is what it was, and the penalty is the one of the definition.
    bare, *bare_means = plain.discriminator_step(x, z)
    np.testing.assert_array_equal(means, bare_means)
    *_, (x_hat, _) = passes_of_d(gan, x, z)
    key = gan.key(Stream.BETWEEN, 1)
    penalty = gradient_penalty(plain.D, x_hat, 3.0, key=key)
    np.testing.assert_allclose(loss - bare, every * penalty)
    np.testing.assert_array_equal(
        gan.discriminator_step(x, z, penalise=False)[0],
        plain.discriminator_step(x, z, penalise=False)[0],
    )
    np.testing.assert_array_equal(gan.D.grads, plain.D.grads)


@pytest.mark.parametrize("loss", OBJECTIVES)
def test_the_wasserstein_penalty_goes_with_any_loss(loss):
    gan = game(dropout=0.3, loss=loss, gradient_penalty=3.0, d_optimizer=Still())
    x, z = normal(5, FEATURES), normal(5, LATENT, seed=1)
    numerical = numerical_gradient(lambda: gan.discriminator_step(x, z)[0], gan.D.params, h=1e-5)
    gan.discriminator_step(x, z)
    assert relative_error(gan.D.grads, numerical) < 1e-6


def test_a_lazy_game_is_penalised_every_kth_step(backend, monkeypatch):
    """The host counts, across epochs, saving and loading; what is compiled decides nothing."""
    x = data(20)
    gan = game(dropout=0.3, r1=1.0, penalty_every=3, backend=backend)
    with monkeypatch.context() as patch:
        steps = record_steps(patch)
        gan.fit(x, 4, 5, progress=False)
    if backend.name == "numpy":  # elsewhere a graph is replayed, and calls nothing
        due = [step.penalise for step in steps if step.player == "D"]
        assert due == [i % 3 == 0 for i in range(16)]
    reference = game(dropout=0.3, r1=1.0, penalty_every=3)
    reference.fit(x, 2, 5, progress=False)
    reference.fit(x, 2, 5, progress=False)
    for a, b in ((gan.D.params, reference.D.params), (gan.G.params, reference.G.params)):
        np.testing.assert_allclose(backend.to_numpy(a), b, rtol=1e-9, atol=1e-12)
    assert gan.history["d_loss"] == pytest.approx(reference.history["d_loss"])


def test_a_penalised_game_is_saved_and_goes_on(tmp_path):
    gan = game(dropout=0.3, r1=1.0, r2=0.5, gradient_penalty=2.0, penalty_every=3)
    x = data(20)
    gan.fit(x, 1, 5, progress=False)
    gan.save(tmp_path / "gan.npz")
    again = nn.GAN.load(tmp_path / "gan.npz")
    assert (again.r1, again.r2, again.gradient_penalty, again.penalty_every) == (1.0, 0.5, 2.0, 3)
    for one in (gan, again):
        one.fit(x, 2, 5, progress=False)
    np.testing.assert_array_equal(again.D.params, gan.D.params)
    old = gan.config()
    for name in ("r1", "r2", "gradient_penalty", "penalty_every"):
        del old[name]  # as an earlier version wrote it
    old = nn.GAN.from_config(old)
    assert (old.r1, old.gradient_penalty) == (0, 0)


def test_a_penalised_step_can_be_captured(gpu):
    gan = game(gpu, dropout=0.3, r1=1.0, r2=1.0)
    x, z = (gpu.asarray(a) for a in (normal(5, FEATURES), normal(5, LATENT)))
    assert_captured(gpu, lambda: gan.discriminator_step(x, z))
    assert np.isfinite(gpu.to_numpy(gan.D.params)).all()


# -- the Dirac-GAN -----------------------------------------------------------------------------


def dirac(gamma, steps=500, lr=0.1):
    """Play Mescheder's simplest game and return the distances from its equilibrium (0, 0).

    The data are 0, G makes theta whatever z is, and D(x) = psi x.
    """
    G = nn.Sequential(nn.Linear(1, 1), seed=None, dtype="float64")
    D = nn.Sequential(nn.Linear(1, 1), seed=None, dtype="float64")
    gan = nn.GAN(G, D, loss="minimax", r1=gamma, g_optimizer=nn.SGD(lr), d_optimizer=nn.SGD(lr))
    x, z = np.zeros((1, 1)), np.zeros((1, 1))
    G.layers[0].W.fill(0)
    G.layers[0].b.fill(1)
    D.layers[0].W.fill(1)
    distances = []
    for _ in range(steps):
        D.layers[0].b.fill(0)  # the paper's D has no bias
        gan.discriminator_step(x, z)
        D.layers[0].b.fill(0)
        gan.generator_step(z)
        distances.append(np.hypot(G.layers[0].b[0], D.layers[0].W[0, 0]))
    return np.array(distances)


def test_the_dirac_gan_circles_without_r1_and_converges_with_it():
    """Mescheder et al. 2018, sections 2 and 4."""
    circling, converging = dirac(0.0), dirac(1.0)
    assert circling[-100:].min() > 0.99 * circling[:100].min()
    assert converging[-1] < 1e-6


# -- the checker checks them -------------------------------------------------------------------


class TangentDoubled(OwnLinear):
    def tangent(self, x_dot, cache):
        return 2 * super().tangent(x_dot, cache)


class TangentMisshapen(OwnLinear):
    def tangent(self, x_dot, cache):
        return x_dot


class WeightForgotten(OwnLinear):
    def backward_tangent(self, dy_dot, x_dot, cache):
        return None


class WeightWithBias(OwnLinear):
    def backward_tangent(self, dy_dot, x_dot, cache):
        self.dW += self.backend.matmul(cache.T, dy_dot)


class CurvatureForgotten(nn.Tanh):
    backward_tangent = nn.Layer.backward_tangent


class CurvatureSign(nn.Tanh):
    def backward_tangent(self, dy_dot, x_dot, cache):
        return -super().backward_tangent(dy_dot, x_dot, cache)


@pytest.mark.parametrize(
    ("layer", "kind", "sentence"),
    [
        (TangentDoubled(4, 3), "tangent", "tangent is not the derivative"),
        (TangentMisshapen(4, 3), "tangent", "tangent must return an array of the output's shape"),
        (WeightForgotten(4, 3), "zero", "backward_tangent, as the gradient of <dy_dot, tangent"),
        (WeightWithBias(4, 3), "unknown", "backward_tangent, as the gradient of <dy_dot, tangent"),
        (CurvatureForgotten(), "zero", "backward_tangent, as the gradient of <dy_dot, tangent"),
        (CurvatureSign(), "sign", "backward_tangent, as the gradient of <dy_dot, tangent"),
    ],
)
def test_the_checker_finds_mistakes_in_these_passes(layer, kind, sentence):
    layer = nn.Sequential(layer, seed=None, dtype="float64").layers[0]
    if layer.size:
        layer.W[...] = normal(4, 3)
    report = nn.check_gradients(layer, normal(5, 4))
    assert not report.ok
    assert [f.kind for f in report.findings] == [kind], str(report)
    assert report.findings[0].sentence.startswith(sentence)


def test_the_checker_asks_for_no_tangent():
    for kind in (OwnLinear, WithoutTangent, WithoutBackwardTangent):
        net = nn.Sequential(kind(4, 3), seed=None, dtype="float64")
        net.params[...] = normal(12)
        nn.assert_gradients(net.layers[0], normal(5, 4))
        nn.assert_gradients(net, normal(5, 4))
