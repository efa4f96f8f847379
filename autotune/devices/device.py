"""What a device is: it opens sessions, and a session runs files."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autotune.config import Runtime


@dataclass(frozen=True)
class Timing:
    """How long a file took, end to end: inputs written, outputs read back.

    Attributes:
        times_us: of each timed inference, in order, in microseconds; at least one.
        first_us: of the very first inference, which is not among times_us.
        init_us: of opening the file and allocating its tensors.
    """

    times_us: list[float]
    first_us: float
    init_us: float


class Session(Protocol):
    """A connection to a device. What it raises:

    Infeasible where the file can't be run so, for a reason that would hold again; Fault where
    the device failed.
    """

    def outputs(self, model: Path, runtime: Runtime, inputs: Path) -> NDArray[np.float32]:
        """The file's outputs (n, *output shape), float32, for the inputs (n, *input shape) in an .npy."""
        ...

    def latency(self, model: Path, runtime: Runtime) -> Timing:
        """Times single inferences of random inputs, after a warm-up."""
        ...


class Device(Protocol):
    """A machine that runs .tflite files.

    Attributes:
        name: of the device.
        delegates: that it offers.
        threads: counts that make sense on it, rising.
        shares_host: whether builds on this machine would disturb its timings.
    """

    name: str
    delegates: tuple[str, ...]
    threads: tuple[int, ...]
    shares_host: bool

    def facts(self) -> dict[str, Any]:
        """What there is to know about it (JSON), kept with the study."""
        ...

    def open(self) -> AbstractContextManager[Session]:
        """A session; closing it leaves nothing running."""
        ...


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
