"""A layer in another style, as an object with the two passes of this library.

`recognise` runs both passes of a copy once and looks at what they take and return. The `Adapter`
that it returns holds the student's object, so the names of the parameters stay the student's own.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backend import Array
from ..copies import deepcopy
from ..places import Wrapper

# Names of methods, in lower case and without underscores, the usual one first.
FORWARD = ("forward", "forwardpass", "forwardprop", "forwardpropagation", "forwardpropagate",
           "feedforward", "fprop", "fwd", "propagate", "call")  # fmt: skip
BACKWARD = ("backward", "backwardpass", "backwardprop", "backwardpropagation", "backprop",
            "backpropagation", "backpropagate", "backwards", "bprop", "bwd", "back")  # fmt: skip
OUTPUT = ("output", "outputs", "out", "y", "a", "A", "z", "Z", "result")
DINPUTS = ("dinputs", "dinput", "dx", "dX", "d_input", "d_inputs", "d_x", "grad_input",
           "input_grad", "grad_x", "dA_prev")  # fmt: skip
TRAINING = {"training", "train", "trainflg", "trainflag", "trainmode", "istraining", "istrain"}
INPUT = {"x", "input", "inputs", "inp", "xs", "data", "aprev", "layerinput"}
TARGET = {"y", "t", "target", "targets", "label", "labels", "ytrue", "true", "truth", "gt",
          "groundtruth", "yt", "onehot"}  # fmt: skip
RATE = {"lr", "learningrate", "learnrate", "eta", "alpha", "stepsize"}
CACHE = {"cache", "ctx", "context", "memory", "saved", "tape", "caches"}

# The rate for a backward that changes the parameters itself. Its steps are so long that the
# rounding of the parameters does not matter, and they are undone. A power of 2 rounds nothing.
STEP = 2.0**100


def normal(name: str) -> str:
    """Return a name in lower case and without underscores."""
    return name.lower().replace("_", "")


def pass_names(thing: Any) -> tuple[str, str] | None:
    """Return the names of the methods that are the two passes, of a class or an object."""
    names: dict[str, str] = {}
    for name in sorted(dir(thing), key=lambda n: (n != normal(n), n)):
        if not name.startswith("_"):
            names.setdefault(normal(name), name)
    backward = next((names[n] for n in BACKWARD if n in names), None)
    forward = next((names[n] for n in FORWARD if n in names), None)
    if forward is None and callable(thing) and "__call__" in dir(thing):
        is_method = inspect.isclass(thing) and "__call__" in {
            name for kind in thing.__mro__[:-1] for name in vars(kind)
        }
        forward = "__call__" if is_method or not inspect.isclass(thing) else None
    return (forward, backward) if forward and backward else None


def arguments(function: Any) -> list[inspect.Parameter] | None:
    """Return the parameters of a function or a bound method, or None if they are not known."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def argument_names(function: Any, n: int) -> list[str]:
    """Return the names of the first n arguments of a function."""
    names = [p.name for p in arguments(function) or []]
    if len(names) >= n:
        return names[:n]
    return ["x"] if n == 1 else [f"x{i}" for i in range(n)]


def returns_several(function: Any) -> bool:
    """Whether a function returns several values, by its code."""
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return False
    returns = [n.value for n in ast.walk(tree) if isinstance(n, ast.Return)]
    return any(isinstance(v, ast.Tuple) and len(v.elts) > 1 for v in returns)


def is_required(p: inspect.Parameter) -> bool:
    """Whether a call must pass this parameter."""
    return p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)


@dataclass(frozen=True)
class Plan:
    """How the passes of one object are called.

    Attributes
    ----------
    forward, backward : str
        Names of the methods.
    options : dict
        Further arguments of forward: the mode of training.
    roles : tuple of str
        What backward takes: "dy", "cache", "x", "y", "rate".
    repeats : bool
        The state is in the object, so `Adapter.backward` repeats forward.
    output, dinputs : str
        Attributes that hold y and dx, where a pass returns None.
    steps : tuple of str
        Parameters that backward itself changes, at a rate that it is given or that is in self.
    rate : str
        Attribute that holds the rate.
    returned : tuple of str
        Parameters whose gradients backward returns after dx.
    """

    forward: str
    backward: str
    options: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ("dy", "cache")
    repeats: bool = False
    output: str = ""
    dinputs: str = ""
    steps: tuple[str, ...] = ()
    rate: str = ""
    returned: tuple[str, ...] = ()

    @property
    def style(self) -> str:
        """The style in a few words."""
        if self.steps:
            return "parameters changed by backward"
        if self.output or self.dinputs:
            return "results kept in self"
        if self.returned:
            return "gradients returned by backward"
        return "state kept in self" if self.repeats else "a cache for each call"


