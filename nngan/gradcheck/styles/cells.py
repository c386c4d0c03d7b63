"""Layers that take several arrays, as a cell of an RNN, and networks that return their own loss."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

import numpy as np

from ...backend import Array
from ..copies import deepcopy
from ..places import Place, Wrapper, places
from ..unseen import Unseen
from ..writing import as_array, keep, put
from .adapters import CACHE, arguments, attempt, habit, normal, pass_names, same_randomness
from .functional import CannotCall, Fitted
from .guesses import OUT_WIDTHS, VALUES, WIDTHS, argument_sets, fits, input_shapes, numbers

N = 5  # samples of a network
LARGE = 50  # a width that is a default, and larger than this, is made small


class Cell(Wrapper):
    """The student's object behind ``forward(*xs) -> (y, cache)``, ``backward(dy, cache) -> dxs``.

    Attributes
    ----------
    inner : object
        The student's object.
    takes : list of str
        The names of the arrays that forward takes. Each is an input with a gradient.
    repeats : bool
        The state is in the object, so `backward` repeats forward.
    accumulate : bool, optional
        Whether backward must add to its gradients; None accepts both.
    """

    def __init__(self, inner: Any, takes: Sequence[str], repeats: bool) -> None:
        self.inner, self.takes, self.repeats = inner, list(takes), repeats
        self.run, self.back = pass_names(inner) or ("forward", "backward")
        self.accumulate = habit(inner, repeats)

    def __repr__(self) -> str:
        return type(self.inner).__name__

    def forward(self, *xs: Array) -> tuple[Any, Any]:
        """Return the output, and the inputs where the object keeps its own state."""
        kept = [np.array(x, order="K", subok=True) for x in xs]
        with same_randomness(self.inner):
            result = getattr(self.inner, self.run)(*xs)
        return (result, kept) if self.repeats else result

    def backward(self, dy: Array, cache: Any) -> Any:
        """Return the gradients of the inputs; repeat forward first, if the state is in self."""
        back = getattr(self.inner, self.back)
        if not self.repeats:
            return back(dy, cache)
        self.forward(*(np.array(x, order="K", subok=True) for x in cache))
        return back(dy.copy(order="K"))


def find_cell(
    layer: Any, takes: Sequence[str], inputs: Sequence[Sequence[Array]]
) -> tuple[Cell, tuple[Array, ...]] | None:
    """Return a layer as a cell, with inputs that fit.

    None if it is no cell: if backward does not return as many gradients as forward takes arrays.
    """
    back = arguments(getattr(layer, (pass_names(layer) or ("", "backward"))[1], None)) or []
    repeats = len(back) == 1
    if len(back) not in (1, 2):
        return None
    best = None
    for xs in inputs:
        trial = Cell(deepcopy(layer), takes, repeats)
        worked, result = attempt(trial.forward, *(x.copy() for x in xs))
        if not worked or not isinstance(result, tuple) or len(result) != 2 or not fits(result[0]):
            continue
        if not repeats and normal(back[1].name) not in CACHE and _are_alike(*result):
            return None  # two outputs
        worked, gradients = attempt(trial.backward, np.ones_like(result[0]), result[1])
        is_tuple = isinstance(gradients, tuple | list) and len(gradients) == len(xs)
        if worked and is_tuple:
            found = Cell(layer, takes, repeats), tuple(xs)
            if all(np.shape(g) == x.shape for g, x in zip(gradients, xs, strict=True)):
                return found
            best = best or found
    return best


def _are_alike(y: Any, other: Any) -> bool:
    return isinstance(other, np.ndarray) and np.shape(y) == other.shape


def inputs_of_a_cell(
    layer: Any, n: int, sample: tuple[int, ...] | None, batch: int | None, rng: np.random.Generator
) -> Iterator[list[Array]]:
    """Yield n matrices of usual widths, with a row for each sample."""
    shapes = [s for s, axis, _ in input_shapes(layer, None, batch) if len(s) == 2 and axis == 0]
    widths = list(dict.fromkeys(width for _, width in shapes))
    given = sample if sample and len(sample) == 1 else ()
    rows = batch or next(n for n in (N, 7) if n not in (*widths, *given)[:2])
    for first in given or widths:
        for others in islice(product(widths, repeat=n - 1), 50):
            yield [numbers((rows, width), rng) for width in (first, *others)]


def find_network(
    cls: type, given: dict[str, Any], sample: tuple[int, ...] | None, rng: np.random.Generator
) -> Fitted:
    """Return a network with ``loss(X, y) -> (loss, grads)`` as a loss of its ``params``.

    Raises
    ------
    KeyError
        With the name of an argument for which there is no guess.
    CannotCall
        If the network has no such dicts, or `loss` accepts nothing.
    """
    small = {
        p.name: VALUES[normal(p.name)]
        for p in arguments(cls) or []
        if normal(p.name) in WIDTHS | OUT_WIDTHS and type(p.default) is int and p.default > LARGE
    }
    net = cls(**next(argument_sets(cls, {**small, **given}, rng)))
    params = getattr(net, "params", None)
    if not isinstance(params, dict) or not params:
        raise CannotCall("it has no dict self.params")
    names = list(params)
    if not all(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in params.values()):
        raise CannotCall("self.params holds something else than arrays of floats")
    matrices = [a for a in params.values() if a.ndim == 2]
    shape = sample or (matrices[0].shape[0] if matrices else 1,)
    classes = list(params.values())[-1].shape[-1]
    X, y = numbers((N, *shape), rng), rng.integers(0, classes, N)

    def loss(*arrays: Array) -> tuple[Any, ...]:
        for name, a in zip(names, arrays, strict=True):
            net.params[name] = a
        with same_randomness(net):
            value, gradients = net.loss(X.copy(), y.copy())
        return (value, *(gradients[name] for name in names))

    are_names = all(name.isidentifier() for name in names)
    labels = names if are_names else [f"params{i}" for i in range(len(names))]
    kind = inspect.Parameter.POSITIONAL_ONLY
    loss.__name__ = cls.__name__
    loss.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(label, kind) for label in labels]
    )
    loss.batch_axis = -1  # type: ignore[attr-defined]
    arrays = tuple(0.5 * rng.standard_normal(a.shape) for a in params.values())
    worked, result = attempt(loss, *(a.copy() for a in arrays))
    if not worked:
        raise CannotCall(f"{type(result).__name__}: {result}")
    loss.unseen = [  # type: ignore[attr-defined]
        Unseen(place.label, "affects") for place in _others(net) if _moves(loss, arrays, net, place)
    ]
    return Fitted(loss, arrays, -1)


def _others(net: Any) -> list[Place]:
    """Return the places of the arrays of a network that are not in its ``params``."""
    known = {id(a) for a in net.params.values()}
    return [
        place
        for place, a in places(net)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f" and id(a) not in known
    ]


def _moves(loss: Any, arrays: Sequence[Array], net: Any, place: Place) -> bool:
    """Whether the loss moves with an array of the network."""
    before = attempt(loss, *arrays)
    restore = keep(net, (place,))
    try:
        a = as_array(place.read(net))
        put(net, (place,), 1.5 * a + np.linspace(0.1, 0.3, a.size).reshape(a.shape))
        after = attempt(loss, *arrays)
    except Exception:  # it cannot be set
        return False
    finally:
        restore()
    return before[0] and after[0] and not np.array_equal(before[1][0], after[1][0])


def is_network(cls: type) -> bool:
    """Whether a class has no passes, and a method ``loss(X, y)``."""
    takes = arguments(getattr(cls, "loss", None)) or []
    return pass_names(cls) is None and len(takes) > 2  # self, X, y
