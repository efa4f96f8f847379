"""Where a file's time goes."""

from pathlib import Path

import pytest

from autotune.config import Runtime
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions
from autotune.measure.profile import joined, profile
from autotune.results.profile import OperatorTime
from autotune.testing import FakeDevice
from autotune.tflite.facts import Operator
from autotune.tflite.operators import operators
from tests.compress import tables
from tests.conftest import BusyDevice


def ours(*kinds: str) -> list[Operator]:
    """Operators that make a, b, c, …"""
    return [Operator(chr(97 + at), kind, 1, 1, 4, 8, (1, 2), "float32") for at, kind in enumerate(kinds)]


def kernel(name: str, kind: str) -> OperatorTime:
    return OperatorTime(name, kind, 1.0, 0.0, "")


def inside(kind: str) -> OperatorTime:
    return OperatorTime("#0", kind, 1.0, 0.0, "xnnpack")


def names(times: list[OperatorTime], table: list[Operator]) -> list[str | None]:
    """Which operator of the file each time is."""
    parts = joined(times, table)
    assert [part.time for part in parts] == times
    return [part.operator.name if part.operator else None for part in parts]


CONV, DENSE = "Convolution (NHWC, F32) IGEMM", "Fully Connected (NC, F32) GEMM"


@pytest.mark.parametrize(
    ("times", "table", "found"),
    [
        ([kernel("b", "ADD"), kernel("a", "CONV_2D")], ours("CONV_2D", "ADD"), ["b", "a"]),
        ([inside(CONV), inside("Clamp (NC)"), inside(DENSE)], ours("CONV_2D", "FULLY_CONNECTED"), ["a", None, "b"]),
        ([inside(DENSE), inside(CONV)], ours("CONV_2D", "DEPTHWISE_CONV_2D"), ["a", "b"]),
        ([inside(CONV), kernel("b", "SIN"), inside(DENSE)], ours("CONV_2D", "SIN", "FULLY_CONNECTED"), ["a", "b", "c"]),
        ([inside(CONV), inside(DENSE)], ours("FULLY_CONNECTED", "CONV_2D"), [None, None]),
        ([inside(CONV), inside(CONV)], ours("CONV_2D"), [None, None]),
        ([inside(CONV), inside(CONV), kernel("b", "SIN")], ours("CONV_2D", "SIN", "CONV_2D"), [None, None, "b"]),
        ([inside(CONV)], ours("ADD"), [None]),
    ],
    ids=["kernels", "fused", "1x1", "between", "order", "more", "hoisted", "others"],
)
def test_times_are_joined_with_the_files_operators(
    times: list[OperatorTime], table: list[Operator], found: list[str | None]
) -> None:
    """Kernels by name; a delegate's by their order, as long as that leaves no doubt."""
    assert names(times, table) == found


def test_without_times() -> None:
    """What the file tells is there all the same, with a sentence why there is no more."""
    found = profile(FakeDevice(), PROBE, Runtime("xnnpack", 2), lambda _: None)
    assert found.times == []
    assert [part.operator for part in found.parts] == found.operators == operators(PROBE.read_bytes())
    assert found.untold == "fake doesn't tell what single operators take on xnnpack x2"


def test_a_refusal_is_why_there_are_no_times() -> None:
    """In its own words."""
    found = profile(FakeDevice(refuses="builtin"), PROBE, Runtime("builtin"), lambda _: None)
    assert found.untold == "builtin refuses the file"
    assert found.operators


def test_the_lease_is_waited_for(busy: BusyDevice) -> None:
    """Another's measurement would disturb this one, and this one that."""
    profile(busy, PROBE, Runtime(), busy.say)
    assert busy.told == ["waiting for fake: another session"]


@pytest.mark.parametrize("delegate", ["xnnpack", "builtin"])
def test_on_a_real_device(tmp_path: Path, delegate: str) -> None:
    """Every operator with weights has its time, where this machine's LiteRT tells."""
    model = tmp_path / "small.tflite"
    model.write_bytes(tables.small())
    found = profile(
        LocalDevice(options=MeasureOptions(delegates=(delegate,))), model, Runtime(delegate), lambda _: None
    )
    if found.untold:
        pytest.skip(found.untold)
    kinds = [part.operator.kind for part in found.parts if part.operator]
    assert [kind for kind in kinds if kind in ("CONV_2D", "FULLY_CONNECTED")] == ["CONV_2D", "FULLY_CONNECTED"]
    assert min(time.time_us for time in found.times) >= 0
