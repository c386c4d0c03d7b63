"""Sheets have exact pixels, curves the given values, and axes and legends say what is drawn."""

import io
import math

import matplotlib
import numpy as np
import pytest
from PIL import Image

from nngan.plotting import (
    plot_2d,
    plot_losses,
    plot_quality,
    plot_walks,
    save_gif,
    save_sheet,
    tile,
)
from nngan.plotting.colours import BLUE, VERMILION

GREY = 0.3


def history(n=20):
    t = np.arange(n) / 10
    return {
        "d_loss": list(1.386 - np.exp(-t)),
        "g_loss": list(0.693 + np.exp(-t)),
        "d_real": list(0.5 + 0.4 * np.exp(-t)),
        "d_fake": list(0.5 - 0.4 * np.exp(-t)),
    }


# -- sheets ------------------------------------------------------------------------------------


def test_tile_lays_images_out_row_by_row():
    images = np.repeat(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), 4).reshape(5, 4)
    picture = tile(images, columns=3)
    assert picture.shape == (5, 8)
    a, b, c, d, e, g = 0.0, 0.25, 0.5, 0.75, 1.0, GREY
    expected = [
        [a, a, g, b, b, g, c, c],
        [a, a, g, b, b, g, c, c],
        [g, g, g, g, g, g, g, g],
        [d, d, g, e, e, g, g, g],
        [d, d, g, e, e, g, g, g],
    ]
    np.testing.assert_array_equal(picture, expected)


def test_tile_keeps_the_order_of_the_pixels():
    image = np.arange(6) / 6
    np.testing.assert_array_equal(tile(image[None], shape=(2, 3)), image.reshape(2, 3))


def test_tile_keeps_the_dtype():
    assert tile(np.ones((3, 4), np.float32)).dtype == np.float32


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (64, 8, 8)])
def test_a_grid_is_about_square(n, rows, columns):
    assert tile(np.ones((n, 9)), padding=0).shape == (3 * rows, 3 * columns)


