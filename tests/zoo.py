"""Wrong layers, losses and pairs, as students write them, each with its diagnosis.

`ZOO` maps a name to an `Entry`. Most entries differ from a right layer in one line: the factories
`linear` and `activation` make them. The classes below break the contract.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nngan as nn

RNG = np.random.default_rng(7)
W53 = RNG.standard_normal((5, 3))
W44 = RNG.standard_normal((4, 4))
B = RNG.standard_normal(5)
X = RNG.standard_normal((6, 5))
X4 = RNG.standard_normal((6, 4))
P = RNG.uniform(0.1, 0.9, (6, 1))
T = (np.arange(6)[:, None] % 2).astype(float)


@dataclass
class Entry:
    """A target, its inputs, and the findings that the checker must report."""

    target: Any
    inputs: tuple
    kinds: tuple[str, ...]  # kinds of the mistakes, in order; () for none
    notes: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)


ZOO: dict[str, Entry] = {}


def add(name, target, inputs, *kinds, notes=(), **options):
    assert name not in ZOO, name
    ZOO[name] = Entry(target, inputs, kinds, notes, options)


def wrong(*kinds, on=X, notes=(), **options) -> Callable:
    """Add a class to the zoo; its docstring is the name of the entry."""

    def register(cls):
        add(cls.__doc__, cls(), (on,), *kinds, notes=notes, **options)
        return cls

    return register


# -- mistakes in one formula of Linear -------------------------------------------------------------


class Linear:
    """y = x W + b, right."""

    def __init__(self, W=W53):
        self.W, self.b = W.copy(), B[: W.shape[1]].copy()
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        return x @ self.W + self.b, x

    def input_gradient(self, dy, x):
        return dy @ self.W.T

    def weight_gradient(self, dy, x):
        return x.T @ dy

    def bias_gradient(self, dy, x):
        return dy.sum(axis=0)

    def backward(self, dy, cache):
        x = cache
        self.dW += self.weight_gradient(dy, x)
        self.db += self.bias_gradient(dy, x)
        return self.input_gradient(dy, x)


def linear(name, *kinds, W=W53, x=None, options=(), **formulas):
    """Add a Linear with some formulas replaced: dx, dW, db = f(layer, dy, x)."""
    methods = {"dx": "input_gradient", "dW": "weight_gradient", "db": "bias_gradient"}
    cls = type("Linear", (Linear,), {methods[d]: f for d, f in formulas.items()})
    add(name, cls(W), (X[:, : len(W)] if x is None else x,), *kinds, **dict(options))


def changed(g, index, by=2.0):
    """Return g with a part of it multiplied."""
    g = g.copy()
    g[index] *= by
    return g


linear("dW has the wrong sign", "sign", dW=lambda self, dy, x: -x.T @ dy)
linear("dx has the wrong sign", "sign", dx=lambda self, dy, x: -dy @ self.W.T)
linear("db has the wrong sign", "sign", db=lambda self, dy, x: -dy.sum(axis=0))
linear("dW divided by N", "doubled_mean", dW=lambda self, dy, x: x.T @ dy / len(x))
linear("dx divided by N", "doubled_mean", dx=lambda self, dy, x: dy @ self.W.T / len(x))
linear("dW multiplied by N", "missing_mean", dW=lambda self, dy, x: x.T @ dy * len(x))
linear("db averaged", "bias_averaged", db=lambda self, dy, x: dy.mean(axis=0))
linear("db averaged, two rows", "bias_averaged", x=X[:2], db=lambda self, dy, x: dy.mean(axis=0))
linear("dW halved, two rows", "factor", x=X[:2], dW=lambda self, dy, x: x.T @ dy / 2)
linear("db one row only", "bias_not_summed", db=lambda self, dy, x: dy[0])
linear("db not summed", "bias_not_summed", db=lambda self, dy, x: dy)
linear("db summed over everything", "bias_axis", db=lambda self, dy, x: dy.sum())
linear(
    "db summed over the wrong axis",
    "bias_axis",
    W=W44,
    x=X4[:4],
    db=lambda self, dy, x: dy.sum(axis=1),
)
linear("db with keepdims", "shape", db=lambda self, dy, x: dy.sum(axis=0, keepdims=True))
linear("dx without the transpose, square", "transpose", W=W44, dx=lambda self, dy, x: dy @ self.W)
linear("dx without the transpose", "transpose", dx=lambda self, dy, x: dy @ self.W)
linear("dx with np.dot, without the transpose", "transpose", dx=lambda self, dy, x: dy.dot(self.W))
linear("dW transposed, square", "transpose", W=W44, dW=lambda self, dy, x: dy.T @ x)
linear("dW transposed", "transpose", dW=lambda self, dy, x: dy.T @ x)
linear("dW without the transpose", "transpose", dW=lambda self, dy, x: x @ dy)
linear(
    "dW reshaped, not transposed",
    "transpose",
    dW=lambda self, dy, x: (dy.T @ x).reshape(self.W.shape),
)
linear("dW ignores dy", "ignores_upstream", dW=lambda self, dy, x: x.T @ np.ones_like(dy))
linear("dx ignores dy", "ignores_upstream", dx=lambda self, dy, x: np.ones_like(dy) @ self.W.T)
linear("dW with a weight decay", "ignores_upstream", dW=lambda self, dy, x: x.T @ dy + 0.1 * self.W)
linear("dW clips dy", "not_linear", dW=lambda self, dy, x: x.T @ np.clip(dy, -1, 1))
linear(
    "dW uses y where x belongs",
    "output_for_input",
    W=W44,
    dW=lambda self, dy, x: (x @ self.W + self.b).T @ dy,
)
linear("dx zero", "zero", dx=lambda self, dy, x: np.zeros_like(x))
linear("dW never filled", "zero", dW=lambda self, dy, x: 0.0)
linear("db never filled", "zero", db=lambda self, dy, x: 0.0)
linear("dx passes dy on", "path", W=W44, dx=lambda self, dy, x: dy.copy())
linear("dW doubled", "factor", dW=lambda self, dy, x: 2 * x.T @ dy)
linear("dW off by 1e-4", "factor", dW=lambda self, dy, x: 1.0001 * x.T @ dy)
linear("dW off by 1e-7", "factor", dW=lambda self, dy, x: (1 + 1e-7) * x.T @ dy)
linear("dW off by 1e-10", "inexact", dW=lambda self, dy, x: (1 + 1e-10) * x.T @ dy)
linear(
    "last row of dx doubled", "rows_or_columns", dx=lambda self, dy, x: changed(dy @ self.W.T, -1)
)
linear(
    "first column of dW zero",
    "rows_or_columns",
    dW=lambda self, dy, x: changed(x.T @ dy, (slice(None), 0), 0),
)
linear(
    "every second row of dx zero",
    "rows_or_columns",
    dx=lambda self, dy, x: changed(dy @ self.W.T, slice(1, None, 2), 0),
)
linear(
    "only the first row of dx filled",
    "rows_or_columns",
    dx=lambda self, dy, x: changed(dy @ self.W.T, slice(1, None), 0),
)
linear("one element of db wrong", "rows_or_columns", db=lambda self, dy, x: changed(dy.sum(0), 1))
linear(
    "dW random noise added",
    "unknown",
    dW=lambda self, dy, x: (x.T @ dy) * np.linspace(0.4, 2.2, self.W.size).reshape(self.W.shape),
)
linear(
    "dx sign, dW divided by N",
    "sign",
    "doubled_mean",
    dx=lambda self, dy, x: -dy @ self.W.T,
    dW=lambda self, dy, x: x.T @ dy / len(x),
)
linear("dx sign and transpose", "sign", "transpose", W=W44, dx=lambda self, dy, x: -(dy @ self.W))
linear("dW minus, divided by N", "sign", "doubled_mean", dW=lambda self, dy, x: -x.T @ dy / len(x))
linear(
    "db not summed and dx sign",
    "bias_not_summed",
    "sign",
    db=lambda self, dy, x: dy,
    dx=lambda self, dy, x: -dy @ self.W.T,
)
# With += on the buffer numpy raises; with an assignment the wrong shape reaches the checker.
for entry in ("db not summed and dx sign",):
    cls = type(ZOO[entry].target)

    def _put(self, dy, cache):
        self.dW = self.dW + self.weight_gradient(dy, cache)
        self.db = self.bias_gradient(dy, cache)
        return self.input_gradient(dy, cache)

    cls.backward = _put


# -- mistakes in the gradient of a parameter that all rows share -----------------------------------


class PReLU:
    """y = x where x > 0, a x elsewhere, right."""

    def __init__(self):
        self.a, self.da = np.array([0.1, 0.4, -0.3, 0.25]), np.zeros(4)

    def forward(self, x):
        return np.where(x > 0, x, self.a * x), x

    def slope_gradient(self, terms):
        return terms.sum(axis=0)

    def backward(self, dy, x):
        self.da = self.da + self.slope_gradient(dy * np.minimum(x, 0))
        return dy * np.where(x > 0, 1, self.a)


def slopes(name, kind, formula, x=X4):
    """Add a PReLU with another sum in da."""
    cls = type("PReLU", (PReLU,), {"slope_gradient": lambda self, terms: formula(terms)})
    add(name, cls(), (x,), kind)


slopes("slopes: da averaged", "bias_averaged", lambda terms: terms.mean(axis=0))
slopes("slopes: da of one row only", "bias_not_summed", lambda terms: terms[1])
slopes("slopes: da not summed", "bias_not_summed", lambda terms: terms)
slopes("slopes: da summed over everything", "bias_axis", lambda terms: terms.sum())
slopes("slopes: da summed over the wrong axis", "bias_axis", lambda t: t.sum(axis=1), x=X4[:4])


class UnmaskedPReLU(PReLU):
    def backward(self, dy, x):
        self.da = self.da + (dy * x).sum(axis=0)
        return dy * np.where(x > 0, 1, self.a)


add("slopes: da without the mask", UnmaskedPReLU(), (X4,), "mask")

# -- mistakes in one formula of an elementwise function --------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def leaky(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def activation(name, *kinds, f, slope, x=X):
    """Add a pair forward(x) = f(x), backward = slope(dy, x, y)."""

    def forward(x):
        y = f(x)
        return y, (x, y)

    def backward(dy, cache):
        return slope(dy, *cache)

    add(name, (forward, backward), (x,), *kinds)


activation("Sigmoid at x", "input_for_output", f=sigmoid, slope=lambda dy, x, y: dy * x * (1 - x))
activation("Tanh at x", "input_for_output", f=np.tanh, slope=lambda dy, x, y: dy * (1 - x**2))
activation(
    "Sigmoid at y",
    "output_for_input",
    f=sigmoid,
    slope=lambda dy, x, y: dy * sigmoid(y) * (1 - sigmoid(y)),
)
activation(
    "Tanh at y", "output_for_input", f=np.tanh, slope=lambda dy, x, y: dy * (1 - np.tanh(y) ** 2)
)
activation(
    "Softplus at y",
    "output_for_input",
    f=lambda x: np.log1p(np.exp(x)),
    slope=lambda dy, x, y: dy * sigmoid(y),
)
activation(
    "Tanh with Sigmoid's derivative",
    "other_activation",
    f=np.tanh,
    slope=lambda dy, x, y: dy * y * (1 - y),
)
activation(
    "Sigmoid with Tanh's derivative",
    "other_activation",
    f=sigmoid,
    slope=lambda dy, x, y: dy * (1 - y**2),
)
activation(
    "LeakyReLU with ReLU's derivative",
    "other_activation",
    f=leaky,
    slope=lambda dy, x, y: dy * (x > 0),
)
activation(
    "ReLU with LeakyReLU's derivative",
    "other_activation",
    f=lambda x: np.maximum(x, 0),
    slope=lambda dy, x, y: dy * np.where(x > 0, 1, 0.2),
)
activation(
    "LeakyReLU slopes swapped",
    "slope_swapped",
    f=leaky,
    slope=lambda dy, x, y: dy * np.where(x > 0, 0.2, 1.0),
)
activation(
    "ReLU slopes swapped",
    "slope_swapped",
    f=lambda x: np.maximum(x, 0),
    slope=lambda dy, x, y: dy * (x < 0),
)
activation(
    "LeakyReLU another slope",
    "slope",
    f=leaky,
    slope=lambda dy, x, y: dy * np.where(x > 0, 1, 0.01),
)
activation("Tanh ignores dy", "ignores_upstream", f=np.tanh, slope=lambda dy, x, y: 1 - y**2)
activation("Tanh passes dy on", "path", f=np.tanh, slope=lambda dy, x, y: 1.0 * dy)
activation("Tanh zero", "zero", f=np.tanh, slope=lambda dy, x, y: 0 * dy)
activation("Tanh sign", "sign", f=np.tanh, slope=lambda dy, x, y: dy * (y**2 - 1))
activation("Square without its 2", "factor", f=lambda x: x**2, slope=lambda dy, x, y: dy * x)
activation(
    "Square without its 2, one element", "factor", f=lambda x: x**2, slope=lambda dy, x, y: dy * x,
    x=X[:1, :1],
)  # fmt: skip
activation(
    "ELU wrong for negative x",
    "region",
    f=lambda x: np.where(x > 0, x, np.expm1(x)),
    slope=lambda dy, x, y: dy * np.where(x > 0, 1, y),
)
activation(
    "Swish without the second term",
    "path",
    f=lambda x: x * sigmoid(x),
    slope=lambda dy, x, y: dy * sigmoid(x),
)
activation(
    "residual without the identity",
    "path",
    x=X4,
    f=lambda x: x + np.tanh(x @ W44),
    slope=lambda dy, x, y: (dy * (1 - (y - x) ** 2)) @ W44.T,
)
activation(
    "residual without the branch",
    "path",
    x=X4,
    f=lambda x: x + x @ W44,
    slope=lambda dy, x, y: 1 * dy,
)
activation(
    "normalisation with constant statistics",
    "path",
    f=lambda x: (x - x.mean(0)) / x.std(0),
    slope=lambda dy, x, y: dy / x.std(0),
)
activation(
    "softmax with the diagonal only",
    "path",
    f=lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
    slope=lambda dy, x, y: dy * y * (1 - y),
)
activation(
    "Sigmoid sign and at x",
    "sign",
    "input_for_output",
    f=sigmoid,
    slope=lambda dy, x, y: -dy * x * (1 - x),
)
activation("Tanh returns NaN", "not_finite", f=np.tanh, slope=lambda dy, x, y: dy * np.log(y - 2))
activation("Tanh keepdims", "shape", f=np.tanh, slope=lambda dy, x, y: (dy * (1 - y**2))[None])


# -- mistakes in losses ----------------------------------------------------------------------------


def mse_without_mean(p, t):
    return ((p - t) ** 2).mean(), 2 * (p - t)


def mse_mean_twice(p, t):
    return ((p - t) ** 2).mean(), 2 * (p - t) / p.size / p.size


def mse_without_two(p, t):
    return ((p - t) ** 2).mean(), (p - t) / p.size


def bce_sign(p, t):
    loss, dp = nn.bce(p, t)
    return loss, -dp


def bce_sign_without_mean(p, t):
    loss, dp = nn.bce(p, t)
    return loss, -dp * p.size


def cross_entropy_without_mean(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = np.arange(len(p))
    d = p.copy()
    d[rows, labels] -= 1
    return -np.log(p[rows, labels]).mean(), d


def penalty_forgets_the_square(x):
    norm = np.sqrt((x**2).sum(axis=1, keepdims=True))
    return ((norm - 1) ** 2).mean(), 2 * (norm - 1) * x / len(x)


def only_the_loss(p, t):
    return ((p - t) ** 2).mean()


add("loss lacks 1/N", mse_without_mean, (P, T), "missing_mean")
add("loss has 1/N twice", mse_mean_twice, (P, T), "doubled_mean")
add("loss lacks a 2, two rows", mse_without_two, (P[:2], T[:2]), "factor")
add("loss lacks 1/N, two rows", mse_without_mean, (P[:2], T[:2]), "missing_mean")
add("loss with the wrong sign", bce_sign, (P, T), "sign")
add("loss with the wrong sign, no 1/N", bce_sign_without_mean, (P, T), "sign", "missing_mean")
add("cross-entropy lacks 1/N", cross_entropy_without_mean, (X, np.arange(6) % 5), "missing_mean")
add("penalty lacks a division", penalty_forgets_the_square, (X,), "unknown")
add("loss without a gradient", only_the_loss, (P, T), "contract")


# -- mistakes against the contract -----------------------------------------------------------------


@wrong("overwrites")
class Overwrites(Linear):
    """overwrites dW and db"""

    def backward(self, dy, cache):
        self.dW, self.db = cache.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


@wrong("overwrites")
class OverwritesBias(Linear):
    """adds to dW, overwrites db"""

    def backward(self, dy, cache):
        self.dW += cache.T @ dy
        self.db[...] = dy.sum(axis=0)
        return dy @ self.W.T


@wrong("accumulates", accumulate=False)
class Adds(Linear):
    """adds where it should overwrite"""


@wrong("accumulates")
class AddsToInput(Linear):
    """adds up dx from call to call"""

    def __init__(self):
        super().__init__()
        self.g = 0.0

    def backward(self, dy, cache):
        super().backward(dy, cache)
        self.g = self.g + dy @ self.W.T
        return self.g


@wrong("stale_cache")
class StateInSelf(Linear):
    """keeps x in self"""

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b, None

    def backward(self, dy, cache):
        return super().backward(dy, self.x)


@wrong("stale_cache")
class SharedOutput(Linear):
    """returns one buffer again and again"""

    def forward(self, x):
        if getattr(self, "out", np.zeros(0)).shape != (len(x), 3):
            self.out = np.zeros((len(x), 3), x.dtype)
        np.add(x @ self.W, self.b, out=self.out)
        return self.out, x


@wrong("stale_cache", "sign")
class StaleAndSign(Linear):
    """keeps x in self, and dW has the wrong sign"""

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b, None

    def backward(self, dy, cache):
        self.dW -= self.x.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W.T


@wrong("writes_input")
class WritesInput:
    """ReLU in place"""

    def forward(self, x):
        x[x < 0] = 0
        return x, x

    def backward(self, dy, cache):
        return dy * (cache > 0)


@wrong("writes_input")
class WritesUpstream:
    """writes into dy"""

    def forward(self, x):
        return np.maximum(x, 0), x

    def backward(self, dy, cache):
        dy[cache < 0] = 0
        return dy


@wrong("writes_input")
class WritesCache:
    """writes into the cache"""

    def forward(self, x):
        y = np.tanh(x)
        return y, [y.copy()]

    def backward(self, dy, cache):
        y = cache[0]
        y *= y
        return dy * (1 - y)


@wrong("writes_parameters")
class WritesParameters(Linear):
    """backward takes the optimizer's step"""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.W -= 0.1 * self.dW
        return dx


