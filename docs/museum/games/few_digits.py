"""Some digits never come.

For 15 epochs D's loss is 0. Then the losses move a little, and do not settle. Some
samples are digits, and many look alike. Count the classes: some are never drawn.

D takes five steps for one of G, and the minimax loss gives G a slope only where D
doubts. So G learns from the few fakes that D doubts, and moves all samples there. What
it has left it never finds again: no sample is near the other digits, so no gradient
points to them. The report counts the classes of the samples with a small classifier. A
penalty on D's gradient keeps D doubtful everywhere, and so leads G to all digits.
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
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"loss": "minimax", "k": 5}  # cure: options = {"r1": 0.5, "ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
