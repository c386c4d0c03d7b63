"""A compiled step: warm-up, capture, replay, and what happens when it cannot be captured."""

import gc
import weakref

import numpy as np
import pytest
from games import GAMES, image_game

import nngan as nn
from nngan.backend.graph import WARM_UP_CALLS, CudaGraph

CAPTURE = WARM_UP_CALLS + 1  # the call that captures the step
STEPS = CAPTURE + 3


class Counter:
    """A step that adds up 0 + 1 + 2 + ... on the device, and counts on the host who called it."""

    def __init__(self, xp):
        self.xp, self.clock, self.sum = xp, xp.zeros(()), xp.zeros(())
        self.called = 0

    def __call__(self):
        self.called += 1
        twice = self.clock * 2
        self.sum += twice / 2
        self.clock += 1

    def state(self):
        return float(self.clock), float(self.sum)


@pytest.fixture(scope="module")
def cp(gpu):
    return gpu.xp


@pytest.fixture
def step(cp):
    return Counter(cp)


def calls(function, n):
    for _ in range(n):
        function()


def after(n):
    return n, n * (n - 1) / 2


@pytest.mark.parametrize("n", range(8))
def test_every_call_is_one_step(step, n, cp):
    calls(CudaGraph(cp, step), n)
    assert step.state() == after(n)


def test_the_step_itself_is_called_to_warm_up_and_once_to_be_captured(step, cp):
    calls(CudaGraph(cp, step), 10)
    assert step.called == CAPTURE


def test_a_step_may_make_its_state_in_its_first_call(cp):
    """Then its second call is the first to go the way of all others, with other kernels."""
    state = []

    def step():
        if state:
            state[0] += 1
        else:
            state.append(cp.zeros(()))

    calls(CudaGraph(cp, step), STEPS)  # a fallback would be an error here
    assert float(state[0]) == STEPS - 1


def test_host_numbers_are_frozen_in_the_capture(cp):
    total, rate = cp.zeros(()), [1.0]

    def step():
        total.__iadd__(rate[0])

    compiled = CudaGraph(cp, step)
    calls(compiled, CAPTURE)
    rate[0] = 100.0
    compiled()
    assert float(total) == CAPTURE + 1


def test_state_that_others_wrote_is_read(step, cp):
    compiled = CudaGraph(cp, step)
    calls(compiled, CAPTURE)
    step.clock[...] = 100
    step.sum[...] = 0
    calls(compiled, 2)
    assert step.state() == (102, 201)


def test_two_steps_are_captured_side_by_side(cp):
    a, b = Counter(cp), Counter(cp)
    compiled_a, compiled_b = (CudaGraph(cp, step) for step in (a, b))
    for n in range(1, 8):
        compiled_a()
        calls(compiled_b, 2)
        assert (a.state(), b.state()) == (after(n), after(2 * n))


def test_a_graph_is_launched_on_the_current_stream_and_leaves_it_alone(step, cp):
    compiled = CudaGraph(cp, step)
    with cp.cuda.Stream() as _:
        before = cp.cuda.get_current_stream()
        calls(compiled, CAPTURE)
        assert cp.cuda.get_current_stream() is before


# -- what cannot be captured -----------------------------------------------------------------------


FAULTS = {
    "read": lambda step: float(step.sum),
    "branch": lambda step: bool(step.sum > 0),
    "upload": lambda step: step.xp.asarray(np.arange(3)),
    "CuPy's own product": lambda step: step.xp.ones((2, 2)) @ step.xp.ones((2, 2)),
    "wait": lambda step: step.xp.cuda.get_current_stream().synchronize(),
}


def failing(step, fault, when):
    """The step with a fault before or after its work."""

    def run():
        if when == "before":
            fault(step)
        step()
        if when == "after":
            fault(step)

    return run


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_step_that_cannot_be_captured_runs_call_by_call(step, fault, when, cp):
    compiled = CudaGraph(cp, failing(step, fault, when))
    calls(compiled, WARM_UP_CALLS)
    with pytest.warns(RuntimeWarning, match=r"call by call.*\((\w*Runtime|NotImpl.*)Error: .*"):
        compiled()
    assert step.state() == after(CAPTURE)  # and the tests turn a second warning into an error
    calls(compiled, 3)
    assert step.state() == after(CAPTURE + 3)


def test_the_warning_points_to_the_caller(step, cp):
    compiled = CudaGraph(cp, failing(step, FAULTS["read"], "after"))
    calls(compiled, WARM_UP_CALLS)
    with pytest.warns(RuntimeWarning, match="the current stream is capturing") as caught:
        compiled()
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_that_is_an_error_comes_once(step, cp):
    compiled = CudaGraph(cp, failing(step, FAULTS["read"], "after"))
    calls(compiled, WARM_UP_CALLS)
    with pytest.raises(RuntimeWarning):
        compiled()
    calls(compiled, 2)
    assert step.state() == after(WARM_UP_CALLS + 2)


def test_a_failed_capture_leaves_no_trace(step, cp):
    compiled = CudaGraph(cp, failing(step, FAULTS["read"], "after"))
    stream, enabled = cp.cuda.get_current_stream(), gc.isenabled()
    calls(compiled, WARM_UP_CALLS)
    with pytest.warns(RuntimeWarning):
        compiled()
    assert cp.cuda.get_current_stream() is stream
    assert gc.isenabled() == enabled
    good = Counter(cp)
    calls(CudaGraph(cp, good), CAPTURE + 2)
    assert good.state() == after(CAPTURE + 2)
    assert good.called == CAPTURE


