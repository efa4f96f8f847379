"""One file for several devices."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.results.decision import DecisionRule, ranked
from autotune.results.devices import Together, together
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Measured
from autotune.results.record import Begun
from autotune.targets.target import parse
from autotune.testing import toy_outcome, toy_record

DESK = ((0.9, 1.0, 1000), (0.89, 0.5, 500), (0.88, 0.2, 500))
BOARD = ((0.9, 100.0, 1000), (0.89, 10.0, 500), (0.88, 40.0, 500))
"""Quality, latency and download of three files: the third is the desk's, the second the board's."""


def outcome(file: int, quality: float, latency: float, download: float, **config: int) -> Measured:
    return replace(toy_outcome(quality, latency, download, mixed=file / 10, **config), artifact=f"{file:064}")


def record(folder: Path, device: str, *outcomes: Measured) -> Begun:
    made = toy_record(folder / device, *outcomes)
    return replace(made, meta=replace(made.meta, device=DeviceFacts(device)))


@pytest.fixture
def records(tmp_path: Path) -> dict[str, Begun]:
    """Three files on two devices."""
    rows = {"desk": DESK, "board": BOARD}
    return {
        device: record(tmp_path, device, *(outcome(file, *row) for file, row in enumerate(found)))
        for device, found in rows.items()
    }


def weighed(records: dict[str, Begun], *targets: str) -> Together:
    found = together(records, [parse(text)[0] for text in targets])
    assert found is not None
    return found


def test_the_mean_of_ratios_decides(records: dict[str, Begun]) -> None:
    """2.5 times as slow on one device is less of a loss than 4 times as slow on the other; which is slow, is not."""
    for order in (("desk", "board"), ("board", "desk")):
        found = weighed({device: records[device] for device in order})
        point = next(ranked(found.front, DecisionRule("weights", {"latency": 1})))
        assert point.outcome.artifact == f"{1:064}"
        assert point.outcome.metrics["latency_ms"] == pytest.approx((0.5 * 10) ** 0.5)
        assert {device: one.outcome.metrics["latency_ms"] for device, one in found.on_each(point).items()} == {
            "desk": 0.5,
            "board": 10,
        }


def test_the_worst_quality_counts(records: dict[str, Begun]) -> None:
    """A file is as good as it is where it is worst, with that one's uncertainty."""
    points = list(records["board"].measured)
    bad = replace(outcome(1, 0.5, 10, 500), certainty=replace(points[1].outcome.certainty, standard_error=0.3))
    points[1] = replace(points[1], outcome=bad)
    found = weighed(records | {"board": replace(records["board"], points=points)})
    shared = found.files[f"{1:064}"].outcome
    assert (shared.metrics["accuracy"], shared.certainty.standard_error) == (0.5, 0.3)


def test_targets_hold_on_every_device(records: dict[str, Begun]) -> None:
    """What misses one on one device misses it."""
    found = weighed(records, "latency<20ms")
    assert [point.outcome.artifact for point in found.front.feasible] == [f"{1:064}"]
    assert found.files[f"{0:064}"].violations["latency<20ms"] == pytest.approx(4.0)
    unmet = weighed(records, "latency<5ms")
    assert unmet.front.pick() is None
    assert unmet.nearest.outcome.artifact == f"{1:064}"


def test_each_device_has_its_runtime(records: dict[str, Begun]) -> None:
    """The one that meets the targets there, then the one that costs least."""
    board = records["board"]
    more = record(
        board.folder.parent / "more", "board", *(p.outcome for p in board.measured), outcome(1, 0.89, 6, 500, threads=4)
    )
    found = weighed(records | {"board": more})
    each = found.on_each(found.files[f"{1:064}"])
    assert {device: point.outcome.config.runtime.threads for device, point in each.items()} == {"desk": 1, "board": 4}


def test_only_files_that_run_everywhere(records: dict[str, Begun]) -> None:
    """What one device refuses, or has not measured yet, is no candidate; where nothing is left, there is no answer."""
    board = records["board"]
    found = weighed(records | {"board": replace(board, points=board.points[:2])})
    assert found.files.keys() == {f"{0:064}", f"{1:064}"}
    assert together(records | {"board": replace(board, points=[])}, None) is None
