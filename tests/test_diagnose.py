"""The diagnosis of a game: each kind on a broken game, silence on its cured twin."""

import copy
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from games_diagnosed import IMAGES, LABELS, digits_game

import nngan as nn
from nngan import checkpoint
from nngan.diagnosis import Finding, Measurement, Report, diagnose, motion, samples, thresholds
from nngan.diagnosis.case import Case, auc, twin_of
from nngan.diagnosis.gradients import _check
from nngan.diagnosis.likeness import likeness
from nngan.diagnosis.samples import clusters
from nngan.layers import Layer
from nngan.mistakes import MISTAKES

RING = nn.datasets.ring(4000)[0]


def fit(gan, epochs, x=IMAGES, labels=None):
    gan.fit(x, epochs, 50, labels=labels, progress=False)
    return gan


@pytest.fixture(scope="module")
def trained():
    """A game that has learned: 1,600 steps."""
    return fit(digits_game(), 80)


@pytest.fixture(scope="module")
def conditional():
    return fit(digits_game(classes=10), 80, labels=LABELS)


@pytest.fixture
def gan(trained):
    return copy.deepcopy(trained)


def kinds(gan, x=IMAGES, labels=None):
    return nn.diagnose(gan, x, labels).kinds


# -- healthy games ---------------------------------------------------------------------------------


def test_a_healthy_game_is_healthy_and_the_report_lists_what_was_looked_at(trained):
    report = nn.diagnose(trained, IMAGES, LABELS)
    assert not report.findings, report
    assert str(report).startswith("nothing found\nlooked at:\n  steps of training")
    names = [m.name for m in report.looked_at]
    assert "classes without samples" in names
    assert "distance of two samples" in names


def test_a_healthy_conditional_game_is_healthy(conditional):
    assert nn.diagnose(conditional, IMAGES, LABELS).ok


def test_a_new_game_gets_a_note_that_it_is_too_early():
    (note,) = nn.diagnose(digits_game(), IMAGES).findings
    assert (note.kind, note.severity) == ("too-early", "note")


ODD = {
    "wasserstein": {"loss": "wasserstein", "gradient_penalty": 10.0, "r1": 0.0},
    "probabilities": {"loss": "least_squares", "d_end": [nn.Sigmoid()], "r1": 0.1},
    "relativistic, in pairs": {"loss": "relativistic", "pack": 2, "r2": 0.5},
    "in -1..1": {"end": nn.Tanh, "data_range": (-1, 1), "loss": "hinge"},
    "minimax": {"loss": "minimax", "label_smoothing": 0.1},
}


@pytest.mark.parametrize("name", ODD)
def test_games_that_look_odd_are_healthy(name):
    report = nn.diagnose(fit(digits_game(**ODD[name]), 40), IMAGES)
    assert report.ok, report


# -- what is built wrong ---------------------------------------------------------------------------


def test_a_sigmoid_under_a_loss_on_logits_is_found_at_once():
    gan = digits_game(d_end=[nn.Sigmoid()], check=False, r1=0.0)
    assert kinds(gan) == ("double-sigmoid",)
    assert kinds(fit(gan, 20)) == ("double-sigmoid",)


def test_data_that_g_cannot_reach_are_found():
    gan = digits_game(check=False)
    assert kinds(gan, 2 * IMAGES - 1) == ("range",)
    assert kinds(gan, np.zeros((100, 64), np.float32))[0] == "range"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_mistakes_of_games_by_hand_are_found(mistake):
    made = MISTAKES[mistake]

    def network(player, *layers, seed):
        return (made.network if made.player == player else nn.Sequential)(*layers, seed=seed)

    G = network("G", nn.Linear(2, 16, "he"), nn.LeakyReLU(0.2), nn.Linear(16, 2), seed=1)
    D = network("D", nn.Linear(2, 16, "he"), nn.LeakyReLU(0.2), nn.Linear(16, 1), seed=2)
    expected = {
        "sigmoid": "double-sigmoid", "not_zeroed": "gradients-add-up",
        "stale_cache": "wrong-gradient", "wrong_sign": "wrong-gradient",
    }  # fmt: skip
    assert kinds(nn.GAN(G, D, check=False), RING) == (expected[mistake],)