class Adapter(Wrapper):
    """The student's object behind ``forward(x) -> (y, cache)`` and ``backward(dy, cache) -> dx``.

    Attributes
    ----------
    inner : object
        The student's object.
    batch_axis : int
        The axis of x that counts the samples.
    accumulate : bool, optional
        Whether backward must add to its gradients; None accepts both.
    """

    def __init__(
        self, inner: Any, plan: Plan, batch_axis: int = 0, accumulate: bool | None = None
    ) -> None:
        self.inner, self.plan = inner, plan
        self.batch_axis, self.accumulate = batch_axis, accumulate

    def __repr__(self) -> str:
        return type(self.inner).__name__

    def forward(self, x: Array) -> tuple[Any, Any]:
        """Return the output, and the input where the object keeps its own state."""
        kept = np.array(x, order="K", subok=True) if self.plan.repeats else None
        y, cache = self._forward(x)
        return y, (kept if self.plan.repeats else cache)

    def backward(self, dy: Array, cache: Any) -> Any:
        """Return the gradient of the input; repeat forward first, if the state is in the object."""
        known = {"dy": dy, "cache": cache, "rate": STEP}
        if self.plan.repeats:
            x = np.array(cache, order="K", subok=True)
            known |= {"y": self._forward(x)[0], "x": x, "dy": dy.copy(order="K")}
        before = {name: getattr(self.inner, name) + 0.0 for name in self.plan.steps}
        rate = getattr(self.inner, self.plan.rate) if self.plan.rate else None
        if rate is not None:
            setattr(self.inner, self.plan.rate, STEP)
        result = getattr(self.inner, self.plan.backward)(*(known[role] for role in self.plan.roles))
        for name, value in before.items():
            setattr(self.inner, f"d{name}", (value - getattr(self.inner, name)) / STEP)
            _assign(self.inner, name, value)
        if rate is not None:
            setattr(self.inner, self.plan.rate, rate)
        if result is None and self.plan.dinputs:
            return getattr(self.inner, self.plan.dinputs, None)
        return self._split(result)

    def _forward(self, x: Array) -> tuple[Any, Any]:
        """Return y and what else forward returns."""
        with same_randomness(self.inner):
            result = getattr(self.inner, self.plan.forward)(x, **self.plan.options)
        if result is None and self.plan.output:
            result = getattr(self.inner, self.plan.output, None)
        cache = None
        if isinstance(result, tuple) and len(result) > 1:
            result, cache = result[0], result[1] if len(result) == 2 else result[1:]
        if self.plan.repeats and isinstance(result, np.ndarray):
            result = result.copy()  # the object may use its buffer again
        return result, cache

    def _split(self, result: Any) -> Any:
        """Return dx; keep the other gradients that backward returns where they are looked for."""
        if isinstance(result, dict):
            named = {normal(key): value for key, value in result.items()}
            for name in self.plan.returned:
                setattr(self.inner, f"d{name}", named.get(f"d{normal(name)}"))
            return next((named[n] for n in map(normal, DINPUTS) if n in named), None)
        if isinstance(result, tuple | list) and result:
            for name, value in zip(self.plan.returned, result[1:], strict=False):
                setattr(self.inner, f"d{name}", value)
            return result[0]
        return result


@contextmanager
def same_randomness(thing: Any) -> Iterator[None]:
    """Let every forward draw the same random numbers, as if it were the first.

    Dropout then has a derivative, and a repeated forward has the same mask.
    """
    legacy = np.random.get_state()  # noqa: NPY002 (the object may use it)
    own = [v for v in getattr(thing, "__dict__", {}).values() if isinstance(v, np.random.Generator)]
    states = [generator.bit_generator.state for generator in own]
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        for generator, state in zip(own, states, strict=True):
            generator.bit_generator.state = state


