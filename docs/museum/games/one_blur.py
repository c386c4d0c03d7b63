"""All samples are one blur.

All samples are the same grey blur: the mean of all digits. D tells it from data, and
its loss is low. The losses move towards each other, so slowly that one hopes.

The biases of G's first layer begin at -10. No z makes any of its ReLU units active.
Their output is 0, their slope is 0, and the gradient cannot bring them back. What is
behind the layer sees zeros, and only the biases there still learn: G is one image, and
the best single image is the mean of the data. The learning rate is fine, and so is D.
"""

import nngan as nn

x, labels = (rows[:1000] for rows in nn.datasets.digits())
G = nn.Sequential(
    *(nn.Linear(16, 64, "he"), nn.ReLU(), nn.Linear(64, 64, "he"), nn.ReLU()),
    *(nn.Linear(64, 64), nn.Sigmoid()),
    seed=1,
)
G.layers[0].b[...] = -10.0  # cure: G.layers[0].b[...] = 0.0
D = nn.Sequential(
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
