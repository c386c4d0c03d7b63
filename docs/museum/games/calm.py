"""D is calm, and nothing is drawn.

D's loss begins at hundreds and falls to chance. D(x) and D(G(z)) settle at 0.5, without
the noise of other games. All samples are one ornament in black and white.

A penalty of 1000 makes the slope of D so expensive that D does best to be flat: the
same answer for every image. A flat D has no gradient that G could follow; what is left
of it pushes all samples to one corner. Again the losses are at chance, and there is
nothing to see in them, except for their first epochs, which are all penalty. The report
compares the penalty's gradient in D with that of the loss.
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
options = {"r1": 1000.0, "ema": 0.98}  # cure: options = {"r1": 0.5, "ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
