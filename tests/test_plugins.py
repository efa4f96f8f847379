"""Plug-ins by entry point, shipped files by name."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from autotune import plugins
from autotune.errors import UserError


@pytest.fixture
def _fake_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices registered by other packages."""

    def entry_points(group: str) -> list[EntryPoint]:
        return [EntryPoint(name, f"json:{name}s", group) for name in ("load", "dump")] * (group == "autotune.devices")

    monkeypatch.setattr(plugins, "entry_points", entry_points)


@pytest.mark.usefixtures("_fake_plugins")
def test_load_finds_what_is_registered() -> None:
    """By its name in the group of its kind."""
    import json

    assert plugins.load("devices", "dump") is json.dumps


@pytest.mark.usefixtures("_fake_plugins")
def test_load_refuses_what_is_not() -> None:
    """With the names of those that are, in order."""
    with pytest.raises(UserError, match=r"^unknown device 'phone'; known are dump, load$"):
        plugins.load("devices", "phone")
    with pytest.raises(UserError, match=r"^unknown tracker 'dump'; known are "):
        plugins.load("trackers", "dump")


def test_our_own_device_is_registered() -> None:
    """The installed package has its local device."""
    assert plugins.load("devices", "local").__name__ == "LocalDevice"


@pytest.mark.parametrize("name", ["quick", "quick.yaml", "search_spaces/quick", "search_spaces/quick.yaml"])
def test_shipped_file_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without folder and suffix, wherever one is."""
    monkeypatch.chdir(tmp_path)
    path = plugins.resource("search_spaces", name)
    assert path.is_file()
    assert (path.parent.name, path.name) == ("search_spaces", "quick.yaml")


def test_file_by_path(tmp_path: Path) -> None:
    """Is taken as it is, whatever its suffix."""
    path = tmp_path / "mine.yml"
    path.write_text("prune: 0")
    assert plugins.resource("search_spaces", str(path)) == path


def test_own_file_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a shipped file's name in the working folder is meant."""
    monkeypatch.chdir(tmp_path)
    Path("quick.yaml").write_text("prune: 0")
    assert plugins.resource("search_spaces", "quick.yaml") == Path("quick.yaml")


@pytest.mark.parametrize("name", ["", "nothing", "elsewhere/quick", "experiments/quick", "../search_spaces/quick"])
def test_what_is_not_there_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that does not exist is not taken for a name; the message has the names."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"shipped are android, edge_tpu, full, post_training, quick$") as caught:
        plugins.resource("search_spaces", name)
    assert str(caught.value).startswith(f"no file {name!r}, ")
