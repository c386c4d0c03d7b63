"""Right layers at random, in every style that people write them in.

`draw` makes the source of a file or a notebook. Run as a program, it checks some of them:
``python tests/right_layers.py 2000``.
"""

import json
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import indent

import numpy as np

from nngan.gradcheck import Report, check_gradients
from nngan.gradcheck.process.remote import with_notes
from nngan.gradcheck.styles.made import Settings, Unrecognised
from nngan.gradcheck.styles.make import make
from nngan.gradcheck.styles.source import checkable, load


@dataclass
class Formula:
    """One layer: the statements of both passes, in terms of x, dy and its parameters.

    `forward` sets y; `backward` sets dx and the gradient dP of each parameter P. `kept` are the
    variables that backward needs. `shapes` are the shapes of the parameters.
    """

    name: str
    forward: str
    backward: str
    kept: str = "x"
    shapes: dict = field(default_factory=dict)
    sample: tuple = ()  # the shape of a sample, if it is not a vector of any width
    is_column: bool = False


N_IN, N_OUT = "n_in", "n_out"
LINEAR = Formula(
    "Linear", "y = x @ W + b", "dW = x.T @ dy\ndb = dy.sum(axis=0)\ndx = dy @ W.T",
    shapes={"W": "({i}, {o})", "b": "({o},)"},
)  # fmt: skip
FORMULAS = [
    LINEAR,
    LINEAR,
    Formula("Dense", "y = np.dot(x, W) + b",
            "dW = np.dot(x.T, dy)\ndb = np.sum(dy, axis=0, keepdims=True)\ndx = np.dot(dy, W.T)",
            shapes={"W": "({i}, {o})", "b": "(1, {o})"}),
    Formula("NoBias", "y = x @ W", "dW = x.T @ dy\ndx = dy @ W.T", shapes={"W": "({i}, {o})"}),
    Formula("TorchLinear", "y = x @ W.T + b", "dW = dy.T @ x\ndb = dy.sum(0)\ndx = dy @ W",
            shapes={"W": "({o}, {i})", "b": "({o},)"}),
    Formula("Columns", "y = W @ x + b", "dW = dy @ x.T\ndb = dy.sum(axis=1, keepdims=True)\n"
            "dx = W.T @ dy", shapes={"W": "({o}, {i})", "b": "({o}, 1)"}, is_column=True),
    Formula("Affine2", "y = x.reshape(x.shape[0], -1) @ W + b",
            "dW = x.reshape(x.shape[0], -1).T @ dy\ndb = dy.sum(axis=0)\n"
            "dx = (dy @ W.T).reshape(x.shape)", shapes={"W": "({i}, {o})", "b": "({o},)"}),
    Formula("ReLU", "y = np.maximum(x, 0)", "dx = dy * (x > 0)"),
    Formula("ReLUMask", "mask = x <= 0\ny = x.copy()\ny[mask] = 0",
            "dx = dy.copy()\ndx[mask] = 0", "mask"),
    Formula("LeakyReLU", "y = np.where(x > 0, x, 0.1 * x)", "dx = np.where(x > 0, 1, 0.1) * dy"),
    Formula("Sigmoid", "y = 1 / (1 + np.exp(-x))", "dx = dy * y * (1 - y)", "y"),
    Formula("Tanh", "y = np.tanh(x)", "dx = dy * (1 - y ** 2)", "y"),
    Formula("Softplus", "y = np.log1p(np.exp(x))", "dx = dy / (1 + np.exp(-x))"),
    Formula("ELU", "y = np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)",
            "dx = dy * np.where(x > 0, 1, np.exp(np.minimum(x, 0)))"),
    Formula("Swish", "s = 1 / (1 + np.exp(-x))\ny = x * s", "dx = dy * (s + x * s * (1 - s))",
            "x, s"),
    Formula("Square", "y = x ** 2", "dx = 2 * x * dy"),
    Formula("Logarithm", "y = np.log(x)", "dx = dy / x"),
    Formula("Softmax", "e = np.exp(x - x.max(axis=1, keepdims=True))\n"
            "y = e / e.sum(axis=1, keepdims=True)",
            "dx = y * (dy - (dy * y).sum(axis=1, keepdims=True))", "y", sample=("any",)),
    Formula("SoftmaxLoop", "e = np.exp(x - np.max(x, axis=1, keepdims=True))\n"
            "y = e / np.sum(e, axis=1, keepdims=True)",
            "dx = np.empty_like(dy)\nfor k, (s, d) in enumerate(zip(y, dy)):\n"
            "    s = s.reshape(-1, 1)\n    dx[k] = (np.diagflat(s) - s @ s.T) @ d", "y",
            sample=("any",)),
    Formula("Scale", "y = x * gamma + beta",
            "dgamma = (dy * x).sum(axis=0)\ndbeta = dy.sum(axis=0)\ndx = dy * gamma",
            shapes={"gamma": "({i},)", "beta": "({i},)"}),
    Formula("BatchNorm", "s = np.sqrt(x.var(axis=0) + 1e-5)\nh = (x - x.mean(axis=0)) / s\n"
            "y = gamma * h + beta",
            "dgamma = (dy * h).sum(axis=0)\ndbeta = dy.sum(axis=0)\ng = dy * gamma\n"
            "dx = (g - g.mean(axis=0) - h * (g * h).mean(axis=0)) / s", "s, h",
            shapes={"gamma": "({i},)", "beta": "({i},)"}),
    Formula("LayerNorm", "s = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)\n"
            "h = (x - x.mean(axis=1, keepdims=True)) / s\ny = gamma * h + beta",
            "dgamma = (dy * h).sum(axis=0)\ndbeta = dy.sum(axis=0)\ng = dy * gamma\n"
            "k = (g * h).mean(axis=1, keepdims=True)\n"
            "dx = (g - g.mean(axis=1, keepdims=True) - h * k) / s",
            "s, h", shapes={"gamma": "({i},)", "beta": "({i},)"}),
    Formula("Conv", "n, c, h, v = x.shape\nf = W.shape[0]\ny = np.zeros((n, f, h - 2, v - 2))\n"
            "for i in range(h - 2):\n    for j in range(v - 2):\n"
            "        y[:, :, i, j] = np.tensordot(x[:, :, i:i + 3, j:j + 3], W, "
            "([1, 2, 3], [1, 2, 3])) + b",
            "dx, dW = np.zeros_like(x), np.zeros_like(W)\ndb = dy.sum(axis=(0, 2, 3))\n"
            "for i in range(dy.shape[2]):\n    for j in range(dy.shape[3]):\n"
            "        dW += np.tensordot(dy[:, :, i, j].T, x[:, :, i:i + 3, j:j + 3], 1)\n"
            "        dx[:, :, i:i + 3, j:j + 3] += np.tensordot(dy[:, :, i, j], W, 1)",
            shapes={"W": "({f}, {c}, 3, 3)", "b": "({f},)"}, sample=("c", 6, 6)),
    Formula("MaxPool", "n, c, h, v = x.shape\nblocks = x.reshape(n, c, h // 2, 2, v // 2, 2)\n"
            "y = blocks.max(axis=(3, 5))",
            "mask = blocks == y[:, :, :, None, :, None]\n"
            "dx = (mask * dy[:, :, :, None, :, None]).reshape(x.shape)", "x, blocks, y",
            sample=(3, 6, 6)),
    Formula("AvgPool", "n, c, h, v = x.shape\n"
            "y = x.reshape(n, c, h // 2, 2, v // 2, 2).mean(axis=(3, 5))",
            "dx = dy.repeat(2, axis=2).repeat(2, axis=3) / 4", sample=(3, 6, 6)),
    Formula("Flatten", "y = x.reshape(x.shape[0], -1)", "dx = dy.reshape(x.shape)"),
    Formula("ChannelScale", "y = x * gamma.reshape(1, -1, 1, 1)",
            "dgamma = (dy * x).sum(axis=(0, 2, 3))\ndx = dy * gamma.reshape(1, -1, 1, 1)",
            shapes={"gamma": "({c},)"}, sample=("c", 6, 6)),
]  # fmt: skip
# What a dropout layer draws, it draws in forward.
DROPOUT = Formula("Dropout", "mask = (np.random.rand(*x.shape) > 0.5) / 0.5\ny = x * mask",
                  "dx = dy * mask", "mask")  # fmt: skip
