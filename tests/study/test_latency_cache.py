"""What is known of structures, between studies."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from autotune.config import Runtime
from autotune.results.meta import DeviceFacts
from autotune.study.latency_cache import LatencyCache
from autotune.testing import toy_measurement
from tests import damage

HERE = DeviceFacts("toy", cpu="toy", load=0.5)
FOUND = toy_measurement(1.0)
ONE = Runtime()


def known(folder: Path, device: DeviceFacts = HERE, baseline: float = 1.0) -> LatencyCache:
    """What a study knows once it has measured its baseline."""
    found = LatencyCache(folder, device)
    found.anchor("base", ONE, toy_measurement(baseline))
    return found


def test_keeps_what_is_stable(tmp_path: Path) -> None:
    """Also for the next study on the same device, whatever its load is."""
    known(tmp_path).put("a", ONE, FOUND)
    assert known(tmp_path, replace(HERE, load=3.0)).get("a", ONE) == FOUND


def test_does_not_keep_what_is_not_stable(tmp_path: Path) -> None:
    """It would be believed for ever."""
    here = known(tmp_path)
    here.put("a", ONE, replace(FOUND, verdict="rounds differ by 20%"))
    assert here.get("a", ONE) is None


def test_belongs_to_structure_runtime_and_device(tmp_path: Path) -> None:
    """Another one of either is not known."""
    here = known(tmp_path)
    here.put("a", ONE, FOUND)
    assert here.get("b", ONE) is None
    assert here.get("a", Runtime(threads=2)) is None
    assert here.get("a", Runtime("builtin")) is None
    assert known(tmp_path, replace(HERE, cpu="other")).get("a", ONE) is None


def test_nothing_older_is_trusted_before_a_baseline_agrees(tmp_path: Path) -> None:
    """Nor where there is no older one of this model: its first study measures all itself."""
    known(tmp_path).put("a", ONE, FOUND)
    assert LatencyCache(tmp_path, HERE).get("a", ONE) is None
    other = LatencyCache(tmp_path, HERE)
    assert other.anchor("another base", ONE, FOUND) is None
    assert other.get("a", ONE) is None
    assert known(tmp_path, baseline=0.97).get("a", ONE) == FOUND


def test_a_baseline_that_changed_makes_all_older_ones_void(tmp_path: Path) -> None:
    """For later studies, too, whose baseline agrees with the new one; what is measured from then on is kept."""
    known(tmp_path).put("a", ONE, FOUND)
    changed = LatencyCache(tmp_path, HERE)
    assert "20% more time" in str(changed.anchor("base", ONE, toy_measurement(1.2)))
    assert changed.get("a", ONE) is None
    assert known(tmp_path, baseline=1.2).get("a", ONE) is None
    changed.put("a", ONE, FOUND)
    assert changed.get("a", ONE) == FOUND
    assert known(tmp_path, baseline=1.2).get("a", ONE) == FOUND


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    """It is measured anew."""
    here = known(tmp_path)
    here.put("a", ONE, FOUND)
    for file in tmp_path.rglob("*.json"):
        file.write_text('{"at": 1')
    assert here.get("a", ONE) is None


SHAPES = ["null", "3", "[]", "{}", '{"at": 1, "measurement": 2}', '{"at": "x", "measurement": {}}', "[" * 100_000]


@pytest.mark.parametrize("kind", [*damage.KINDS, *SHAPES])
def test_what_is_damaged_is_measured_anew(kind: str, tmp_path: Path) -> None:
    """Whatever the damage: a number that was never measured is not believed, and the new one is kept in its place."""
    known(tmp_path).put("a", ONE, FOUND)
    for path in tmp_path.glob("*/*.json"):
        damage.KINDS.get(kind, partial(damage.write, kind.encode()))(path)
    here = known(tmp_path)
    assert here.get("a", ONE) is None
    here.put("a", ONE, FOUND)
    assert here.get("a", ONE) == FOUND
    assert known(tmp_path).get("a", ONE) == FOUND


def test_a_digit_that_flipped_is_no_measurement(tmp_path: Path) -> None:
    """It is JSON all the same."""
    known(tmp_path).put("a", ONE, FOUND)
    for path in tmp_path.glob("*/*.json"):
        path.write_text(path.read_text().replace('"p50_ms": 1.0', '"p50_ms": 9.0'))
    assert known(tmp_path).get("a", ONE) is None


def test_entries_from_before_are_read(tmp_path: Path) -> None:
    """They have no checksum."""
    known(tmp_path).put("a", ONE, FOUND)
    for path in tmp_path.glob("*/*.json"):
        path.write_text(json.dumps({name: json.loads(path.read_text())[name] for name in ("at", "measurement")}))
    assert known(tmp_path).get("a", ONE) == FOUND
