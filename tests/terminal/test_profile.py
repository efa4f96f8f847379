"""What people see of a profile."""

import pytest

from autotune.measure.profile import Profile
from autotune.results.profile import OperatorTime, Part
from autotune.terminal.profile import PARTS, print_profile
from autotune.tflite.facts import Operator
from tests.terminal.test_devices import shown


def operator(name: str, macs: int = 0) -> Operator:
    return Operator(name, "CONV_2D", macs, macs // 10, macs // 10 * 4, 800, (1, 4, 4, 2), "float32")


def test_a_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """Time and share of each; what the file tells where the operator is known; sums."""
    times = [
        OperatorTime("#0", "Convolution (NHWC, F32) IGEMM", 30.0, 0.0, "xnnpack"),
        OperatorTime("#1", "Clamp (NC)", 0.4, 30.0, "xnnpack"),
        OperatorTime("s", "SOFTMAX", 9.6, 30.4, ""),
    ]
    table = [operator("net/first;net/second", 60_000), operator("s")]
    print_profile("m on desk", Profile([*map(Part, times, [table[0], None, table[1]])], table, ""))
    lines = shown(capsys).splitlines()
    assert lines[0] == "m on desk"
    assert lines[2].startswith("Convolution (F32) IGEMM net/first 30 us 75.0% ▇")
    assert lines[2].endswith("xnnpack 2 60 k 6 k 24.0 kB 0.8 kB")
    assert lines[3] == "Clamp <1 us 1.0% xnnpack - - - - -"
    assert lines[4].startswith("SOFTMAX s 9.6 us 24.0% ▇")
    assert lines[4].endswith("kernels - - - - 0.8 kB")
    assert lines[5] == "all 40 us 60 k 6 k 24.0 kB 1.6 kB"


def test_a_profile_too_short_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    """A delegate tells whole microseconds, so all may be 0."""
    times = [OperatorTime("#0", "Clamp (NC)", 0.0, 0.0, "xnnpack")]
    print_profile("m", Profile([Part(times[0], None)], [], ""))
    assert "Clamp <1 us 0.0%" in shown(capsys)


def test_a_profile_without_times(capsys: pytest.CaptureFixture[str]) -> None:
    """The file's own table, and why there is no more; of many operators the heaviest, in their order."""
    table = [operator(f"layer{at}", 1000 + 10 * (at % 7)) for at in range(PARTS + 7)]
    print_profile("m", Profile([Part(None, one) for one in table], table, "the GPU tells nothing"))
    lines = shown(capsys).splitlines()
    assert lines[1] == "operator makes MACs params weights in + out shape"
    rows = [line.split()[1] for line in lines[2 : PARTS + 2]]
    assert rows == sorted(rows, key=lambda name: int(name.removeprefix("layer")))
    assert "layer0" not in rows
    assert lines[-2:] == ["7 lighter ones are not shown; --json has them", "the GPU tells nothing"]