def test_weights_that_the_optimizer_does_not_know_are_found(gan):
    gan.G.layers[0].W = gan.G.layers[0].W.copy()
    assert kinds(gan) == ("nothing-moves",)


# -- what keeps a player from learning -------------------------------------------------------------


@pytest.mark.parametrize("player", ["g_optimizer", "d_optimizer"])
def test_a_player_that_does_not_move_is_found(gan, player):
    getattr(gan, player).lr = 0.0
    assert kinds(gan) == ("nothing-moves",)


def test_the_end_of_a_schedule_is_no_fault():
    gan = digits_game()
    vars(gan)["g_optimizer"] = nn.Adam(1e-3, schedule=("linear", 10)).bind(gan.G)
    gan.g_optimizer.state["t"][...] = 10
    report = nn.diagnose(gan, IMAGES)
    assert report.ok
    assert "nothing-moves" in [f.kind for f in report.findings]


def test_a_gradient_that_rounding_hides_is_not_called_wrong():
    """A D that is sure of all, and a G whose gradient is 1e-13 of its loss."""
    net = nn.Sequential(nn.Linear(3, 2), seed=1, dtype="float64")

    def step():
        net.grads.fill(1e-11)
        return 140.0 + 1e-11 * net.params.sum()

    (measured,) = _check("G", net, step)
    assert measured.against == "too small to check"


@pytest.mark.parametrize("lr", [1.0, 1e-9])
def test_learning_rates_out_of_proportion_are_found(gan, lr):
    gan.d_optimizer.lr = lr
    assert kinds(gan) == ("learning-rate",)


def test_a_learning_rate_that_froze_the_game_is_named_and_not_the_weights_that_stand_still():
    gan = digits_game(g_lr=0.1, d_lr=0.1, r1=0.0)
    report = nn.diagnose(fit(gan, 40), IMAGES)
    assert set(report.kinds) == {"learning-rate"}, report


def test_units_that_never_work_are_found(gan):
    gan.G.layers[2].b[...] = -100
    report = nn.diagnose(gan, IMAGES)
    assert report.kinds == ("dead-units",)
    assert "All ReLU units" in str(report)
    gan.G.layers[2].b[:2] = 1
    assert kinds(gan) == ("dead-units",)


@pytest.mark.parametrize(("alive", "found"), [(1, True), (3, False)])
def test_a_few_units_are_enough_for_two_columns(alive, found):
    G = nn.Sequential(nn.Linear(2, 64, "he"), nn.ReLU(), nn.Linear(64, 2), seed=1)
    D = nn.Sequential(nn.Linear(2, 16, "he"), nn.LeakyReLU(0.2), nn.Linear(16, 1), seed=2)
    G.layers[0].b[alive:] = -100
    G.layers[0].b[:alive] = 1
    assert ("dead-units" in kinds(nn.GAN(G, D), RING)) == found


def test_saturated_units_are_found():
    gan = digits_game(act=nn.Tanh)
    assert kinds(gan) == ()
    gan.G.layers[0].W *= 100
    assert kinds(gan) == ("saturated",)


def test_penalties_out_of_proportion_are_found():
    assert kinds(fit(digits_game(r1=1e4), 20)) == ("penalty-strong",)
    assert kinds(fit(digits_game(r1=1e-10), 20)) == ("penalty-idle",)


# -- how the players stand -------------------------------------------------------------------------


def test_a_d_that_has_won_is_found():
    gan = digits_game(loss="minimax", r1=0.0, g_lr=1e-4, d_lr=5e-3)
    assert kinds(fit(gan, 40)) == ("d-won",)


