"""Measuring .tflite files as they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from autotune.config import Runtime
from autotune.devices.client.device import PROBE
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import Cooling, MeasureOptions, Session, Window, cores
from autotune.errors import Fault, Infeasible, UserError
from autotune.measure.bench import BenchRow, BenchWindow, bench, bench_findings, read_tflite, runtimes, sustain
from autotune.measure.rounds import Job
from autotune.results.measurement import Measurement
from autotune.testing import FakeDevice, toy_measurement
from tests.compress import tables
from tests.conftest import BusyDevice


def silent(_: str) -> None:
    pass


def toys(folder: Path, *schemes: str) -> list[Path]:
    """Files that a FakeDevice runs."""
    paths = [folder / f"{scheme}.tflite" for scheme in schemes]
    for path, scheme in zip(paths, schemes, strict=True):
        path.write_text(f'[["quantize", {{"scheme": "{scheme}"}}]]')
    return paths


def jobs(models: list[Path], *delegates: str) -> list[Job]:
    return [Job(model, Runtime(delegate)) for model in models for delegate in delegates]


def test_files_are_measured_in_one_go(tmp_path: Path) -> None:
    """Under one lease, so interleaved; rows come as they were asked for."""
    device = FakeDevice()
    asked = jobs(toys(tmp_path, "none", "int8"), "xnnpack", "builtin")
    rows = bench(device, asked, silent)
    assert [(row.model, row.runtime) for row in rows] == [(job.model, job.runtime) for job in asked]
    medians = [row.result.p50_ms for row in rows if isinstance(row.result, Measurement)]
    assert medians == pytest.approx([0.1, 0.4, 0.04, 0.16])
    assert device.take(shared=False)  # the lease was left


def test_a_refusal_is_a_row_of_its_own(tmp_path: Path) -> None:
    """The others are measured."""
    rows = bench(FakeDevice(refuses="builtin"), jobs(toys(tmp_path, "none"), "xnnpack", "builtin"), silent)
    assert isinstance(rows[0].result, Measurement)
    assert isinstance(rows[1].result, Infeasible)


def test_a_fault_is_a_row_of_its_own(tmp_path: Path) -> None:
    """Of the file that it came over."""
    rows = bench(FakeDevice(faults=1), jobs(toys(tmp_path, "none", "int8"), "xnnpack"), silent)
    assert isinstance(rows[0].result, Fault)
    assert isinstance(rows[1].result, Measurement)


def test_waits_for_the_device_and_says_so(tmp_path: Path, busy: BusyDevice) -> None:
    """Somebody else holds the lease."""
    bench(busy, jobs(toys(tmp_path, "none"), "xnnpack"), busy.say)
    assert busy.told == ["waiting for fake: another session measures there"]


def test_the_device_cools_down_before_each_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rule of its device file."""
    rested: list[Session] = []
    monkeypatch.setattr("autotune.measure.bench.rest", lambda device, session, waiting: rested.append(session))
    device = FakeDevice()
    device.cooling = Cooling(60, 60)
    bench(device, jobs(toys(tmp_path, "none"), "xnnpack"), silent)
    assert len(rested) == device.calls.count("latency")


def test_runtimes() -> None:
    """The device's first delegate and one thread, unless others are named; all are all that it has."""
    device = FakeDevice()
    assert runtimes(device, [], []) == [Runtime("xnnpack", 1)]
    assert runtimes(device, ["builtin", "xnnpack", "builtin"], [2]) == [Runtime("builtin", 2), Runtime("xnnpack", 2)]
    assert runtimes(device, ["all"], ["all"]) == [Runtime(name, n) for name in device.delegates for n in (1, 2)]
    assert runtimes(device, [], [8, "all"]) == [Runtime("xnnpack", 1), Runtime("xnnpack", 2)]


def test_a_delegate_that_the_device_has_not() -> None:
    """With the reason, and what there is."""
    device = FakeDevice()
    device.missing = lambda: {"gpu": "no adapter"}  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"^device fake has no delegate 'gpu' \(no adapter\); it has xnnpack, builtin"):
        runtimes(device, ["gpu"], [])
    with pytest.raises(UserError, match=r"has no delegate 'warp' \(unknown\)"):
        runtimes(device, ["xnnpack", "warp"], [])


