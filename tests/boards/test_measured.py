"""The instrument on an emulated Arm board: why one measures on the device that will run a file."""

from pathlib import Path

import numpy as np
import pytest

from autotune.config import Runtime
from autotune.devices.client.command import CommandDevice
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions
from autotune.measure.rounds import Job, Rules, measure
from autotune.results.measurement import Measurement
from tests.boards.sparse import images

RULES = Rules(within=0.05, most_rounds=6, most_s=20.0, again=0)


@pytest.fixture(scope="module")
def arm(board: list[str], tmp_path_factory: pytest.TempPathFactory) -> CommandDevice:
    """The board as a device of its argument list."""
    folder = str(tmp_path_factory.mktemp("arm"))
    return CommandDevice(
        "arm", board, folder=folder, emulated=True, shares_host=True, options=MeasureOptions(threads=(1,))
    )


def test_says_what_it_is(arm: CommandDevice) -> None:
    """An Arm machine with the older runtime, and that its times are an emulator's."""
    facts = arm.facts()
    assert facts.machine == "aarch64"
    assert facts.runtime == "tflite-runtime"
    assert facts.emulated is True
    assert arm.emulated
    assert arm.delegates[:2] == ("xnnpack", "builtin")
    assert "gpu" in arm.missing()


def test_computes_what_this_machine_computes(arm: CommandDevice, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The same file's outputs, by Arm's kernels, to float precision."""
    inputs = tmp_path / "x.npy"
    np.save(inputs, images(4))
    with arm.open() as there, LocalDevice().open() as here:
        for file in pair:
            expected = here.outputs(file, Runtime(), inputs)
            np.testing.assert_allclose(there.outputs(file, Runtime(), inputs), expected, atol=1e-5)


def test_sparse_weights_buy_time_on_arm_alone(arm: CommandDevice, pair: tuple[Path, Path]) -> None:
    """XNNPACK has kernels for sparse weights on Arm, and none on x86: no measurement here would have shown it.

    On Arm the sparse file takes about a third of its dense twin's time; less than three quarters is asserted.
    """
    dense, sparse = pair
    jobs = [Job(dense, Runtime()), Job(sparse, Runtime())]
    with arm.open() as session:
        there = measure(session, jobs, RULES)
    with LocalDevice(options=MeasureOptions(delegates=("xnnpack",))).open() as session:
        here = measure(session, jobs, RULES)
    ratios = []
    for found in (there, here):
        assert all(isinstance(one, Measurement) for one in found)
        slow, fast = (one.p50_ms for one in found if isinstance(one, Measurement))
        ratios.append(fast / slow)
    assert ratios[0] < 0.75
    assert ratios[0] < 0.75 * ratios[1]
