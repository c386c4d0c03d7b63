"""Predict the time of a step on many processes, with published figures of GPUs.

python examples/benchmark/scaling.py --batch-size 128 8192

A step is a number of multiplications, weights, activations, parameters and bytes (`work`); a
machine is the seconds that it takes for one of each (`Machine`). scaling_here.py compares the
predictions with the clock of this machine. The game is that of ranks.py.
"""

import math
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


def seconds(machine: Machine, width: int, batch: int, processes: int) -> float:
    """Return the predicted time of a step.

    A sum takes log2(processes) rounds, in each of which every process sends all of its bytes.
    """
    *numbers, sums = work(width, batch, processes)
    alone = machine.step + sum(n * s for n, s in zip(numbers, machine, strict=False))
    rounds = math.log2(processes)
    return alone + rounds * (len(sums) * machine.round + sum(sums) * machine.byte)


# -- GPUs, which were not measured -----------------------------------------------------------------

# Published figures; docs/distributed.md names the sources. An activation is read and written.
FLOPS, MEMORY, LAUNCHES, LAUNCH = 67e12, 3.35e12, 100, 3.8e-6
H100 = Machine(2 / FLOPS, 4 / MEMORY, 8 / MEMORY, 28 / MEMORY, LAUNCHES * LAUNCH)
CLUSTERS = {
    "8 GPUs in a box": (8, H100._replace(round=3.4e-6, byte=1 / 370e9)),
    "64 nodes": (64, H100._replace(round=9.6e-6, byte=1 / 50e9)),
}
WIDTHS = [2**i for i in range(6, 16)]  # the next game does not fit in 80 GB


def gain(machine: Machine, width: int, batch: int, processes: int) -> float:
    """Return how many times as fast as one process several are, as predicted."""
    return seconds(machine, width, batch, 1) / seconds(machine, width, batch, processes)


def pays_from(machine: Machine, batch: int, processes: int) -> int | None:
    """Return the width from which on several processes are faster than one, if there is one."""
    slower = [width for width in WIDTHS if gain(machine, width, batch, processes) <= 1]
    return next((width for width in WIDTHS if width > max(slower, default=0)), None)


def gpus(batches: list[int]) -> None:
    """Print from which width on several GPUs are faster than one, and how many times."""
    small, launches = seconds(H100, 256, 128, 1), H100.step
    print(f"One GPU, width 256, 128 samples: {small * 1e3:.2f} ms", end="")
    print(f", launches {launches * 1e3:.2f} ms")
    shown = [256, 2048, 8192, 32768]
    print(f"{'':15}           pays from   gain over one GPU at width")
    print(f"{'':15} samples       width ", *(f"{width:6}" for width in shown))
    for name, (processes, machine) in CLUSTERS.items():
        for batch in batches:
            gains = (f"{gain(machine, width, batch, processes):6.2f}" for width in shown)
            first = pays_from(machine, batch, processes) or "none"
            print(f"{name:15} {batch:7}  {first:>10} ", *gains)


def main() -> None:
    """Print what is predicted for the minibatches that the options name."""
    p = OneSentenceParser(description=__doc__)
    p.add_argument(
        "--batch-size", type=positive(int), nargs="+", default=[128, 256, 1024, 4096, 65536]
    )
    gpus(p.parse_args().batch_size)


if __name__ == "__main__":
    main()
