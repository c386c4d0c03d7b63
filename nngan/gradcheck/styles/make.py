"""Every style of hand-written layer, in the form that the check takes.

`make` does it for what a file defines, and guesses arguments and the shape of the input. `adapt`
does it for an object that a user passes to `check_gradients`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...backend import Array
from ..copies import deepcopy
from ..owners import is_ours
from ..places import places
from ..report import Finding
from ..sayings import GAPS, say
from ..writing import keep
from .adapters import (
    Adapter,
    Plan,
    argument_names,
    arguments,
    attempt,
    habit,
    options_of,
    output_of,
    pass_names,
    recognise,
)
from .cells import Cell, find_cell, find_network, inputs_of_a_cell
from .functional import CannotCall, bind, find_pair, is_function_pair
from .guesses import (
    adapter_lines,
    argument_sets,
    call_text,
    fits,
    input_shapes,
    numbers,
    sizes_of,
    translated,
)
from .losses import find_loss, loss_of
from .made import Made, Settings, Unrecognised
from .refusals import (
    PLAIN,
    further_arguments,
    in_no_style,
    needs_more,
    takes_indices,
    unrecognised,
)
from .source import Checkable


def make(thing: Checkable, settings: Settings) -> Made:
    """Create what a file defines, recognise its style, and find inputs that fit.

    Raises
    ------
    Unrecognised
        If that is not possible. An exception inside the student's constructor is passed on.
    """
    rng = np.random.default_rng(settings.seed)
    sizes = settings.sizes or sizes_of(settings.args)
    args, notes = translated(thing.parts[0], settings.args, sizes)
    settings = replace(settings, args=args, sizes=sizes)
    if thing.kind == "class":
        made = _make_object(thing, settings, rng)
    elif thing.kind == "network":
        made = _make_network(thing, settings, rng)
    else:
        made = _make_function(thing, settings, rng)
    if settings.accumulate is not None:
        made.accumulate = settings.accumulate
    made.notes = [*thing.notes, *notes, *made.notes]
    made.args = args
    return made


# -- functions ------------------------------------------------------------------------------------


def _make_function(thing: Checkable, settings: Settings, rng: np.random.Generator) -> Made:
    try:
        if thing.kind == "pair":
            found = find_pair(thing.parts[0], thing.parts[1], settings, rng)
        else:
            found = find_loss(thing.parts[0], rng, settings.args)
    except CannotCall as error:
        name = thing.parts[0].__name__
        sentence = say("no arguments", name=name)
        raise Unrecognised(unrecognised(sentence, say("last attempt", quote=error))) from None
    text = ", ".join(str(np.shape(a)) for a in found.inputs)
    note = say("arguments of a pair" if thing.kind == "pair" else "arguments", shapes=text)
    style = "a pair of functions" if thing.kind == "pair" else "a loss"
    return Made(found.target, found.inputs, found.batch_axis, None, style, found.notes, note)


# -- classes --------------------------------------------------------------------------------------


def _make_object(thing: Checkable, settings: Settings, rng: np.random.Generator) -> Made:
    (cls,), args = thing.parts, settings.args
    if more := further_arguments(cls):
        return _make_cell(thing, more, settings, rng)
    first: tuple[Any, dict[str, Any]] | None = None
    second: Made | None = None
    try:
        for values in argument_sets(cls, args, rng, settings.sizes):
            layer = _create(cls, values)
            first = first or (layer, values)
            loss = loss_of(layer)
            if loss is not None:
                found = find_loss(loss[0], rng, args, loss[1])
                notes = [say("rows")] if loss[2]() else []
                return Made(found.target, found.inputs, accumulate=None, style="a loss with state",
                            notes=notes)  # fmt: skip
            fitting = _fitting_input(layer, settings, rng)
            if fitting is not None:
                made = _made(layer, *fitting, notes=_creation_notes(cls, values, args))
                # Arrays were guessed: those are right whose gradients have their shapes.
                arrays = [v for k, v in values.items() if isinstance(v, np.ndarray)]
                if not arrays or _shapes_agree(made):
                    return made
                second = second or made
    except KeyError as error:
        name = error.args[0]
        sentence = say("needs", name=name)
        raise Unrecognised(Finding("needs_arguments", sentence)) from None
    except CannotCall as error:
        attempted = say("last attempt", quote=error)
        raise Unrecognised(unrecognised(say("no targets"), attempted)) from None
    if second is not None:
        return second
    assert first is not None
    layer, values = first  # forward accepts nothing: the check reports why
    if takes_indices(layer, settings.shape, settings.batch):
        raise Unrecognised(unrecognised(say("uses indices")))
    shape, axis, source = next(input_shapes(layer, settings.shape, settings.batch))
    x = numbers(shape, rng)
    return _made(layer, x, axis, source, notes=_creation_notes(cls, values, args))


def _make_cell(
    thing: Checkable, more: list[str], settings: Settings, rng: np.random.Generator
) -> Made:
    """Return a layer whose forward takes several arrays."""
    (cls,) = thing.parts
    try:
        values = next(argument_sets(cls, settings.args, rng, settings.sizes))
    except KeyError as error:
        finding = Finding("needs_arguments", say("needs", name=error.args[0]))
        raise Unrecognised(finding) from None
    layer = _create(cls, values)
    takes = [p.name for p in arguments(getattr(layer, (pass_names(layer) or PLAIN)[0])) or []]
    takes = takes[: len(more) + 1]
    inputs = inputs_of_a_cell(layer, len(takes), settings.shape, settings.batch, rng)
    found = find_cell(layer, takes, list(inputs))
    if found is None:
        raise Unrecognised(needs_more(thing.name, cls, more))
    cell, xs = found
    note = say("arguments", shapes=", ".join(str(x.shape) for x in xs))
    style = "state kept in self" if cell.repeats else "a cache for each call"
    notes = _creation_notes(cls, values, settings.args)
    return Made(cell, xs, 0, cell.accumulate, style, notes, note)


def _make_network(thing: Checkable, settings: Settings, rng: np.random.Generator) -> Made:
    try:
        found = find_network(thing.parts[0], settings.args, settings.shape, rng)
    except KeyError as error:
        finding = Finding("needs_arguments", say("needs", name=error.args[0]))
        raise Unrecognised(finding) from None
    except CannotCall as error:
        sentence = say("no network", name=thing.name)
        raise Unrecognised(unrecognised(sentence, say("last attempt", quote=error))) from None
    return Made(found.target, found.inputs, -1, None, "a network with a loss")


def _works(target: Adapter, x: Array) -> bool:
    """Whether both passes work, and dx has the shape of x."""
    target = deepcopy(target)
    worked, result = attempt(target.forward, x.copy())
    if not worked:
        return False
    worked, dx = attempt(target.backward, np.ones_like(result[0]), result[1])
    return worked and np.shape(dx) == x.shape


def _shapes_agree(made: Made) -> bool:
    """Whether both passes work, and leave gradients of the shapes of the arrays."""
    target, (x,) = deepcopy(made.target), made.inputs
    worked, result = attempt(target.forward, x.copy())
    if not worked:
        return False
    worked, dx = attempt(target.backward, np.ones_like(result[0]), result[1])
    attributes = vars(target.inner if isinstance(target, Adapter) else target)
    pairs = [
        (p, attributes.get(f"d{n}")) for n, p in attributes.items() if isinstance(p, np.ndarray)
    ]
    same = all(np.shape(p) == np.shape(d) for p, d in pairs if isinstance(d, np.ndarray))
    return worked and np.shape(dx) == x.shape and same


def _create(cls: type, values: dict[str, Any]) -> Any:
    try:
        made = cls(**values)
    except TypeError as error:
        place = error.__traceback__
        if place is None or place.tb_next is not None:
            raise  # raised inside the constructor, not by the call
        finding = Finding("needs_arguments", say("refuses"), str(error))
        raise Unrecognised(finding) from None
    if not isinstance(made, cls):
        sentence = say("other class", name=cls.__name__)
        other = say("creates", name=type(made).__name__)
        raise Unrecognised(Finding("contract", sentence, other))
    return made


def _creation_notes(cls: type, values: dict[str, Any], given: dict[str, Any]) -> list[str]:
    guessed = {k: v for k, v in values.items() if k not in given}
    if not guessed:
        return []
    name = next(iter(guessed))
    text = call_text(cls.__name__, values)
    return [say("created", call=text, name=name)]


def _fitting_input(
    layer: Any, settings: Settings, rng: np.random.Generator
) -> tuple[Array, int, str] | None:
    """Return the first input that forward accepts, its axis of samples, and its source."""
    problem = None
    for shape, axis, source in input_shapes(layer, settings.shape, settings.batch):
        x = numbers(shape, rng)
        y = _output(layer, x)
        if y is None:
            y = _output(layer, x := numbers(shape, rng, positive=True))
            source = f"{source}, and its elements are positive"
        if y is None:
            continue
        spread = np.ndim(y) > 2 if axis == 1 else np.shape(y)[:1] != shape[:1]
        if np.ndim(y) and axis >= 0 and (spread or np.shape(y)[-axis] != shape[-axis]):
            problem = problem or (x, axis, source)  # the samples got mixed up by broadcasting
            continue
        if fits(y):
            return x, axis, source
        positive = numbers(shape, rng, positive=True)
        if fits(_output(layer, positive)):
            return positive, axis, f"{source}, and its elements are positive"
        problem = problem or (x, axis, source)
    return problem


def _output(layer: Any, x: Array) -> Any:
    """Return what forward computes, None if it raises."""
    names = pass_names(layer)
    if names is None:
        return None
    trial = deepcopy(layer)
    forward = getattr(trial, names[0])
    worked, result = attempt(forward, x.copy(), **options_of(forward))
    if not worked:
        return None
    if result is None:
        name = output_of(trial, {}, x)
        return getattr(trial, name) if name else "nothing"
    return result[0] if isinstance(result, tuple) and result else result


def _made(layer: Any, x: Array, axis: int, source: str, notes: list[str]) -> Made:
    """Return the layer in the form of this library, with the shapes that it accepts."""
    plan = recognise(layer, x)
    if plan is None:
        raise Unrecognised(in_no_style(layer, x))
    is_stepping = "rate" in plan.roles or plan.steps
    if is_stepping and x.ndim == 2 and not _works(Adapter(layer, plan), x):
        one = x[:, :1] if axis == 1 else x[:1].T
        single = recognise(layer, one)
        if single is not None and _works(Adapter(layer, single), one):
            notes = [*notes, say("one sample")]
            x, axis, plan = one, -1, single
    target = _target(layer, plan, axis)
    option = "--width N changes it." if x.ndim == 2 else "--shape changes it."
    what = "width" if x.ndim == 2 else "shape of a sample"
    if not re.fullmatch(GAPS["source"], source):  # a name that is long or no identifier
        source = "an attribute"
    samples = {1: " Samples are columns.", -1: " It is one sample."}.get(axis, "")
    note = say("input", shape=x.shape, what=what, source=source, option=option, samples=samples)
    if source.startswith("a default") and x.ndim > 2:
        notes = [*notes, note]
    return Made(target, (x,), axis, _habit(layer, plan), plan.style, notes, note)


def _target(layer: Any, plan: Plan, axis: int) -> Any:
    is_plain = (plan.forward, plan.backward) == PLAIN and plan.roles == ("dy", "cache")
    plain = is_plain and not plan.options and not plan.returned and not plan.dinputs
    return layer if plain and axis != 1 else Adapter(layer, plan, axis, _habit(layer, plan))


def _habit(layer: Any, plan: Plan) -> bool | None:
    return habit(layer, bool(plan.repeats or plan.returned or plan.steps))


# -- in Python ------------------------------------------------------------------------------------


def adapt(target: Any, inputs: Sequence[Any]) -> tuple[Any, tuple[Any, ...], bool | None]:
    """Return a target of `check_gradients` in this library's form, its inputs, and its habit.

    The habit is whether backward must add to its gradients; None accepts both. What is not
    recognised is returned as it is.
    """
    same = target, tuple(inputs), True
    if isinstance(target, Adapter | Cell):
        return target, tuple(inputs), target.accumulate
    if is_ours(type(target)) or isinstance(target, type):
        return same
    if is_function_pair(target):
        return *bind(target, inputs), True
    names = pass_names(target)
    if names is None:
        if inputs and hasattr(target, "__dict__") and not callable(target):
            name = type(target).__name__
            raise TypeError(
                f"{name} has no forward and backward: check an adapter in its place, such as\n"
                + adapter_lines(name, target)
            )
        return same
    if len(inputs) == 2 and (loss := loss_of(_copied(target))) is not None:
        return loss[0], tuple(inputs), True
    if len(inputs) > 1 and all(isinstance(a, np.ndarray) for a in inputs):
        takes = argument_names(getattr(target, names[0]), len(inputs))
        found = find_cell(target, takes, [inputs])
        if found is not None:
            return *found, found[0].accumulate
        return same
    x = inputs[0] if len(inputs) == 1 else None
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub" or not x.size:
        return same
    # The trial runs on a copy, which shares the class, the globals and the closures.
    restore = keep(target, tuple(place for place, _ in places(target) if place.outside))
    try:
        plan = recognise(target, x.astype(np.float64))
    except Exception:  # it cannot be copied: the check reports that
        return same
    finally:
        restore()
    if plan is None:
        return same
    adapted = _target(target, plan, _batch_axis(target, x))
    return adapted, (x,), _habit(target, plan)


def _copied(target: Any) -> Any:
    worked, twin = attempt(deepcopy, target)
    return twin if worked else target


def _batch_axis(layer: Any, x: Array) -> int:
    """Return the axis along which forward accepts another length; 0 if both or neither."""
    if x.ndim != 2:
        return 0
    longer = [np.concatenate([x, x.take([0], axis)], axis).astype(np.float64) for axis in (0, 1)]
    rows, columns = (fits(_output(layer, a)) for a in longer)
    return 1 if columns and not rows else 0
