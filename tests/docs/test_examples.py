"""What the pages show is accepted: spaces, experiments, devices, command lines, targets; the other files' links."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autotune import experiment
from autotune.config import FIELDS, NAMES
from autotune.devices.device_file import find_device
from autotune.space import file as space_file
from autotune.space import rules as space_rules
from autotune.targets.metric import METRICS, QUALITIES
from autotune.targets.target import parse, parse_all
from autotune.task.data import read_data
from autotune.task.data.fields import names
from autotune.task.user_metric import score_with
from tests.docs.cli_page import parsers

ROOT = Path(__file__).parents[2]
ENTRY = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *ENTRY]
BLOCK = re.compile(r"^( *)```(?P<language>\w+)(?P<more>.*)\n(?P<content>(?s:.*?))^\1```$", re.MULTILINE)
PLUGGED = {"mantissa": int}
"""The dimension of the plug-in that docs/plugins.md shows."""


def blocks(language: str) -> Iterator[tuple[Path, str, str]]:
    """Page, title and content of the fenced blocks in a language; not of those that include a shipped file."""
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text()):
            if block["language"] == language and "--8<--" not in block["content"]:
                title = re.search(r'title="(.*?)"', block["more"])
                yield page, title[1] if title else "", block["content"]


def commands(program: str) -> list[tuple[Path, str]]:
    """The pages' command lines that begin with this program."""
    lines = [(page, line) for page, _, content in blocks("sh") for line in content.replace("\\\n", "").splitlines()]
    return [(page, line) for page, line in lines if line.removeprefix(".venv/bin/").startswith(f"{program} ")]


def named(example: object) -> str:
    """A test's name: of the page."""
    return example.name if isinstance(example, Path) else ""


@pytest.mark.parametrize(("page", "title", "content"), list(blocks("yaml")), ids=named)
def test_yaml_is_read(page: Path, title: str, content: str, tmp_path: Path) -> None:
    """The title's folder says what the block is: a space, an experiment or a device."""
    path = tmp_path / Path(title).name
    path.write_text(content)
    match title.partition("/")[0]:
        case "spaces":
            assert space_file.read(str(path), (1, 2), PLUGGED).dimensions
        case "experiments":
            values, lines = experiment.read(str(path))
            parse_all(values.get("targets", ()))
            if isinstance(values.get("space"), dict):
                assert space_file.parse(values["space"], title, (1, 2), lines=lines).dimensions
        case "devices":
            assert find_device(str(path)).name
        case _:
            pytest.fail(f"{page.name}: a block of YAML has no title such as spaces/NAME.yaml")


@pytest.mark.parametrize(("page", "command"), commands("autotune"), ids=named)
def test_commands_are_accepted(page: Path, command: str) -> None:
    """Their options are there, and their targets are targets."""
    arguments = shlex.split(command, comments=True)[1:]
    found = parsers()["autotune"].parse_args(arguments)
    parse_all(getattr(found, "target", None) or ())


def test_data_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/data.md: the arrays that it saves, and the function with a metric of its own."""
    monkeypatch.chdir(tmp_path)
    arrays, several, function = (content for page, _, content in blocks("python") if page.name == "data.md")
    exec(arrays, {})
    exec(several, {})
    named_data = read_data("several.npz", {"image": (8, 8, 1), "words": (6,)}, seed=0)
    assert names(named_data.train.x) == ("image", "words")
    assert names(named_data.test.y) == ("kind", "price")
    (tmp_path / "mine.py").write_text(function)
    for source, metric in (("data.npz", None), ("mine.py:data", f"{tmp_path / 'mine.py'}:weighted")):
        data = read_data(source, (8, 8, 1), seed=0)
        assert (len(data.train), len(data.validation), len(data.test), data.metric) == (200, 50, 50, metric)
    test = data.test
    assert test.groups is not None
    assert score_with(str(data.metric), np.eye(10)[test.y], test.y, test.x, test.groups).value > 1


def test_make_has_the_targets() -> None:
    """That the pages name."""
    [known] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for _, line in commands("make")} <= set(known.split())


def test_targets_are_targets() -> None:
    """Each that stands in the text of a page."""
    texts = [text for page in PAGES for text in re.findall(r"`(\w+(?:<=|>=|<|>)[^`… ]+)`", page.read_text())]
    assert len(texts) > 10
    for text in texts:
        assert parse(text)


def test_all_that_can_be_said_is_in_the_tables() -> None:
    """Dimensions and their names, the keys of experiments, metrics."""
    spaces, model, targets = ((ROOT / "docs" / f"{name}.md").read_text() for name in ("spaces", "model", "targets"))
    for name in (*FIELDS, *(value for values in NAMES.values() for value in values)):
        assert f"`{name}`" in spaces or name == "model"
    assert [key for key in experiment.KEYS if f"`{key}`" not in model] == []
    for metric in {*METRICS, *QUALITIES} - {"topK"}:
        assert f"`{metric}`" in targets


def test_every_rule_of_spaces_is_in_the_table() -> None:
    """What is never tried: a row with the words of each rule, and no other."""
    page = (ROOT / "docs" / "spaces.md").read_text().partition("## What is never tried")[2].partition("\n## ")[0]
    rows = [line.split("|")[2].strip() for line in page.splitlines() if line.startswith("|")]
    module = ast.parse(Path(space_rules.__file__).read_text())
    rules = [node.value for node in ast.walk(module) if isinstance(node, ast.Yield)]
    assert set(rows[2:]) == {ast.literal_eval(rule) for rule in rules if rule is not None}


@pytest.mark.parametrize("page", ENTRY, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Those of the files outside of docs/, which `make docs` does not look at."""
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (ROOT / link).exists(), link
