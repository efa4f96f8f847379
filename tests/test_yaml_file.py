"""YAML files: their content, where each key stands, and what is refused."""

from pathlib import Path

import pytest

from autotune.errors import UserError
from autotune.yaml_file import read_yaml


def written(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text)
    return path


def test_keys_have_their_lines(tmp_path: Path) -> None:
    """From 1, nested ones by the keys that lead to them."""
    path = written(tmp_path, "# a comment\nprune: [0, 0.5]\n\nspace:\n  cluster:\n    low: 2\n")
    content, lines = read_yaml(path, "space")
    assert content == {"prune": [0, 0.5], "space": {"cluster": {"low": 2}}}
    assert lines == {("prune",): 2, ("space",): 4, ("space", "cluster"): 5, ("space", "cluster", "low"): 6}


@pytest.mark.parametrize("text", ["", "3", "- a\n- b"])
def test_other_content_has_no_keys(tmp_path: Path, text: str) -> None:
    """Whoever reads it says what it should be."""
    assert read_yaml(written(tmp_path, text), "space")[1] == {}


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """YAML would take the last and say nothing."""
    path = written(tmp_path, "prune: 0\ncluster: 0\nprune: 0.5\n")
    with pytest.raises(UserError, match=r"^space .*file.yaml, line 3: prune stands here a second time$"):
        read_yaml(path, "space")


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\xfa", b"!!python/object/apply:os.system ['true']"])
def test_what_is_no_plain_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    """In one line; objects are not made."""
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not YAML") as caught:
        read_yaml(path, "experiment")
    assert "\n" not in str(caught.value)
