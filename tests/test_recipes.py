"""Recipes: each is what its name promises, builds for any data, and follows its seed."""

from dataclasses import replace

import numpy as np
import pytest

import nngan as nn
from nngan.recipes import RECIPES


@pytest.mark.parametrize("features", [64, 784])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_takes_a_step(name, features):
    recipe = RECIPES[name]
    gan = recipe.build(features, seed=1)
    assert gan.sample(2).shape == (2, features)
    assert gan.latent_dim == recipe.latent_dim
    n = gan.k * recipe.batch_size
    x = np.random.default_rng(0).uniform(0, 1, (n, features)).astype("float32")
    labels = np.arange(n) % gan.classes if gan.classes else None
    history = gan.fit(x, 1, recipe.batch_size, labels=labels, progress=False)
    assert np.isfinite(list(history.values())).all()
    assert len(recipe.summary) < 90
    assert "\n" not in recipe.summary


def test_the_seed_decides_everything():
    a, b, c = (RECIPES["default"].build(64, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.sample(2), b.sample(2))
    assert (a.sample(2) != c.sample(2)).any()
    seeds = {s for g in (a, c) for s in (g.seed, g.G.seed, g.D.seed)}
    assert len(seeds) == 6


def test_every_field_reaches_the_game():
    recipe = replace(RECIPES["default"], optimizer={"type": "SGD", "lr": 0.5}, latent_dim=3)
    recipe = recipe.with_game(loss="minimax", label_smoothing=0.1).with_game(data_range=(-2, 2))
    gan = recipe.with_lr(0.25).build(64)
    assert (gan.loss, gan.label_smoothing, gan.data_range) == ("minimax", 0.1, (-2.0, 2.0))
    assert repr(gan.g_optimizer) == repr(gan.d_optimizer) == "SGD(lr=0.25, momentum=0.0)"
    assert gan.latent_dim == 3


def test_the_learning_rate_is_gs_and_ds_keeps_its_ratio_to_it():
    recipe = RECIPES["goodfellow2014"].with_lr(0.3)
    assert recipe.optimizer["lr"] == 0.3
    assert recipe.d_optimizer["lr"] == pytest.approx(0.15)
    assert RECIPES["goodfellow2014"].with_lr(0.1).d_optimizer["lr"] == 0.05
    assert recipe.d_optimizer["momentum"] == RECIPES["goodfellow2014"].d_optimizer["momentum"]


def test_labels_and_packs_widen_the_networks():
    gan = RECIPES["default"].with_game(classes=10, pack=2).build(64)
    assert (gan.latent_dim, gan.classes, gan.pack) == (64, 10, 2)
    assert (gan.G.n_in, gan.G.n_out, gan.D.n_in) == (74, 64, 2 * 74)


def test_tf_basic_is_what_it_says():
    gan = RECIPES["tf_basic"].build(784)
    widths = [(layer.n_in, layer.n_out) for layer in gan.G.layers if layer.size]
    assert widths == [(128, 256), (256, 784)]
    assert [type(layer) for layer in gan.G.layers[1::2]] == [nn.ReLU, nn.ReLU]
    assert gan.D.size == 784 * 256 + 256 + 256 + 1
    for net in (gan.G, gan.D):
        for layer in net.layers[::2]:
            assert abs(layer.W.std() - 0.01) < 0.002
            assert (layer.b == 0).all()
    assert gan.d_optimizer.config() == {
        "type": "Adam", "lr": 2e-4, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
    }  # fmt: skip
    recipe = RECIPES["tf_basic"]
    assert (recipe.batch_size, recipe.epochs, recipe.sample_every) == (100, 100, 10)
    assert gan.loss == "non_saturating"


def test_pytorch_mlp_is_what_it_says():
    gan = RECIPES["pytorch_mlp"].build(784)
    widths = [layer.n_out for layer in gan.G.layers if layer.size]
    assert (gan.latent_dim, widths) == (100, [256, 512, 1024, 784])
    assert [layer.n_out for layer in gan.D.layers if layer.size] == [1024, 512, 256, 1]
    assert isinstance(gan.G.layers[-1], nn.Tanh)
    assert [layer.rate for layer in gan.D.layers if isinstance(layer, nn.Dropout)] == [0.3] * 3
    assert {layer.slope for layer in gan.D.layers if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert gan.data_range == (-1, 1)
    assert (gan.g_optimizer.lr, gan.g_optimizer.beta1) == (2e-4, 0.5)
    assert RECIPES["pytorch_mlp"].batch_size == 128


def test_a_schedule_over_the_whole_run_is_told_its_steps():
    recipe = replace(
        RECIPES["default"], optimizer={"type": "SGD", "lr": 0.5, "schedule": ("linear", None)}
    )
    gan = recipe.with_game(k=3).build(64, steps=10)
    assert gan.g_optimizer.schedule == ("linear", 10)
    assert gan.d_optimizer.schedule == ("linear", 30)
    assert recipe.optimizer["schedule"] == ("linear", None)
    with pytest.raises(ValueError, match="steps must be given, because the learning rate falls"):
        recipe.build(64)
    fixed = replace(recipe, optimizer={**recipe.optimizer, "schedule": ("linear", 7)})
    assert fixed.build(64, steps=10).d_optimizer.schedule == ("linear", 7)


def test_a_packing_discriminator_is_wide_enough():
    assert RECIPES["default"].with_game(pack=3).build(64).D.n_in == 3 * 64
