"""Predict the time of a step on many processes, with published figures of GPUs.

python examples/benchmark/scaling.py --batch-size 128 8192

A step is a number of multiplications, weights, activations, parameters and bytes (`work`); a
machine is the seconds that it takes for one of each (`Machine`). scaling_here.py compares the
predictions with the clock of this machine. The game is that of ranks.py.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from nngan.command_line import OneSentenceParser, positive


class Work(NamedTuple):
    """What one process does in a step; `sums` are the bytes of each sum over all processes."""

    multiplications: int
    weights: int
    activations: int
    parameters: int
    sums: tuple[int, ...]


class Machine(NamedTuple):
    """Seconds for one of each; `step` is the rest of a step, `round` and `byte` those of a sum."""

    multiplication: float
    weight: float
    activation: float
    parameter: float
    step: float
    round: float = 0.0
    byte: float = 0.0


def work(width: int, batch: int, processes: int) -> Work:
    """Return the work of one of the processes in a step of ``ranks.game(width)``."""
    n = batch // processes
    G, D = [64, width, width, 784], [784, width, width, 1]
    g, d = ([a * b for a, b in pairwise(net)] for net in (G, D))
    products = [
        *((n, g), (2 * n, d), (2 * n, d), (2 * n, d[1:])),  # D's step: G and D forward, dW, dx
        *((n, g), (n, d), (n, d), (n, g), (n, g[1:])),  # G's: G and D forward, D's dx, G's dW, dx
    ]
    parameters = [sum(weights) + sum(net[1:]) for weights, net in ((d, D), (g, G))]
    return Work(
        multiplications=sum(rows * sum(weights) for rows, weights in products),
        weights=sum(sum(weights) for _, weights in products),
        activations=n * (2 * sum(G[1:]) + 3 * sum(D[1:])),
        parameters=sum(parameters),
        sums=tuple(4 * size for size in (*parameters, 4)) if processes > 1 else (),
    )


# The time of a sum over the processes, as a function of the machine, their number, and the bytes.
Sum = Callable[[Machine, int, int], float]


def tree(machine: Machine, processes: int, size: int) -> float:
    """Return the time of nngan's own sum: in each round, every process sends all bytes."""
    return math.log2(processes) * (machine.round + size * machine.byte)


def ring(machine: Machine, processes: int, size: int) -> float:
    """Return the time of a sum around a ring: more rounds, in each a part of the bytes.

    References
    ----------
    Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
    """
    return 2 * (processes - 1) * (machine.round + size / processes * machine.byte)


def faster(machine: Machine, processes: int, size: int) -> float:
    """Return the time of a sum by the faster of both."""
    return min(tree(machine, processes, size), ring(machine, processes, size))


def ring_from(machine: Machine, processes: int) -> float:
    """Return the bytes from which on a ring is faster than a tree, for more than two processes."""
    rounds, more = math.log2(processes), 2 * (processes - 1)
    return machine.round / machine.byte * (more - rounds) / (rounds - more / processes)


def seconds(
    machine: Machine, width: int, batch: int, processes: int, all_reduce: Sum = tree
) -> float:
    """Return the predicted time of a step."""
    *numbers, sums = work(width, batch, processes)
    alone = machine.step + sum(n * s for n, s in zip(numbers, machine, strict=False))
    return alone + sum(all_reduce(machine, processes, size) for size in sums)


# -- GPUs, which were not measured -----------------------------------------------------------------

# Published figures; docs/distributed.md names the sources. An activation is read and written.
FLOPS, MEMORY, LAUNCHES, LAUNCH = 67e12, 3.35e12, 100, 3.8e-6
H100 = Machine(2 / FLOPS, 4 / MEMORY, 8 / MEMORY, 28 / MEMORY, LAUNCHES * LAUNCH)
CLUSTERS = {
    "8 GPUs in a box": (8, H100._replace(round=3.4e-6, byte=1 / 370e9)),
    "64 nodes": (64, H100._replace(round=9.6e-6, byte=1 / 50e9)),
}
WIDTHS = [2**i for i in range(6, 16)]  # the next game does not fit in 80 GB


def gain(machine: Machine, width: int, batch: int, processes: int, all_reduce: Sum = tree) -> float:
    """Return how many times as fast as one process several are, as predicted."""
    several = seconds(machine, width, batch, processes, all_reduce)
    return seconds(machine, width, batch, 1) / several


def pays_from(machine: Machine, batch: int, processes: int, all_reduce: Sum = tree) -> int | None:
    """Return the width from which on several processes are faster than one, if there is one."""
    slower = [w for w in WIDTHS if gain(machine, w, batch, processes, all_reduce) <= 1]
    return next((width for width in WIDTHS if width > max(slower, default=0)), None)


def gpus(batches: list[int]) -> None:
    """Print from which width on several GPUs are faster than one, and how many times."""
    small, launches = seconds(H100, 256, 128, 1), H100.step
    print(f"One GPU, width 256, 128 samples: {small * 1e3:.2f} ms", end="")
    print(f", launches {launches * 1e3:.2f} ms")
    for name, (processes, machine) in CLUSTERS.items():
        size = ring_from(machine, processes)
        print(f"{name}: a ring is faster than a tree for sums of {size / 1e6:.1f} MB and more")
    shown = [256, 2048, 8192, 32768]
    print(f"{'':31} pays from   gain over one GPU at width")
    print(f"{'':15} samples     sum     width ", *(f"{width:6}" for width in shown))
    for name, (processes, machine) in CLUSTERS.items():
        for batch in batches:
            for all_reduce in (tree, faster):
                case = batch, processes, all_reduce
                first = pays_from(machine, *case) or "none"
                gains = [f"{gain(machine, width, *case):6.2f}" for width in shown]
                print(f"{name:15} {batch:7}  {all_reduce.__name__:6}  {first:>8} ", *gains)


def main() -> None:
    """Print what is predicted for the minibatches that the options name."""
    p = OneSentenceParser(description=__doc__)
    p.add_argument(
        "--batch-size", type=positive(int), nargs="+", default=[128, 256, 1024, 4096, 65536]
    )
    gpus(p.parse_args().batch_size)


if __name__ == "__main__":
    main()
