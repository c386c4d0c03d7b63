"""Both losses near 1.

D's loss and G's meet near 1 and stay together: D's below chance, G's above. The samples
are digits, or nearly. Nothing breaks.

The fakes are not detached: D's backward pass goes on into G, and G's optimizer takes a
step down D's loss. That loss is lower if fakes are easier to tell from data, so this
step makes G worse; G's own step then makes it better again. G pays for each step
forward with one back, and D is always a little ahead. Such a game trains, and ends
below what it could reach. The report sees G move in D's step, down D's loss.
"""

import numpy as np

import nngan as nn

x, _ = nn.datasets.digits()
G = nn.Sequential(*(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid()), seed=1)
D = nn.Sequential(nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 1), seed=2)
g_adam = nn.Adam(1e-3, beta1=0.5).bind(G)
d_adam = nn.Adam(1e-3, beta1=0.5).bind(D)
rng = np.random.default_rng(0)


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
    d_image = D.backward(d_fake, fake_cache)
    G.zero_grad()
    G.backward(d_image, g_cache)
    d_adam.step()
    g_adam.step()  # cure:
    fake, g_cache = G.forward(rng.standard_normal((64, 16), dtype=np.float32))

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
