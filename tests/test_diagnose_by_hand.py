"""`diagnose_step`: broken games that are stepped by hand get their name, healthy ones get none."""

import functools
import random

import games_by_hand as games
import numpy as np
import pytest

import nngan as nn
from nngan.diagnosis import diagnose_step
from nngan.diagnosis.stepped.kept import Kept

GAMES = {name: make for name, (make, _) in games.BROKEN.items()} | games.HEALTHY


@functools.cache
def report_of(name):
    return diagnose_step(*GAMES[name](), games.X, games.Y if name in games.LABELLED else None)


def serious(report):
    return {finding.kind for finding in report.findings if finding.severity != "note"}


@pytest.mark.parametrize("name", games.BROKEN)
def test_a_broken_game_gets_its_finding_and_no_other(name):
    assert serious(report_of(name)) == set(games.BROKEN[name][1].split())


@pytest.mark.parametrize("name", games.HEALTHY)
def test_a_healthy_game_gets_no_finding(name):
    report = report_of(name)
    assert report.ok, report.findings
    assert len(report.looked_at) >= 4


def test_a_finding_has_evidence_and_a_remedy():
    for name in games.BROKEN:
        for finding in report_of(name).findings:
            assert finding.sentence.endswith("."), finding
            assert any(c.isdigit() for c in finding.evidence), finding
            assert finding.remedy.endswith("."), finding


def test_the_evidence_of_a_wrong_sign_is_a_cosine():
    (finding,) = report_of("G climbs its loss").findings
    assert finding.evidence.endswith("true gradient: -1.00")


def test_a_healthy_report_says_which_loss_fits_and_how_well():
    rows = {row.name: row for row in report_of("the tutorial's game").looked_at}
    fit = rows["cosine of what moved G with a true gradient, the lowest"]
    assert fit.value == "1.0000"
    assert "cross-entropy" in fit.against
    assert rows["updates of D"].value == "3"


def test_features_in_one_other_order_are_only_a_note():
    (finding,) = report_of("features of the data in another order").findings
    assert finding.kind == "data-changed"


def test_sums_for_both_players_are_only_a_note():
    (finding,) = report_of("sums for both").findings
    assert (finding.kind, finding.severity) == ("scale", "note")


def test_a_loss_that_nobody_knows_is_inconclusive():
    rng = np.random.default_rng(0)

    def strange(out, target):
        d = rng.standard_normal(out.shape)
        return 0.0, (d - d.mean()).astype(out.dtype)

    report = diagnose_step(*games.game(loss=strange), games.X)
    assert report.ok
    assert {finding.kind for finding in report.findings} == {"gradient-unknown"}


# -- the state of the user ------------------------------------------------------------------------


def state_of(step, G, D):
    """Return everything that a step of `games.game` moves."""
    inside = dict(zip(step.__code__.co_freevars, (c.cell_contents for c in step.__closure__),
                      strict=True))  # fmt: skip
    optimizers = [inside["d_opt"], inside["g_opt"]]
    arrays = [G.params, G.grads, G.buffers, D.params, D.grads, D.buffers]
    arrays += [array for optimizer in optimizers for array in optimizer.state.values()]
    return (
        [array.tobytes() for array in arrays],
        repr(inside["draw"].rng.bit_generator.state),
        [sorted(vars(layer)) for layer in (*G.layers, *D.layers, G, D, *optimizers)],
    )


def test_everything_is_left_as_it_was_bit_for_bit():
    step, G, D = games.game(optimizer=nn.Adam, lr=1e-3, batchnorm=True, dropout=True)
    for _ in range(3):
        step()
    before = state_of(step, G, D)
    twin = games.game(optimizer=nn.Adam, lr=1e-3, batchnorm=True, dropout=True)
    for _ in range(3):
        twin[0]()
    diagnose_step(step, G, D, games.X)
    assert state_of(step, G, D) == before
    step(), twin[0]()
    assert state_of(step, G, D) == state_of(*twin)


