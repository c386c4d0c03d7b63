"""The perfect losses.

D's loss is 1.4 and G's 0.69: chance, from the first epochs to the last. D(x) and
D(G(z)) are 0.5. Few curves in this museum are smoother. The samples are blocks of black
and white.

D keeps the inputs of its layers in one place. It sees data, then fakes, and then goes
backward through both: the gradient of the data is taken at the fakes, which have
overwritten the cache. Both parts of D's gradient work at the same points against each
other, and D learns nothing. That is why a cache in this library belongs to the call and
not to the layer. The report compares the gradient with the loss, numerically.
"""

import nngan as nn
from nngan.mistakes import OneCache

x, labels = (rows[:1000] for rows in nn.datasets.digits())
G = nn.Sequential(
    *(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64, "he"), nn.ReLU()),
    *(nn.Linear(64, 64), nn.Sigmoid()),
    seed=1,
)
D = OneCache(  # cure: D = nn.Sequential(
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
