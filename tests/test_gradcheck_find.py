"""The gradient checker finds every number that forward reads, wherever a student keeps it."""

import array
import collections
import ctypes
import dataclasses
import functools
import sys
import threading
import types
import weakref
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest

import nngan as nn
from nngan.gradcheck import assert_gradients, check_gradients
from nngan.gradcheck.copies import deepcopy
from nngan.gradcheck.process.remote import check_file
from nngan.gradcheck.styles.made import Settings
from nngan.losses import OBJECTIVES

RNG = np.random.default_rng(3)
W0, B0, A0 = RNG.standard_normal((4, 3)), RNG.standard_normal(3), RNG.uniform(0.1, 0.5, 4)
X = RNG.standard_normal((5, 4))


def kinds(report):
    return [f.kind for f in report.findings]


def sampled(values, one_in):
    """Return values as parameters, one in so many in the fast tests and the others slow."""
    return [
        pytest.param(
            *(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow if i % one_in else ()
        )
        for i, v in enumerate(values)
    ]


# -- one Linear in many containers: `factor` is the mistake in dW ----------------------------------


class Sub:
    """A layer of its own."""

    def __init__(self, factor=1, W=W0):
        self.W, self.dW, self.factor = W.copy(), np.zeros_like(W), factor

    def forward(self, x):
        return x @ self.W, x

    def backward(self, dy, cache):
        self.dW += self.factor * cache.T @ dy
        return dy @ self.W.T


class Plain:
    """Weights without passes."""

    def __init__(self):
        self.W, self.dW = W0.copy(), np.zeros_like(W0)


class Param:
    """A value and its gradient."""

    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


@dataclasses.dataclass
class Weights:
    W: np.ndarray
    dW: np.ndarray


class Pair(NamedTuple):
    W: np.ndarray
    b: np.ndarray


class Frozen:
    def __init__(self, W):
        self.W = W


class Base:
    """Forward and backward by two methods: W() reads the weights, add(g) adds to the gradient."""

    factor = 1

    def __init__(self, factor=1):
        self.factor = factor
        self.make()

    def forward(self, x):
        return x @ self.weights(), x

    def backward(self, dy, cache):
        self.add(self.factor * cache.T @ dy)
        return dy @ self.weights().T


STYLES = {}


def style(cls):
    STYLES[cls.__name__] = cls
    return cls


@style
class Attributes(Base):
    def make(self):
        self.W, self.dW = W0.copy(), np.zeros_like(W0)

    def weights(self):
        return self.W

    def add(self, g):
        self.dW += g


@style
class Lists(Base):
    def make(self):
        self.params, self.grads = [W0.copy()], [np.zeros_like(W0)]

    def weights(self):
        return self.params[0]

    def add(self, g):
        self.grads[0] += g


@style
class ListsOfAttributes(Base):
    def make(self):
        self.W, self.dW = W0.copy(), np.zeros_like(W0)
        self.params, self.grads = [self.W], [self.dW]

    def weights(self):
        return self.W

    def add(self, g):
        self.grads[0][...] += g


@style
class Dicts(Base):
    def make(self):
        self.params, self.grads = {"W": W0.copy()}, {"W": np.zeros_like(W0)}

    def weights(self):
        return self.params["W"]

    def add(self, g):
        self.grads["W"] += g


@style
class DictsThatBackwardFills(Base):
    def make(self):
        self.params, self.grads = {"W1": W0.copy()}, {}

    def weights(self):
        return self.params["W1"]

    def add(self, g):
        self.grads["W1"] = self.grads.get("W1", 0) + g


@style
class OneDict(Base):
    def make(self):
        self.d = {"W": W0.copy(), "dW": np.zeros_like(W0)}

    def weights(self):
        return self.d["W"]

    def add(self, g):
        self.d["dW"] += g


@style
class GradientsInADict(Base):
    def make(self):
        self.W1, self.d = W0.copy(), {"W1": np.zeros_like(W0)}

    def weights(self):
        return self.W1

    def add(self, g):
        self.d["W1"] += g


@style
class DefaultDict(Base):
    def make(self):
        self.params = collections.defaultdict(float, W=W0.copy())
        self.gradients = collections.defaultdict(float)

    def weights(self):
        return self.params["W"]

    def add(self, g):
        self.gradients["dW"] += g


@style
class Tuples(Base):
    def make(self):
        self.p, self.dp = (W0.copy(),), (np.zeros_like(W0),)

    def weights(self):
        return self.p[0]

    def add(self, g):
        self.dp[0][...] += g


@style
class TuplesOfLists(Base):
    def make(self):
        self.weights_ = ([W0.copy()],)
        self.grad_weights = ([np.zeros_like(W0)],)

    def weights(self):
        return self.weights_[0][0]

    def add(self, g):
        self.grad_weights[0][0] += g


@style
class NamedTuples(Base):
    def make(self):
        self.params = Pair(W0.copy(), np.zeros(3))
        self.grads = Pair(np.zeros_like(W0), np.zeros(3))

    def forward(self, x):
        return x @ self.params.W + self.params.b, x

    def backward(self, dy, cache):
        self.grads.W[...] += self.factor * cache.T @ dy
        self.grads.b[...] += dy.sum(0)
        return dy @ self.params.W.T


@style
class Deques(Base):
    def make(self):
        self.params, self.grads = deque([W0.copy()]), deque([np.zeros_like(W0)])

    def weights(self):
        return self.params[0]

    def add(self, g):
        self.grads[0] += g


@style
class NestedLists(Base):
    def make(self):
        self.W, self.dW = W0.tolist(), np.zeros_like(W0)

    def weights(self):
        return np.array(self.W)

    def add(self, g):
        self.dW += g


@style
class NestedListsBoth(Base):
    def make(self):
        self.W, self.dW = W0.tolist(), (0 * W0).tolist()

    def weights(self):
        return np.array(self.W)

    def add(self, g):
        self.dW = (np.array(self.dW) + g).tolist()


@style
class NestedTuples(Base):
    def make(self):
        self.W, self.dW = tuple(map(tuple, W0.tolist())), np.zeros_like(W0)

    def weights(self):
        return np.array(self.W)

    def add(self, g):
        self.dW += g


@style
class PythonArrays(Base):
    def make(self):
        self.W, self.dW = array.array("d", W0.ravel()), np.zeros(12)

    def weights(self):
        return np.array(self.W).reshape(4, 3)

    def add(self, g):
        self.dW += g.ravel()


@style
class Slots(Base):
    __slots__ = ("W", "dW", "factor")

    def make(self):
        self.W, self.dW = W0.copy(), np.zeros_like(W0)

    def weights(self):
        return self.W

    def add(self, g):
        self.dW += g


@style
class Dataclasses(Base):
    def make(self):
        self.weights_ = Weights(W0.copy(), np.zeros_like(W0))

    def weights(self):
        return self.weights_.W

    def add(self, g):
        self.weights_.dW += g


@style
class Objects(Base):
    def make(self):
        self.part = Plain()

    def weights(self):
        return self.part.W

    def add(self, g):
        self.part.dW += g


@style
class Namespaces(Base):
    def make(self):
        self.part = types.SimpleNamespace(weights=W0.copy(), dweights=np.zeros_like(W0))

    def weights(self):
        return self.part.weights

    def add(self, g):
        self.part.dweights += g


@style
class ParameterObjects(Base):
    def make(self):
        self.params = [Param(W0.copy())]

    def weights(self):
        return self.params[0].data

    def add(self, g):
        self.params[0].grad += g


class Named(Base):
    """The gradient of W under another name."""

    gradient = "dW"

    def make(self):
        self.W = W0.copy()
        setattr(self, self.gradient, np.zeros_like(W0))

    def weights(self):
        return self.W

    def add(self, g):
        setattr(self, self.gradient, getattr(self, self.gradient) + g)


for name in ("W_grad", "grad_W", "dw"):
    STYLES[name] = type(name, (Named,), {"gradient": name})


@style
class PrivateNames(Base):
    def make(self):
        self.__W, self.__dW = W0.copy(), np.zeros_like(W0)

    def weights(self):
        return self.__W

    def add(self, g):
        self.__dW += g


@style
class Properties(Base):
    def make(self):
        self._w, self._g = W0.copy(), np.zeros_like(W0)

    @property
    def W(self):
        return self._w

    @property
    def dW(self):
        return self._g

    def weights(self):
        return self.W

    def add(self, g):
        self._g += g


@style
class WeakReferences(Base):
    def make(self):
        self.owner = Plain()
        self.part = weakref.ref(self.owner)

    def weights(self):
        return self.part().W

    def add(self, g):
        self.part().dW += g


@style
class FlatBuffers(Base):
    def make(self):
        self.params, self.grads = W0.ravel().copy(), np.zeros(12)
        self.W, self.dW = self.params.reshape(4, 3), self.grads.reshape(4, 3)

    def weights(self):
        return self.W

    def add(self, g):
        self.dW += g


@style
class FlatGradientOnly(Base):
    def make(self):
        self.params, self.grads = W0.ravel().copy(), np.zeros(12)
        self.W = self.params.reshape(4, 3)

    def weights(self):
        return self.W

    def add(self, g):
        self.grads += g.ravel()


@style
class MadeByTheFirstForward(Base):
    def make(self):
        self.W = None

    def forward(self, x):
        if self.W is None:
            self.W, self.dW = W0.copy(), np.zeros_like(W0)
        return x @ self.W, x

    def weights(self):
        return self.W

    def add(self, g):
        self.dW += g


@style
class ReboundByForward(Base):
    def make(self):
        self.W, self.dW = W0.copy(), np.zeros_like(W0)

    def forward(self, x):
        self.W = self.W * 1.0
        return x @ self.W, x

    def weights(self):
        return self.W

    def add(self, g):
        self.dW += g


@style
class OrderedLayers(Base):
    def make(self):
        self.layers = OrderedDict(Affine1=Sub(self.factor))

    def forward(self, x):
        return self.layers["Affine1"].forward(x)

    def backward(self, dy, cache):
        return self.layers["Affine1"].backward(dy, cache)


@style
class NestedObjects(Base):
    def make(self):
        self.blocks = [{"a": (Sub(self.factor),)}]

    def forward(self, x):
        return self.blocks[0]["a"][0].forward(x)

    def backward(self, dy, cache):
        return self.blocks[0]["a"][0].backward(dy, cache)


@style
class OneLayerTwice(Base):
    def make(self):
        self.first = Sub(self.factor)
        self.second = Sub(1, np.eye(3))
        self.layers = [self.first, self.second, self.second]

    def forward(self, x):
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x)
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches):
        for layer, cache in zip(self.layers[::-1], caches[::-1], strict=True):
            dy = layer.backward(dy, cache)
        return dy


