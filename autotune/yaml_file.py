"""Reads a YAML file, and knows where each key stands in it."""

from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UserError, one_line

if TYPE_CHECKING:
    import yaml

Lines = dict[tuple[str, ...], int]
"""The line of each key, from 1, by the keys that lead to it."""

LARGEST = 1 << 16
"""Bytes that a file may have."""

LONGEST = 3500
"""Characters of a value at most."""

DEEPEST = 30
"""Mappings and lists in each other at most."""

MOST = 10_000
"""Values that a file may have, each counted wherever an alias repeats it."""


def read_yaml(path: Path, what: str) -> tuple[object, Lines]:
    """The content of a file and the lines of its keys.

    Args:
        path: of the file.
        what: it is, for messages.

    Raises:
        UserError: it can't be read, is not YAML, says something twice, or is larger than a person writes.
    """
    where = f"{what} {path}"
    lines = Lines()
    loader = _loader(_content(path, where), where)
    try:
        root = loader.get_single_node()
        _check(root, where)
        _locate(root, (), lines, where)
        return (None if root is None else loader.construct_document(root)), lines
    except UserError:
        raise
    except RecursionError as error:
        raise UserError(f"{where}: is nested too deeply") from error
    except Exception as error:  # of values that are not what their tags say, PyYAML raises whatever it stumbles over
        raise UserError(f"{where}: not YAML: {one_line(error)}") from error


def place(lines: Lines, key: object) -> str:
    """Where a key of the outermost mapping stands, as messages say it; "" where that is not known."""
    line = lines.get((str(key),))
    return "" if line is None else f", line {line}"


def _content(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"{where}: can't be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise UserError(f"{where}: has more than {LARGEST // 1024} KiB, which is no file of this kind")
    return content


def _loader(content: bytes, where: str) -> "yaml.SafeLoader":
    import yaml

    try:
        return yaml.SafeLoader(content)
    except yaml.YAMLError as error:  # of bytes that are no text
        raise UserError(f"{where}: not YAML: {one_line(error)}") from error


def _check(root: "yaml.Node | None", where: str) -> None:
    """Looks at all that whoever reads the content will come across.

    Raises:
        UserError: it is more than there can be a use for, or a text that no path or program takes.
    """
    import yaml

    pending = [(root, 0)]
    seen = 0
    while pending:
        node, depth = pending.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST:
            raise UserError(f"{where}: is nested too deeply, or has more than {MOST} values")
        if isinstance(node, yaml.ScalarNode):
            _check_text(node, where)
        elif node is not None:
            parts = (
                node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
            )
            pending += [(part, depth + 1) for part in parts]


def _check_text(node: "yaml.ScalarNode", where: str) -> None:
    line = f"{where}, line {node.start_mark.line + 1}"
    if len(node.value) > LONGEST:
        raise UserError(f"{line}: a value has {len(node.value)} characters; {LONGEST} are the most")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in node.value):
        raise UserError(f"{line}: a text has a null character, or half of one")


def _locate(node: "yaml.Node | None", above: tuple[str, ...], lines: Lines, where: str) -> None:
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = (*above, str(key.value))
        line = key.start_mark.line + 1
        if path in lines:
            raise UserError(f"{where}, line {line}: {key.value} stands here a second time")
        lines[path] = line
        _locate(value, path, lines, where)
