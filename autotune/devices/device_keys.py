"""What the keys of a device file may say, checked by pydantic: imported where such a file is read, and not before."""

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from autotune.config import MOST_THREADS
from autotune.devices.device import Cooling
from autotune.options.numbers import MOST_CPU, duration

_STRICT = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

_BOUNDS = {"greater_than_equal": ("ge", "least"), "less_than_equal": ("le", "most")}
"""pydantic's names for numbers out of bounds, and for the bound; the least goes first."""


def _seconds(value: object) -> float:
    try:
        return duration(str(value))
    except ArgumentTypeError as error:
        raise ValueError(str(error)) from error


class _Cooling(BaseModel):
    model_config = _STRICT

    below: float = Field(gt=0, lt=150)
    at_most: Annotated[float, BeforeValidator(_seconds)]


_KEYS: dict[str, TypeAdapter[object]] = {
    "delegates": TypeAdapter(Annotated[list[str], Field(min_length=1)], config=_STRICT),
    "threads": TypeAdapter(list[Annotated[int, Field(ge=1, le=MOST_THREADS)]], config=_STRICT),
    "cpus": TypeAdapter(list[Annotated[int, Field(ge=0, le=MOST_CPU)]], config=_STRICT),
    "limit": TypeAdapter(Annotated[float, Field(ge=1), AfterValidator(float), Field(le=86_400)], config=_STRICT),
    "cooling": TypeAdapter(Annotated[_Cooling, AfterValidator(lambda keys: Cooling(keys.below, keys.at_most))]),
}
"""Those of MeasureOptions, which mean the same for every device. A limit's bounds are held one after the other: what is
no number at all is below the least.
"""


def checked(key: str, value: object, annotation: object) -> object:
    """What a device's class is given for a key.

    Args:
        key: of a device file.
        value: as YAML gives it.
        annotation: of the class's keyword.

    Raises:
        ValueError: it can't be that; in one line, what it must be.
    """
    try:
        if key in _KEYS:
            return _KEYS[key].validate_python(value)
        if isinstance(value, list) and _takes_tuples(annotation):  # YAML has no tuples
            return _adapter(annotation).validate_python(tuple(value))
        return _adapter(annotation).validate_python(value)
    except ValidationError as error:
        raise ValueError(_problem(key, value, annotation, error.errors())) from error


def _takes_tuples(annotation: object) -> bool:
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return any(get_origin(kind) is tuple for kind in kinds)


def _adapter(annotation: Any) -> TypeAdapter[object]:  # any type that a class may ask for
    try:
        return TypeAdapter(annotation, config=_STRICT)
    except PydanticUserError:  # a class that says itself how it is checked, such as a dataclass
        return TypeAdapter(annotation)


def _problem(key: str, value: object, annotation: object, errors: Sequence[ErrorDetails]) -> str:
    """What is wrong with a value, and what to write instead."""
    if key == "cooling":
        return _cooling_problem(errors)
    kinds = {error["type"]: error for error in errors}
    if kinds.keys() <= _BOUNDS.keys():
        kind, (bound, word) = next(item for item in _BOUNDS.items() if item[0] in kinds)
        return f"{key} can't be {value!r}; {kinds[kind]['ctx'][bound]:g} is the {word}"
    if kinds.keys() == {"too_short"}:
        return f"{key} can't be {value!r}; name one, or leave the key out for all there are"
    quotes = " in quotes" if str in (annotation, *get_args(annotation)) and isinstance(value, int | float) else ""
    return f"{key} can't be {value!r}; it must be {_words(annotation)}{quotes}"


def _cooling_problem(errors: Sequence[ErrorDetails]) -> str:
    usage = "cooling has below (°C) and at_most (a time), such as {below: 60, at_most: 5m}"
    first = errors[0]
    if not first["loc"] or any(error["type"] in ("missing", "extra_forbidden", "invalid_key") for error in errors):
        return usage
    if first["loc"] == ("below",):
        return f"{usage}; below can't be {first['input']!r}"
    return f"{usage}; at_most: {first['ctx']['error']}"


def _words(annotation: object) -> str:
    """What an annotation asks for."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_words(part) for part in parts if part is not NoneType)
    if origin in (Sequence, tuple):
        return f"a list, each {_words(parts[0])}"
    if origin is Mapping:
        return f"a mapping, each value {_words(parts[1])}"
    words: dict[object, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(annotation, str(annotation))
