"""The front and what is picked from it, as users of the Python API have them; on fakes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import autotune
from autotune import Front, Unmet, UserError
from autotune.api.frame import frame
from autotune.deploy.pick import Picked
from autotune.deploy.registration import Registration
from autotune.model.trust import Trust
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Refused
from autotune.results.record import Record
from autotune.space.file import parse
from autotune.study.driver import run
from autotune.testing import FakeDevice, FakePool, SilentReporter, toy_import, toy_meta, toy_outcome, toy_record
from tests.cli.conftest import SPACE, Board, options


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Holds study toy, whose files were measured on a board, too; no other device is to be found."""
    folder, board = tmp_path_factory.mktemp("studies"), Board()
    devices = {"fake": FakeDevice(), "board.yaml": board}

    def load(spec: str, **_: Any) -> FakeDevice:
        if spec not in devices:
            raise UserError(f"unknown device {spec!r}")
        return devices[spec]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autotune.devices.device_file.find_device", load)
        run(options(folder), devices["fake"], FakePool(), SilentReporter(), list, toy_import)
        asked = replace(options(folder, "board.yaml"), space=parse(SPACE | {"threads": [1]}, "toy", (1,)))
        run(asked, board, FakePool(), SilentReporter(), list, toy_import)
        yield folder / "runs"


@pytest.fixture
def front(folder: Path) -> Front:
    return autotune.load("toy", dir=folder)


def test_front(front: Front) -> None:
    """Its points, the recommended one, and what it is of."""
    assert (front.name, front.device, [target.text for target in front.targets]) == ("toy", "fake", ["latency<0.06ms"])
    assert front.recommended is not None
    assert front.recommended in list(front) == front.points
    assert len(front) == len(front.points) < len(front.trials)
    assert front.baseline.config.recipe.quantize == "none"
    assert front.hypervolume > 0
    assert repr(front).startswith(f"<Front of study 'toy' on fake: {len(front)} points; recommended is trial ")
    assert json.loads(json.dumps(front.to_json()))[0]["metrics"]["accuracy"] == pytest.approx(0.9)


def test_front_on_other_devices(folder: Path, front: Front) -> None:
    """By their names; load() finds them so, too."""
    assert front.devices == ["fake", "board"]
    board = front.on("board")
    assert (board.device, board.devices) == ("board", front.devices)
    assert board.on("fake").to_json() == front.to_json()
    assert autotune.load("toy", dir=folder, device="board").to_json() == board.to_json()
    with pytest.raises(UserError, match="was measured on fake, board, not on moon"):
        front.on("moon")


def test_load_of_what_is_not_there(tmp_path: Path) -> None:
    """As the command line says it."""
    with pytest.raises(UserError, match="no study 'none' in "):
        autotune.load("none", dir=tmp_path)
    with pytest.raises(UserError, match="study 'empty' has no trials yet; run it first"):
        Front(Record("empty", tmp_path / "empty", toy_meta()), None)  # type: ignore[arg-type]  # it does not come to that


def test_pick(front: Front) -> None:
    """By the study's targets or others, by a rule or a number."""
    assert front.recommended is not None
    assert front.pick().point == front.recommended
    assert front.pick("accuracy>=baseline").config.recipe.quantize == "none"
    small = front.pick("latency<1s", weights={"download": 1, "quality": 0})
    assert small.metrics["download_bytes"] == min(point.outcome.metrics["download_bytes"] for point in front)
    assert front.pick(trial=0).point.trial == 0
    assert front.pick().file.is_file()
    assert repr(front.pick(trial=0)).startswith("<Pick: trial 0, accuracy ")


def test_pick_where_nothing_meets_the_targets(front: Front) -> None:
    """It says so, with the nearest miss; the front still stands."""
    with pytest.raises(Unmet, match=r"nothing meets the targets; nearest is trial .*misses latency<1us by") as caught:
        front.pick("latency<1us")
    assert caught.value.nearest is not None
    assert caught.value.nearest.trial in {point.trial for point in front}


@pytest.mark.parametrize(
    ("targets", "given", "says"),
    [
        (("speed<1ms",), {}, "unknown metric 'speed'"),
        ((5,), {}, "--targets: 5 of type int is no text"),
        ((), {"by": "best"}, "--by 'best' is unknown; known are one-se, knee, weights"),
        ((), {"weights": {"speed": 1}}, "'speed' is no objective of the study"),
        ((), {"weights": {"latency": 0}}, "one at least must be above 0"),
        ((), {"trial": 99}, "no measured trial 99"),
        ((), {"trial": 0, "by": "knee"}, "--trial goes without --by"),
    ],
)
def test_pick_of_what_makes_no_sense(front: Front, targets: Any, given: dict[str, Any], says: str) -> None:
    """As the command line says it."""
    with pytest.raises(UserError, match=says):
        front.pick(*targets, **given)


def test_save_measures_again(front: Front, tmp_path: Path) -> None:
    """What is saved is what the command line saves."""
    saved = front.pick().save(tmp_path / "ship")
    recipe = json.loads(saved.recipe.read_text())
    assert saved.file.read_bytes() == front.pick().file.read_bytes()
    assert recipe["remeasured"]["change"] == 0
    assert recipe["test"]["samples"] == 100
    assert recipe["remarks"] == saved.remarks == []
    assert saved.page.read_text().startswith(f"# {saved.file.name}")


