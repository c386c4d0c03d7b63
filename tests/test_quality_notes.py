"""The balls of precision and recall: what is filled and shaded is what the measures count."""

import io

import numpy as np
import pytest

from nngan.metrics import prdc
from nngan.plotting import plot_neighbours

rng = np.random.default_rng(0)
REAL = rng.standard_normal((30, 2))
CASES = {"near": rng.standard_normal((25, 2)), "far": rng.standard_normal((25, 2)) + 1.5}


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


def test_it_is_saved():
    file = io.BytesIO()
    plot_neighbours(REAL, CASES, file)
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
