"""A complete GAN in one file, from layer calls alone: data in, samples out.

Goodfellow et al. 2014, Algorithm 1, with the non-saturating loss of G, on scikit-learn's digits:

    D climbs   E ln D(x) + E ln(1 - D(G(z)))      G climbs   E ln D(G(z))
python examples/minimal_gan.py        # under a minute; writes minimal_gan.png
"""

import numpy as np

import nngan as nn
from nngan.command_line import OneSentenceParser
from nngan.plotting import save_sheet

OneSentenceParser(description=__doc__).parse_args()  # prints it for --help
STEPS, BATCH, LATENT = 8000, 64, 32
rng = np.random.default_rng(0)
x, _ = nn.datasets.digits()  # (1797, 64) in [0, 1]

g1, g2 = nn.Linear(LATENT, 128), nn.Linear(128, 64)
d1, d2 = nn.Linear(64, 128), nn.Linear(128, 1)
relu, leaky, sigmoid = nn.ReLU(), nn.LeakyReLU(0.2), nn.Sigmoid()
G = nn.Sequential(g1, relu, g2, sigmoid, seed=1)  # only to hold G's four arrays in one,
D = nn.Sequential(d1, leaky, d2, sigmoid, seed=2)  # so that an optimizer can move it
g_adam, d_adam = nn.Adam(1e-3, beta1=0.5).bind(G), nn.Adam(1e-3, beta1=0.5).bind(D)


def generate(z):
    """G: noise to images, and the caches for its backward pass."""
    h, c1 = g1.forward(z)
    a, c2 = relu.forward(h)
    o, c3 = g2.forward(a)
    image, c4 = sigmoid.forward(o)
    return image, (c1, c2, c3, c4)


def judge(image):
    """D: images to the probability that they are real, and the caches."""
    h, c1 = d1.forward(image)
    a, c2 = leaky.forward(h)
    o, c3 = d2.forward(a)
    p, c4 = sigmoid.forward(o)
    return p, (c1, c2, c3, c4)


def judge_backward(dp, caches):
    """Chain rule through D, last layer first; returns the gradient of the image."""
    c1, c2, c3, c4 = caches
    do = sigmoid.backward(dp, c4)
    da = d2.backward(do, c3)
    dh = leaky.backward(da, c2)
    return d1.backward(dh, c1)


for step in range(1, STEPS + 1):
    # Discriminator: real images have the label 1, generated ones 0.
    real = x[rng.integers(len(x), size=BATCH)]
    fake, _ = generate(rng.standard_normal((BATCH, LATENT), dtype=np.float32))
    p_real, real_caches = judge(real)
    p_fake, fake_caches = judge(fake)
    real_loss, dp_real = nn.bce(p_real, 1.0)
    fake_loss, dp_fake = nn.bce(p_fake, 0.0)
    D.zero_grad()
    judge_backward(dp_real, real_caches)
    judge_backward(dp_fake, fake_caches)
    d_adam.step()

    # Generator: it wants its images to have the label 1. The gradient passes through D into G.
    fake, (c1, c2, c3, c4) = generate(rng.standard_normal((BATCH, LATENT), dtype=np.float32))
    p_fake, fake_caches = judge(fake)
    g_loss, dp_fake = nn.bce(p_fake, 1.0)
    d_image = judge_backward(dp_fake, fake_caches)
    G.zero_grad()
    g1.backward(relu.backward(g2.backward(sigmoid.backward(d_image, c4), c3), c2), c1)
    g_adam.step()
    if step % 1000 == 0:
        print(f"step {step}  D loss {real_loss + fake_loss:.2f} (chance 1.39)  G loss {g_loss:.2f}")
save_sheet("minimal_gan.png", generate(rng.standard_normal((64, LATENT), dtype=np.float32))[0])
print("Picture: minimal_gan.png")
