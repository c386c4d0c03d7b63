"""The layer PReLU: a solution, and the reference that forward is compared with."""

import numpy as np


class PReLU:
    """y = x where x > 0, a x elsewhere; each feature j has its own slope a_j."""

    def __init__(self, n_in=4):
        self.n_in = n_in
        self.a = np.full(n_in, 0.25)
        self.da = np.zeros(n_in)

    def forward(self, x):
        """Return y, and x as the cache."""
        return np.where(x > 0, x, self.a * x), x

    def backward(self, dy, cache):
        """Add the gradient in a to self.da, and return dx."""
        x = cache
        self.da += (dy * np.minimum(x, 0)).sum(axis=0)
        return dy * np.where(x > 0, 1, self.a)
