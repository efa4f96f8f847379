"""Reads a YAML file, and knows where each key stands in it."""

from pathlib import Path
from typing import Any

from autotune.errors import UserError

Lines = dict[tuple[str, ...], int]
"""The line of each key, from 1, by the keys that lead to it."""


def read_yaml(path: Path, what: str) -> tuple[Any, Lines]:
    """The content of a file and the lines of its keys.

    Args:
        path: of the file.
        what: it is, for messages.

    Raises:
        UserError: it is not YAML, or says something twice.
    """
    import yaml

    try:
        text = path.read_text()
        lines: Lines = {}
        _locate(yaml.compose(text, yaml.SafeLoader), (), lines, f"{what} {path}")
        return yaml.safe_load(text), lines
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{what} {path}: not YAML: {' '.join(str(error).split())}") from error


def place(lines: Lines, key: object) -> str:
    """Where a key of the outermost mapping stands, as messages say it; "" where that is not known."""
    line = lines.get((str(key),))
    return "" if line is None else f", line {line}"


def _locate(node: Any, above: tuple[str, ...], lines: Lines, where: str) -> None:
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path, line = (*above, str(key.value)), key.start_mark.line + 1
        if path in lines:
            raise UserError(f"{where}, line {line}: {key.value} stands here a second time")
        lines[path] = line
        _locate(value, path, lines, where)