LOSSES = {
    "SoftmaxLoss": (
        "e = np.exp(x - x.max(axis=1, keepdims=True))\np = e / e.sum(axis=1, keepdims=True)\n"
        "rows = np.arange(len(x))\nloss = -np.log(p[rows, t]).mean()",
        "dx = p.copy()\ndx[rows, t] -= 1\ndx /= len(x)", "x, p, rows, t"),
    "OneHotLoss": (
        "e = np.exp(x - x.max(axis=1, keepdims=True))\np = e / e.sum(axis=1, keepdims=True)\n"
        "assert t.shape == x.shape\nloss = -(t * np.log(p)).sum() / len(x)",
        "dx = (p - t) / len(x)", "x, p, t"),
    "MeanSquaredLoss": ("assert x.shape == t.shape\nloss = ((x - t) ** 2).mean()",
                        "dx = 2 * (x - t) / x.size", "x, t"),
    "BinaryCrossEntropyLoss": (
        "assert x.shape == t.shape\nloss = -(t * np.log(x) + (1 - t) * np.log(1 - x)).mean()",
        "dx = (x - t) / (x * (1 - x)) / x.size", "x, t"),
}  # fmt: skip
NAMES = [
    ("forward", "backward"), ("forward_pass", "backward_pass"), ("__call__", "backward"),
    ("feed_forward", "backprop"), ("forwardProp", "backProp"), ("fprop", "bprop"),
    ("forward_propagation", "back_propagation"), ("forward_prop", "backward_prop"),
]  # fmt: skip
IN_NAMES = ["n_in", "in_features", "input_size", "n_inputs", "input_dim", "fan_in", "nin"]
OUT_NAMES = ["n_out", "out_features", "output_size", "n_neurons", "units", "fan_out", "nout"]
STYLES = [
    "ours", "functions", "functions with settings", "state", "output", "params list",
    "params dict", "params in a cache style", "returned", "rate", "notebook", "loss function",
    "loss class", "nnfs loss", "arrays as arguments", "x in backward",
]  # fmt: skip


