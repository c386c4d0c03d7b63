"""G's loss jumps, and its images are dots.

G's loss climbs to 8, falls in a jump, and climbs again. D's loss is close to 0. The
samples are white dots and blocks on black, each square another pattern, and without any
grey.

G's gradient is a sum over the minibatch of 64, D's a mean. With SGD the size of a
gradient is the size of the step: G's steps are 64 times as long as its learning rate
says, and drive G's Sigmoid to its ends, where its slope is 0. Adam divides the size
out, so that there the same mistake hardly shows. The report finds the factor, 64,
because a multiple of the true gradient explains each update.
"""

import numpy as np

import nngan as nn

x, _ = nn.datasets.digits()
G = nn.Sequential(*(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid()), seed=1)
D = nn.Sequential(nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 1), seed=2)
g_sgd, d_sgd = nn.SGD(0.1, momentum=0.5).bind(G), nn.SGD(0.1, momentum=0.5).bind(D)
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
    D.backward(d_fake, fake_cache)
    d_sgd.step()

    logits, cache = D.forward(fake)
    g_loss, d_logits = nn.bce_with_logits(logits, 1.0)
    d_image = D.backward(d_logits, cache, param_grads=False)
    d_image *= len(fake)  # cure:
    G.zero_grad()
    G.backward(d_image, g_cache)
    g_sgd.step()
    return real_loss + fake_loss, g_loss


report = nn.diagnose((G, D), x, step=step)
print(report)
losses = [step() for _ in range(2000)]
