"""The table of options, and the one place that spells them once more: the signatures of the Python API."""

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pytest

import autotune
from autotune.options.table import OPTIONS, SWITCH, TEXT_OR_MAPPING, Option, RunOptions
from autotune.study.options import Options

NOT_OPTIONS = {"callbacks", "quiet"}


def accepted(function: Any, name: str) -> set[Any]:
    """The types that an argument may have, without what is in a list."""
    hint = typing.get_type_hints(function)[name]
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return {typing.get_origin(kind) or kind for kind in (typing.get_args(hint) if union else (hint,))}


def test_tune_takes_the_options() -> None:
    """All of them by their names, and two of its own."""
    assert set(inspect.signature(autotune.tune).parameters) - NOT_OPTIONS == set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_tune_takes_them_as_what_they_are(option: Option) -> None:
    """Numbers as numbers, several as a sequence, a switch as a bool, all else as a text; a space as a mapping, too."""
    taken = accepted(autotune.tune, option.name) - {type(None)}
    assert (taken == {bool}) == (option.kind is SWITCH)
    assert bool(taken & {int, float}) == (option.kind.number is not None)
    assert (Sequence in taken) == option.kind.several
    assert (Mapping in taken) == (option.kind is TEXT_OR_MAPPING or option.name == "data")
    assert (str in taken) == ((option.kind.number is None and option.kind is not SWITCH) or option.name == "timeout")


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_types_of_values_are_those_of_their_kinds(option: Option) -> None:
    """What a run gets of an option is what the kind says that there is to be had."""
    held = accepted(RunOptions, option.name) - {type(None)}
    if option.kind.number is not None:
        assert held == set(option.kind.types)
        assert option.default is None or option.kind.number(str(option.default)) == option.default
    elif option.kind.several:
        assert held == {tuple}
    elif option.kind is SWITCH:
        assert held == {bool}
    else:
        assert str in held


def test_load_has_the_defaults_of_the_table() -> None:
    """Of what it shares with tune(); a device is another thing to it."""
    arguments = inspect.signature(autotune.load).parameters
    shared = {name: argument.default for name, argument in arguments.items() if name in OPTIONS and name != "device"}
    assert shared == {"dir": RunOptions.dir, "custom_objects": None, "trust": RunOptions.trust}


def test_a_study_has_their_names() -> None:
    """What comes of an option has its name, save where several files of one name have become paths."""
    ours = {field.name for field in fields(Options)}
    assert ours - set(OPTIONS) == {"models", "folder"}
    assert set(OPTIONS) - ours == {"experiment", "model", "custom_objects", "dir", "ray", "tracking_uri"}


def test_help_has_the_defaults() -> None:
    """In words where it says so, and no placeholder is left."""
    assert "(default: 60)" in OPTIONS["trials"].help
    assert not [option.name for option in OPTIONS.values() if "{" in option.help]
