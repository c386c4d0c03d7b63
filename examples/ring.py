"""Eight Gaussians on a circle: a generator finds all of them, or collapses onto a few.

python examples/ring.py               # a minute or two; writes ring.png
python examples/ring.py --steps 5000 --out early.png

The picture shows D(x) as a heat map, real and generated points, and arrows: the direction in which
D's gradient pushes some of the generated points.
"""

from __future__ import annotations

from nngan.interrupts import install

if __name__ == "__main__":
    install()  # before anything else is imported

import math
import os
import time

import nngan as nn
from nngan.command_line import OneSentenceParser, positive, run_main, say
from nngan.commands.options import PICTURES, add_backend, chosen_backend, in_options, output, seed
from nngan.datasets import RING
from nngan.layers.activations import sigmoid
from nngan.metrics import count_modes
from nngan.plotting import plot_2d

BATCH = 256


def main() -> None:
    """Train, count the modes, draw."""
    parser = OneSentenceParser(description=__doc__)
    parser.add_argument(
        "--steps", type=positive(int), default=15_000, metavar="N",
        help="rounded up to hundreds; default: 15000",
    )  # fmt: skip
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="default: 0")
    add_backend(parser, "cupy", "numba")
    parser.add_argument(
        "--out", type=output(*PICTURES), default="ring.png", metavar="FILE",
        help="the picture; default: ring.png",
    )  # fmt: skip
    options = parser.parse_args()
    try:
        backend = chosen_backend(options)
    except nn.BackendUnavailable as error:
        parser.error(in_options(error, parser))

    x, _ = nn.datasets.ring(BATCH * 100, seed=options.seed)  # 100 steps an epoch
    G = nn.Sequential(
        nn.Linear(2, 128, "he"), nn.LeakyReLU(0.2),
        nn.Linear(128, 128, "he"), nn.LeakyReLU(0.2),
        nn.Linear(128, 2), seed=3 * options.seed + 1,
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(2, 128, "he"), nn.LeakyReLU(0.2),
        nn.Linear(128, 128, "he"), nn.LeakyReLU(0.2),
        nn.Linear(128, 1), seed=3 * options.seed + 2,
    )  # fmt: skip
    adam = {"lr": 1e-3, "beta1": 0.5}
    gan = nn.GAN(
        G, D, g_optimizer=nn.Adam(**adam), d_optimizer=nn.Adam(**adam),
        seed=3 * options.seed, backend=backend,
    )  # fmt: skip
    started = time.perf_counter()
    gan.fit(x, math.ceil(options.steps / 100), BATCH)
    steps = int(backend.to_numpy(gan.clock)[0])
    say(f"{steps} steps, {time.perf_counter() - started:.0f} s")

    fake = gan.sample(2500)
    found = count_modes(fake, RING)
    counts = found.counts.astype(int).tolist()
    say(f"modes found: {found.covered} of 8; generated points within 3 std of each: {counts}")
    say(f"share of points within 3 std of a mode: {found.high_quality:.1%} (real points: 98.9%)")

    to_numpy, asarray = gan.backend.to_numpy, gan.backend.asarray
    logits, cache = D.forward(asarray(fake))
    arrows = to_numpy(D.backward(-nn.bce_with_logits(logits, 1.0)[1], cache, param_grads=False))
    plot_2d(
        lambda points: to_numpy(sigmoid(D(asarray(points, "float32"))))[:, 0],
        x[:1000], fake[:1000], options.out, arrows=arrows[:60],
        title=f"ring after {steps} steps",
    )  # fmt: skip
    say(f"Picture: {os.path.abspath(options.out)}")


if __name__ == "__main__":
    run_main(main)