@style
class AParameterCalledX(Base):
    def make(self):
        self.x, self.dx = W0.copy(), np.zeros_like(W0)

    def weights(self):
        return self.x

    def add(self, g):
        self.dx += g


@style
class SharedWithTheLayers(Base):
    """As in "Deep Learning from Scratch": the dict and the layer hold one array."""

    def make(self):
        self.params = {"W1": W0.copy()}
        self.layer = Sub(self.factor)
        self.layer.W = self.params["W1"]
        self.grads = {}

    def forward(self, x):
        return self.layer.forward(x)

    def backward(self, dy, cache):
        dx = self.layer.backward(dy, cache)
        self.grads["W1"] = self.layer.dW
        return dx


@style
class BoundFunctions(Base):
    def make(self):
        self.part = Plain()
        self.multiply = functools.partial(np.matmul)
        self.lib = np

    def weights(self):
        return self.lib.asarray(self.part.W)

    def add(self, g):
        self.part.dW += g


@pytest.mark.parametrize("name", STYLES)
def test_a_right_layer_is_right_in_every_container(name):
    report = check_gradients(STYLES[name](), X)
    assert report.verdict == "right", str(report)
    assert report.parameters
    assert "parameters: none" not in str(report)


WRONG = [(name, factor) for name in STYLES for factor in (5, -1, 0, 1.001, 0.5)]


