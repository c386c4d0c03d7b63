"""Guesses for what a student's code does not say: arguments of a class, the shape of its input.

Every guess is said in a note, with the option that replaces it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import numpy as np

from ...backend import Array
from ..sayings import DEFAULT, KERNEL, say
from .adapters import TRAINING, arguments, is_required, normal, pass_names, returns_several

N_IN, N_OUT, CHANNELS, FILTERS, SIDE = 4, 3, 4, 2, 6
WIDTHS = {"nin", "nx", "infeatures", "ninputs", "numinputs", "inputsize", "insize", "inputdim",
          "indim", "inputdims", "indims", "inputfeatures", "fanin", "inputunits", "inputwidth",
          "inwidth", "nfeatures", "numfeatures", "features", "featuresize", "dim", "ndim", "d",
          "size", "width", "inputs", "din", "inputnodes", "innodes", "units_in", "dimin",
          "normalizedshape", "embeddim", "numunits", "ninput", "numinput", "infeature"}  # fmt: skip
OUT_WIDTHS = {"nout", "ny", "outfeatures", "noutputs", "numoutputs", "outputsize", "outsize",
              "outputdim", "outdim", "outputdims", "outdims", "outputfeatures", "fanout",
              "outputunits", "nneurons", "numneurons", "neurons", "units", "nunits", "outputs",
              "dout", "outputnodes", "outnodes", "hidden", "hiddensize", "hiddendim", "nhidden",
              "hiddenunits", "nh", "m", "dimout", "outwidth", "noutput", "numoutput"}  # fmt: skip
IN_CHANNELS = {"inchannels", "inputchannels", "channelsin", "numchannels", "nchannels", "channels",
               "cin", "inc", "nc", "inputdepth", "depthin", "inch"}  # fmt: skip
OUT_CHANNELS = {"outchannels", "outputchannels", "channelsout", "numfilters", "nfilters",
                "filters", "cout", "outc", "numkernels", "nkernels", "outputdepth", "depth",
                "filternum", "outch", "kernels"}  # fmt: skip
SHAPES = {"inputshape", "inshape", "shapein", "xshape", "inputdimension", "inputdimensions"}
VALUES: dict[str, Any] = {
    **dict.fromkeys(WIDTHS, N_IN), **dict.fromkeys(OUT_WIDTHS, N_OUT),
    **dict.fromkeys(IN_CHANNELS, CHANNELS), **dict.fromkeys(OUT_CHANNELS, FILTERS),
    **dict.fromkeys(SHAPES, (CHANNELS, SIDE, SIDE)), **dict.fromkeys(TRAINING, True),
    **dict.fromkeys(("kernelsize", "filtersize", "kernel", "k", "f", "ksize", "kh", "kw", "hf",
                     "wf", "filterheight", "filterwidth", "kernelheight", "kernelwidth"), 3),
    **dict.fromkeys(("poolsize", "poolh", "poolw", "poolheight", "poolwidth", "ph", "pw", "pool",
                     "scale", "scalefactor", "factor", "groups", "g", "numgroups"), 2),
    **dict.fromkeys(("stride", "strides", "s"), 1), **dict.fromkeys(("pad", "padding"), 1),
    **dict.fromkeys(("slope", "negativeslope", "negslope", "leak", "alpha", "leakyslope"), 0.1),
    **dict.fromkeys(("p", "rate", "ratio", "droprate", "dropout", "dropoutratio", "dropoutrate",
                     "prob", "keepprob", "pdrop"), 0.5),
    **dict.fromkeys(("eps", "epsilon"), 1e-5), **dict.fromkeys(("momentum", "decay"), 0.9),
    **dict.fromkeys(("lr", "learningrate"), 0.1), "beta": 1.0, "seed": 0, "bias": True,
    "usebias": True, "name": "layer", "std": 0.1, "weightscale": 0.1, "axis": -1, "mode": "train",
    "reg": 0.1, "dtype": np.float64,
}  # fmt: skip
STEPS = {"stride", "strides", "pad", "padding", "dilation"}  # settings of a convolution
WEIGHTS = {"w", "weight", "weights", "theta", "kernel", "wx", "wxh"}
BIASES = {"b", "bias", "biases"}
RECURRENT = {"wh", "whh", "u", "waa"}
SCALES = {"gamma", "beta", "scale", "shift"}


# Names that mean the same.
ROLES = (WIDTHS, OUT_WIDTHS, IN_CHANNELS, OUT_CHANNELS)


def translated(
    cls: Any, given: dict[str, Any], sizes: tuple[int, int] | None
) -> tuple[dict[str, Any], list[str]]:
    """Return arguments under the names that a class or function has for them, and notes.

    A name that is not there is another name of the same meaning (`in_features` for `n_in`), or else
    that of the next argument that must be given.
    """
    parameters = arguments(cls) or []
    names = {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        return given, []
    found, notes = {k: v for k, v in given.items() if k in names}, []
    for k, value in ((k, v) for k, v in given.items() if k not in names):
        role = next((r for r in ROLES if normal(k) in r), None)
        free = [p for n, p in names.items() if n not in found]
        same = [p for p in free if role and normal(p.name) in role]
        same += [
            p for p in free
            if is_required(p) and inspect.isclass(cls)
            and normal(p.name) not in WEIGHTS | BIASES | SCALES | RECURRENT
            and not (role and normal(p.name) in VALUES)
        ]  # fmt: skip
        if same:
            found[same[0].name] = value
            notes.append(say("passed", name=k, name2=same[0].name))
        elif sizes is None or role not in ROLES[:2]:  # the sizes of arrays that are guessed
            notes.append(say("no argument", name=k, name2=cls.__name__))
    return found, notes


def sizes_of(given: dict[str, Any]) -> tuple[int, int] | None:
    """Return the numbers of inputs and outputs in arguments, if they are there."""
    sizes: list[int | None] = [
        next((v for k, v in given.items() if normal(k) in role and is_size(v)), None)
        for role in ROLES[:2]
    ]
    return None if sizes == [None, None] else (sizes[0] or N_IN, sizes[1] or N_OUT)


def argument_sets(
    cls: type,
    given: dict[str, Any],
    rng: np.random.Generator,
    sizes: tuple[int, int] | None = None,
) -> Iterator[Any]:
    """Yield sets of arguments for a class: those given, and guesses for the others it must have.

    `sizes` are the numbers of inputs and outputs.

    Raises
    ------
    KeyError
        With the name of an argument for which there is no guess.
    """
    parameters = arguments(cls) or []
    takes_any = any(p.kind == p.VAR_KEYWORD for p in parameters)
    names = {p.name for p in parameters}
    chosen = {k: v for k, v in given.items() if k in names or takes_any}
    missing = [p for p in parameters if is_required(p) and p.name not in chosen]
    wanted = {normal(p.name) for p in missing}
    n_in, n_out = sizes or (N_IN, N_OUT)
    options: list[list[Any]] = []
    for p in missing:
        name = normal(p.name)
        if name in RECURRENT:
            options.append([rng.standard_normal((n_out, n_out))])
        elif name in WEIGHTS | BIASES | SCALES and wanted & (WEIGHTS | {"gamma"}):
            options.append(list(_array_guesses(name, n_in, n_out, rng)))
        elif name in WIDTHS | OUT_WIDTHS:
            options.append([n_in if name in WIDTHS else n_out])
        elif name in VALUES:
            options.append([VALUES[name]])
        elif name == "rng":
            options.append([np.random.default_rng(0)])
        elif p.annotation in (float, "float"):
            options.append([0.5])
        else:
            raise KeyError(p.name)
    # Arrays are guessed together: the first of each, then the second of each.
    depth = max(map(len, options), default=1)
    rows = [[o[min(i, len(o) - 1)] for o in options] for i in range(depth)]
    rows += [list(row) for row in islice(product(*options), 30)] if depth > 1 else []
    for row in rows:
        yield chosen | {p.name: value for p, value in zip(missing, row, strict=True)}


def other_arguments(cls: type, given: dict[str, Any]) -> list[tuple[str, int]]:
    """Return arguments with which a class is worth a second object, one at a time.

    These are another number of outputs, as many outputs as inputs, and another stride.
    """
    values = {
        p.name: given.get(p.name, VALUES.get(normal(p.name)) if is_required(p) else p.default)
        for p in arguments(cls) or []
    }
    sizes = {k: v for k, v in values.items() if type(v) is int}
    n_in = [v for k, v in sizes.items() if normal(k) in WIDTHS]
    others = []
    for name, value in sizes.items():
        if normal(name) in OUT_WIDTHS - {"m"}:
            others += [(name, value + 2), *((name, n) for n in n_in[:1] if n != value)]
        elif normal(name) in STEPS and name not in given:
            others.append((name, 2 if value == 1 else 1))
    return others


def _array_guesses(name: str, n_in: int, n_out: int, rng: np.random.Generator) -> list[Array]:
    if name in WEIGHTS:
        shapes: list[tuple[int, ...]] = [
            (n_in, n_out), (FILTERS, CHANNELS, 3, 3), (n_out, n_in),
        ]  # fmt: skip
    elif name in BIASES:
        shapes = [(n_out,), (FILTERS,), (n_out, 1), (1, n_out)]
    else:
        shapes = [(n_in,), (CHANNELS,), (n_in, 1), (1, n_in)]
    return [rng.standard_normal(shape) for shape in shapes]


def call_text(name: str, values: dict[str, Any]) -> str:
    """Return the call that created an object, for a note."""
    words = [f"{k}={_text(v)}" for k, v in values.items()]
    return f"{name}({', '.join(words)})"


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if value is ...:
        return "..."
    return "default_rng(0)" if isinstance(value, np.random.Generator) else repr(value)


# -- the shape of the input -----------------------------------------------------------------------


def input_shapes(
    layer: Any, sample: tuple[int, ...] | None, batch: int | None
) -> Iterator[tuple[tuple[int, ...], int, str]]:
    """Yield shapes for x, the likely ones first, with the axis of the samples and the source.

    `sample` is the shape of one sample and `batch` the number of samples, if they were given.
    """
    seen = set()
    for shape, source in _samples(layer, sample):
        small = len(shape) > 2  # images: a loop in Python visits every pixel
        n = batch or (next(k for k in ((2, 3) if small else (5, 7)) if k not in shape))
        forms = [((n, *shape), 0), ((*shape, n), len(shape))]
        for form, axis in forms if len(shape) == 1 and source != KERNEL else forms[:1]:
            if form not in seen:
                seen.add(form)
                yield form, axis, source
    for shape, source in _samples(layer, sample):  # one sample, without an axis for it
        if sample is not None or len(shape) <= 3:
            yield shape, -1, source


def _samples(layer: Any, sample: tuple[int, ...] | None) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield shapes of one sample, and their sources."""
    if sample is not None:
        yield sample, "--shape"
        return
    named = attributes_of(layer)
    for name, value in named:
        is_shape = isinstance(value, tuple | list) and value and all(map(is_size, value[1:]))
        if normal(name) in SHAPES and is_shape:
            shape = tuple(int(v) for v in value if is_size(v))
            yield shape, name
            if len(shape) > 1:
                yield shape[1:], name
        if normal(name) in WIDTHS | SHAPES and is_size(value):
            yield (int(value),), name
    for name, value in named:
        if normal(name) in IN_CHANNELS and is_size(value):
            yield from _images(int(value), name)
    arrays = [(name, a) for name, a in named if isinstance(a, np.ndarray)]
    for name, a in arrays:
        if a.ndim == 2:
            yield from (((k,), f"{name}.shape[{i}]") for i, k in enumerate(a.shape) if k > 1)
        elif a.ndim == 4:
            yield from _images(a.shape[1], f"{name}.shape[1]")
            yield from _images(a.shape[2], f"{name}.shape[2]")
        elif a.ndim == 3:
            yield (a.shape[1], 8), f"{name}.shape[1]"
            yield (8, a.shape[1]), f"{name}.shape[1]"
    for name, a in arrays:
        if a.ndim == 1 and a.size > 1 and normal(name) in WEIGHTS:
            yield (2 * len(a) + 3,), KERNEL
    for name, a in arrays:
        if a.ndim == 1 and a.size > 1:
            yield (len(a),), f"{name}.shape[0]"
            yield from _images(len(a), f"{name}.shape[0]")
        elif a.ndim == 4 and a.size == a.shape[1] > 1:  # gamma of shape (1, C, 1, 1)
            yield from _images(a.shape[1], f"{name}.shape[1]")
    yield (N_IN,), DEFAULT
    yield from _images(CHANNELS, DEFAULT)
    yield (SIDE, SIDE), DEFAULT
    yield (CHANNELS, 8), DEFAULT