def _assign(thing: Any, name: str, value: Array) -> None:
    """Put a value back, into the same array if there is one."""
    current = getattr(thing, name)
    if isinstance(current, np.ndarray) and current.shape == np.shape(value):
        current[...] = value
    else:
        setattr(thing, name, value)


def habit(layer: Any, is_other: bool) -> bool | None:
    """Whether backward must add to its gradients: it does in this library's style alone.

    `is_other` says that the style is another by the way in which the passes are called.
    """
    attributes = getattr(layer, "__dict__", {})
    others = {"inner", "grads", "grad", "gradients", "params", "parameters"}
    return True if not is_other and not others & set(attributes) else None


def attempt(function: Callable[..., Any], *values: Any, **options: Any) -> tuple[bool, Any]:
    """Call a student's function; return whether it succeeded, and the result or the exception."""
    try:
        with np.errstate(all="ignore"):
            return True, function(*values, **options)
    except MemoryError:  # other arguments would take as much, and as long
        raise
    except (Exception, SystemExit) as error:
        return False, error


def options_of(forward: Any) -> dict[str, Any]:
    """Return the arguments after x that say that the layer trains."""
    options: dict[str, Any] = {}
    for p in (arguments(forward) or [])[1:]:
        if normal(p.name) in TRAINING:
            options[p.name] = True
        elif p.name == "mode" and (is_required(p) or p.default in ("train", "test", "eval")):
            options[p.name] = "train"
    return options


def roles_of(backward: Any, is_bare: bool) -> tuple[str, ...] | None:
    """Return what backward takes, or None if that is not clear.

    `is_bare` says that forward returns the output alone, without a cache.
    """
    parameters = arguments(backward)
    if parameters is None:
        return ("dy",) if is_bare else ("dy", "cache")
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return ("dy",) if is_bare else ("dy", "cache")
    roles: list[str] = []
    for i, p in enumerate(parameters):
        if p.kind in (p.VAR_KEYWORD, p.KEYWORD_ONLY):
            if is_required(p):
                return None
            continue
        name = normal(p.name)
        wanted = is_required(p) or (i == 0 or (name in CACHE and not is_bare))
        if not wanted:
            break  # those after it have defaults too
        if name in RATE:
            roles.append("rate")
        elif name in INPUT:
            roles.append("x")
        elif name in CACHE and not is_bare:
            roles.append("cache")
        else:
            roles.append("?")
    return _settled(roles, is_bare)


def _settled(roles: list[str], is_bare: bool) -> tuple[str, ...] | None:
    """Decide what the arguments without a telling name are: dy first, then the cache."""
    missing = ["dy"] + ([] if is_bare or "cache" in roles else ["cache"])
    if roles == ["x"]:
        return ("dy",)
    if "?" not in roles and roles[:1] == ["x"]:
        roles = ["?", *roles[1:]]
    for i, role in enumerate(roles):
        if role == "?":
            if not missing:
                return None
            roles[i] = missing.pop(0)
        elif role == "x" and "cache" in missing:  # a cache that is called x
            roles[i] = "cache"
            missing.remove("cache")
    return tuple(roles) if "dy" in roles else None


def recognise(layer: Any, x: Array) -> Plan | None:
    """Return how the passes of `layer` are called, or None if it is in no known style."""
    names = pass_names(layer)
    if names is None:
        return None
    forward, backward = names
    trial = deepcopy(layer)
    before = _own_arrays(trial)
    options = options_of(getattr(trial, forward))
    worked, result = attempt(getattr(trial, forward), x.copy(), **options)
    if not worked:
        return _likely_plan(names, getattr(trial, backward), options)
    output = ""
    if result is None:
        output = output_of(trial, before, x)
        if not output:
            return None
        result = getattr(trial, output)
    is_bare = not isinstance(result, tuple)
    y = result if is_bare else result[0]
    roles = roles_of(getattr(trial, backward), is_bare)
    if not is_bare and roles in (None, ("dy",)):  # the second value is of no use to backward
        roles, is_bare = roles_of(getattr(trial, backward), True), True
    if roles is None or not hasattr(y, "shape"):
        return None
    repeats = "cache" not in roles
    if not repeats:
        options = {k: v for k, v in options.items() if _is_needed(getattr(trial, forward), k)}
    plan = Plan(forward, backward, options, roles, repeats, output)
    return _with_gradients(plan, trial, x, y, before)


