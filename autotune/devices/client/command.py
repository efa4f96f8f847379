"""A device that any command line starts: a Python with LiteRT here, in a container, in an emulator, elsewhere."""

from collections.abc import Sequence

from autotune.devices.client.device import RunnerDevice
from autotune.devices.device import MeasureOptions
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

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: str | None = None,
        shares_host: bool = False,
        emulated: bool = False,
        options: MeasureOptions = MeasureOptions(),
    ) -> None:
        """
        Args:
            name: of the device.
            command: the argument list that starts a Python with numpy and ai_edge_litert or tflite_runtime.
            folder: where files are kept there; "~" is its home.
            shares_host: whether builds on this machine would disturb its timings.
            emulated: whether its times are an emulator's.
            options: by which files are run.

        Raises:
            UserError: it is no argument list.
        """
        if isinstance(command, str) or not command or not all(isinstance(part, str) for part in command):
            raise UserError(f"device {name}: command must be a list of texts, such as [docker, exec, -i, it, python3]")
        transport = CommandTransport(name, command, *([] if folder is None else [folder]))
        super().__init__(transport, shares_host=shares_host, emulated=emulated, options=options)
