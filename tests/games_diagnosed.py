"""The game on the 8x8 digits that the tests of the diagnosis break."""

import nngan as nn

IMAGES, LABELS = (a[:1000] for a in nn.datasets.digits())


def adam(lr):
    return nn.Adam(lr, beta1=0.5, beta2=0.99)


def digits_game(*, act=nn.ReLU, end=nn.Sigmoid, d_end=(), g_lr=1e-3, d_lr=1e-3, **options):
    """Return a game on the 8x8 digits that learns to draw them in a few seconds."""
    classes, pack = options.get("classes", 0), options.get("pack", 1)
    G = nn.Sequential(
        nn.Linear(16 + classes, 64, "he"), act(), nn.Linear(64, 64, "he"), act(),
        nn.Linear(64, 64), end(), seed=1,
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(pack * (64 + classes), 64, "he"), nn.LeakyReLU(0.2),
        nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 1), *d_end, seed=2,
    )  # fmt: skip
    options = {"r1": 0.5, "ema": 0.98, **options}
    return nn.GAN(G, D, g_optimizer=adam(g_lr), d_optimizer=adam(d_lr), **options)
