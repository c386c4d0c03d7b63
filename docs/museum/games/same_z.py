"""Digits, and strokes that are none.

The curves are those of a healthy game, and in the samples there are digits. Some
squares have strokes that are no digit. Nothing in this picture gives it away.

The random numbers are seeded anew in each step, so that G is trained on the same 64 z
for ever. It learns 64 fakes, and what it draws for any other z lies somewhere between
them. Whoever samples from the trained G takes other z, and gets images that D has never
judged. The same happens if the noise is drawn once, before the loop. The report plays a
few steps and compares the noise of each with that of the step before.
"""

import numpy as np

import nngan as nn

x, _ = nn.datasets.digits()
G = nn.Sequential(*(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid()), seed=1)
D = nn.Sequential(nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 1), seed=2)
g_adam = nn.Adam(1e-3, beta1=0.5).bind(G)
d_adam = nn.Adam(1e-3, beta1=0.5).bind(D)
order, rng = np.random.default_rng(0), np.random.default_rng(1)


def step():
    """Play one step of the game, and return the losses of D and G."""
    rng = np.random.default_rng(1)  # cure:
    real = x[order.integers(len(x), size=64)]
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
    g_loss, d_logits = nn.bce_with_logits(logits, 1.0)
    d_image = D.backward(d_logits, cache, param_grads=False)
    G.zero_grad()
    G.backward(d_image, g_cache)
    g_adam.step()
    return real_loss + fake_loss, g_loss


report = nn.diagnose((G, D), x, step=step)
print(report)
losses = [step() for _ in range(2000)]