def _with_gradients(plan: Plan, trial: Any, x: Array, y: Any, before: dict[str, Array]) -> Plan:
    """Run backward once, to see where it leaves its gradients."""
    kept = {name: a.copy() for name, a in before.items()}
    known = {"x": x.copy(), "y": y, "rate": 1.0, "dy": np.ones(np.shape(y))}
    if not plan.repeats:
        found = attempt(getattr(trial, plan.forward), x.copy(), **plan.options)
        value = found[1]
        known["cache"] = value[1] if len(value) == 2 else value[1:]
    held = {name: id(a) for name, a in _own_arrays(trial).items()}
    worked, result = attempt(getattr(trial, plan.backward), *(known[r] for r in plan.roles))
    changes: dict[str, Any] = {}
    if result is None:
        new = {n for n, a in _own_arrays(trial).items() if held.get(n) != id(a)}
        usual = [n for n in DINPUTS if hasattr(trial, n)]
        # Otherwise the only array of that shape which backward has made.
        others = sorted(n for n in new if _own_arrays(trial)[n].shape == x.shape)
        likely = [n for n in usual if n in new] or usual or others
        changes["dinputs"] = next(iter(likely), "")
    rates = [n for n in getattr(trial, "__dict__", {}) if normal(n) in RATE]
    if "rate" in plan.roles or rates:
        # The step of a backward that raises may be half done, so a wrong one counts as well.
        changes["steps"] = tuple(n for n, a in kept.items() if _is_stepped(trial, n, a))
        if changes["steps"] and "rate" not in plan.roles:
            changes["rate"] = rates[0]
    parameters = [n for n, a in kept.items() if a.dtype.kind == "f" and not n.startswith("d")]
    if worked and isinstance(result, dict):
        names = {normal(key) for key in result if isinstance(key, str)}
        changes["returned"] = tuple(n for n in parameters if f"d{normal(n)}" in names)
    elif worked and isinstance(result, tuple | list) and len(result) == len(parameters) + 1:
        changes["returned"] = tuple(parameters)
    return Plan(**{**vars(plan), **changes})


def _is_stepped(trial: Any, name: str, before: Array) -> bool:
    """Whether backward has changed a parameter."""
    now = getattr(trial, name, None)
    is_same_kind = isinstance(now, np.ndarray) and now.shape == before.shape
    return is_same_kind and not name.startswith("d") and not np.array_equal(np.asarray(now), before)


def _likely_plan(names: tuple[str, str], backward: Any, options: dict[str, Any]) -> Plan:
    """Return the likely plan of an object whose forward raises: the check reports that."""
    roles = roles_of(backward, False) or ("dy", "cache")
    return Plan(*names, options if roles == ("dy",) else {}, roles, repeats=roles == ("dy",))


def _is_needed(forward: Any, name: str) -> bool:
    return any(p.name == name and is_required(p) for p in arguments(forward) or [])


def _own_arrays(thing: Any) -> dict[str, Array]:
    attributes = getattr(thing, "__dict__", {})
    return {name: a for name, a in attributes.items() if isinstance(a, np.ndarray)}


def output_of(thing: Any, before: dict[str, Array], x: Array) -> str:
    """Return the attribute in which forward has left its output, or "" if that is not clear."""
    values = _own_arrays(thing)
    values |= {n: v for n in OUTPUT if isinstance(v := getattr(thing, n, None), np.ndarray)}
    new = [n for n, v in values.items() if v is not before.get(n)]
    usual = [n for n in OUTPUT if n in new]
    others = [n for n in new if not np.array_equal(values[n], x)]
    return usual[0] if usual else others[0] if len(others) == 1 else ""


def first_words(text: str, most: int = 200) -> str:
    """Return a message in one line."""
    return re.sub(r"\s+", " ", text).strip()[:most]
