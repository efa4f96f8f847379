"""What is registered of a picked file: the tags."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.deploy.pick import Picked, choose, hand_out
from autotune.deploy.recheck import Rechecked
from autotune.deploy.registration import Registration, tags
from autotune.errors import UserError
from autotune.model.trust import Trust
from autotune.results.meta import DeviceFacts
from autotune.results.record import Begun
from autotune.targets.target import parse
from autotune.testing import toy_outcome, toy_record
from tests.damage import flip


def picked(record: Begun, *targets: str) -> Picked:
    front, point = choose(record, [parse(text)[0] for text in targets], None)
    assert point is not None
    return Picked(record, front, point, Rechecked.unmeasured(record, point))


def test_tags_are_plain_numbers_with_units(tmp_path: Path) -> None:
    """The recipe without what does not matter, bytes as they are, and the targets that were asked for."""
    record = toy_record(tmp_path / "study", toy_outcome(0.9, 0.0125, 12_345_678, prune=0.5, quantize="int8"))
    found = tags([picked(record, "latency<1ms")])
    assert (found["study"], found["trial"], found["targets"]) == ("study", "0", "latency<1ms")
    assert (found["prune"], found["quantize"], found["cluster"]) == ("0.5", "int8", "0")
    assert (found["delegate"], found["threads"], found["device"]) == ("xnnpack", "1", "fake")
    assert (found["accuracy"], found["latency_ms"], found["download_bytes"]) == ("0.9", "0.0125", "12345678")
    assert "test_accuracy" not in found
    assert "latency_remeasured_ms" not in found


def test_a_file_that_was_damaged_is_not_registered(tmp_path: Path) -> None:
    """After it was handed out; no store is asked for anything."""
    one = picked(toy_record(tmp_path / "study", toy_outcome(0.9, 1.0, 1000)))
    file, recipe = hand_out(one, tmp_path / "out")
    flip(file, 0.5)
    with pytest.raises(UserError, match=r"--register toy: .*study-0\.tflite is not the file that was measured"):
        Registration("none", "toy", "autotune").register([one], file, recipe, Trust())


def test_tags_of_several_devices(tmp_path: Path) -> None:
    """Those of the others begin with their names, as far as MLflow takes them."""
    first = toy_record(tmp_path / "study", toy_outcome(0.9, 1.0, 1000))
    other = toy_record(tmp_path / "other", toy_outcome(0.9, 2.0, 1000, threads=4))
    other = replace(other, meta=replace(other.meta, device=DeviceFacts("pi@home")))
    found = tags([picked(first), picked(other)])
    assert (found["latency_ms"], found["pi_home.latency_ms"], found["pi_home.threads"]) == ("1", "2", "4")
    assert (found["device"], found["pi_home.device"]) == ("fake", "pi@home")