def test_a_d_that_is_too_weak_is_found():
    assert kinds(fit(digits_game(d_lr=2e-6, r1=0.0), 20)) == ("weak-d",)


def test_parameters_that_are_not_finite_are_found(gan):
    gan.G.params[3] = np.nan
    assert kinds(gan) == ("divergence",)


def test_weights_that_grow_without_end_are_found():
    gan = fit(digits_game(r1=0.0), 20)
    gan.D.params *= 30
    assert "divergence" in kinds(gan)


def test_answers_of_d_that_swing_are_found(gan):
    gan.history["d_fake"][:] = [0.5 + (-1) ** i * 0.2 for i in range(gan.epoch)]
    assert kinds(gan) == ("oscillation",)


# -- what comes out --------------------------------------------------------------------------------


def test_samples_that_are_all_alike_are_found(gan):
    for G in (gan.G, gan.G_ema):
        G.layers[4].b[...] = 4 * np.sign(IMAGES[0] - 0.5)  # one image, whatever z is
        G.layers[4].W *= 0.3
    assert kinds(gan) == ("collapse",)


def test_a_class_without_samples_is_found(gan):
    """Data of ten classes, and a game that has learned from eight of them."""
    rows = (LABELS != 0) & (LABELS != 6)
    few = fit(digits_game(), 80, IMAGES[rows])
    assert kinds(few, IMAGES[rows], LABELS[rows]) == ()
    report = nn.diagnose(few, IMAGES, LABELS)
    assert report.kinds == ("collapse",)
    assert "(0, 6)" in report.findings[0].evidence


def test_a_g_that_begins_small_has_not_collapsed_yet(gan, monkeypatch):
    """Missing classes are a note until a layer has grown; samples that are alike are a fault."""
    small = nn.Sequential(nn.Linear(4, 8, ("normal", 0.01)), nn.Linear(8, 8, "fan_in"), seed=1)
    assert samples.relative_size(small) < 0.7 < 1 < samples.relative_size(gan.G)
    missing = samples.Coverage(10, [0, 1], 0.2, [0, 1])
    monkeypatch.setattr(samples, "coverages", lambda case: iter([("classes", missing)]))
    case = Case(gan, IMAGES)
    severities = []
    for size in (2.0, 0.7):
        monkeypatch.setattr(samples, "relative_size", lambda network, size=size: size)
        *_, finding = samples.collapse(case)
        severities.append((finding.kind, finding.severity))
    assert severities == [("collapse", "fault"), ("collapse", "note")]
    case.samples = case.samples[:1] + 0.01 * case.samples
    *_, finding = samples.collapse(case)
    assert finding.severity == "fault"