@wrong("replaced")
class Replaces(nn.Layer):
    """a layer of the library's kind replaces dW"""

    def __init__(self):
        self.shapes = {"W": (5, 3)}
        self.bind(W53.copy().ravel(), np.zeros(15), self.backend)

    def forward(self, x, training=True, key=None):
        return x @ self.W, x

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        self.dW = self.dW + cache.T @ dy
        return dy @ self.W.T


@wrong("cache_consumed")
class ConsumesCache(Linear):
    """pops its cache"""

    def forward(self, x):
        return x @ self.W + self.b, [x]

    def backward(self, dy, cache):
        return super().backward(dy, cache.pop())


@wrong("not_repeatable")
class RandomForward:
    """random forward"""

    rng = np.random.default_rng()

    def forward(self, x):
        m = self.rng.uniform(size=x.shape) > 0.5
        return x * m, m

    def backward(self, dy, cache):
        return dy * cache


@wrong("strided")
class AssumesContiguous:
    """reads memory as if it had no gaps"""

    def forward(self, x):
        flat = np.ndarray(x.size, x.dtype, x.data if x.flags.c_contiguous else x.base.data)
        return np.tanh(flat.reshape(x.shape)), x

    def backward(self, dy, cache):
        return dy * (1 - np.tanh(cache) ** 2)


