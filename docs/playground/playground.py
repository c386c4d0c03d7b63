"""The Python of the playground: a small game that a page plays step by step.

It runs in a web worker, in Pyodide, and everywhere else too. What it returns is made of numbers,
strings and flat float32 arrays, which reach JavaScript as they are.
"""

import linecache
import time
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

import nngan as nn
from nngan.backend import Key, NumpyBackend, Stream
from nngan.datasets import GRID, RING, Mixture
from nngan.game.steps import add_d_gradients
from nngan.layers.activations import sigmoid
from nngan.metrics import count_modes
from nngan.mistakes import MISTAKES
from nngan.training.loop import end_epoch, make_step, resume_epoch
from nngan.training.progress import read_log

BATCH = 128
SAMPLES = 100 * BATCH
VIEW = 1.5  # the plane is shown from -VIEW to VIEW in both directions
HEAT = 40  # points of the heat map along each side
WARP = 13  # lines of the grid of z in each direction
FAKES, ARROWS, IMAGES = 400, 80, 36
SHOWN = 24, 64  # rows and columns of an array in slow motion
# Wider than in the papers, and the grid smaller, so that they are seen in one view.
MIXTURES = {"ring": Mixture(RING.centers, 0.05), "grid": Mixture(GRID.centers / 4, 0.03)}
ACTIVATIONS = {"leaky_relu": lambda: nn.LeakyReLU(0.2), "relu": nn.ReLU, "tanh": nn.Tanh}
DIGITS = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True)
class Options:
    """What a reader can choose; `nngan.GAN` describes the options of the game."""

    data: str = "ring"
    curve: tuple = ()  # x0, y0, x1, y1, ... of the line that was drawn by hand
    seed: int = 0
    depth: int = 2
    width: int = 64
    activation: str = "leaky_relu"
    loss: str = "non_saturating"
    g_lr: float = 1e-3
    d_lr: float = 1e-3
    k: int = 1
    r1: float = 0.1
    label_smoothing: float = 0.0
    mistake: str = ""
    source: str = ""  # of a layer of the reader's own, which replaces the library's


def data_of(options):
    """Return the data: (n, 2) in the plane, or (1797, 64) of the digits."""
    if options.data in MIXTURES:
        return MIXTURES[options.data].sample(SAMPLES, options.seed)[0]
    if options.data == "digits":
        with np.load(DIGITS) as file:
            return (file["x"] / 16).astype(np.float32)
    key, backend = Key(options.seed).fold_in(Stream.DATA), NumpyBackend()
    t = backend.uniform(key.fold_in(0), (SAMPLES,))
    noise = 0.03 * backend.normal(key.fold_in(1), (SAMPLES, 2))
    if options.data == "moons":
        angle, upper = np.pi * t, np.arange(SAMPLES) % 2 == 0
        side = np.where(upper, 1, -1)
        x = np.stack([np.cos(angle) - 0.5 * side, np.sin(angle) - 0.25], axis=1)
        x[:, 1] *= side
        return (0.85 * x + noise).astype(np.float32)
    if options.data == "curve":
        points = np.array(options.curve, np.float64).reshape(-1, 2)
        if len(points) < 2:
            raise ValueError("draw a curve first: press and move over the plane")
        length = np.r_[0, np.hypot(*np.diff(points, axis=0).T).cumsum()]
        if length[-1] == 0:
            raise ValueError("the curve is one point: draw a longer one")
        x = [np.interp(t * length[-1], length, axis) for axis in points.T]
        return (np.stack(x, axis=1) + noise).astype(np.float32)
    raise ValueError(f"data must be ring, grid, moons, curve or digits, got {options.data!r}")


def own_layer(source):
    """Return the layer class that a reader's text defines."""
    names = {"np": np, "nn": nn, "__name__": "editor"}
    linecache.cache["<editor>"] = (len(source), None, source.splitlines(True), "<editor>")
    exec(compile(source, "<editor>", "exec"), names)
    for thing in reversed(names.values()):
        if getattr(thing, "__module__", "") == "editor" and issubclass(thing, nn.Layer):
            return thing
    raise ValueError("the text defines no layer: begin it with class MyLinear(nn.Linear):")


