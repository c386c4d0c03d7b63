"""The model of a step on many processes: its counts are those of a step that is played."""

import math
import re
import sys
from functools import partial
from pathlib import Path

import pytest

import nngan as nn
from nngan import distributed
from nngan.backend import NumpyBackend

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "benchmark"))

import ranks  # noqa: E402
import scaling  # noqa: E402
import scaling_here  # noqa: E402
from scaling import (  # noqa: E402
    CLUSTERS,
    Machine,
    faster,
    gain,
    pays_from,
    ring,
    ring_from,
    seconds,
    tree,
    work,
)

NOTHING = Machine(*[0.0] * 7)


@pytest.mark.parametrize(("width", "batch"), [(5, 8), (16, 24)])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_work_is_that_of_a_step(width, batch, processes, monkeypatch):
    """One of the processes plays; its sums are written down instead of sent."""
    multiplications, activations, sums = [], [], []
    matmul, forward = NumpyBackend.matmul, nn.Linear.forward

    def counted_matmul(self, a, b, *args, **options):
        multiplications.append(a.shape[0] * a.shape[1] * b.shape[1])
        return matmul(self, a, b, *args, **options)

    def counted_forward(self, x, *args, **options):
        y, cache = forward(self, x, *args, **options)
        activations.append(y.size)
        return y, cache

    def counted_sum(self, branch):
        sums.append(branch.nbytes)
        return branch

    comm = distributed.Alone(0, processes)
    step = ranks.step_of(width, batch, processes, comm)
    monkeypatch.setattr(NumpyBackend, "matmul", counted_matmul)
    monkeypatch.setattr(nn.Linear, "forward", counted_forward)
    monkeypatch.setattr(distributed.Meeting, "_over_processes", counted_sum)
    step()

    game, w = ranks.game(width), work(width, batch, processes)
    assert w.multiplications == sum(multiplications)
    assert w.activations == sum(activations)
    assert w.parameters == game.G.size + game.D.size
    assert w.sums == tuple(sums)
    assert len(sums) == (3 if processes > 1 else 0)
    weights = [layer.W.size for net in (game.G, game.D) for layer in net.layers if layer.size]
    assert w.weights == work(width, 16 * batch, processes).weights
    # G: twice forward, dW, dx from the second layer on. D: twice forward and dx, once without
    # the first layer, and dW.
    assert w.weights == 4 * sum(weights[:3]) - weights[0] + 5 * sum(weights[3:]) - weights[3]


@pytest.mark.parametrize("processes", [1, 2, 8, 64])
def test_the_time_is_the_work_times_the_seconds_of_each(processes):
    w = work(32, 128, processes)
    for name, counted in zip(Machine._fields[:4], w[:4], strict=True):
        assert seconds(NOTHING._replace(**{name: 1.0}), 32, 128, processes) == counted
    assert seconds(NOTHING._replace(step=1.0), 32, 128, processes) == 1
    rounds = math.log2(processes)
    assert seconds(NOTHING._replace(round=1.0), 32, 128, processes) == 3 * rounds
    sent = 4 * w.parameters + 16
    assert seconds(NOTHING._replace(byte=1.0), 32, 128, processes) == rounds * sent


@pytest.mark.parametrize(
    ("processes", "by_tree", "by_ring"),
    [  # rounds, and bytes that each process sends, of a sum of 64 bytes
        (2, (1, 64), (2, 64)),
        (4, (2, 128), (6, 96)),
        (8, (3, 192), (14, 112)),
        (64, (6, 384), (126, 126)),
    ],
)
def test_a_sum_takes_more_rounds_in_a_ring_and_sends_less(processes, by_tree, by_ring):
    for all_reduce, (rounds, sent) in ((tree, by_tree), (ring, by_ring)):
        assert all_reduce(NOTHING._replace(round=1.0), processes, 64) == rounds
        assert all_reduce(NOTHING._replace(byte=1.0), processes, 64) == sent
        both = NOTHING._replace(round=10.0, byte=1.0)
        assert all_reduce(both, processes, 64) == 10 * rounds + sent


