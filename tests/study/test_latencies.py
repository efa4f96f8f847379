"""What is known of structures, between studies."""

from dataclasses import replace
from pathlib import Path

from autotune.config import Runtime
from autotune.study.latencies import Latencies
from autotune.testing import toy_measurement

HERE = {"cpu": "toy", "load": 0.5}
FOUND = toy_measurement(1.0)
ONE = Runtime()


def test_keeps_what_is_stable(tmp_path: Path) -> None:
    """Also for the next study on the same device, whatever its load is."""
    Latencies(tmp_path, HERE).put("a", ONE, FOUND)
    assert Latencies(tmp_path, HERE | {"load": 3.0}).get("a", ONE) == FOUND


def test_does_not_keep_what_is_not_stable(tmp_path: Path) -> None:
    """It would be believed for ever."""
    known = Latencies(tmp_path, HERE)
    known.put("a", ONE, replace(FOUND, verdict="rounds differ by 20%"))
    assert known.get("a", ONE) is None


def test_belongs_to_structure_runtime_and_device(tmp_path: Path) -> None:
    """Another one of either is not known."""
    known = Latencies(tmp_path, HERE)
    known.put("a", ONE, FOUND)
    assert known.get("b", ONE) is None
    assert known.get("a", Runtime(threads=2)) is None
    assert known.get("a", Runtime("builtin")) is None
    assert Latencies(tmp_path, HERE | {"cpu": "other"}).get("a", ONE) is None


def test_a_baseline_that_changed_makes_all_older_ones_void(tmp_path: Path) -> None:
    """The device is not what it was; what is measured from then on is kept."""
    Latencies(tmp_path, HERE).put("a", ONE, FOUND)
    Latencies(tmp_path, HERE).put("base", ONE, FOUND)
    known = Latencies(tmp_path, HERE)
    assert "20% more time" in str(known.anchor("base", ONE, toy_measurement(1.2)))
    assert known.get("a", ONE) is None
    assert known.get("base", ONE) == toy_measurement(1.2)
    known.put("a", ONE, FOUND)
    assert known.get("a", ONE) == FOUND


def test_a_baseline_that_agrees_keeps_them(tmp_path: Path) -> None:
    """Within the 5 % by which machines differ from day to day; so does a first one."""
    known = Latencies(tmp_path, HERE)
    known.put("a", ONE, FOUND)
    assert known.anchor("base", ONE, FOUND) is None
    assert known.anchor("base", ONE, toy_measurement(0.97)) is None
    assert known.get("a", ONE) == FOUND


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    """It is measured anew."""
    known = Latencies(tmp_path, HERE)
    known.put("a", ONE, FOUND)
    [file] = tmp_path.rglob("*.json")
    file.write_text('{"at": 1')
    assert known.get("a", ONE) is None