def networks(options, n_data, latent_dim):
    """Return G and D."""
    own = own_layer(options.source) if options.source else None
    linear = own if own and issubclass(own, nn.Linear) else nn.Linear
    activation = ACTIVATIONS[options.activation]
    if own and not issubclass(own, nn.Linear):
        activation = own
    mistake = MISTAKES[options.mistake] if options.mistake else None

    def network(player, n_in, n_out, last, seed):
        layers, width = [], n_in
        for _ in range(options.depth):
            layers += [linear(width, options.width, "he"), activation()]
            width = options.width
        layers += [linear(width, n_out), *last]
        kind = mistake.network if mistake and mistake.player == player else nn.Sequential
        return kind(*layers, seed=seed)

    last = [nn.Sigmoid()] if options.data == "digits" else []
    G = network("G", latent_dim, n_data, last, 3 * options.seed + 1)
    D = network("D", n_data, 1, [], 3 * options.seed + 2)
    return G, D


class Playground:
    """A game, its data, and the pictures of both."""

    def __init__(self, options):
        known = {field.name for field in fields(Options)}
        self.options = options = Options(**{k: v for k, v in options.items() if k in known})
        self.x = data_of(options)
        self.is_plane = options.data != "digits"
        G, D = networks(options, self.x.shape[1], 2 if self.is_plane else 16)
        self.gan = nn.GAN(
            G, D, loss=options.loss, k=options.k, r1=options.r1,
            label_smoothing=options.label_smoothing, seed=3 * options.seed,
            g_optimizer=nn.Adam(options.g_lr, beta1=0.5),
            d_optimizer=nn.Adam(options.d_lr, beta1=0.5),
            check=not options.mistake,
        )  # fmt: skip
        self.per_epoch = len(self.x) // (BATCH * options.k)
        self.order = np.zeros(len(self.x), np.intp)
        self.update = make_step(self.gan, self.x, self.order, BATCH)
        self.done = self.per_epoch  # steps of this epoch: all, so that the first step begins one
        self.steps = 0
        self.losses = []  # of the steps since the last frame

    # -- playing -------------------------------------------------------------------------------

    def step(self):
        """Play one step, as `nngan.training.fit` does."""
        gan = self.gan
        self.begin_epoch()
        with np.errstate(all="ignore"):
            self.update()
        self.done += 1
        self.steps += 1
        self.losses.append(gan.log[self.done - 1].copy())
        read_log(gan, self.done)  # raises an error if a loss is NaN
        if self.done == self.per_epoch:
            end_epoch(gan)

    def begin_epoch(self):
        """Draw a new order of the data if the epoch is over."""
        if self.done == self.per_epoch:
            self.done = resume_epoch(self.gan, self.per_epoch)
            key = Key(self.gan.seed, step=self.gan.epoch).fold_in(Stream.ORDER)
            self.order[...] = self.gan.backend.permutation(key, len(self.order))

    def run(self, seconds, until=0):
        """Play for some time, at least one step; stop at step `until`, if it is given."""
        end = time.perf_counter() + seconds
        while True:
            self.step()
            if time.perf_counter() >= end or self.steps == until:
                return

    # -- pictures ------------------------------------------------------------------------------

    def start(self):
        """Return what stays the same during a game."""
        objective = self.gan.rules.objective
        mistake = MISTAKES[self.options.mistake] if self.options.mistake else None
        return {
            "plane": self.is_plane,
            "view": VIEW,
            "data": flat(self.x[:600] if self.is_plane else self.x[:IMAGES]),
            "modes": len(MIXTURES[self.options.data].centers)
            if self.options.data in MIXTURES
            else 0,
            "d_chance": objective.d_chance,
            "g_chance": objective.g_chance,
            "G": repr(self.gan.G),
            "D": repr(self.gan.D),
            "mistake": mistake.shows if mistake else "",
        }

    def frame(self):
        """Return what is drawn now, and the losses since the last frame."""
        gan = self.gan
        rows, self.losses = self.losses, []
        fakes = gan.sample(FAKES if self.is_plane else IMAGES)
        shown = fakes[:ARROWS] if self.is_plane else fakes
        frame = {
            "step": self.steps,
            "losses": flat(np.array(rows, np.float32)),
            "fakes": flat(fakes),
            "pushes": flat(self.pushes(shown)),
        }
        if self.is_plane:
            frame["outside"] = int((np.abs(fakes).max(axis=1) > VIEW).sum())
            side = np.linspace(-VIEW, VIEW, HEAT, dtype=np.float32)
            plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
            frame["heat"] = flat(sigmoid(gan.D(plane)))
            z = np.linspace(-2, 2, WARP, dtype=np.float32)
            frame["warp"] = flat(gan.G(np.stack(np.meshgrid(z, z), axis=-1).reshape(-1, 2)))
        if self.options.data in MIXTURES:
            found = count_modes(gan.sample(1000), MIXTURES[self.options.data])
            # A lost sample finds no mode: a quarter of its fair share does.
            least = 1000 / len(found.counts) / 4
            frame["found"] = int((found.counts >= least).sum())
            frame["quality"] = found.high_quality
        return frame

    def pushes(self, fakes):
        """Return the direction in which the gradient of G's loss moves each fake: -dL/dx."""
        gan, pairs = self.gan, ()
        if gan.rules.objective.pairs:
            pairs = (gan.D(self.x[: len(fakes)]),)
        logits, cache = gan.D.forward(fakes, training=False)
        dlogits = gan.rules.objective.generator(logits, *pairs)[1]
        return -len(fakes) * gan.D.input_gradient(dlogits, cache)

    # -- slow motion ---------------------------------------------------------------------------

    def slow_step(self):
        """Play one step, and return it line by line with the arrays that each line computed.

        The lines are those of Algorithm 1. They run on a copy of the game; the game itself then
        takes the same step.
        """
        self.begin_epoch()
        gan, k = deepcopy(self.gan), self.gan.k
        rows = self.order[self.done * k * BATCH :].reshape(-1)[: k * BATCH].reshape(k, BATCH)
        for i in range(k - 1):
            gan.discriminator_step(self.x[rows[i]], gan.noise(BATCH, i), i)
        names = {
            "gan": gan, "G": gan.G, "D": gan.D, "loss": gan.rules.objective, "n": BATCH, "k": k,
            "x": self.x[rows[-1]], "add_d_gradients": add_d_gradients,
            "smoothing": gan.label_smoothing, "r1": gan.r1,
            "moved": lambda network, before: network.params - before,
        }  # fmt: skip
        told = []
        for title, line, shown in slow_lines(gan):
            exec(line, names)
            told.append(
                {
                    "title": title,
                    "line": line,
                    "arrays": [picture(name, eval(name, names)) for name in shown],
                }
            )
        self.step()
        return told