def test_the_global_random_states_are_put_back():
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    before = repr((np.random.get_state(), random.getstate()))  # noqa: NPY002
    step, G, D = games.layer_by_layer()
    diagnose_step(step, G, D, games.X)
    assert repr((np.random.get_state(), random.getstate())) == before  # noqa: NPY002


def test_objects_of_another_kind_are_put_back_too():
    step, G, D = games.own()
    arrays = [a for net in (G, D) for layer in net.layers for a in (layer.W, layer.b)]
    before = [a.tobytes() for a in arrays]
    diagnose_step(step, G, D, games.X)
    now = [a for net in (G, D) for layer in net.layers for a in (layer.W, layer.b)]
    assert all(a is b for a, b in zip(arrays, now, strict=True))
    assert [a.tobytes() for a in now] == before
    assert not hasattr(D.layers[0], "dW")  # it is made by a backward pass


def test_a_step_that_fails_leaves_everything_as_it_was():
    step, G, D = games.game()
    counter = {"i": 0}

    def failing():
        step()
        counter["i"] += 1
        if counter["i"] == 2:
            raise ZeroDivisionError("mine")

    before = state_of(step, G, D)
    with pytest.raises(ZeroDivisionError, match="mine"):
        diagnose_step(failing, G, D, games.X)
    assert state_of(step, G, D) == before
    assert counter == {"i": 0}


class Holder:
    __slots__ = ("array", "count", "late")
    shared = 0

    def __init__(self):
        self.array, self.count = np.zeros(3), 1

    def move(self):
        self.array += 1
        self.count += 1
        self.late = 2
        type(self).shared += 1


some_list, some_number = [1, 2], 0


def test_all_kinds_of_state_are_kept():
    global some_number
    holder, table, chosen = Holder(), {"a": np.ones(2)}, {1}
    generator, number = np.random.default_rng(0), 5

    def move(default=[1]):  # noqa: B006 (kept too)
        global some_number, made_by_the_step
        nonlocal number
        holder.move()
        table["a"][0] = 7
        table["b"] = 1
        chosen.add(2)
        some_list.append(3)
        default.append(2)
        some_number += 1
        made_by_the_step = 1
        number += 1
        return generator.random()

    kept = Kept(move)
    first = move()
    kept.restore()
    assert holder.array.tolist() == [0, 0, 0]
    assert (holder.count, Holder.shared, hasattr(holder, "late")) == (1, 0, False)
    assert list(table) == ["a"]
    assert table["a"].tolist() == [1, 1]
    assert (chosen, some_list, some_number, number) == ({1}, [1, 2], 0, 5)
    assert move.__defaults__ == ([1],)
    assert "made_by_the_step" not in globals()
    assert move() == first
    kept.restore()


# -- errors ---------------------------------------------------------------------------------------


def test_an_iterator_cannot_be_put_back():
    step, G, D = games.game()
    batches = (games.X[i : i + 8] for i in range(0, 100, 8))

    def reads():
        next(batches)
        step()

    with pytest.raises(ValueError, match="give the step an argument for the minibatch"):
        diagnose_step(reads, G, D)
    assert next(batches) is not None


def test_an_argument_must_have_a_known_name():
    _, G, D = games.game()
    with pytest.raises(ValueError, match="'epoch' that diagnose cannot fill"):
        diagnose_step(lambda epoch: None, G, D)


def test_data_must_be_there_if_the_step_takes_them():
    step, G, D = games.arguments()
    with pytest.raises(ValueError, match="pass x"):
        diagnose_step(step, G, D)


def test_a_network_needs_parameters():
    step, G, _ = games.game()
    with pytest.raises(ValueError, match="D must be a Sequential, or an object that holds"):
        diagnose_step(step, G, object())


