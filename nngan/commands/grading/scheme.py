"""The scheme of an assignment: which parts must exist, and the points of each.

A scheme is a small JSON file::

    {
      "title": "The layer Linear",
      "file": "linear.py",
      "class": "Linear",
      "points": {"forward": 2, "dx": 3, "dW": 3, "db": 2},
      "reference": "reference.py:Linear"
    }

An assignment with several classes has a list "tasks" instead of "class"; the keys of a task are
`TASK_KEYS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...command_line import LONGEST
from ...gradcheck.styles.made import Settings
from ...stored import DamagedFile, from_json

# The scheme of docs/assignment, the default of the command.
BUILT_IN = Path(__file__).parent / "prelu.json"

MOST = 1e9  # points, or a limit of the inputs
SCHEME_KEYS = ("title", "file", "tasks")
TASK_KEYS = (
    "name", "class", "points", "args", "shape", "range", "accumulate", "style", "names",
    "backward", "reference",
)  # fmt: skip


class SchemeError(ValueError):
    """A scheme that cannot be used; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Task:
    """One class, or pair of functions, that students write.

    Attributes
    ----------
    name : str
        What the reports call it.
    targets : tuple of str
        Names of the class, or NAME of the functions NAME_forward and NAME_backward: the first that
        a file has is graded.
    points : dict of str to float
        The points of each part: "forward", a gradient such as "dx" or "dW", or "contract".
    args : dict
        Arguments of the class.
    shape : tuple of int, optional
        Shape of one sample, a row of the input; None: as the class declares it.
    range : tuple of float
        The limits of the inputs and parameters that the grader draws for forward.
    accumulate : bool, optional
        Whether backward must add to the gradients (True) or set them (False); None: either.
    reference : (Path, tuple of str), optional
        The teacher's file and the names that the class in it may have.
    style : str
        "ours": forward must return (y, cache), and backward must take dy and the cache. "any".
    names : bool
        Whether parameters must have the names of the scheme.
    backward : str
        "either": a gradient earns its points if it is the derivative of the student's forward, or
        of the reference's where that is another. "own": of the student's alone.
    """

    name: str
    targets: tuple[str, ...]
    points: Mapping[str, float]
    args: Mapping[str, Any]
    shape: tuple[int, ...] | None = None
    range: tuple[float, float] = (-2.0, 2.0)
    accumulate: bool | None = None
    reference: tuple[Path, tuple[str, ...]] | None = None
    style: str = "any"
    names: bool = False
    backward: str = "either"

    @property
    def target(self) -> str:
        """The first of the names."""
        return self.targets[0]

    @property
    def gradients(self) -> list[str]:
        """The parts that are gradients."""
        return [part for part in self.points if part not in ("forward", "contract")]

    def settings(self, seed: int) -> Settings:
        """Return the settings of the check."""
        return Settings(
            shape=self.shape, args=dict(self.args), seed=seed, accumulate=self.accumulate
        )


@dataclass(frozen=True)
class Scheme:
    """What an assignment asks for.

    Attributes
    ----------
    title : str
    file : str, optional
        Name of the file that students hand in.
    tasks : tuple of Task
    """

    title: str
    file: str | None
    tasks: tuple[Task, ...]

    @property
    def points(self) -> float:
        """The points of a submission in which everything is right."""
        return sum(sum(task.points.values()) for task in self.tasks)

    @property
    def references(self) -> list[Path]:
        """The teacher's files."""
        return [task.reference[0] for task in self.tasks if task.reference]

    @property
    def parts(self) -> list[str]:
        """The names of all parts: "dW", or "Linear.dW" if there are several tasks."""
        alone = len(self.tasks) == 1
        return [
            part if alone else f"{task.name}.{part}" for task in self.tasks for part in task.points
        ]


def load_scheme(path: Path) -> Scheme:
    """Read a scheme; raise SchemeError if there is anything in it that cannot be meant."""
    try:
        content = from_json(path.read_bytes())
    except OSError as error:
        raise SchemeError(f"the scheme {path} cannot be read: {error.strerror}") from error
    except DamagedFile as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError):
            where = f"line {cause.lineno}, column {cause.colno}"
            raise SchemeError(f"the scheme {path} is not JSON: {cause.msg} at {where}") from cause
        if isinstance(cause, UnicodeDecodeError):
            raise SchemeError(f"the scheme {path} is not UTF-8: save it as UTF-8") from cause
        raise SchemeError(f"the scheme {path} cannot be meant: {error}") from error
    try:
        return _scheme(content, path)
    except SchemeError as error:
        text = str(error)
        text = text if len(text) < LONGEST else f"{text[:LONGEST]} ..."  # it repeats a value
        raise SchemeError(f"the scheme {path}: {text}") from None


