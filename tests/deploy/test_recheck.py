"""A picked file once more: on fakes, whole studies of which are there."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.deploy.pick import choose
from autotune.deploy.recheck import UNMEASURED, Rechecked, recheck
from autotune.devices.device import Session
from autotune.errors import Fault, UserError
from autotune.ledger.journal import exclusive, read
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.results.record import BASELINE, Record
from autotune.space.file import parse
from autotune.space.space import Space
from autotune.study.driver import run
from autotune.study.options import Options
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_files, toy_import
from tests.points import all_measured

SPACE = {"prune": [0, 0.5], "quantize": ["none", "int8"], "delegate": ["xnnpack", "builtin"], "threads": [1]}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A study that is finished, its recommended file tested."""
    model, data = toy_files(tmp_path)
    options = Options((model,), str(data), parse(SPACE, "toy", (1,)), [], "toy", tmp_path / "runs", trials=4)
    run(options, FakeDevice(), FakePool(), SilentReporter(), list, toy_import)
    return again(tmp_path)


def again(folder: Path) -> Record:
    """The study as it is by now."""
    return read(folder / "runs" / "toy", "toy")


def recommended(record: Record) -> MeasuredPoint:
    _, point = choose(record, None, None)
    assert point is not None
    assert str(point.trial) in record.tests
    return point


def another(record: Record) -> MeasuredPoint:
    """One that the study has not tested."""
    return next(point for point in all_measured(record.points) if str(point.trial) not in record.tests)


def looked(record: Record, point: MeasuredPoint, device: FakeDevice | None = None) -> Rechecked:
    return recheck(record, point, device or FakeDevice(), lambda _: None, FakePool(), importer=toy_import)


def test_the_recommended_file_is_measured_and_not_tested_again(record: Record) -> None:
    """Its test is the study's; nothing is opened for it, nor its outputs looked at."""
    (Path(str(record.meta.options.data))).unlink()
    device, point = FakeDevice(), recommended(record)
    found = looked(record, point, device)
    assert found.latency is not None
    assert found.latency.p50_ms == pytest.approx(point.outcome.metrics["latency_ms"])
    assert found.test == record.tests[str(point.trial)]
    assert found.remarks == []
    assert set(device.calls) == {"latency"}


def test_another_file_is_tested_once(record: Record, tmp_path: Path) -> None:
    """What it scores is kept with the study's own tests, and is not looked for a second time."""
    point = another(record)
    found = looked(record, point)
    assert found.remarks == []
    assert found.test is not None
    assert found.test.certainty.samples == 100
    kept = again(tmp_path)
    assert kept.tests == record.tests | {str(point.trial): found.test}
    assert len(kept.points) == len(record.points)
    device = FakeDevice()
    assert looked(kept, point, device).test == found.test
    assert "outputs" not in device.calls


def test_the_baseline_is_tested_where_the_study_has_not(record: Record) -> None:
    """One from before that was done; the point's own test stays as it is."""
    older = {trial: tested for trial, tested in record.tests.items() if trial != str(BASELINE)}
    ledger = Ledger(record.folder, record.name, Space({}, ""), record.meta)
    ledger.note("tests", {trial: tested.to_json() for trial, tested in older.items()})
    device, point = FakeDevice(), recommended(record)
    found = looked(ledger.record(), point, device)
    assert found.test == older[str(point.trial)]
    assert found.baseline == record.baseline_test is not None
    assert device.calls.count("outputs") == 1


def test_what_another_process_has_found_out_meanwhile_holds(record: Record, tmp_path: Path) -> None:
    """Two that come at once don't both look: the second finds what the first has kept."""
    point, device = another(record), FakeDevice()
    first = looked(record, point)
    assert looked(record, point, device).test == first.test  # of a record that does not know of it
    assert "outputs" not in device.calls


def test_the_device_is_held(record: Record) -> None:
    """By one while it measures, by those who evaluate together while it evaluates; and let go."""
    held: list[bool] = []

    class Watched(FakeDevice):
        def take(self, shared: bool) -> bool:
            held.append(shared)
            return super().take(shared)

    device = Watched()
    looked(record, another(record), device)
    assert held == [False, True]
    assert device.take(shared=False)


def test_who_holds_the_device_is_told(record: Record) -> None:
    """It is waited for."""
    device, said = FakeDevice(), list[str]()
    assert device.take(shared=False)

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("waiting"):
            device.leave(shared=False)

    assert recheck(record, recommended(record), device, say, FakePool(), importer=toy_import).latency is not None
    assert "waiting for device fake, which is in use (another session)" in said


def test_a_device_that_is_slower_by_now(record: Record) -> None:
    """Is measured as it is; the study's number stays what it was."""
    device, point = FakeDevice(), recommended(record)
    device.slower = 2.0
    found = looked(record, point, device)
    assert found.latency is not None
    assert found.latency.p50_ms == pytest.approx(2 * point.outcome.metrics["latency_ms"])


