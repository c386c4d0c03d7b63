"""Time a step of one game on one process, cut into shards, and on many processes of MPI.

python examples/benchmark/ranks.py --width 256 --shards 1 4
mpiexec -n 2 python examples/benchmark/ranks.py --width 256 --shards 2

The numbers of shards take turns, in blocks. One shard is the plain step. Printed are medians over
the blocks, in milliseconds per step: the time by the clock, and the processor's time of the first
process, which is busy too while it waits for others.
"""

import itertools
import statistics
import time

import numpy as np

import nngan as nn
from nngan import distributed
from nngan.command_line import OneSentenceParser, positive
from nngan.commands.options import in_options
from nngan.training.loop import compiled_step


def game(width):
    """Return a game with two hidden layers of one width in each player."""
    G = nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 784), nn.Sigmoid(), seed=1,
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 1), seed=2,
    )  # fmt: skip
    return nn.GAN(G, D)


def step_of(width, batch_size, shards=1, comm=distributed.ALONE):
    """Return a step of the game, cut into shards, as a function."""
    gan = game(width)
    gan.log = np.zeros((1, 4), np.float32)
    data = np.random.default_rng(0).random((batch_size, 784), dtype=np.float32)
    arguments = gan, data, np.arange(batch_size), batch_size
    if shards > 1:
        step = distributed.sharded_step(distributed.Meeting(comm, shards), *arguments)
    else:
        step = compiled_step(*arguments)

    def play():
        gan.epoch_start[...] = gan.clock
        step()

    return play


def check(parser, comm, batches, shards):
    """End the program with one sentence if a minibatch cannot be cut so on these processes."""
    try:
        for batch_size, n in itertools.product(batches, shards):
            distributed.check_shards(game(1), batch_size, n, comm.size)
    except ValueError as error:  # the same one in all processes
        message = f"{parser.prog}: error: {in_options(error, parser)}\n"
        parser.exit(2, message if comm.rank == 0 else None)


def main():
    """Time the steps that the options ask for."""
    p = OneSentenceParser(description=__doc__)
    p.add_argument("--width", type=positive(int), default=256)
    p.add_argument("--batch-size", type=positive(int), default=128)
    p.add_argument("--shards", type=positive(int), nargs="+", help="default: one per process")
    p.add_argument("--blocks", type=positive(int), default=20)
    p.add_argument("--steps", type=positive(int), default=10, help="in a block")
    options = p.parse_args()
    try:
        comm = distributed.world()
    except nn.BackendUnavailable:
        comm = distributed.ALONE

    numbers = options.shards or [comm.size]
    check(p, comm, [options.batch_size], numbers)
    steps = {n: step_of(options.width, options.batch_size, n, comm) for n in numbers}
    times = {shards: [] for shards in steps}
    for block in range(options.blocks + 1):
        for shards, step in steps.items():
            started, busy = time.perf_counter(), time.process_time()
            for _ in range(options.steps):
                step()
            if block:  # the first warms up
                times[shards].append((time.perf_counter() - started, time.process_time() - busy))
    if comm.rank == 0:
        for shards, found in times.items():
            medians = map(statistics.median, zip(*found, strict=True))
            clock, busy = (seconds / options.steps * 1e3 for seconds in medians)
            print(
                f"width {options.width}, {comm.size} processes, {shards} shards: "
                f"{clock:.2f} ms by the clock, {busy:.2f} ms of processor"
            )


if __name__ == "__main__":
    main()
