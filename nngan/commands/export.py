"""Put a trained generator into one web page that works by a double click.

nngan export runs/x page.html    # sliders, walks, classes, a sheet, the losses

The page needs no server and no network. It computes G in the browser and says
whether its images are those of nngan.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array
from ..command_line import OneSentenceParser
from ..files import atomic_write
from ..game.inputs import g_input, one_hot
from ..gan import GAN
from ..layers import BatchNorm, Dropout, Layer, LeakyReLU, Linear, Maxout, ReLU, Sigmoid, Tanh
from ..network import Sequential
from ..runs import RunSettings, load_run
from ..runs.settings import class_names
from .options import checkpoint_in, folder, in_options, output

CHECKED = 8  # images that the page compares with those of nngan
POINTS = 400  # of each curve at most
SIMPLE: dict[type[Layer], str] = {ReLU: "relu", Sigmoid: "sigmoid", Tanh: "tanh"}


def main(arguments: Sequence[str] | None = None, program: str = "nngan export") -> int:
    """Run the command; return the exit status."""
    parser = OneSentenceParser(program, description=__doc__)
    parser.add_argument(
        "run", type=folder, metavar="RUN", help="folder of a run, or checkpoint of GAN.save"
    )
    parser.add_argument("page", type=output(".html"), metavar="PAGE.html", help="the page to write")
    options = parser.parse_args(arguments)
    try:
        run = checkpoint_in(options.run)
        gan, settings = load_run(run)
        text = page(gan, settings, run)
        with atomic_write(options.page) as file:
            file.write(text.encode())
    except (ValueError, OSError) as error:
        parser.error(in_options(error, parser))
    print(f"Written: {options.page.absolute()} ({len(text.encode()) / 1e6:.1f} MB)")
    return 0


def page(gan: GAN, settings: RunSettings | None, run: Path) -> str:
    """Return the page of a game as HTML."""
    data = describe(gan, settings, run)
    recipe = settings.recipe if settings else "own"
    name = "" if settings is None else Path(settings.data).name
    title = "A generator" + (f" of {name}" if name not in ("", "own") else "")
    parts = [
        "" if recipe == "own" else f"recipe {recipe}",
        f"{gan.epoch} epochs",
        f"{gan.G.size:,} parameters",
        "the average of the weights" if gan.G_ema is not None else "",
    ]
    template = resources.files(__package__) / "exported"
    text = (template / "page.html").read_text(encoding="utf-8")
    for word, value in (
        ("TITLE", html.escape(title)),
        ("SUBTITLE", html.escape(", ".join(filter(None, parts)))),
        ("DATA", json.dumps(data, allow_nan=False).replace("<", "\\u003c")),
        ("GENERATOR", (template / "generator.js").read_text(encoding="utf-8")),
        ("PAGE", (template / "page.js").read_text(encoding="utf-8")),
    ):
        text = text.replace(f"@{word}@", value)
    return text


def describe(gan: GAN, settings: RunSettings | None, run: Path) -> dict[str, Any]:
    """Return all that the page knows of a game, as JSON holds it."""
    features = gan.G.n_out or 0
    shape = settings.shape if settings and settings.shape else (math.isqrt(features),) * 2
    if math.prod(shape) != features:
        raise ValueError(f"the samples of {run} are {features} numbers, not images")
    G = gan.G if gan.G_ema is None else gan.G_ema
    z = gan.latents(CHECKED, seed=0)
    labels = np.arange(CHECKED) % gan.classes if gan.classes else None
    y = None if labels is None else one_hot(labels, gan.classes, G.dtype)
    return {
        "shape": list(shape),
        "range": list(gan.data_range),
        "prior": gan.latent,
        "latent_dim": gan.latent_dim,
        "categories": gan.categories,
        "classes": gan.classes,
        "class_names": list(class_names(gan, settings)),
        "layers": list(folded(described(G))),
        "check": {
            "n": CHECKED,
            "z": encoded(g_input(gan.rules, z, y), "<f4"),
            "x": encoded(gan.generate(z, labels), "<f4"),
        },
        "history": history(gan),
        "chance": {
            name: loss
            for name, loss in (
                ("d", gan.rules.objective.d_chance),
                ("g", gan.rules.objective.g_chance),
            )
            if loss is not None
        },
    }


def described(network: Sequential) -> Iterator[dict[str, Any]]:
    """Yield the layers of a network as the page computes them, with their arrays.

    BatchNorm at inference is an affine map of each feature: y = scale x + shift with
    scale = gamma / sqrt(running_var + eps) and shift = beta - scale running_mean.
    """
    for layer in network.leaves():
        if isinstance(layer, Linear):
            yield {"type": "linear", "W": layer.W, "b": layer.b}
        elif isinstance(layer, BatchNorm):
            scale = layer.gamma / np.sqrt(layer.running_var + layer.eps)
            yield {
                "type": "affine",
                "scale": scale,
                "shift": layer.beta - scale * layer.running_mean,
            }
        elif isinstance(layer, LeakyReLU):
            yield {"type": "leaky_relu", "slope": layer.slope}
        elif isinstance(layer, Maxout):
            yield {"type": "maxout", "n_out": layer.n_out}
        elif type(layer) in SIMPLE:
            yield {"type": SIMPLE[type(layer)]}
        elif not isinstance(layer, Dropout):  # which does nothing at inference
            raise ValueError(f"the page knows no layer {_name(layer)}: export needs {_known()}")


def folded(layers: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the layers with each affine map folded into the linear one before it, encoded."""
    pending: dict[str, Any] | None = None
    for layer in layers:
        if layer["type"] == "affine" and pending and pending["type"] == "linear":
            W, b = pending["W"] * layer["scale"], pending["b"] * layer["scale"] + layer["shift"]
            pending = {"type": "linear", "W": W, "b": b}
            continue
        if pending:
            yield compressed(pending)
        pending = layer
    if pending:
        yield compressed(pending)


def compressed(layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer whose arrays are base64: matrices in float16, vectors in float32."""
    return {
        name: encoded(value, "<f2" if value.ndim == 2 else "<f4")
        if isinstance(value, np.ndarray)
        else value
        for name, value in layer.items()
    }


def encoded(array: Array, dtype: str) -> str:
    """Return the numbers of an array, row by row, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def history(gan: GAN) -> dict[str, list[float]]:
    """Return the losses over the epochs, thinned."""
    step = max(1, math.ceil(gan.epoch / POINTS))
    losses = {name: gan.history[name][::step] for name in ("d_loss", "g_loss")}
    return {**losses, "epochs": list(range(1, gan.epoch + 1, step))}


def _name(layer: Layer) -> str:
    return type(layer).__name__


def _known() -> str:
    kinds = (Linear, BatchNorm, *SIMPLE, LeakyReLU, Maxout, Dropout)
    return ", ".join(kind.__name__ for kind in kinds)
