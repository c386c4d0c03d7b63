"""The library under its own checker: every layer, loss, network and both players' whole paths.

At the initial weights and after some steps of training, on every backend, down to one sample and
one feature.
"""

import itertools

import numpy as np
import pytest
from games import game
from layer_examples import ELEMENTWISE, EXAMPLES

import nngan as nn
from nngan.losses import OBJECTIVES
from nngan.recipes import RECIPES

LATENT, FEATURES = 2, 2


def inputs(n, features, seed=0):
    return np.random.default_rng(seed).standard_normal((n, features))


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_every_layer(example, n, backend):
    net = nn.Sequential(example.make(), backend=backend)
    for width in example.widths:
        nn.assert_gradients(net.layers[0], example.x(n, width), thorough=True)


@pytest.mark.parametrize("first", ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_every_pair_of_elementwise_layers(first, backend):
    for second in ELEMENTWISE.values():
        net = nn.Sequential(
            nn.Linear(4, 5), first.make(), second.make(), nn.Linear(5, 2),
            seed=1, backend=backend,
        )  # fmt: skip
        nn.assert_gradients(net, inputs(3, 4))


def test_networks_in_networks(backend):
    inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    net = nn.Sequential(inner, nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 2)), backend=backend)
    nn.assert_gradients(net, inputs(3, 3), thorough=True)


@pytest.mark.parametrize("n", [1, 6])
def test_every_loss(n):
    logits, rng = 2 * inputs(n, 1), np.random.default_rng(1)
    for target in (rng.uniform(0, 1, (n, 1)), 0.0, 0.9, 1.0):
        nn.assert_gradients(nn.bce_with_logits, logits, target, thorough=True)
        nn.assert_gradients(nn.bce, rng.uniform(0.05, 0.95, (n, 1)), target, thorough=True)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("n", [1, 6])
def test_every_objective(name, n):
    real, fake = inputs(n, 1), inputs(n, 1, seed=1)
    for smoothing in (0.0, 0.1):
        nn.assert_gradients(OBJECTIVES[name].discriminator, real, fake, smoothing, thorough=True)
    paired = [real] if OBJECTIVES[name].pairs else []
    nn.assert_gradients(OBJECTIVES[name].generator, fake, *paired, thorough=True)


def trained_by_adam(loss, backend, dropout=0.3):
    """Return a game of few parameters, because the checker takes one after the other."""
    adam = {"lr": 1e-2, "beta1": 0.5}
    return game(
        backend, latent_dim=LATENT, features=FEATURES, dropout=dropout,
        loss=loss, label_smoothing=0.1 * OBJECTIVES[loss].labels,
        g_optimizer=nn.Adam(**adam), d_optimizer=nn.Adam(**adam),
    )  # fmt: skip


def whole_paths(gan, x, z, y=None):
    """Return (function, parameters) of G's and of D's loss, as functions of their parameters."""
    gan.g_optimizer.lr = gan.d_optimizer.lr = 0.0
    to_numpy, asarray = gan.backend.to_numpy, gan.backend.asarray
    x, z, y = asarray(x), asarray(z), None if y is None else asarray(y)

    def path(network, step):
        def loss(parameters):
            network.params[...] = asarray(parameters)
            value = step()
            return to_numpy(value), to_numpy(network.grads).copy()

        return loss, to_numpy(network.params).copy()

    return (
        path(gan.G, lambda: gan.generator_step(z, x, y=y)),
        path(gan.D, lambda: gan.discriminator_step(x, z, y=y)[0]),
    )


@pytest.mark.parametrize("steps", [0, 10])
@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_both_players_whole_paths(loss, n, steps, backend):
    """dL_G/dtheta_G goes through D(G(z)); dL_D/dtheta_D adds real and fake data."""
    gan = trained_by_adam(loss, backend)
    x, z = np.random.default_rng(0).uniform(0, 1, (n, FEATURES)), inputs(n, LATENT)
    for _ in range(steps):
        gan.discriminator_step(gan.backend.asarray(x), gan.backend.asarray(z))
        gan.generator_step(gan.backend.asarray(z), gan.backend.asarray(x))
    for path, parameters in whole_paths(gan, x, z):
        nn.assert_gradients(path, parameters, thorough=True)


@pytest.mark.parametrize("loss", OBJECTIVES)
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipes_whole_paths(name, loss):
    """The real layers at the real widths, on 8x8 images, in float64: a random direction each.

    With these seeds no ReLU bends within the step of the direction.
    """
    recipe, features = RECIPES[name], 64
    classes = recipe.game.get("classes", 0)
    G = recipe.generator(recipe.latent_dim + classes, features)
    D = recipe.discriminator(features + classes)
    G, D = (nn.Sequential(*layers, seed=i, dtype="float64") for i, layers in enumerate((G, D), 11))
    gan = nn.GAN(G, D, seed=3, **{**recipe.game, "loss": loss})
    x = np.random.default_rng(10).uniform(*gan.data_range, (4, features))
    z, y = inputs(4, recipe.latent_dim), np.eye(classes)[:4] if classes else None
    for path, parameters in whole_paths(gan, x, z, y):
        report = nn.check_gradients(path, parameters)
        assert report.ok, report


def test_after_training_with_adam_on_data(backend):
    """Weights that have moved, units that have died, logits that have grown."""
    gan = trained_by_adam("non_saturating", backend, dropout=0.0)
    x = np.random.default_rng(0).uniform(0, 1, (64, FEATURES))
    gan.fit(x, 20, 16, progress=False)
    for path, parameters in whole_paths(gan, x[:8], inputs(8, LATENT)):
        nn.assert_gradients(path, parameters, thorough=True)


def test_the_generators_step_leaves_ds_gradients_alone():
    for loss, n in itertools.product(OBJECTIVES, (1, 5)):
        gan = trained_by_adam(loss, "numpy")
        gan.D.grads.fill(7)
        gan.generator_step(inputs(n, LATENT), inputs(n, FEATURES))
        assert (gan.D.grads == 7).all()