@pytest.mark.parametrize(("name", "factor"), sampled(WRONG, 4))  # other factors in each container
def test_a_wrong_layer_is_wrong_in_every_container(name, factor):
    report = check_gradients(STYLES[name](factor), X)
    assert report.verdict == "wrong", str(report)


# -- gradients that do not exist -------------------------------------------------------------------


def absent(**attributes):
    """Return a layer y = x W that has no gradient of W."""

    class Absent:
        def __init__(self):
            vars(self).update(attributes)

        def forward(self, x):
            return x @ np.asarray(self.weights()).reshape(4, 3), x

        def backward(self, dy, cache):
            return dy @ np.asarray(self.weights()).reshape(4, 3).T

    return Absent


ABSENT = {
    "an attribute": ({"W": W0}, lambda self: self.W),
    "a list": ({"p": [W0]}, lambda self: self.p[0]),
    "a dict of dicts": ({"p": {"a": {"b": W0}}}, lambda self: self.p["a"]["b"]),
    "a tuple": ({"p": (1, (W0,))}, lambda self: self.p[1][0]),
    "a nested list": ({"p": W0.tolist()}, lambda self: self.p),
    "a list in a list": ({"p": [W0.tolist()]}, lambda self: self.p[0]),
    "an object": ({"p": types.SimpleNamespace(q=W0)}, lambda self: self.p.q),
    "a named tuple": ({"p": Pair(W0, B0)}, lambda self: self.p.W),
    "a deque": ({"p": deque([W0])}, lambda self: self.p[0]),
    "an array of Python": ({"p": array.array("d", W0.ravel())}, lambda self: self.p),
    "a partial": ({"p": functools.partial(np.multiply, W0)}, lambda self: self.p(1.0)),
    "float32": ({"p": W0.astype("float32")}, lambda self: self.p),
    "objects": ({"p": W0.astype(object)}, lambda self: self.p.astype(float)),
    "complex": ({"p": W0.astype(complex)}, lambda self: self.p.real),
    "a global": ({}, lambda self: W0),
    "whole numbers": ({"p": np.arange(12).reshape(4, 3)}, lambda self: self.p),
    "a set": (
        {"p": {types.SimpleNamespace}, "q": frozenset({Frozen(W0)})},
        lambda self: next(iter(self.q)).W,
    ),
}


@pytest.mark.parametrize("name", ABSENT)
def test_an_array_without_a_gradient_is_unchecked(name):
    attributes, weights = ABSENT[name]
    cls = absent(**attributes)
    cls.weights = weights
    report = check_gradients(cls(), X)
    assert report.verdict == "inconclusive", str(report)
    assert kinds(report) == ["unchecked"]
    assert str(report).startswith("Absent: not everything could be checked")
    with pytest.raises(AssertionError, match=r"\[unchecked\]"):
        assert_gradients(cls(), X)


# -- numbers that belong to a class, a module or a function ----------------------------------------

GLOBAL_W, GLOBAL_dW = W0.copy(), np.zeros_like(W0)
PARAMS, GRADS = {"W": W0.copy()}, {"W": np.zeros_like(W0)}


def with_globals(factor):
    class Global(Base):
        def make(self):
            pass

        def weights(self):
            return GLOBAL_W

        def add(self, g):
            global GLOBAL_dW
            GLOBAL_dW = GLOBAL_dW + g

    return Global(factor)


def with_a_global_dict(factor):
    class Global(Base):
        def make(self):
            pass

        def weights(self):
            return PARAMS["W"]

        def add(self, g):
            GRADS["W"] += g

    return Global(factor)


def with_a_closure(factor):
    W, dW = W0.copy(), np.zeros_like(W0)

    class Closure(Base):
        def make(self):
            pass

        def weights(self):
            return W

        def add(self, g):
            nonlocal dW
            dW += g

    return Closure(factor)


def with_defaults(factor):
    class Default(Base):
        def make(self):
            pass

        def weights(self, W=W0.copy()):  # noqa: B008
            return W

        def add(self, g, dW=np.zeros_like(W0)):  # noqa: B008
            dW += g

    return Default(factor)


@pytest.mark.parametrize("make", [with_globals, with_a_global_dict, with_a_closure, with_defaults])
def test_what_belongs_to_functions_is_found_and_put_back(make):
    before = [GLOBAL_W.copy(), GLOBAL_dW.copy(), PARAMS["W"].copy(), GRADS["W"].copy()]
    right = check_gradients(make(1), X)
    assert right.verdict == "right", str(right)
    assert len(right.parameters) == 1
    for factor in (5, 0, -1):
        report = check_gradients(make(factor), X)
        assert report.verdict == "wrong", str(report)
    for a, b in zip([GLOBAL_W, GLOBAL_dW, PARAMS["W"], GRADS["W"]], before, strict=True):
        np.testing.assert_array_equal(a, b)


def class_owned(factor, in_place):
    class Owned(Base):
        W, dW = W0.copy(), np.zeros_like(W0)

        def make(self):
            pass

        def weights(self):
            return self.W

        def add(self, g):
            if in_place:
                self.dW += g
            else:
                self.dW = self.dW + g

    return Owned(factor)


def test_arrays_of_a_class_are_found():
    right = class_owned(1, in_place=False)
    report = check_gradients(right, X)
    assert report.verdict == "right", str(report)
    np.testing.assert_array_equal(type(right).dW, 0)
    assert check_gradients(class_owned(5, in_place=False), X).verdict == "wrong"
    report = check_gradients(class_owned(1, in_place=True), X)
    assert kinds(report) == ["buffer"], str(report)
    assert "belongs to the class" in str(report)


