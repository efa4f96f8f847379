"""What a metric of a real task is: a name, settings that are said behind it, and a score of outputs and labels."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import ClassVar

import numpy as np

from autotune.errors import UserError
from autotune.results.significance import Interval, normal
from autotune.targets.metric import Metric
from autotune.task.data.fields import Array, names, parts
from autotune.task.score import Score, ratio_of

Value = str | int | float


@dataclass(frozen=True)
class Reading:
    """How a setting's value is read.

    Attributes:
        takes: in words, for messages.
        read: of a text; None where it is no such value.
    """

    takes: str
    read: Callable[[str], Value | None]


def whole(least: int) -> Reading:
    """Whole numbers from this one up."""

    def read(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= least else None

    return Reading(f"a whole number, {least} or more", read)


def one_of(*values: str) -> Reading:
    """Some words."""
    return Reading(" or ".join(values), lambda text: text if text in values else None)


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


POSITIVE = Reading("a number above 0", _positive)
NAME = Reading("a name", lambda text: text or None)


def takes(reading: Reading, needed: str = "") -> Mapping[str, object]:
    """Of a dataclass's field, that it is a setting.

    Args:
        reading: of its value.
        needed: where it has no default, what it is and an example of it.
    """
    return {"reading": reading, "needed": needed}


@dataclass(frozen=True, kw_only=True)
class Judge(ABC):
    """A metric with its settings, which are the fields of its dataclass: see takes().

    Attributes:
        metric: as it stands in targets.
    """

    metric: ClassVar[Metric]

    @abstractmethod
    def score(self, outputs: Array, labels: Array, groups: Array | None = None) -> Score:
        """The score of a model's outputs.

        Args:
            outputs: (n, …), or several as fields (data/fields.py).
            labels: of the same n, likewise.
            groups: (n,) numbers of the groups that samples are of, None where each is on its own.

        Raises:
            UserError: outputs or labels are not of the metric's form, the score can't be taken of them, or a library
                is missing.
        """

    def __str__(self) -> str:
        """NAME:SETTING=VALUE:…, as read() takes it, the same for the same metric: by name, without defaults."""
        values = {field.name: getattr(self, field.name) for field in settings(type(self)).values()}
        said = [f"{name}={_text(values[name])}" for name in sorted(values) if values[name] != _default(self, name)]
        return ":".join([self.metric.name, *said])


def settings(judge: type[Judge]) -> "dict[str, Field[Value | None]]":
    """The settings of a metric, by name."""
    return {field.name: field for field in fields(judge)}


def read(judge: type[Judge], said: Mapping[str, str], where: str) -> Judge:
    """A metric with these settings.

    Args:
        judge: which.
        said: texts by the settings' names.
        where: they were said, for messages.

    Raises:
        UserError: a setting is unknown or missing, or its value is none of those that it takes.
    """
    there = settings(judge)
    values = dict[str, Value]()
    for name, text in said.items():
        if name not in there:
            raise UserError(f"{where}: {judge.metric.name} has no setting {name!r}; known are {', '.join(there)}")
        reading: Reading = there[name].metadata["reading"]
        value = reading.read(text)
        if value is None:
            raise UserError(f"{where}: {name} takes {reading.takes}, not {text!r}")
        values[name] = value
    for name, field in there.items():
        if field.default is MISSING and name not in values:
            raise UserError(f"{where}: {judge.metric.name} needs {name}, {field.metadata['needed']}")
    make: Callable[..., Judge] = judge
    return make(**values)


def _default(judge: Judge, name: str) -> object:
    return settings(type(judge))[name].default


def _text(value: Value) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def single(values: Array, name: str | None, what: str, setting: str, judge: Judge) -> Array:
    """The output or label that a metric is of, which needs no name where it is the only one.

    Args:
        values: all outputs or labels.
        name: of the wanted one, if it was said.
        what: "outputs" or "labels".
        setting: by which it is said.
        judge: the metric.

    Raises:
        UserError: there is none of that name, or there are several.
    """
    every = parts(values)
    if name is None and len(every) == 1:
        return next(iter(every.values()))
    if name is None:
        raise UserError(f"{judge}: {listed(values, what)}; say which, as in {judge}:{setting}={names(values)[0]}")
    return called(values, name, what, judge)


def called(values: Array, name: str, what: str, judge: Judge) -> Array:
    """The output or label of this name.

    Raises:
        UserError: there is none.
    """
    if name not in names(values):
        raise UserError(f"{judge}: no {name!r}; {listed(values, what)}")
    return parts(values)[name]


def listed(values: Array, what: str) -> str:
    """What there is, with the shapes of a sample's."""
    shapes = ", ".join(f"{name} {part.shape[1:]}".strip() for name, part in parts(values).items())
    return f"the {what} are {shapes}"


def ratio(sums: Array, sizes: Array, groups: Array | None, highest: float | None) -> Score:
    """A ratio of sums over samples, or over groups where there are some, which is never below 0.

    Args:
        sums: (n,).
        sizes: (n,), not all 0.
        groups: as Judge.score().
        highest: possible value, None for any.

    Raises:
        UserError: as ratio_of().
    """
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        sums, sizes = np.bincount(group, sums), np.bincount(group, sizes)

    def interval(value: float, error: float, _: int) -> Interval:
        return normal(value, error, 0.0, highest)

    return ratio_of(sums, sizes, interval)


def missing(library: str, judge: Judge) -> UserError:
    """That a library of the extra is not installed."""
    return UserError(f"{judge.metric.name} needs {library}: pip install 'litert-autotune[tasks]'")
