"""Losses that swing wider and wider.

Losses of a Wasserstein game may be negative: that is no mistake. But these swing, each
time wider than before, to over 1,000. The samples are variations of one noisy figure.

D's output is a score without bounds, and D raises its loss most easily by growing:
twice the weights is more than twice the score. The paper keeps D's slope at 1, by
clipping or by a penalty on its gradient, and this game has neither. So D's slope grows
without end, G is thrown from one side to the other, and the losses measure D's size.
With the penalty both curves stay within 2.
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
adam = {"lr": 2e-3, "beta1": 0.5, "beta2": 0.9}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"loss": "wasserstein", "k": 5}
options["gradient_penalty"] = 0.0  # cure: options["gradient_penalty"] = 10.0
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