def test_a_delegate_that_there_is_not() -> None:
    """Is told without asking the device, which somebody may be measuring on."""

    class Unasked(LocalDevice):
        def open(self, load: int = 0) -> NoReturn:
            raise AssertionError("the device was asked")

    with pytest.raises(UserError, match="--delegate 'xnpack' is unknown; known are xnnpack, "):
        runtimes(Unasked(), ["xnpack"], [])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.tflite", None, "no such file"),
        ("a.tflite", b"x", "not a .tflite file, in spite of its name"),
        ("a.tflite", b"\x1c\x00\x00\x00TFL3" + b"\xff" * 40, "a.tflite: "),
        ("a.keras", b"PK\x05\x06" + bytes(18), "not a .tflite file; autotune run makes one of it"),
        ("a.onnx", b"x", "not a .keras, .h5 or .tflite file"),
    ],
)
def test_what_is_no_tflite_file(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """One line with its name."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_tflite(tmp_path / name)
    assert f"model {tmp_path / name}" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_tflite() -> None:
    """A whole one is given."""
    assert read_tflite(PROBE) == PROBE.read_bytes()


def test_what_a_fake_can_not_do(tmp_path: Path) -> None:
    """Only the runner runs files on end, or beside others' work."""
    [model] = toys(tmp_path, "none")
    with pytest.raises(UserError, match="device fake can't run a file on end"):
        sustain(FakeDevice(), Job(model, Runtime()), 1, silent)
    with pytest.raises(UserError, match="device fake can't be kept busy"):
        bench(FakeDevice(), jobs([model], "xnnpack"), silent, load=1)


def sparse(values: np.ndarray[Any, Any]) -> bytes:
    """The small file with sparse weights in its dense layer."""

    def encode(model: Any) -> None:
        tables.encode_sparsely(model, model.subgraphs[0].operators[2].inputs[1], values)

    return tables.edited(tables.small(), encode)


def narrow(model: Any) -> None:
    """Another shape: it is nobody's twin."""
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[-1].outputs[0]].shape = np.array([1, 9], np.int32)


@pytest.mark.parametrize(("change", "found"), [(None, True), (narrow, False)])
def test_a_sparse_file_is_held_against_its_twin(
    tmp_path: Path, change: Callable[[Any], None] | None, found: bool
) -> None:
    """The dense file with the same operators and shapes, whatever it is called."""
    values = np.where(np.arange(2560) % 4 == 0, 1, 0).astype(np.float32).reshape(10, 256)
    dense, other = tmp_path / "dense.tflite", tmp_path / "other.tflite"
    dense.write_bytes(tables.edited(tables.small(), change) if change else tables.small())
    other.write_bytes(sparse(values))
    rows = [BenchRow(path, Runtime(), toy_measurement(1)) for path in (other, dense)]
    assert bench_findings(rows) == (["sparse weights bought nothing on xnnpack: as fast"] if found else [])


def test_what_was_not_measured_is_not_held_against_anything() -> None:
    """Refusals and faults say nothing of speed."""
    rows = [BenchRow(PROBE, Runtime(), toy_measurement(1)), BenchRow(PROBE, Runtime("builtin"), Infeasible("no"))]
    assert bench_findings(rows) == []


@pytest.mark.usefixtures("brief")
def test_on_a_real_device() -> None:
    """Beside a core that is kept busy, too."""
    device = LocalDevice(options=MeasureOptions(delegates=("xnnpack", "builtin")))
    for load in (0, 1):
        rows = bench(device, jobs([PROBE], "xnnpack", "builtin"), silent, load)
        for row in rows:
            assert isinstance(row.result, Measurement)
            assert row.result.operators == 1
            assert row.result.runs > 0


def test_no_more_load_than_cores() -> None:
    """A thousand processes would take the machine down."""
    device = LocalDevice("desk", options=MeasureOptions(delegates=("xnnpack",)))
    with pytest.raises(UserError, match=rf"--load 5000: device desk has {cores()} cores; keep no more busy"):
        bench(device, jobs([PROBE], "xnnpack"), silent, 5000)


def test_on_end_on_a_real_device() -> None:
    """A window for each second, in order."""
    windows = sustain(LocalDevice(options=MeasureOptions(delegates=("xnnpack",))), Job(PROBE, Runtime()), 2, silent)
    assert [round(window.at_s) for window in windows] == [0, 1]
    assert all(window.runs > 0 and 0 < window.p50_ms <= window.p90_ms for window in windows)


def test_a_window() -> None:
    """Of what a device can't tell there is None; else what it was at the window's end."""
    bare = Window(1.0, [1000.0, 2000.0, 3000.0])
    assert BenchWindow.of(bare) == BenchWindow(1.0, 2.0, 2.8, 3, None, None)
    told = replace(bare, temperature_c=[40.0, 45.0], frequency_mhz=[2000.0, 1500.0])
    assert (BenchWindow.of(told).temperature_c, BenchWindow.of(told).frequency_mhz) == (45.0, 1500.0)
