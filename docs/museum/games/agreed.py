"""The players agree.

Both losses fall to 0 in the first 100 steps and stay there. The samples are noise with
a texture that repeats from square to square.

D learns the label 0 for data and 1 for fakes, and G still believes that 1 means real. D
raises its output for fakes, which is just what G wants: nobody plays against G any
more, and G has no reason to draw digits. Labels that are flipped for both players are
no mistake. Flipped for one, the game has no opponents. Compare the game before this
one, whose curves are the same: the curves do not tell, the updates do.
"""

import numpy as np

import nngan as nn

x, _ = nn.datasets.digits()
G = nn.Sequential(*(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid()), seed=1)
D = nn.Sequential(nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 1), seed=2)
g_adam = nn.Adam(1e-3, beta1=0.5).bind(G)
d_adam = nn.Adam(1e-3, beta1=0.5).bind(D)
rng = np.random.default_rng(0)
real_label, fake_label = 0.0, 1.0  # cure: real_label, fake_label = 1.0, 0.0


def step():
    """Play one step of the game, and return the losses of D and G."""
    real = x[rng.integers(len(x), size=64)]
    fake, g_cache = G.forward(rng.standard_normal((64, 16), dtype=np.float32))

    real_logits, real_cache = D.forward(real)
    fake_logits, fake_cache = D.forward(fake)
    real_loss, d_real = nn.bce_with_logits(real_logits, real_label)
    fake_loss, d_fake = nn.bce_with_logits(fake_logits, fake_label)
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
