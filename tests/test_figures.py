"""The figures of the notebooks: each draws the numbers that it was given."""

import io
import itertools
import math

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

import nngan as nn
from figures import (
    digits_28,
    plot_curves,
    plot_faults,
    plot_game_1d,
    plot_neighbours,
    plot_orbits,
    plot_passes,
    plot_rows,
)
from nngan.metrics import prdc
from nngan.plotting.colours import VERMILION
from nngan.plotting.sheets import enlarged

# -- curves, and a game on a line ------------------------------------------------------------------

X = np.linspace(-3, 3, 61)
P, Q = np.exp(-((X - 1) ** 2)), np.exp(-((X + 1) ** 2) / 2)


def test_curves_are_what_was_given_in_styles_of_their_own():
    figure = plot_curves(X, {"f": X**2, "g": X**3}, {"h": 2 * X}, titles=["a", "b"], ylabel="y")
    left, right = figure.axes
    for line, y in zip([*left.lines, *right.lines], (X**2, X**3, 2 * X), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), X)
        np.testing.assert_array_equal(line.get_ydata(), y)
    f, g = left.lines
    assert f.get_color() != g.get_color()
    assert f.get_linestyle() != g.get_linestyle()
    assert (left.get_title(), right.get_title(), left.get_ylabel()) == ("a", "b", "y")
    assert left.get_xlim() == (-3, 3)


@pytest.mark.parametrize("height", [0.0, 1.0])
def test_names_stand_at_the_end_of_their_curve_and_apart(height, tmp_path):
    ends = {"a": 0.0, "b": 0.02, "c": 1.0, "d": height}
    figure = plot_curves(X, {name: X * 0 + y for name, y in ends.items()}, path=tmp_path / "a.png")
    (axes,) = figure.axes
    texts = sorted(axes.texts, key=lambda text: text.get_text())
    assert [text.get_text() for text in texts] == list("abcd")
    boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: box.y0)
    assert all(low.y1 < high.y0 for low, high in itertools.pairwise(boxes))
    panel = axes.get_window_extent()
    for text, line in zip(texts, axes.lines, strict=True):
        box = text.get_window_extent()
        assert text.get_color() == line.get_color()
        assert panel.x1 < box.x0 < box.x1 < figure.bbox.x1
        end = axes.transData.transform((3, line.get_ydata()[-1]))[1]
        assert abs((box.y0 + box.y1) / 2 - end) < 0.25 * panel.height


def test_a_curve_may_have_gaps_and_scales_be_logarithmic():
    y = np.where(X < 0, 0.1, np.inf)
    axes = plot_curves(X + 4, {"y": y}, xscale="log", yscale="log").axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert np.isnan(axes.lines[0].get_ydata()[X > 0]).all()


def test_a_short_logarithmic_axis_has_plain_numbers_and_a_long_one_powers():
    x = np.linspace(40, 600, 9)
    figure = plot_curves(x, {"y": 10.0 ** -np.arange(9)}, xscale="log", yscale="log")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    x_labels, y_labels = (
        [label.get_text() for label in axis.get_ticklabels(which="both") if label.get_text()]
        for axis in (axes.xaxis, axes.yaxis)
    )
    assert {"50", "100", "200", "500"} <= set(x_labels)
    assert not any("10^" in label for label in x_labels)
    assert all("10^" in label for label in y_labels)


def test_the_game_on_a_line_shows_the_best_d():
    z = np.array([-1.0, 0, 1])
    states = {"first": (Q, 0.5 + 0 * X, z - 1), "last": (P, 0.5 + 0 * X, z + 1)}
    figure = plot_game_1d(X, P, states, z=z)
    first, last = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in first.lines}
    np.testing.assert_allclose(drawn["best D"], P / (P + Q))
    np.testing.assert_array_equal(drawn["D"], 0.5)
    np.testing.assert_array_equal(drawn["data, $p_{\\mathrm{data}}$"], P)
    np.testing.assert_array_equal(drawn["generator, $p_G$"], Q)
    np.testing.assert_allclose(last.lines[0].get_ydata(), 0.5)
    assert (first.get_title(), last.get_title()) == ("first", "last")
    arrows = [text for text in first.texts if text.get_text() == ""]
    assert [arrow.xy[0] for arrow in arrows] == [-2, -1, 0]  # tips: G(z)
    assert [arrow.get_position()[0] for arrow in arrows] == [-1, 0, 1]


