"""What a call of the Python API asks for, in the words of the command line."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotune.api import live
from autotune.arguments import NUMBERS
from autotune.errors import UserError
from autotune.targets.target import Target

_LISTS = ("device", "targets", "objectives", "exclude", "custom_objects")
_TEXTS = ("experiment", "space", "sampler", "name", "loss", "metric", "dir", "ray", "tracking_uri")


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """A call's keywords as experiment.settle() takes them.

    Args:
        given: by the names of `autotune run`'s options; None where one is not given. Numbers may be texts as on
            the command line, lists a single text, targets texts or Target, models and data live ones.

    Returns:
        The same, with live.Content for what is in memory.

    Raises:
        UserError: a value is not of its option's kind; one line that names the option.
    """
    return {name: _plain(name, value) for name, value in given.items() if value is not None}


def _plain(name: str, value: Any) -> Any:
    option = f"--{name.replace('_', '-')}"
    if name in NUMBERS:
        try:
            return NUMBERS[name](str(value))
        except ArgumentTypeError as error:
            raise UserError(f"{option}: {error}") from error
    if name == "model":
        return [live.of_model(item) if live.is_model(item) else _text(option, item) for item in _items(value)]
    if name == "data":
        return live.of_arrays(value) if isinstance(value, Mapping) else _text(option, value)
    if name in _LISTS:
        return [_text(option, item) for item in _items(value)]
    if name == "space" and isinstance(value, Mapping):
        return dict(value)
    return _text(option, value) if name in _TEXTS else bool(value)


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(option: str, value: Any) -> str:
    if isinstance(value, Target):
        return value.text
    if not isinstance(value, str | Path):
        raise UserError(f"{option}: {value!r} of type {type(value).__name__} is no text")
    return str(value)
