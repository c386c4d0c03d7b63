"""The grid that G bends, and orbits over their field: what is drawn is what was computed."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from nngan.plotting import plot_orbits, plot_warped_grid
from nngan.plotting.warped import areas, grid_lines

REAL = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


def opacities(axes):
    return axes.collections[-1].get_facecolor()[:, 3]


def test_all_cells_of_a_normal_prior_hold_the_same_probability():
    shares = np.diff([NormalDist().cdf(line) for line in grid_lines("normal", 8)])
    np.testing.assert_allclose(shares, 0.99 / 8, rtol=1e-12)
    np.testing.assert_allclose(np.diff(grid_lines("uniform", 8)), 0.25)


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_the_axes_of_z_are_lines_of_the_grid(latent):
    assert abs(grid_lines(latent, 6)[3]) < 1e-15


def test_areas():
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(3.0)), axis=2)  # (3, 4) corners
    np.testing.assert_array_equal(areas(grid), np.ones((2, 3)))
    matrix = np.array([[1.0, 2.0], [-0.5, 3.0]])
    np.testing.assert_allclose(areas(grid @ matrix), np.full((2, 3), 4.0))  # its determinant
    grid[0, 0] = 0.5  # this corner moves in along the diagonal
    assert areas(grid)[0, 0] == 0.5


def test_opacity_is_density():
    """Twice as wide in both directions: a quarter of the density."""
    figure = plot_warped_grid(lambda z: 2 * z, REAL, latent="uniform", cells=4)
    left, right = figure.axes
    np.testing.assert_allclose(opacities(left), 0.1)
    np.testing.assert_allclose(opacities(right), 0.025)


def test_what_is_dense_is_drawn_in_full_and_a_collapsed_sheet_as_well():
    for generator in (lambda z: z / 100, lambda z: 0 * z):
        figure = plot_warped_grid(generator, REAL, cells=4)
        np.testing.assert_array_equal(opacities(figure.axes[1]), 1)


def test_the_grid_is_where_g_puts_it():
    def generator(z):
        assert z.dtype == np.float32
        return np.stack([z[:, 0] + 3, z[:, 1] ** 2], axis=1)

    figure = plot_warped_grid(generator, REAL, cells=6, title="bent")
    left, right = figure.axes
    assert right.get_title() == "bent"
    for drawn, latent in zip(right.lines, left.lines, strict=True):
        np.testing.assert_allclose(drawn.get_xydata(), generator(np.float32(latent.get_xydata())))
    first = right.collections[-1].get_paths()[0].vertices[:4]
    lines = np.float32(grid_lines("normal", 6))
    assert first[0] == pytest.approx([lines[0] + 3, lines[0] ** 2])
    assert right.get_xlim() == pytest.approx((-1.4, 1.4))


def turn(at):
    return np.stack([at[:, 1], -at[:, 0]], axis=1)


def test_orbits_begin_at_their_dot():
    t = np.linspace(0, math.pi, 20)
    half = np.stack([np.cos(t), -np.sin(t)], axis=1)
    panels = {"one": (turn, {"half": half, "twice": 2 * half}), "none": (turn, {})}
    figure = plot_orbits(panels, labels=("a", "b"), extent=(-3, 3, -2, 2))
    one, none = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["one", "none"]
    np.testing.assert_array_equal(one.lines[0].get_xydata(), half)
    np.testing.assert_array_equal(one.lines[1].get_xydata(), half[:1])
    assert [text.get_text() for text in one.get_legend().get_texts()] == ["half", "twice"]
    assert (one.get_ylabel(), one.get_xlabel(), none.get_xlabel()) == ("b", "a", "a")
    assert one.get_xlim() == (-3, 3)


def test_they_save(tmp_path):
    plot_orbits({"": (turn, {})}, tmp_path / "a.png")
    plot_warped_grid(lambda z: z, REAL, tmp_path / "b.svg", cells=2)
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_warped_grid(lambda z: z, REAL, cells=5), "cells must be a positive even"),
        (lambda: plot_warped_grid(lambda z: z, REAL, latent="cauchy"), "latent must be 'normal'"),
        (lambda: plot_warped_grid(lambda z: z[:, :1], REAL), r"generator\(z\) must be finite"),
        (lambda: plot_warped_grid(lambda z: z[:3], REAL), "generator must return 441 samples"),
        (lambda: plot_warped_grid(lambda z: z, REAL[:, :1]), "real must be finite numbers"),
        (lambda: plot_warped_grid(lambda z: z, REAL[:0]), "extent must be given when"),
        (lambda: plot_orbits({}), "panels must be at least one"),
        (lambda: plot_orbits({"": (turn, {str(i): REAL for i in range(4)})}), "up to three"),
        (lambda: plot_orbits({"": (turn, {"a": REAL[0]})}), "a must be finite numbers"),
        (lambda: plot_orbits({"": (lambda at: at[:, 0], {})}), "a field's velocities must be"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
