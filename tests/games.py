"""The games that tests play, their data, and helpers that watch, stop or interrupt them.

`game` is the usual one: small, in float64. `image_game`, `batchnorm_game` and the table `GAMES` are
for tests of pictures, of BatchNorm, and of compiled steps.
"""

import os
import signal
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import nngan as nn
from nngan.backend import Key
from nngan.game import Game
from nngan.recipes import RECIPES
from nngan.training import loop

LATENT, FEATURES = 3, 6  # of `game`, unless a test asks for others


# -- games -----------------------------------------------------------------------------------------


def game(
    backend="numpy",
    dtype="float64",
    *,
    latent_dim=LATENT,
    features=FEATURES,
    dropout=0.0,
    **options,
):
    """Return a small game. D has a layer with a kink, a curved one, and Dropout if `dropout` > 0.

    The inputs have columns for the labels and packs that `options` ask for.
    """
    labels, pack = options.get("classes", 0), options.get("pack", 1)
    output = nn.Sigmoid() if options.get("data_range", (0, 1)) == (0, 1) else nn.Tanh()
    G = nn.Sequential(
        nn.Linear(latent_dim + labels, 5), nn.LeakyReLU(0.2), nn.Linear(5, features), output,
        seed=1, dtype=dtype,
    )  # fmt: skip
    masks = [nn.Dropout(dropout)] if dropout else []  # without, D takes both minibatches at once
    D = nn.Sequential(
        nn.Linear(pack * (features + labels), 6), nn.LeakyReLU(0.2), *masks,
        nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1), seed=2, dtype=dtype,
    )  # fmt: skip
    return nn.GAN(G, D, backend=backend, **{"seed": 3, **options})


float32_game = partial(game, dtype="float32", dropout=0.2)  # for whole runs: `data` and `fit`


def image_game(backend="numpy", dtype="float32", *, latent_dim=5, features=64, **options):
    """Return a game of images in [-1, 1], by default of 8x8 pixels, with Dropout in G and D."""
    labels, pack = options.get("classes", 0), options.get("pack", 1)
    G = nn.Sequential(
        nn.Linear(latent_dim + labels, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, features),
        nn.Tanh(), dtype=dtype,
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(pack * (features + labels), 8), nn.LeakyReLU(0.2), nn.Dropout(0.3),
        nn.Linear(8, 1), dtype=dtype,
    )  # fmt: skip
    return nn.GAN(G, D, backend=backend, data_range=(-1, 1), **{"seed": 3, **options})


def batchnorm_game(backend="numpy", dtype="float32", **options):
    """Return a game with BatchNorm in both players."""
    G = nn.Sequential(
        nn.Linear(LATENT, 5), nn.BatchNorm(5), nn.ReLU(), nn.Linear(5, FEATURES),
        seed=1, dtype=dtype,
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(FEATURES, 6), nn.BatchNorm(6), nn.LeakyReLU(), nn.Linear(6, 1),
        seed=2, dtype=dtype,
    )  # fmt: skip
    return nn.GAN(G, D, seed=3, backend=backend, **options)


def toolbox(backend):
    """Return a game with a moving average, momentum, schedules, packs, BatchNorm and Maxout."""
    # No Adam: it would magnify the rounding errors of gradients that are nearly zero, such as those
    # of D's last bias and those behind the statistics of two samples.
    norm = nn.BatchNorm(8, eps=0.1)
    G = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), norm, nn.Linear(8, 64), nn.Sigmoid())
    D = nn.Sequential(nn.Linear(128, 40), nn.Maxout(4, 10), nn.Linear(4, 1))
    return nn.GAN(
        G, D, loss="relativistic", pack=2, ema=0.9, backend=backend,
        g_optimizer=nn.SGD(0.1, 0.9, ("linear", 100)),
        d_optimizer=nn.SGD(0.1, schedule=("exponential", 0.9)),
    )  # fmt: skip


GAMES = {
    **{name: partial(recipe.build, 64) for name, recipe in RECIPES.items()},
    "k=2, Adam": partial(image_game, k=2, label_smoothing=0.1),
    "k=2, SGD": lambda backend: image_game(
        backend, k=2, latent="uniform", g_optimizer=nn.SGD(0.1, 0.9), d_optimizer=nn.SGD(0.1)
    ),
    "simultaneous": partial(image_game, update="simultaneous"),
    "categories": partial(image_game, k=2, categories=3),
    "penalties": partial(image_game, k=2, r1=0.1, r2=0.1),
    "gradient penalty": partial(image_game, k=2, loss="wasserstein", gradient_penalty=0.1),
    "conditional": partial(image_game, k=2, classes=3, r1=0.1),
    "conditional, simultaneous": partial(image_game, classes=3, update="simultaneous"),
    "toolbox": toolbox,
}

# The gradient of a bias before BatchNorm is zero, and Adam makes steps of its rounding error, which
# no two libraries share: these recipes are one game everywhere only in what G makes of z.
ALIKE = [
    name
    for name in GAMES
    if name not in RECIPES
    or not any(isinstance(layer, nn.BatchNorm) for layer in RECIPES[name].generator(8, 64))
]


class Still(nn.SGD):
    """An optimizer whose step moves nothing: a test can call a step and read its gradients."""

    def __init__(self):
        super().__init__(1.0)

    def step(self):
        pass


