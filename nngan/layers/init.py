"""How the weights of a layer begin.

With a symmetric law of variance v, the outputs of y = x W have n_in v times the variance of x, and
the gradients dx = dy W' have n_out v times the variance of dy. Each law below keeps one of the two,
or both on average, as they go from layer to layer:

- ``"glorot"``: uniform within +-sqrt(6 / (n_in + n_out)), so v = 2 / (n_in + n_out) [1]_;
- ``"he"``: normal with v = 2 / n_in, because a ReLU lets half of the signal through [2]_;
- ``"fan_in"``: uniform within +-1 / sqrt(n_in), so v = 1 / (3 n_in): PyTorch's default;
- ``("normal", std)`` and ``("uniform", limit)``, with a scale of your own.

References
----------
.. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
   networks", AISTATS 2010, eq. 16.
.. [2] He et al., "Delving deep into rectifiers", ICCV 2015, eq. 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..backend import Array, Key, NumpyBackend
from ..checks import is_number

WeightInit = str | Sequence[Any]
NAMED = ("glorot", "he", "fan_in")
LAWS = ("normal", "uniform")


def check_weight_init(init: WeightInit) -> WeightInit:
    """Return `init`, a name or (law, scale)."""
    if isinstance(init, str):
        if init in NAMED:
            return init
    elif isinstance(init, Sequence) and len(init) == 2 and init[0] in LAWS:
        scale: Any = init[1]
        if is_number(scale) and 0 <= scale < math.inf:
            return str(init[0]), float(scale)
    raise ValueError(
        f"weight_init must be one of {', '.join(map(repr, NAMED))}, ('normal', std) or "
        f"('uniform', limit) with a number >= 0, got {init!r}"
    )


def initial_weights(init: WeightInit, key: Key, n_in: int, n_out: int, dtype: Any) -> Array:
    """Return weights of shape (n_in, n_out), drawn at `key`.

    They are drawn on the host whatever the backend, so that all backends begin with the same bytes.
    """
    laws: dict[Any, tuple[str, float]] = {
        "glorot": ("uniform", math.sqrt(6 / (n_in + n_out))),
        "he": ("normal", math.sqrt(2 / n_in)),
        "fan_in": ("uniform", 1 / math.sqrt(n_in)),
    }
    law, scale = laws[init] if isinstance(init, str) else (init[0], init[1])
    backend, shape = NumpyBackend(), (n_in, n_out)
    if law == "normal":
        weights = backend.normal(key, shape, dtype)
    else:
        weights = 2 * backend.uniform(key, shape, dtype) - 1
    weights *= scale
    return weights