@pytest.mark.parametrize("zero", [True, False])
def test_a_game_on_any_backend(backend, zero):
    G, D = (network.to(backend) for network in games.networks())
    draw, d_opt, g_opt = games.Draw(), nn.SGD(0.05).bind(D), nn.SGD(0.05).bind(G)
    before = backend.to_numpy(D.params).tobytes()

    def step():
        if zero:
            D.zero_grad()
        fake, g_cache = G.forward(backend.asarray(draw.noise()))
        for x, label in ((backend.asarray(draw.data()), 1.0), (fake, 0.0)):
            out, cache = D.forward(x)
            D.backward(nn.bce_with_logits(out, label)[1], cache)
        d_opt.step()
        out, cache = D.forward(fake)
        dx = D.backward(nn.bce_with_logits(out, 1.0)[1], cache)
        G.zero_grad()
        G.backward(dx, g_cache)
        g_opt.step()

    assert serious(diagnose_step(step, G, D, games.X)) == (set() if zero else {"not-zeroed"})
    assert backend.to_numpy(D.params).tobytes() == before


# -- the networks and the data themselves ---------------------------------------------------------


def test_weights_that_are_not_finite_are_named_before_the_step_is_played():
    _, G, D = games.game()
    D.params[3] = np.nan

    def refuses(imgs):
        raise AssertionError("was played")

    (finding,) = diagnose_step(refuses, G, D, games.X).findings
    assert (finding.kind, finding.severity) == ("divergence", "fault")
    assert "1 of" in finding.evidence


def test_a_step_that_makes_nan_is_named():
    def loss(out, target):
        return 0.0, np.full_like(out, np.nan)

    report = diagnose_step(*games.game(loss=loss), games.X)
    assert report.kinds == ("divergence",)
    assert "call 1 of the step" in report.findings[0].evidence


def test_data_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        diagnose_step(*games.game(), np.full((20, games.WIDTH), np.nan, np.float32))


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("make", [games.Trainer, games.OwnGAN])
def test_data_out_of_reach_of_g_are_named(make, scale):
    game = make()
    played = game.train_on_batch if make is games.Trainer else game.train_step

    def step(real_imgs):
        played(scale * real_imgs)

    found = serious(diagnose_step(step, game.G, game.D, games.X))
    assert ("range" in found) == (scale == 3)


@pytest.mark.parametrize("through_d", [True, False])
def test_a_g_that_does_not_learn_from_d_is_named_whatever_its_loss_is(through_d):
    G, D = games.networks()
    draw, g_opt, d_opt = games.Draw(), nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)

    def step():
        D.zero_grad()
        for x, label in ((draw.data(), 1.0), (G(draw.noise()), 0.0)):
            out, cache = D.forward(x)
            D.backward(nn.bce_with_logits(out, label)[1], cache)
        d_opt.step()
        fake, g_cache = G.forward(draw.noise())
        out, cache = D.forward(fake)
        d_fake = nn.bce_with_logits(fake, 0.0)[1]  # of G's own output
        if through_d:
            d_fake += D.backward(nn.bce_with_logits(out, 1.0)[1], cache)
        G.zero_grad()
        G.backward(d_fake, g_cache)
        g_opt.step()

    assert serious(diagnose_step(step, G, D, games.X)) == (set() if through_d else {"g-without-d"})


# -- several losses explain a gradient where outputs hardly vary ----------------------------------


@pytest.mark.parametrize("loss", [nn.bce, nn.bce_with_logits])
@pytest.mark.parametrize("bias", [-9, 0])
def test_a_second_sigmoid_is_found_where_outputs_hardly_vary(loss, bias):
    step, G, D = games.game(squashed=True, loss=loss)
    D.layers[2].W *= 0.01
    D.layers[2].b += bias
    expected = {"double-sigmoid"} if loss is nn.bce_with_logits else set()
    assert serious(diagnose_step(step, G, D, games.X)) == expected


def test_a_critic_that_pushes_both_the_same_way_is_found():
    def score(out, label):
        return 0.0, np.full_like(out, -1 / len(out))

    step, G, D = games.game(loss=score)
    D.layers[2].b += 3
    report = diagnose_step(step, G, D, games.X)
    assert serious(report) == {"wrong-sign"}
    assert "same way" in str(report)
