"""A device by any command line."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.config import Runtime
from autotune.devices.client.command import CommandDevice
from autotune.devices.client.device import PROBE
from autotune.devices.device import Device, MeasureOptions
from autotune.errors import UserError
from autotune.testing import DeviceContract

CPU = ("xnnpack", "builtin", "reference")


class TestCommandDevice(DeviceContract):
    """A shell that starts the Python keeps the contract."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.command = ["sh", "-c", 'exec "$0" "$@"', sys.executable]
        self.folder = str(tmp_path / "there")

    def device(self) -> Device:
        return CommandDevice("shell", self.command, folder=self.folder, options=MeasureOptions(delegates=CPU))

    def file(self, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
        return PROBE, np.random.default_rng(0).random((130, 8, 8, 1), np.float32)


def test_keeps_files_at_home_there(tmp_path: Path) -> None:
    """The home is the command's, not the driver's."""
    device = CommandDevice("shell", ["env", f"HOME={tmp_path}", sys.executable], options=MeasureOptions(delegates=CPU))
    with device.open() as session:
        session.latency(PROBE, Runtime())
    assert [path.read_bytes() for path in (tmp_path / ".cache/autotune/files").iterdir()] == [PROBE.read_bytes()]


def test_keeps_files_among_temporary_ones_where_there_is_no_home(tmp_path: Path) -> None:
    """As in a container whose user has none that it may write to; in a folder that is this user's alone."""
    device = CommandDevice(
        "shell", ["env", "HOME=/dev/null", f"TMPDIR={tmp_path}", sys.executable], options=MeasureOptions(delegates=CPU)
    )
    with device.open() as session:
        session.latency(PROBE, Runtime())
    [folder] = tmp_path.glob("autotune-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.read_bytes() for path in folder.iterdir()] == [PROBE.read_bytes()]


def test_an_emulator_s_times_are_marked() -> None:
    """Wherever the facts go."""
    device = CommandDevice("emulated", [sys.executable], emulated=True, options=MeasureOptions(delegates=CPU))
    assert device.emulated
    assert device.facts().emulated is True


@pytest.mark.parametrize("command", ["docker exec -i it python3", [], ["nice", 5]])
def test_a_command_is_a_list(command: Any) -> None:
    """It goes through no shell."""
    with pytest.raises(UserError, match="device it: command must be a list of texts"):
        CommandDevice("it", command)


def test_a_command_that_fails_is_told_in_one_line() -> None:
    """By its own last words."""
    device = CommandDevice("it", ["sh", "-c", "echo no such container >&2; exit 125"])
    with pytest.raises(UserError, match=r"device it: the runner was lost \(exit status 125: no such container\)"):
        device.facts()