def test_a_pair_of_functions_that_reads_a_global_array():
    pair = (lambda x: (x @ GLOBAL_W, x), lambda dy, x: dy @ GLOBAL_W.T)
    before = GLOBAL_W.copy()
    report = check_gradients(pair, X)
    np.testing.assert_array_equal(GLOBAL_W, before)
    # GLOBAL_dW is not filled by this pair.
    assert report.verdict != "right", str(report)
    full = (lambda x, W: (x @ W, (x, W)), lambda dy, c: (dy @ c[1].T, c[0].T @ dy))
    report = check_gradients(full, X, W0)
    assert report.verdict == "right", str(report)
    assert "parameters: none found" in str(report)


# -- plain numbers ---------------------------------------------------------------------------------


def slope(value, gradient, factor=1, **names):
    class PReLU:
        def __init__(self):
            self.a, self.da = value, gradient

        def forward(self, x):
            return np.where(x > 0, x, self.a * x), x

        def backward(self, dy, x):
            self.da = self.da + factor * (dy * np.minimum(x, 0)).sum()
            return dy * np.where(x > 0, 1, self.a)

    return PReLU()


@pytest.mark.parametrize(
    "pair", [(0.25, 0.0), (np.float64(0.25), np.float64(0)), (1, 0), (np.array(0.25), 0.0)]
)
def test_a_number_with_a_partner_is_a_parameter(pair):
    report = check_gradients(slope(*pair), X)
    assert report.verdict == "right", str(report)
    assert report.parameters == ("a",)
    for factor in (7, 0):
        assert check_gradients(slope(*pair, factor), X).verdict == "wrong"


def test_a_number_without_a_partner_is_a_constant():
    class Leaky:
        def __init__(self):
            self.slope, self.unused, self.name, self.n_in = 0.2, 3.5, "leaky", 4

        def forward(self, x):
            return np.where(x > 0, x, self.slope * x), x

        def backward(self, dy, x):
            return dy * np.where(x > 0, 1, self.slope)

    report = check_gradients(Leaky(), X)
    assert report.ok, str(report)
    assert report.constants == ("slope = 0.2, not compared",)
    assert "constant: slope = 0.2, not compared" in str(report)
    assert "constant: slope = 0.2" in report._repr_html_()


def test_a_number_beside_parameters_needs_a_gradient():
    class Dict:
        def __init__(self):
            self.params, self.grads = {"W": W0.copy(), "a": 0.5}, {"W": np.zeros_like(W0)}

        def forward(self, x):
            return self.params["a"] * (x @ self.params["W"]), x

        def backward(self, dy, x):
            dy = self.params["a"] * dy
            self.grads["W"] += x.T @ dy
            return dy @ self.params["W"].T

    report = check_gradients(Dict(), X)
    assert report.verdict == "inconclusive", str(report)
    assert "params['a']" in str(report)


def test_a_time_and_its_step_are_no_pair():
    class Euler:
        def __init__(self):
            self.t, self.dt = 0.5, 0.1

        def forward(self, x):
            return x + self.dt * np.tanh(x * self.t), x

        def backward(self, dy, x):
            return dy * (1 + self.dt * self.t * (1 - np.tanh(x * self.t) ** 2))

    report = check_gradients(Euler(), X)
    assert report.ok, str(report)
    assert len(report.constants) == 2


# -- statistics, a sequence of one's own -----------------------------------------------------------


class OwnBatchNorm:
    """Batch normalisation as students write it."""

    def __init__(self, train=True, by="argument"):
        self.gamma, self.beta = np.ones(4), np.zeros(4)
        self.dgamma, self.dbeta = np.zeros(4), np.zeros(4)
        self.running_mean, self.running_var = np.full(4, 0.1), np.full(4, 1.5)

    def forward(self, x, training=True):
        if training:
            mean, var = x.mean(0), x.var(0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
        else:
            mean, var = self.running_mean, self.running_var
        s = np.sqrt(var + 1e-5)
        xhat = (x - mean) / s
        return self.gamma * xhat + self.beta, (xhat, s, training)

    def backward(self, dy, cache):
        xhat, s, training = cache
        self.dgamma += (dy * xhat).sum(0)
        self.dbeta += dy.sum(0)
        d = dy * self.gamma
        if training:
            d = d - d.mean(0) - xhat * (d * xhat).mean(0)
        return d / s


class Inference(OwnBatchNorm):
    def forward(self, x, train_flg=False):
        return super().forward(x, training=train_flg)


class ByAttribute(OwnBatchNorm):
    training = True

    def __init__(self, training=False):
        super().__init__()
        self.training = training

    def forward(self, x):
        return super().forward(x, self.training)


@pytest.mark.parametrize(
    "layer", [OwnBatchNorm(), Inference(), ByAttribute(True), ByAttribute(False)]
)
def test_running_statistics_are_no_parameters(layer):
    report = check_gradients(layer, X)
    assert report.ok, str(report)
    assert report.parameters == ("gamma", "beta")


@pytest.mark.parametrize("kind", [OwnBatchNorm, Inference, ByAttribute])
def test_the_other_mode_is_checked_too(kind):
    class Wrong(kind):
        def backward(self, dy, cache):
            training = cache[2]
            is_default = training == (kind is OwnBatchNorm)
            return super().backward(dy, cache) * (1 if is_default else 2)

    report = check_gradients(Wrong(), X)
    assert not report.ok, str(report)
    assert "rain" in next(f for f in report.findings if f.kind == "hidden").sentence


class OwnSequential(nn.Sequential):
    """A network that keeps its caches itself."""

    def forward(self, x):
        caches = []
        for layer in self.layers:
            x, c = layer.forward(x)
            caches.append(c)
        return x, {"caches": caches}

    def backward(self, dy, cache):
        for layer, c in zip(self.layers[::-1], cache["caches"][::-1], strict=True):
            dy = layer.backward(dy, c)
        return dy


def test_a_sequence_with_a_cache_of_its_own():
    net = OwnSequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2), seed=0)
    report = check_gradients(net, X)
    assert report.ok, str(report)


