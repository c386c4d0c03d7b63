"""Looking into a game: walks stay where they should, gradients are right, pictures are whole."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from games import image_game
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from numerical import numerical_gradient, relative_error
from PIL import Image

from nngan.game import Prior
from nngan.latent import input_gradient, linear_walk, spherical_walk
from nngan.plotting import plot_atlas, plot_gradients, plot_walks, tile
from nngan.plotting.colours import BLUE, VERMILION

WALKS = pytest.mark.parametrize("walk", [linear_walk, spherical_walk])


def vectors(n=2, d=64, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def norms(z):
    return np.linalg.norm(z, axis=1)


# -- walks -------------------------------------------------------------------------------------


@WALKS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_walk_has_exact_ends_and_keeps_the_dtype(walk, dtype, backend):
    a, b = vectors(dtype=dtype)
    z = backend.to_numpy(walk(backend.asarray(a), backend.asarray(b), 7))
    assert z.dtype == dtype
    assert z.shape == (7, 64)
    np.testing.assert_array_equal(z[[0, -1]], [a, b])


@WALKS
def test_a_walk_back_is_the_walk_reversed(walk):
    a, b = vectors()
    np.testing.assert_allclose(walk(a, b, 9), walk(b, a, 9)[::-1], rtol=1e-13, atol=1e-14)


def test_a_spherical_walk_stays_on_the_sphere_at_even_angles():
    a, b = (8 * z / np.linalg.norm(z) for z in vectors())
    z = spherical_walk(a, b, 11)
    np.testing.assert_allclose(norms(z), 8, rtol=1e-14)
    cosines = (z[1:] * z[:-1]).sum(axis=1) / 64
    theta = math.acos(a @ b / 64)
    np.testing.assert_allclose(np.arccos(cosines), theta / 10, rtol=1e-11)
    # and in the plane of its ends
    assert np.linalg.matrix_rank(z, tol=1e-10) == 2


def test_norms_go_evenly_from_one_end_to_the_other():
    a, b = vectors()
    z = spherical_walk(a, 3 * b, 11)
    np.testing.assert_allclose(norms(z), np.linspace(*norms([a, 3 * b]), 11), rtol=1e-14)


def test_the_middle_of_a_line_between_orthogonal_ends_is_at_071():
    a, b = 8 * np.eye(64)[:2]
    assert norms(linear_walk(a, b, 3))[1] / 8 == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("angle", [0, 1e-300, 1e-12, 1e-8, 1e-5])
def test_nearly_parallel_ends_make_a_line(angle):
    a, b = np.array([2.0, 0.0]), 3 * np.array([math.cos(angle), math.sin(angle)])
    np.testing.assert_allclose(spherical_walk(a, b, 9), linear_walk(a, b, 9), atol=angle + 1e-15)


def test_nearly_opposite_ends_make_half_a_circle():
    a, b = np.array([1.0, 0.0]), np.array([-1.0, 1e-4])
    z = spherical_walk(a, b, 3)
    np.testing.assert_allclose(z[1], [0, 1], atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_opposite_ends_have_no_arc(dtype):
    a = vectors(1, dtype=dtype)[0]
    with pytest.raises(ValueError, match="opposite directions"):
        spherical_walk(a, a * a.dtype.type(-1.3), 5)


def test_a_zero_end_has_no_direction():
    with pytest.raises(ValueError, match="zero has no direction"):
        spherical_walk(np.zeros(3), np.ones(3), 5)


@WALKS
@pytest.mark.parametrize(
    ("a", "b", "steps", "message"),
    [
        (np.ones(3), np.ones(4), 5, r"got \(3,\) float64 and \(4,\) float64"),
        (np.ones((1, 3)), np.ones((1, 3)), 5, "two float vectors"),
        (np.ones(3), np.ones(3, np.float32), 5, "of one shape and dtype"),
        (np.ones(3, int), np.ones(3, int), 5, "two float vectors"),
        (np.ones(3), np.ones(3), 1, "steps must be a whole number >= 2, got 1"),
        (np.ones(3), np.ones(3), 2.5, "steps must be a whole number >= 2, got 2.5"),
    ],
)
def test_what_is_no_walk(walk, a, b, steps, message):
    with pytest.raises(ValueError, match=message):
        walk(a, b, steps)


# -- the prior ---------------------------------------------------------------------------------


def test_quantiles_are_equally_likely():
    np.testing.assert_allclose(
        [NormalDist().cdf(q) for q in Prior("normal", 2).quantiles(20)], np.arange(0.025, 1, 0.05)
    )
    np.testing.assert_allclose(Prior("uniform", 2).quantiles(20), np.arange(-0.95, 1, 0.1))


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_the_draws_are_those_of_sample(latent, backend):
    gan = image_game(backend, latent=latent)
    z = gan.latents(3, seed=7)
    assert z.shape == (3, 5)
    np.testing.assert_array_equal(gan.generate(z), gan.sample(3, seed=7))
    np.testing.assert_allclose(
        gan.backend.to_numpy(gan.latents(2, seed=7)), gan.backend.to_numpy(z)[:2], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: Prior("normal", 2).quantiles(0), "n must be a positive whole number, got 0"),
        (lambda: Prior("normal", 2).quantiles(2.5), "n must be a positive whole number, got 2.5"),
        (lambda: image_game().latents(0), "n must be a positive whole number, got 0"),
        (lambda: image_game().latents(3, -1), "seed must be a whole number"),
    ],
)
def test_what_is_no_draw(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()


# -- the gradient of D -------------------------------------------------------------------------


def test_the_gradient_in_the_pixels_is_the_derivative(backend):
    """Of the logit, in units of what is shown: D sees 2 x - 1."""
    gan = image_game(backend, "float64")
    x = np.random.default_rng(0).uniform(0, 1, (3, 64))
    gradient, d = input_gradient(gan, x)

    def logits():
        return backend.to_numpy(gan.D(backend.asarray(2 * x - 1)))

    np.testing.assert_allclose(d, 1 / (1 + np.exp(-logits()[:, 0])), rtol=1e-12)
    assert relative_error(gradient, numerical_gradient(lambda: logits().sum(), x)) < 1e-8
    assert gradient.dtype == "float64"
    assert not backend.to_numpy(gan.D.grads).any()


def test_a_gradient_wants_a_d_that_sees_one_sample():
    with pytest.raises(ValueError, match="D takes 128 numbers and a sample has 64"):
        input_gradient(image_game(pack=2), np.zeros((2, 64), np.float32))


# -- pictures ----------------------------------------------------------------------------------


def pixels(axes):
    return np.asarray(axes.get_images()[0].get_array())


def test_walks_stand_one_above_the_other():
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, 4, 9))
    z = np.random.default_rng(1).uniform(1, 3, (2, 3, 4))
    walks, lengths = ({"linear": a[0], "spherical": a[1]} for a in (x, z))
    figure = plot_walks(walks, norms=lengths, shell=(2.0, 3.5), title="walks")
    assert len(figure.axes) == 6
    for i in range(3):
        picture, curve = figure.axes[2 * i : 2 * i + 2]
        np.testing.assert_array_equal(pixels(picture), tile(np.concatenate(x[:, i]), columns=4))
        assert [label.get_text() for label in picture.get_yticklabels()] == ["linear", "spherical"]
        np.testing.assert_allclose(picture.get_yticks(), [1, 5])  # the middles of three pixels
        for line, norm in zip(curve.lines, z[:, i], strict=True):
            np.testing.assert_array_equal(line.get_ydata(), norm)
        assert curve.get_ylim()[0] == 0
        assert curve.get_ylim()[1] > 3.5
    np.testing.assert_allclose(picture.get_xticks(), [1, 5, 9, 13])


@pytest.mark.parametrize("columns", [4, 20])
def test_a_long_title_of_a_map_is_not_cut_off(columns):
    images, axis = np.zeros((columns, columns, 4)), list(range(columns))
    title = "walks between four draws of the prior, all in one category, " * 2
    figure = plot_atlas(images, axis, axis, title=title)
    FigureCanvasAgg(figure).draw()
    (text,) = (text for text in figure.texts if text.get_text() == title)
    box, page = text.get_window_extent(), figure.bbox
    assert page.x0 - 1 <= box.x0
    assert box.x1 <= page.x1 + 1
    assert figure.axes[0].get_window_extent().y1 < box.y0
    assert box.y1 <= page.y1 + 1


def test_a_map_has_its_origin_below_and_left(tmp_path):
    x = np.random.default_rng(0).uniform(0, 1, (2, 3, 4))
    figure = plot_atlas(x, [-1.5, 0, 1.5], [-0.5, 0.5], tmp_path / "atlas.png", "map")
    (axes,) = figure.axes
    np.testing.assert_array_equal(pixels(axes)[-2:, :2], x[0, 0].reshape(2, 2))
    np.testing.assert_array_equal(pixels(axes)[:2, -2:], x[1, 2].reshape(2, 2))
    across, up = axes.get_xticklabels(), axes.get_yticklabels()
    assert [label.get_text() for label in across] == ["-1.50", "0.00", "1.50"]
    assert {label.get_text(): label.get_position()[1] for label in up} == {
        "0.50": 0.5,
        "-0.50": 3.5,
    }
    with Image.open(tmp_path / "atlas.png") as file:
        assert min(file.size) > 200


def test_gradients_are_blue_where_more_ink_helps_and_white_at_zero():
    x, slopes = np.full((2, 4), 0.5), np.array([[0, 0.1, -0.2, 0.05], [0, 0, 0, -0.1]])
    figure = plot_gradients({"real": (x, slopes, np.array([0.25, 1]))})
    top, _, bottom, _, bar = figure.axes
    assert top.get_title() == "D(x) = 0.25"
    (image,) = bottom.get_images()
    np.testing.assert_array_equal(pixels(bottom), slopes[0].reshape(2, 2))
    low, high = image.get_clim()
    assert 0.1 < high == -low <= 0.2
    colours = [to_hex(image.cmap(image.norm(v))).upper() for v in (low, high)]
    assert colours == [VERMILION, BLUE]
    assert image.cmap(0.5) == pytest.approx((1, 1, 1, 1), abs=0.01)
    assert bar.get_ylabel() == "change of D's logit per unit of grey"


def test_a_flat_d_can_be_drawn(tmp_path):
    x = np.zeros((2, 4))
    figure = plot_gradients({"real": (x, x, np.ones(2))}, tmp_path / "flat.png")
    np.testing.assert_array_equal(pixels(figure.axes[2]), np.zeros((2, 2)))
    with Image.open(tmp_path / "flat.png") as file:
        file.load()


@pytest.mark.parametrize(
    ("draw_it", "message"),
    [
        (lambda: plot_walks({}), "walks must be of one shape"),
        (lambda: plot_walks({"a": np.ones((1, 2, 4)), "b": np.ones((1, 3, 4))}), "of one shape"),
        (lambda: plot_walks({"a": np.ones((1, 2, 4))}, norms={"a": np.ones(2)}), r"shape \(1, 2\)"),
        (lambda: plot_walks({"a": np.ones((1, 2, 5))}), "images with 5 features"),
        (lambda: plot_atlas(np.ones((2, 3, 4)), [1, 2], [1, 2, 3]), r"shape \(3, 2, features\)"),
        (lambda: plot_gradients({}), "groups must hold images .* got none"),
        (
            lambda: plot_gradients({"a": (np.ones((2, 5)),) * 2 + (np.ones(2),)}),
            "images with 5 features",
        ),
        (lambda: plot_gradients({"a": (np.ones((2, 4)),) * 2 + (np.ones(3),)}), "one N for all"),
    ],
)
def test_what_cannot_be_drawn(draw_it, message):
    with pytest.raises(ValueError, match=message):
        draw_it()
