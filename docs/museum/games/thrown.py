"""D's answers are thrown about.

D's loss climbs to 8 instead of falling. D(x) and D(G(z)) change from epoch to epoch by
half their range, mostly against each other. All samples are one pattern.

D's gradients are never set to zero: each step adds its own to the sum of all since the
start. The sum is a momentum that never forgets. D runs on long after it should have
turned, comes back, and overshoots on the other side, and G follows a D that is always
late. The report plays one step twice: the gradients that it leaves must be equal, and
they differ.
"""

import nngan as nn
from nngan.mistakes import NeverZeroed

x, labels = (rows[:1000] for rows in nn.datasets.digits())
G = nn.Sequential(
    *(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64, "he"), nn.ReLU()),
    *(nn.Linear(64, 64), nn.Sigmoid()),
    seed=1,
)
D = NeverZeroed(  # cure: D = nn.Sequential(
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
