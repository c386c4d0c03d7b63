"""The game of race.py in JAX: one compiled function for the whole step."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from case import IMAGES, Case, images

import nngan as nn

Parameters = list[tuple[Any, Any]]


class JaxGame:
    """A step as JAX's users write it: `jax.grad` of both losses, Adam, all in one `jax.jit`.

    With `optax`, Adam is Optax's; else that of ``jax.example_libraries.optimizers``. It draws new
    noise for G, as Algorithm 1 and nngan do.
    """

    def __init__(self, case: Case, optax: bool = False) -> None:
        # Read when JAX is loaded. It takes all cores or one.
        one = case.threads == 1
        os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(not one).lower()}" + (
            " intra_op_parallelism_threads=1" if one else ""
        )
        import jax

        layers_g, layers_d, self.z_dim = case.layers()
        self.case = case
        networks = parameters(layers_g, seed=1), parameters(layers_d, seed=2)
        self.G, self.D = (network_of(layers) for layers in (layers_g, layers_d))
        init, self.update, self.params = adam(case, optax)
        self.states = tuple(init(network) for network in networks)
        self.key = jax.random.key(0)
        self.data = jax.numpy.asarray(images().astype(np.float32) / 255)
        self.order, self.at, self.step_number = self.permutation(), 0, 0
        self.compiled = jax.jit(self.step, donate_argnums=0)

    def step(self, states: Any, number: Any, order: Any, at: Any, key: Any) -> Any:
        """Return the states of both optimizers after D's and G's update, and both losses."""
        import jax

        g_state, d_state = states
        n = self.case.batch
        x = self.data[jax.lax.dynamic_slice_in_dim(order, at, n)]
        z1, z2 = self.noise(key, number)

        def d_loss(D: Parameters) -> Any:
            fake = self.G(self.params(g_state), z1)
            softplus = jax.nn.softplus
            return softplus(-self.D(D, x)).mean() + softplus(self.D(D, fake)).mean()

        d_value, gradient = jax.value_and_grad(d_loss)(self.params(d_state))
        d_state = self.update(number, gradient, d_state)

        def g_loss(G: Parameters) -> Any:
            return jax.nn.softplus(-self.D(self.params(d_state), self.G(G, z2))).mean()

        g_value, gradient = jax.value_and_grad(g_loss)(self.params(g_state))
        return (self.update(number, gradient, g_state), d_state), (d_value, g_value)

    def noise(self, key: Any, number: Any) -> Any:
        """Return the noise for D's and for G's update of a step."""
        import jax

        return jax.random.normal(jax.random.fold_in(key, number), (2, self.case.batch, self.z_dim))

    def permutation(self) -> Any:
        """Return a new order of the images."""
        import jax

        self.key, key = jax.random.split(self.key)
        return jax.random.permutation(key, IMAGES)

    def __call__(self) -> Any:
        """Play a step and wait for it, as the other contestants do; return both losses."""
        if self.at + self.case.batch > IMAGES:
            self.order, self.at = self.permutation(), 0
        self.states, losses = self.compiled(
            self.states, self.step_number, self.order, self.at, self.key
        )
        self.at += self.case.batch
        self.step_number += 1
        return [loss.block_until_ready() for loss in losses]


def adam(case: Case, optax: bool) -> tuple[Callable[..., Any], ...]:
    """Return init(parameters), update(number, gradient, state) and parameters(state)."""
    config = case.adam
    options = config["lr"], config["beta1"], 0.999
    if not optax:
        from jax.example_libraries.optimizers import adam as jax_adam

        return tuple(jax_adam(*options))
    import optax as library

    optimizer = library.adam(*options)

    def update(number: Any, gradient: Any, state: Any) -> Any:
        parameters, moments = state
        change, moments = optimizer.update(gradient, moments)
        return library.apply_updates(parameters, change), moments

    return lambda p: (p, optimizer.init(p)), update, lambda state: state[0]


def parameters(layers: list[Any], seed: int) -> Parameters:
    """Return the initial weights of nngan's network as arrays of JAX."""
    import jax.numpy as jnp

    network = nn.Sequential(*layers, seed=seed)
    return [
        (jnp.asarray(layer.W.copy()), jnp.asarray(layer.b.copy()))
        for layer in network.layers
        if isinstance(layer, nn.Linear)
    ]


def network_of(layers: list[Any]) -> Callable[[Parameters, Any], Any]:
    """Return the network as a function of parameters and input."""
    import jax

    kinds = {
        "ReLU": lambda layer, x: jax.nn.relu(x),
        "LeakyReLU": lambda layer, x: jax.nn.leaky_relu(x, layer.slope),
        "Tanh": lambda layer, x: jax.numpy.tanh(x),
    }

    def network(parameters: Parameters, x: Any) -> Any:
        weights = iter(parameters)
        for layer in layers:
            if isinstance(layer, nn.Linear):
                W, b = next(weights)
                x = x @ W + b
            else:
                x = kinds[type(layer).__name__](layer, x)
        return x

    return network
