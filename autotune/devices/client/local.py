"""This machine, measured by a runner that is its child."""

import sys
from collections.abc import Sequence

from autotune.devices.client.command import CommandTransport
from autotune.devices.client.device import RunnerDevice
from autotune.devices.device import MeasureOptions
from autotune.files import Scratch


class LocalDevice(RunnerDevice):
    """The machine that autotune runs on."""

    def __init__(
        self,
        name: str = "local",
        *,
        emulated: bool = False,
        options: MeasureOptions = MeasureOptions(),
    ) -> None:
        """
        Args:
            name: of the device.
            emulated: whether its times are an emulator's.
            options: by which files are run.
        """
        super().__init__(_Here(name, [sys.executable]), shares_host=True, emulated=emulated, options=options)


class _Here(CommandTransport):
    """Files are kept for as long as this process lives."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._scratch = Scratch()
        super().__init__(name, command, self._scratch.name)
