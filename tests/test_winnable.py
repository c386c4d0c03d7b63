"""A game that cannot be won is refused before its first step, with the remedy."""

import numpy as np
import pytest

import nngan as nn


def game(last=None, d_last=(), **options):
    G = nn.Sequential(nn.Linear(2, 3), *([] if last is None else [last]), seed=1)
    D = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(), nn.Linear(4, 1), *d_last, seed=2)
    return nn.GAN(G, D, **options)


UNIT = np.random.default_rng(0).uniform(0, 1, (40, 3)).astype(np.float32)


def fit(gan, x):
    return gan.fit(x, 1, 10, progress=False)


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Tanh()], ids=repr)
@pytest.mark.parametrize("loss", ["non_saturating", "minimax", "relativistic"])
def test_a_d_that_ends_in_a_sigmoid_is_refused_where_the_loss_takes_logits(loss, last):
    with pytest.raises(ValueError, match=r"D must end in logits.* leave it out"):
        game(d_last=[last], loss=loss)
    gan = game(d_last=[last], loss=loss, check=False)
    assert not gan.check
    assert gan.config()["check"] is False
    fit(gan, UNIT)


@pytest.mark.parametrize("loss", ["least_squares", "hinge", "wasserstein"])
def test_a_loss_on_scores_takes_any_d(loss):
    assert game(d_last=[nn.Sigmoid()], loss=loss).check


def test_the_name_check_is_saved_with_the_game(tmp_path):
    gan = game(d_last=[nn.Sigmoid()], check=False)
    gan.save(tmp_path / "gan.npz")
    assert not nn.GAN.load(tmp_path / "gan.npz").check


@pytest.mark.parametrize(
    ("last", "x", "remedy"),
    [
        (nn.Sigmoid(), 255 * UNIT, "pass x / 255, or let G end in Linear"),
        (nn.Sigmoid(), 2 * UNIT - 1, r"pass \(x \+ 1\) / 2, or let G end in Linear or Tanh"),
        (nn.Sigmoid(), (UNIT - 0.5) * 9, r"pass \(x - x.min\(\)\) / \(x.max\(\) - x.min\(\)\)"),
        (nn.Tanh(), 255 * UNIT, "pass x / 255"),
        (nn.ReLU(), 2 * UNIT - 1, r"makes values in 0..inf alone: pass \(x \+ 1\) / 2"),
    ],
)
def test_data_that_g_cannot_reach_are_refused(last, x, remedy):
    with pytest.raises(ValueError, match=remedy):
        fit(game(last), x)
    fit(game(last, check=False), x)


@pytest.mark.parametrize(
    ("last", "x", "options"),
    [
        (nn.Sigmoid(), UNIT, {}),
        (nn.Sigmoid(), (255 * UNIT).astype(np.uint8), {}),
        (nn.Tanh(), UNIT, {"data_range": (-1, 1)}),
        (nn.Tanh(), 2 * UNIT - 1, {}),
        (None, 9 * UNIT - 5, {}),
        (nn.Dropout(0.1), 9 * UNIT, {}),
    ],
)
def test_data_that_g_can_reach_are_taken(last, x, options):
    assert len(fit(game(last, **options), x)["d_loss"]) == 1


def test_uint8_for_a_tanh_that_is_mapped_to_half_its_range_is_refused():
    with pytest.raises(ValueError, match=r"makes values in 0\.\.1 alone"):
        fit(game(nn.Sigmoid(), data_range=(-1, 1)), (255 * UNIT).astype(np.uint8))


@pytest.mark.parametrize("x", [np.zeros((20, 3), np.uint8), np.full((20, 3), 0.5)], ids=str)
def test_constant_data_are_refused(x):
    with pytest.raises(ValueError, match="x has one value everywhere"):
        fit(game(nn.Sigmoid()), x)
    fit(game(nn.Sigmoid(), check=False), x)


def test_a_range_that_x_already_has_is_named():
    with pytest.raises(ValueError, match=r"leave data_range out .* or pass \(x \+ 1\) / 2"):
        fit(game(nn.Tanh(), data_range=(-1, 1)), 2 * UNIT - 1)


def test_a_layer_of_ones_own_that_redefines_forward_has_no_bounds():
    class Shifted(nn.Sigmoid):
        def forward(self, x, training=True, key=None):
            y, cache = super().forward(x, training, key)
            return y + 5, cache

    assert Shifted().output_range == (-np.inf, np.inf)