def test_samples_on_a_line_within_each_mode_have_not_collapsed():
    x, angle = nn.datasets.ring(2000)[0], np.pi / 4 * np.arange(8)
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre = centres[((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)]
    for shape, found in (([1, 0], []), ([1e-3, 1e-3], ["collapse"])):
        rows = centre + (x - centre) * shape
        case = SimpleNamespace(samples=rows, x=x, labels=None, gan=plane())
        kinds = [item.kind for item in samples.collapse(case) if isinstance(item, Finding)]
        assert kinds == found


def test_modes_of_a_mixture_are_counted():
    _, groups, are_apart = clusters(nn.datasets.grid(2000)[0])
    assert are_apart
    assert groups.max() + 1 == 25
    assert not clusters(IMAGES)[2]


def test_labels_that_g_ignores_are_found(conditional):
    gan = copy.deepcopy(conditional)
    for G in (gan.G, gan.G_ema):
        G.layers[0].W[16:] = 0
    assert kinds(gan, IMAGES, LABELS) == ("labels-ignored",)


def test_a_class_that_has_collapsed_is_found(conditional):
    gan = copy.deepcopy(conditional)
    for G in (gan.G, gan.G_ema):
        G.layers[0].W[:16] *= 0.01
    assert "collapse" in kinds(gan, IMAGES, LABELS)


class Memory(Layer):
    """A layer that draws images of the data, with a little noise."""

    couples_samples = False
    share = 1.0

    def forward(self, x, training=True, key=None):
        row = np.abs(x[:, 0] * 1e4).astype(int) % len(IMAGES)
        copied = IMAGES[row].astype(x.dtype) + 0.01 * x
        return self.share * copied + (1 - self.share) * IMAGES[row - 1], None

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return dy if input_grad else None


def test_copies_of_the_data_are_found(monkeypatch):
    G = nn.Sequential(nn.Linear(64, 64), Memory(), seed=1)
    D = nn.Sequential(nn.Linear(64, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), seed=2)
    gan = nn.GAN(G, D)
    monkeypatch.setattr(sys.modules[diagnose.__module__], "BUILT", ())  # its gradient is none
    gan.clock[...] = 1000
    assert "copies" in [f.kind for f in nn.diagnose(gan, IMAGES).findings]
    monkeypatch.setattr(Memory, "share", 0.5)
    assert "copies" not in [f.kind for f in nn.diagnose(gan, IMAGES).findings]


def test_an_average_that_lags_is_found(gan):
    gan.G_ema.params[...] = digits_game().G.params
    assert "average-lags" in kinds(gan)


# -- the report, and what it leaves alone ----------------------------------------------------------


def test_nothing_is_changed_and_the_report_is_always_the_same(conditional):
    gan = copy.deepcopy(conditional)
    before = {k: v.copy() for k, v in checkpoint.arrays_of(gan).items()}
    history, log, grads = copy.deepcopy(gan.history), gan.log.copy(), gan.G.grads.copy()
    x, labels = IMAGES.copy(), LABELS.copy()
    first, second = (nn.diagnose(gan, x, labels) for _ in range(2))
    assert first == second
    for name, array in checkpoint.arrays_of(gan).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    assert gan.history == history
    for now, then in ((gan.log, log), (gan.G.grads, grads), (x, IMAGES), (labels, LABELS)):
        np.testing.assert_array_equal(now, then)


def test_every_backend_has_the_same_findings(backend):
    gan = digits_game(backend=backend, loss="relativistic", pack=2, r2=0.1, ema=0.0)
    fit(gan, 1)
    here = nn.diagnose(gan, backend.asarray(IMAGES))
    assert [f.kind for f in here.findings] == ["too-early"]
    assert twin_of(gan).G.backend.name == "numpy"


def test_images_of_any_form_are_data(trained):
    bytes_ = np.round(IMAGES * 255).astype(np.uint8).reshape(-1, 8, 8)
    assert nn.diagnose(trained, bytes_).ok


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (IMAGES[:, :5], None, "x must be an array of shape"),
        (IMAGES[:1], None, "too few"),
        (IMAGES * np.nan, None, "NaN"),
        (IMAGES, LABELS[:5], "labels must be 1000"),
    ],
)
def test_what_is_no_data_is_refused(trained, x, labels, message):
    with pytest.raises(ValueError, match=message):
        nn.diagnose(trained, x, labels)


def test_a_game_with_classes_needs_labels(conditional):
    with pytest.raises(ValueError, match="labels must be 1000 whole numbers"):
        nn.diagnose(conditional, IMAGES)
    with pytest.raises(TypeError, match="gan must be a GAN, got Sequential"):
        nn.diagnose(conditional.G, IMAGES)