@pytest.mark.parametrize("method", ["begin_capture", "end_capture"])
def test_a_capture_that_cuda_refuses(step, monkeypatch, method, cp):
    original = getattr(cp.cuda.Stream, method)

    def refuse(stream):
        if method == "end_capture":
            original(stream)
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    monkeypatch.setattr(cp.cuda.Stream, method, refuse)
    compiled = CudaGraph(cp, step)
    calls(compiled, WARM_UP_CALLS)
    with pytest.warns(RuntimeWarning, match="cudaErrorStreamCaptureInvalidated"):
        compiled()
    calls(compiled, 2)
    assert step.state() == after(CAPTURE + 2)


def test_the_warning_names_the_cause_not_the_spoilt_capture(step, monkeypatch, cp):
    original = cp.cuda.Stream.end_capture

    def spoilt(stream):
        original(stream)
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    monkeypatch.setattr(cp.cuda.Stream, "end_capture", spoilt)
    compiled = CudaGraph(cp, failing(step, FAULTS["upload"], "after"))
    calls(compiled, WARM_UP_CALLS)
    with pytest.warns(RuntimeWarning, match="H2D transfers are disallowed"):
        compiled()
    assert step.state() == after(CAPTURE)


def test_an_interrupt_in_the_capture_is_passed_on_and_ends_it(step, cp):
    def interrupt(step):
        if step.called == CAPTURE:
            raise KeyboardInterrupt

    compiled = CudaGraph(cp, failing(step, interrupt, "after"))
    calls(compiled, WARM_UP_CALLS)
    with pytest.raises(KeyboardInterrupt):
        compiled()
    assert step.state() == after(WARM_UP_CALLS)  # nothing was computed
    calls(compiled, 2)
    assert step.state() == after(WARM_UP_CALLS + 2)


def test_a_step_that_fails_by_itself_fails_as_it_would(step, cp):
    def run():
        step()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CudaGraph(cp, run)()


# -- memory ----------------------------------------------------------------------------------------


def test_the_graph_has_memory_of_its_own_for_as_long_as_it_lives(step, monkeypatch, cp):
    pools, given_back = [], []

    class Pool(cp.cuda.MemoryPool):
        def __init__(self):
            pools.append(weakref.ref(self))

        def free_all_blocks(self):
            given_back.append(True)

    monkeypatch.setattr(cp.cuda, "MemoryPool", Pool)
    compiled = CudaGraph(cp, step)
    calls(compiled, CAPTURE)
    gc.collect()
    assert [pool() is not None for pool in pools] == [True]
    compiled()
    assert not given_back
    del compiled
    assert given_back == [True]
    assert [pool() for pool in pools] == [None]


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_collected_in_a_capture(step, enabled, cp):
    seen = []
    compiled = CudaGraph(cp, failing(step, lambda step: seen.append(gc.isenabled()), "after"))
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        calls(compiled, CAPTURE)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [enabled] * WARM_UP_CALLS + [False]


# -- the training step -----------------------------------------------------------------------------


def test_cupys_backend_compiles_to_a_graph(gpu, step):
    compiled = gpu.compile(step)
    calls(compiled, CAPTURE + 5)
    assert (step.called, step.state()) == (CAPTURE, after(CAPTURE + 5))


def test_two_games_are_captured_side_by_side_and_trained_by_fit(gpu):
    """`fit` makes a step for its own arrays, each time it is called."""
    x = np.random.default_rng(0).random((40, 64), "float32")
    games = [image_game(backend) for backend in (gpu, gpu, "numpy")]
    for sizes in ((4, 4), (8, 8), (4, 4)):
        for gan, size in zip(games, (*sizes, sizes[0]), strict=True):
            gan.fit(x, 2, size, progress=False)
    a, b, reference = (gan.backend.to_numpy(gan.G.params) for gan in games)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(a, reference, rtol=1e-3, atol=1e-5)
    assert all(gan.history["d_loss"] == games[0].history["d_loss"] for gan in games[:2])


@pytest.mark.parametrize(
    "change",
    [
        lambda gan: setattr(gan.g_optimizer, "lr", 0.05),
        lambda gan: gan.g_optimizer.bind(gan.G),
        lambda gan: setattr(gan.D.layers[1], "slope", 0.5),
    ],
    ids=["lr", "state", "layer"],
)
def test_what_a_callback_changes_is_not_frozen_in_the_graph(gpu, change):
    x = np.random.default_rng(0).uniform(0, 1, (64, 64)).astype("float32")
    ends = []
    for backend in (nn.NumpyBackend(), gpu):
        gan = GAMES["k=2, Adam"](backend)
        gan.fit(x, 4, 4, progress=False, callbacks=[lambda gan: gan.epoch == 2 and change(gan)])
        ends.append(backend.to_numpy(gan.G.params))
    np.testing.assert_allclose(*ends, rtol=1e-4, atol=1e-5)


def test_a_step_is_compiled_once_where_nothing_changes(gpu, monkeypatch):
    made = []
    compile = type(gpu).compile
    monkeypatch.setattr(
        type(gpu), "compile", lambda self, step: made.append(1) or compile(self, step)
    )
    x = np.random.default_rng(0).uniform(0, 1, (64, 64)).astype("float32")
    GAMES["k=2, Adam"](gpu).fit(x, 3, 4, progress=False)
    assert len(made) == 1
