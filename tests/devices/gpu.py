"""The GPU that a machine has, else one in software."""

import os
from pathlib import Path

import pytest

from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions

SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
"""Of Debian's chromium-common."""


def found(patch: pytest.MonkeyPatch) -> None:
    """Lets LiteRT find the software where it finds nothing else."""
    if "gpu" in LocalDevice(options=MeasureOptions(delegates=("gpu", "builtin"))).missing() and SWIFTSHADER.exists():
        patch.setitem(os.environ, "VK_DRIVER_FILES", str(SWIFTSHADER))