# -- the gradients that a class prepares -----------------------------------------------------------


def prepared(dW, db=0.0, assign=False):
    """Return a right Linear with these gradients to begin with."""

    class Prepared:
        def __init__(self):
            self.W, self.b = W0.copy(), B0.copy()
            self.dW, self.db = dW, np.zeros(3) if isinstance(db, float) else db

        def forward(self, x):
            return x @ self.W + self.b, x

        def backward(self, dy, x):
            if assign:
                self.dW, self.db = x.T @ dy, dy.sum(0)
            else:
                self.dW += x.T @ dy
                self.db += dy.sum(0)
            return dy @ self.W.T

    return Prepared()


BUFFER = np.zeros((4, 3))
PREPARED = {
    "whole numbers": (prepared(np.zeros((4, 3), int)), "whole numbers"),
    "None": (prepared(None), "is None"),
    "another shape": (prepared(np.zeros((1, 4, 3))), "another shape"),
    "another shape of the bias": (prepared(np.zeros((4, 3)), np.zeros((1, 3))), "another shape"),
    "ones": (prepared(np.ones((3, 4))), "another shape"),
}


@pytest.mark.parametrize("name", PREPARED)
def test_the_gradients_that_a_class_prepares_are_checked(name):
    layer, sentence = PREPARED[name]
    report = check_gradients(layer, X)
    assert "buffer" in kinds(report), str(report)
    assert sentence in str(report)
    assert check_gradients(prepared(BUFFER), X).ok


def test_none_is_right_where_backward_assigns():
    assert check_gradients(prepared(None, None, assign=True), X, accumulate=False).ok
    # In this library's own style, backward must add unless the caller says otherwise.
    assert "overwrites" in kinds(check_gradients(prepared(None, None, assign=True), X))
    assert check_gradients(prepared(np.zeros((4, 3))), X, accumulate=None).ok


def test_two_names_for_one_gradient():
    class Shared:
        def __init__(self):
            self.W, self.V = W0.copy(), W0[::-1].copy()
            self.dW = self.dV = np.zeros((4, 3))

        def forward(self, x):
            return x @ self.W + x**2 @ self.V, x

        def backward(self, dy, x):
            self.dW += x.T @ dy
            self.dV += (x**2).T @ dy
            return dy @ self.W.T + 2 * x * (dy @ self.V.T)

    assert not check_gradients(Shared(), X).ok


def test_a_list_of_the_gradients_may_be_kept_beside_them():
    for assign in (False, True):
        layer = prepared(np.zeros((4, 3)), assign=assign)
        layer.params, layer.grads = [layer.W, layer.b], [layer.dW, layer.db]
        report = check_gradients(layer, X, accumulate=None)
        assert report.ok, str(report)


# -- nothing compared ------------------------------------------------------------------------------


def relu(x):
    return np.maximum(x, 0), x


def test_a_kink_everywhere_draws_other_points():
    right = check_gradients((relu, lambda dy, x: dy * (x > 0)), np.zeros((5, 4)))
    assert right.ok, str(right)
    assert "nothing could be compared" in str(right)
    wrong = check_gradients((relu, lambda dy, x: -17 * dy), np.zeros((5, 4)))
    assert wrong.verdict == "wrong"


def test_a_point_that_stands_alone_is_inconclusive():
    def forward(x):
        if not np.isin(np.abs(x), (0, 1, 2)).all():
            raise ValueError("whole numbers only")
        return 2 * x, x

    report = check_gradients((forward, lambda dy, x: 5 * dy), np.ones((2, 3)))
    assert report.verdict != "right", str(report)
    assert not report.ok


def test_dead_units_are_not_a_comparison():
    class Dead:
        def __init__(self):
            self.W, self.dW = -np.abs(W0), np.zeros_like(W0)

        def forward(self, x):
            return np.maximum(x @ self.W, 0), x

        def backward(self, dy, x):
            self.dW += 0.0 * (x.T @ dy)
            return 0.0 * (dy @ self.W.T)

    report = check_gradients(Dead(), np.abs(X))
    assert report.verdict == "wrong", str(report)


def test_a_bias_before_a_normalisation_says_that_it_is_zero():
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm(5), seed=0)
    report = check_gradients(net, X)
    assert report.ok, str(report)
    row = next(line for line in str(report).splitlines() if "layers[0].db" in line)
    assert "zero to rounding" in row


def test_a_rough_forward_is_inconclusive():
    def forward(x):
        return np.round(np.tanh(x), 5), x

    report = check_gradients((forward, lambda dy, x: dy * 3.0), X)
    assert report.verdict != "right", str(report)


def test_a_forward_that_raises_at_other_parameters_is_inconclusive():
    class Stubborn:
        def __init__(self):
            self.W = W0.copy()

        def forward(self, x):
            if not np.array_equal(self.W, W0):
                raise ValueError("do not touch")
            return x @ self.W, x

        def backward(self, dy, x):
            return dy @ self.W.T

    report = check_gradients(Stubborn(), X)
    assert report.verdict == "inconclusive", str(report)
    assert "raises an exception wherever W is moved" in str(report)


# -- right at the first point only -----------------------------------------------------------------


def only(condition):
    """Return a layer y = tanh(x W) whose gradients are wrong where a condition holds."""

    class Only:
        def __init__(self):
            self.W, self.dW = W0.copy(), np.zeros_like(W0)

        def forward(self, x):
            y = np.tanh(x @ self.W)
            return y, (x, y)

        def backward(self, dy, cache):
            x, y = cache
            factor = 3.0 if condition(self, x, y, dy) else 1.0
            dz = factor * dy * (1 - y**2)
            self.dW += x.T @ dz
            return dz @ self.W.T

    return Only()