def draw(rng):
    """Return (text of a file or a notebook, name of what is checked, Settings)."""
    style = str(rng.choice(STYLES))
    is_notebook = style == "notebook"
    if is_notebook:
        style = str(rng.choice([s for s in STYLES if s != "notebook"]))
    if "loss" in style:
        code, name, settings = _loss(style, rng)
    else:
        f = FORMULAS[rng.integers(len(FORMULAS))]
        if style in ("state", "output") and rng.random() < 0.08:
            f = DROPOUT
        if not f.shapes and style in ("params list", "params dict", "params in a cache style",
                                      "rate", "returned", "arrays as arguments"):  # fmt: skip
            f = LINEAR
        if style.startswith("functions"):
            code, name, settings = _functions(f, style, rng)
        else:
            code, name, settings = _class(f, style, rng)
    code = "import numpy as np\n\n\n" + code
    settings.seed = int(rng.integers(1000))
    return (_notebook(code, rng) if is_notebook else code), name, settings


def _class(f, style, rng):
    """Return a class in one of the styles that keep parameters in an object."""
    i, o, c, k = (int(rng.integers(2, 7)) for _ in range(4))
    i_name, o_name = str(rng.choice(IN_NAMES)), str(rng.choice(OUT_NAMES))
    is_image, how, settings = bool(f.sample[1:]), str(rng.choice(["fixed", "default", "args"])), (
        Settings()
    )  # fmt: skip
    size = {"i": i, "o": o, "c": c, "f": k}
    signature = ""
    if f.shapes and how != "fixed" and style != "arrays as arguments":
        pairs = {"i": (i_name, i), "o": (o_name, o)} if not is_image else {
            "c": ("in_channels", c), "f": ("num_filters", k)
        }  # fmt: skip
        used = "".join(f.shapes.values())
        pairs = {key: v for key, v in pairs.items() if "{" + key + "}" in used}
        size |= {key: v[0] for key, v in pairs.items()}
        default = how == "default"
        signature = "".join(f", {n}={v}" if default else f", {n}" for n, v in pairs.values())
        if not default and rng.random() < 0.5:
            settings.args = dict(pairs.values())
    shapes = {p: s.format(**size) for p, s in f.shapes.items()}
    # Names of the parameters, and how both passes reach them and their gradients.
    words = {p: p for p in shapes}
    if style == "output":
        words |= {"W": "weights", "b": "biases"}
    words = {p: words[p] for p in shapes}
    init = [f"self.{words[p]} = np.random.randn(*{s})" for p, s in shapes.items()]
    reach = {p: f"self.{w}" for p, w in words.items()}
    grads = {p: f"self.d{w}" for p, w in words.items()}
    is_list = style == "params in a cache style" and rng.random() < 0.5
    if style == "params list" or is_list:
        arrays = ", ".join(f"np.random.randn(*{s})" for s in shapes.values())
        init = [f"self.params = [{arrays}]",
                "self.grads = [np.zeros_like(p) for p in self.params]"]  # fmt: skip
        reach = {p: f"self.params[{n}]" for n, p in enumerate(shapes)}
        grads = {p: f"self.grads[{n}]" for n, p in enumerate(shapes)}
    elif style in ("params dict", "params in a cache style"):
        arrays = ", ".join(f"{p!r}: np.random.randn(*{s})" for p, s in shapes.items())
        init = [f"self.params = {{{arrays}}}", "self.grads = {}"]
        reach = {p: f"self.params[{p!r}]" for p in shapes}
        grads = {p: f"self.grads[{p!r}]" for p in shapes}
    elif style == "arrays as arguments":
        signature = "".join(f", {p}" for p in shapes)
        init = [f"self.{p} = {p}" for p in shapes]
    if style == "ours":
        init += [f"{grads[p]} = np.zeros_like({reach[p]})" for p in shapes]
    elif rng.random() < 0.3 and style in ("state", "arrays as arguments"):
        init += [f"{grads[p]} = None" for p in shapes]
    if is_image and rng.random() < 0.3 and not f.shapes:
        init.append("self.input_shape = (3, 6, 6)")
        f.sample[0] == 3 or init.pop()
    take = "".join(f"{p} = {r}\n" for p, r in reach.items())
    x = {"output": "inputs"}.get(style, str(rng.choice(["x", "x", "X", "inputs"])))
    dy = {"output": "dvalues"}.get(style, str(rng.choice(["dy", "dout", "grad_output", "delta"])))
    begin = f"x = {x}\n" if x != "x" else ""
    local = f"dy = {dy}\n" if dy != "dy" else ""
    caches = style in ("ours", "params in a cache style", "returned") and not (
        style == "returned" and rng.random() < 0.5
    )  # fmt: skip
    kept = f.kept.split(", ")
    names = NAMES[rng.integers(len(NAMES))] if rng.random() < 0.4 else NAMES[0]
    training = str(rng.choice(["", "", ", training", ", train_flg=True"]))
    if style == "ours":
        training = ""
    forward = begin + take + f.forward + "\n"
    if caches:
        forward += f"return y, ({f.kept},)\n"
        backward = local + take + f"({f.kept},) = cache\n" + f.backward + "\n"
        head = f"self, {dy}, cache"
    else:
        forward += "".join(f"self.{_attribute(k, style)} = {k}\n" for k in kept)
        forward += "self.output = y\n" if style == "output" else "return y\n"
        own = "".join(f"{k} = self.{_attribute(k, style)}\n" for k in kept)
        backward = local + take + own + f.backward + "\n"
        head = f"self, {dy}" + (", learning_rate" if style == "rate" else "")
        if style == "x in backward" and kept == ["x"]:
            head = f"self, x, {dy}"
            backward = local + take + f.backward + "\n"
    ends = {"rate": "{p} -= learning_rate * d{n}\n", "ours": "{g} += d{n}\n"}
    setting = {"params list": str(rng.choice(["{g}[...] = d{n}\n", "{g} = d{n}\n"]))}
    line = ends.get(style) or setting.get(style) or str(
        rng.choice(["{g} = d{n}\n", "{g} = d{n}.copy()\n"])
    )  # fmt: skip
    if style != "returned":
        backward += "".join(line.format(p=reach[p], g=grads[p], n=p) for p in shapes)
        backward += "self.dinputs = dx\n" if style == "output" else "return dx\n"
    elif rng.random() < 0.5:
        backward += f"return dx, {', '.join(f'd{p}' for p in shapes)}\n"
    else:
        pairs = ", ".join(f"'d{p}': d{p}" for p in shapes)
        backward += f"return {{'dx': dx, {pairs}}}\n"
    name = f.name if rng.random() < 0.8 else f"My{f.name}"
    code = f"class {name}:\n"
    if init or signature:
        body = "\n".join(init) or "pass"
        code += f"    def __init__(self{signature}):\n{indent(body, ' ' * 8)}\n\n"
    code += f"    def {names[0]}(self, {x}{training}):\n{indent(forward, ' ' * 8)}\n"
    code += f"    def {names[1]}({head}):\n{indent(backward, ' ' * 8)}"
    if is_image and f.shapes == {}:
        settings.shape = (3, 6, 6) if rng.random() < 0.3 else None
    elif not f.shapes and not f.sample and rng.random() < 0.5:
        settings.shape = [(3,), (3, 4, 4), (6,)][rng.integers(3)]
    return code, name, settings


