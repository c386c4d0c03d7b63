"""Everything works, but late.

D is ahead at first, and G catches up in a line that is nearly straight. After 60 epochs
the losses are not yet at chance. There are digits among the samples, on a grey and
noisy ground.

The weights begin with a standard deviation of 3, so that the sums before Tanh are far
from 0 and nearly all outputs are -1 or 1. There the slope is nearly 0, and hardly any
gradient comes through to the layers before. Only G's last layer learns, on hidden
layers that stay a random code of z. Weights that begin with "he" keep the sums near 1.
"""

import nngan as nn

x, labels = (rows[:1000] for rows in nn.datasets.digits())
BEGIN = ("normal", 3.0)  # cure: BEGIN = "he"
G = nn.Sequential(
    *(nn.Linear(16, 64, BEGIN), nn.Tanh(), nn.Linear(64, 64, BEGIN), nn.Tanh()),
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
options = {"r1": 0.5, "ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