@pytest.mark.parametrize(("name", "megabytes"), [("8 GPUs in a box", 11.07), ("64 nodes", 14.29)])
def test_a_large_sum_goes_around_a_ring(name, megabytes):
    """By hand: 1.258 MB in the time of a round, times 11 / 1.25; 0.48 MB times 120 / 4.031."""
    processes, machine = CLUSTERS[name]
    size = ring_from(machine, processes)
    assert round(size / 1e6, 2) == megabytes
    for factor, chosen, other in ((0.9, tree, ring), (1.1, ring, tree)):
        sum_of = machine, processes, int(factor * size)
        assert faster(*sum_of) == chosen(*sum_of) < other(*sum_of)


def test_a_step_has_the_sums_that_it_is_given():
    machine = NOTHING._replace(round=1.0, byte=1.0)
    sent = 4 * work(32, 128, 8).parameters + 16
    assert seconds(machine, 32, 128, 8) == 3 * 3 + 3 * sent
    assert seconds(machine, 32, 128, 8, ring) == 3 * 14 + 14 / 8 * sent
    assert gain(machine._replace(step=sent), 32, 128, 8, ring) == sent / (2.75 * sent + 42)


def test_only_what_goes_with_the_rows_is_divided():
    one, four = work(64, 256, 1), work(64, 256, 4)
    assert one.multiplications == 4 * four.multiplications
    assert one.activations == 4 * four.activations
    assert (one.weights, one.parameters) == (four.weights, four.parameters)
    assert gain(NOTHING._replace(multiplication=1.0), 64, 256, 4) == 4
    assert gain(NOTHING._replace(parameter=1.0), 64, 256, 4) == 1


def test_the_width_from_which_more_processes_pay():
    # 512 samples save products. A sum costs its rounds, which weigh less in wide games.
    machine = NOTHING._replace(multiplication=1e-12, round=2e-4)
    width = pays_from(machine, 512, 4)
    index = scaling.WIDTHS.index(width)
    assert index > 0
    assert gain(machine, scaling.WIDTHS[index - 1], 512, 4) <= 1
    assert all(gain(machine, wider, 512, 4) > 1 for wider in scaling.WIDTHS[index:])
    assert pays_from(machine._replace(round=0.0), 512, 4) == scaling.WIDTHS[0]
    assert pays_from(machine._replace(byte=1.0), 512, 4) is None


def test_the_page_has_what_the_model_says_of_gpus(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scaling.py"])
    scaling.main()
    page = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in re.sub(r"^    ", "", page, flags=re.M)


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        (ranks, ["--shards", "1"], "ranks.py: error: --shards must be a multiple of the number"),
        (ranks, ["--shards", "2", "6"], "ranks.py: error: --shards must be a power of two"),
        (ranks, ["--batch-size", "3"], "--batch-size must be a multiple of --shards 2, got 3"),
        (scaling_here, ["--batch-size", "8", "3"], "--batch-size must be a multiple of shards=2"),
    ],
)
def test_what_the_processes_cannot_divide_is_one_sentence(
    script, words, message, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *words])
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "world", partial(distributed.Alone, rank, 2))
        with pytest.raises(SystemExit, match="2"):
            script.main()
        out, errors = capsys.readouterr()
        assert out == ""
        assert errors.count("\n") == (1 if rank == 0 else 0)
        assert message in errors or rank == 1


def test_predictions_stand_beside_measurements(monkeypatch, capsys):
    monkeypatch.setattr(scaling_here, "clock", partial(scaling_here.clock, least=1e-4))
    monkeypatch.setattr(scaling_here, "measured", partial(scaling_here.measured, width=32))
    scaling_here.compare(distributed.ALONE, [4, 8], [8], blocks=1)
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("1 processes: ")
    for row, width in zip(rows, (4, 8), strict=True):
        name, batch, predicted, _, found, _, error = row.split()
        assert (int(name), int(batch)) == (width, 8)
        assert float(found) > 0
        assert error.endswith("%")
        assert math.isfinite(float(predicted))