def _scheme(content: Any, path: Path) -> Scheme:
    if not isinstance(content, dict):
        raise SchemeError(f'it must be an object {{"class": ..., "points": ...}}, got {content!r}')
    alone = "tasks" not in content
    _known(content, ("title", "file", *TASK_KEYS) if alone else SCHEME_KEYS, "")
    tasks = [content] if alone else content["tasks"]
    if not isinstance(tasks, list) or not tasks:
        raise SchemeError(f'"tasks" must be a list of at least one task, got {tasks!r}')
    read = []
    for i, task in enumerate(tasks):
        where = "" if alone else f"tasks[{i}]: "
        if not isinstance(task, dict):
            raise SchemeError(f'{where}a task must be an object {{"class": ...}}, got {task!r}')
        if not alone:
            _known(task, TASK_KEYS, where)
        read.append(_task(task, where, path.parent))
    names = [task.name for task in read]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SchemeError(f'two tasks are called {twice[0]!r}: give each a "name" of its own')
    file = content.get("file")
    if file is not None and not re.fullmatch(r"[^/\\]+\.(py|ipynb)", _text(content, "file", "")):
        raise SchemeError(f'"file" must be the name of a .py or .ipynb file, got {file!r}')
    title = _text(content, "title", "") if "title" in content else ", ".join(names)
    return Scheme(title, file, tuple(read))


def _task(task: dict[str, Any], where: str, folder: Path) -> Task:
    for key in ("class", "points"):
        if key not in task:
            raise SchemeError(f'{where}"{key}" is missing')
    named = task["class"] if isinstance(task["class"], list) else [_text(task, "class", where)]
    targets = tuple(named)
    if wrong := [n for n in targets or ("",) if not isinstance(n, str) or not n.isidentifier()]:
        raise SchemeError(f'{where}"class" must be a name in Python, got {wrong[0]!r}')
    args = task.get("args", {})
    if not isinstance(args, dict):
        raise SchemeError(f'{where}"args" must be an object such as {{"n_in": 4}}, got {args!r}')
    accumulate = task.get("accumulate")
    if accumulate not in (None, True, False):
        raise SchemeError(f'{where}"accumulate" must be true, false or null, got {accumulate!r}')
    style, names = task.get("style", "any"), task.get("names", False)
    if style not in ("any", "ours"):
        raise SchemeError(f'{where}"style" must be "any" or "ours", got {style!r}')
    if not isinstance(names, bool):
        raise SchemeError(f'{where}"names" must be true or false, got {names!r}')
    backward = task.get("backward", "either")
    if backward not in ("either", "own"):
        raise SchemeError(f'{where}"backward" must be "either" or "own", got {backward!r}')
    return Task(
        _text(task, "name", where) if "name" in task else targets[0],
        targets,
        _points(task["points"], where),
        args,
        _shape(task.get("shape"), where),
        _range(task.get("range", [-2, 2]), where),
        accumulate,
        _reference(task, targets, where, folder),
        style,
        names,
        backward,
    )


def _points(points: Any, where: str) -> dict[str, float]:
    if not isinstance(points, dict) or not points:
        example = '{"forward": 2, "dx": 3}'
        raise SchemeError(f'{where}"points" must be an object such as {example}, got {points!r}')
    for part, value in points.items():
        if part not in ("forward", "contract") and not re.fullmatch(r"(\S+\.)?d\S+", part):
            raise SchemeError(
                f'{where}there is no part {part!r}: a part is "forward", "contract", or a gradient '
                'such as "dx" or "dW"'
            )
        if not _is_number(value) or value <= 0:
            raise SchemeError(
                f'{where}the points of "{part}" must be a positive number, got {value!r}'
            )
    return points


def _shape(shape: Any, where: str) -> tuple[int, ...] | None:
    if shape is None:
        return None
    good = isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape)
    if not good or not shape:
        raise SchemeError(f'{where}"shape" must be a list of sizes such as [4], got {shape!r}')
    return tuple(shape)


def _range(limits: Any, where: str) -> tuple[float, float]:
    good = isinstance(limits, list) and len(limits) == 2 and all(map(_is_number, limits))
    if not good or limits[0] >= limits[1]:
        raise SchemeError(f'{where}"range" must be two numbers such as [-2, 2], got {limits!r}')
    return float(limits[0]), float(limits[1])


def _reference(
    task: dict[str, Any], targets: tuple[str, ...], where: str, folder: Path
) -> tuple[Path, tuple[str, ...]] | None:
    if task.get("reference") is None:
        return None
    text = _text(task, "reference", where)
    file, _, name = text.rpartition(":")
    names: tuple[str, ...] = (name,)
    if not name.isidentifier():  # no colon, or that of a drive
        file, names = text, targets
    path = folder / file
    try:
        path = path.resolve()
        is_there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_there = False
    if not is_there:
        raise SchemeError(f'{where}"reference" names the file {file}, which is not in {folder}')
    return path, names


def _known(content: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in keys:
            known = ", ".join(f'"{k}"' for k in keys)
            raise SchemeError(f'{where}there is no key "{key}": the keys are {known}')


def _text(content: dict[str, Any], key: str, where: str) -> str:
    value = content[key]
    if not isinstance(value, str) or not value.strip():
        raise SchemeError(f'{where}"{key}" must be a text, got {value!r}')
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MOST
