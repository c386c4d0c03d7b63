"""A loss of 150.

G's loss jumps to 150 in a few epochs and stays. D's falls to 0. The samples are white
dots on black, the same in every square.

Adam moves each weight by about its learning rate, whatever the gradient is. With 0.1
one step is about as large as the weights themselves, so the steps jump over everything
that there is to learn. In a few epochs the units are driven to their ends, where all
gradients are 0. What is left at the end is a frozen game; the learning rate that froze
it is still in the optimizer, and the report names that.
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
lr = 1e-1  # cure: lr = 1e-3
adam = {"lr": lr, "beta1": 0.5, "beta2": 0.99}
g_adam, d_adam = nn.Adam(**adam), nn.Adam(**adam)
options = {"ema": 0.98}
gan = nn.GAN(G, D, g_optimizer=g_adam, d_optimizer=d_adam, **options)
gan.fit(x, 60, 50, progress=False)
report = nn.diagnose(gan, x, labels)
print(report)
