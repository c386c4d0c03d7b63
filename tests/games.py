"""Games to be played step by step, on any backend, compiled or not."""

from functools import partial

import numpy as np

import nngan as nn
from nngan.backend import Key
from nngan.recipes import RECIPES
from nngan.training.loop import make_step


def small_game(backend, k=2, classes=0, **options):
    G = nn.Sequential(
        nn.Linear(5 + classes, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 64), nn.Tanh()
    )
    D = nn.Sequential(
        nn.Linear(64 + classes, 8), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(8, 1)
    )
    options |= {"k": k, "classes": classes, "data_range": (-1, 1), "seed": 3}
    return nn.GAN(G, D, backend=backend, **options)


def toolbox(backend):
    """The newer parts together: their state, too, must change in place on the device."""
    # No Adam: it would magnify the rounding errors of gradients that are nearly zero, as those of
    # D's last bias and behind the statistics of two samples are.
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
    "k=2, Adam": partial(small_game, label_smoothing=0.1),
    "k=2, SGD": lambda backend: small_game(
        backend, latent="uniform", g_optimizer=nn.SGD(0.1, 0.9), d_optimizer=nn.SGD(0.1)
    ),
    "simultaneous": partial(small_game, k=1, update="simultaneous"),
    "categories": partial(small_game, categories=3),
    "penalties": partial(small_game, r1=0.1, r2=0.1),
    "gradient penalty": partial(small_game, loss="wasserstein", gradient_penalty=0.1),
    "conditional": partial(small_game, classes=3, r1=0.1),
    "conditional, simultaneous": partial(small_game, k=1, classes=3, update="simultaneous"),
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


def step_of(gan, steps, batch_size=2, compiled=True):
    """Return the training step of a new game, on some data; it can be called so many times."""
    backend, features = gan.backend, gan.G.n_out
    gan.log = backend.xp.zeros((steps, 4), dtype=gan.G.dtype)
    data = np.random.default_rng(0).integers(0, 256, (300, features)).astype(np.uint8)
    order = backend.xp.take(
        backend.permutation(Key(9), len(data)),
        backend.xp.arange(steps * gan.k * batch_size) % len(data),
    )
    labels = backend.asarray(np.arange(len(data)) % gan.classes) if gan.classes else None
    step = make_step(gan, backend.asarray(data), order, batch_size, labels)
    return backend.compile(step) if compiled else step


def state(gan):
    """Return all that a step changes, as NumPy arrays; the clock comes first."""
    moments = [*gan.g_optimizer.state.values(), *gan.d_optimizer.state.values()]
    networks = [gan.G, gan.D] if gan.G_ema is None else [gan.G, gan.D, gan.G_ema]
    arrays = [gan.clock, gan.log, gan.G.grads, gan.D.grads, *moments]
    arrays += [a for network in networks for a in (network.params, network.buffers) if a.size]
    return [gan.backend.to_numpy(a) for a in arrays]


def play(backend, game, steps, compiled=True, between=lambda: None):
    """Play so many steps, and do something between them; return the state."""
    gan = GAMES[game](backend=backend)
    step = step_of(gan, steps, compiled=compiled)
    for _ in range(steps):
        step()
        between()
    return state(gan)
