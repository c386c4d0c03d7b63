"""The games on 2-D mixtures, and their picture."""

import io

import numpy as np
import pytest

import nngan as nn
from nngan.datasets import GRID, RING
from nngan.metrics import count_modes
from nngan.plotting import plot_mixtures
from nngan.recipes import MIXTURES, RECIPES

# -- the games ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MIXTURES)
def test_the_game_builds_and_takes_steps(name):
    recipe = MIXTURES[name]
    gan = recipe.build(2, seed=1, steps=3)
    before = gan.sample(20)
    x = getattr(nn.datasets, name)(3 * recipe.batch_size)[0]
    history = gan.fit(x, 1, recipe.batch_size, progress=False)
    assert np.isfinite(list(history.values())).all()
    assert (gan.sample(20) != before).any()
    assert len(recipe.summary) < 90
    assert not set(MIXTURES) & set(RECIPES)  # nngan train offers the latter


@pytest.mark.parametrize("name", MIXTURES)
def test_the_learning_rate_ends_with_the_run(name):
    recipe = MIXTURES[name]
    steps = recipe.epochs * (100_000 // recipe.batch_size)
    gan = recipe.build(2, steps=steps)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert optimizer.learning_rate(np.array([steps - 1]))[0] > 0
        assert optimizer.learning_rate(np.array([steps]))[0] == 0


@pytest.mark.slow
def test_the_ring_is_covered_in_a_quarter_of_the_steps():
    recipe, steps = MIXTURES["ring"], 2_000
    gan = recipe.build(2, steps=steps)
    gan.fit(nn.datasets.ring()[0], 5, recipe.batch_size, progress=False)
    found = count_modes(gan.sample(2_500), RING)
    assert found.covered == 8
    assert found.high_quality > 0.5
    assert found.reverse_kl < 0.1


# -- the picture -------------------------------------------------------------------------------


def test_each_run_has_a_plane_and_a_zoom():
    data, *runs = (GRID.sample(50, seed)[0] for seed in range(7))
    titles = [f"run {i}" for i in range(6)]
    figure = plot_mixtures(runs, data, GRID.centers, GRID.std, titles=titles, heading="six")
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == 12
    assert [axes.get_title() for axes in panels if axes.get_title()] == titles
    real, generated = panels[0].collections
    np.testing.assert_array_equal(generated.get_offsets(), runs[0])
    np.testing.assert_array_equal(real.get_offsets(), data)
    circle = panels[-1].lines[0].get_xydata()
    np.testing.assert_allclose(np.hypot(*circle.T), 3)


def test_the_zoom_measures_from_the_nearest_centre_in_std():
    points = GRID.centers[[0, 7]] + GRID.std * np.array([[1.0, -2.0], [0.0, 4.0]])
    _, zoom = plot_mixtures([points], points, GRID.centers, GRID.std).axes[:2]
    for drawn in zoom.collections:
        np.testing.assert_allclose(drawn.get_offsets(), [[1, -2], [0, 4]])


def test_a_picture_is_saved():
    file = io.BytesIO()
    points, _ = RING.sample(20, 0)
    plot_mixtures([points], points, RING.centers, RING.std, file)
    assert file.getvalue()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("runs", "titles", "message"),
    [
        ([], [], "runs must be at least one"),
        ([np.zeros((3, 2))], ["a", "b"], "got 1 runs and 2 titles"),
        ([np.zeros((3, 3))], [], r"runs\[0\] must be finite numbers of shape \(N, 2\)"),
        ([np.full((3, 2), np.nan)], [], r"runs\[0\] must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(runs, titles, message):
    with pytest.raises(ValueError, match=message):
        plot_mixtures(runs, RING.centers, RING.centers, RING.std, titles=titles)