def test_odd_numbers_of_states_and_zero_densities_can_be_drawn(tmp_path):
    far = np.where(np.abs(X) < 1, 0.5, 0.0)
    states = {str(i): (far, far, []) for i in range(3)}
    figure = plot_game_1d(X, far, states, tmp_path / "game.png")
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, False]
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[0])


# -- digits ----------------------------------------------------------------------------------------


def test_digits_are_the_first_of_mnist_where_it_is(tmp_path, monkeypatch):
    images = np.zeros((60_000, 28, 28), np.uint8)
    images[0, 3, 5], labels = 51, np.full(60_000, 7, np.uint8)
    monkeypatch.setattr(
        "figures.digits.mnist", lambda data_dir, dtype: (images.reshape(-1, 784), labels)
    )
    x, labels = digits_28(10)
    assert (x.shape, x.dtype, labels.tolist()) == ((10, 784), np.float32, [7] * 10)
    assert x[0, 3 * 28 + 5] == pytest.approx(0.2)


def test_without_mnist_they_are_the_digits_of_scikit_learn_enlarged(tmp_path, monkeypatch):
    monkeypatch.setenv("NNGAN_DATA", str(tmp_path))
    x, labels = digits_28(1800)
    assert (x.shape, x.dtype, x.min(), x.max()) == ((1800, 784), np.float32, 0, 1)
    np.testing.assert_array_equal(x[1797:], x[:3])
    small, small_labels = nn.datasets.digits()
    np.testing.assert_array_equal(labels[:1797], small_labels)
    middle = x[:1797].reshape(-1, 28, 28)[:, 3:27:3, 3:27:3]  # the centres of the old pixels
    np.testing.assert_allclose(middle.reshape(-1, 64), np.clip(1.5 * small - 0.25, 0, 1), atol=1e-6)


# -- passes ----------------------------------------------------------------------------------------


def test_each_pass_goes_its_way():
    (axes,) = plot_passes().axes
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    ways = [(arrow.xy[0], np.sign(arrow.xy[1] - arrow.get_position()[1])) for arrow in arrows]
    assert sorted(ways) == [(0, 1)] * 3 + [(1, -1)] * 3 + [(2, 1)] * 3 + [(3, -1)]


# -- orbits ----------------------------------------------------------------------------------------


PLANE = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


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


# -- rows and neighbours ---------------------------------------------------------------------------

RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((30, 2))
CASES = {"near": RNG.standard_normal((25, 2)), "far": RNG.standard_normal((25, 2)) + 1.5}


def test_each_row_of_images_has_its_name_beside_it():
    rows = {name: RNG.random((n, 64)) for name, n in (("real", 4), ("blurred", 8))}
    figure = plot_rows(rows, columns=4)
    figure.draw_without_rendering()
    for axes, (name, images) in zip(figure.axes, rows.items(), strict=True):
        (picture,) = axes.images
        np.testing.assert_array_equal(picture.get_array(), enlarged(images, columns=4))
        label = axes.yaxis.label
        text, shown = label.get_window_extent(), picture.get_window_extent()
        assert label.get_text() == name
        assert figure.bbox.x0 <= text.x0 < text.x1 <= shown.x0
        assert shown.y0 <= (text.y0 + text.y1) / 2 <= shown.y1
    one, two = (axes.images[0].get_window_extent() for axes in figure.axes)
    assert (one.x0, one.width) == pytest.approx((two.x0, two.width), abs=1)  # images line up


def drawn(axes):
    """Return how many balls are shaded and empty, how many points filled and hollow."""
    return [
        len(part.get_paths() if i < 2 else part.get_offsets())
        for i, part in enumerate(axes.collections)
    ]


@pytest.mark.parametrize("k", [1, 4])
def test_what_is_shaded_is_covered_and_what_is_filled_is_precise_or_recalled(k):
    figure = plot_neighbours(REAL, CASES, k=k)
    panels = np.reshape(figure.axes, (2, 2))
    for (top, bottom), fake in zip(panels.T, CASES.values(), strict=True):
        precision, recall, _, coverage = (estimate.value for estimate in prdc(REAL, fake, k))
        covered, empty, precise, outside = drawn(top)
        assert (covered, covered + empty) == (round(30 * coverage), 30)
        assert (precise, precise + outside) == (round(25 * precision), 25)
        _, _, recalled, missed = drawn(bottom)
        assert (recalled, recalled + missed) == (round(30 * recall), 30)
        assert f"precision {precision:.2f}" in top.get_title()
        assert bottom.get_title() == f"recall {recall:.2f}"