def slow_lines(gan):
    """Return the title, the line and the arrays of each part of a step."""
    last = len(gan.D.layers) - 1
    last = next(i for i in range(last, -1, -1) if hasattr(gan.D.layers[i], "dW"))
    d_grads = ["D.layers[0].dW", f"D.layers[{last}].dW"]
    g_grads = ["G.layers[0].dW"]
    pair = ", D(x)" if gan.rules.objective.pairs else ""
    r1 = " R1 is added too: it needs the derivative of a derivative." if gan.r1 else ""
    add = "add_d_gradients(gan, d_loss, {0}_logits, {0}_cache, d_{0}, {1}, accumulate={2})"
    return [
        ("A minibatch of data, and noise", "z = gan.noise(n, k - 1)", ["x", "z"]),
        ("G makes fakes", "fake, _ = G.forward(z)", ["fake"]),
        ("D judges the data", "real_logits, real_cache = D.forward(x)", ["real_logits"]),
        ("D judges the fakes", "fake_logits, fake_cache = D.forward(fake)", ["fake_logits"]),
        (
            "D's loss and its gradient in the logits",
            "d_loss, d_real, d_fake = loss.discriminator(real_logits, fake_logits, smoothing)",
            ["d_loss", "d_real", "d_fake"],
        ),
        (
            "Backward through D, for the data." + r1,
            "d_loss = " + add.format("real", "r1", False),
            d_grads,
        ),
        (
            "Backward through D, for the fakes: added to the gradients of the data",
            "d_loss = " + add.format("fake", "0", True),
            d_grads,
        ),
        (
            "Adam moves D",
            "before = D.params.copy(); gan.d_optimizer.step()",
            ["moved(D, before)"],
        ),
        (
            "New noise, new fakes",
            "z = gan.noise(n, k); fake, g_cache = G.forward(z)",
            ["z", "fake"],
        ),
        (
            "D, which has just moved, judges them",
            "fake_logits, d_cache = D.forward(fake)",
            ["fake_logits"],
        ),
        (
            "G's loss and its gradient in the logits",
            f"g_loss, dlogits = loss.generator(fake_logits{pair})",
            ["g_loss", "dlogits"],
        ),
        (
            "Backward through D to its input: how each fake should change",
            "dfake = D.input_gradient(dlogits, d_cache)",
            ["dfake"],
        ),
        (
            "Backward through G",
            "G.backward(dfake, g_cache, input_grad=False, accumulate=False)",
            g_grads,
        ),
        (
            "Adam moves G",
            "before = G.params.copy(); gan.g_optimizer.step()",
            ["moved(G, before)"],
        ),
    ]