def _attribute(name, style):
    return {"x": "inputs", "y": "output"}.get(name, name) if style == "output" else name


def _functions(f, style, rng):
    """Return a pair of functions."""
    stem = str(rng.choice([f.name.lower(), "layer", f"my_{f.name.lower()}"]))
    words = {p: {"W": "w"}.get(p, p) for p in f.shapes}
    arguments = ["x", *words.values()]
    take = "".join(f"{p} = {w}\n" for p, w in words.items() if p != w)
    scale = ""
    if style == "functions with settings":
        arguments.append("conv_param" if f.sample[1:] else "bn_param")
        key = "stride" if f.sample[1:] else "eps"
        take += f"unused = {arguments[-1]}['{key}']\n"
        scale = f"param = {arguments[-1]}\nparam['calls'] = param.get('calls', 0) + 1\n"
    kept = [*f.kept.split(", "), *(p for p in f.shapes)]
    kept = list(dict.fromkeys(kept))
    dy = str(rng.choice(["dout", "dy", "dZ"]))
    forward = take + scale + f.forward + f"\nreturn y, ({', '.join(kept)},)\n"
    backward = (f"dy = {dy}\n" if dy != "dy" else "") + f"({', '.join(kept)},) = cache\n"
    backward += f.backward + "\n"
    results = ["dx", *(f"d{p}" for p in f.shapes)]
    backward += f"return {', '.join(results)}\n"
    code = f"def {stem}_forward({', '.join(arguments)}):\n{indent(forward, '    ')}\n\n"
    code += f"def {stem}_backward({dy}, cache):\n{indent(backward, '    ')}"
    return code, stem, Settings()


