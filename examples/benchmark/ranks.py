"""Time a step of one game on one process, cut into shards, and on many processes of MPI.

python examples/benchmark/ranks.py --width 256 --shards 1 4
mpiexec -n 2 python examples/benchmark/ranks.py --width 256 --shards 2

The plain step and the sharded ones take turns, in blocks, on one process; on several there are only
sharded ones. Printed are medians over the blocks, in milliseconds per step: the time by the clock,
and the processor's time of the first process, which is busy too while it waits for others.
"""

import statistics
import time

import numpy as np

import nngan as nn
from nngan import distributed
from nngan.command_line import OneSentenceParser, positive
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


def main():
    """Time the steps that the options ask for."""
    p = OneSentenceParser(description=__doc__)
    p.add_argument("--width", type=positive(int), default=256)
    p.add_argument("--batch-size", type=positive(int), default=128)
    p.add_argument("--shards", type=positive(int), nargs="+", default=[1, 4])
    p.add_argument("--blocks", type=positive(int), default=20)
    p.add_argument("--steps", type=positive(int), default=10, help="in a block")
    options = p.parse_args()
    try:
        comm = distributed.world()
    except nn.BackendUnavailable:
        comm = distributed.ALONE

    kinds = [0, *options.shards] if comm.size == 1 else options.shards
    steps = {n: step_of(options.width, options.batch_size, n, comm) for n in kinds}
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
            name = f"{shards} shards" if shards else "plain step"
            medians = map(statistics.median, zip(*found, strict=True))
            clock, busy = (seconds / options.steps * 1e3 for seconds in medians)
            print(
                f"width {options.width}, {comm.size} processes, {name}: "
                f"{clock:.2f} ms by the clock, {busy:.2f} ms of processor"
            )


if __name__ == "__main__":
    main()
