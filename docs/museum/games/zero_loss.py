"""D's loss is 0 after two epochs.

D's loss is 0 after two epochs, and stays there. G's is 0 too. D(x) is 1, D(G(z)) is 0,
and the samples are the noise of the start, for all 60 epochs.

G of the minimax game descends log(1 - D(G(z))), whose slope is D(G(z)) itself. Where D
is sure that a fake is a fake, the slope is 0, and G cannot learn from being wrong. Here
D learns fifty times as fast as G and is sure within two epochs. With the non-saturating
loss, the default, G has the slope 1 - D(G(z)), which is largest where G is worst, and
R1 keeps D from being sure.
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
g_adam, d_adam = nn.Adam(1e-4), nn.Adam(5e-3)
options = {"loss": "minimax"}  # cure: options = {"r1": 0.5, "ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