def test_the_report_reads_well_as_text_and_as_html():
    findings = (
        Finding("d-won", "fault", "D has won.", "D(x) = 1 < 2", "lower it"),
        Finding("too-early", "note", "It is early."),
    )
    report = Report(findings, (Measurement("steps", "12", "of 20"),))
    assert not report
    assert not report.ok
    assert report.kinds == ("d-won",)
    assert str(report) == (
        "found: 1 fault\n  fault: D has won. [d-won]\n      measured: D(x) = 1 < 2\n"
        "      try: lower it\n  note: It is early. [too-early]\nlooked at:\n  steps  12  of 20"
    )
    html = report._repr_html_()
    assert "D(x) = 1 &lt; 2" in html
    assert html.count("<li>") == html.count("</li>") == 2
    assert "nothing found" in str(Report((), ()))


def test_a_d_that_is_right_half_the_time_is_at_chance():
    assert auc(np.array([2.0, 3]), np.array([0.0, 1])) == 1
    assert auc(np.zeros(3), np.zeros(2)) == 0.5


def test_every_threshold_is_used():
    files = Path(nn.__file__).parent.joinpath("diagnosis").rglob("*.py")
    source = "".join(path.read_text() for path in files if path.name != "thresholds.py")
    for name in vars(thresholds):
        assert not name.isupper() or re.search(rf"\b{name}\b", source), name


def test_every_kind_is_on_the_page():
    root = Path(nn.__file__).parent
    source = "".join(path.read_text() for path in (root / "diagnosis").rglob("*.py"))
    page = (root.parent / "docs" / "diagnose.md").read_text()
    kinds = set(re.findall(r'Finding\(\s*"([\w-]+)"', source))
    assert len(kinds) > 15
    for kind in kinds:
        assert f"`{kind}`" in page, kind


# -- what no activation, no bound and no range do -------------------------------------------------


def plane(g_act=nn.ReLU, d_act=nn.LeakyReLU, **options):
    """Return a game in the plane; `g_act` and `d_act` may be None."""
    layers = [
        [nn.Linear(2, 16, "he"), *([act()] if act else []), nn.Linear(16, n)]
        for act, n in ((g_act, 2), (d_act, 1))
    ]
    G, D = (nn.Sequential(*part, seed=i + 1) for i, part in enumerate(layers))
    return nn.GAN(G, D, **options)


@pytest.mark.parametrize(("g_act", "d_act"), [(None, nn.LeakyReLU), (nn.ReLU, None)])
def test_a_network_without_an_activation_is_found(g_act, d_act):
    assert kinds(plane(g_act, d_act), RING) == ("linear",)


def test_a_linear_g_is_only_a_note_if_that_is_enough():
    x = np.random.default_rng(0).standard_normal((4000, 2), dtype=np.float32)
    gan = plane(None)
    gan.G.layers[0].W[...], gan.G.layers[1].W[...] = np.eye(2, 16), np.eye(16, 2)
    gan.clock[...] = 2000
    found = {f.kind: f.severity for f in nn.diagnose(gan, x).findings}
    assert found["linear"] == "note"


@pytest.mark.parametrize("bound", [{"gradient_penalty": 10.0}, {"r1": 1.0}, {}])
def test_a_wasserstein_game_needs_a_bound(bound):
    found = kinds(plane(loss="wasserstein", **bound), RING)
    assert ("unbounded-critic" in found) == (not bound)


def test_clipped_weights_are_a_bound():
    gan = plane(loss="wasserstein")
    np.clip(gan.D.params, -0.05, 0.05, out=gan.D.params)
    assert "unbounded-critic" not in kinds(gan, RING)


def test_data_that_are_tiny_for_g_are_found():
    assert kinds(digits_game(), IMAGES / 255) == ("range",)
    assert kinds(plane(), RING / 1000) == ("range",)


def test_a_class_with_few_samples_is_rare_and_one_with_none_is_missing():
    real = np.repeat(np.arange(10), 100)
    few, none = real.copy(), real.copy()
    few[200:280] = none[200:300] = 1
    rare = samples.spread(real, few, 10, thresholds.CLASS_RATE)
    assert (rare.missing, rare.gone) == ([2], [])
    assert samples.rare(rare).severity == "note"
    assert samples.spread(real, none, 10, thresholds.CLASS_RATE).gone == [2]


