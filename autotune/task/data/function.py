"""Data from a function in the user's own file. Imports what that file imports: for workers."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from autotune.errors import UserError
from autotune.targets.metric import METRICS, bare, is_quality
from autotune.task import user_code
from autotune.task.data import fields, gathered
from autotune.task.data.cut import Cut
from autotune.task.data.fields import Array
from autotune.task.data.gathered import Gathered
from autotune.task.data.splits import Data, assembled, inputs, labels
from autotune.task.losses import Loss, each_of
from autotune.task.shape import Shape

SPLITS = {"train": "train", "test": "test", "validation": "val"}
KEYS = (*SPLITS, "calibration", "groups", "loss", "metric", "better")

Values = dict[str, Any]
"""What a user's function returned, by KEYS; of which types it is, is looked at key by key."""

Dataset = Any
"""A tf.data.Dataset, which has no types."""

Taken = Callable[[Array], Array]
"""Makes of samples (k, …) as they are returned those that a split has."""


def read_function(source: str, shape: Shape, cut: Cut, cache: Path | None = None) -> Data:
    """The splits that a function returns.

    FUNCTION() or FUNCTION(shape) returns a dictionary of
        train, test, and optionally validation: (x, y) arrays, or a tf.data.Dataset of (x, y), batched or not; of
            several inputs x is a dictionary by their names, or a tuple in the model's order, and so is y of outputs;
        calibration: optionally inputs without labels, an array or a dataset;
        groups: optionally of some or all splits, by their names, the group that each sample is of (n,), such as a
            patient or a recording;
        loss: optionally the name of a known loss, or of a function loss(y_true, y_pred) in the same file;
        metric: optionally the name of a known metric, or of a function metric(labels, outputs) or
            metric(labels, outputs, inputs) in the same file that returns a number, or one for each sample;
        better: "higher" (the default) or "lower", for such a metric.

    Where loss or metric are functions, labels reach them as they are returned here.

    Args:
        source: FILE.py:FUNCTION.
        shape: of the model's input; FUNCTION(shape) gets a dictionary of shapes where there are several.
        cut: of the test samples, where there is no validation.
        cache: folder for what is large: arrays are mapped from there, and datasets are written as they come.

    Raises:
        UserError: there is no such function, it fails, returns something else, or as assembled().
    """
    values = _checked(user_code.call(source, *([shape] if _takes_shape(user_code.function(source)) else [])), source)
    parts = {part: _pair(values[name], name, shape, source, cache) for name, part in SPLITS.items() if name in values}
    calibration = values.get("calibration")
    if _is_dataset(calibration):
        taken = [partial(inputs, name="x_cal", source=source)]
        [calibration] = _streamed(calibration, "calibration", taken, shape, source, cache)
    elif calibration is not None:
        calibration = _values(calibration, "calibration", source, cache)
    return replace(
        assembled(parts, cut, source, calibration, _groups(values.get("groups"), parts, source), cache),
        loss=_named(values.get("loss"), "loss", source),
        metric=_named(values.get("metric"), "metric", source),
        better=values.get("better", "higher"),
    )


def _takes_shape(function: user_code.Function) -> bool:
    """Whether the function has a parameter that must be given."""
    parameters = inspect.signature(function).parameters.values()
    return any(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters)


def _checked(returned: object, source: str) -> Values:
    """What the function returned, if it is a dictionary of KEYS.

    Raises:
        UserError: it is something else, or lacks a key.
    """
    if not isinstance(returned, dict):
        raise UserError(f"data {source}: returned {type(returned).__name__}, not a dictionary of {', '.join(KEYS)}")
    if unknown := [key for key in returned if key not in KEYS]:
        raise UserError(f"data {source}: returned an unknown key {unknown[0]!r}; known are {', '.join(KEYS)}")
    if missing := [key for key in ("train", "test") if key not in returned]:
        raise UserError(f"data {source}: returned no {' and no '.join(missing)}")
    if returned.get("better", "higher") not in ("higher", "lower"):
        raise UserError(f"data {source}: better can't be {returned['better']!r}; it is 'higher' or 'lower'")
    return returned


def _groups(value: object, parts: Collection[str], source: str) -> dict[str, Array]:
    """The groups of each part that has some.

    Raises:
        UserError: they are of something else.
    """
    if value is None:
        return {}
    named = [name for name, part in SPLITS.items() if part in parts]
    if not isinstance(value, dict) or not set(value) <= set(named):
        raise UserError(
            f"data {source}: groups must be a dictionary of arrays for some of {', '.join(named)}, "
            "such as {'test': patients}"
        )
    return {SPLITS[name]: _array(groups, f"groups of {name}", source) for name, groups in value.items()}


def _named(value: object, kind: str, source: str) -> str | None:
    """A loss or metric: a known name, or FILE.py:NAME for a function of the same file.

    Raises:
        UserError: it is neither, or both.
    """
    if value is None:
        return None
    path = Path(source.rpartition(":")[0]).resolve()
    name = value if isinstance(value, str) else getattr(value, "__name__", repr(value))
    own = callable(getattr(user_code.module(source), name, None))
    ours = _known_loss(name) if kind == "loss" else is_quality(bare(name))
    if own and ours:
        raise UserError(f"data {source}: {kind} {name!r} is autotune's and a function of {path.name}; rename yours")
    if not own and (not ours or not isinstance(value, str)):
        raise UserError(f"data {source}: {kind} {name!r} is neither known nor a function of {path.name}")
    if own and kind == "metric" and name in METRICS:
        raise UserError(f"data {source}: metric {name!r} has the name of another metric; rename the function")
    return f"{path}:{name}" if own else name


