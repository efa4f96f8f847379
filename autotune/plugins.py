"""Finds what has a name: plug-ins by entry point, spaces and experiments by file."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeAlias

from autotune.errors import UserError, one_line
from autotune.files import is_file

Plugin: TypeAlias = Any
"""What a package registers: a class or function as its group has them, which the contract suites look at."""

_PACKAGE = Path(__file__).parent


def load(kind: str, name: str) -> Plugin:
    """The plug-in registered under the entry point group autotune.KIND.

    Raises:
        UserError: none has this name, or it can't be imported.
    """
    points = {point.name: point for point in entry_points(group=f"autotune.{kind}")}
    if name not in points:
        raise UserError(f"unknown {kind.removesuffix('s')} {name!r}; known are {', '.join(sorted(points))}")
    return _loaded(points[name])


def load_all(kind: str) -> list[Plugin]:
    """Every plug-in of the group autotune.KIND, by name.

    Raises:
        UserError: one can't be imported.
    """
    return [_loaded(point) for point in sorted(entry_points(group=f"autotune.{kind}"), key=lambda point: point.name)]


def _loaded(point: EntryPoint) -> Plugin:
    try:
        return point.load()
    except Exception as error:  # a plug-in's module may fail in any way
        reason = one_line(error, 200)
        where = f"plug-in {point.name} = {point.value}"
        raise UserError(f"{where} can't be imported: {reason}; mend or remove its package") from error


def resource(kind: str, name: str) -> Path:
    """A YAML file by path, or by the name of one that is shipped.

    Args:
        kind: the folder, search_spaces or experiments.
        name: a path, or a name with or without folder and suffix.

    Raises:
        UserError: there is none.
    """
    path = Path(name)
    if is_file(path):
        return path
    stem = path.name.removesuffix(".yaml")
    shipped = [folder / kind for folder in (_PACKAGE, _PACKAGE.parent)]  # a wheel, a checkout
    if path.parent in (Path(), Path(kind)):
        for folder in shipped:
            if (folder / f"{stem}.yaml").is_file():
                return folder / f"{stem}.yaml"
    names = sorted({file.stem for folder in shipped for file in folder.glob("*.yaml")})
    raise UserError(f"no file {name!r}, and no shipped {kind} of that name; shipped are {', '.join(names)}")
