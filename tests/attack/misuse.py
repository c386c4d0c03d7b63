"""Wrong values for every argument of the public constructors, functions and methods.

The annotation of an argument says which values are wrong for certain: these must raise ValueError
or TypeError. Whatever is raised comes from a `raise` of the library, and names the argument. A
value that is only odd may be accepted.
"""

import contextlib
import dis
import inspect
import io
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nngan as nn
import nngan.estimator
import nngan.latent
import nngan.metrics
import nngan.plotting
import nngan.recipes
import nngan.runs
from nngan.datasets import DatasetError

from .campaign import main
from .guard import TooSlow, Watched, place

RAGGED = [[1.0, 2.0], [3.0]]
OBJECT = object()


class Value(NamedTuple):
    """A wrong value: for certain, or only an odd one."""

    make: Callable[[], Any]
    certain: bool = True


def values(*wrong: Any, odd: tuple[Any, ...] = ()) -> list[Value]:
    return [Value(lambda v=v: v) for v in wrong] + [Value(lambda v=v: v, False) for v in odd]


# By a word in the annotation; the first that is found counts.
WRONG: dict[str, list[Value]] = {
    "Array": values(
        "x",
        OBJECT,
        RAGGED,
        [["a", "b"]],
        {"a": 1},
        len,
        [None],
        np.array([1j, 2j]),
        np.array([[OBJECT]]),
        np.array(["x"]),
        1j,
        odd=(
            np.zeros((0, 3)),
            np.zeros((2, 2, 2, 2)),
            np.float64(1),
            np.nan,
            np.array([[np.nan]]),
            np.array([[np.inf, 1]]),
            np.zeros((3, 0)),
            np.array([True]),
            -1,
            [],
            np.zeros((1, 1)),
        ),
    ),
    "PathLike": values(
        5, OBJECT, [], 1.5, odd=("", "\0", "a" * 5000, "/dev/full", "no/such", b"x")
    ),
    "bool": values("x", [], OBJECT, 2, "False", odd=(0, 1, np.bool_(1))),
    "int": values(
        "x",
        1.5,
        float("nan"),
        [],
        {},
        OBJECT,
        1j,
        [1],
        np.array([1, 2]),
        b"1",
        odd=(-1, 0, 10**40, True, 2.0, float("inf"), np.int64(3)),
    ),
    "float": values(
        "x",
        float("nan"),
        [],
        {},
        OBJECT,
        1j,
        [1],
        b"1",
        odd=(-1.0, 0.0, float("inf"), 10**400, True, 1e308, 1e-320),
    ),
    "str": values(5, [], OBJECT, b"x", 1.5, {}, odd=("", "x", "é\0")),
    "tuple": values(5, "x", OBJECT, [OBJECT], {}, odd=((), (1,), (0, 0), (1, -1), (None, None))),
    "Sequence": values(5, OBJECT, [OBJECT], 1.5, odd=([], "x", {}, [None], [-1], [[]])),
    "Mapping": values(5, OBJECT, "x", [1], odd=({}, {"x": 1}, {1: 2})),
    "dict": values(5, OBJECT, "x", [1], odd=({}, {"x": 1}, {1: 2})),
    "Callable": values(5, "x", [], odd=()),
}
# Objects of the library and everything else.
OTHERS = values(5, "x", OBJECT, [], {}, 1.5, len, int)


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
            "path": folder / "x.npy", "key": None, "shape": (2, 2), "size": 2, "grey": False
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
            "sample_every": 1, "recipe": "own",
        }),
        "RunFolder": lambda: (nn.runs.RunFolder, {"path": folder / "r", "settings": settings}),
        "RunFolder.resume": lambda: (nn.runs.RunFolder.resume, {"path": folder / "none"}),
        "Recipe.build": lambda: (recipe.build, {
            "features": 4, "seed": 0, "backend": "numpy", "steps": 3
        }),
        "MLPGAN": lambda: (_estimator, {
            "epochs": 1, "batch_size": 4, "X": x,
        }),
    }  # fmt: skip
    return found


CONSTRUCTORS = (
    "Linear", "LeakyReLU", "BatchNorm", "Maxout", "Dropout", "Sequential", "SGD", "Adam", "GAN",
    "Mixture", "RunSettings", "RunFolder", "MLPGAN",
)  # fmt: skip
PASSES = ("bce", "bce_with_logits", "r1", "r2", "gradient_penalty", "input_gradient")


def group(name: str) -> str:
    """Return the group of a callable, as --only names it."""
    if name in CONSTRUCTORS:
        return "constructors"
    if name.startswith(("GAN.", "RunFolder.", "Recipe.")):
        return "games"
    return "passes" if name in PASSES or name.endswith("ward") else "functions"


