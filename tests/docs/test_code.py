"""What the pages say of the code's folders and modules is so."""

import re
from pathlib import Path

import pytest

from tests.docs.test_examples import ENTRY, ROOT, named

TEXTS = [*sorted((ROOT / "docs").rglob("*.md")), *ENTRY]
FOLDERS = ("autotune", "benchmarks", "docs", "experiments", "tests")
MODULES = [f"/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
YOURS = ("mine.py", "file.py", "layers.py", "FILE.py")
"""Files that the reader writes."""


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_modules_are_there(page: Path) -> None:
    """Each module that a page names, with or without its folders."""
    names = re.findall(r"`([\w/]+\.py)`", page.read_text())
    missing = [name for name in names if not any(module.endswith(f"/{name}") for module in MODULES)]
    assert set(missing) <= set(YOURS)


def test_every_room_is_in_the_table() -> None:
    """docs/how.md: all folders of the package, and no other."""
    rooms = {path.parent.name for path in (ROOT / "autotune").glob("*/__init__.py")}
    text = (ROOT / "docs" / "how.md").read_text().partition("| room |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in text.splitlines()[2:]]
    assert {room for cell in cells for room in re.findall(r"`(\w+)/`", cell)} - {"autotune"} == rooms
