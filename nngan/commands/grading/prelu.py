"""The layer PReLU: the reference of the scheme in prelu.json.

He et al., "Delving deep into rectifiers", ICCV 2015, section 2.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class PReLU:
    """y = x where x > 0, a x elsewhere; each feature j has its own slope a_j."""

    def __init__(self, n_in: int = 4) -> None:
        self.n_in = n_in
        self.a = np.full(n_in, 0.25)
        self.da = np.zeros(n_in)

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Return y, and x as the cache."""
        return np.where(x > 0, x, self.a * x), x

    def backward(self, dy: Any, cache: Any) -> Any:
        """Add the gradient in a to self.da, and return dx."""
        x = cache
        self.da += (dy * np.minimum(x, 0)).sum(axis=0)
        return dy * np.where(x > 0, 1, self.a)
