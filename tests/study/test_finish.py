"""What the end of a run keeps of where the time goes."""

from dataclasses import replace
from pathlib import Path

import pytest

from autotune.config import Config, Runtime
from autotune.devices.client.device import PROBE
from autotune.errors import Fault, UserError
from autotune.ledger.journal import read
from autotune.ledger.ledger import Ledger
from autotune.measure.profile import Profile, profiled
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Measured
from autotune.results.profile import KeptProfile, OperatorTime
from autotune.study.finish import profile_pick
from autotune.study.instrument import Instrument
from autotune.testing import FakeDevice
from autotune.testing.fakes import FakeSession
from tests.ledger.test_ledger import bare, ledger, outcome, targets


class Times(FakeSession):
    """Tells times of its own kernels."""

    def profile(self, model: Path, runtime: Runtime, seconds: float = 1.0) -> list[OperatorTime] | None:
        return [OperatorTime("", "ADD", 1.5, 0.0, "")]


class Profiles(Instrument):
    """Profiles a file that is none of the study's.

    Attributes:
        faults: whether the device is lost.
        asked: what was profiled.
    """

    def __init__(self, *, faults: bool = False) -> None:
        self.faults, self.asked = faults, list[str]()

    def profile(self, outcome: Measured, device: str) -> Profile:
        self.asked.append(str(outcome.config))
        if self.faults:
            raise Fault("the connection was lost")
        return profiled(Times(FakeDevice()), PROBE, outcome.config.runtime, device)


def begun(folder: Path) -> Ledger:
    study = ledger(folder)
    study.note("meta", replace(study.record().meta, device=DeviceFacts("fake")).to_json())
    study.add(outcome(Config.of({"prune": 0.5, "quantize": "int8", "epochs": 2})), targets())
    return study


def test_both_files_are_profiled_once(tmp_path: Path) -> None:
    """The baseline's and the recommended one's; the journal has their operators and times."""
    study, instrument = begun(tmp_path / "toy"), Profiles()
    for _ in range(2):
        profile_pick(study, instrument)
    assert len(instrument.asked) == 2
    found = read(tmp_path / "toy", "toy").profiles
    assert set(found) == {"-1", "0"}
    assert found["0"].untold == ""
    assert [part.time and part.time.time_us for part in found["0"].parts] == [1.5]


def test_a_fault_costs_nothing_but_the_times(tmp_path: Path) -> None:
    """The reason is kept."""
    study = begun(tmp_path / "toy")
    profile_pick(study, Profiles(faults=True))
    assert study.record().profiles["-1"] == KeptProfile((), "the connection was lost")


def test_without_a_baseline_there_is_nothing_to_profile(tmp_path: Path) -> None:
    """A study that was cut off before it."""
    study, instrument = bare(tmp_path / "toy"), Profiles()
    with pytest.raises(UserError, match="study 'toy' has no trials yet; run it first"):
        profile_pick(study, instrument)
    assert instrument.asked == []