@pytest.mark.parametrize(
    ("how", "says"),
    [({"refuses": "xnnpack"}, "xnnpack refuses the file"), ({"idle": "xnnpack"}, "xnnpack runs none of the file's 4")],
)
def test_a_refusal_is_an_error(record: Record, tmp_path: Path, how: dict[str, str], says: str) -> None:
    """A file that the device does not run any more is not handed out, nor tested."""
    point = next(point for point in all_measured(record.points) if point.outcome.config.runtime.delegate == "xnnpack")
    with pytest.raises(UserError, match=f"trial {point.trial}: device fake does not run it any more: {says}"):
        looked(record, point, FakeDevice(**how))  # type: ignore[arg-type]  # texts
    assert again(tmp_path).tests == record.tests


def test_a_device_that_is_lost(record: Record) -> None:
    """The study's numbers are all there is, and its test."""
    point = recommended(record)
    found = looked(record, point, FakeDevice(faults=99))
    remarks = [f"{UNMEASURED}: the connection was lost"]
    assert found == Rechecked(None, record.tests[str(point.trial)], remarks, record.baseline_test)


@pytest.mark.parametrize("error", [Fault("no route to host"), UserError("adb sees no phone")])
def test_a_device_that_can_not_be_reached(record: Record, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Likewise, whatever it was that failed."""

    def fail(_: FakeDevice) -> Session:
        raise error

    monkeypatch.setattr(FakeDevice, "open", fail)
    remarks = [f"{UNMEASURED}: {error}"]
    assert looked(record, another(record)) == Rechecked(None, None, remarks, record.baseline_test)


def test_another_device_is_refused(record: Record) -> None:
    """Its numbers would not compare."""
    device = FakeDevice()
    device.name = "board"
    with pytest.raises(UserError, match="study 'toy' was measured on device fake, not on board"):
        looked(record, recommended(record), device)


def _gone(data: Path) -> None:
    data.unlink()


def _changed(data: Path) -> None:
    with np.load(data) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["x_test"][3] += 0.25
    np.savez(data, **arrays)


def _damaged(data: Path) -> None:
    data.write_bytes(b"PK")


@pytest.mark.parametrize(
    ("change", "says"),
    [(_gone, "no such file"), (_changed, "not what the study was made with"), (_damaged, "data ")],
)
def test_data_that_is_not_what_it_was(
    record: Record, tmp_path: Path, change: Callable[[Path], None], says: str
) -> None:
    """One line, and the file is measured all the same. Of other data nobody knows what the search has seen."""
    change(Path(str(record.meta.options.data)))
    found = looked(record, another(record))
    assert found.latency is not None
    assert found.test is None
    [line] = found.remarks
    assert line.startswith("it was not evaluated on the test split: data ")
    assert says in line
    assert again(tmp_path).tests == record.tests


def test_what_can_not_be_kept_is_not_looked_at(record: Record, tmp_path: Path) -> None:
    """Nothing is evaluated while the study is being run: it would have to be evaluated twice."""
    device = FakeDevice()
    with exclusive(record.folder, record.name):
        found = looked(record, another(record), device)
    assert found.test is None
    assert "is being run by another process" in found.remarks[0]
    assert "outputs" not in device.calls


def test_models_that_are_not_in_the_cache(record: Record) -> None:
    """Are opened again, in a worker."""
    import shutil

    shutil.rmtree(record.folder.parent / ".cache")
    opened = threading.Event()

    def importer(*arguments: Any) -> Any:
        opened.set()
        return toy_import(*arguments)

    found = recheck(record, another(record), FakeDevice(), lambda _: None, FakePool(), importer=importer)
    assert opened.is_set()
    assert found.test is not None


def test_a_later_run_takes_up_what_was_kept(record: Record, tmp_path: Path) -> None:
    """The study goes on as before, and knows of the test."""
    point = another(record)
    looked(record, point)
    model, data = tmp_path / "toy.keras", tmp_path / "toy.npz"
    options = Options((model,), str(data), parse(SPACE, "toy", (1,)), [], "toy", tmp_path / "runs", trials=4)
    summary = run(options, FakeDevice(), FakePool(), SilentReporter(), list, toy_import)
    assert str(point.trial) in summary.record.tests
    assert len(summary.record.points) == len(record.points)


def test_what_is_kept_finds_the_data_from_any_folder(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the device; a share of the test samples that is not the usual one is cut off again."""
    model, data = tmp_path / "toy.keras", tmp_path / "toy.npz"
    monkeypatch.chdir(tmp_path)
    options = Options(
        (model,),
        data.name,
        parse(SPACE, "toy", (1,)),
        [],
        "more",
        tmp_path / "runs",
        trials=4,
        validation_share=0.25,
        device="desk",
    )
    run(options, FakeDevice(), FakePool(), SilentReporter(), list, toy_import)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    more = read(tmp_path / "runs" / "more", "more")
    assert more.meta.options.device == "desk"
    found = looked(more, another(more))
    assert found.test is not None
    assert found.test.certainty.samples == 150