ONLY = {
    "N = 1": lambda layer, x, y, dy: len(x) == 1,
    "N > 100": lambda layer, x, y, dy: len(x) > 100,
    "a row of zeros": lambda layer, x, y, dy: (x == 0).all(axis=1).any(),
    "a large x": lambda layer, x, y, dy: np.abs(x).max() > 10,
    "x > 0": lambda layer, x, y, dy: (x > 0).all(),
    "x < 0": lambda layer, x, y, dy: (x < 0).all(),
    "a large dy": lambda layer, x, y, dy: np.abs(dy).max() > 100,
    "Fortran order": lambda layer, x, y, dy: not x.flags.c_contiguous,
    "float32": lambda layer, x, y, dy: x.dtype == np.float32,
    "other weights": lambda layer, x, y, dy: not np.allclose(layer.W, W0, atol=0.01),
    "repeated rows": lambda layer, x, y, dy: len(np.unique(x, axis=0)) < len(x),
}


@pytest.mark.parametrize("name", ONLY)
def test_a_mistake_at_other_points_is_found(name):
    report = check_gradients(only(ONLY[name]), X)
    assert report.verdict == "wrong", str(report)
    assert check_gradients(only(lambda *_: False), X).ok


def test_the_direction_depends_on_the_seed():
    reports = [check_gradients(nn.Linear(4, 3), X, seed=seed) for seed in range(3)]
    assert len({r.arrays[1].numerical for r in reports}) == 3


def test_a_buffer_that_backward_returns_again():
    class Reuses:
        def __init__(self):
            self.dx = np.zeros(0)

        def forward(self, x):
            return 2 * x, x.shape

        def backward(self, dy, shape):
            if self.dx.shape != shape:
                self.dx = np.zeros(shape)
            np.multiply(dy, 2, out=self.dx)
            return self.dx

    report = check_gradients(Reuses(), X)
    assert "stale_cache" in kinds(report), str(report)


class Square:
    """Not a layer of this library, but with the passes of a gradient penalty."""

    def __init__(self, factor=1):
        self.factor = factor

    def forward(self, x):
        return x**2, x

    def backward(self, dy, x):
        return 2 * x * dy

    def tangent(self, x_dot, x):
        return self.factor * 2 * x * x_dot

    def backward_tangent(self, dy_dot, x_dot, x):
        return self.factor * 2 * x_dot * dy_dot


def test_the_passes_of_a_penalty_are_checked_in_any_class():
    assert check_gradients(Square(), X).ok
    assert kinds(check_gradients(Square(2), X)) == ["tangent"]

    class Wrong(Square):
        def backward_tangent(self, dy_dot, x_dot, x):
            return x_dot * dy_dot

    assert kinds(check_gradients(Wrong(), X)) == ["factor"]


# -- no false alarm: 300 draws ---------------------------------------------------------------------


class OwnLinear:
    def __init__(self, rng, n_in, n_out, kind):
        W, b = (
            rng.standard_normal((n_in, n_out)),
            rng.choice([0.0, 1.0]) * rng.standard_normal(n_out),
        )
        self.kind = kind
        if kind == "attributes":
            self.W, self.b = W, b
            self.dW, self.db = np.zeros_like(W), np.zeros_like(b)
        elif kind == "dict":
            self.params, self.grads = {"W": W, "b": b}, {"W": 0 * W, "b": 0 * b}
        elif kind == "list":
            self.params, self.grads = [W, b], [0 * W, 0 * b]
        elif kind == "flat":
            self.params = np.concatenate([W.ravel(), b])
            self.grads = np.zeros_like(self.params)
            self.W, self.b = self.params[: W.size].reshape(W.shape), self.params[W.size :]
            self.dW, self.db = self.grads[: W.size].reshape(W.shape), self.grads[W.size :]
        elif kind == "objects":
            self.weight, self.bias = Param(W), Param(b)
        elif kind == "suffix":
            self.weights, self.biases = W, b
            self.dweights, self.dbiases = 0 * W, 0 * b

    def both(self):
        kind = self.kind
        if kind == "dict":
            return (self.params["W"], self.params["b"]), (self.grads["W"], self.grads["b"])
        if kind == "list":
            return self.params, self.grads
        if kind == "objects":
            return (self.weight.data, self.bias.data), (self.weight.grad, self.bias.grad)
        if kind == "suffix":
            return (self.weights, self.biases), (self.dweights, self.dbiases)
        return (self.W, self.b), (self.dW, self.db)

    def forward(self, x):
        (W, b), _ = self.both()
        return x @ W + b, x

    def backward(self, dy, x):
        (W, _), (dW, db) = self.both()
        dW += x.T @ dy
        db += dy.sum(axis=0)
        return dy @ W.T


class OwnActivation:
    def __init__(self, kind):
        self.kind, self.slope = kind, 0.1

    def forward(self, x):
        if self.kind == "relu":
            return np.maximum(x, 0), x
        if self.kind == "leaky":
            return np.where(x > 0, x, self.slope * x), x
        y = np.tanh(x) if self.kind == "tanh" else 1 / (1 + np.exp(-np.clip(x, -500, 500)))
        return y, y

    def backward(self, dy, cache):
        if self.kind == "relu":
            return dy * (cache > 0)
        if self.kind == "leaky":
            return dy * np.where(cache > 0, 1, self.slope)
        return dy * (1 - cache**2) if self.kind == "tanh" else dy * cache * (1 - cache)


class OwnPReLU:
    def __init__(self, width):
        self.a, self.da = np.full(width, 0.25), np.zeros(width)

    def forward(self, x):
        return np.where(x > 0, x, self.a * x), x

    def backward(self, dy, x):
        self.da += (dy * np.minimum(x, 0)).sum(axis=0)
        return dy * np.where(x > 0, 1, self.a)


class WideBatchNorm(OwnBatchNorm):
    def __init__(self, width):
        self.gamma, self.beta = np.ones(width), np.zeros(width)
        self.dgamma, self.dbeta = np.zeros(width), np.zeros(width)
        self.running_mean, self.running_var = np.zeros(width), np.ones(width)

    def forward(self, x, training=True):
        if len(x) == 1 and training:
            raise ValueError("more than one row, please")
        return super().forward(x, training)


