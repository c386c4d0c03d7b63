"""Layers that are wrong only at other widths, shapes, arguments or sizes of numbers."""

from pathlib import Path

import numpy as np
import pytest
from right_layers import check
from right_linear import Linear

from nngan.gradcheck import check_gradients
from nngan.gradcheck.check import check_subject
from nngan.gradcheck.process.remote import check_file
from nngan.gradcheck.report import Finding
from nngan.gradcheck.styles.guesses import other_arguments
from nngan.gradcheck.styles.made import Settings
from nngan.gradcheck.subject import Ended
from nngan.gradcheck.targets import LossSubject, make_subject

TEXT = (Path(__file__).parent / "submissions" / "elsewhere.txt").read_text(encoding="utf-8")
WRONG = {}
for part in TEXT.split("=== ")[1:]:
    head, _, code = part.partition("\n")
    title, name, words = head.split(" | ")
    WRONG[title] = name, words, code
RIGHT = {  # title: what makes the layer right
    "a kernel that moves": ("] = dy[:, i : i + 1]", "] += dy[:, i : i + 1]"),
    "a stride that backward ignores": (
        "        for i in range(dy.shape[1]):\n            self.dW += dy[:, i] @ x[:, i : i + k]\n"
        "            dx[:, i : i + k] += dy[:, i : i + 1] * self.W",
        "        for i in range(dy.shape[1]):\n            s = i * self.stride\n"
        "            self.dW += dy[:, i] @ x[:, s : s + k]\n"
        "            dx[:, s : s + k] += dy[:, i : i + 1] * self.W",
    ),
    "an odd width": ('mode="edge"', 'mode="constant"'),
    "images that are not square": (
        "dy = dy.reshape(n, c, w // 2, 1, h // 2, 1)\n"
        "        return np.broadcast_to(dy / 4, (n, c, w // 2, 2, h // 2, 2))",
        "dy = dy.reshape(n, c, h // 2, 1, w // 2, 1)\n"
        "        return np.broadcast_to(dy / 4, (n, c, h // 2, 2, w // 2, 2))",
    ),
    "the last axis of three": ("axis=1", "axis=-1"),
    "an axis of time": (
        'x, dy) / x.shape[1]\n            self.db += dy.sum(axis=0).mean(axis=0)',
        'x, dy)\n            self.db += dy.sum(axis=(0, 1))',
    ),
    "soft targets": ("np.where(t == 1, s - 1, s)", "s - t"),
}  # fmt: skip


def report_of(name, code, words, folder):
    """Check in this process; in one of its own if the mistake shows with other arguments only."""
    source = "import numpy as np\n\n\n" + code
    if "=" not in words or words.startswith("N ="):
        return check(source, name, Settings(), folder)
    file = folder / "layer.py"
    file.write_text(source, encoding="utf-8")
    (report,) = check_file(file, name, Settings(), 60)
    return report


@pytest.mark.parametrize("title", WRONG)
def test_a_mistake_elsewhere_is_found(title, tmp_path):
    name, words, code = WRONG[title]
    report = report_of(name, code, words, tmp_path)
    assert report.verdict == "wrong", str(report)
    assert words in str(report)


@pytest.mark.parametrize("title", RIGHT)
def test_the_right_layer_raises_no_alarm(title, tmp_path):
    name, words, code = WRONG[title]
    before, after = RIGHT[title]
    assert before in code
    report = report_of(name, code.replace(before, after), words, tmp_path)
    assert report.ok, str(report)


def test_a_layer_for_two_axes_need_not_work_with_three():
    assert check_gradients(Linear(4, 3), np.random.default_rng(0).standard_normal((5, 4))).ok


def test_a_loss_that_takes_the_largest_target_has_no_soft_targets():
    x, t = np.random.default_rng(0).standard_normal((5, 4)), np.eye(4)[[0, 2, 1, 3, 1]]

    def cross_entropy(x, t):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(x)), t.argmax(axis=1)]).mean()
        return loss, (p - t) / len(x)

    def soft(x, t):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return -(t * np.log(p)).sum() / len(x), (p - t) / len(x)

    assert LossSubject(cross_entropy, [x, t]).modes() == []
    assert LossSubject(soft, [x, t]).modes() == ["soft targets"]
    assert check_gradients(cross_entropy, x, t).ok
    assert check_gradients(soft, x, t).ok


def test_the_arguments_of_a_second_object():
    class Layer:
        def __init__(self, n_in=4, n_out=3, stride=1, padding=1, dilation=2, p=0.5):
            pass

    others = [("n_out", 5), ("n_out", 4), ("stride", 2), ("padding", 2), ("dilation", 1)]
    assert other_arguments(Layer, {}) == others
    assert other_arguments(Layer, {"stride": 3}) == [others[0], others[1], *others[3:]]


@pytest.mark.parametrize(("factor", "verdict"), [(1, "inconclusive"), (2, "wrong")])
def test_the_first_report_is_kept_where_the_time_is_over(factor, verdict, monkeypatch):
    class Twice:
        def forward(self, x):
            return 2 * x, None

        def backward(self, dy, cache):
            return 2 * factor * dy

    def rows(self, indices):
        raise Ended(Finding("hangs", "Timed out.", "after 1 s it was at layer.py, line 3"))

    subject = make_subject(Twice(), [np.random.default_rng(0).standard_normal((5, 4))])
    monkeypatch.setattr(type(subject), "rows", rows)
    report = check_subject(subject)
    assert report.verdict == verdict, str(report)
    assert [a.name for a in report.arrays] == ["x"]
    assert ("ran out of time" in str(report)) == (verdict == "inconclusive")
