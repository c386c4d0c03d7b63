"""G is happy, and draws one ornament.

G's loss is 0: D takes every fake for real, D(G(z)) = 1. D's loss is above 4, far worse
than chance, and sinks slowly. All samples are one black and white ornament.

D hardly moves. Against a D that stands still G finds the one image that this D likes
best, and has won, whatever the image looks like. A small classifier tells these fakes
from data at once; D does not, and does not learn it in 50 more steps of its own. G's
loss says how well G does against this D. It says nothing about the samples.
"""

import nngan as nn

x, labels = (rows[:1000] for rows in nn.datasets.digits())
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
g_adam = nn.Adam(**adam)
d_adam = nn.Adam(2e-6)  # cure: d_adam = nn.Adam(**adam)
options = {"ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