def test_samples_that_are_unlike_the_data_are_said_and_like_ones_are_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 2))
    for samples_, is_unlike in (
        (rng.standard_normal((500, 2)), False),
        (1.1 * rng.standard_normal((500, 2)), False),
        (rng.standard_normal((500, 2)) + 1.5, True),
        (4 * rng.standard_normal((500, 2)), True),
    ):
        assert likeness(samples_, x).is_unlike == is_unlike


# -- slow players, statistics, few data ------------------------------------------------------------


def test_a_d_that_is_too_slow_for_g_is_found():
    gan = fit(digits_game(d_lr=5e-5, g_lr=2e-3, r1=0.0), 80)
    report = nn.diagnose(gan, IMAGES)
    assert report.kinds == ("weak-d",), report
    assert report.findings[0].severity == "warning"
    assert "lower G's" in report.findings[0].remedy


@pytest.mark.parametrize("momentum", [0.1, 1e-5])
def test_statistics_that_do_not_follow_are_found(momentum):
    def block(n, out):
        return [nn.Linear(n, out, ("normal", 0.02)), nn.BatchNorm(out, momentum), nn.ReLU()]

    made = digits_game()
    G = nn.Sequential(
        *block(16, 64), *block(64, 64), nn.Linear(64, 64, ("normal", 0.2)), nn.Sigmoid(), seed=1
    )
    gan = fit(nn.GAN(G, made.D, r1=0.5), 40)
    assert kinds(gan) == (() if momentum == 0.1 else ("batchnorm-statistics",))


def test_statistics_of_another_g_are_found():
    """Samples may be as far apart as they should be, and be other samples."""
    gan = digits_game()
    G = nn.Sequential(
        nn.Linear(16, 64), nn.BatchNorm(64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid(), seed=1
    )
    gan = fit(nn.GAN(G, gan.D, r1=0.5), 40)
    assert kinds(gan) == ()
    gan.G.layers[1].running_mean += 1
    assert kinds(gan) == ("batchnorm-statistics",)


def test_near_copies_in_the_data_are_no_reason_to_call_samples_strange():
    rng = np.random.default_rng(0)
    few = rng.random((400, 64))
    x = few[rng.integers(400, size=2_000)] + 0.01 * rng.standard_normal((2_000, 64))
    new = rng.random((500, 64))
    alike = likeness(new, x)
    assert alike.nearest - alike.nearest_of_data > thresholds.UNLIKE_NEAREST
    assert not alike.is_unlike


def test_few_images_are_found():
    gan = fit(digits_game(r1=0.0), 1300, IMAGES[:50])
    assert kinds(gan, IMAGES[:50]) == ("few-images",)


def test_penalties_are_played_when_they_are_due(monkeypatch):
    """Every fourth step, as `fit` does: they are four times as strong there."""
    due = []
    step = nn.GAN.discriminator_step

    def watched(self, *arrays, penalise=True, **options):
        due.append(penalise)
        return step(self, *arrays, penalise=penalise, **options)

    monkeypatch.setattr(nn.GAN, "discriminator_step", watched)
    list(motion.updates(Case(digits_game(penalty_every=4), IMAGES)))
    assert due[: motion.STEPS] == [True, *[False] * (motion.STEPS - 1)]


def test_classes_of_a_few_rows_are_not_compared():
    game = digits_game(classes=10)
    assert list(samples.class_collapse(Case(game, IMAGES[:60], LABELS[:60]))) == []


def test_samples_that_overflow_are_said_of_g_not_of_the_data():
    game = digits_game(end=nn.LeakyReLU, check=False)
    game.G.params[:] = 1e30
    assert kinds(game) == ("divergence",)


def test_two_rows_are_too_few():
    with pytest.raises(ValueError, match="2 samples, which are too few"):
        nn.diagnose(digits_game(), IMAGES[:2])