@wrong("raises")
class RaisesForward:
    """raises in forward"""

    def forward(self, x):
        return x + undefined_name, None  # noqa: F821

    def backward(self, dy, cache):
        return dy


@wrong("raises")
class RaisesBackward:
    """raises in backward"""

    def forward(self, x):
        return 2 * x, None

    def backward(self, dy, cache):
        return dy * cache["x"]


@wrong("raises")
class Exits:
    """leaves the program"""

    def forward(self, x):
        raise SystemExit("not done yet")

    def backward(self, dy, cache):
        return dy


@wrong("not_finite")
class NaNForward:
    """NaN in forward"""

    def forward(self, x):
        return np.log(-np.abs(x)), x

    def backward(self, dy, cache):
        return dy


@wrong("contract")
class ReturnsNone:
    """backward returns nothing"""

    def forward(self, x):
        return 2 * x, None

    def backward(self, dy, cache):
        pass


@wrong("contract")
class ReturnsText:
    """forward returns text"""

    def forward(self, x):
        return "y", x

    def backward(self, dy, cache):
        return dy


@wrong("contract")
class NoCache:
    """forward returns no cache"""

    def forward(self, x):
        return 2 * x

    def backward(self, dy, cache):
        return 2 * dy


@wrong(notes=("float32",))
class SinglePrecision(Linear):
    """computes in float32, no mistake"""

    def forward(self, x):
        y = x.astype(np.float32) @ self.W.astype(np.float32) + self.b.astype(np.float32)
        return y.astype(x.dtype), x