def _loss(style, rng):
    """Return a loss: a function, a class with state, or one as in nnfs."""
    name = str(rng.choice(list(LOSSES)))
    forward, backward, kept = LOSSES[name]
    if style == "loss function":
        stem = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)[1:]
        body = f"{forward}\n{backward}\nreturn loss, dx\n"
        return f"def {stem}(x, t):\n{indent(body, '    ')}", stem, Settings()
    keeping = "".join(f"self.{k} = {k}\n" for k in kept.split(", "))
    taking = "".join(f"{k} = self.{k}\n" for k in kept.split(", "))
    target = str(rng.choice(["t", "y_true", "target"]))
    begin = f"t = {target}\n" if target != "t" else ""
    if style == "loss class":
        one = str(rng.choice(["self, dout=1", "self", "self, dout"]))
        scale = "dx = dx * dout\n" if "dout" in one else ""
        code = f"class {name}:\n    def forward(self, x, {target}):\n"
        code += indent(f"{begin}{forward}\n{keeping}return loss\n", " " * 8)
        code += f"\n    def backward({one}):\n"
        code += indent(f"{taking}{backward}\n{scale}return dx\n", " " * 8)
        return code, name, Settings()
    name = "Loss_CategoricalCrossentropy"
    code = (
        f"class {name}:\n"
        "    def forward(self, y_pred, y_true):\n"
        "        p = np.clip(y_pred, 1e-7, 1 - 1e-7)\n"
        "        if len(y_true.shape) == 1:\n"
        "            return -np.log(p[range(len(p)), y_true])\n"
        "        return -np.log(np.sum(p * y_true, axis=1))\n\n"
        "    def backward(self, dvalues, y_true):\n"
        "        if len(y_true.shape) == 1:\n"
        "            y_true = np.eye(len(dvalues[0]))[y_true]\n"
        "        self.dinputs = -y_true / dvalues / len(dvalues)\n"
    )
    return code, name, Settings()


