"""Time a discriminator step with R1, by hand and with PyTorch's double backward, side by side.

OPENBLAS_NUM_THREADS=1 python examples/benchmark/penalty_cost.py     # 25 rounds of 3 steps each
OPENBLAS_NUM_THREADS=1 python examples/benchmark/penalty_cost.py 50  # 50 rounds

D and minibatch size are those of the recipe pytorch_mlp, on samples of MNIST's size. The four steps
take turns and use the same number of threads. Every ratio is taken within a round; the medians of
the rounds are printed. Without PyTorch nngan runs alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from nngan.command_line import OneSentenceParser, positive
from nngan.recipes import RECIPES

FEATURES, GAMMA = 784, 10.0
RECIPE = RECIPES["pytorch_mlp"]


def main() -> None:
    """Race, and print the time of each step."""
    parser = OneSentenceParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=positive(int), default=25, help="default: 25")
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (RECIPE.batch_size, FEATURES)).astype(np.float32)
    z = rng.standard_normal((RECIPE.batch_size, RECIPE.latent_dim)).astype(np.float32)
    steps = nngan_steps(x, z)
    if find_spec("torch") is not None:
        steps |= torch_steps(x, z)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(rounds + 1):  # the first round warms up
        for name in list(steps)[:: 1 if i % 2 else -1]:
            start = time.perf_counter()
            for _ in range(3):
                steps[name]()
            times[name] += [(time.perf_counter() - start) / 3 * 1e3] * (i > 0)
    milliseconds = {name: np.array(values) for name, values in times.items()}
    for name, values in milliseconds.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        print(f"{name:12} {middle:7.2f} ms   (quartiles {low:.2f}, {high:.2f})")
    if "torch" in milliseconds:
        ours, ours_r1, torch, torch_r1 = milliseconds.values()
        print(f"a penalised step of PyTorch's over ours: {np.median(torch_r1 / ours_r1):.2f}")
        print(f"the penalty alone: {np.median((torch_r1 - torch) / (ours_r1 - ours)):.2f}")


def nngan_steps(x: np.ndarray, z: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return D's step here, without R1 and with it."""
    plain, penalised = RECIPE.build(FEATURES), RECIPE.with_game(r1=GAMMA).build(FEATURES)
    return {
        "nngan": lambda: plain.discriminator_step(x, z),
        "nngan, R1": lambda: penalised.discriminator_step(x, z),
    }


def torch_steps(x: np.ndarray, z: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return the same two as a user of PyTorch writes them."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ.get("OPENBLAS_NUM_THREADS") or os.cpu_count() or 1))

    def hidden(n_in: int, n_out: int, dropout: float = 0.0) -> list[nn.Module]:
        dropouts = [nn.Dropout(dropout)] if dropout else []
        return [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2), *dropouts]

    G = nn.Sequential(
        *hidden(RECIPE.latent_dim, 256), *hidden(256, 512), *hidden(512, 1024),
        nn.Linear(1024, FEATURES), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        *hidden(FEATURES, 1024, 0.3), *hidden(1024, 512, 0.3), *hidden(512, 256, 0.3),
        nn.Linear(256, 1),
    )  # fmt: skip
    parameters = list(D.parameters())
    optimizer = torch.optim.Adam(parameters, 2e-4, betas=(0.5, 0.999))
    bce, (n, _) = nn.BCEWithLogitsLoss(), x.shape
    data, noise, ones, zeros = map(torch.from_numpy, (x, z, *np.float32([[[1]] * n, [[0]] * n])))

    def step(gamma: float) -> None:
        optimizer.zero_grad()
        fake = G(noise).detach()
        real = data.clone().requires_grad_(gamma > 0)
        logits = D(real)
        loss = bce(logits, ones) + bce(D(fake), zeros)
        if gamma:
            (g,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
            loss = loss + gamma / 2 * g.square().sum(dim=1).mean()
        loss.backward(inputs=parameters)  # without the gradient of the data
        optimizer.step()

    return {"torch": lambda: step(0.0), "torch, R1": lambda: step(GAMMA)}


if __name__ == "__main__":
    main()
