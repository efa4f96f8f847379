"""Finds a device by what the user calls it: a transport, its short form, or a file that describes it."""

import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_type_hints

from autotune import plugins
from autotune.devices.device import Device, MeasureOptions
from autotune.errors import UserError, one_line
from autotune.files import is_file
from autotune.yaml_file import place, read_yaml

FOLDER = "devices"
"""Where device files are looked for by name, in the working folder."""

SUFFIXES = (".yaml", ".yml")

_OPTIONS = get_type_hints(MeasureOptions)

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
"""Parameters that a keyword reaches."""


def find_device(spec: str, **more: object) -> Device:
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
    names = {point.name for point in entry_points(group="autotune.devices")}
    if colon and rest and transport in names and (key := _short(plugins.load("devices", transport))):
        return _made(spec, transport, {"name": rest, key: rest, **more})
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


def keywords(kind: type) -> dict[str, object]:
    """The keys that a device file may have for a class, with their types: its keywords, and the fields of the
    MeasureOptions that it takes.
    """
    keys: dict[str, object] = {}
    for name, annotation in _parameters(kind).items():
        keys |= _OPTIONS if annotation is MeasureOptions else {name: annotation}
    return keys


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


def _described(path: Path, more: Mapping[str, object]) -> Device:
    from autotune.devices.device_keys import checked

    content, lines = read_yaml(path, "device")
    if not isinstance(content, dict):
        raise UserError(f"device {path}: must map keys such as transport and host to values")
    transport = content.pop("transport", "local")
    try:
        keys = keywords(plugins.load("devices", str(transport)))
    except UserError as error:
        raise UserError(f"device {path}{place(lines, 'transport')}: {error}") from error
    values: dict[str, object] = {"name": path.stem} if "name" in keys else {}
    for key, value in content.items():
        where = f"device {path}{place(lines, key)}"
        if key not in keys:
            raise UserError(f"{where}: unknown key {key!r}; known are transport, {', '.join(keys)}")
        try:
            values[key] = checked(key, value, keys[key])
        except ValueError as error:
            raise UserError(f"{where}: {error}") from error
    return _made(str(path), transport, {**values, **more})


def _made(source: str, transport: str, values: Mapping[str, object]) -> Device:
    """A device of a class that is registered.

    Raises:
        UserError: the class wants more, or other, than these values.
    """
    kind = plugins.load("devices", transport)
    if unknown := set(values) - set(keywords(kind)):
        raise UserError(f"device {source}: {transport} takes no {', '.join(sorted(unknown))}")
    parameters = inspect.signature(kind).parameters.values()
    needed = [each.name for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    if lacking := [name for name in needed if name not in values and name != "name"]:
        key = _short(kind)
        short = f"write {transport}:{key.upper()}, or " if key else ""
        raise UserError(
            f"device {source}: transport {transport} needs {', '.join(lacking)}; {short}say so in a device file"
        )
    try:
        device: Device = kind(**_arguments(kind, values))
    except TypeError as error:  # such as a value that the class has settled itself
        raise UserError(f"device {source}: {one_line(error)}") from error
    return device


def _short(kind: type) -> str | None:
    """The keyword that stands behind the colon of a class's short form, as in ssh:HOST; None where it has none."""
    key: str | None = getattr(kind, "short", None)
    return key


def _arguments(kind: type, values: Mapping[str, object]) -> dict[str, object]:
    """What a class is called with: MeasureOptions of those values that are its fields, and the others as they are."""
    arguments: dict[str, object] = {}
    for name, annotation in _parameters(kind).items():
        if annotation is MeasureOptions:
            fields = {key: value for key, value in values.items() if key in _OPTIONS}
            arguments[name] = MeasureOptions(**{key: _frozen(value) for key, value in fields.items()})
        elif name in values:
            arguments[name] = values[name]
    return arguments


def _frozen(value: object) -> Any:  # of the field's type, as was checked
    return tuple(value) if isinstance(value, list) else value


def _parameters(kind: type) -> dict[str, object]:
    """The keywords that a class takes, with their annotations."""
    parameters = inspect.signature(kind).parameters.values()
    annotations = get_type_hints(inspect.getattr_static(kind, "__init__"))
    return {each.name: annotations.get(each.name, object) for each in parameters if each.kind in _NAMED}
