"""Which devices there are, and what each is like."""

import json
import sys
from pathlib import Path

import pytest

from autotune.devices.discovery import devices, look
from tests.devices.android import stand_in_adb


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, without an adb."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    Path("devices").mkdir()


def with_phones(monkeypatch: pytest.MonkeyPatch, **phones: str) -> None:
    folder = Path("stand_in").resolve()
    stand_in_adb.install(folder, phones)
    monkeypatch.setenv("STAND_IN", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine, every attached phone in whatever state, and the files in devices/ by name."""
    assert devices() == ["local"]
    Path("devices/pi.yaml").write_text("transport: ssh\nhost: pi")
    Path("devices/notes.txt").write_text("no device")
    with_phones(monkeypatch, ONE="device", TWO="unauthorized")
    assert devices() == ["local", "adb:ONE", "adb:TWO", "pi"]


def test_this_machine() -> None:
    """All that there is to know of it is JSON."""
    Path("devices/desk.yaml").write_text("delegates: [xnnpack, warp]\ncpus: [0]")
    seen = look("desk")
    assert seen.reason is None
    assert seen.delegates == ("xnnpack",)
    assert set(seen.missing) == {"warp"}
    assert seen.threads == (1,)
    assert seen.facts is not None
    assert seen.facts.device == "desk"
    assert json.loads(json.dumps(seen.to_json()))["delegates"] == ["xnnpack"]
    assert seen.to_json()["facts"] == seen.facts.to_json()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("moon", None, "unknown device 'moon'"),
        ("board", "colour: red", "unknown key 'colour'"),
        ("board", f"transport: command\ncommand: [{sys.executable}, -c, 'exit(\"no board\")']", "no board"),
        ("board", "transport: command\ncommand: [/no/such/program]", "can't start /no/such/program"),
    ],
)
def test_what_can_not_be_used(name: str, text: str | None, says: str) -> None:
    """It has a reason in one line; nothing is raised, so that the others are still seen."""
    if text is not None:
        Path(f"devices/{name}.yaml").write_text(text)
    seen = look(name)
    assert seen.reason is not None
    assert says in seen.reason
    assert "\n" not in seen.reason


def test_a_phone_that_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says what to do on it."""
    with_phones(monkeypatch, TWO="unauthorized")
    assert "allow USB debugging" in str(look("adb:TWO").reason)
