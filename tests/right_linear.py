"""A right layer Linear, as an object and as the file of a student, of which tests change a line."""

import inspect

import numpy as np


class Linear:
    def __init__(self, n_in=3, n_out=2):
        self.W = np.random.randn(n_in, n_out)  # noqa: NPY002 (as students write it)
        self.b = np.zeros(n_out)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        return x @ self.W + self.b, x

    def backward(self, dy, x):
        self.dW += x.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W.T


SOURCE = f"\nimport numpy as np\n\n{inspect.getsource(Linear)}".replace(
    "  # noqa: NPY002 (as students write it)", ""
)
