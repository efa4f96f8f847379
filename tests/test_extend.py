"""The door for plug-in authors: it is all that the examples need, light, and explained."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import griffe  # comes with mkdocstrings
import pytest

from autotune import extend
from tests.docs.test_examples import blocks

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.py"))
HEAVY = ("tensorflow", "tf_keras", "keras", "ray", "mlflow", "optuna", "scipy", "pandas", "matplotlib")
DOORS = {"autotune", "autotune.extend", "autotune.testing"}


@pytest.mark.parametrize(
    "source",
    [*(path.read_text() for path in EXAMPLES), *(content for _, _, content in blocks("python"))],
    ids=lambda source: source.partition("\n")[0],
)
def test_examples_come_through_the_doors(source: str) -> None:
    """Those in files, and those that pages show."""
    imported = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    assert {name for name in imported if name.partition(".")[0] == "autotune"} <= DOORS


def test_it_imports_nothing_heavy() -> None:
    """Since the driver imports stages, too."""
    script = f"import sys, autotune.extend\nprint(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_all_is_there() -> None:
    """By name."""
    assert sorted(extend.__all__) == extend.__all__
    assert all(hasattr(extend, name) for name in extend.__all__)


@pytest.mark.parametrize("protocol", [extend.Stage, extend.Device, extend.Session, extend.Transport, extend.Tracker])
def test_what_a_protocol_speaks_in_is_there(protocol: type) -> None:
    """The types that its attributes have, that its methods take and give, as far as they are autotune's."""
    hints = [protocol, *(member for name, member in vars(protocol).items() if not name.startswith("_"))]
    hints = [member.fget if isinstance(member, property) else member for member in hints]
    types = {kind for hint in hints for annotation in get_type_hints(hint).values() for kind in _classes(annotation)}
    assert {kind for kind in types if kind.__module__.startswith("autotune")} <= {
        kind for kind in vars(extend).values() if isinstance(kind, type)
    }


def _classes(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


@pytest.mark.parametrize("module", sorted(DOORS))
def test_all_is_explained(module: str) -> None:
    """Each public name has a docstring."""
    package = griffe.load("autotune", search_paths=[str(ROOT)], resolve_aliases=True)
    door = package[module.partition(".")[2]] if "." in module else package
    assert door.exports
    for name in map(str, door.exports):
        assert door[name].has_docstring, name
