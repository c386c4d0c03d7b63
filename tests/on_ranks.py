"""Train every recipe on all processes of mpiexec; write fingerprints of what the games learned.

mpiexec -n 2 python tests/on_ranks.py OUT.json       # an eighth of the recipes' width
mpiexec -n 2 python tests/on_ranks.py OUT.json 1     # the whole width, which takes minutes
"""

import hashlib
import json
import sys
import time

import numpy as np

from nngan import distributed, layers, recipes
from nngan.recipes import RECIPES

SHARDS, STEPS = 4, 200


class Asleep:
    """MPI, with processes that sleep while they wait. MPI's own take a core each to look."""

    def __init__(self, comm):
        self.comm, self.rank, self.size = comm, comm.rank, comm.size

    def Sendrecv(self, ours, to, *, recvbuf, source):
        under_way = [self.comm.Irecv(recvbuf, source), self.comm.Isend(ours, to)]
        while not all(request.Test() for request in under_way):
            time.sleep(5e-5)


def digest(gan, history):
    """Return a fingerprint of everything that a game has learned, and of its history."""
    networks = [network for network in (gan.G, gan.D, gan.G_ema) if network is not None]
    arrays = [array for network in networks for array in (network.params, network.buffers)]
    arrays += [a for o in (gan.g_optimizer, gan.d_optimizer) for a in o.state.values()]
    text = b"".join(array.tobytes() for array in arrays) + json.dumps(history).encode()
    return hashlib.sha256(text).hexdigest()


def make_narrow(divisor):
    """Make layers of the recipes narrower: all widths from 120 on are divided."""
    for name in ("Linear", "BatchNorm", "Maxout"):
        kind = getattr(layers, name)

        def narrow(*sizes, kind=kind):
            return kind(*(n // divisor if isinstance(n, int) and n >= 120 else n for n in sizes))

        setattr(recipes, name, narrow)


def main(out, divisor="8"):
    comm = distributed.world()
    make_narrow(int(divisor))
    rng = np.random.default_rng(0)
    found = {}
    for name, recipe in RECIPES.items():
        started, batch_size = time.perf_counter(), 2 * SHARDS
        gan = recipe.build(16, seed=1, steps=STEPS)
        x = rng.random((batch_size * gan.k * STEPS // 2, 16), dtype=np.float32)
        history = distributed.fit(
            gan, x, 2, batch_size, shards=SHARDS, comm=Asleep(comm), progress=False,
            labels=np.arange(len(x)) % gan.classes if gan.classes else None,
        )  # fmt: skip
        digests = comm.allgather(digest(gan, history))
        print(f"{name}: {time.perf_counter() - started:.1f} s", flush=True)
        found[name] = {"steps": int(gan.clock[0]), "digests": sorted(set(digests))}
    if comm.rank == 0:
        with open(out, "w") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
