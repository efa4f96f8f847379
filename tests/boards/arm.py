"""An emulated Arm board: qemu-user runs the arm64 Python with tflite-runtime that arm.sh lays out.

Its times are an emulator's, its kernels Arm's. /proc is the host's: the processor's name, the load, and
memory that has the emulator's own in it.
"""

import os
import shutil
from pathlib import Path

QEMU = "qemu-aarch64-static"


def folder() -> Path:
    """Where the board lies: AUTOTUNE_ARM_BOARD, or else a folder in the user's cache."""
    return Path(os.environ.get("AUTOTUNE_ARM_BOARD", "~/.cache/autotune-tests/arm-board")).expanduser().absolute()


def command(folder: Path) -> list[str]:
    """The argument list that starts the board's Python; its own arguments follow.

    Byte code is kept whatever the host's setting, or each start would compile it anew, which takes
    seconds in emulation.
    """
    root = folder / "root"
    machine = [QEMU, "-cpu", "cortex-a76", "-L", str(root)]
    environment = ["-U", "PYTHONDONTWRITEBYTECODE", "-E", f"PYTHONPATH={folder / 'site-packages'}"]
    return [*machine, *environment, str(root / "usr" / "bin" / "python3.11")]


def missing(folder: Path) -> str | None:
    """Why the board can't be started, None where it can."""
    if shutil.which(QEMU) is None:
        return f"needs {QEMU} (Debian's qemu-user-static)"
    if not (folder / "complete").exists():
        return f"no Arm board in {folder}: make one with tests/boards/arm.sh {folder}"
    return None