def _known_loss(name: str) -> bool:
    """Whether this is a loss of autotune's, or one for each of several outputs."""
    try:
        losses = each_of(name)
    except ValueError:
        return False
    return all(Loss.parse(each.loss) is not None for each in losses.values())


def _pair(value: object, name: str, shape: Shape, source: str, cache: Path | None) -> tuple[Array, Array]:
    """Inputs and labels of a split."""
    if _is_dataset(value):
        part = SPLITS[name]
        taken = [partial(inputs, name=f"x_{part}", source=source), partial(labels, name=f"y_{part}", source=source)]
        pair = _streamed(value, name, taken, shape, source, cache)
    elif isinstance(value, Sequence) and len(value) == 2:
        pair = tuple(_values(part, name, source, cache) for part in value)
    else:
        pair = ()
    if len(pair) != 2:
        raise UserError(f"data {source}: {name} must be (x, y) or a tf.data.Dataset of (x, y)")
    return pair[0], pair[1]


def _is_dataset(value: object) -> TypeGuard[Dataset]:
    """Whether it is a tf.data.Dataset; TensorFlow was not imported where it is none."""
    return hasattr(value, "element_spec") and hasattr(value, "as_numpy_iterator")


def _streamed(
    dataset: Dataset, name: str, taken: Sequence[Taken], shape: Shape, source: str, cache: Path | None
) -> tuple[Array, ...]:
    """What is taken of a dataset's elements, an array for each of their components; () where they have others.

    A dataset that ends early, or whose samples differ where it says that they don't, fails by TensorFlow's own word.
    """
    if int(dataset.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise UserError(f"data {source}: {name} has no end; leave out repeat()")
    spec = dataset.element_spec
    several = isinstance(spec, tuple)
    batched = _is_batched(spec[0] if several else spec, name, shape, source)
    if len(taken) > 1 and len(taken) != (len(spec) if several else 1):
        return ()
    with ExitStack() as stack:
        columns = [stack.enter_context(Gathered(cache)) for _ in taken]
        for element in _elements(dataset, source):
            components = element if several else (element,)
            try:
                for column, take, component in zip(columns, taken, components, strict=False):
                    batch = _batch(component, batched=batched)
                    if batch.size:
                        column.add(take(batch))
            except ValueError as error:
                raise UserError(f"data {source}: samples of {name} differ in shape") from error
        return tuple(column.end() for column in columns)


def _elements(dataset: Dataset, source: str) -> Iterator[Any]:  # Any: as Values
    with user_code.guarded(source):
        yield from dataset.as_numpy_iterator()


def _batch(component: Any, *, batched: bool) -> Array:  # Any: as Values
    """One component of an element as samples (k, …), of several inputs or outputs a field for each.

    Raises:
        ValueError: they differ in number.
    """
    if isinstance(component, Mapping):
        return fields.joined({str(name): _batch(each, batched=batched) for name, each in component.items()})
    if isinstance(component, tuple):
        return fields.joined({str(place): _batch(each, batched=batched) for place, each in enumerate(component)})
    values = np.asarray(component)
    return values if batched else values[np.newaxis]


def _is_batched(spec: object, name: str, shape: Shape, source: str) -> bool:
    """Whether a dataset's inputs come in batches; a channel axis of 1 may be missing."""
    if isinstance(spec, Mapping) and isinstance(shape, Mapping):
        entries = [(each, shape[str(key)]) for key, each in spec.items() if str(key) in shape]
    elif type(spec) is tuple:
        entries = list(zip(spec, shape.values() if isinstance(shape, Mapping) else [shape], strict=False))
    else:
        entries = [(spec, next(iter(shape.values())) if isinstance(shape, Mapping) else shape)]
    if not entries:
        raise UserError(f"data {source}: {name} has none of the model's inputs")
    batched = {_comes_in_batches(each, name, size, source) for each, size in entries}
    return batched == {True}


def _comes_in_batches(spec: object, name: str, shape: tuple[int, ...], source: str) -> bool:
    """The same of one input."""
    dims = getattr(spec, "shape", None)
    if dims is None or dims.rank is None:
        raise UserError(f"data {source}: {name} must have elements (x, y) of known shapes, not {spec}")
    sizes = tuple(dims.as_list())
    if sizes == shape:
        return False
    if sizes and _fits(sizes[1:], shape):
        return True
    if _fits(sizes, shape):
        return False
    raise UserError(f"data {source}: {name} has samples of shape {sizes}, the model takes {shape}")


def _fits(sizes: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    wanted = [shape, shape[:-1]] if shape[-1:] == (1,) else [shape]
    return any(
        len(sizes) == len(each) and all(a is None or a == b for a, b in zip(sizes, each, strict=True))
        for each in wanted
    )


def _values(value: object, name: str, source: str, cache: Path | None) -> Array:
    """An array; of several inputs or outputs, given as a dictionary or a tuple of arrays, a field for each."""
    if isinstance(value, Mapping):
        columns = {str(key): _array(each, f"{name}:{key}", source) for key, each in value.items()}
    elif isinstance(value, tuple):
        columns = {str(place): _array(each, name, source) for place, each in enumerate(value)}
    else:
        return _array(value, name, source)
    if not columns or any(not column.ndim for column in columns.values()):
        empty = next((f" of {key!r}" for key, column in columns.items() if not column.ndim), "")
        raise UserError(f"data {source}: {name} has no array{empty}")
    try:
        return gathered.joined(columns, cache)
    except ValueError as error:
        raise UserError(f"data {source}: samples of {name} differ in number: {error}") from error


def _array(value: object, name: str, source: str) -> Array:
    try:
        return fields.array(value)
    except (ValueError, TypeError) as error:
        raise UserError(f"data {source}: {name} has samples of different shapes, or no arrays") from error