def picture(name, array):
    """Return an array as it is shown: its shape, its range and its first rows and columns.

    Rows of a few numbers are drawn as columns, which takes less room.
    """
    array = np.asarray(array)
    matrix = array.reshape(1, -1) if array.ndim < 2 else array
    if matrix.shape[1] <= 4:
        matrix = matrix.T
    part = matrix[: SHOWN[0], : SHOWN[1]]
    return {
        "name": name,
        "shape": " x ".join(map(str, array.shape)) or "one number",
        "low": float(array.min()),
        "high": float(array.max()),
        "rows": part.shape[0],
        "columns": part.shape[1],
        "values": flat(part),
    }


def flat(array):
    """Return the numbers of an array, row by row, as float32."""
    return np.ascontiguousarray(array, np.float32).reshape(-1)


def check(source):
    """Return the report of `check_gradients` on the layer that a reader's text defines."""
    kind = own_layer(source)
    layer = kind(3, 5) if issubclass(kind, nn.Linear) else kind()
    x = np.random.default_rng(0).standard_normal((4, 3))
    report = nn.check_gradients(layer, x)
    return {"ok": report.ok, "text": str(report)}


LINEAR = '''class MyLinear(nn.Linear):
    """y = x W + b"""

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        x = cache
        if param_grads:
            self.dW += x.T @ dy
            self.db += dy.sum(axis=0)
        return dy @ self.W.T
'''
LEAKY = '''class MyLeakyReLU(nn.LeakyReLU):
    """y = x where x > 0, else slope x"""

    couples_samples = False  # each row of y depends on that row of x alone

    def __init__(self, slope=0.2):
        super().__init__(slope)

    def forward(self, x, training=True, key=None):
        return np.where(x > 0, x, self.slope * x), x

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        x = cache
        return np.where(x > 0, dy, self.slope * dy)
'''
TEXTS = {
    "Linear": LINEAR,
    "Linear, a transpose is missing": LINEAR.replace("self.W.T", "self.W"),
    "Linear, db is a mean": LINEAR.replace("dy.sum", "dy.mean"),
    "Linear, dW is overwritten": LINEAR.replace("self.dW +=", "self.dW[...] ="),
    "LeakyReLU": LEAKY,
    "LeakyReLU, the slope is forgotten": LEAKY.replace("self.slope * dy", "0 * dy"),
}