@wrong(notes=("float32",))
class SingleBackward(Linear):
    """computes backward in float32, no mistake"""

    def input_gradient(self, dy, x):
        return (dy @ self.W.T).astype(np.float32)


@wrong("sign", notes=("float32",))
class SinglePrecisionSign(SinglePrecision):
    """computes in float32, and dW has the wrong sign"""

    def weight_gradient(self, dy, x):
        return -x.T @ dy


@wrong(notes=("kink",), on=np.array([[0.0, 1.0, -2.0], [3.0, 0.0, 0.0]]))
class AtKink:
    """LeakyReLU at 0, no mistake"""

    def forward(self, x):
        return leaky(x), x

    def backward(self, dy, cache):
        return dy * np.where(cache > 0, 1, 0.2)


@wrong("sign", notes=("kink",), on=np.array([[0.0, 1.0, -2.0], [3.0, 0.0, 0.0]]))
class SignAtKink(AtKink):
    """LeakyReLU at 0 and the wrong sign"""

    def backward(self, dy, cache):
        return -super().backward(dy, cache)


@wrong(notes=("unchecked",))
class ForgetsBias(Linear):
    """has no db at all"""

    def __init__(self):
        super().__init__()
        del self.db

    def backward(self, dy, cache):
        self.dW += cache.T @ dy
        return dy @ self.W.T


class WrongTanh(nn.Tanh):
    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return dy * cache * (1 - cache)


add(
    "a network with one wrong layer",
    nn.Sequential(nn.Linear(5, 4), WrongTanh(), nn.Linear(4, 2)),
    (X,),
    "other_activation",
)


def table():
    """Return the table of mistakes for the documentation."""
    rows = ["| mistake | what the report prints |", "|---|---|"]
    for name, e in ZOO.items():
        findings = nn.check_gradients(e.target, *e.inputs, **e.options).findings
        words = " ".join(f"{f.sentence} `[{f.kind}]`" for f in findings).replace("|", "\\|")
        rows.append(f"| {name.rstrip('.')} | {words} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
