"""A loss of 70.

A game that is stepped by hand. D's loss rises in waves, to 70 and more. G's is 0. All
samples are one pattern of black and white.

The line `D.zero_grad()` is missing. Each step moves D along the sum of all gradients
since the start. Gradients of long ago, of fakes that G no longer draws, outweigh those
of now, so that D runs in a direction that was right once. G is fast enough to stay
where D is wrong. The report records each update of your own step; the sum of the
earlier gradients explains it, and the true gradient alone does not.
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
    # cure: D.zero_grad()
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
