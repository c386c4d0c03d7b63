"""A small example of every layer in `nngan.layers.__all__`, and of networks of layers.

A layer needs a line here only if its constructor needs something else than whole numbers, or should
be tried with several.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

import nngan as nn
from nngan import layers
from nngan.layers.base import Elementwise

# The arguments of the constructor: one example for each tuple.
ARGUMENTS = {
    "BatchNorm": [(1,), (4,)],
    "Dropout": [(0.4,)],
    "LeakyReLU": [(0.2,), (0.0,), (1.0,)],
    "Linear": [(5, 3), (4, 1, "he"), (1, 3), (1, 1)],
    "Maxout": [(2, 2), (1, 5), (3, 1)],
}

# Of two samples BatchNorm makes 1 and -1, and its dx is a part of eps: too small to compare.
FEWEST_SAMPLES = {"BatchNorm": 3}

WIDTHS = (1, 4)  # of the inputs of a layer that takes any width


@dataclass(frozen=True)
class Example:
    """How to make a layer, and input for it."""

    make: Callable[[], nn.Layer]
    fewest_samples: int = 1

    def layer(self):
        """Return a new layer, in float64."""
        return nn.Sequential(self.make(), seed=3, dtype="float64").layers[0]

    def network(self, backend="numpy", dtype="float64"):
        """Return a network of this layer alone, whose biases are not zero."""
        net = nn.Sequential(self.make(), seed=3, dtype=dtype, backend=backend)
        values = 0.3 * np.random.default_rng(9).standard_normal(net.size)
        net.params += net.backend.asarray(values, dtype)
        return net

    @property
    def widths(self):
        """Widths of its inputs."""
        return (self.make().n_in,) if hasattr(self.make(), "n_in") else WIDTHS

    def x(self, n, width=None, seed=0):
        """Return an input of `n` samples, or as many as the layer needs, away from ReLU's kink."""
        shape = max(n, self.fewest_samples), width or self.widths[-1]
        x = np.random.default_rng(seed).standard_normal(shape)
        return x + 0.1 * np.where(x > 0, 1, -1)


def layer_kinds():
    """Return the layers in the list of names, by name."""
    named = {name: getattr(layers, name) for name in layers.__all__}
    return {
        name: kind
        for name, kind in named.items()
        if isinstance(kind, type) and issubclass(kind, nn.Layer) and kind is not nn.Layer
    }


def examples_of(name, kind):
    """Return the examples of one layer, by the calls that make them."""
    examples = {}
    parameters = inspect.signature(kind).parameters.values()
    needed = (3,) * sum(p.default is inspect.Parameter.empty for p in parameters)
    for arguments in ARGUMENTS.get(name, [needed]):
        example = Example(partial(kind, *arguments), FEWEST_SAMPLES.get(name, 1))
        call = f"{name}({', '.join(map(repr, arguments))})"
        try:
            example.make()
        except TypeError as error:
            raise TypeError(
                f"no example of the layer {name}, because {call} raises {error!r}: "
                f"give {name} a line in ARGUMENTS in tests/layer_examples.py"
            ) from None
        examples[call] = example
    return examples


EXAMPLES = {
    call: example
    for name, kind in layer_kinds().items()
    for call, example in examples_of(name, kind).items()
}
NETWORKS = {
    "Sequential": Example(
        lambda: nn.Sequential(
            *(nn.Linear(5, 4), nn.Tanh(), nn.Dropout(0.3)),
            *(nn.Linear(4, 2), nn.Sigmoid(), nn.LeakyReLU()),
        )
    ),
    "Sequential in Sequential": Example(
        lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.Sigmoid()), nn.Linear(4, 2))
    ),
}
EVERYTHING = EXAMPLES | NETWORKS

# Those that a gradient penalty takes.
PENALISED = {c: e for c, e in EVERYTHING.items() if not e.make().couples_samples}

# One example of each layer that takes any width and keeps it, by the layer's name.
ELEMENTWISE = {
    name: next(iter(examples_of(name, kind).values()))
    for name, kind in layer_kinds().items()
    if issubclass(kind, Elementwise)
}


class Double(nn.Layer):
    """A user's layer: y = 2 x."""

    def forward(self, x, training=True, key=None):
        return 2 * x, None

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return 2 * dy if input_grad else None