def test_balls_reach_to_the_kth_other_point():
    figure = plot_neighbours(np.array([[0.0, 0], [1, 0], [3, 0]]), {"": REAL[:3]}, k=1)
    balls = [path for part in figure.axes[0].collections[:2] for path in part.get_paths()]
    widths = sorted(np.ptp(path.vertices[:, 0]) for path in balls)
    np.testing.assert_allclose(widths, [2, 2, 4])


# -- faults ----------------------------------------------------------------------------------------


def test_what_a_measure_sees_is_coloured():
    images = {"blurred": np.ones((8, 64)), "copies": np.zeros((8, 64))}
    scores = {"blurred": {"recall": 0.25, "nearest": 3}, "copies": {"recall": 0.5, "nearest": 0}}
    figure = plot_faults(images, scores, {"blurred": {"recall"}, "copies": set()}, columns=4)
    (axes,) = figure.axes
    faces = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert faces == [VERMILION.lower(), *[to_hex("0.94")] * 3]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["blurred", "0.25", "recall", "3.00", "nearest", "copies", "0.50", "0.00"]
    assert [image.get_array().mean() > 0.5 for image in axes.images] == [True, False]


# -- all of them -----------------------------------------------------------------------------------


def test_they_save(tmp_path):
    plot_orbits({"": (turn, {})}, tmp_path / "a.png")
    plot_passes(tmp_path / "b.svg")
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("plot", "content"), [(plot_neighbours, (REAL, CASES)), (plot_rows, ({"a": np.eye(4)},))]
)
def test_it_is_saved(plot, content):
    file = io.BytesIO()
    plot(*content, file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_nothing_global_moves():
    before = dict(matplotlib.rcParams)
    plot_curves(X, {"f": X})
    plot_game_1d(X, P, {"": (Q, P, [])})
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_curves(X), "panels must have 1 to 5 functions"),
        (lambda: plot_curves(X, {}), "panels must have 1 to 5 functions"),
        (lambda: plot_curves(X, {str(i): X for i in range(6)}), "panels must have 1 to 5"),
        (lambda: plot_curves(X, {"f": X}, titles=["a", "b"]), "and a title each"),
        (lambda: plot_curves(X, {"f": X[1:]}), "f must be numbers of x's shape"),
        (lambda: plot_curves(X, {"f": X * np.nan}), "f must be numbers of x's shape"),
        (lambda: plot_game_1d(X, P, {}), "states must hold at least one entry"),
        (lambda: plot_game_1d(X, P[1:], {"": (Q, P, [])}), "data must be numbers of x's shape"),
        (lambda: plot_game_1d(X, P, {"": (Q[1:], P, [])}), "density must be numbers of x's"),
        (lambda: plot_game_1d(X, P, {"": (Q, 3 * P, [])}), "D must be probabilities"),
        (lambda: plot_game_1d(X, P, {"": (Q, P, [])}, z=[1.0]), "fakes must have z's shape"),
        (lambda: plot_orbits({}), "panels must be at least one"),
        (lambda: plot_orbits({"": (turn, {str(i): PLANE for i in range(4)})}), "up to three"),
        (lambda: plot_orbits({"": (turn, {"a": PLANE[0]})}), "a must be finite numbers"),
        (lambda: plot_orbits({"": (lambda at: at[:, 0], {})}), "a field's velocities must be"),
        (lambda: plot_neighbours(REAL, {}), "cases must hold at least one"),
        (lambda: plot_neighbours(REAL, {"fakes": REAL[:, :1]}), "fakes must be finite numbers of"),
        (lambda: plot_neighbours(REAL * np.nan, CASES), "real must be finite"),
        (lambda: plot_neighbours(REAL, CASES, k=25), "k must be a whole number from 1 to 24"),
        (lambda: plot_rows({}), "rows must hold at least one"),
        (lambda: plot_rows({"a": np.ones((2, 5))}), "images with 5 features"),
    ],
)
def test_mistakes_get_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
