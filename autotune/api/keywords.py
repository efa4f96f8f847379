"""A call's keywords as the options that they stand for."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from autotune.api import live
from autotune.errors import UserError
from autotune.options.table import OPTIONS, SWITCH, TEXT_OR_MAPPING, Option
from autotune.targets.target import Target


def to_options(keywords: Mapping[str, object]) -> dict[str, object]:
    """A call's keywords as experiment.settings_of() takes them.

    Args:
        keywords: by the names of OPTIONS; None where one is not given. Numbers may be texts as on the command line,
            lists a single text, targets texts or Target, models and data live ones.

    Returns:
        The same, with live.Content for what is in memory.

    Raises:
        UserError: a value is not of its option's kind; one line that names the option.
    """
    return {name: _value(OPTIONS[name], value) for name, value in keywords.items() if value is not None}


def texts(name: str, value: object) -> list[str]:
    """The value of an option that is several texts, of which a single one needs no list.

    Raises:
        UserError: one is no text.
    """
    return [_text(name, item) for item in _items(value)]


def _value(option: Option, value: object) -> object:
    name, kind = option.name, option.kind
    if kind.number is not None:
        try:
            return kind.number(str(value))
        except ArgumentTypeError as error:
            raise UserError(f"{_called(name)}: {error}") from error
    if name == "model":
        return [_model(item) for item in _items(value)]
    if name == "data" and isinstance(value, Mapping):
        return live.of_arrays(value)
    if kind is TEXT_OR_MAPPING and isinstance(value, Mapping):
        return dict(value)
    if kind.several:
        return texts(name, value)
    return bool(value) if kind is SWITCH else _text(name, value)


def _model(item: object) -> str | PathLike[str]:
    return live.of_model(item) if live.is_model(item) else _text("model", item)


def _called(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(name: str, value: object) -> str:
    if isinstance(value, Target):
        return value.text
    if not isinstance(value, str | Path):
        raise UserError(f"{_called(name)}: {value!r} of type {type(value).__name__} is no text")
    return str(value)