class OwnNet:
    def __init__(self, layers, kind):
        if kind == "dict":
            layers = OrderedDict((f"layer{i}", layer) for i, layer in enumerate(layers))
        self.layers = tuple(layers) if kind == "tuple" else layers

    def all(self):
        return list(self.layers.values() if isinstance(self.layers, dict) else self.layers)

    def forward(self, x):
        caches = []
        for layer in self.all():
            x, cache = layer.forward(x)
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches):
        for layer, cache in zip(self.all()[::-1], caches[::-1], strict=True):
            dy = layer.backward(dy, cache)
        return dy


LINEAR_KINDS = ["attributes", "dict", "list", "flat", "objects", "suffix"]


@pytest.mark.parametrize("seed", sampled(range(300), 5))
def test_no_false_alarm_in_random_containers(seed):
    rng = np.random.default_rng(seed)
    width, layers = int(rng.integers(1, 6)), []
    n_in, n_params = width, 0
    for _ in range(rng.integers(1, 5)):
        kind = rng.choice(["linear", "activation", "prelu", "batchnorm", "library"])
        if kind == "linear":
            n_out = int(rng.integers(1, 6))
            layers.append(OwnLinear(rng, width, n_out, rng.choice(LINEAR_KINDS)))
            width, n_params = n_out, n_params + 2
        elif kind == "activation":
            layers.append(OwnActivation(rng.choice(["relu", "leaky", "tanh", "sigmoid"])))
        elif kind == "prelu":
            layers.append(OwnPReLU(width))
            n_params += 1
        elif kind == "batchnorm":
            layers.append(WideBatchNorm(width))
            n_params += 2
        else:
            layers.append(nn.Linear(width, width))
            n_params += 2
    layer = layers[0] if len(layers) == 1 else OwnNet(layers, rng.choice(["list", "dict", "tuple"]))
    x = rng.standard_normal((int(rng.integers(2, 8)), n_in)) * rng.choice([0.1, 1.0, 10.0])
    x *= rng.uniform(size=x.shape) < rng.choice([1.0, 1.0, 0.6])
    report = check_gradients(layer, x, seed=seed)
    # A PReLU behind a ReLU sees no negative number: its slope has no effect.
    is_idle = any("does not affect the output" in f.sentence for f in report.findings)
    assert report.verdict == "right" or (is_idle and report.verdict == "inconclusive"), str(report)
    assert len(report.parameters) == n_params, str(report)


# -- what cannot be copied -------------------------------------------------------------------------


class HoldsWhatCannotBeCopied:
    """A right Linear with a module, a lock, a pool, a generator and a file."""

    def __init__(self):
        self.W, self.dW = W0.copy(), np.zeros((4, 3))
        self.xp, self.lock, self.pool = np, threading.Lock(), ThreadPoolExecutor(1)
        self.names = (f"call{i}" for i in range(10**9))
        self.tools = {"out": sys.stderr, "xp": [np]}
        self.local = threading.local()
        self.local.scale = np.full(3, 2.0)

    def forward(self, x):
        next(self.names)
        with self.lock:
            y = self.pool.submit(self.xp.matmul, x, self.W).result()
        return y, x

    def backward(self, dy, x):
        with self.lock:
            self.dW += x.T @ dy
        return dy @ self.W.T


def test_what_cannot_be_copied_is_shared():
    layer = HoldsWhatCannotBeCopied()
    with layer.pool:
        report = check_gradients(layer, X)
        assert report.ok, str(report)
        assert report.parameters == ("W",)
        twin = deepcopy(layer)
    assert twin.W is not layer.W
    assert (twin.xp, twin.lock, twin.names) == (np, layer.lock, layer.names)
    assert twin.local.scale is not layer.local.scale
    assert not layer.dW.any()


# -- small derivatives, two inputs, positive inputs ------------------------------------------------


@pytest.mark.parametrize("size", [-20.0, -40.0, -65.0])
def test_a_tiny_derivative_that_agrees_is_right(size):
    loss = OBJECTIVES["relativistic"].generator
    logits, fake = np.zeros((1, 1)), np.full((1, 1), size)
    assert check_gradients(loss, logits, fake).ok

    def wrong(x, y):
        value, dx = loss(x, y)
        return value, 1.01 * dx

    assert not check_gradients(wrong, logits, fake).ok


def test_a_wrong_gradient_of_one_of_two_inputs_is_diagnosed():
    def forward(x, gamma):
        return gamma * x, (x, gamma)

    def backward(dy, cache):
        x, gamma = cache
        d = dy * gamma
        return d - d.mean(axis=0), (dy * x).sum(axis=0)

    report = check_gradients((forward, backward), X, A0)
    assert report.verdict == "wrong"
    assert "raises" not in kinds(report), str(report)


def test_positive_inputs_are_tried_where_forward_raises(tmp_path):
    file = tmp_path / "log.py"
    file.write_text(
        "import numpy as np\n\n\nclass Log:\n"
        "    def forward(self, x):\n"
        "        if not np.all(x.real > 0):\n"
        "            raise ValueError('x must be positive')\n"
        "        return np.log(x), x\n\n"
        "    def backward(self, dy, x):\n"
        "        return dy / x\n"
    )
    (report,) = check_file(file, "Log", Settings(), 30.0)
    assert report.ok, str(report)


# -- gradients without a partner, and constants ----------------------------------------------------


class PolynomialInAPoly1d:
    def __init__(self):
        self.p, self.dp = np.poly1d([1.0, 2.0, -1.0]), np.zeros(3)

    def forward(self, x):
        return self.p(x), x

    def backward(self, dy, x):
        self.dp += [(dy * x**k).sum() for k in range(3)]
        return dy * self.p.deriv()(x)


class ScaleInAFraction:
    def __init__(self):
        self.scale, self.dscale = Fraction(3, 2), Fraction(0)

    def forward(self, x):
        return float(self.scale) * x, x

    def backward(self, dy, x):
        self.dscale += Fraction((dy * x).mean())
        return dy * float(self.scale)


