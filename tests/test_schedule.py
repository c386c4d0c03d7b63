"""Schedules of the learning rate: their formulas, on the device, through a checkpoint."""

import numpy as np
import pytest
from games import assert_captured, data, fit, float32_game, saved_state

import nngan as nn

RATES = {
    ("linear", 4): lambda t: max(0, 1 - t / 4),
    ("exponential", 0.5): lambda t: 0.5**t,
    ("exponential", 1): lambda t: 1.0,
}
OPTIMIZERS = {
    "SGD": lambda lr, schedule: nn.SGD(lr, 0.9, schedule),
    "Adam": lambda lr, schedule: nn.Adam(lr, schedule=schedule),
    "SGD, growing": lambda lr, schedule: nn.SGD(lr, (0.5, 0.9, 10), schedule),
}


def network(backend="numpy", dtype="float64"):
    return nn.Sequential(nn.Linear(2, 3), dtype=dtype, backend=backend)


@pytest.mark.parametrize("schedule", RATES)
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_is_that_of_the_rate_without_a_schedule(name, schedule, dtype, backend):
    """SGD's and Adam's state do not know lr, so that each step can be compared on its own."""
    net, plain = network(backend, dtype), network(backend, dtype)
    ours = OPTIMIZERS[name](0.1, schedule).bind(net)
    theirs = OPTIMIZERS[name](0.1, None).bind(plain)
    rng = np.random.default_rng(0)
    for t in range(6):
        before = backend.to_numpy(net.params).copy()
        plain.params[...] = net.params
        for n in (net, plain):
            n.grads[...] = backend.asarray(np.sin(rng.integers(1, 9) + np.arange(9)), dtype)
        plain.grads[...] = net.grads
        ours.step()
        theirs.step()
        expected = before + RATES[schedule](t) * (backend.to_numpy(plain.params) - before)
        tolerance = 1e-6 if dtype == "float32" else 1e-14
        np.testing.assert_allclose(backend.to_numpy(net.params), expected, atol=tolerance)
    assert net.params.dtype == dtype


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_captured_step_follows_the_schedule(name, gpu):
    net = network(gpu)
    optimizer = OPTIMIZERS[name](0.1, ("linear", 9)).bind(net)
    net.grads.fill(1)
    assert_captured(gpu, optimizer.step, calls=6)
    assert gpu.to_numpy(optimizer.state["t"])[0] == 6
    rate = gpu.to_numpy(optimizer.learning_rate(optimizer.state["t"]))
    np.testing.assert_allclose(rate, 0.1 / 3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_goes_on_along_the_schedule(name, tmp_path):
    def game():
        return float32_game(
            **{f"{p}_optimizer": OPTIMIZERS[name](0.01, ("linear", 18)) for p in "gd"}
        )

    whole, first = game(), game()
    fit(whole, epochs=3)
    fit(first, epochs=1)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz")
    assert second.g_optimizer.schedule == ("linear", 18)
    fit(second, epochs=2)
    assert saved_state(second) == saved_state(whole)
    kept = whole.G.params.copy()
    fit(whole, data(), epochs=1)  # 3 * 6 steps are done: the rate is zero
    np.testing.assert_array_equal(whole.G.params, kept)


def test_without_a_schedule_there_is_no_counter_to_keep():
    assert set(nn.SGD(0.1).bind(network()).state) == {"v"}
    assert nn.SGD(0.1).learning_rate(np.zeros(1, np.int64)) == 0.1


@pytest.mark.parametrize(
    "schedule", ["linear", ("linear",), ("linear", 0), ("exponential", 1.1), ("cosine", 3)]
)
def test_mistakes_get_one_clear_sentence(schedule):
    with pytest.raises(ValueError, match=r"schedule must be None, \('linear', steps\)"):
        nn.SGD(0.1, schedule=schedule)
