"""The contestants of race.py: one training step of the same game, written in each framework.

A contestant is a function ``(case) -> step``; calling ``step()`` once trains D and G on one
minibatch. It runs in a process of its own, so that no library disturbs another one's threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from case import IMAGES, Case, Step, images
from jax_game import JaxGame
from tensorflow_game import TensorflowGame

import nngan as nn
from nngan.backend import Key, get_backend
from nngan.optim import optimizer_from_config
from nngan.training.loop import compiled_step

# -- nngan --------------------------------------------------------------------------------------


def nngan_game(case: Case, update: str = "alternating") -> Step:
    """Return the step that `GAN.fit` runs, in an epoch that never ends."""
    G, D, _ = case.layers()
    gan = nn.GAN(
        nn.Sequential(*G, seed=1),
        nn.Sequential(*D, seed=2),
        g_optimizer=optimizer_from_config(case.adam),
        d_optimizer=optimizer_from_config(case.adam),
        update=update,
        backend=case.backend,
    )
    xp, steps = gan.backend.xp, IMAGES // case.batch
    gan.log = xp.zeros((steps, 4), dtype=np.float32)
    order = gan.backend.permutation(Key(0), IMAGES)
    step = compiled_step(gan, gan.backend.asarray(images()), order, case.batch)
    done = 0

    def endless() -> None:
        nonlocal done
        step()
        done += 1
        if done % steps == 0:
            gan.epoch_start[...] = gan.clock
            order[...] = gan.backend.permutation(Key(0, step=done), IMAGES)

    return endless


def step_products(case: Case) -> list[tuple[str, Any, int]]:
    """Return the matrix products of nngan's alternating step, in their order.

    Each is (result, Linear layer, number of samples). A step leaves out the gradients that nobody
    reads: of D's input in D's step, of z and of D's weights in G's step.
    """
    G, D = ([layer for layer in net if layer.size] for net in case.layers()[:2])
    n = case.batch

    def forward(net: list[Any], rows: int) -> list[tuple[str, Any, int]]:
        return [("output", layer, rows) for layer in net]

    def backward(
        net: list[Any], rows: int, input_grad: bool, param_grads: bool
    ) -> list[tuple[str, Any, int]]:
        made = []
        for i, layer in reversed(list(enumerate(net))):
            if param_grads:
                made.append(("dW", layer, rows))
            if i > 0 or input_grad:
                made.append(("dx", layer, rows))
        return made

    return [
        *forward(G, n),  # D's step: fakes, real and fake data through D as one, D's gradient
        *forward(D, 2 * n),
        *backward(D, 2 * n, input_grad=False, param_grads=True),
        *forward(G, n),  # G's step: fakes, D, back to the images, on into G
        *forward(D, n),
        *backward(D, n, input_grad=True, param_grads=False),
        *backward(G, n, input_grad=False, param_grads=True),
    ]


def operands(
    made: list[tuple[str, Any, int]],
    array: Callable[[int, int], Any],
    W: dict[int, Any],
    dW: dict[int, Any],
) -> list[tuple[Any, Any, Any]]:
    """Return the two factors of each product and its output array, if it has one."""
    calls = []
    for what, layer, rows in made:
        x, dy = array(rows, layer.n_in), array(rows, layer.n_out)
        weights, gradient = W[id(layer)], dW[id(layer)]
        product = {
            "output": (x, weights, None),
            "dW": (x.T, dy, gradient),
            "dx": (dy, weights.T, None),
        }
        calls.append(product[what])
    return calls


def products(case: Case) -> Step:
    """Return the matrix products of the step alone: a lower bound for its time."""
    backend = get_backend(case.backend)
    made = step_products(case)
    W = {id(layer): backend.asarray(layer.W) for _, layer, _ in made}
    dW = {id(layer): backend.asarray(layer.dW) for _, layer, _ in made}

    def array(rows: int, columns: int) -> Any:
        return backend.xp.full((rows, columns), 0.1, dtype="float32")

    calls = operands(made, array, W, dW)

    def run() -> None:
        for a, b, out in calls:
            backend.matmul(a, b, out=out)

    return backend.compile(run)


# -- PyTorch, as its users write it -------------------------------------------------------------


def torch_game(
    case: Case, fused: bool = False, same_fakes: bool = False, mode: str = "eager"
) -> Step:
    """Return the step as tutorials write it: two backward passes, `detach`, `optim.Adam`.

    It draws new noise for G, as Algorithm 1 and nngan do. With `same_fakes` G learns from the fakes
    that D has just seen, as in PyTorch's DCGAN tutorial: one pass of G less, and another game.
    `mode` is "eager", "compile" (`torch.compile` around the whole step) or "graph" (the step
    captured as one CUDA graph).
    """
    torch, device = _torch(case)
    torch.manual_seed(0)
    layers_g, layers_d, z_dim = case.layers()
    G, D = _to_torch(layers_g, seed=1).to(device), _to_torch(layers_d, seed=2).to(device)
    config = case.adam
    options = {"lr": config["lr"], "betas": (config["beta1"], 0.999), "fused": fused}
    if mode == "graph":
        options["capturable"] = True
    g_optimizer = torch.optim.Adam(G.parameters(), **options)
    d_optimizer = torch.optim.Adam(D.parameters(), **options)
    criterion = torch.nn.BCEWithLogitsLoss()
    real_label = torch.ones(case.batch, 1, device=device)
    fake_label = torch.zeros(case.batch, 1, device=device)
    data = torch.from_numpy(images()).to(device).float() / 255
    rows = torch.zeros(case.batch, dtype=torch.int64, device=device)

    def step() -> Any:
        x = data[rows]
        fake = G(torch.randn(case.batch, z_dim, device=device))
        d_optimizer.zero_grad()
        d_loss = criterion(D(x), real_label) + criterion(D(fake.detach()), fake_label)
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        if not same_fakes:
            fake = G(torch.randn(case.batch, z_dim, device=device))
        g_loss = criterion(D(fake), real_label)
        g_loss.backward()
        g_optimizer.step()
        return d_loss.detach(), g_loss.detach()

    if mode == "compile":
        step = torch.compile(step)
    if mode == "graph":
        step = _captured(step)
    order, at = torch.randperm(IMAGES, device=device), 0

    def endless() -> Any:
        nonlocal order, at
        if at + case.batch > IMAGES:
            order, at = torch.randperm(IMAGES, device=device), 0
        rows.copy_(order[at : at + case.batch])
        at += case.batch
        return step()

    return endless


def torch_limit(case: Case) -> Step:
    """Return PyTorch's lower bound: the products of nngan's step and the fused Adam."""
    torch, device = _torch(case)
    made = step_products(case)
    W = {id(layer): torch.full((layer.n_in, layer.n_out), 0.1).to(device) for _, layer, _ in made}
    for weights in W.values():
        weights.grad = torch.full_like(weights, 0.1)
    optimizer = torch.optim.Adam(W.values(), lr=case.adam["lr"], fused=True)
    dW = {i: weights.grad for i, weights in W.items()}
    calls = operands(made, lambda *shape: torch.full(shape, 0.1).to(device), W, dW)

    def run() -> None:
        for a, b, out in calls:
            torch.mm(a, b, out=out)
        optimizer.step()

    return run


def _torch(case: Case) -> tuple[Any, str]:
    """Return PyTorch with these settings, and the device."""
    import torch

    torch.set_flush_denormal(case.flush_denormals)  # first: threads inherit it
    torch.set_num_threads(case.threads)
    return torch, "cuda" if case.backend.startswith("cupy") else "cpu"


def _to_torch(layers: list[Any], seed: int) -> Any:
    """Return the network in PyTorch, with the initial weights of nngan's."""
    import torch

    def linear(layer: nn.Linear) -> Any:
        copy = torch.nn.Linear(layer.n_in, layer.n_out)
        with torch.no_grad():
            copy.weight.copy_(torch.from_numpy(layer.W.T))
            copy.bias.copy_(torch.from_numpy(layer.b))
        return copy

    kinds = {
        "Linear": linear,
        "ReLU": lambda layer: torch.nn.ReLU(),
        "LeakyReLU": lambda layer: torch.nn.LeakyReLU(layer.slope),
        "Tanh": lambda layer: torch.nn.Tanh(),
    }
    network = nn.Sequential(*layers, seed=seed)
    return torch.nn.Sequential(*(kinds[type(layer).__name__](layer) for layer in network.layers))


def _captured(step: Step) -> Step:
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


CONTESTANTS: dict[str, Callable[[Case], Step]] = {
    "nngan": nngan_game,
    "nngan, simultaneous": lambda case: nngan_game(case, update="simultaneous"),
    "nngan, Numba": lambda case: nngan_game(replace(case, backend="numba")),
    "nngan, NumPy": lambda case: nngan_game(replace(case, backend="numpy")),
    "matrix products": products,
    "torch eager": torch_game,
    "torch eager, fused Adam": lambda case: torch_game(case, fused=True),
    "torch eager, same fakes": lambda case: torch_game(case, same_fakes=True),
    "torch fused, same fakes": lambda case: torch_game(case, fused=True, same_fakes=True),
    "torch.compile": lambda case: torch_game(case, mode="compile"),
    "torch, products and Adam": torch_limit,
    "torch CUDA graph": lambda case: torch_game(case, mode="graph"),
    "JAX": JaxGame,
    "JAX, Optax": lambda case: JaxGame(case, optax=True),
    "TensorFlow": TensorflowGame,
}
