"""Finds a device by what the user calls it: a transport, its short form, or a file that describes it."""

import inspect
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from autotune import plugins
from autotune.arguments import MOST_CPU, MOST_THREADS, duration
from autotune.devices.device import Cooling, Device
from autotune.errors import UserError, one_line
from autotune.files import is_file
from autotune.yaml_file import place, read_yaml

FOLDER = "devices"
"""Where device files are looked for by name, in the working folder."""

SHORT = {"ssh": "host", "adb": "serial"}
"""What stands behind the colon of a transport's short form, as in ssh:HOST."""

SUFFIXES = (".yaml", ".yml")

LEAST = {"threads": 1, "cpus": 0, "limit": 1}
"""The smallest number that each of these may be."""

MOST = {"threads": MOST_THREADS, "cpus": MOST_CPU, "limit": 86_400}
"""The largest."""


def load_device(spec: str, **more: Any) -> Device:
    """A device by what the user calls it; nothing is connected to yet.

    Args:
        spec: a path to a device file, the name of one in devices/, the name of a transport (local, or a
            plug-in's), ssh:HOST, adb or adb:SERIAL. A file goes before a transport of the same name.
        more: keywords of its class that go before what the file says, such as cpus.

    Raises:
        UserError: there is none, or its file says what can't be.
    """
    path = _file(spec)
    if path is not None:
        return _described(path, more)
    transport, colon, rest = spec.partition(":")
    if colon and rest and transport in SHORT:
        return _made(spec, transport, {"name": rest, SHORT[transport]: rest, **more})
    names = {point.name for point in entry_points(group="autotune.devices")}
    if spec not in names:
        files = ", ".join(path.stem for path in device_files())
        here = f"; in {FOLDER}/ there are {files}" if files else ""
        forms = [name for name in sorted(names) if name not in ("command", "ssh")]  # they need to be told more
        raise UserError(
            f"unknown device {spec!r}; known are {', '.join(forms)}, ssh:HOST, adb:SERIAL and device files{here}"
        )
    return _made(spec, spec, more)


def located(spec: str) -> str:
    """What the device is called from any folder: its file's path, where it has one.

    Raises:
        UserError: the file is not there.
    """
    path = _file(spec)
    return spec if path is None else str(path.resolve())


def device_files() -> list[Path]:
    """The device files in ./devices/, by name."""
    return sorted(path for path in Path(FOLDER).glob("*") if path.suffix in SUFFIXES and path.is_file())


def keywords(kind: Any) -> dict[str, Any]:
    """The keywords that a device's class takes, with their types: its own, and by **rest those of the class above."""
    found: dict[str, Any] = {}
    for one in inspect.getmro(kind):
        made = vars(one).get("__init__")
        if made is None:
            continue
        parameters = list(inspect.signature(made).parameters.values())[1:]
        hints = get_type_hints(made)
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, hints.get(parameter.name, Any))
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    found.pop("transport", None)  # what a file calls so is the class itself
    return found


def _file(spec: str) -> Path | None:
    """The device file that is meant, None where none is.

    Raises:
        UserError: it can't be there.
    """
    path = Path(spec)
    if path.suffix in SUFFIXES:
        if not is_file(path):
            raise UserError(f"no device file {spec!r}")
        return path
    if path.parent in (Path(), Path(FOLDER)):
        return next((file for file in device_files() if file.stem == path.name), None)
    return None


def _described(path: Path, more: Mapping[str, Any]) -> Device:
    content, lines = read_yaml(path, "device")
    if not isinstance(content, dict):
        raise UserError(f"device {path}: must map keys such as transport and host to values")
    transport = content.pop("transport", "local")
    try:
        known = keywords(plugins.load("devices", str(transport)))
    except UserError as error:
        raise UserError(f"device {path}{place(lines, 'transport')}: {error}") from error
    values: dict[str, Any] = {"name": path.stem} if "name" in known else {}
    for key, value in content.items():
        where = f"device {path}{place(lines, key)}"
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; known are transport, {', '.join(known)}")
        values[key] = _cooling(value, where) if key == "cooling" else _typed(key, value, known[key], where)
    return _made(str(path), transport, {**values, **more})


def _made(source: str, transport: str, values: Mapping[str, Any]) -> Device:
    """A device of a class that is registered.

    Raises:
        UserError: the class wants more, or other, than these values.
    """
    kind = plugins.load("devices", transport)
    if unknown := set(values) - set(keywords(kind)):
        raise UserError(f"device {source}: {transport} takes no {', '.join(sorted(unknown))}")
    parameters = inspect.signature(kind).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    if lacking := [name for name in needed if name not in values and name != "name"]:
        short = f"write {transport}:{SHORT[transport].upper()}, or " if transport in SHORT else ""
        raise UserError(
            f"device {source}: transport {transport} needs {', '.join(lacking)}; {short}say so in a device file"
        )
    try:
        device: Device = kind(**values)
    except TypeError as error:  # such as a value that the class has settled itself
        raise UserError(f"device {source}: {one_line(error)}") from error
    return device


def _cooling(value: Any, where: str) -> Cooling:
    wanted = f"{where}: cooling has below (°C) and at_most (a time), such as {{below: 60, at_most: 5m}}"
    if not isinstance(value, dict) or set(value) != {"below", "at_most"}:
        raise UserError(wanted)
    below, at_most = value["below"], value["at_most"]
    if not _fits(below, float) or not 0 < below < 150:
        raise UserError(f"{wanted}; below can't be {below!r}")
    try:
        return Cooling(float(below), duration(str(at_most)))
    except ArgumentTypeError as error:
        raise UserError(f"{wanted}; at_most: {error}") from error


def _typed(key: str, value: Any, hint: Any, where: str) -> Any:
    if not _fits(value, hint):
        quotes = " in quotes" if str in (hint, *get_args(hint)) and isinstance(value, int | float) else ""
        raise UserError(f"{where}: {key} can't be {value!r}; it must be {_named(hint)}{quotes}")
    parts = value if isinstance(value, list) else [value]
    if key in LEAST and not all(one >= LEAST[key] for one in parts):  # not a number is neither
        raise UserError(f"{where}: {key} can't be {value!r}; {LEAST[key]} is the least")
    if key in MOST and any(one > MOST[key] for one in parts):
        raise UserError(f"{where}: {key} can't be {value!r}; {MOST[key]} is the most")
    if key == "delegates" and not value:
        raise UserError(f"{where}: delegates can't be {value!r}; name one, or leave the key out for all there are")
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether what YAML gave is of an annotation's type, as far as device files have such."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Sequence:
        return isinstance(value, list) and all(_fits(one, parts[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float if hint is float else hint)


def _named(hint: Any) -> str:
    """What an annotation asks for, in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_named(part) for part in parts if part is not NoneType)
    if origin is Sequence:
        return f"a list, each {_named(parts[0])}"
    if origin is Mapping:
        return f"a mapping, each value {_named(parts[1])}"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}.get(hint, str(hint))
