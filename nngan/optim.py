"""Optimizers: one formula on one flat buffer.

A network's parameters are one array and its gradients another, so that a step is a handful of
array operations, whatever the layers are. The state (momentum, moments, counter) is updated in
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, Backend, array_module, each, fused, loop_of
from .checks import fraction, is_number, nonnegative, positive, shortened
from .description import constructor_arguments, type_name
from .network import Sequential
from .views import check_views

Schedule = Sequence[Any] | None


class Optimizer:
    """The base of all optimizers: `bind` to a network, then `step` after each backward pass.

    Each takes a `schedule` of its learning rate. With t = 0, 1, ... the steps done before:

    - ``None``: lr, always;
    - ``("linear", steps)``: lr max(0, 1 - t / steps), which is zero from step `steps` on;
    - ``("exponential", factor)``: lr factor**t, with 0 < factor <= 1.

    Attributes
    ----------
    network : Sequential
        The network whose `params` are moved against its `grads`.
    state : dict of str to array
        All arrays that a checkpoint must keep.
    """

    network: Sequential
    state: dict[str, Array]
    schedule: tuple[str, float] | None = None

    def bind(self, network: Sequential) -> Optimizer:
        """Attach to `network`, with a fresh state on its backend; return the optimizer."""
        check_views(network)
        self.network = network
        self.state = self.initial_state()
        return self

    def __getattr__(self, name: str) -> Any:  # only called if the usual look-up fails
        remedy = ": pass it to a GAN first, or bind it" if name in ("network", "state") else ""
        raise AttributeError(f"{type(self).__name__} has no {name}{remedy}")

    @property
    def lr(self) -> float:
        """Learning rate, >= 0. It may be set at any time; 0 keeps the network as it is."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = nonnegative("lr", value)

    def step(self) -> None:
        """Update ``network.params`` in place from ``network.grads``."""
        raise NotImplementedError

    def initial_state(self) -> dict[str, Array]:
        """Return the arrays of `state` before the first step; none unless an optimizer has some."""
        return {}

    def learning_rate(self, t: Array) -> Any:
        """Return the learning rate after `t` steps, an int64 array of shape (1,) on the device.

        With a schedule it is an array too, computed on the device, so that a captured step follows
        it.
        """
        if self.schedule is None:
            return self.lr
        law, value = self.schedule
        xp = self.network.backend.xp
        return self.lr * (xp.maximum(1 - t / value, 0) if law == "linear" else value**t)

    def config(self) -> dict[str, Any]:
        """Return the type and the constructor's arguments that are not None, for a checkpoint."""
        given = {k: v for k, v in constructor_arguments(self).items() if v is not None}
        return {"type": type_name(type(self), OPTIMIZERS.values()), **given}

    def __repr__(self) -> str:
        arguments = [f"{k}={v!r}" for k, v in self.config().items() if k != "type"]
        return f"{type(self).__name__}({', '.join(arguments)})"


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v = momentum * v + g; params -= lr * v.

    Parameters
    ----------
    lr : float
        Learning rate, >= 0.
    momentum : float or (float, float, float)
        0 <= momentum < 1; 0 is plain gradient descent. (first, last, steps) grows linearly from the
        first to the last in that many steps, and stays there.
    schedule : (str, float), optional
        See `Optimizer`.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
    Sutskever et al., "On the importance of initialization and momentum in deep learning",
    ICML 2013 (there the velocity includes lr).
    """

    def __init__(
        self, lr: float, momentum: float | Sequence[float] = 0.0, schedule: Schedule = None
    ) -> None:
        self.lr = lr
        self.momentum = _momentum(momentum)
        self.schedule = _schedule(schedule)

    def initial_state(self) -> dict[str, Array]:
        xp = self.network.backend.xp
        state = {"v": xp.zeros_like(self.network.params)}
        constant = self.schedule is None and isinstance(self.momentum, float)
        return state if constant else {**state, "t": xp.zeros(1, dtype="int64")}

    def momentum_after(self, t: Array) -> Any:
        """Return the momentum after `t` steps, as `learning_rate` returns the learning rate."""
        if isinstance(self.momentum, float):
            return self.momentum
        first, last, steps = self.momentum
        return first + (last - first) * self.network.backend.xp.minimum(t / steps, 1)

    def step(self) -> None:
        network = self.network
        lr: Any = self.lr
        momentum: Any = self.momentum
        if "t" in self.state:
            t = self.state["t"]
            lr, momentum = self.learning_rate(t), self.momentum_after(t)
            dtype = network.params.dtype
            lr, momentum = (v if isinstance(v, float) else v.astype(dtype) for v in (lr, momentum))
            t += 1
        arrays = network.params, network.grads, self.state["v"]
        network.backend.update_in_place(sgd, arrays, lr, momentum)


def sgd(backend: Backend, params: Array, g: Array, v: Array, lr: Any, momentum: Any) -> None:
    """Move all parameters by one step of `SGD`, in place.

    params, g, v are parameters, gradients and velocities, of shape (n,); lr and momentum are floats
    or arrays of shape (1,).
    """
    backend.decay(v, momentum)
    v += g
    params -= lr * v


@loop_of(sgd)
def sgd_loop(params: Array, g: Array, v: Array, lr: float, momentum: float, least: float) -> None:
    """Compute `sgd` in one pass."""
    zero = least - least
    for i in each(params.size):
        velocity = momentum * v[i]
        velocity = (zero if abs(velocity) < least else velocity) + g[i]
        v[i] = velocity
        params[i] -= lr * velocity


class Adam(Optimizer):
    """Adam: steps along the mean gradient, scaled by its root mean square.

    With g the gradient and t = 1, 2, ... the step::

        m = beta1 * m + (1 - beta1) * g           m_hat = m / (1 - beta1**t)
        v = beta2 * v + (1 - beta2) * g**2        v_hat = v / (1 - beta2**t)
        params -= lr * m_hat / (sqrt(v_hat) + eps)

    Here `state` holds the sums m / (1 - beta1) and v / (1 - beta2), to which g and g**2 are added
    as they are. With c1 = (1 - beta1) / (1 - beta1**t) and c2 = (1 - beta2) / (1 - beta2**t) the
    hats of the sums are m_hat = c1 * m and v_hat = c2 * v, and the same step reads::

        params -= (lr * c1 / sqrt(c2)) * m / (sqrt(v) + eps / sqrt(c2))

    Parameters
    ----------
    lr : float
        Learning rate, >= 0.
    beta1, beta2 : float
        Decay of the two moments, in [0, 1). GANs use beta1 = 0.5 (Radford et al. 2016).
    eps : float
        > 0.
    schedule : (str, float), optional
        See `Optimizer`.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
    """

    def __init__(
        self,
        lr: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        eps: float = 1e-8,
        schedule: Schedule = None,
    ) -> None:
        self.lr = lr
        self.beta1, self.beta2 = fraction("beta1", beta1), fraction("beta2", beta2)
        self.eps = positive("eps", eps)
        self.schedule = _schedule(schedule)

    def initial_state(self) -> dict[str, Array]:
        xp, params = self.network.backend.xp, self.network.params
        # The counter is on the device like everything else that a step changes.
        t = xp.zeros(1, dtype="int64")
        return {"m": xp.zeros_like(params), "v": xp.zeros_like(params), "t": t}

    def step(self) -> None:
        network, beta1, beta2 = self.network, self.beta1, self.beta2
        rate, eps = adam_rates(
            self.state["t"], self.learning_rate(self.state["t"]),
            beta1=beta1, beta2=beta2, eps=self.eps, dtype=network.params.dtype,
        )  # fmt: skip
        arrays = network.params, network.grads, self.state["m"], self.state["v"]
        network.backend.update_in_place(adam, arrays, rate, eps, beta1, beta2)


@fused
def adam_rates(
    t: Array, lr: Any, *, beta1: float, beta2: float, eps: float, dtype: Any
) -> tuple[Array, Array]:
    """Count the step t, (1,), in place; return lr * c1 / sqrt(c2) and eps / sqrt(c2) of `Adam`."""
    xp = array_module(t)
    t += 1
    c1, c2 = ((1 - beta) / (1 - xp.power(beta, t)) for beta in (beta1, beta2))
    root = xp.sqrt(c2)
    return (lr * c1 / root).astype(dtype), (eps / root).astype(dtype)


# fmt: off
def adam(
    backend: Backend, params: Array, g: Array, m: Array, v: Array,
    rate: Array, eps: Array, beta1: float, beta2: float,
) -> None:
    """Move all parameters by one step of `Adam`, in place: ten operations, one temporary array.

    params, g, m, v are parameters, gradients and the two sums, of shape (n,); rate and eps are
    lr * c1 / sqrt(c2) and eps / sqrt(c2), of shape (1,).
    """
    xp = backend.xp
    backend.decay(m, beta1)
    m += g
    backend.decay(v, beta2)
    change = g * g
    v += change
    xp.sqrt(v, out=change)
    change += eps
    xp.divide(m, change, out=change)
    change *= rate
    params -= change


@loop_of(adam)
def adam_loop(
    params: Array, g: Array, m: Array, v: Array,
    rate: float, eps: float, beta1: float, beta2: float, least: float,
) -> None:
    """Compute `adam` in one pass."""
    zero = least - least  # of the arrays' dtype
    for i in each(params.size):
        mean, square = beta1 * m[i], beta2 * v[i]
        mean = (zero if abs(mean) < least else mean) + g[i]
        square = (zero if square < least else square) + g[i] * g[i]
        m[i], v[i] = mean, square
        params[i] -= mean / (np.sqrt(square) + eps) * rate
# fmt: on


OPTIMIZERS: dict[str, type[Optimizer]] = {"SGD": SGD, "Adam": Adam}


def optimizer_from_config(
    config: dict[str, Any], optimizers: Sequence[type[Optimizer]] = ()
) -> Optimizer:
    """Make the optimizer that `Optimizer.config` described.

    `optimizers` are classes of your own. ValueError if its type is neither there nor the library's.
    """
    arguments = dict(config)
    full_name = str(arguments.pop("type", None))
    module, _, name = full_name.rpartition(".")
    kinds = {kind.__name__: kind for kind in optimizers} if module else OPTIMIZERS
    if name not in kinds:
        raise ValueError(
            f"unknown optimizer {shortened(full_name, 200)}: pass its class in optimizers=[...]"
        )
    return kinds[name](**arguments)


def _momentum(momentum: float | Sequence[float]) -> float | tuple[float, float, float]:
    if not isinstance(momentum, Sequence):
        return fraction("momentum", momentum)
    if len(momentum) != 3:
        raise ValueError(f"momentum must be a number or (first, last, steps), got {momentum!r}")
    first, last, steps = momentum
    first, last = fraction("momentum", first), fraction("momentum", last)
    return first, last, positive("steps of momentum", steps)


def _schedule(schedule: Schedule) -> tuple[str, float] | None:
    if schedule is None:
        return None
    if isinstance(schedule, Sequence) and len(schedule) == 2 and is_number(schedule[1]):
        law, value = schedule
        if (law == "linear" and value > 0) or (law == "exponential" and 0 < value <= 1):
            return str(law), float(value)
    raise ValueError(
        "schedule must be None, ('linear', steps) with steps > 0 or ('exponential', factor) with "
        f"0 < factor <= 1, got {schedule!r}"
    )
