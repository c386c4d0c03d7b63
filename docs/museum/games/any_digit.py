"""The digits are good, but not those that were asked for.

A conditional game: the first row was asked for zeros, the second for ones, and so on.
The curves are those of a healthy game, and the samples are digits. But each row has all
of them.

The rows of the data were shuffled, and the labels were not. So an image has the label
of another one, and D sees each digit with each label. G does what D asks for: it draws
all digits for each label. The game has learned its data perfectly. The report trains a
classifier on the data for a moment; if it cannot read the labels of held-out data,
labels and data have nothing to do with each other.
"""

import numpy as np

import nngan as nn

x, labels = (rows[:1000] for rows in nn.datasets.digits())
x = np.random.default_rng(0).permutation(x)  # cure:
G = nn.Sequential(
    *(nn.Linear(26, 64, "he"), nn.ReLU(), nn.Linear(64, 64, "he"), nn.ReLU()),
    *(nn.Linear(64, 64), nn.Sigmoid()),
    seed=1,
)
D = nn.Sequential(
    *(nn.Linear(74, 64, "he"), nn.LeakyReLU(0.2), nn.Linear(64, 64, "he"), nn.LeakyReLU(0.2)),
    nn.Linear(64, 1),
    seed=2,
)
adam = {"lr": 1e-3, "beta1": 0.5, "beta2": 0.99}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"r1": 0.5, "ema": 0.98, "classes": 10}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, labels=labels, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
