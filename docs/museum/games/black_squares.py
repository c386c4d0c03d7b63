"""G's loss climbs, and its squares are black.

D's loss falls towards 0, G's climbs from epoch to epoch. D(x) goes to 1 and D(G(z)) to
0. The samples are black, except for a few dots.

The data were scaled to -1..1, as one does for a G that ends in Tanh. This G ends in a
Sigmoid, which gives numbers from 0 to 1. The black of the data is -1, and the least
that G can draw is 0. D needs nothing but that difference, and G can only go to the end
of its range. Without `check=False` the library refuses this game before the first step.
"""

import nngan as nn

x, labels = (rows[:1000] for rows in nn.datasets.digits())
x = 2 * x - 1  # cure:
G = nn.Sequential(
    *(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64, "he"), nn.ReLU()),
    *(nn.Linear(64, 64), nn.Sigmoid()),
    seed=1,
)
D = nn.Sequential(
    *(nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2)),
    nn.Linear(64, 1),
    seed=2,
)
adam = {"lr": 1e-3, "beta1": 0.5, "beta2": 0.99}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"r1": 0.5, "ema": 0.98, "check": False}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