def test_save_as_it_stands(front: Front, tmp_path: Path) -> None:
    """By choice without a word; where the device is gone with one."""
    assert json.loads(front.pick().save(tmp_path, measure=False).recipe.read_text())["remeasured"] is None
    gone = front.on("board").pick("latency<1s")
    meta = gone._record.meta
    gone._record = replace(gone._record, meta=replace(meta, options=replace(meta.options, device="sold")))
    [remark] = gone.save(tmp_path).remarks
    assert remark.startswith("it was not measured again, so the latency is the study's: unknown device 'sold'")
    assert json.loads(gone.save(tmp_path, device="board.yaml").recipe.read_text())["remeasured"]["change"] == 0


def test_one_file_for_all_devices(front: Front, tmp_path: Path) -> None:
    """On each of them on the runtime that suits it there; saved as the command line saves it."""
    pick = front.pick_for_all("latency<1s", weights={"latency": 1})
    assert {device: one.config.runtime.threads for device, one in pick.on.items()} == {"fake": 2, "board": 1}
    assert {one.file.read_bytes() for one in pick.on.values()} == {pick.file.read_bytes()}
    saved = pick.save(tmp_path)
    found = json.loads(saved.recipe.read_text())["devices"]
    assert {device: one["remeasured"]["change"] for device, one in found.items()} == {"fake": 0, "board": 0}
    with pytest.raises(Unmet, match=r"nearest is trial \d+: on fake .*; on board misses latency<0.03ms by [\d.]+ us"):
        front.pick_for_all("latency<0.03ms")


def test_save_registers(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line has it, for one device or for all."""
    told: list[tuple[str, list[str]]] = []

    def register(self: Registration, picked: list[Picked], file: Path, recipe: dict[str, Any], trust: Trust) -> None:
        told.append((self.uri, [one.record.device for one in picked]))
        recipe["registered"] = {"uri": f"models:/{self.name}@{self.alias}"}

    monkeypatch.setattr(Registration, "register", register)
    monkeypatch.setattr(Registration, "check", lambda self, point: None)
    asked: dict[str, Any] = {"measure": False, "register": "it", "tracking_uri": "sqlite:///its.db"}
    assert front.pick().save(tmp_path, **asked).registered == "models:/it@autotune"
    assert front.pick_for_all("latency<1s").save(tmp_path, **asked, alias="best").registered == "models:/it@best"
    assert told == [("sqlite:///its.db", ["fake"]), ("sqlite:///its.db", ["fake", "board"])]
    assert front.pick().save(tmp_path, measure=False).registered is None
    with pytest.raises(UserError, match="--alias goes with --register"):
        front.pick().save(tmp_path, measure=False, alias="best")


def test_save_into_a_place_that_can_not_be_written(front: Front, tmp_path: Path) -> None:
    """As the command line says it."""
    (tmp_path / "blocked").touch()
    with pytest.raises(UserError, match=r"--out: .*blocked"):
        front.pick().save(tmp_path / "blocked", measure=False)


def test_to_frame(front: Front) -> None:
    """A row for each point, or for each trial; units in the columns' names."""
    table = front.to_frame()
    assert list(table.index) == [point.trial for point in front]
    assert table.index.name == "trial"
    assert front.recommended is not None
    assert list(table.index[table["recommended"]]) == [front.recommended.trial]
    assert table.loc[front.recommended.trial, "latency_ms"] == front.recommended.outcome.metrics["latency_ms"]
    assert (table["accuracy_low"] < table["accuracy"]).all()
    assert (table["latency_ms"] <= table["latency_ms_high"]).all()
    assert table["on_front"].all()
    everything = front.to_frame(everything=True)
    assert list(everything.index) == [point.trial for point in front.trials]
    assert list(everything.index[everything["on_front"]]) == sorted(table.index)


def test_frame_with_what_was_refused(tmp_path: Path) -> None:
    """It has a reason and no numbers; a front without points is a table without rows."""
    one = toy_outcome(0.9, 1.0, 1000)
    record = toy_record(tmp_path / "a", one, Refused(one.config, "no"))
    front = record.front()
    assert front is not None
    table = frame(front, record.points)
    assert list(table["state"]) == ["measured", "refused"]
    assert table.loc[1, "reason"] == "no"
    assert table.loc[1].isna()["accuracy"]
    assert len(frame(front, [])) == 0


def test_plot_and_report(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report's figure, and what the report's command writes."""
    asked: list[Path] = []

    def write(record: object, found: object, folder: Path) -> list[Path]:
        asked.append(folder)
        return [folder / "report.html"]

    monkeypatch.setattr("autotune.report.page.write_report", write)
    assert front.report(tmp_path) == [tmp_path / "report.html"]
    assert asked == [tmp_path]
    assert len(front.plot().data) > 0


def test_in_a_notebook(front: Front) -> None:
    """A table with the recommendation marked, and nothing that is not its own."""
    shown = front._repr_html_()
    assert front.recommended is not None
    [row] = [row for row in shown.split("<tr") if ">*</td>" in row]
    assert f">{front.recommended.trial}</td>" in row
    assert "font-weight:bold" in row
    assert "latency&lt;0.06ms" in shown
    assert "http" not in shown
    assert "<script" not in shown


def test_names_in_a_notebook_are_text(tmp_path: Path) -> None:
    """Whatever a model, a device or a plug-in's dimension is called."""
    evil = "<script>alert(1)</script>"
    outcome = toy_outcome(0.9, 1.0, 1000, model=evil, own=evil)
    record = toy_record(tmp_path / "a", outcome)
    record = replace(record, meta=replace(record.meta, device=DeviceFacts(evil)))
    for shown in (Front(record, None)._repr_html_(), outcome.config._repr_html_()):  # type: ignore[arg-type]
        assert "<script" not in shown
        assert "&lt;script&gt;alert(1)" in shown
