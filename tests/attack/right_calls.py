"""Right calls of everything public, by name; `misuse` makes them wrong in one argument.

Left out: the formulas of optimizers and layers that other code calls with what it has checked
(`sgd`, `relu_backward`, the objectives), the flags of a backward pass, and what `forward` returned
for it, the cache.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import nngan as nn
import nngan.checkpoint
import nngan.estimator
import nngan.game.inputs
import nngan.game.steps
import nngan.latent
import nngan.losses
import nngan.metrics
import nngan.plotting
import nngan.recipes
import nngan.runs
import nngan.training

REFUSED = (  # right calls that find no file
    "read_idx", "mnist", "fashion_mnist", "RunFolder.resume"
)  # fmt: skip
SCORES = ("frechet", "class_kl", "confident")


def net(*sizes: int, last: Any = None) -> Any:
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    return nn.Sequential(*layers, *([last] if last else []))


def gan(**options: Any) -> Any:
    labels = options.get("classes", 0)
    return nn.GAN(net(3 + labels, 4, last=nn.Sigmoid()), net(4 + labels, 1), **options)


def calls(folder: Path) -> dict[str, Callable[[], tuple[Callable[..., Any], dict[str, Any]]]]:
    """Return right calls by name: each makes a new callable and its arguments."""
    rng = np.random.default_rng(0)
    x, z = rng.uniform(size=(8, 4)).astype("f4"), rng.normal(size=(8, 3)).astype("f4")
    p = rng.dirichlet(np.ones(4), 40)
    points = nn.datasets.ring(200)[0]
    history = {name: [1.0, 2.0] for name in ("d_loss", "g_loss", "d_real", "d_fake")}
    m, plot = nn.metrics, nn.plotting
    game = gan()
    game.save(folder / "game.npz")
    np.save(folder / "x.npy", (x * 255).astype("u1"))
    settings = {"epochs": 2, "shape": (2, 2)}
    recipe = nn.recipes.RECIPES["default"]
    Mixture = nn.datasets.Mixture
    fitted = nn.estimator.MLPGAN(hidden_layer_sizes=(4,), epochs=1).fit(x)

    def layer(make: Callable[[], Any], method: str) -> Callable[[], Any]:
        def call() -> Any:
            one = make()
            if method == "forward":
                return one.forward, {"x": z}
            y, cache = one.forward(z)
            return one.backward, {"dy": np.ones_like(y)}, {"cache": cache}

        return call

    makers: dict[str, Callable[[], Any]] = {
        "Linear": lambda: net(3, 2).layers[0], "ReLU": nn.ReLU, "Tanh": nn.Tanh,
        "Sigmoid": nn.Sigmoid, "LeakyReLU": nn.LeakyReLU,
        "BatchNorm": lambda: nn.Sequential(nn.BatchNorm(3)).layers[0],
        "Maxout": lambda: nn.Sequential(nn.Maxout(1, 3)).layers[0],
        "Sequential": lambda: net(3, 4, 2),
    }  # fmt: skip
    found: dict[str, Callable[[], Any]] = {}
    for name, make in makers.items():
        for method in ("forward", "backward"):
            found[f"{name}.{method}"] = layer(make, method)
    found |= {
        "Linear": lambda: (nn.Linear, {"n_in": 3, "n_out": 2, "weight_init": "he"}),
        "LeakyReLU": lambda: (nn.LeakyReLU, {"slope": 0.2}),
        "BatchNorm": lambda: (nn.BatchNorm, {"n": 3, "eps": 1e-5, "momentum": 0.1}),
        "Maxout": lambda: (nn.Maxout, {"n_out": 3, "pieces": 2}),
        "Dropout": lambda: (nn.Dropout, {"rate": 0.2}),
        "Sequential": lambda: (_network, {"seed": 1, "dtype": "float32"}),
        "SGD": lambda: (nn.SGD, {"lr": 0.1, "momentum": 0.9, "schedule": None}),
        "Adam": lambda: (
            nn.Adam, {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "eps": 1e-8, "schedule": None}
        ),
        "SGD.bind": lambda: (nn.SGD(0.1).bind, {"network": net(3, 2)}),
        "GAN": lambda: (nn.GAN, {
            "G": net(3, 4, last=nn.Sigmoid()), "D": net(4, 1), "loss": "hinge", "k": 1, "pack": 1,
            "update": "alternating", "label_smoothing": 0.0, "classes": 0, "ema": 0.0, "r1": 0.0,
            "r2": 0.0, "gradient_penalty": 0.0, "penalty_every": 1, "latent": "normal",
            "categories": 0, "data_range": (0.0, 1.0), "check": True, "seed": 0,
            "backend": "numpy", "g_optimizer": nn.SGD(0.1), "d_optimizer": nn.SGD(0.1),
        }),
        "GAN.fit": lambda: (gan().fit, {
            "x": x, "epochs": 1, "batch_size": 4, "callbacks": ()
        }),
        "GAN.fit with labels": lambda: (gan(classes=2).fit, {
            "x": x, "epochs": 1, "batch_size": 4, "labels": np.arange(8) % 2, "progress": False
        }),
        "GAN.sample": lambda: (gan(ema=0.9).sample, {"n": 2, "seed": 0, "averaged": True}),
        "GAN.sample with labels": lambda: (gan(classes=2).sample, {"n": 2, "labels": [0, 1]}),
        "GAN.latents": lambda: (gan().latents, {"n": 2, "seed": 0}),
        "GAN.generate": lambda: (gan().generate, {"z": z, "averaged": True}),
        "GAN.save": lambda: (gan().save, {"path": folder / "saved.npz", "extra": {"a": 1}}),
        "GAN.load": lambda: (nn.GAN.load, {
            "path": folder / "game.npz", "backend": "numpy", "layers": (), "optimizers": ()
        }),
        "bce": lambda: (nn.bce, {"p": p[:, :1], "target": 1.0}),
        "bce_with_logits": lambda: (nn.bce_with_logits, {"logits": x[:, :1], "target": 1.0}),
        "check_gradients": lambda: (_checked, {"seed": 0, "thorough": False}),
        "r1": lambda: (nn.penalties.r1, {"D": net(4, 1), "x": x, "gamma": 1.0}),
        "r2": lambda: (nn.penalties.r2, {"D": net(4, 1), "fake": x, "gamma": 1.0}),
        "gradient_penalty": lambda: (nn.penalties.gradient_penalty, {
            "D": net(4, 1), "x_hat": x, "weight": 10.0
        }),
        "ring": lambda: (nn.datasets.ring, {"n": 5, "seed": 0}),
        "grid": lambda: (nn.datasets.grid, {"n": 5, "seed": 0}),
        "Mixture": lambda: (Mixture, {"centers": points[:3], "std": 0.1}),
        "Mixture.sample": lambda: (nn.datasets.RING.sample, {"n": 5, "seed": 0}),
        "read_idx": lambda: (nn.datasets.read_idx, {"path": folder / "none"}),
        "mnist": lambda: (nn.datasets.mnist, {
            "split": "train", "data_dir": folder, "dtype": "uint8"
        }),
        "load": lambda: (nn.datasets.load, {
            "path": folder / "x.npy", "key": None, "shape": (2, 2), "size": 2, "grey": False,
            "label_column": None, "labels": None, "skip_broken": False,
        }),
        "kl_divergence": lambda: (m.kl_divergence, {"counts": np.ones(4), "reference": np.ones(4)}),
        "histogram": lambda: (m.histogram, {"labels": np.arange(4), "n_classes": 4}),
        "class_kl": lambda: (m.class_kl, {"probabilities": p, "reference": np.ones(4)}),
        "confident_share": lambda: (m.confident_share, {"probabilities": p}),
        "energy_distance": lambda: (m.energy_distance, {"x": x, "y": x}),
        "frechet_distance": lambda: (m.frechet_distance, {"x": points, "y": points}),
        "count_modes": lambda: (m.count_modes, {"points": points, "mixture": nn.datasets.RING}),
        "over_runs": lambda: (m.over_runs, {
            "runs": [m.count_modes(points, nn.datasets.RING)] * 2
        }),
        "prdc": lambda: (m.prdc, {"real": points, "fake": points, "k": 3}),
        "nearest": lambda: (m.nearest, {"x": x, "train": x}),
        "log_density": lambda: (m.log_density, {"x": x, "centers": x, "sigmas": [0.1]}),
        "pixel_scores": lambda: (m.pixel_scores, {"samples": points, "images": points}),
        "linear_walk": lambda: (nn.latent.linear_walk, {"a": z[0], "b": z[1], "steps": 3}),
        "spherical_walk": lambda: (nn.latent.spherical_walk, {"a": z[0], "b": z[1], "steps": 3}),
        "input_gradient": lambda: (nn.latent.input_gradient, {"game": gan(), "x": x}),
        "tile": lambda: (plot.tile, {"images": x, "columns": 2, "shape": (2, 2)}),
        "save_sheet": lambda: (plot.save_sheet, {
            "path": folder / "sheet.png", "images": x, "columns": 2, "shape": (2, 2)
        }),
        "plot_losses": lambda: (plot.plot_losses, {
            "history": history, "path": None, "d_chance": 1.0, "g_chance": 1.0
        }),
        "plot_2d": lambda: (plot.plot_2d, {
            "discriminator": None, "real": points, "fake": points, "extent": None, "title": "x"
        }),
        "save_gif": lambda: (plot.save_gif, {
            "path": folder / "a.gif", "frames": [x[:2], x[2:4]], "captions": ["a", "b"]
        }),
        "RunSettings": lambda: (nn.runs.RunSettings, {
            "epochs": 2, "batch_size": 4, "data": "own", "images": 8, "shape": (2, 2), "seed": 0,
            "sample_every": 1, "recipe": "own", "data_dir": "x", "load": {}, "digest": "x",
            "measure_every": 1, "real_scores": {"x": 1.0}, "judges": {"1": "x"},
            "made_with": {"x": "y"},
        }),
        "RunFolder": lambda: (nn.runs.RunFolder, {
            "path": folder / "r", "settings": settings, "sample_every": 1, "shape": (2, 2)
        }),
        "RunFolder.resume": lambda: (nn.runs.RunFolder.resume, {"path": folder / "none"}),
        "Recipe.build": lambda: (recipe.build, {
            "features": 4, "seed": 0, "backend": "numpy", "steps": 3, "classes": None,
        }),
        "MLPGAN": lambda: (_estimator, {
            "epochs": 1, "batch_size": 4, "X": x, "hidden_layer_sizes": (4,), "latent_dim": 2,
            "loss": "hinge", "lr": 0.1, "r1": 0.1, "ema": 0.9, "backend": "numpy",
            "progress": False, "random_state": 0, "conditional": False,
        }),
        "MLPGAN.sample": lambda: (fitted.sample, {"n_samples": 2, "random_state": 0}),
        "MLPGAN.score": lambda: (fitted.score, {"X": x}),
    }  # fmt: skip
    return found | _more_calls(folder, x, z, p, points)


def _more_calls(folder: Path, x: Any, z: Any, p: Any, points: Any) -> dict[str, Callable[[], Any]]:
    """Return the calls of what is less often called."""
    m, plot, inputs = nn.metrics, nn.plotting, nn.game.inputs
    act, penalties = nn.layers.activations, nn.penalties
    D = net(4, 1)
    config = gan().config()
    recipe = nn.recipes.RECIPES["default"]
    judge = m.Judge((np.eye(4, dtype="f4"),) * 2, (np.zeros(4, "f4"),) * 2, 0.9)
    row = {"epoch": 1, "samples": 9, **dict.fromkeys(SCORES, 0.5)}
    row |= {f"{name}_error": 0.1 for name in SCORES}
    walk = np.zeros((2, 3, 4))
    many = 0.5 * np.eye(4, dtype="f4")[np.arange(80) % 4] + np.tile(x, (10, 1)) / 2
    return {
        "Dropout.forward": lambda: (nn.Dropout().forward, {"x": z}),
        "Dropout.backward": lambda: (
            nn.Dropout().backward, {"dy": z}, {"cache": np.ones_like(z)}
        ),
        "Sequential.forward with options": lambda: (D.forward, {"training": True, "key": None},
            {"x": x}),
        "Sequential call": lambda: (D.__call__, {"x": x}),
        "Sequential.to": lambda: (net(3, 2).to, {"backend": "numpy"}),
        "Sequential.from_config": lambda: (nn.Sequential.from_config, {
            "backend": "numpy", "layers": ()}, {"config": D.config()}),
        "Linear alone": lambda: (nn.Linear, {"dtype": "float32"}, {"n_in": 3, "n_out": 2}),
        "BatchNorm alone": lambda: (nn.BatchNorm, {"dtype": "float32"}, {"n": 3}),
        "Rules": lambda: (nn.game.Rules, {
            "loss": "hinge", "k": 1, "pack": 1, "data_range": (0.0, 1.0), "ema": 0.5, "seed": 0,
        }),
        "Prior.quantiles": lambda: (nn.game.Prior("normal", 3).quantiles, {"n": 3}),
        "Game.discriminator_step": lambda: (gan().discriminator_step, {"x": x, "z": z}),
        "Game.discriminator_step with labels": lambda: (
            gan(classes=2).discriminator_step, {"y": np.eye(2, dtype="f4")[[0, 1] * 4]},
            {"x": x, "z": z},
        ),
        "Game.generator_step": lambda: (gan().generator_step, {"z": z}),
        "Game.simultaneous_step": lambda: (gan().simultaneous_step, {"x": x, "z": z}),
        "g_input": lambda: (inputs.g_input, {"z": z}, {"rules": gan().rules, "y": None}),
        "d_input": lambda: (inputs.d_input, {"x": x}, {"rules": gan().rules, "y": None}),
        "GAN.load_with_extra": lambda: (nn.GAN.load_with_extra, {
            "path": folder / "game.npz", "backend": "numpy", "layers": (), "optimizers": ()
        }),
        "GAN.from_config": lambda: (nn.GAN.from_config, {
            "config": config, "backend": "numpy", "layers": (), "optimizers": ()
        }),
        "save": lambda: (nn.checkpoint.save, {
            "game": gan(), "path": folder / "saved.npz", "extra": {"a": 1}
        }),
        "load checkpoint": lambda: (nn.checkpoint.load, {
            "path": folder / "game.npz", "make": nn.GAN.from_config
        }),
        "load_extra": lambda: (nn.checkpoint.load_extra, {"path": folder / "game.npz"}),
        "load_run": lambda: (nn.runs.load_run, {"path": folder / "game.npz", "backend": "numpy"}),
        "fit": lambda: (nn.training.fit, {
            "game": gan(), "x": x, "epochs": 1, "batch_size": 4, "progress": False
        }),
        "relu": lambda: (act.relu, {"x": x}),
        "leaky_relu": lambda: (act.leaky_relu, {"x": x}, {"slope": 0.2}),
        "sigmoid": lambda: (act.sigmoid, {"x": x}),
        "softplus": lambda: (nn.losses.softplus, {"x": x}),
        "zero_centred": lambda: (penalties.zero_centred, {"gamma": 1.0}),
        "one_centred": lambda: (penalties.one_centred, {"weight": 1.0}),
        "assert_gradients": lambda: (_asserted, {"seed": 0, "thorough": False}),
        "get_backend": lambda: (nn.backend.get_backend, {"backend": "numpy"}),
        "fashion_mnist": lambda: (nn.datasets.fashion_mnist, {
            "split": "train", "data_dir": folder, "dtype": "uint8", "progress": False
        }),
        "Recipe.with_lr": lambda: (recipe.with_lr, {"lr": 0.1}),
        "Judge": lambda: (judge.__call__, {"x": x}),
        "quick_scores": lambda: (m.quick_scores, {"samples": many, "test": many, "judge": judge}),
        "all_scores": lambda: (m.all_scores, {
            "samples": many, "train": many, "validation": many, "test": many, "judge": judge
        }),
        "nearest_other": lambda: (m.nearest_other, {"x": x}),
        "parzen_log_likelihood": lambda: (m.parzen_log_likelihood, {
            "samples": x, "validation": x, "test": x, "sigmas": [0.1]
        }),
        "jackknife": lambda: (m.jackknife, {"statistic": np.sum, "parts": [p[0], p[1]]}),
        "judge_path": lambda: (m.judge_path, {"cache_dir": folder}),
        "tile with padding": lambda: (plot.tile, {"images": x, "padding": 1}),
        "save_sheet with scale": lambda: (plot.save_sheet, {
            "path": folder / "sheet.png", "images": x, "scale": 2
        }),
        "save_gif with duration": lambda: (plot.save_gif, {
            "path": folder / "a.gif", "frames": [x[:2], x[2:4]], "duration": 20
        }),
        "plot_2d with arrows": lambda: (plot.plot_2d, {
            "discriminator": None, "real": points, "fake": points, "arrows": points, "path": None
        }),
        "plot_quality": lambda: (plot.plot_quality, {"measured": [row], "path": None, "real": row}),
        "plot_mixtures": lambda: (plot.plot_mixtures, {
            "runs": [points], "real": points, "centers": points[:3], "std": 0.1, "path": None,
            "titles": ["x"], "heading": "x", "radius": 3.0,
        }),
        "plot_walks": lambda: (plot.plot_walks, {
            "walks": {"a": walk}, "path": None, "norms": {"a": walk[:, :, 0]}, "shell": (1.0, 2.0),
            "title": "x", "shape": (2, 2),
        }),
        "plot_atlas": lambda: (plot.plot_atlas, {
            "images": walk, "x": [0, 1, 2], "y": [0, 1], "path": None, "title": "x",
            "labels": ("a", "b"), "shape": (2, 2),
        }),
        "plot_gradients": lambda: (plot.plot_gradients, {
            "groups": {"a": (x, x, x[:, 0])}, "path": None, "title": "x", "label": "x",
            "shape": (2, 2),
        }),
    }  # fmt: skip


def _estimator(
    X: "Array",  # noqa: F821
    epochs: "int",
    batch_size: "int",
    hidden_layer_sizes: "int | Sequence[int]",  # noqa: F821
    latent_dim: "int",
    loss: "str",
    lr: "float",
    r1: "float",
    ema: "float",
    conditional: "bool",
    backend: "str",
    progress: "bool",
    random_state: "int | np.random.RandomState | None",
) -> None:
    """Fit an estimator: scikit-learn's are checked in `fit`, not when they are made."""
    options = {name: value for name, value in locals().items() if name != "X"}
    nn.estimator.MLPGAN(**options).fit(X)


def _network(*layers: "Layer", seed: "int | None" = 0, dtype: "Any" = "float32") -> Any:  # noqa: F821
    """Make a network of some right layers, and others."""
    return nn.Sequential(nn.Linear(3, 2), *layers, seed=seed, dtype=dtype)


def _checked(*inputs: "Array", thorough: "bool", seed: "int") -> Any:  # noqa: F821
    """Check a right layer's gradients."""
    return nn.check_gradients(
        nn.Tanh(), *(inputs or [np.ones((2, 3))]), thorough=thorough, seed=seed
    )


def _asserted(*inputs: "Array", thorough: "bool", seed: "int") -> None:  # noqa: F821
    """Check a right layer's gradients, likewise."""
    nn.assert_gradients(nn.Tanh(), *(inputs or [np.ones((2, 3))]), thorough=thorough, seed=seed)