def _images(channels: int, source: str) -> Iterator[tuple[tuple[int, ...], str]]:
    for side in (SIDE, 8, 7, 5):
        yield (channels, side, side), source
    for side in (SIDE, 8, 7):
        yield (side, side, channels), source


def is_size(value: Any) -> bool:
    """Whether a value can be the length of an axis."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def attributes_of(thing: Any, prefix: str = "", depth: int = 3) -> list[tuple[str, Any]]:
    """Return the attributes of an object, and of what it contains, with their names."""
    found: list[tuple[str, Any]] = []
    for name, value in _items(thing):
        label = f"{prefix}[{name!r}]" if isinstance(thing, dict | list | tuple) else name
        found.append((label if prefix else name, value))
        inside = isinstance(value, dict | list | tuple) or hasattr(value, "__dict__")
        if depth and inside and not inspect.isroutine(value) and not inspect.isclass(value):
            found += attributes_of(value, label, depth - 1)
    return found


def _items(thing: Any) -> list[tuple[Any, Any]]:
    if isinstance(thing, dict):
        return list(thing.items())
    if isinstance(thing, list | tuple):
        return list(enumerate(thing))
    slots = [s for kind in type(thing).__mro__ for s in getattr(kind, "__slots__", ())]
    own = {**{s: getattr(thing, s) for s in slots if isinstance(s, str) and hasattr(thing, s)}}
    own |= getattr(thing, "__dict__", {})
    shared = {
        k: v
        for kind in type(thing).__mro__[:-1]
        for k, v in vars(kind).items()
        if not k.startswith("__") and isinstance(v, np.ndarray | int | tuple)
    }
    return list({**own, **{k: v for k, v in shared.items() if k not in own}}.items())


def adapter_lines(name: str, thing: Any) -> str:
    """Return the lines of an adapter for an object in no known style, with its own names."""
    known = pass_names(thing) or ("", "")
    others = [n for n, v in _methods(thing).items() if not n.startswith("_") and n not in known]
    forward = known[0] or next(iter(others), "FORWARD")
    backward = known[1] or next((n for n in others if n != forward), "BACKWARD")
    more, after = _more(thing, forward), _more(thing, backward)
    call = f"{name}({_with_values(_required(thing))})"
    names = {"name": name, "call": call, "name2": forward, "name3": backward}
    if after and returns_several(getattr(thing, forward, None)):
        return say("adapter with a cache", **names, rest=_further(more), rest2=_further(after[1:]))
    return say("adapter", **names, rest=_further(more), rest2=_further(after))


def _with_values(names: list[str]) -> str:
    """Return arguments with values that are guessed; any number where there is no guess."""
    return ", ".join(f"{n}={_text(VALUES.get(normal(n), 1.0))}" for n in names)


def _further(names: list[str]) -> str:
    return f", {_with_values(names)}" if names else ""


def _required(thing: Any) -> list[str]:
    """Return the names of the arguments that a class must have."""
    kind = thing if inspect.isclass(thing) else type(thing)
    return [p.name for p in arguments(kind) or [] if is_required(p)]


def _more(thing: Any, name: str) -> list[str]:
    """Return the further arguments of a method, for a call."""
    method = getattr(thing, name, None)
    names = [p.name for p in arguments(method) or [] if is_required(p)]
    return names[2 if inspect.isclass(thing) else 1 :]  # without self, and the first argument


def _methods(thing: Any) -> dict[str, Any]:
    kind = thing if inspect.isclass(thing) else type(thing)
    members: dict[str, Any] = {}
    for base in kind.__mro__[:-1]:
        members |= {n: v for n, v in vars(base).items() if callable(v) and n not in members}
    return members


def fits(y: Any) -> bool:
    """Whether a value can be the output of forward: a finite array of numbers."""
    if not hasattr(y, "dtype") or not np.size(y) or np.asarray(y).dtype.kind not in "fiu":
        return False
    return bool(np.isfinite(np.asarray(y)).all())


def numbers(shape: tuple[int, ...], rng: np.random.Generator, positive: bool = False) -> Array:
    """Draw an input; positive numbers for a forward such as log that needs them."""
    drawn: Array = rng.uniform(0.5, 1.5, shape) if positive else rng.standard_normal(shape)
    return drawn