# -- data ------------------------------------------------------------------------------------------


def batch(seed=0, n=5):
    """Return float64 minibatches for a `game`: n samples in [0, 1] and n latent vectors."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (n, FEATURES)), rng.standard_normal((n, LATENT))


def data(n=50, seed=0):
    """Return float32 data for a run of `game`: n samples in [0, 1]."""
    return np.random.default_rng(seed).uniform(0, 1, (n, FEATURES)).astype(np.float32)


# -- playing ---------------------------------------------------------------------------------------


def fit(gan, x=None, epochs=3, **options):
    """Train without a progress bar, on `data` in minibatches of 8 unless told otherwise."""
    options = {"batch_size": 8, "progress": False, **options}
    return gan.fit(data() if x is None else x, epochs, **options)


def step_of(gan, steps, batch_size=2, compiled=True, dtype="uint8"):
    """Return the training step of a game, on data of `dtype`; it can be called `steps` times."""
    backend, features = gan.backend, gan.G.n_out
    gan.log = backend.xp.zeros((steps, 4), dtype=gan.G.dtype)
    data = np.random.default_rng(0).integers(0, 256, (300, features)).astype(np.uint8)
    order = backend.xp.take(
        backend.permutation(Key(9), len(data)),
        backend.xp.arange(steps * gan.k * batch_size) % len(data),
    )
    labels = backend.asarray(np.arange(len(data)) % gan.classes) if gan.classes else None
    data = data if dtype == "uint8" else (data / 255).astype(dtype)
    step = loop.make_step(gan, backend.asarray(data), order, batch_size, labels)
    return backend.compile(step) if compiled else step


def play(backend, game, steps, compiled=True, between=lambda: None):
    """Play `steps` steps of a game in `GAMES`, call `between` after each, return the state."""
    gan = GAMES[game](backend=backend)
    step = step_of(gan, steps, compiled=compiled)
    for _ in range(steps):
        step()
        between()
    return state(gan)


def state(gan):
    """Return all that a step changes, as NumPy arrays; the clock comes first."""
    moments = [*gan.g_optimizer.state.values(), *gan.d_optimizer.state.values()]
    networks = [gan.G, gan.D] if gan.G_ema is None else [gan.G, gan.D, gan.G_ema]
    arrays = [gan.clock, gan.log, gan.G.grads, gan.D.grads, *moments]
    arrays += [a for network in networks for a in (network.params, network.buffers) if a.size]
    return [gan.backend.to_numpy(a) for a in arrays]


def saved_state(gan):
    """Return the bytes of all that a checkpoint keeps: a resumed run must end with the same."""
    networks = [gan.G, gan.D] if gan.G_ema is None else [gan.G, gan.D, gan.G_ema]
    arrays = [a for network in networks for a in (network.params, network.buffers)]
    arrays += [*gan.g_optimizer.state.values(), *gan.d_optimizer.state.values()]
    arrays += [gan.clock, gan.log, gan.label_counts]
    return [gan.backend.to_numpy(a).tobytes() for a in arrays] + [repr(gan.history)]


# -- watching and interrupting ---------------------------------------------------------------------


@dataclass
class Step:
    """One call of a player's step by the loop: its arguments, "D" or "G" for the player."""

    player: str
    x: Any
    z: Any
    i: int = 0
    y: Any = None
    penalise: bool = True


def record_steps(monkeypatch):
    """Return a list to which the loop adds a `Step` for each step of D and of G that it takes."""
    recorded, d_step, g_step = [], Game.discriminator_step, Game.generator_step

    def discriminator_step(game, x, z, i, **options):
        recorded.append(Step("D", x, z, i, **options))
        return d_step(game, x, z, i, **options)

    def generator_step(game, z, x=None, **options):
        recorded.append(Step("G", x, z, **options))
        return g_step(game, z, x, **options)

    monkeypatch.setattr(Game, "discriminator_step", discriminator_step)
    monkeypatch.setattr(Game, "generator_step", generator_step)
    return recorded


@dataclass
class Pass:
    """One forward pass: a copy of the input, and the key as the pass saw it."""

    x: Any
    training: bool
    key: Key | None


def record_passes(network):
    """Return a list to which `network` adds a `Pass` for each forward pass.

    ``del network.forward`` ends that.
    """
    passes, forward = [], network.forward

    def spy(x, training=True, key=None):
        seen = key  # the clock in it moves on
        if key is not None:
            seen = key._replace(step=int(network.backend.to_numpy(key.step)[0]))
        passes.append(Pass(network.backend.to_numpy(x).copy(), training, seen))
        return forward(x, training, key)

    network.forward = spy
    return passes


def interrupt_at(gan, step):
    """Send Ctrl-C to this process in the middle of G's part of training step `step`."""
    original = gan.g_optimizer.step

    def spy():
        if int(gan.clock[0]) == step:
            os.kill(os.getpid(), signal.SIGINT)
        original()

    gan.g_optimizer.step = spy


def assert_captured(gpu, step, calls=6):
    """Call a step until it is replayed from its graph. A fallback would warn: an error here."""
    compiled = gpu.compile(step)
    for _ in range(calls):
        compiled()
    gpu.synchronize()
