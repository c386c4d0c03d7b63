"""Both losses stand at chance.

After a few epochs D's loss is 1.386 and G's is 0.693, the values at chance. D(x) and
D(G(z)) are 0.5. Read in a table, these are the numbers of a perfect game. The samples
are black squares with a few dots.

D ends in a Sigmoid, and the loss has one of its own. The loss sees numbers from 0 to 1,
so that D can say nothing surer than a probability between 0.5 and 0.73. Its gradient
passes two slopes instead of one, and fades. The penalty, which acts on the same output,
is idle too. Losses at chance prove nothing: look at D's range.
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
    *(nn.Linear(64, 1), nn.Sigmoid()),  # cure: nn.Linear(64, 1),
    seed=2,
)
adam = {"lr": 1e-3, "beta1": 0.5, "beta2": 0.99}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"r1": 0.5, "ema": 0.98, "check": False}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
