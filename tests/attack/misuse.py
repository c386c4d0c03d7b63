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
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nngan.datasets import DatasetError

from .campaign import main
from .guard import TooSlow, Watched, place
from .right_calls import REFUSED, calls

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


CONSTRUCTORS = (
    "Linear", "LeakyReLU", "BatchNorm", "Maxout", "Dropout", "Sequential", "SGD", "Adam", "GAN",
    "Mixture", "RunSettings", "RunFolder", "MLPGAN", "Rules", "Linear alone", "BatchNorm alone",
)  # fmt: skip
COMPLEX = (
    "Dropout.forward", "LeakyReLU.forward", "ReLU.forward", "Sigmoid.forward", "Tanh.forward",
    "leaky_relu", "relu", "sigmoid", "softplus",
)  # fmt: skip
PASSES = ("bce", "bce_with_logits", "r1", "r2", "gradient_penalty", "input_gradient")


def group(name: str) -> str:
    """Return the group of a callable, as --only names it."""
    if name in CONSTRUCTORS:
        return "constructors"
    if name.startswith(("GAN.", "Game.", "RunFolder.", "Recipe.", "MLPGAN.")):
        return "games"
    return "passes" if name in PASSES or name.endswith("ward") else "functions"


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
    if _is_excused(error, name, wrong):
        return ""
    if not isinstance(error, ValueError | TypeError | DatasetError):
        return f"{type(error).__name__} from {place(error)} | {error}"
    if not is_ours(error):
        return f"not our sentence, {type(error).__name__} from {place(error)} | {error}"
    words = "|".join(map(re.escape, (name.strip("*"), name.strip("*s"), name.replace("_", " "))))
    if value.certain and not re.search(rf"\b({words})\b", str(error)):
        return f"a sentence without the argument's name, from {place(error)} | {error}"
    return ""


def is_complex(value: Value) -> bool:
    """Tell whether a value is an array of complex numbers."""
    return getattr(value.make(), "dtype", None) == np.complex128


def _is_excused(error: BaseException, name: str, wrong: Any) -> bool:
    """Tell whether others say, as they should, what is wrong."""
    if name == "frames":
        return isinstance(error, OSError)  # a file that cannot be opened
    if name in ("path", "data_dir", "cache_dir"):
        # Python's and the system's own words say what is wrong with a path.
        return isinstance(error, OSError | TypeError | ValueError)
    if name in ("X", "random_state"):
        # scikit-learn checks these for all estimators, in its own words, which its users know.
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        return any(file.endswith(f"sklearn{os.sep}utils{os.sep}validation.py") for file in files)
    # Arithmetic on infinite numbers warns: to look for them would take a pass of its own.
    return isinstance(error, RuntimeWarning) and bool(np.isinf(np.asarray(wrong)).any())


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
                if name in COMPLEX:  # the gradient checker differentiates with complex numbers
                    wrong = [v._replace(certain=v.certain and not is_complex(v)) for v in wrong]
                if parameter.name == "epochs":  # so many would really be trained
                    wrong = [value for value in wrong if value.certain]
                todo += [(name, make, parameter.name, value) for value in wrong]
    rng.shuffle(todo)
    for name, make, argument, value in todo:
        said = judged(watched, make, argument, value)
        kind, _, message = said.partition(" | ")
        how = f"{name}({argument}={value.make()!r:.80}) {message[:200]}"
        yield f"{kind} in {name}({argument}) | {how}" if said else ""


if __name__ == "__main__":
    main("misuse", tries, ("constructors", "games", "passes", "functions"))