class MatrixInCtypes:
    def __init__(self):
        self.W = (ctypes.c_double * 12)(*W0.ravel())
        self.dW = (ctypes.c_double * 12)()

    def forward(self, x):
        return x @ np.ctypeslib.as_array(self.W).reshape(4, 3), x

    def backward(self, dy, x):
        np.ctypeslib.as_array(self.dW).reshape(4, 3)[...] += x.T @ dy
        return dy @ np.ctypeslib.as_array(self.W).reshape(4, 3).T


HIDDEN_W = ContextVar("HIDDEN_W", default=W0)


class MatrixInAContext:
    def forward(self, x):
        return x @ HIDDEN_W.get(), x

    def backward(self, dy, x):
        self.dW = -x.T @ dy
        return dy @ HIDDEN_W.get().T


@pytest.mark.parametrize(
    ("kind", "d"),
    [(PolynomialInAPoly1d, "dp"), (ScaleInAFraction, "dscale"), (MatrixInCtypes, "dW"),
     (MatrixInAContext, "dW")],
)  # fmt: skip
def test_a_gradient_that_is_paired_with_nothing_is_named(kind, d):
    report = check_gradients(kind(), X)
    assert report.verdict == "inconclusive", str(report)
    assert f"backward writes {d}, which was compared with nothing" in str(report)


def test_a_gradient_named_delta_is_compared():
    class Prelu:
        def __init__(self, factor):
            self.alpha, self.alpha_delta, self.factor = 0.25, 0.0, factor

        def forward(self, x):
            return np.where(x > 0, x, self.alpha * x), x

        def backward(self, dy, x):
            self.alpha_delta += self.factor * (dy * x * (x < 0)).sum()
            return dy * np.where(x > 0, 1.0, self.alpha)

    assert check_gradients(Prelu(1), X).parameters == ("alpha",)
    assert check_gradients(Prelu(1), X).ok
    assert check_gradients(Prelu(2), X).verdict == "wrong"


class Diary(Sub):
    """A right Linear that keeps what it meets."""

    def __init__(self):
        super().__init__()
        self.calls, self.seconds, self.largest, self.mean_dy = 0, 0.0, 0.0, 0.0
        self.history, self.velocity, self.second = [], np.zeros((4, 3)), np.zeros((4, 3))
        self.mean_x, self.dt, self.grad_norm = np.zeros(4), 0.0, 0.0

    def forward(self, x):
        self.x = x
        self.mean_x = 0.9 * self.mean_x + 0.1 * x.mean(0)
        self.y = super().forward(x)[0]
        return self.y, x

    def backward(self, dy, x):
        before = self.dW.copy()
        self.dx = super().backward(dy, x)
        self.dy, self.dz, self.delta = dy, 2 * dy, dy**3
        self.calls, self.seconds = self.calls + 1, self.seconds + 0.1
        self.dt, self.largest, self.mean_dy = 0.1, np.abs(dy).max(), dy.mean()
        step = self.dW - before
        self.grad_norm = float(np.sqrt((step**2).sum()))
        self.history.append(self.grad_norm)
        self.velocity = 0.9 * self.velocity - 0.1 * step
        self.second = 0.9 * self.second + 0.1 * step**2
        self.flat = np.append(step, step.ravel()[:2])
        return self.dx


def test_counters_and_copies_are_no_gradients():
    report = check_gradients(Diary(), X)
    assert report.ok, str(report)


class TemperedSoftmax:
    def __init__(self, right):
        self.temperature, self.right, self.eps = 1.0, right, 1e-9

    def forward(self, x):
        e = np.exp((x - x.max(axis=1, keepdims=True)) / self.temperature)
        y = e / (e.sum(axis=1, keepdims=True) + self.eps * 0)
        return y, y

    def backward(self, dy, y):
        dx = y * (dy - (dy * y).sum(axis=1, keepdims=True))
        return dx / self.temperature if self.right else dx


def test_a_constant_is_tried_at_another_value():
    assert check_gradients(TemperedSoftmax(True), X).ok
    report = check_gradients(TemperedSoftmax(False), X)
    assert report.verdict == "wrong"
    assert "Seen only with temperature = 1.8." in str(report)


class Gaussian:
    """Backward reads what __init__ has computed from the width, which forward reads."""

    def __init__(self):
        self.width, self.factor = 0.8, 1 / 0.8**2

    def forward(self, x):
        y = np.exp(-0.5 * (x / self.width) ** 2)
        return y, (x, y)

    def backward(self, dy, cache):
        x, y = cache
        return -dy * self.factor * x * y


class DropsMore:
    """A constant that forward refuses at other values, and one that makes it random."""

    def __init__(self):
        self.keep, self.noise = 1.0, 0.0

    def forward(self, x):
        if self.keep > 1:
            raise ValueError("keep is a probability")
        return x * self.keep + self.noise * np.random.randn(*x.shape) + self.noise, None  # noqa: NPY002

    def backward(self, dy, cache):
        return dy * self.keep


@pytest.mark.parametrize("kind", [Gaussian, DropsMore])
def test_a_constant_stays_where_moving_it_makes_no_sense(kind):
    report = check_gradients(kind(), X)
    assert report.ok, str(report)
    assert report.constants


class LazyGradient:
    """dW is computed from what backward has kept, when it is read."""

    def __init__(self):
        self.W, self.pairs = W0.copy(), []

    @property
    def dW(self):
        return sum((x.T @ dy for x, dy in self.pairs), np.zeros_like(self.W))

    @dW.setter
    def dW(self, value):
        assert not np.any(value)
        self.pairs.clear()

    def forward(self, x):
        self.x = x.copy()
        return x @ self.W

    def backward(self, dy):
        self.pairs = [(self.x, dy.copy())]
        return dy @ self.W.T


def test_what_backward_puts_into_a_list_may_be_new():
    report = check_gradients(LazyGradient(), X)
    assert report.ok, str(report)
    assert report.parameters == ("W",)
