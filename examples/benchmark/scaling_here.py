"""Compare the predictions of scaling.py with the clock of this machine.

mpiexec -n 2 python examples/benchmark/scaling_here.py --width 256 2048

What a machine takes for a multiplication, a weight and so on is measured while all processes do the
same, one BLAS thread each, and with nothing of the step that is predicted: products of one size,
Adam, steps of width 1, sums of two sizes.
"""

import math
import statistics
import time

import numpy as np
from ranks import check, game, step_of
from scaling import Machine, seconds, work

import nngan as nn
from nngan import distributed
from nngan.backend import get_backend
from nngan.command_line import OneSentenceParser, positive


def clock(comm, call, blocks: int, least: float = 0.2) -> float:
    """Return the seconds of a call that all processes make at once: the median of blocks.

    One process is timed by its processor, whose time other programs do not lengthen.
    """
    now = time.perf_counter if comm.size > 1 else time.process_time
    call()
    started = time.perf_counter()
    call()
    calls = comm.bcast(math.ceil(least / (time.perf_counter() - started)))
    times = []
    for _ in range(blocks):
        if comm.size > 1:
            comm.Barrier()
        started = now()
        for _ in range(calls):
            call()
        times.append((now() - started) / calls)
    median = statistics.median(times)
    return median if comm.size == 1 else sum(comm.allgather(median)) / comm.size


def measured(comm, blocks: int, width: int = 1024) -> Machine:
    """Return the seconds of this machine, each measured while all processes of `comm` do it."""
    matmul, weights = get_backend("numpy").matmul, np.ones((width, width), np.float32)
    optimizer = game(width).d_optimizer
    few, many = 8, 256  # rows

    def product(n: int) -> float:
        x = np.ones((n, width), np.float32)
        return clock(comm, lambda: matmul(x, weights), blocks) / weights.size

    def all_reduce(size: int) -> float:
        if comm.size == 1:
            return 0.0
        meeting, array = distributed.Meeting(comm, comm.size), np.ones(size, np.float32)
        step = [lambda: meeting.all_reduce_mean(0, array)]
        return clock(comm, lambda: meeting.play(step), blocks) / math.log2(comm.size)

    def rate(of, first: int, second: int) -> tuple[float, float]:
        """Return a and b of the line of(n) = a + b n through two points."""
        y = of(first), of(second)
        slope = (y[1] - y[0]) / (second - first)
        return y[0] - first * slope, slope

    weight, multiplication = rate(product, few, many)
    # A step of width 1 has hardly any product: only its activations, and the rest.
    rest, row = rate(lambda n: clock(comm, step_of(1, n), blocks), few, many)
    start, element = rate(all_reduce, 4, 2**20)
    return Machine(
        multiplication, weight, row / work(1, 1, 1).activations,
        clock(comm, optimizer.step, blocks) / optimizer.network.size, rest, start, element / 4,
    )  # fmt: skip


def compare(comm, widths: list[int], batches: list[int], blocks: int) -> None:
    """Print what is measured, and predictions beside steps; the first process prints."""
    m = measured(comm, blocks)
    say = print if comm.rank == 0 else lambda *_, **__: None
    say(f"{comm.size} processes: {2e-9 / m.multiplication:.1f} Gflop/s in products, ", end="")
    say(
        f"{4e-9 / m.weight:.1f} GB/s of weights, {m.activation * 1e9:.1f} ns an activation, ",
        end="",
    )
    say(f"{m.parameter * 1e9:.1f} ns a parameter, {m.step * 1e3:.2f} ms the rest")
    if comm.size > 1:
        say(f"a round of a sum: {m.round * 1e6:.0f} us and {1e-9 / m.byte:.2f} GB/s")
    say("width  batch  predicted   measured  error")
    for width in widths:
        for batch in batches:
            paper = seconds(m, width, batch, comm.size)
            found = clock(comm, step_of(width, batch, comm.size, comm), blocks)
            times = f"{paper * 1e3:6.1f} ms  {found * 1e3:6.1f} ms"
            say(f"{width:5}  {batch:5}  {times}  {paper / found - 1:+5.0%}", flush=True)


def main() -> None:
    """Measure, predict and compare."""
    p = OneSentenceParser(description=__doc__)
    p.add_argument("--width", type=positive(int), nargs="+", default=[256, 1024, 2048])
    p.add_argument("--batch-size", type=positive(int), nargs="+", default=[128, 512])
    p.add_argument("--blocks", type=positive(int), default=5, help="the median is taken over them")
    options = p.parse_args()
    try:
        comm = distributed.world()
    except nn.BackendUnavailable as error:
        p.error(str(error))
    check(p, comm, options.batch_size, [comm.size])
    compare(comm, options.width, options.batch_size, options.blocks)


if __name__ == "__main__":
    main()