def _estimator(X: "Array", epochs: "int", batch_size: "int") -> None:  # noqa: F821
    """Fit an estimator: scikit-learn's are checked in `fit`, not when they are made."""
    nn.estimator.MLPGAN(epochs=epochs, batch_size=batch_size).fit(X)


def _network(*layers: "Layer", seed: "int | None" = 0, dtype: "Any" = "float32") -> Any:  # noqa: F821
    """Make a network of some right layers, and others."""
    return nn.Sequential(nn.Linear(3, 2), *layers, seed=seed, dtype=dtype)


def _checked(*inputs: "Array", thorough: "bool", seed: "int") -> Any:  # noqa: F821
    """Check a right layer's gradients."""
    return nn.check_gradients(
        nn.Tanh(), *(inputs or [np.ones((2, 3))]), thorough=thorough, seed=seed
    )


def is_ours(error: BaseException) -> bool:
    """Tell whether an exception was raised by a `raise` of the library."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or f"{os.sep}nngan{os.sep}" not in trace.tb_frame.f_code.co_filename:
        return False
    for instruction in dis.get_instructions(trace.tb_frame.f_code):
        if instruction.offset == trace.tb_lasti:
            return instruction.opname in ("RAISE_VARARGS", "RERAISE")
    return False


def judged(watched: Watched, make: Callable[[], Any], name: str, value: Value) -> str:
    """Call with one wrong value; return what is wrong with the answer."""
    function, arguments, *fixed = make()
    arguments = {**arguments, **(fixed[0] if fixed else {})}
    wrong = value.make()
    raised: list[BaseException] = []

    def call() -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # what `fit` prints
                if name.startswith("*"):
                    function(wrong, **arguments)
                else:
                    function(**{**arguments, name: wrong})
        except TooSlow:
            raise
        except BaseException as error:
            raised.append(error)

    if said := watched.call(call, ()):
        return said
    if not raised:
        return "no error" if value.certain else ""
    error = raised[0]
    if isinstance(error, OSError | TypeError | ValueError) and name in ("path", "data_dir"):
        return ""  # Python's and the system's own words say what is wrong with a path
    if not isinstance(error, ValueError | TypeError | DatasetError):
        return f"{type(error).__name__} from {place(error)} | {error}"
    if not is_ours(error):
        return f"not our sentence, {type(error).__name__} from {place(error)} | {error}"
    words = {name.strip("*s"), name.replace("_", " ")}
    if value.certain and not any(word in str(error) for word in words):
        return f"a sentence without the argument's name, from {place(error)} | {error}"
    return ""


def wrong_values(annotation: object, default: object) -> list[Value]:
    """Return the values that an annotation forbids."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    several = [kind for kind in WRONG if kind.lower() in str(text).lower()]
    chosen = WRONG[several[0]] if several else OTHERS
    if len(several) > 1 or "Labels" in text or "dtype" in text.lower():
        chosen = [value._replace(certain=False) for value in chosen]
    if "None" not in text and default is not None:
        chosen = [*chosen, Value(lambda: None)]
    return chosen


def tries(seed: int, folder: Path, only: str | None) -> Iterator[str]:
    """Try every wrong value for every argument once, in a random order."""
    rng = random.Random(seed)
    os.chdir(folder)
    watched, todo = Watched(), []
    for name, make in calls(folder).items():
        if only not in (None, group(name)):
            continue
        function, arguments, *fixed = make()
        with contextlib.redirect_stdout(io.StringIO()):
            if name not in REFUSED:
                function(**arguments, **(fixed[0] if fixed else {}))
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind == parameter.VAR_POSITIONAL:
                wrong = wrong_values(parameter.annotation, "")
                todo += [(name, make, f"*{parameter.name}", value) for value in wrong]
            elif parameter.name in arguments:
                wrong = wrong_values(parameter.annotation, parameter.default)
                if parameter.name == "epochs":  # so many would really be trained
                    wrong = [value for value in wrong if value.certain]
                todo += [(name, make, parameter.name, value) for value in wrong]
    rng.shuffle(todo)
    for name, make, argument, value in todo:
        said = judged(watched, make, argument, value)
        kind, _, message = said.partition(" | ")
        how = f"{name}({argument}={value.make()!r:.80}) {message[:200]}"
        yield f"{kind} in {name}({argument}) | {how}" if said else ""


REFUSED = ("read_idx", "mnist", "RunFolder.resume")  # right calls that find no file

if __name__ == "__main__":
    main("misuse", tries, ("constructors", "games", "passes", "functions"))
