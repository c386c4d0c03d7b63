"""Eight modes, and losses that drift apart.

Points on a ring of eight modes. G finds all eight, and bridges between some. But D's
loss falls and G's rises, from the 20th epoch to the last. Would you train on?

The penalties are on, and 1e-9 is so little that they might be off: their gradient in D
is less than a millionth of that of the loss. Without them D gets steeper as long as it
is trained, because a steeper D is surer; the gap between the losses only grows. With
0.02 it settles: both losses end at chance, where they belong if data and samples cannot
be told apart.
"""

import nngan as nn

x, _ = nn.datasets.ring(4000)
G = nn.Sequential(
    *(nn.Linear(2, 64, "he"), nn.ReLU(), nn.Linear(64, 64, "he"), nn.ReLU()),
    nn.Linear(64, 2),
    seed=1,
)
D = nn.Sequential(
    *(nn.Linear(2, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2)),
    nn.Linear(64, 1),
    seed=2,
)
adam = {"lr": 2e-3, "beta1": 0.5, "beta2": 0.9}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
gamma = 1e-9  # cure: gamma = 0.02
options = {"r1": gamma, "r2": gamma, "ema": 0.99}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 100, 200, progress=False)
report = nn.diagnose(gan, x)
print(report)
