"""A device that any command line starts: a Python with LiteRT here, in a container, in an emulator, elsewhere."""

from collections.abc import Sequence
from typing import Any

from autotune.devices.client.device import RunnerDevice
from autotune.errors import UserError

LEASE = "/tmp/autotune.lease"  # noqa: S108  # opened with O_NOFOLLOW
"""One for all users, whatever their TMPDIR."""


class CommandTransport:
    """Starts the Python by an argument list."""

    patience: float = 0.0

    def __init__(self, name: str, command: Sequence[str], folder: str = "~/.cache/autotune/files") -> None:
        self.name = name
        self._command = list(command)
        self._folder = folder

    def command(self, arguments: Sequence[str]) -> list[str]:
        return [*self._command, *arguments]

    def places(self) -> tuple[str, str]:
        return self._folder, LEASE


class CommandDevice(RunnerDevice):
    """A device by its command line."""

    def __init__(self, name: str, command: Sequence[str], *, folder: str | None = None, **rest: Any) -> None:
        """
        Args:
            name: of the device.
            command: the argument list that starts a Python with numpy and ai_edge_litert or tflite_runtime.
            folder: where files are kept there; "~" is its home.
            rest: as RunnerDevice takes it.

        Raises:
            UserError: it is no argument list.
        """
        if isinstance(command, str) or not command or not all(isinstance(part, str) for part in command):
            raise UserError(f"device {name}: command must be a list of texts, such as [docker, exec, -i, it, python3]")
        transport = CommandTransport(name, command, *([] if folder is None else [folder]))
        super().__init__(transport, **rest)
