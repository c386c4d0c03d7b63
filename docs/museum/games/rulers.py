"""Curves drawn with a ruler.

Four straight lines. None of them is at chance, and nothing changes in 60 epochs. The
samples are the grey noise that G draws with the weights of the start.

The learning rate is 1e-8. A step moves the weights by less than a ten-millionth of
their size, so that to change them takes ten million steps. The gradients are fine:
nothing else is wrong. Straight lines have other causes too, such as an optimizer that
holds other arrays than the network, or gradients that are 0. The report measures the
movement of each layer in a step and so tells them apart.
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
lr = 1e-8  # cure: lr = 1e-3
adam = {"lr": lr, "beta1": 0.5, "beta2": 0.99}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"r1": 0.5, "ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