@pytest.mark.parametrize(("side", "scale"), [(28, 2), (8, 7), (100, 1)])
def test_a_sheet_has_exact_pixels(tmp_path, side, scale):
    images = np.random.default_rng(0).uniform(-0.5, 1.5, (4, side**2)).astype("float32")
    save_sheet(tmp_path / "sheet.png", images, columns=2)
    with Image.open(tmp_path / "sheet.png") as file:
        pixels = np.asarray(file)
    width = side * scale
    assert pixels.shape == (2 * width + scale, 2 * width + scale)
    for i, image in enumerate(images):
        row, column = (i // 2) * (width + scale), (i % 2) * (width + scale)
        cell = pixels[row : row + width, column : column + width]
        exact = np.rint(255 * image.clip(0, 1)).reshape(side, side)
        np.testing.assert_array_equal(cell, np.kron(exact, np.ones((scale, scale))))
    np.testing.assert_array_equal(pixels[width : width + scale], np.rint(255 * GREY))


def test_a_picture_can_go_into_an_open_file(tmp_path):
    images, buffer = np.eye(4), io.BytesIO()
    save_sheet(buffer, images)
    save_sheet(tmp_path / "sheet.png", images)
    assert buffer.getvalue() == (tmp_path / "sheet.png").read_bytes()


# -- animation ---------------------------------------------------------------------------------


def test_a_gif_shows_every_frame_above_its_caption(tmp_path):
    frames = []
    for i in range(5):
        frames.append(tmp_path / f"{i}.png")
        save_sheet(frames[-1], np.full((4, 784), i / 5))
    save_gif(tmp_path / "out.gif", frames, [f"epoch {i}" for i in range(5)], duration=100)
    with Image.open(tmp_path / "out.gif") as gif, Image.open(frames[0]) as sheet:
        width, height = sheet.size
        assert gif.n_frames == 5
        assert gif.info["loop"] == 0
        assert gif.size[0] == width
        assert gif.size[1] >= height + 16
        for i in range(5):
            gif.seek(i)
            assert gif.info["duration"] == (100 if i < 4 else 2100)
            pixels = np.asarray(gif.convert("L")).astype(int)
            assert abs(pixels[20, 20] - 255 * i / 5) <= 9  # 16 levels of grey
            caption = pixels[height:]
            assert caption.max() > 150  # something is written
            assert caption[-2:].max() == caption[:2].max() == 0  # and it is not cut off
    assert (tmp_path / "out.gif").stat().st_size < 20_000


def test_frames_may_be_arrays_without_captions(tmp_path):
    save_gif(tmp_path / "out.gif", [np.zeros((6, 8)), np.ones((6, 8))])
    with Image.open(tmp_path / "out.gif") as gif:
        assert (gif.n_frames, gif.size) == (2, (8, 6))


def test_greys_of_an_animation_have_16_levels(tmp_path):
    save_gif(tmp_path / "out.gif", [np.linspace(0, 1, 256).reshape(16, 16)])
    with Image.open(tmp_path / "out.gif") as gif:
        levels = np.unique(np.asarray(gif.convert("L")))
    np.testing.assert_array_equal(levels, 17 * np.arange(16))


def test_a_caption_wider_than_the_picture_is_not_cut_off(tmp_path):
    save_gif(tmp_path / "out.gif", [np.zeros((8, 8))], ["epoch 12"])
    with Image.open(tmp_path / "out.gif") as gif:
        pixels = np.asarray(gif.convert("L"))
    assert pixels.shape[1] > 60
    assert pixels.max() > 150
    assert pixels[:, -3:].max() == 0


def test_frames_keep_their_colours(tmp_path):
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    save_gif(tmp_path / "out.gif", [tmp_path / "red.png"])
    with Image.open(tmp_path / "out.gif") as gif:
        assert gif.convert("RGB").getpixel((1, 1)) == (255, 0, 0)


# -- curves ------------------------------------------------------------------------------------


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_losses_are_drawn_with_the_lines_of_chance():
    figure = plot_losses(history())
    top, bottom = (lines(axes) for axes in figure.axes)
    np.testing.assert_array_equal(top["D"].get_ydata(), history()["d_loss"])
    np.testing.assert_array_equal(top["G"].get_ydata(), history()["g_loss"])
    np.testing.assert_array_equal(top["G"].get_xdata(), range(1, 21))
    np.testing.assert_allclose(top["D at chance: 2 ln 2 = 1.386"].get_ydata(), 2 * math.log(2))
    np.testing.assert_allclose(top["G at chance: ln 2 = 0.693"].get_ydata(), math.log(2))
    np.testing.assert_array_equal(bottom["D(x), real"].get_ydata(), history()["d_real"])
    np.testing.assert_array_equal(bottom["D(G(z)), generated"].get_ydata(), history()["d_fake"])
    np.testing.assert_array_equal(bottom["chance: 0.500"].get_ydata(), 0.5)
    assert top["D"].get_color() == top["D at chance: 2 ln 2 = 1.386"].get_color() == BLUE
    assert top["G"].get_color() == VERMILION


def test_the_axes_are_honest():
    top, bottom = plot_losses(history()).axes
    low, high = bottom.get_ylim()
    assert low <= 0
    assert high >= 1
    assert top.get_ylim()[0] <= 0
    assert top.get_ylabel() == "loss"
    assert bottom.get_xlabel() == "epoch"


@pytest.mark.parametrize(("n", "marker"), [(1, "o"), (30, "o"), (31, "")])
def test_few_epochs_are_marked_and_all_are_shown(n, marker):
    top, bottom = plot_losses(history(n)).axes
    assert lines(top)["D"].get_marker() == lines(bottom)["D(x), real"].get_marker() == marker
    assert bottom.get_xlim() == top.get_xlim() == (0.5, n + 0.5)


def test_every_line_has_its_name_above_the_panel():
    figure = plot_losses(history())
    figure.draw_without_rendering()
    for axes in figure.axes:
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names == list(lines(axes))
        assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1 - 1
    top, bottom = figure.axes  # the lower names do not reach into the upper panel
    assert bottom.get_legend().get_window_extent().y1 <= top.get_window_extent().y0


def test_chance_of_another_objective():
    top = lines(plot_losses(history(), d_chance=None, g_chance=-math.log(2)).axes[0])
    assert "G at chance: -ln 2 = -0.693" in top
    assert not any(label.startswith("D at") for label in top)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_ending_is_the_format(tmp_path, ending):
    plot_losses(history(1), tmp_path / f"losses.{ending}")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (tmp_path / f"losses.{ending}").read_bytes().startswith(start)


def test_a_figure_in_an_open_file_is_a_png():
    buffer = io.BytesIO()
    plot_losses(history(1), buffer)
    assert buffer.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("n", [1, 20, 500])
def test_curves_of_any_length_are_drawn_inside_the_picture(tmp_path, n):
    figure = plot_losses(history(n), tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as image:
        pixels = np.asarray(image.convert("L"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (border == 255).all()
    assert (pixels < 128).any()
    assert all(tick == int(tick) for tick in figure.axes[1].get_xticks())


# -- quality -----------------------------------------------------------------------------------

REAL = {"frechet": 1.7, "class_kl": 0.002, "confident": 0.98}


def measured(epochs=(2, 4, 5)):
    names = "epoch", "frechet", "frechet_error", "class_kl", "class_kl_error", "confident"
    rows = [(e, 100 / e, 3 / e, 0.5 / e, 0.1 / e, 1 - 1 / e) for e in epochs]
    return [
        {**dict(zip(names, row, strict=True)), "confident_error": 0.01, "samples": 2000}
        for row in rows
    ]


def test_quality_is_drawn_beside_that_of_real_images():
    figure = plot_quality(measured(), real=REAL)
    figure.draw_without_rendering()
    for axes, name in zip(figure.axes, REAL, strict=True):
        curve, real = axes.get_lines()[0], axes.get_lines()[-1]
        np.testing.assert_array_equal(curve.get_xdata(), [2, 4, 5])
        np.testing.assert_array_equal(curve.get_ydata(), [row[name] for row in measured()])
        np.testing.assert_array_equal(real.get_ydata(), REAL[name])
        low, high = axes.get_ylim()
        assert low < REAL[name] < high  # the line is inside the picture
        (bars,) = axes.collections
        heights = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
        np.testing.assert_allclose(heights, [2 * row[f"{name}_error"] for row in measured()])
    frechet, kl, share = figure.axes
    assert frechet.get_yscale() == kl.get_yscale() == "log"
    assert share.get_ylim()[0] == 0
    assert share.get_ylim()[1] >= 1
    names = [[text.get_text() for text in a.get_legend().get_texts()] for a in figure.axes]
    assert names == [
        ["2,000 samples, at last 20.0", "2,000 real images: 1.7"],
        ["2,000 samples, at last 0.100", "2,000 real images: 0.002"],
        ["2,000 samples, at last 80.0 %", "2,000 real images: 98.0 %"],
    ]


@pytest.mark.parametrize("epochs", [(1,), (10, 20), range(1, 101)])
def test_quality_of_any_length_is_drawn_inside_the_picture(tmp_path, epochs):
    figure = plot_quality(measured(epochs), tmp_path / "metrics.png", REAL)
    with Image.open(tmp_path / "metrics.png") as image:
        pixels = np.asarray(image.convert("L"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (border == 255).all()
    for axes in figure.axes:
        assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1 - 1
        shown = [t for t in axes.get_yticks() if np.prod(np.subtract(axes.get_ylim(), t)) <= 0]
        assert len(shown) >= 2


# -- the plane ---------------------------------------------------------------------------------


def half(points):
    return np.full(len(points), 0.5)


def plane(points):
    """Return D(x) = 1 right of the y axis, 0 left of it."""
    return (points[:, 0] > 0).astype(points.dtype)


def test_the_heat_map_is_d_where_the_axes_say():
    real, fake = np.array([[-1.0, 0], [1, 0]], np.float32), np.zeros((1, 2), np.float32)
    seen = []

    def discriminator(points):
        seen.append(points.dtype)
        np.testing.assert_allclose(points[0], -1.99, rtol=1e-6)  # the centre of the first cell
        np.testing.assert_allclose(points[-1], 1.99, rtol=1e-6)
        return plane(points) * (points[:, 1] > 0)

    axes, colorbar = plot_2d(discriminator, real, fake, extent=(-2, 2, -2, 2)).axes
    heat = axes.get_images()[0]
    d = heat.get_array()
    assert heat.get_extent() == [-2, 2, -2, 2]
    assert heat.origin == "lower"
    assert d[150, 150] == 1  # upper right
    assert d[50, 150] == d[150, 50] == d[50, 50] == 0
    assert heat.get_clim() == (0, 1)
    assert colorbar.get_ylabel() == "D(x)"
    assert plot_2d(None, real, fake, extent=(0, 9, 0, 1)).axes[0].get_aspect() == 1
    assert seen == [np.float32]


def test_the_greys_go_from_the_least_to_the_greatest_d():
    def heat(discriminator):
        return plot_2d(discriminator, np.eye(2), np.eye(2)).axes[0].get_images()[0]

    unsure = heat(lambda points: 0.4 + 0.1 * plane(points))
    assert unsure.get_clim() == pytest.approx((0.4, 0.5))
    shades = unsure.cmap(unsure.norm([0.4, 0.5]))[:, 0]
    assert shades[1] - shades[0] > 0.7
    flat = heat(half)
    assert flat.get_clim() == pytest.approx((0.49, 0.51))


def test_real_points_and_arrows_are_above_the_fakes():
    figure = plot_2d(half, np.eye(2), np.eye(2), arrows=np.eye(2))
    real, fake, quiver = figure.axes[0].collections
    assert quiver.zorder > real.zorder > fake.zorder > figure.axes[0].get_images()[0].zorder
    assert real.get_sizes() < fake.get_sizes()


def test_points_and_arrows_are_where_they_should_be():
    rng = np.random.default_rng(0)
    real, fake, arrows = rng.uniform(-1, 1, (3, 5, 2))
    axes = plot_2d(None, real, fake, arrows=arrows[:3], title="t").axes[0]
    assert axes.get_title() == "t"
    drawn_real, drawn_fake, quiver = axes.collections
    np.testing.assert_allclose(drawn_real.get_offsets(), real)
    np.testing.assert_allclose(drawn_fake.get_offsets(), fake)
    assert (drawn_real.get_label(), drawn_fake.get_label()) == ("real", "generated")
    np.testing.assert_allclose(quiver.get_offsets(), fake[:3])
    np.testing.assert_allclose(np.transpose([quiver.U, quiver.V]), arrows[:3])
    assert (quiver.angles, quiver.scale_units) == ("xy", "xy")  # in the units of the axes
    width = np.ptp(axes.get_xlim())
    assert np.hypot(*arrows[:3].T).max() / quiver.scale == pytest.approx(0.12 * width)


def test_legend_and_colours_tell_the_points_apart(tmp_path):
    figure = plot_2d(half, np.eye(2), np.eye(2), tmp_path / "2d.png", arrows=np.eye(2), title="t")
    axes, (legend,) = figure.axes[0], figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["real", "generated", "gradient (longest: 1)"]
    colours = [matplotlib.colors.to_hex(c.get_facecolor()[0]) for c in axes.collections[:2]]
    assert colours == [BLUE.lower(), VERMILION.lower()]
    assert legend.get_window_extent().y1 <= axes.get_tightbbox().y0 + 1  # below, not above data
    panel, bar = axes.get_window_extent(), figure.axes[1].get_window_extent()
    np.testing.assert_allclose((bar.y0, bar.y1), (panel.y0, panel.y1), atol=2)
    with Image.open(tmp_path / "2d.png") as image:
        pixels = np.asarray(image.convert("L"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (border == 255).all()


def test_a_vanished_gradient_and_a_single_place_can_be_drawn(tmp_path):
    place = np.ones((3, 2))
    axes = plot_2d(None, place, place, tmp_path / "2d.png", arrows=np.zeros((2, 2))).axes[0]
    assert axes.get_xlim() == axes.get_ylim() == (0, 2)


def test_points_outside_are_counted():
    fake = np.array([[0.0, 0], [9, 9]])
    axes = plot_2d(None, np.eye(2), fake).axes[0]
    assert axes.collections[1].get_label() == "generated (1 of 2 outside)"


# -- no global state ---------------------------------------------------------------------------


def test_nothing_global_moves():
    before = dict(matplotlib.rcParams)
    plot_losses(history(2))
    plot_quality(measured())
    plot_2d(plane, np.eye(2), np.eye(2))
    assert dict(matplotlib.rcParams) == before


# -- mistakes of the caller --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: tile(np.ones((2, 5))), r"images with 5 features are not square: pass shape="),
        (lambda: tile(np.ones((2, 6)), shape=(2, 2)), r"shape=\(2, 2\) does not fit images with 6"),
        (lambda: tile(np.ones(4)), r"images must have shape \(N, features\)"),
        (lambda: tile(np.ones((1, 4), np.int64)), "images must be floats"),
        (lambda: tile(np.full((1, 4), np.nan)), "without NaN"),
        (
            lambda: tile(np.ones((1, 4)), columns=0),
            "columns must be a positive whole number, got 0",
        ),
        (lambda: save_sheet("sheet.jpg", np.ones((1, 4))), "path must end in .png"),
        (
            lambda: save_sheet("sheet.png", np.ones((1, 4)), scale=0),
            "scale must be a positive whole number, got 0",
        ),
        (lambda: save_gif("a.gif", []), "at least one"),
        (lambda: save_gif("a.gif", [np.ones((2, 2)), np.ones((3, 2))]), "all of one size"),
        (lambda: save_gif("a.gif", [np.ones((2, 2))], ["a", "b"]), "captions must be 1"),
        (lambda: save_gif("a.gif", [np.ones((2, 2))], duration=1), "duration must be >= 20"),
        (lambda: plot_losses({"d_loss": [1.0]}), "history must hold four lists of one length"),
        (lambda: plot_quality([]), "measured must hold at least one row"),
        (lambda: plot_2d(None, np.ones((2, 3)), np.eye(2)), r"real must be .* shape \(N, 2\)"),
        (lambda: plot_2d(None, np.eye(2), np.eye(2) * np.nan), "fake must be finite"),
        (lambda: plot_2d(lambda x: x, np.eye(2), np.eye(2)), "discriminator must return 40000"),
        (lambda: plot_2d(lambda x: x[:, 0] * 9, np.eye(2), np.eye(2)), "sigmoid"),
        (lambda: plot_2d(lambda x: half(x)[1:], np.eye(2), np.eye(2)), "return 40000"),
        (lambda: plot_2d(lambda x: half(x) * np.nan, np.eye(2), np.eye(2)), "return 40000"),
        (lambda: plot_2d(None, np.ones((0, 2)), np.eye(2)), "extent must be given"),
        (lambda: plot_2d(None, np.eye(2), np.eye(2), arrows=np.ones((3, 2))), "at most 2"),
        (lambda: plot_2d(None, np.eye(2), np.eye(2), extent=(1, 0, 0, 1)), "extent must be"),
    ],
)
def test_mistakes_get_one_clear_sentence(mistake, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        mistake()
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (1, 7), (7, 1, 3)], ids=str)
def test_a_sheet_of_images_of_any_shape(shape, tmp_path):
    images = np.random.default_rng(0).uniform(size=(4, math.prod(shape)))
    picture = tile(images, 2, shape)
    height, width, *colours = shape
    assert picture.shape == (2 * height + 1, 2 * width + 1, *colours)
    np.testing.assert_array_equal(picture[:height, width + 1 :], images[1].reshape(shape))
    save_sheet(tmp_path / "sheet.png", images, 2, shape, scale=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 * width + 2, 4 * height + 2)
        assert sheet.mode == ("RGB" if colours else "L")
    save_gif(tmp_path / "a.gif", [tmp_path / "sheet.png"] * 2, ["epoch 1", "epoch 2"])


def test_bytes_are_images_too():
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 64)
    np.testing.assert_allclose(tile(pixels), tile(pixels / 255), atol=1e-6)


def test_an_image_that_is_no_square_is_told_the_argument():
    with pytest.raises(
        ValueError, match=r"6 features are not square: pass shape=\(height, width\)"
    ):
        tile(np.ones((2, 6)))


def test_a_sheet_of_arrays_that_have_the_shape_of_images(tmp_path):
    x = np.random.default_rng(0).random((6, 5, 4, 3)).astype("float32")
    for images, shape in ((x, (5, 4, 3)), (x[..., 0], (5, 4))):
        expected = tile(images.reshape(6, -1), shape=shape)
        np.testing.assert_array_equal(tile(images), expected)


def test_a_sheet_has_titles_above_its_columns(tmp_path):
    x = np.full((8, 64), 0.5, "float32")
    save_sheet(tmp_path / "plain.png", x, 4)
    save_sheet(tmp_path / "titled.png", x, 4, titles=["cat", "a very long name" * 9])
    plain, titled = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("L"))
        for name in ("plain", "titled")
    )
    np.testing.assert_array_equal(titled[20:], plain)
    half = plain.shape[1] // 2
    lit = np.flatnonzero((titled[:20] > 128).any(axis=0))
    assert abs(lit[lit < half].mean() - half / 2) < 4
    assert lit[lit >= half].min() > half
    assert lit.max() < plain.shape[1]


def test_walks_have_names_beside_them():
    walks = {"linear": np.zeros((2, 5, 64))}
    figure = plot_walks(walks, names=["cat", "dog"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["cat", "dog"]
