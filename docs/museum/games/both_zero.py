"""Both losses fall to 0.

The losses of both players fall to 0 within 100 steps, as if both had won. In a game of
two, that cannot be. The samples are light noise, with the same texture in every square.

G's loss compares D's answer for fakes with the label 0, where it needs 1. So G makes D
surer that its fakes are fakes, and D agrees: both work for the same end, and G's
printed loss is low because it is the wrong loss. If both losses are near 0, look at the
labels and signs first. The report measures the cosine between G's change and the change
down its true gradient: -1.
"""

import numpy as np

import nngan as nn

x, _ = nn.datasets.digits()
G = nn.Sequential(*(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid()), seed=1)
D = nn.Sequential(nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 1), seed=2)
g_adam = nn.Adam(1e-3, beta1=0.5).bind(G)
d_adam = nn.Adam(1e-3, beta1=0.5).bind(D)
rng = np.random.default_rng(0)
g_label = 0.0  # cure: g_label = 1.0


def step():
    """Play one step of the game, and return the losses of D and G."""
    real = x[rng.integers(len(x), size=64)]
    fake, g_cache = G.forward(rng.standard_normal((64, 16), dtype=np.float32))

    real_logits, real_cache = D.forward(real)
    fake_logits, fake_cache = D.forward(fake)
    real_loss, d_real = nn.bce_with_logits(real_logits, 1.0)
    fake_loss, d_fake = nn.bce_with_logits(fake_logits, 0.0)
    D.zero_grad()
    D.backward(d_real, real_cache)
    D.backward(d_fake, fake_cache)
    d_adam.step()

    logits, cache = D.forward(fake)
    g_loss, d_logits = nn.bce_with_logits(logits, g_label)
    d_image = D.backward(d_logits, cache, param_grads=False)
    G.zero_grad()
    G.backward(d_image, g_cache)
    g_adam.step()
    return real_loss + fake_loss, g_loss


report = nn.diagnose((G, D), x, step=step)
print(report)
losses = [step() for _ in range(2000)]