def _notebook(code, rng):
    """Return the code as a notebook, with magics, plots, and a cell that fails."""
    cells = ["%matplotlib inline\n!pip install numpy\n" + code.split("\n\n\n", 1)[0]]
    cells.append("undefined_name + 1" if rng.random() < 0.5 else "data = !ls\nnp.random?")
    cells.append(code.split("\n\n\n", 1)[1])
    cells.append("%%bash\nls")
    cells.append("raise SystemExit('trains for hours')")
    book = [{"cell_type": "markdown", "metadata": {}, "source": ["# Homework"]}]
    for cell in cells:
        source = cell.splitlines(True) if rng.random() < 0.5 else cell
        book.append({"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [],
                     "source": source})  # fmt: skip
    return json.dumps({"cells": book, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def check(text, name, settings, folder):
    """Check a drawn layer in this process; return its report."""
    return check_all(text, settings, folder, [name])[name]


def check_all(text, settings, folder, names=None):
    """Check some names of a file in this process, or all; return their reports."""
    file = Path(folder) / ("layer.ipynb" if text.startswith("{") else "layer.py")
    file.write_text(text, encoding="utf-8")
    path, state = sys.path.copy(), np.random.get_state()  # noqa: NPY002
    np.random.seed(settings.seed)  # noqa: NPY002
    try:
        things = checkable(load(file))
        return {name: _report(things[name], settings) for name in names or things}
    finally:
        sys.path[:] = path
        np.random.set_state(state)  # noqa: NPY002
        for module in [m for m in sys.modules.values() if getattr(m, "__file__", "") == str(file)]:
            del sys.modules[module.__name__]


def _report(thing, settings):
    try:
        made = make(thing, settings)
    except Unrecognised as error:
        return Report(thing.name, [], [error.finding], "")
    options = {"accumulate": made.accumulate, "seed": settings.seed}
    report = check_gradients(made.target, *made.inputs, **options)
    return with_notes(replace(report, name=thing.name), made.notes, made.input_note)


def alarms(n, seed, folder):
    """Yield the text and the report of each right layer out of n that is not graded right."""
    for k in range(n):
        text, name, settings = draw(np.random.default_rng([seed, k]))
        try:
            report = check(text, name, settings, folder)
        except BaseException as error:
            yield k, text, f"{type(error).__name__}: {error}"
        else:
            if not report.ok:
                yield k, text, str(report)


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as temporary:
        found = list(alarms(n, int(sys.argv[2]) if len(sys.argv) > 2 else 0, temporary))
    for k, text, report in found[:20]:
        print(f"--- {k}\n{text}\n{report}\n")
    print(f"{n} right layers checked: {len(found)} false alarms.")
