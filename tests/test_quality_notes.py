"""Rows have their names; what is filled and shaded is what precision and recall count."""

import io

import numpy as np
import pytest

from nngan.metrics import prdc
from nngan.plotting import plot_neighbours, plot_rows
from nngan.plotting.sheets import enlarged

rng = np.random.default_rng(0)
REAL = rng.standard_normal((30, 2))
CASES = {"near": rng.standard_normal((25, 2)), "far": rng.standard_normal((25, 2)) + 1.5}


def test_each_row_of_images_has_its_name_beside_it():
    rows = {name: rng.random((n, 64)) for name, n in (("real", 4), ("blurred", 8))}
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


@pytest.mark.parametrize(
    ("plot", "content"), [(plot_neighbours, (REAL, CASES)), (plot_rows, ({"a": np.eye(4)},))]
)
def test_it_is_saved(plot, content):
    file = io.BytesIO()
    plot(*content, file)
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("real", "cases", "k", "message"),
    [
        (REAL, {}, 5, "cases must hold one"),
        (REAL, {"fakes": REAL[:, :1]}, 5, "fakes must be finite numbers of shape"),
        (REAL * np.nan, CASES, 5, "real must be finite"),
        (REAL, CASES, 25, "k must be a whole number from 1 to 24"),
    ],
)
def test_what_does_not_fit(real, cases, k, message):
    with pytest.raises(ValueError, match=message):
        plot_neighbours(real, cases, k=k)


@pytest.mark.parametrize(
    ("rows", "message"),
    [({}, "rows must hold one"), ({"a": np.ones((2, 5))}, "images with 5 features")],
)
def test_rows_that_do_not_fit(rows, message):
    with pytest.raises(ValueError, match=message):
        plot_rows(rows)
