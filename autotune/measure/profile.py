"""Where a .tflite file's time goes: what its operators take, beside what they compute, keep and move."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotune.config import Runtime
from autotune.devices.device import Device, Session
from autotune.errors import Infeasible
from autotune.results.profile import OperatorTime, Part
from autotune.tflite.facts import Operator
from autotune.tflite.operators import operators

_FAMILIES = {
    "CONV_2D": ("Convolution", "Fully Connected"),  # the second for 1x1
    "DEPTHWISE_CONV_2D": ("Convolution",),
    "TRANSPOSE_CONV": ("Deconvolution",),
    "FULLY_CONNECTED": ("Fully Connected",),
    "BATCH_MATMUL": ("Batch Matrix Multiply",),
}
"""Operators with weights, and how XNNPACK's names for what runs them begin."""

_WEIGHTED = tuple({begin for begins in _FAMILIES.values() for begin in begins})


@dataclass(frozen=True)
class Profile:
    """A file's operators under one runtime.

    Attributes:
        parts: in the order in which they run.
        operators: of the file, each of which is in at most one of the parts.
        untold: why there are no times, "" where there are.
    """

    parts: list[Part]
    operators: list[Operator]
    untold: str

    @property
    def times(self) -> list[OperatorTime]:
        return [part.time for part in self.parts if part.time is not None]


def profile(device: Device, model: Path, runtime: Runtime, say: Callable[[str], None]) -> Profile:
    """What each operator of a file takes on a device, while nobody else measures there.

    Args:
        device: to run on.
        model: a .tflite file.
        runtime: to run it with.
        say: told what is being done or waited for.

    Raises:
        UserError: it is no whole .tflite file, or the device can't be reached.
        Fault: the device or the way to it failed.
    """
    with device.open() as session, session.lease(waiting=lambda by: say(f"waiting for {device.name}: {by}")):
        say(f"profiling {model.name} on {device.name}")
        return profiled(session, model, runtime, device.name)


def profiled(session: Session, model: Path, runtime: Runtime, device: str, seconds: float = 1.0) -> Profile:
    """The same in a session that holds its device.

    Args:
        session: on the device.
        model: a .tflite file.
        runtime: to run it with.
        device: its name.
        seconds: that it is run for.

    Raises:
        UserError: it is no whole .tflite file.
        Fault: the device or the way to it failed.
    """
    table = operators(model.read_bytes())
    untold = f"{device} doesn't tell what single operators take on {runtime.short}"
    try:
        times = session.profile(model, runtime, seconds)
    except Infeasible as error:
        times = None
        untold = str(error)
    if times is None:
        return Profile([Part(None, operator) for operator in table], table, untold)
    return Profile(joined(times, table), table, "")


def joined(times: Sequence[OperatorTime], table: Sequence[Operator]) -> list[Part]:
    """Each time with the operator of the file that it is.

    A runtime's own kernels are known by their output's name. Within a delegate there are no such names, and
    other operators than in the file: those with weights are told by their order, where it is the same
    on both sides, kinds and the kernels in between included.

    Args:
        times: in the order in which they ran.
        table: of the file.
    """
    named = {operator.name: operator for operator in table if operator.name}
    ran = {time.name for time in times}
    theirs = [at for at, time in enumerate(times) if time.name in named or _weighted(time)]
    ours = [operator for operator in table if operator.name in ran or operator.kind in _FAMILIES]
    if len(theirs) == len(ours) and all(_fits(times[at], operator) for at, operator in zip(theirs, ours, strict=True)):
        joints = dict(zip(theirs, ours, strict=True))
    else:
        joints = {at: named[time.name] for at, time in enumerate(times) if time.name in named}
    return [Part(time, joints.get(at)) for at, time in enumerate(times)]


def _weighted(time: OperatorTime) -> bool:
    return bool(time.delegate) and time.kind.startswith(_WEIGHTED)


def _fits(time: OperatorTime, operator: Operator) -> bool:
    if _weighted(time):
        return time.kind.startswith(_FAMILIES.get(operator.kind, ()))
    return time.name == operator.name
