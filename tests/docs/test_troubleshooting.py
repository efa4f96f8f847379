"""docs/troubleshooting.md: each message that it explains is one that the program says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
OPEN = "…"
"""Stands for what a message fills in."""


def explained() -> list[str]:
    """The messages of the page, from its headings."""
    return [line[5:-1] for line in PAGE.read_text().splitlines() if line.startswith("### `")]


def texts(node: ast.AST) -> Iterator[str]:
    """All texts of a module save its docstrings, with OPEN in place of what is filled in."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else OPEN for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            yield from texts(child)


@pytest.fixture(scope="module")
def said() -> list[str]:
    """All texts of the package."""
    return [text for file in (ROOT / "autotune").rglob("*.py") for text in texts(ast.parse(file.read_text()))]


@pytest.mark.parametrize("message", explained())
def test_the_program_says_it(message: str, said: list[str]) -> None:
    """In one piece, and it is no word that stands anywhere."""
    assert any(message in text for text in said)
    assert len(message.replace(OPEN, "")) > 12


def test_there_are_messages() -> None:
    """A page without headings would pass the test above."""
    assert len(explained()) >= 30
