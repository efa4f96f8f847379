"""The shortest way to a runner."""

import sys
from pathlib import Path

from autotune.devices.client.command import CommandTransport


class Here(CommandTransport):
    """This machine; files and lease are in a folder of the test's."""

    def __init__(self, folder: Path, *command: str) -> None:
        super().__init__("here", command or [sys.executable], str(folder / "files"))
        self._lease = str(folder / "lease")

    def places(self) -> tuple[str, str]:
        return self._folder, self._lease
